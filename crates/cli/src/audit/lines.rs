//! Records and denials as people and programs read them.

use proto::audit::v1::outcome::Value;
use proto::audit::v1::{AuditGap, AuditRecord, Denial};
use serde_json::json;

use crate::error::CliError;
use crate::output::{self, Format, Shape, column, wide};

/// Objects that a row of a table names.
const OBJECTS_SHOWN: usize = 3;

/// A row per entry.
pub(super) const RECORDS: Shape<AuditRecord> = Shape {
    message: "",
    key: |record| record.revision.to_string(),
    columns: &[
        column("REVISION", |record| record.revision.to_string()),
        column("TIME", |record| record.time.clone()),
        column("PRINCIPAL", |record| record.author.clone()),
        column("COMMAND", |record| record.command.clone()),
        column("OUTCOME", reasoned),
        column("OBJECTS", objects),
        wide("REQUEST", |record| record.request.clone()),
        wide("POLICIES", |record| record.policies.join(", ")),
    ],
};

/// A row per call that a member has refused. Nothing names a denial but the member and the time.
pub(super) const DENIALS: Shape<(u64, Denial)> = Shape {
    message: "",
    key: |(member, denial)| format!("{member}/{}", denial.at_ms),
    columns: &[
        column("MEMBER", |(member, _)| member.to_string()),
        column("TIME", |(_, denial)| denial.time.clone()),
        column("PRINCIPAL", |(_, denial)| denial.author.clone()),
        column("FROM", |(_, denial)| denial.address.clone()),
        column("METHOD", |(_, denial)| {
            denial.method.rsplit('/').next().unwrap_or_default().to_owned()
        }),
        column("REASON", |(_, denial)| match denial.left_out {
            0 => denial.reason.clone(),
            more => format!("{} ({more} of the same were only counted)", denial.reason),
        }),
    ],
};

/// The columns of a line of what has no end.
pub(super) fn record(record: &AuditRecord) -> [String; 6] {
    [
        record.revision.to_string(),
        record.time.clone(),
        record.author.clone(),
        record.command.clone(),
        reasoned(record),
        objects(record),
    ]
}

fn reasoned(record: &AuditRecord) -> String {
    match record.reason.as_str() {
        "" => outcome(record).to_owned(),
        reason => format!("{}: {reason}", outcome(record)),
    }
}

/// All of them as one document, or a line each.
///
/// # Errors
/// Only when standard output cannot be written.
pub(super) fn print_documents(format: Format, all: Vec<serde_json::Value>) -> Result<(), CliError> {
    match format {
        Format::Jsonl => {
            output::print_lines(&all.iter().map(serde_json::Value::to_string).collect::<Vec<_>>())
        }
        Format::Yaml => output::print(output::value_document(format, &all.into())),
        _ => output::print(format_args!("{:#}", serde_json::Value::Array(all))),
    }
}

fn outcome(record: &AuditRecord) -> &'static str {
    match record.outcome() {
        Value::Unspecified => "unknown",
        Value::Applied => "applied",
        Value::Rejected => "rejected",
        Value::Denied => "denied",
        Value::Repeated => "repeated",
    }
}

fn objects(record: &AuditRecord) -> String {
    let shown = record.objects.iter().take(OBJECTS_SHOWN);
    let mut texts: Vec<String> = shown
        .map(|touched| {
            format!("{} {} {}", touched.change, touched.kind, touched.object)
                .trim_end()
                .to_owned()
        })
        .collect();
    let all = record.objects.len() as u64 + record.objects_left_out;
    let more = all.saturating_sub(OBJECTS_SHOWN as u64);
    if more > 0 {
        texts.push(format!("{more} more"));
    }
    texts.join(", ")
}

