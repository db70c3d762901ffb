//! `chamois group create`.

use clap::Args;
use model::{GroupLabel, Xname};
use proto::smd::v1::group_service_client::GroupServiceClient;
use proto::smd::v1::{Group, GroupMembers};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois group create`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois group create compute x1000c0s0b0n0 x1000c0s0b1n0 --description 'The first rack' --tag slurm
  chamois group create blue --exclusive-group colour

A component is in one group at most among those of one exclusive group. Members must exist; if one does not,
nothing is created.")]
pub struct CreateArgs {
    /// Label: letters, digits and -:._ in lower case
    #[arg(value_parser = super::label)]
    pub label: GroupLabel,
    /// Xnames of the first members
    #[arg(value_delimiter = ',', value_name = "XNAME", value_parser = super::xname)]
    pub members: Vec<Xname>,
    /// For people
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub description: String,
    /// Tags to find it by
    #[arg(long, value_delimiter = ',', value_name = "TAG", value_parser = super::label)]
    pub tag: Vec<GroupLabel>,
    /// Name shared by groups that must have no member in common
    #[arg(long, value_name = "NAME", value_parser = super::label)]
    pub exclusive_group: Option<GroupLabel>,
}

impl From<&CreateArgs> for Group {
    fn from(args: &CreateArgs) -> Self {
        Self {
            label: args.label.to_string(),
            description: args.description.clone(),
            exclusive_group: args
                .exclusive_group
                .as_ref()
                .map(GroupLabel::to_string)
                .unwrap_or_default(),
            tags: super::texts(&args.tag),
            members: Some(GroupMembers {
                ids: super::texts(&args.members),
            }),
            meta: None,
        }
    }
}

pub(super) async fn run(global: &GlobalArgs, args: CreateArgs) -> Result<(), CliError> {
    let mut client = GroupServiceClient::new(connect::to_any(global)?);
    let answer = client.create_group(Group::from(&args)).await;
    let answer = answer
        .map_err(|status| super::refused(status, &args.label))?
        .into_inner();
    output::done(global, ("chamois.smd.v1.ResourceUris", &answer), || {
        format!(
            "created {} with {} (revision {})",
            args.label,
            super::counted(args.members.len()),
            answer.revision
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        create: CreateArgs,
    }

    fn parse(line: &str) -> Result<Group, String> {
        let parsed = Line::try_parse_from(format!("create {line}").split_whitespace());
        parsed
            .map(|line| Group::from(&line.create))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_option_reaches_the_request() {
        let line = "Compute x0c0s0b0n0 X0c0s01b0n0,x0c0s2b0n0 --tag slurm,rack1 --exclusive-group Use --description d";
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let expected = Group {
            label: "compute".into(),
            description: "d".into(),
            exclusive_group: "use".into(),
            tags: texts(&["slurm", "rack1"]),
            members: Some(GroupMembers {
                ids: texts(&["x0c0s0b0n0", "x0c0s1b0n0", "x0c0s2b0n0"]),
            }),
            meta: None,
        };
        assert_eq!(parse(line), Ok(expected));
        assert!(parse("compute").unwrap().members.unwrap().ids.is_empty());
    }

    #[test]
    fn a_slip_is_refused_before_anything_is_sent() {
        for (line, text) in [
            ("compute node1", "is not an xname"),
            ("a/b", "is not a group label"),
            ("compute --tag a!", "is not a group label or tag"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }
}
