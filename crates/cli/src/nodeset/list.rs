//! `chamois nodeset list`.

use clap::Args;
use model::{NodeNames, Xname};
use serde_json::{Value, json};

use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::nodes::{self, Nodes, SOURCES, Wanted};
use crate::output::{self, Format};

/// `chamois nodeset list`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois nodeset list                       the groups of the cluster
  chamois nodeset list --long -s role        roles with their nodes and how many there are
  chamois nodeset list x1000c0s0b0n0         the groups that a node is in")]
pub struct ListArgs {
    /// Only groups that one of these is in
    #[arg(value_name = "NODESET", value_parser = nodes::nodes)]
    pub nodes: Vec<Nodes>,
    /// What there are groups of, as `chamois nodeset sources` shows it
    #[arg(short, long, default_value = "group", value_name = "SOURCE", value_parser = source)]
    pub source: String,
    /// Also the members, and how many there are
    #[arg(short, long)]
    pub long: bool,
    /// Names without `@` and source
    #[arg(long)]
    pub plain: bool,
}

fn source(text: &str) -> Result<String, String> {
    let known = SOURCES.map(|(name, _)| name);
    match known.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("write one of {}", known.join(", "))),
    }
}

pub(super) async fn run(global: &GlobalArgs, args: ListArgs) -> Result<(), CliError> {
    let of: NodeNames = nodes::resolve(global, &args.nodes)
        .await?
        .iter()
        .map(Xname::as_str)
        .collect();
    let known = nodes::directory(global, Wanted::source(&args.source)).await?;
    let is_wanted = |members: &NodeNames| of.is_empty() || of.iter().any(|name| members.contains(name));
    let groups = known.values(&args.source);
    let groups: Vec<(String, NodeNames)> = groups
        .into_iter()
        .filter(|(_, members)| is_wanted(members))
        .collect();
    if global.output == Format::Json {
        return output::print(as_json(&groups));
    }
    let lines: Vec<String> = groups
        .iter()
        .map(|(name, members)| line(&args, name, members))
        .collect();
    match lines.is_empty() {
        false => output::print(lines.join("\n")),
        true => Ok(()),
    }
}

fn line(args: &ListArgs, name: &str, members: &NodeNames) -> String {
    let name = match (args.plain, args.source.as_str()) {
        (true, _) => name.to_owned(),
        (false, "group") => format!("@{name}"),
        (false, source) => format!("@{source}:{name}"),
    };
    match args.long {
        false => name,
        true => format!("{name} {} {}", members.fold(), members.len()),
    }
}

fn as_json(groups: &[(String, NodeNames)]) -> Value {
    let group = |(name, members): &(String, NodeNames)| {
        let names: Vec<&str> = members.iter().collect();
        json!({ "name": name, "members": names, "folded": members.fold() })
    };
    groups.iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(source: &str, long: bool, plain: bool) -> ListArgs {
        ListArgs {
            nodes: Vec::new(),
            source: source.to_owned(),
            long,
            plain,
        }
    }

    #[test]
    fn what_is_listed_can_be_typed() {
        let members: NodeNames = ["x0c0s0b0n0", "x0c0s1b0n0"].into_iter().collect();
        let line = |args: ListArgs| line(&args, "blue", &members);
        assert_eq!(line(args("group", false, false)), "@blue");
        assert_eq!(line(args("role", false, false)), "@role:blue");
        assert_eq!(line(args("role", true, false)), "@role:blue x0c0s[0-1]b0n0 2");
        assert_eq!(line(args("role", false, true)), "blue");
        assert_eq!(
            as_json(&[("blue".to_owned(), members)])[0]["folded"],
            "x0c0s[0-1]b0n0"
        );
    }

    #[test]
    fn a_source_is_one_of_those_that_there_are() {
        assert_eq!(source("role").as_deref(), Ok("role"));
        assert!(source("rol").unwrap_err().contains("subrole"));
    }
}
