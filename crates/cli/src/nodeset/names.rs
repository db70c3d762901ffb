//! The names that nodesets of a command line mean.

use std::io::Read as _;

use model::{NodeExpression, NodeNames};

use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::nodes::{self, Directory, Wanted};

/// What standard input may have.
const INPUT_BYTES_MAX: u64 = 64 << 20;

/// Of all together. The cluster is asked where one of them has groups.
///
/// # Errors
/// `Usage` with a caret under what is wrong, `NotFound` for a group that does not exist.
pub(super) async fn of(global: &GlobalArgs, sets: &[String]) -> Result<NodeNames, CliError> {
    let mut words = Vec::new();
    for set in sets {
        match set.as_str() {
            "-" => words.extend(words_of(&input()?)),
            set => words.push(set.to_owned()),
        }
    }
    if sets.is_empty() {
        words = words_of(&input()?);
    }
    let expressions = parsed(&words)?;
    let wanted = expressions
        .iter()
        .map(Wanted::groups_of)
        .fold(Wanted::default(), Wanted::and);
    let known = nodes::directory(global, wanted).await?;
    named(&expressions, &known)
}

fn parsed(words: &[String]) -> Result<Vec<NodeExpression>, CliError> {
    let parse = |word: &String| {
        word.parse().map_err(|problem: model::NodeExpressionError| {
            CliError::new(Kind::Usage, problem.to_string())
                .with_remedy("`chamois nodeset expand --help` shows what can be written.")
        })
    };
    words.iter().map(parse).collect()
}

fn named(expressions: &[NodeExpression], known: &Directory) -> Result<NodeNames, CliError> {
    let mut found = NodeNames::default();
    for expression in expressions {
        let names = expression.expand(&mut |group| known.group(group));
        let names = names.map_err(|problem| {
            CliError::new(Kind::NotFound, problem.to_string()).with_remedy(
                "`chamois nodeset list` shows the groups, `chamois nodeset sources` what else has groups.",
            )
        })?;
        found = found.union(names);
    }
    Ok(found)
}

fn input() -> Result<String, CliError> {
    let mut text = String::new();
    let read = std::io::stdin()
        .lock()
        .take(INPUT_BYTES_MAX + 1)
        .read_to_string(&mut text);
    let bytes = read.map_err(|error| CliError::other("cannot read standard input", error))?;
    match u64::try_from(bytes).is_ok_and(|bytes| bytes <= INPUT_BYTES_MAX) {
        true => Ok(text),
        false => Err(CliError::new(
            Kind::Usage,
            format!("standard input is longer than {INPUT_BYTES_MAX} bytes"),
        )),
    }
}

/// Each word is a nodeset, and `#` begins a comment, as ClusterShell reads it.
fn words_of(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .map(|line| line.split_once('#').map_or(line, |(before, _)| before));
    lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(words: &[&str]) -> Result<String, CliError> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Ok(named(&parsed(&words)?, &Directory::default())?.fold())
    }

    #[test]
    fn several_nodesets_count_as_one() {
        assert_eq!(fold(&["n1", "n[2-3]", "a!a"]).unwrap(), "n[1-3]");
        assert_eq!(words_of("n1 n2 # both\n\n  n3\n#n4\n"), ["n1", "n2", "n3"]);
    }

    #[test]
    fn slips_and_unknown_groups_have_their_exit_codes() {
        assert_eq!(fold(&["n[1"]).unwrap_err().exit_code(), 2);
        assert_eq!(fold(&["@blue"]).unwrap_err().exit_code(), 3);
    }
}
