//! Nodes as they are typed: nodesets of xnames, host names, NIDs and groups, resolved against the state of the cluster.

mod directory;
mod fetch;

use model::{NodeExpression, NodeExpressionError, NodeNames, NodeSet, Xname};

use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};

pub(crate) use directory::{Directory, SOURCES};
pub(crate) use fetch::{Wanted, directory};

/// Where the syntax is told.
const SYNTAX: &str = "`chamois nodeset expand --help` shows what can be written.";

/// A nodeset that was typed: ranges, operators, groups, as `chamois nodeset` reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodes {
    text: String,
    /// `None`: only the cluster knows what it means, e.g. `x1000c*`, all below a place.
    expression: Option<NodeExpression>,
}

/// Reads a nodeset; a slip is shown with a caret under it before anything is sent.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn nodes(text: &str) -> Result<Nodes, String> {
    let typed = |expression| Nodes {
        text: text.to_owned(),
        expression,
    };
    // nodesets of the cluster mean places, too, with what is below them
    if NodeSet::list(text).is_ok_and(|sets| sets.iter().any(|set| set.to_string().contains('*'))) {
        return Ok(typed(None));
    }
    match text.parse() {
        Ok(expression) if !text.trim().is_empty() => Ok(typed(Some(expression))),
        Ok(_) => Err("this names no node".to_owned()),
        Err(problem) => Err(NodeExpressionError::to_string(&problem)),
    }
}

/// The same for arguments that stay texts until the cluster is asked.
///
/// # Errors
/// As [`nodes`].
pub(crate) fn text(text: &str) -> Result<String, String> {
    nodes(text).map(|nodes| nodes.text)
}

impl Nodes {
    /// The xnames, if that is all that is written: nothing has to be asked. None if they mean nobody, which [`Self::resolved`] refuses:
    /// the cluster takes an empty list for all.
    pub(crate) fn plain(&self) -> Option<NodeNames> {
        let xnames = |names: NodeNames| {
            let parsed = names
                .iter()
                .map(|name| name.parse().map(|xname: Xname| xname.to_string()));
            parsed
                .collect::<Result<NodeNames, _>>()
                .map_err(|problem| problem.to_string())
        };
        let nobody = |_: &str| Err("nobody is asked".to_owned());
        let expression = self.expression.as_ref()?;
        let found = expression.expand_as(&mut { nobody }, &mut { xnames }).ok();
        found.filter(|names| !names.is_empty())
    }

    /// What has to be asked for.
    fn wanted(&self) -> Wanted {
        let Some(expression) = &self.expression else {
            return Wanted::nodes();
        };
        Wanted::of(expression)
    }

    /// The xnames, by what is known.
    fn resolved(&self, known: &Directory) -> Result<NodeNames, CliError> {
        let found = match &self.expression {
            None => Ok(known.below(&NodeSet::list(&self.text).unwrap_or_default())),
            Some(expression) => known.expand(expression),
        }?;
        match found.is_empty() {
            false => Ok(found),
            true => Err(CliError::new(Kind::NotFound, format!("`{self}` means no node now"))
                .with_remedy("`chamois nodeset list` shows the groups, `chamois component list --type Node` the nodes.")),
        }
    }
}

impl std::fmt::Display for Nodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// The xnames that these mean together, sorted, each once; nothing for no nodesets.
///
/// # Errors
/// `NotFound` for names and groups that do not exist, with the nearest that does, and for a nodeset that means nothing.
pub(crate) async fn resolve(global: &GlobalArgs, nodes: &[Nodes]) -> Result<Vec<Xname>, CliError> {
    let names = match nodes.iter().map(Nodes::plain).collect::<Option<Vec<_>>>() {
        Some(plain) => plain.into_iter().fold(NodeNames::default(), NodeNames::union),
        None => {
            let wanted = nodes
                .iter()
                .fold(Wanted::default(), |all, nodes| all.and(nodes.wanted()));
            let known = directory(global, wanted).await?;
            let mut found = NodeNames::default();
            for nodes in nodes {
                found = found.union(nodes.resolved(&known)?);
            }
            found
        }
    };
    let xname = |name: &str| {
        name.parse()
            .map_err(|problem| CliError::other("the answer of the cluster", problem))
    };
    names.iter().map(xname).collect()
}

