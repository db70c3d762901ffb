//! The lines of the journals: JSON objects, for people, for `jq` and for whoever collects them.

use proto::raft::v1::outcome::Rejected;
use proto::raft::v1::outcome::rejected::Kind;
use raft::{Deed, DeedKind, DeedResult, Gap, GapReason, TouchChange};
use serde::{Deserialize, Serialize};

use crate::clean::clean;
use crate::names::{Names, kebab};

/// Families of commands whose refusals may name what opens something, by their field in `chamois.raft.v1.Entry`: auth and cluster.
const SECRETIVE: [u32; 2] = [14, 15];

/// One line of the journal: an entry of the log, or a gap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    /// Log index; of a gap, the last one in it.
    pub(crate) revision: u64,
    /// Cluster time, milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
    /// The same as RFC 3339.
    pub(crate) time: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) author: String,
    /// Empty of a gap.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) command: String,
    pub(crate) outcome: Outcome,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) objects: Vec<Touched>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) request: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) needed: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) policies: Vec<String>,
    /// Of a gap: the last entry before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gap_after: Option<u64>,
    /// Objects that were left out to make the line short enough for whom it was sent to; never in the journal itself.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) objects_left_out: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    #[default]
    Applied,
    Rejected,
    Denied,
    Repeated,
    /// It is no entry: entries are missing here.
    Gap,
    /// A later version has written it.
    #[serde(other)]
    Other,
}

/// One object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Touched {
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) object: String,
    pub(crate) change: String,
}

/// One line of the log of denials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Denial {
    /// They are numbered on each member, from 1.
    pub(crate) number: u64,
    pub(crate) at_ms: u64,
    pub(crate) time: String,
    pub(crate) author: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) address: String,
    pub(crate) method: String,
    /// `denied` or `unauthenticated`; `used` of the break-glass socket and `signed` of certificates, which nobody has refused.
    pub(crate) outcome: String,
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) left_out: u64,
}

impl Record {
    /// What an entry did.
    pub(crate) fn of(deed: &Deed, names: &Names) -> Record {
        let (outcome, reason) = match &deed.result {
            DeedResult::Applied => (Outcome::Applied, String::new()),
            DeedResult::Repeated => (Outcome::Repeated, String::new()),
            DeedResult::Rejected(rejected) => refusal(deed.what, rejected),
        };
        let request = deed.request.as_ref().map(|(client, seq)| {
            let client: String = client.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{client}/{seq}")
        });
        Record {
            revision: deed.index,
            at_ms: deed.at_ms,
            time: state::time_text(deed.at_ms),
            author: clean(&deed.principal),
            command: command(deed.what, names),
            outcome,
            reason,
            objects: deed.touched.iter().map(touched).collect(),
            request: request.unwrap_or_default(),
            needed: clean(&deed.permission),
            policies: deed.policies.iter().map(|name| clean(name)).collect(),
            ..Record::default()
        }
    }

    /// Entries that this member knows nothing of; found at `now_ms`.
    pub(crate) fn of_gap(gap: &Gap, now_ms: u64) -> Record {
        let reason = match gap.reason {
            GapReason::Snapshot => "snapshot",
            GapReason::Overflow => "overflow",
        };
        Record::missing(gap.after, gap.upto, reason, now_ms)
    }

    /// Entries that were applied before this process began, and that the journal has not.
    pub(crate) fn of_start(after: u64, upto: u64, now_ms: u64) -> Record {
        Record::missing(after, upto, "start", now_ms)
    }

    /// Entries that are missing for this reason; found at `now_ms`.
    pub(crate) fn missing(after: u64, upto: u64, reason: &str, now_ms: u64) -> Record {
        Record {
            revision: upto,
            at_ms: now_ms,
            time: state::time_text(now_ms),
            outcome: Outcome::Gap,
            reason: reason.to_owned(),
            gap_after: Some(after),
            ..Record::default()
        }
    }

    pub(crate) fn is_gap(&self) -> bool {
        self.outcome == Outcome::Gap
    }
}

/// A line with its end. Text without map keys of other types than text can always be written.
pub(crate) fn line(of: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(of).unwrap_or_default();
    line.push(b'\n');
    line
}

fn command(what: DeedKind, names: &Names) -> String {
    match what {
        DeedKind::Command(numbers) => names.command(numbers),
        DeedKind::Blank => "raft.new-leader".to_owned(),
        DeedKind::Membership => "raft.membership".to_owned(),
    }
}

