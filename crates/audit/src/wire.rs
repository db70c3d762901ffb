//! Between lines and messages.

use proto::audit::v1 as pb;
use proto::audit::v1::outcome::Value;
use rpc::Error;

use crate::query::Filter;
use crate::record::{Denial, Outcome, Record};

/// Objects of one record in an answer: clients take 4 MiB.
const OBJECTS_MAX: usize = 10_000;
/// Bytes of a text of a filter.
const TEXT_BYTES_MAX: usize = 1024;

/// # Errors
/// `Invalid` for texts that are too long and an outcome that there is not.
pub(crate) fn filter(asked: Option<pb::AuditFilter>) -> Result<Filter, Error> {
    let asked = asked.unwrap_or_default();
    let outcome = outcome(asked.outcome)?;
    for (field, text) in [
        ("author", &asked.author),
        ("command", &asked.command),
        ("kind", &asked.kind),
        ("object", &asked.object),
    ] {
        check_text(field, text)?;
    }
    let filter = Filter {
        author: asked.author,
        command: asked.command,
        kind: asked.kind,
        object: asked.object,
        outcome,
        after: asked.after_revision,
        upto: some(asked.upto_revision),
        since_ms: asked.since_ms,
        until_ms: some(asked.until_ms),
    };
    Ok(filter.cleaned())
}

/// # Errors
/// `Invalid` for one that is too long.
pub(crate) fn check_text(field: &str, text: &str) -> Result<(), Error> {
    if text.len() <= TEXT_BYTES_MAX {
        return Ok(());
    }
    let problem = format!(
        "it has {} bytes, at most {TEXT_BYTES_MAX} are accepted",
        text.len()
    );
    Err(rpc::invalid(field, problem))
}

/// 0 is no bound.
pub(crate) fn some(bound: u64) -> Option<u64> {
    Some(bound).filter(|bound| *bound > 0)
}

fn outcome(asked: i32) -> Result<Option<Outcome>, Error> {
    let known = Value::try_from(asked).map_err(|_| {
        let problem = format!("{asked} is none; accepted are 1 (applied) to 4 (repeated), and 0 for all");
        rpc::invalid("outcome", problem)
    })?;
    Ok(match known {
        Value::Unspecified => None,
        Value::Applied => Some(Outcome::Applied),
        Value::Rejected => Some(Outcome::Rejected),
        Value::Denied => Some(Outcome::Denied),
        Value::Repeated => Some(Outcome::Repeated),
    })
}

/// Of a record with very many objects, those that the filter is for come first.
pub(crate) fn record(record: Record, filter: &Filter) -> pb::AuditRecord {
    let outcome = match record.outcome {
        Outcome::Applied => Value::Applied,
        Outcome::Rejected => Value::Rejected,
        Outcome::Denied => Value::Denied,
        Outcome::Repeated => Value::Repeated,
        Outcome::Gap | Outcome::Other => Value::Unspecified,
    };
    let mut objects = record.objects;
    let left_out = objects.len().saturating_sub(OBJECTS_MAX);
    if left_out > 0 {
        objects.sort_by_key(|touched| !filter.is_for_object(touched));
        objects.truncate(OBJECTS_MAX);
    }
    let objects = objects.into_iter().map(|touched| pb::TouchedObject {
        kind: touched.kind,
        object: touched.object,
        change: touched.change,
    });
    pb::AuditRecord {
        revision: record.revision,
        at_ms: record.at_ms,
        time: record.time,
        author: record.author,
        command: record.command,
        outcome: outcome.into(),
        reason: record.reason,
        objects: objects.collect(),
        objects_left_out: left_out as u64,
        request: record.request,
        needed: record.needed,
        policies: record.policies,
    }
}

pub(crate) fn gap(record: Record) -> pb::AuditGap {
    pb::AuditGap {
        after_revision: record.gap_after.unwrap_or_default(),
        upto_revision: record.revision,
        reason: record.reason,
    }
}

pub(crate) fn denial(denial: Denial) -> pb::Denial {
    pb::Denial {
        at_ms: denial.at_ms,
        time: denial.time,
        author: denial.author,
        address: denial.address,
        method: denial.method,
        outcome: denial.outcome,
        reason: denial.reason,
        left_out: denial.left_out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record as written;

    #[test]
    fn what_is_not_given_selects_everything() {
        assert_eq!(filter(None).unwrap(), Filter::default());
        let asked = pb::AuditFilter {
            author: "user/\u{e4}*".into(),
            upto_revision: 7,
            outcome: Value::Denied.into(),
            ..pb::AuditFilter::default()
        };
        let read = filter(Some(asked)).unwrap();
        assert_eq!(read.author, "user/\\u{e4}*", "as the journal has it");
        assert_eq!((read.upto, read.outcome), (Some(7), Some(Outcome::Denied)));
    }

    #[test]
    fn what_is_not_accepted_is_refused_by_name() {
        let long = pb::AuditFilter {
            object: "x".repeat(TEXT_BYTES_MAX + 1),
            ..pb::AuditFilter::default()
        };
        assert!(
            filter(Some(long))
                .unwrap_err()
                .to_string()
                .starts_with("object: ")
        );
        let unknown = pb::AuditFilter {
            outcome: 99,
            ..pb::AuditFilter::default()
        };
        assert!(
            filter(Some(unknown))
                .unwrap_err()
                .to_string()
                .starts_with("outcome: 99")
        );
    }

    /// Whoever asks about one object must see it, however many others were changed with it.
    #[test]
    fn of_very_many_objects_those_that_are_asked_for_come_first() {
        let mut many = written(1, "user/ada", "gpu");
        let object = many.objects[0].clone();
        many.objects = vec![object; 2 * OBJECTS_MAX];
        many.objects[2 * OBJECTS_MAX - 1].object = "last".into();
        let filter = Filter {
            object: "last".into(),
            ..Filter::default()
        };
        let shown = record(many, &filter);
        assert_eq!(
            (shown.objects.len(), shown.objects_left_out),
            (OBJECTS_MAX, OBJECTS_MAX as u64)
        );
        assert_eq!(shown.objects[0].object, "last");
    }
}
