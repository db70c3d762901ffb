//! `chamois discover plan`: what a crawl would change, before it does.

use std::collections::BTreeMap;

use clap::Args;
use proto::discovery::v1::crawl_service_client::CrawlServiceClient;
use proto::discovery::v1::{Crawl, PlanCrawlRequest, PlanCrawlResponse};
use proto::http::v1::{FieldChange, ObjectChange};

use super::crawl_args::CrawlArgs;
use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::{CliError, Kind};
use crate::job::names_of;
use crate::output;

/// Status of a BMC that was read whole.
const OK: &str = "ok";
/// Name of the message of one BMC.
const PLAN: &str = "chamois.discovery.v1.PlanCrawlResponse";

/// `chamois discover plan`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois discover plan                        every BMC that is known
  chamois discover plan 'x1000c0s[0-7]b0' --fields
  chamois discover plan 10.1.0.7:443 -o json   one JSON object a line

The BMCs are read now, by the member that is asked. Exit code 7 if any of them could not be.")]
pub struct PlanArgs {
    /// Which BMCs, and how fast.
    #[command(flatten)]
    pub crawl: CrawlArgs,
    /// Also each field that would change
    #[arg(long)]
    pub fields: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: PlanArgs) -> Result<(), CliError> {
    let client = CrawlServiceClient::new(connect::for_upload(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let request = PlanCrawlRequest {
        crawl: Some(Crawl::from(args.crawl)),
    };
    let mut answers = client.plan_crawl(request).await?.into_inner();
    let mut seen = Seen::default();
    while let Some(answer) = answers.message().await? {
        let text = match global.output.is_document() {
            true => output::stream_item(global.output, &output::to_value(PLAN, &answer)?),
            false => text(&answer, args.fields),
        };
        seen.count(&answer);
        if !output::print_line(Some(text))? {
            return Ok(());
        }
    }
    if !global.output.is_document() && !global.quiet {
        output::print(seen.line())?;
    }
    seen.judge()
}

/// What was planned.
#[derive(Debug, Default)]
struct Seen {
    bmcs: usize,
    failed: usize,
    changes: usize,
    /// Addresses by status and remedy.
    failures: BTreeMap<(String, String), Vec<String>>,
}

impl Seen {
    fn count(&mut self, answer: &PlanCrawlResponse) {
        self.bmcs += 1;
        self.changes += answer.changes.len();
        if answer.status != OK {
            self.failed += 1;
            let alike = (answer.status.clone(), answer.remedy.clone());
            self.failures
                .entry(alike)
                .or_default()
                .push(answer.address.clone());
        }
    }

    fn line(&self) -> String {
        format!(
            "{} BMCs were read, {} not or in part; {} objects would change; nothing was written",
            self.bmcs - self.failed,
            self.failed,
            self.changes
        )
    }

    fn judge(&self) -> Result<(), CliError> {
        match self.failed {
            0 => Ok(()),
            failed => {
                let folded = self.folded();
                let text = format!(
                    "{failed} of {} BMCs could not be read whole:\n{folded}",
                    self.bmcs
                );
                Err(CliError::new(Kind::Partly, text))
            }
        }
    }

    /// A line for all that failed alike, with what to do: among the changes of a thousand others nobody would find them.
    fn folded(&self) -> String {
        let entry = |((status, remedy), addresses): (&(String, String), &Vec<String>)| {
            let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
            format!("  {}: {status}\n      {remedy}", names_of(&addresses))
        };
        self.failures.iter().map(entry).collect::<Vec<_>>().join("\n")
    }
}

/// A BMC, and below it what would become of its objects.
fn text(answer: &PlanCrawlResponse, with_fields: bool) -> String {
    let xname = match answer.xname.as_str() {
        "" => "no xname: no rule fits, see `chamois discover rule list` and `chamois bmc assign`",
        xname => xname,
    };
    let mut text = format!("{} ({xname}): {}", answer.address, answer.status);
    if answer.status != OK {
        text.push_str(&format!(": {}\n    {}", answer.reason, answer.remedy));
    } else if answer.changes.is_empty() {
        text.push_str(", nothing would change");
    }
    for change in &answer.changes {
        text.push_str(&format!("\n  {} {} {}", sign(change), change.kind, change.id));
        let fields = change.fields.iter().filter(|_| with_fields);
        fields.for_each(|change| text.push_str(&format!("\n      {}", field(change))));
    }
    text
}

fn sign(change: &ObjectChange) -> &'static str {
    match change.change.as_str() {
        "created" => "+",
        "deleted" => "-",
        _ => "~",
    }
}

fn field(change: &FieldChange) -> String {
    let side = |value: &Option<prost_types::Value>| match value {
        None => "nothing".to_owned(),
        Some(value) => {
            let shown = output::to_value("google.protobuf.Value", value);
            shown.map_or_else(|_| "?".to_owned(), |value| value.to_string())
        }
    };
    format!(
        "{}: {} -> {}",
        change.field,
        side(&change.before),
        side(&change.after)
    )
}

#[cfg(test)]
mod tests {
    use prost_types::value::Kind as ValueKind;

    use super::*;

    fn value(text: &str) -> Option<prost_types::Value> {
        Some(prost_types::Value {
            kind: Some(ValueKind::StringValue(text.to_owned())),
        })
    }

    fn read() -> PlanCrawlResponse {
        PlanCrawlResponse {
            address: "10.1.0.7:443".into(),
            xname: "x0c0s0b0".into(),
            status: OK.into(),
            changes: vec![ObjectChange {
                change: "updated".into(),
                kind: "hardware_location".into(),
                id: "x0c0s0b0n0d3".into(),
                fields: vec![FieldChange {
                    field: "Status".into(),
                    before: value("Populated"),
                    after: None,
                }],
            }],
            ..PlanCrawlResponse::default()
        }
    }

    #[test]
    fn what_would_change_is_shown_below_its_bmc() {
        assert_eq!(
            text(&read(), false),
            "10.1.0.7:443 (x0c0s0b0): ok\n  ~ hardware_location x0c0s0b0n0d3"
        );
        assert!(text(&read(), true).ends_with("\n      Status: \"Populated\" -> nothing"));
        let unchanged = PlanCrawlResponse {
            changes: Vec::new(),
            ..read()
        };
        assert!(text(&unchanged, true).ends_with("nothing would change"));
    }

    #[test]
    fn a_bmc_without_an_xname_says_how_to_give_it_one() {
        let nameless = PlanCrawlResponse {
            xname: String::new(),
            ..read()
        };
        assert!(text(&nameless, false).contains("chamois bmc assign"));
    }

    #[test]
    fn a_bmc_that_could_not_be_read_is_exit_code_7_with_its_remedy() {
        let failed = PlanCrawlResponse {
            address: "10.1.0.8:443".into(),
            status: "credentials".into(),
            reason: "401".into(),
            remedy: "set the password".into(),
            ..PlanCrawlResponse::default()
        };
        assert!(text(&failed, false).ends_with(": credentials: 401\n    set the password"));
        let mut seen = Seen::default();
        seen.count(&read());
        seen.judge().unwrap();
        seen.count(&failed);
        seen.count(&PlanCrawlResponse {
            address: "10.1.0.9:443".into(),
            ..failed.clone()
        });
        let error = seen.judge().unwrap_err();
        assert_eq!(error.exit_code(), 7);
        assert_eq!(
            error.to_string(),
            "2 of 3 BMCs could not be read whole:\n  10.1.0.[8-9]:443: credentials\n      set the password"
        );
        assert!(
            seen.line()
                .starts_with("1 BMCs were read, 2 not or in part; 1 objects"),
            "{}",
            seen.line()
        );
    }
}