/// One line for programs: the same keys whatever is in it.
pub(super) fn record_json(record: &AuditRecord) -> serde_json::Value {
    let objects = record
        .objects
        .iter()
        .map(|touched| json!({ "kind": touched.kind, "object": touched.object, "change": touched.change }));
    json!({
        "revision": record.revision,
        "at_ms": record.at_ms,
        "time": record.time,
        "principal": record.author,
        "command": record.command,
        "outcome": outcome(record),
        "reason": record.reason,
        "objects": objects.collect::<Vec<_>>(),
        "objects_left_out": record.objects_left_out,
        "request": record.request,
        "permission": record.needed,
        "policies": record.policies,
    })
}

/// For people: what nobody there can tell.
pub(super) fn gap(gap: &AuditGap, member_id: u64) -> String {
    let reason = match gap.reason.as_str() {
        "snapshot" => "a snapshot jumped over them",
        "start" => "they were applied before its journal went on",
        "overflow" => "its journal could not be written in time",
        "removed" => "they were too old, or too many, to be kept",
        "damaged" => "its lines of them cannot be read",
        other => other,
    };
    format!(
        "member {member_id} does not know revisions {} to {}: {reason}; ask another member",
        gap.after_revision + 1,
        gap.upto_revision
    )
}

pub(super) fn gap_json(gap: &AuditGap) -> serde_json::Value {
    json!({ "gap": { "after": gap.after_revision, "upto": gap.upto_revision, "reason": gap.reason } })
}

pub(super) fn denial_json((member_id, denial): &(u64, Denial)) -> serde_json::Value {
    json!({
        "member": member_id,
        "at_ms": denial.at_ms,
        "time": denial.time,
        "principal": denial.author,
        "address": denial.address,
        "method": denial.method,
        "outcome": denial.outcome,
        "reason": denial.reason,
        "left_out": denial.left_out,
    })
}

#[cfg(test)]
mod tests {
    use proto::audit::v1::TouchedObject;

    use super::*;

    fn example(objects: usize) -> AuditRecord {
        let touched = |number| TouchedObject {
            kind: "component".into(),
            object: format!("x{number}"),
            change: "created".into(),
        };
        AuditRecord {
            revision: 7,
            author: "user/ada".into(),
            command: "smd.create-components".into(),
            outcome: Value::Applied.into(),
            objects: (0..objects).map(touched).collect(),
            ..AuditRecord::default()
        }
    }

    #[test]
    fn a_row_names_a_few_objects_and_counts_the_rest() {
        assert_eq!(record(&example(1))[5], "created component x0");
        let mut many = example(5);
        many.objects_left_out = 10;
        assert_eq!(
            record(&many)[5],
            "created component x0, created component x1, created component x2, 12 more"
        );
        assert_eq!(record(&example(0))[5], "");
    }

    #[test]
    fn a_refusal_says_why() {
        let mut refused = example(0);
        refused.outcome = Value::Denied.into();
        refused.reason = "denied: smd.write".into();
        assert_eq!(record(&refused)[4], "denied: denied: smd.write");
        assert_eq!(record_json(&refused)["outcome"], "denied");
    }

    #[test]
    fn a_gap_names_the_first_and_the_last_revision_that_is_missing() {
        let missing = AuditGap {
            after_revision: 7,
            upto_revision: 90,
            reason: "snapshot".into(),
        };
        let text = gap(&missing, 2);
        assert!(text.contains("member 2") && text.contains("8 to 90"), "{text}");
        assert_eq!(gap_json(&missing)["gap"]["after"], 7);
    }

    #[test]
    fn what_was_only_counted_is_told() {
        let counted = Denial {
            author: "anonymous".into(),
            method: "/chamois.smd.v1.GroupService/CreateGroup".into(),
            reason: "no token".into(),
            left_out: 99,
            ..Denial::default()
        };
        let row = (3, counted);
        let text = output::plain(std::slice::from_ref(&row), &DENIALS);
        let line = text.lines().nth(1).unwrap();
        assert!(line.starts_with("3 ") && line.contains("CreateGroup"), "{text}");
        assert!(line.contains("99"), "{text}");
        assert_eq!(denial_json(&row)["left_out"], 99);
    }
}
