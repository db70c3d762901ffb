//! `chamois audit --follow`: what is done, as it is done; at another member where it was when one stops.

use std::time::Duration;

use proto::audit::v1::audit_service_client::AuditServiceClient;
use proto::audit::v1::{FollowAuditRecordsRequest, FollowAuditRecordsResponse, ListAuditRecordsRequest};
use tonic::{Code, Status};

use super::{AuditArgs, Form, lines, now_ms};
use crate::args::GlobalArgs;
use crate::connect::{self, Connection};
use crate::error::CliError;
use crate::output;

/// Pause before another member is asked.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Tries without an answer after which it ends.
const TRIES_MAX: u32 = 60;

pub(super) async fn run(global: &GlobalArgs, args: &AuditArgs) -> Result<(), CliError> {
    let client = AuditServiceClient::new(connect::without_repeats(global)?);
    let mut client = client.max_decoding_message_size(connect::ANSWER_BYTES_MAX);
    let mut filter = args.filter(now_ms());
    if args.revision.is_none() && args.since.is_none() {
        filter.after_revision = newest(&mut client).await?;
    }
    let mut tries = 0;
    loop {
        let request = FollowAuditRecordsRequest {
            filter: Some(filter.clone()),
        };
        let ended = match client.follow_audit_records(request).await {
            Ok(answer) => {
                let mut stream = answer.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(message)) => {
                            tries = 0;
                            filter.after_revision = filter.after_revision.max(message.revision);
                            if !print(args.form(global), &message)? || is_over(&filter) {
                                return Ok(());
                            }
                        }
                        Ok(None) => break Status::unavailable("the stream has ended"),
                        Err(status) => break status,
                    }
                }
            }
            Err(status) => status,
        };
        tries += 1;
        if ended.code() != Code::Unavailable || tries > TRIES_MAX {
            return Err(ended.into());
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// Whether everything that was asked for was told.
fn is_over(filter: &proto::audit::v1::AuditFilter) -> bool {
    filter.upto_revision > 0 && filter.after_revision >= filter.upto_revision
}

/// Where a member is by now.
async fn newest(client: &mut AuditServiceClient<Connection>) -> Result<u64, CliError> {
    let request = ListAuditRecordsRequest {
        page_size: 1,
        ..ListAuditRecordsRequest::default()
    };
    Ok(client
        .list_audit_records(request)
        .await?
        .into_inner()
        .newest_revision)
}

/// False when nobody reads any more.
fn print(form: Form, message: &FollowAuditRecordsResponse) -> Result<bool, CliError> {
    for line in texts(form, message) {
        if !output::print_line(Some(line))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A table has no end here, so its rows are lines.
fn texts(form: Form, message: &FollowAuditRecordsResponse) -> Vec<String> {
    match form {
        Form::Table => {
            let gaps = message.gaps.iter().map(|gap| {
                format!(
                    "gap: revisions {} to {} are not known there",
                    gap.after_revision + 1,
                    gap.upto_revision
                )
            });
            let records = message
                .records
                .iter()
                .map(|record| lines::record(record).join("  "));
            gaps.chain(records.map(|line| line.trim_end().to_owned()))
                .collect()
        }
        Form::JsonLines => {
            let gaps = message.gaps.iter().map(lines::gap_json);
            let records = message.records.iter().map(lines::record_json);
            gaps.chain(records).map(|line| line.to_string()).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::audit::v1::{AuditFilter, AuditGap, AuditRecord};

    use super::*;

    #[test]
    fn each_record_and_gap_is_one_line() {
        let message = FollowAuditRecordsResponse {
            records: vec![AuditRecord::default(), AuditRecord::default()],
            gaps: vec![AuditGap {
                after_revision: 1,
                upto_revision: 5,
                reason: "snapshot".into(),
            }],
            revision: 7,
        };
        for form in [Form::Table, Form::JsonLines] {
            let lines = texts(form, &message);
            assert_eq!(lines.len(), 3, "{lines:?}");
            assert!(lines.iter().all(|line| !line.contains('\n')));
        }
        assert!(texts(Form::Table, &message)[0].contains("2 to 5"));
    }

    #[test]
    fn a_range_ends_by_itself() {
        let filter = |after_revision, upto_revision| AuditFilter {
            after_revision,
            upto_revision,
            ..AuditFilter::default()
        };
        assert!(is_over(&filter(7, 7)));
        assert!(!is_over(&filter(6, 7)) && !is_over(&filter(7, 0)));
    }
}
