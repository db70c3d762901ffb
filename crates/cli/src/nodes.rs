//! Nodes as they are typed: nodesets of xnames, host names, NIDs and groups, resolved against the state of the cluster.

mod directory;
mod fetch;
mod nearest;

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
pub fn nodes(text: &str) -> Result<Nodes, String> {
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

impl Nodes {
    /// The xnames, if that is all that is written: nothing has to be asked.
    fn plain(&self) -> Option<NodeNames> {
        let names = self.expression.as_ref()?.names().ok()?;
        let xnames = names
            .iter()
            .map(|name| name.parse().map(|xname: Xname| xname.to_string()));
        xnames.collect::<Result<_, _>>().ok()
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

/// The same for requests that take nodesets of the cluster: what the cluster itself understands goes as it was typed, places
/// with all that is below them, too; everything else as xnames.
///
/// # Errors
/// As [`resolve`].
pub(crate) async fn targets(global: &GlobalArgs, nodes: &[Nodes]) -> Result<Vec<String>, CliError> {
    let mut found = Vec::new();
    let mut others = Vec::new();
    for nodes in nodes {
        match NodeSet::list(&nodes.text) {
            Ok(sets) => found.extend(sets.iter().map(NodeSet::to_string)),
            Err(_) => others.push(nodes.clone()),
        }
    }
    found.extend(resolve(global, &others).await?.iter().map(Xname::to_string));
    Ok(found)
}

/// The one component that is meant; a MAC, and a number, which is a NID, stay what they are.
///
/// # Errors
/// As [`resolve`]; `Usage` if several are meant.
pub(crate) async fn one(global: &GlobalArgs, text: &str) -> Result<String, CliError> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number || text.parse::<model::MacAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    let typed = nodes(text).map_err(|problem| CliError::new(Kind::Usage, problem).with_remedy(SYNTAX))?;
    match resolve(global, &[typed]).await?.as_slice() {
        [one] => Ok(one.to_string()),
        many => {
            let text = format!("`{text}` means {} nodes, and this is for one", many.len());
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

    #[test]
    fn a_slip_is_shown_where_it_is() {
        let error = nodes("x1000c0s[3-1]b0n0").unwrap_err();
        assert!(error.ends_with("\n  x1000c0s[3-1]b0n0\n           ^"), "{error}");
        assert!(nodes("").is_err() && nodes(" ").is_err());
    }

    /// Places mean what is below them, which a list of names cannot say.
    #[test]
    fn stars_are_the_clusters_where_it_knows_them() {
        assert!(nodes("x1000c*s*b0n0").unwrap().expression.is_none());
        assert!(nodes("nid*").unwrap().expression.is_some());
    }
}