/// Why an entry was refused: what the refusal is about, and never the value that was wrong.
fn refusal(what: DeedKind, rejected: &Rejected) -> (Outcome, String) {
    let outcome = match rejected.kind() {
        Kind::Denied => Outcome::Denied,
        _ => Outcome::Rejected,
    };
    let name = rejected
        .kind()
        .as_str_name()
        .trim_start_matches("KIND_")
        .to_lowercase();
    let mut reason = name.replace('_', " ");
    if !rejected.subject.is_empty() {
        reason = format!("{reason}: {}", clean(&rejected.subject));
    }
    let is_secretive = matches!(what, DeedKind::Command(numbers) if SECRETIVE.contains(&numbers.family));
    if !rejected.id.is_empty() && !is_secretive {
        reason = format!("{reason} {}", clean(&rejected.id));
    }
    (outcome, reason)
}

fn touched(touch: &raft::Touch) -> Touched {
    let change = match touch.change {
        TouchChange::Created => "created",
        TouchChange::Updated => "updated",
        TouchChange::Deleted => "deleted",
        TouchChange::Stored => "stored",
    };
    Touched {
        kind: kebab(&touch.kind.name()),
        object: clean(&touch.id),
        change: change.to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use raft::{CommandNumbers, Touch};
    use state::RowKind;

    use super::*;

    /// What `author` did at `index`: a group was created.
    pub(crate) fn deed(index: u64, author: &str, group: &str) -> Deed {
        Deed {
            index,
            at_ms: 1000 * index,
            what: DeedKind::Blank,
            principal: author.to_owned(),
            request: Some((vec![0xab, 0x01], 7)),
            permission: "smd.write".to_owned(),
            policies: vec!["operators".to_owned()],
            result: DeedResult::Applied,
            touched: vec![Touch {
                kind: RowKind::BootConfiguration,
                id: group.to_owned(),
                change: TouchChange::Created,
            }],
        }
    }

    pub(crate) fn record(index: u64, author: &str, group: &str) -> Record {
        Record::of(&deed(index, author, group), &Names::load().unwrap())
    }

    #[test]
    fn a_line_says_everything_and_is_read_back() {
        let written = record(3, "user/ada", "gpu");
        let line = line(&written);
        let expected = r#"{"revision":3,"at_ms":3000,"time":"1970-01-01T00:00:03.000Z","author":"user/ada","#;
        assert!(
            line.starts_with(expected.as_bytes()),
            "{}",
            String::from_utf8_lossy(&line)
        );
        assert!(line.ends_with(b"}\n"));
        assert_eq!(serde_json::from_slice::<Record>(&line).unwrap(), written);
        assert_eq!(written.request, "ab01/7");
        assert_eq!(written.objects[0].kind, "boot-configuration");
    }

    /// Who names himself so that a line seems to end would write lines of his own.
    #[test]
    fn a_hostile_name_stays_within_its_line() {
        let line = line(&record(3, "user/\n{\"revision\":4}", "\u{1b}[31m\u{2028}"));
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(
            line.iter().all(|byte| byte.is_ascii()),
            "{}",
            String::from_utf8_lossy(&line)
        );
    }

    #[test]
    fn a_refusal_names_the_field_and_not_what_was_in_it() {
        let of = |kind: Kind, family, subject: &str, id: &str| {
            let rejected = Rejected {
                kind: kind.into(),
                subject: subject.into(),
                id: id.into(),
                detail: "canary".into(),
                ..Rejected::default()
            };
            refusal(DeedKind::Command(CommandNumbers { family, change: 1 }), &rejected)
        };
        for (refused, expected) in [
            (
                of(Kind::Invalid, 10, "components[0].id", ""),
                (Outcome::Rejected, "invalid: components[0].id"),
            ),
            (
                of(Kind::NotFound, 10, "group", "gpu"),
                (Outcome::Rejected, "not found: group gpu"),
            ),
            (
                of(Kind::Denied, 10, "smd.write", ""),
                (Outcome::Denied, "denied: smd.write"),
            ),
            (
                of(Kind::NotFound, 14, "device", "ABCD-EFGH"),
                (Outcome::Rejected, "not found: device"),
            ),
        ] {
            assert_eq!(refused, (expected.0, expected.1.to_owned()));
        }
    }

    /// After a downgrade the journal has lines of the version before: they are not damaged.
    #[test]
    fn an_outcome_of_a_later_version_is_read() {
        let line = br#"{"revision":7,"author":"user/ada","outcome":"postponed"}"#;
        let read: Record = serde_json::from_slice(line).unwrap();
        assert_eq!((read.revision, read.outcome), (7, Outcome::Other));
    }

    #[test]
    fn a_gap_says_from_where_to_where_and_why() {
        let gap = Gap {
            after: 7,
            upto: 90,
            reason: GapReason::Snapshot,
        };
        let gap = Record::of_gap(&gap, 5);
        assert!(gap.is_gap());
        assert_eq!(
            (gap.gap_after, gap.revision, gap.reason.as_str()),
            (Some(7), 90, "snapshot")
        );
        let line = line(&gap);
        assert_eq!(serde_json::from_slice::<Record>(&line).unwrap(), gap);
    }
}
