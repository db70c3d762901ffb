//! `chamois audit`: who did what to which object at which revision, and what was refused.

mod denials;
mod follow;
mod lines;
mod records;
mod when;

use std::time::SystemTime;

use clap::Args;
use proto::audit::v1::AuditFilter;
use proto::audit::v1::outcome::Value;

use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output::Format;
use crate::utc;

use self::when::When;

/// `chamois audit`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois audit                                        the last 100 entries, the newest first
  chamois audit --object x1000c0s0b0n0                 who changed this node
  chamois audit --principal user/ada --since 2d        what Ada did in two days
  chamois audit --command 'auth.*' --outcome denied    what somebody tried with rights that he has not
  chamois audit --kind group --revision 4000-4711 -o json
  chamois audit --follow --jsonl                       what is done from now on, one JSON object a line
  chamois audit --denied --since 1h                    calls that each named member has refused

A `*` at the end of a text stands for anything. Every member has the same entries; what the asked one does not know it says on
standard error. Denials are each member's own: with --denied all of --endpoints are asked.")]
pub struct AuditArgs {
    /// Who did it, e.g. user/ada or 'token/*'
    #[arg(long, value_name = "PRINCIPAL")]
    pub principal: Option<String>,
    /// Name of an object that was touched
    #[arg(long, value_name = "NAME", conflicts_with = "denied")]
    pub object: Option<String>,
    /// Kind of an object that was touched, e.g. component
    #[arg(long, value_name = "KIND", conflicts_with = "denied")]
    pub kind: Option<String>,
    /// What was done, e.g. smd.create-components
    #[arg(long, value_name = "COMMAND", conflicts_with = "denied")]
    pub command: Option<String>,
    /// What became of it
    #[arg(long, value_enum, conflicts_with = "denied")]
    pub outcome: Option<OutcomeArg>,
    /// From this time on: 30m, 2h, 7d, or 2026-11-30T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<When>,
    /// Before this time
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    pub until: Option<When>,
    /// One revision, or the first and the last one, e.g. 4000-4711
    #[arg(long, value_name = "REVISIONS", value_parser = revisions, conflicts_with = "denied")]
    pub revision: Option<(u64, u64)>,
    /// At most so many lines; 0: all
    #[arg(long, value_name = "LINES", default_value_t = 100, conflicts_with = "follow")]
    pub limit: usize,
    /// Calls that were refused before they did anything
    #[arg(long, conflicts_with = "follow")]
    pub denied: bool,
    /// Go on with what is done from now on, or after --revision
    #[arg(long)]
    pub follow: bool,
    /// One JSON object a line
    #[arg(long)]
    pub jsonl: bool,
}

/// What became of an entry, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[allow(missing_docs)] // the names say it
pub enum OutcomeArg {
    Applied,
    Rejected,
    Denied,
    Repeated,
}

/// Form of the lines of what has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Table,
    JsonLines,
}

pub(crate) async fn run(global: &GlobalArgs, args: AuditArgs) -> Result<(), CliError> {
    match (args.denied, args.follow) {
        (true, _) => denials::run(global, &args).await,
        (false, true) => follow::run(global, &args).await,
        (false, false) => records::run(global, &args).await,
    }
}

impl AuditArgs {
    /// `--jsonl` is the older word for `-o jsonl`.
    fn form_of(&self, global: &GlobalArgs) -> GlobalArgs {
        let output = match self.jsonl {
            true => Format::Jsonl,
            false => global.output,
        };
        GlobalArgs {
            output,
            ..global.clone()
        }
    }

    fn form(&self, global: &GlobalArgs) -> Form {
        match self.jsonl || global.output.is_document() {
            true => Form::JsonLines,
            false => Form::Table,
        }
    }

