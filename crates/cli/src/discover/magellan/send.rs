//! `chamois discover send`.

use std::path::PathBuf;

use clap::Args;
use discovery::magellan::read_collection;
use http::Method;
use redfish::Password;
use serde_json::Value;

use super::Common;
use super::form::{self, Form};
use super::smd_http::{Answer, Smd};
use crate::error::{CliError, Kind};
use crate::output;

/// Where an SMD takes BMCs.
const ENDPOINTS: &str = "/hsm/v2/Inventory/RedfishEndpoints";

/// `chamois discover send`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois discover send https://smd.example:27779 -d @inventory.json --cacert ca.pem
  chamois discover collect -u root --password-file password | chamois discover send http://127.0.0.1:27779 -d @-
  ACCESS_TOKEN=… chamois discover send https://gateway:8443 -d @inventory.json --cacert ca.pem --force-update

Each BMC is posted to HOST/hsm/v2/Inventory/RedfishEndpoints; exit code 7 if any is refused.")]
pub(super) struct SendArgs {
    /// URL of the SMD
    host: String,
    /// What `collect` wrote, or @FILE with it, or @- for standard input; may be given again
    #[arg(short, long, required = true, value_name = "DATA|@FILE")]
    data: Vec<String>,
    /// Form of --data; both are recognised by themselves
    #[arg(short = 'f', long, value_enum, value_name = "FORM")]
    format: Option<Form>,
    /// Replace what is refused because it is there (PUT)
    #[arg(long)]
    force_update: bool,
    /// Certificate that signs the SMD's (PEM); default: those that this host trusts
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
}

pub(super) async fn run(common: &Common, args: SendArgs) -> Result<(), CliError> {
    tracing::debug!(form = ?args.format, "a send begins");
    let entries = entries(&args.data)?;
    let token = common.access_token.as_ref().map(Password::expose);
    let token = token.filter(|token| !token.is_empty()); // a variable may be there and empty
    let mut smd = Smd::new(&args.host, args.cacert.as_deref(), token, common.timeout)?;
    let (mut sent, mut refused) = (0, Vec::new());
    for entry in &entries {
        match send(&mut smd, entry, args.force_update).await {
            Ok(None) => sent += 1,
            Ok(Some(problem)) => refused.push(problem),
            // nothing was sent yet: the SMD is the problem, and no BMC
            Err(error) if sent == 0 && refused.is_empty() => return Err(error),
            Err(error) => {
                let id = entry["ID"].as_str().unwrap_or_default();
                refused.push(format!("{id} and all after it: {error}"));
                break;
            }
        }
    }
    output::print(format_args!("sent {sent} of {} BMCs", entries.len()))?;
    judge(sent, entries.len(), &refused)
}

fn judge(sent: usize, all: usize, refused: &[String]) -> Result<(), CliError> {
    if refused.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{} of {all} BMCs were not taken:\n  {}",
        all - sent,
        refused.join("\n  ")
    );
    let remedy =
        "What is there already is replaced with --force-update; that makes it safe to send all of it again.";
    Err(CliError::new(Kind::Partly, text).with_remedy(remedy))
}

fn entries(data: &[String]) -> Result<Vec<Value>, CliError> {
    let mut all = Vec::new();
    for argument in data {
        let entries = read_collection(&form::data(argument)?);
        all.extend(entries.map_err(|invalid| CliError::new(Kind::Usage, format!("--data: {invalid}")))?);
    }
    Ok(all)
}

/// What the SMD said against it; `None`: it has it now.
async fn send(smd: &mut Smd, entry: &Value, force_update: bool) -> Result<Option<String>, CliError> {
    let id = entry["ID"].as_str().unwrap_or_default();
    let body = entry.to_string();
    let answer = smd.request(Method::POST, ENDPOINTS, &body).await?;
    if answer.is_success() {
        return Ok(None);
    }
    if !force_update {
        return Ok(Some(problem(id, &answer)));
    }
    // an ID is an xname in what `collect` wrote; whatever it is, it stays one segment
    let segment = percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC);
    let answer = smd
        .request(Method::PUT, &format!("{ENDPOINTS}/{segment}"), &body)
        .await?;
    Ok((!answer.is_success()).then(|| problem(id, &answer)))
}

