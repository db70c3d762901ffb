//! ClusterShell's nodeset syntax: `x1000c0s[0-7]b0n0,@login!nid[010-020/5]`.

mod error;
mod parse;
mod ranges;
mod term;
mod wildcard;

use std::fmt;
use std::str::FromStr;

use crate::NodeNames;

pub use error::NodeExpressionError;

use crate::node_names::Index;
use term::Term;

/// Longest expression accepted, in bytes.
pub const NODE_EXPRESSION_BYTES_MAX: usize = 64 * 1024;
/// Names that the parts of an expression may mean in all, those of its groups included.
pub const NODE_NAMES_MAX: usize = 1_000_000;
/// Bytes of all names and groups that an expression spells.
pub const NODE_NAMES_BYTES_MAX: usize = 64 << 20;
/// Bytes of names that are held against names with `*` or `?`, where nobody else has bounded it: a few seconds.
const COMPARED_BYTES_MAX: usize = 4_000_000_000;

/// Names and groups of names, and what is done with them from left to right: `,` or a blank adds, `!` takes away, `&`
/// leaves those that are in both, `^` those that are in one of both.
///
/// Numbers may be lists of ranges in brackets, with leading zeros and steps: `n[1-3,07,10-20/2]`; a name may have
/// several. `@rack1`, `@role:Compute` are groups, `@*` is every name there is; a name with `*` or `?` means those
/// among them that fit. Who resolves groups decides what there is.
///
/// Source: ClusterShell 1.9 `NodeSet.ParsingEngine`. Other than there, blanks separate names, and negative numbers as
/// well as digits before a bracket with numbers of several lengths (`n1[8-12]`, which ClusterShell reads as
/// `n[18-112]`) are refused.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeExpression {
    text: String,
    steps: Vec<(Operator, Term)>,
    /// That were written out when it was read.
    numbers: usize,
}

/// What an expression is about to do, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpressionWork {
    /// Names that are spelled, and groups that are asked for.
    pub names: usize,
    /// Bytes that are made, or compared.
    pub bytes: usize,
}

/// What is done with the names so far and the next ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Union,
    Difference,
    Intersection,
    SymmetricDifference,
}

impl Operator {
    fn of(sign: char) -> Option<Operator> {
        match sign {
            ',' => Some(Operator::Union),
            '!' => Some(Operator::Difference),
            '&' => Some(Operator::Intersection),
            '^' => Some(Operator::SymmetricDifference),
            _ => None,
        }
    }
}

impl NodeExpression {
    /// Whether what it means depends on what there is: groups, `*` and `?`.
    pub fn has_groups(&self) -> bool {
        self.steps.iter().any(|(_, term)| !term.is_spelled())
    }

    /// The names it means. `group` resolves groups: it is given `rack1` for `@rack1`, `role:Compute` for
    /// `@role:Compute` and `*` for all names there are; what it answers is a list of names, not of groups.
    ///
    /// # Errors
    /// What `group` says, with the place in the text; more than [`NODE_NAMES_MAX`] names.
    pub fn expand(
        &self,
        group: &mut dyn FnMut(&str) -> Result<NodeNames, String>,
    ) -> Result<NodeNames, NodeExpressionError> {
        self.expand_as(group, &mut Ok)
    }

    /// The same where one node has several names: what is spelled counts as what `meant` makes of it, so that
    /// `@rack1!nid0001` takes away a node that the group calls otherwise.
    ///
    /// # Errors
    /// As [`expand`](Self::expand), and what `meant` says.
    pub fn expand_as(
        &self,
        group: &mut dyn FnMut(&str) -> Result<NodeNames, String>,
        meant: &mut dyn FnMut(NodeNames) -> Result<NodeNames, String>,
    ) -> Result<NodeNames, NodeExpressionError> {
        let mut left = COMPARED_BYTES_MAX;
        self.expand_within(group, meant, &mut |work| {
            let rest = left.checked_sub(work.bytes);
            left = rest.ok_or("so many names with * or ? take too long: write fewer, or shorter ranges")?;
            Ok(())
        })
    }