    fn filter(&self, now_ms: u64) -> AuditFilter {
        let outcome = match self.outcome {
            None => Value::Unspecified,
            Some(OutcomeArg::Applied) => Value::Applied,
            Some(OutcomeArg::Rejected) => Value::Rejected,
            Some(OutcomeArg::Denied) => Value::Denied,
            Some(OutcomeArg::Repeated) => Value::Repeated,
        };
        let (first, last) = self.revision.unwrap_or_default();
        AuditFilter {
            author: self.principal.clone().unwrap_or_default(),
            command: self.command.clone().unwrap_or_default(),
            kind: self.kind.clone().unwrap_or_default(),
            object: self.object.clone().unwrap_or_default(),
            outcome: outcome.into(),
            after_revision: first.saturating_sub(1),
            upto_revision: last,
            since_ms: self.since.map_or(0, |since| since.at_ms(now_ms)),
            until_ms: self.until.map_or(0, |until| until.at_ms(now_ms)),
        }
    }

    /// Whether so many lines are all that are asked for.
    fn is_enough(&self, lines: usize) -> bool {
        self.limit > 0 && lines >= self.limit
    }

    /// Lines of the next page.
    fn page_size(&self, lines: usize) -> u32 {
        const PAGE_SIZE_MAX: usize = 1000;
        let left = match self.limit {
            0 => PAGE_SIZE_MAX,
            limit => limit.saturating_sub(lines).min(PAGE_SIZE_MAX),
        };
        u32::try_from(left).unwrap_or(u32::MAX)
    }
}

/// `N` or `FIRST-LAST`.
fn revisions(text: &str) -> Result<(u64, u64), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if 0 < first && first <= last => Ok((first, last)),
        _ => Err("write a revision, e.g. 4711, or the first and the last one, e.g. 4000-4711".to_owned()),
    }
}

fn now_ms() -> u64 {
    utc::unix_ms(SystemTime::now())
}

/// The member has answered with lines that it could not read.
fn check_whole(member_id: u64, damaged: u64) -> Result<(), CliError> {
    if damaged == 0 {
        return Ok(());
    }
    let text = format!("member {member_id} could not read {damaged} lines of its journal");
    Err(CliError::new(Kind::Other, text).with_remedy("Ask another member: every one has the same entries."))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{Cli, ClientCommand, Command};

    pub(super) fn parsed(words: &[&str]) -> AuditArgs {
        let all = ["chamois", "audit"].iter().chain(words);
        match Cli::try_parse_from(all).unwrap().command {
            Command::Client(ClientCommand::Audit(args)) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_typed_is_what_is_asked_for() {
        let words = [
            "--principal",
            "user/ada",
            "--object",
            "x1",
            "--revision",
            "4000-4711",
        ];
        let args = parsed(&[&words[..], &["--outcome", "denied", "--since", "1h"]].concat());
        let filter = args.filter(10_000_000);
        assert_eq!(
            (filter.author.as_str(), filter.object.as_str()),
            ("user/ada", "x1")
        );
        assert_eq!((filter.after_revision, filter.upto_revision), (3999, 4711));
        assert_eq!(filter.outcome(), Value::Denied);
        assert_eq!((filter.since_ms, filter.until_ms), (6_400_000, 0));
        assert_eq!(parsed(&[]).filter(1), AuditFilter::default());
    }

    #[test]
    fn revisions_are_one_or_a_range() {
        assert_eq!(revisions("7"), Ok((7, 7)));
        assert_eq!(revisions("7-9"), Ok((7, 9)));
        for wrong in ["", "-", "9-7", "0", "x", "7-", "-7"] {
            assert!(revisions(wrong).unwrap_err().contains("4000-4711"), "{wrong}");
        }
    }

    #[test]
    fn a_limit_is_kept_over_pages() {
        let args = parsed(&["--limit", "1500"]);
        assert_eq!((args.page_size(0), args.page_size(1000)), (1000, 500));
        assert!(args.is_enough(1500) && !args.is_enough(1499));
        let all = parsed(&["--limit", "0"]);
        assert!(all.page_size(10_000) == 1000 && !all.is_enough(1_000_000));
    }
}
