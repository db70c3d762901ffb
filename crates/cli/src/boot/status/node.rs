//! One node: its newest boot phase by phase, and the boots that the cluster knows of.

use comfy_table::Table;
use model::Xname;
use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::boot_record_service_client::BootRecordServiceClient;
use proto::bss::v1::{BootPhase, BootRecord, ListBootRecordsRequest};

use super::phase;
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;
use crate::utc;

pub(super) async fn run(global: &GlobalArgs, node: &Xname) -> Result<(), CliError> {
    let mut client = BootRecordServiceClient::new(connect::to_any(global)?);
    let request = ListBootRecordsRequest {
        node: node.to_string(),
    };
    let answer = client.list_boot_records(request).await?.into_inner();
    let whole = ("chamois.bss.v1.ListBootRecordsResponse", &answer);
    output::object(global, whole, node.as_str(), || match answer.records.first() {
        None => format!("{node} was never seen to boot"),
        Some(newest) => format!("{}\n{}", timeline(newest), boots(&answer.records)),
    })
}

/// A row for each phase that the boot came to, in their order.
fn timeline(record: &BootRecord) -> Table {
    let mut table = output::table(["PHASE", "AT", "AFTER", "TRIES", "BYTES", "REVISION", "MEMBER"]);
    let began_ms = record.phases.iter().map(|attempt| attempt.at_ms).min();
    let after = |at_ms: u64| {
        let ms = at_ms.saturating_sub(began_ms.unwrap_or(at_ms));
        format!("{}.{:03} s", ms / 1000, ms % 1000)
    };
    for attempts in record.phases.chunk_by(|one, other| one.phase == other.phase) {
        table.add_row(row(attempts, &after));
    }
    if record.phoned_home_at_ms > 0 {
        let at_ms = record.phoned_home_at_ms;
        let empty = String::new;
        let name = phase::name(Phase::PhonedHome);
        let at = utc::timestamp(at_ms);
        table.add_row([name, at, after(at_ms), empty(), empty(), empty(), empty()]);
    }
    table
}

/// Of the attempts at one phase the first, how many there are, and what was sent in all.
fn row(attempts: &[BootPhase], after: &impl Fn(u64) -> String) -> [String; 7] {
    let first = attempts.first().copied().unwrap_or_default();
    [
        phase::name(first.phase()),
        utc::timestamp(first.at_ms),
        after(first.at_ms),
        attempts.len().to_string(),
        phase::size(attempts.iter().map(|attempt| attempt.bytes).sum()),
        phase::known(first.revision),
        phase::known(first.member),
    ]
}

fn boots(records: &[BootRecord]) -> Table {
    let mut table = output::table([
        "PHONED HOME",
        "BOOT ID",
        "FURTHEST",
        "INSTANCE ID",
        "HOSTNAME",
        "ADDRESS",
        "HOST KEYS",
    ]);
    for record in records {
        let home = record.phoned_home_at_ms > 0;
        let seen = record.phases.iter().map(BootPhase::phase).max();
        let furthest = if home { Some(Phase::PhonedHome) } else { seen };
        table.add_row([
            match home {
                true => utc::timestamp(record.phoned_home_at_ms),
                false => String::new(),
            },
            record.boot_id.clone(),
            furthest.map(phase::name).unwrap_or_default(),
            record.instance_id.clone(),
            record.hostname.clone(),
            record.address.clone(),
            record.host_keys.len().to_string(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(phase: Phase, at_ms: u64, bytes: u64) -> BootPhase {
        BootPhase {
            phase: phase.into(),
            at_ms,
            bytes,
            revision: 41,
            member: 2,
            told: false,
        }
    }

    fn record() -> BootRecord {
        BootRecord {
            node: "x0c0s0b0n0".into(),
            boot_id: "00000000000000ab".into(),
            instance_id: "i-00112233aabbccdd".into(),
            phoned_home_at_ms: 1_764_054_042_500,
            phases: vec![
                attempt(Phase::Offered, 1_764_054_000_000, 300),
                attempt(Phase::Kernel, 1_764_054_003_250, 8 << 20),
                attempt(Phase::Kernel, 1_764_054_013_250, 8 << 20),
            ],
            ..BootRecord::default()
        }
    }

    fn line(table: &Table, word: &str) -> String {
        let text = table.to_string();
        let found = text.lines().find(|line| line.contains(word));
        found.unwrap_or_else(|| panic!("{word}: {text}")).to_owned()
    }

    #[test]
    fn the_newest_boot_is_shown_phase_by_phase() {
        let table = timeline(&record());
        for word in ["2025-11-25T07:00:03Z", "3.250 s", "16 MiB", "41"] {
            assert!(line(&table, "kernel").contains(word), "{table}");
        }
        assert!(line(&table, "phoned-home").contains("42.500 s"), "{table}");
        assert!(line(&table, "offered").contains("0.000 s"), "{table}");
    }

    #[test]
    fn a_boot_is_one_row_with_its_time() {
        let under_way = BootRecord {
            phoned_home_at_ms: 0,
            boot_id: "cd".into(),
            ..record()
        };
        let table = boots(&[record(), under_way]);
        assert!(
            line(&table, "00000000000000ab").contains("2025-11-25T07:00:42Z"),
            "{table}"
        );
        assert!(line(&table, "cd ").contains("kernel"), "{table}");
        assert!(table.to_string().contains("PHONED HOME"));
    }
}