/// The same for requests that take nodesets of the cluster: what the cluster itself understands goes as it was typed,
/// places with all that is below them, too; everything else as xnames, folded.
///
/// # Errors
/// As [`resolve`].
pub(crate) async fn targets(global: &GlobalArgs, texts: &[String]) -> Result<Vec<String>, CliError> {
    let (mut found, others) = split(texts)?;
    let resolved = resolve(global, &others).await?;
    found.extend(sets_of(&resolved));
    Ok(found)
}

/// [`targets`] of requests about BMCs: a node that is not named itself stands for its BMC.
///
/// # Errors
/// As [`resolve`].
pub(crate) async fn bmcs(global: &GlobalArgs, texts: &[String]) -> Result<Vec<String>, CliError> {
    let (mut found, others) = split(texts)?;
    let bmc = |xname: Xname| match xname.is_node() {
        true => xname.parent().unwrap_or(xname),
        false => xname,
    };
    let resolved: Vec<Xname> = resolve(global, &others).await?.into_iter().map(bmc).collect();
    found.extend(sets_of(&resolved));
    Ok(found)
}

/// What the cluster understands, and the rest.
fn split(texts: &[String]) -> Result<(Vec<String>, Vec<Nodes>), CliError> {
    let (mut known, mut others) = (Vec::new(), Vec::new());
    for text in texts {
        match NodeSet::list(text) {
            Ok(sets) => known.extend(sets.iter().map(NodeSet::to_string)),
            Err(_) => others.push(nodes(text).map_err(misspelled)?),
        }
    }
    Ok((known, others))
}

/// Nodesets of the cluster, which are shorter than ClusterShell's may be: what does not fit is written out.
fn sets_of(xnames: &[Xname]) -> Vec<String> {
    let folded = xnames.iter().map(Xname::as_str).collect::<NodeNames>().folded();
    match folded.iter().all(|set| set.parse::<NodeSet>().is_ok()) {
        true => folded,
        false => xnames.iter().map(Xname::to_string).collect(),
    }
}

fn misspelled(problem: String) -> CliError {
    CliError::new(Kind::Usage, problem).with_remedy(SYNTAX)
}

/// Xnames for a filter of a list, in which a leading `!` negates.
///
/// # Errors
/// As [`resolve`].
pub(crate) async fn filter(global: &GlobalArgs, texts: &[String]) -> Result<Vec<String>, CliError> {
    let (negated, named): (Vec<&String>, Vec<&String>) = texts.iter().partition(|text| text.starts_with('!'));
    let named: Result<Vec<Nodes>, String> = named.into_iter().map(|text| nodes(text)).collect();
    let named = resolve(global, &named.map_err(misspelled)?).await?;
    let named = named.iter().map(Xname::to_string);
    Ok(named.chain(negated.into_iter().cloned()).collect())
}

/// The one component that is meant; a MAC, and a number, which is a NID, stay what they are.
///
/// # Errors
/// As [`resolve`]; `Usage` if several are meant.
pub(crate) async fn one(global: &GlobalArgs, text: &str) -> Result<String, CliError> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number || text.parse::<model::MacAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    let typed = nodes(text).map_err(misspelled)?;
    only(text, resolve(global, &[typed]).await?).map(|xname| xname.to_string())
}

/// The same where a MAC or a NID will not do.
///
/// # Errors
/// As [`one`].
pub(crate) async fn one_xname(global: &GlobalArgs, text: &str) -> Result<Xname, CliError> {
    let typed = nodes(text).map_err(misspelled)?;
    only(text, resolve(global, &[typed]).await?)
}

