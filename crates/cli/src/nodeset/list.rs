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
    output::write(&text(global.output, &args, &groups))
}

fn text(format: Format, args: &ListArgs, groups: &[(String, NodeNames)]) -> String {
    if let Some(text) = super::documents(format, groups.iter().map(as_json).collect()) {
        return text;
    }
    let args = ListArgs {
        long: args.long && format != Format::Name,
        ..args.clone()
    };
    let lines = groups.iter();
    lines
        .map(|(name, members)| format!("{}\n", line(&args, name, members)))
        .collect()
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

fn as_json((name, members): &(String, NodeNames)) -> Value {
    let names: Vec<&str> = members.iter().collect();
    json!({ "name": name, "members": names, "folded": members.fold() })
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
    }

    #[test]
    fn a_list_has_every_form_that_answers_have() {
        let blue: NodeNames = ["x0c0s0b0n0", "x0c0s1b0n0"].into_iter().collect();
        let groups = [
            ("blue".to_owned(), blue),
            ("red".to_owned(), NodeNames::default()),
        ];
        let told = |format: Format| text(format, &args("group", true, false), &groups);
        assert_eq!(told(Format::Name), "@blue\n@red\n");
        assert!(told(Format::Table).starts_with("@blue x0c0s[0-1]b0n0 2\n"));
        let whole: Value = serde_json::from_str(&told(Format::Json)).unwrap();
        assert_eq!(whole[0]["folded"], "x0c0s[0-1]b0n0");
        let of_yaml: Value = serde_yaml_ng::from_str(&told(Format::Yaml)).unwrap();
        assert_eq!(of_yaml, whole);
        let lines: Vec<Value> = told(Format::Jsonl)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(Value::Array(lines), whole);
        assert_eq!(text(Format::Table, &args("group", false, false), &[]), "");
    }

    #[test]
    fn a_source_is_one_of_those_that_there_are() {
        assert_eq!(source("role").as_deref(), Ok("role"));
        assert!(source("rol").unwrap_err().contains("subrole"));
    }
}
