//! `chamois audit`: the newest entries first.

use proto::audit::v1::audit_service_client::AuditServiceClient;
use proto::audit::v1::{AuditGap, AuditRecord, ListAuditRecordsRequest};
use serde_json::Value;

use super::{AuditArgs, check_whole, lines, now_ms};
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

pub(super) async fn run(global: &GlobalArgs, args: &AuditArgs) -> Result<(), CliError> {
    let client = AuditServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(connect::ANSWER_BYTES_MAX);
    let mut request = ListAuditRecordsRequest {
        filter: Some(args.filter(now_ms())),
        ..ListAuditRecordsRequest::default()
    };
    let (mut records, mut gaps, mut damaged) = (Vec::new(), Vec::new(), 0);
    let (member_id, oldest) = loop {
        request.page_size = args.page_size(records.len());
        let answer = client.list_audit_records(request.clone()).await?.into_inner();
        records.extend(answer.records);
        gaps.extend(answer.gaps);
        damaged += answer.damaged;
        request.page_token = answer.next_page_token;
        if request.page_token.is_empty() || args.is_enough(records.len()) {
            break (answer.member_id, answer.oldest_revision);
        }
    };
    print(global, args, &records, &gaps)?;
    for gap in &gaps {
        tell(&lines::gap(gap, member_id));
    }
    if oldest > 0 && request.page_token.is_empty() {
        tell(&format!(
            "The journal of member {member_id} begins after revision {oldest}."
        ));
    }
    check_whole(member_id, damaged)
}

/// On standard error: programs read the rest.
pub(super) fn tell(text: &str) {
    eprintln!("{text}");
}

fn print(
    global: &GlobalArgs,
    args: &AuditArgs,
    records: &[AuditRecord],
    gaps: &[AuditGap],
) -> Result<(), CliError> {
    let global = &args.form_of(global);
    let gaps = gaps.iter().map(lines::gap_json);
    if !global.output.is_document() {
        return output::list_of_values(global, &Value::Null, records, &lines::RECORDS, lines::record_json);
    }
    let all: Vec<Value> = records.iter().map(lines::record_json).chain(gaps).collect();
    lines::print_documents(global.output, all)
}