/// An object that need not be a node: a nodeset is only looked for in what looks like one.
///
/// # Errors
/// As [`one`].
pub(crate) async fn object(global: &GlobalArgs, text: String) -> Result<String, CliError> {
    match text.starts_with('@') || text.contains(['[', '*']) {
        true => one(global, &text).await,
        false => Ok(text),
    }
}

fn only(text: &str, mut found: Vec<Xname>) -> Result<Xname, CliError> {
    match (found.pop(), found.len()) {
        (Some(one), 0) => Ok(one),
        (_, others) => {
            let text = format!("`{text}` means {} nodes, and this is for one", others + 1);
            Err(CliError::new(Kind::Usage, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Option<String> {
        nodes(text).unwrap().plain().map(|names| names.fold())
    }

    #[test]
    fn xnames_are_known_without_asking() {
        assert_eq!(
            plain("X1000c0s[0-1]b0n0!x1000c0s1b0n0").as_deref(),
            Some("x1000c0s0b0n0")
        );
        assert_eq!(plain("x0c0s00b0n0").as_deref(), Some("x0c0s0b0n0"));
        for asks in ["@compute", "nid[1-2]", "x1000c*s*b0n0", "x1000c0s?b0n0", "login"] {
            assert_eq!(plain(asks), None, "{asks}");
        }
    }

    /// No names are no filter, and a change of all.
    #[tokio::test]
    async fn xnames_that_cancel_out_are_not_all_nodes() {
        for text in [
            "x0c0s0b0n0!x0c0s0b0n0",
            "x1c0s0b0n0&x2c0s0b0n0",
            "x[1-2]c0s0b0n0!x[1-3]c0s0b0n0",
        ] {
            let typed = nodes(text).unwrap();
            let alone = resolve(&GlobalArgs::default(), std::slice::from_ref(&typed)).await;
            assert_eq!(alone.unwrap_err().kind(), Kind::NotFound, "{text}");
            let both = [nodes("x0c0s0b0n0").unwrap(), typed];
            let both = resolve(&GlobalArgs::default(), &both).await;
            assert_eq!(both.unwrap_err().kind(), Kind::NotFound, "{text}");
        }
        assert!(resolve(&GlobalArgs::default(), &[]).await.unwrap().is_empty());
    }

    #[test]
    fn a_slip_is_shown_where_it_is() {
        let error = nodes("x1000c0s[3-1]b0n0").unwrap_err();
        assert!(error.ends_with("\n  x1000c0s[3-1]b0n0\n           ^"), "{error}");
        assert!(nodes("").is_err() && nodes(" ").is_err());
    }

    #[test]
    fn requests_get_nodesets_of_the_cluster() {
        let texts = ["x[1002,1000-1001]c*", "X0,x1", "@blue"].map(str::to_owned);
        let (known, others) = split(&texts).unwrap();
        assert_eq!(known, ["x[1000-1002]c*", "x0", "x1"]);
        assert_eq!(others.len(), 1);
        let xname = |slot: u32| format!("x0c0s{slot}b0n0").parse().unwrap();
        let row: Vec<Xname> = (0..8).map(xname).collect();
        assert_eq!(sets_of(&row), ["x0c0s[0-7]b0n0"]);
        let odd: Vec<Xname> = (0..64)
            .filter(|slot| slot % 7 < 3)
            .map(|slot| format!("x{slot}").parse().unwrap())
            .collect();
        assert!(sets_of(&odd).iter().all(|set| set.parse::<NodeSet>().is_ok()));
    }

    /// Places mean what is below them, which a list of names cannot say.
    #[test]
    fn stars_are_the_clusters_where_it_knows_them() {
        assert!(nodes("x1000c*s*b0n0").unwrap().expression.is_none());
        assert!(nodes("nid*").unwrap().expression.is_some());
    }
}