    /// The same for an expression of somebody who is not trusted: `allow` is told of all work before it is done, but for what `group`
    /// and `meant` do.
    ///
    /// # Errors
    /// As [`expand_as`](Self::expand_as), and what `allow` says.
    pub fn expand_within(
        &self,
        group: &mut dyn FnMut(&str) -> Result<NodeNames, String>,
        meant: &mut dyn FnMut(NodeNames) -> Result<NodeNames, String>,
        allow: &mut dyn FnMut(ExpressionWork) -> Result<(), String>,
    ) -> Result<NodeNames, NodeExpressionError> {
        let refused = |at, problem| NodeExpressionError::new(&self.text, at, problem);
        allow(self.read_work()).map_err(|problem| refused(0, problem))?;
        let mut found = NodeNames::default();
        let mut left = NODE_NAMES_MAX;
        for (operator, term) in &self.steps {
            let refused = |problem| refused(term.at(), problem);
            allow(term.work()).map_err(refused)?;
            let names = match term.is_spelled() {
                true => meant(term.names()),
                false => term.resolved(group, allow),
            };
            let names = names.map_err(refused)?;
            left = left.checked_sub(names.len()).ok_or_else(|| refused(too_many()))?;
            found = match operator {
                Operator::Union => found.union(names),
                Operator::Difference => found.difference(&names),
                Operator::Intersection => found.intersection(names),
                Operator::SymmetricDifference => found.symmetric_difference(names),
            };
        }
        Ok(found)
    }

    /// What was done when it was read. That is bounded, and told with the rest for those who read many.
    fn read_work(&self) -> ExpressionWork {
        ExpressionWork {
            names: 0,
            bytes: self.text.len() + self.numbers * size_of::<Index>(),
        }
    }

    /// The names that are spelled in it, whatever is done with them: neither groups nor names with `*` or `?`.
    pub fn spelled(&self) -> NodeNames {
        let plain = self
            .steps
            .iter()
            .map(|(_, term)| term)
            .filter(|term| term.is_spelled());
        plain.fold(NodeNames::default(), |all, term| all.union(term.names()))
    }

    /// The names of an expression without groups.
    ///
    /// # Errors
    /// That it has one.
    pub fn names(&self) -> Result<NodeNames, NodeExpressionError> {
        self.expand(&mut |_| Err("groups and wildcards mean nothing here: write the names".to_owned()))
    }
}

/// What an expression is told that means more than [`NODE_NAMES_MAX`] names.
fn too_many() -> String {
    format!("these are more than {NODE_NAMES_MAX} names")
}

impl FromStr for NodeExpression {
    type Err = NodeExpressionError;

    fn from_str(text: &str) -> Result<Self, NodeExpressionError> {
        let read = parse::steps(text).map_err(|(at, problem)| NodeExpressionError::new(text, at, problem))?;
        Ok(Self {
            text: text.to_owned(),
            steps: read.steps,
            numbers: read.numbers,
        })
    }
}