fn problem(id: &str, answer: &Answer) -> String {
    match answer.detail.as_str() {
        "" => format!("{id}: {}", answer.status),
        detail => format!("{id}: {}: {detail}", answer.status),
    }
}

#[cfg(test)]
mod tests {
    use super::super::smd_http::tests::serve;
    use super::*;

    fn sent(url: &str, force_update: bool) -> SendArgs {
        SendArgs {
            host: url.to_owned(),
            data: vec![r#"[{"ID":"x0c0s0b0"},{"ID":"x0c0s1b0"}]"#.to_owned()],
            format: None,
            force_update,
            cacert: None,
        }
    }

    fn common() -> Common {
        Common {
            cache: None,
            concurrency: -1,
            timeout: 10,
            access_token: Some(Password::new("c4n4ry")),
        }
    }

    #[tokio::test]
    async fn each_bmc_is_posted_with_the_token() {
        let (url, serving) = serve(&["201 Created|[]", "201 Created|[]"]).await;
        run(&common(), sent(&url, false)).await.unwrap();
        let asked = serving.await.unwrap();
        assert_eq!(asked.len(), 2);
        assert!(
            asked[0].starts_with("POST /hsm/v2/Inventory/RedfishEndpoints HTTP/1.1"),
            "{}",
            asked[0]
        );
        assert!(
            asked[0].to_lowercase().contains("authorization: bearer c4n4ry"),
            "{}",
            asked[0]
        );
        assert!(asked[1].contains(r#"{"ID":"x0c0s1b0"}"#), "{}", asked[1]);
    }

    #[tokio::test]
    async fn what_is_refused_is_named_and_the_rest_is_sent() {
        let (url, _serving) = serve(&[r#"409 Conflict|{"detail":"it is there"}"#, "201 Created|[]"]).await;
        let error = run(&common(), sent(&url, false)).await.unwrap_err();
        assert_eq!(error.exit_code(), 7);
        let text = error.to_string();
        assert!(text.contains("x0c0s0b0: 409 Conflict: it is there"), "{text}");
        assert!(text.contains("1 of 2") && !text.contains("c4n4ry"), "{text}");
    }

    /// An SMD that goes away in between must not hide what it refused before.
    #[test]
    fn what_was_sent_before_the_smd_went_is_counted() {
        judge(2, 2, &[]).unwrap();
        let refused = [
            "x0c0s1b0: 409 Conflict".to_owned(),
            "x0c0s2b0 and all after it: gone".to_owned(),
        ];
        let error = judge(1, 9, &refused).unwrap_err();
        assert_eq!(error.exit_code(), 7);
        let text = error.to_string();
        assert!(text.starts_with("8 of 9 BMCs were not taken"), "{text}");
        assert!(
            text.contains("x0c0s1b0: 409") && text.contains("all after it: gone"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn with_force_what_is_there_is_replaced() {
        let (url, serving) = serve(&["409 Conflict|", "200 OK|[]", "201 Created|[]"]).await;
        run(&common(), sent(&url, true)).await.unwrap();
        let asked = serving.await.unwrap();
        assert!(
            asked[1].starts_with("PUT /hsm/v2/Inventory/RedfishEndpoints/x0c0s0b0 "),
            "{}",
            asked[1]
        );
    }

    #[tokio::test]
    async fn what_is_no_collection_is_not_sent() {
        let wrong = SendArgs {
            data: vec!["[{}]".to_owned()],
            ..sent("http://127.0.0.1:1", false)
        };
        let error = run(&common(), wrong).await.unwrap_err();
        assert!(
            error.kind() == Kind::Usage && error.to_string().contains("data[0]"),
            "{error}"
        );
    }
}