impl fmt::Display for NodeExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for NodeExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `@rack1` has n1 to n3, `@rack2` n3 to n5, `@role:Compute` n2; there are those and `login`.
    fn groups(name: &str) -> Result<NodeNames, String> {
        let names = match name {
            "rack1" => "n1 n2 n3",
            "rack2" => "n3 n4 n5",
            "role:Compute" => "n2",
            "*" => "login n1 n2 n3 n4 n5",
            _ => return Err(format!("no group {name}")),
        };
        Ok(names.split(' ').collect())
    }

    fn folded(text: &str) -> Result<String, String> {
        let expression: NodeExpression = text
            .parse()
            .map_err(|error: NodeExpressionError| error.to_string())?;
        let names = expression.expand(&mut groups);
        names.map(|names| names.fold()).map_err(|error| error.to_string())
    }

    #[test]
    fn operators_count_from_left_to_right() {
        for (text, expected) in [
            ("", ""),
            (" \n", ""),
            ("n1", "n1"),
            ("n1,n2", "n[1-2]"),
            ("n1 n2\tn3\n", "n[1-3]"),
            ("n[1-9]!n[3-4]", "n[1-2,5-9]"),
            ("n[1-9]&n[8-12]", "n[8-9]"),
            ("n[1-3]^n[3-5]", "n[1-2,4-5]"),
            ("n[1-3]!n2,n2", "n[1-3]"),
            ("n[1-9] ! n[3-4] , n20", "n[1-2,5-9,20]"),
            ("n1,n[1-9]&n[5-6],n7!n6", "n[5,7]"),
            ("n1&n2", ""),
        ] {
            assert_eq!(folded(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn numbers_are_ranges_with_steps_and_zeros_in_several_places() {
        for (text, expected) in [
            ("n[0-10/5]", "n[0,5,10]"),
            ("n[001-003,10]", "n[10,001-003]"),
            ("n[08-11]", "n[08-11]"),
            ("n[ 1 - 3 , 5 ]", "n[1-3,5]"),
            ("x[0-1]c[0-1]", "x[0-1]c[0-1]"),
            ("x[1-2]c0s[3,4]b0", "x[1-2]c0s[3-4]b0"),
            ("n1[0-2]", "n[10-12]"),
            ("n[1-2]5", "n[15,25]"),
            ("[1-3]", "[1-3]"),
            ("n[5/1]", "n5"),
        ] {
            assert_eq!(folded(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn groups_and_wildcards_mean_what_there_is() {
        for (text, expected) in [
            ("@rack1", "n[1-3]"),
            ("@rack[1-2]", "n[1-5]"),
            ("@rack1&@rack2", "n3"),
            ("@*!@rack[1-2]", "login"),
            ("@role:Compute,n9", "n[2,9]"),
            ("n*", "n[1-5]"),
            ("n?!n[1-2]", "n[3-5]"),
            ("l*n", "login"),
            ("z*", ""),
        ] {
            assert_eq!(folded(text).as_deref(), Ok(expected), "{text}");
        }
        let asks = |text: &str| text.parse::<NodeExpression>().unwrap().has_groups();
        assert_eq!(
            "n1!n2,@a,n*".parse::<NodeExpression>().unwrap().spelled().fold(),
            "n[1-2]"
        );
        assert!(asks("n1,@rack1") && asks("n*") && !asks("n[1-2],a@b"));
        assert_eq!(
            "n[1-2]".parse::<NodeExpression>().unwrap().names().unwrap().len(),
            2
        );
        assert!("@a".parse::<NodeExpression>().unwrap().names().is_err());
    }

    /// Else a node would stay that was to be left out.
    #[test]
    fn what_is_spelled_counts_as_what_it_means() {
        let mut meant = |names: NodeNames| Ok(names.iter().map(|name| name.replace("nid", "n")).collect());
        let expression: NodeExpression = "@rack1!nid2,nid[3-4]".parse().unwrap();
        assert_eq!(
            expression.expand_as(&mut groups, &mut meant).unwrap().fold(),
            "n[1,3-4]"
        );
        let mut refuse = |_: NodeNames| Err("nobody".to_owned());
        assert_eq!(expression.expand_as(&mut groups, &mut refuse).unwrap_err().at, 7);
    }

    #[test]
    fn what_a_group_is_told_stands_under_the_group() {
        let error = folded("n1,@rack9").unwrap_err();
        assert!(error.contains("no group rack9"), "{error}");
        assert!(error.ends_with("\n  n1,@rack9\n     ^"), "{error}");
    }

    /// Whoever types a text chooses how much it means.
    #[test]
    fn names_are_bounded_whatever_the_text() {
        for text in [
            "n[0-1000000]",
            "x[0-9999]c[0-9999]",
            "n[0-600000],n[0-600000]",
            "n[0-999999999999999999]",
            "a[0-9]b[0-9]c[0-9]d[0-9]e[0-9]f[0-9]g[0-9]",
        ] {
            assert!(folded(text).unwrap_err().contains("1000000 names"), "{text}");
        }
        let long = "n1,".repeat(NODE_EXPRESSION_BYTES_MAX / 3 + 1);
        assert!(folded(&long).unwrap_err().contains("65536"));
        let groups = ["@big"; 3].join(",");
        let mut big = |_: &str| Ok((0..400_000).map(|n| format!("n{n}")).collect());
        let groups: NodeExpression = groups.parse().unwrap();
        assert!(groups.expand(&mut big).is_err());
    }

    /// Each bracket for itself is allowed; nothing is written out of those behind it.
    #[test]
    fn brackets_are_bounded_together() {
        let many = format!("a{}", "[0-999999]b".repeat(5000));
        assert!(folded(&many).unwrap_err().contains("1000000 names"));
        let again = vec!["[0-9999]".replace("9999", "9999,0-9999"); 60].join("a");
        assert!(folded(&again).unwrap_err().contains("1000000 names"));
        let same = format!("n[{}7]", "0-999,".repeat(1001));
        assert!(folded(&same).unwrap_err().contains("1000000 names"));
    }

    /// A long name a million times is no long text.
    #[test]
    fn bytes_of_names_are_bounded() {
        let long = "a".repeat(60_000);
        let message = folded(&format!("{long}[1-2000]")).unwrap_err();
        assert!(message.contains("longer than 64 MiB in all"), "{message}");
        let several = vec![format!("{}[1-999]", "a".repeat(10_000)); 6].join(",");
        assert!(several.len() < NODE_EXPRESSION_BYTES_MAX);
        assert!(
            folded(&several.replace("1-999", "1-1200"))
                .unwrap_err()
                .contains("64 MiB")
        );
        assert!(several.parse::<NodeExpression>().is_ok());
    }

    /// What `allow` was told of before it said no, and what was asked for until then.
    fn told(text: &str, at_most: usize) -> (Vec<ExpressionWork>, usize, Result<usize, String>) {
        let (mut told, mut asked) = (Vec::new(), 0);
        let expression: NodeExpression = text.parse().unwrap();
        let mut group = |name: &str| {
            asked += 1;
            groups(name)
        };
        let names = expression.expand_within(&mut group, &mut Ok, &mut |work: ExpressionWork| {
            told.push(work);
            match told.len() <= at_most {
                true => Ok(()),
                false => Err("no more".to_owned()),
            }
        });
        let names = names.map(|names| names.len()).map_err(|error| error.problem);
        (told, asked, names)
    }

    #[test]
    fn work_is_told_before_it_is_done() {
        let work = |names, bytes| ExpressionWork { names, bytes };
        let (read, spelled) = (work(0, 10 + 3 * 16), work(3, 6));
        // six names of 15 bytes against three masks
        let (masks, compared) = (work(3, 9), work(0, 45));
        assert_eq!(
            told("n[1-3],xyz", 9),
            (vec![work(0, 58), spelled, work(1, 3)], 0, Ok(4))
        );
        assert_eq!(
            told("n[1-3]*,*?", 9).0,
            [read, masks, compared, work(1, 2), work(0, 15)]
        );
        let stopped = Err("no more".to_owned());
        assert_eq!(told("n[1-3]*,*?", 0), (vec![read], 0, stopped.clone()));
        assert_eq!(told("n[1-3]*,*?", 1), (vec![read, masks], 0, stopped.clone()));
        assert_eq!(told("n[1-3]*,*?", 2), (vec![read, masks, compared], 1, stopped));
        assert_eq!(told("@rack[1-2]", 1).1, 0);
        assert_eq!(
            told("@rack[1-2]", 2),
            (vec![work(0, 10 + 2 * 16), work(2, 12)], 2, Ok(5))
        );
    }

    /// A million wildcards and ten thousand nodes would take minutes.
    #[test]
    fn names_held_against_wildcards_are_bounded() {
        let mut many = |_: &str| Ok((0..10_000).map(|n| format!("n{n}")).collect());
        let expression: NodeExpression = "*[1-1000000]".parse().unwrap();
        let message = expression.expand(&mut many).unwrap_err().problem;
        assert!(message.contains("take too long: write fewer"), "{message}");
        let few: NodeExpression = "n[1-9]*".parse().unwrap();
        assert_eq!(few.expand(&mut many).unwrap().len(), 9_999);
    }

    proptest! {
        #[test]
        fn what_is_folded_means_the_same_names(
            names in prop::collection::btree_set("[a-c]{1,2}[0-9]{0,3}(-[0-9]{1,2})?", 0..60)
        ) {
            let names: NodeNames = names.iter().collect();
            let expression: NodeExpression = names.fold().parse().unwrap();
            prop_assert_eq!(expression.names().unwrap(), names);
        }

        #[test]
        fn xnames_come_back_from_their_fold(
            places in prop::collection::btree_set((0_u8..3, 0_u8..4, 0_u8..12, 0_u8..2), 0..80)
        ) {
            let names = places.iter().map(|(x, c, s, n)| format!("x{x}c{c}s{s}b0n{n}"));
            let names: NodeNames = names.collect();
            let folded = names.fold();
            prop_assert_eq!(&folded.parse::<NodeExpression>().unwrap().names().unwrap(), &names);
            let count = |part: &String| part.parse::<NodeExpression>().unwrap().names().unwrap().len();
            let parts: usize = names.folded().iter().map(count).sum();
            prop_assert_eq!(parts, names.len(), "each name is in one part: {}", folded);
        }

        #[test]
        fn hostile_text_never_panics(text in "[n0-9\\[\\],!&^@*?/ -]{0,40}|\\PC{0,60}") {
            if let Err(error) = folded(&text) {
                prop_assert!(error.lines().count() <= 3, "{}", error);
            }
        }
    }
}
