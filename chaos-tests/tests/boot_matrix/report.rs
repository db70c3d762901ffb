//! The matrix as a table: extra seconds of each cell.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use lab::machine::Firmware;

use crate::boot::Boot;
use crate::cell::{Cell, Fault, Phase};

/// Every boot of a run and how it went.
pub(crate) type Results = Vec<(Cell, Result<Boot, Lost>)>;

/// Why a guest did not boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// [`crate::boot::Failure::FirmwareGaveUp`]: no server can help it, so the table says so and no test fails.
    InFirmware,
    /// What is wrong.
    Wrong(String),
}

/// Bound of what a fault may cost: twice what the slowest client on the path needs to notice it, the keepalive of iPXE's
/// TCP (15 s). A guest that waits longer hangs on something that nobody frees.
const EXTRA_AT_MOST: Duration = Duration::from_secs(30);

const GAVE_UP: &str = "gives up †";

/// What a test must fail for: boots that went wrong, and those that the fault delayed by more than [`EXTRA_AT_MOST`].
pub(crate) fn failed(results: &Results) -> Vec<String> {
    let medians = medians(results);
    let failure = |(cell, boot): &(Cell, Result<Boot, Lost>)| match boot {
        Err(Lost::Wrong(error)) => Some(format!("{cell}: {}", error.lines().next().unwrap_or_default())),
        Err(Lost::InFirmware) => None,
        Ok(_) if cell.fault.is_none() => None,
        Ok(boot) => match medians.get(&cell.firmware) {
            Some(median) if boot.time <= *median + EXTRA_AT_MOST => None,
            Some(median) => Some(format!(
                "{cell}: {:+.1} s, more than {EXTRA_AT_MOST:?}",
                extra(boot.time, *median)
            )),
            None => Some(format!("{cell}: no undisturbed boot to compare it with")),
        },
    };
    results.iter().filter_map(failure).collect()
}

/// Median of the undisturbed boots of each path, and the table of the rest; in Markdown.
pub(crate) fn table(results: &Results) -> String {
    let medians = medians(results);
    let mut text =
        String::from("| path | member dies | SIGKILL | link down | SIGSTOP |\n|---|---|---|---|---|\n");
    for (firmware, median) in &medians {
        let count = times(results, *firmware).len();
        let seconds = median.as_secs_f64();
        let _ = writeln!(
            text,
            "| {} | never: {seconds:.1} s (median of {count}) | | | |",
            firmware.name()
        );
        for phase in Phase::ALL.into_iter().filter(|phase| phase.is_part_of(*firmware)) {
            let cells = Fault::ALL.map(|fault| shown(results, *firmware, phase, fault, *median));
            if cells.iter().any(|cell| !cell.is_empty()) {
                let _ = writeln!(text, "| | {phase} | {} |", cells.join(" | "));
            }
        }
    }
    text.push_str(&worst(results, &medians));
    if text.contains(GAVE_UP) {
        text.push_str(
            "† UEFI's own HTTP client asks for its loader once and goes on with its next boot option.\n",
        );
    }
    text
}

fn times(results: &Results, firmware: Firmware) -> Vec<Duration> {
    let undisturbed = results
        .iter()
        .filter(|(cell, _)| cell.firmware == firmware && cell.fault.is_none());
    let mut times: Vec<Duration> = undisturbed
        .filter_map(|(_, boot)| boot.as_ref().ok().map(|boot| boot.time))
        .collect();
    times.sort();
    times
}

fn medians(results: &Results) -> BTreeMap<Firmware, Duration> {
    let median = |firmware| {
        let times = times(results, firmware);
        Some((firmware, *times.get(times.len() / 2)?))
    };
    Firmware::ALL.into_iter().filter_map(median).collect()
}

fn extra(time: Duration, median: Duration) -> f64 {
    time.as_secs_f64() - median.as_secs_f64()
}

/// Extra seconds; a star where the member led the cluster, too.
fn shown(results: &Results, firmware: Firmware, phase: Phase, fault: Fault, median: Duration) -> String {
    let fault = Some((phase, fault));
    let of_cell = results
        .iter()
        .filter(|(cell, _)| *cell == Cell { firmware, fault });
    let shown = of_cell.map(|(_, boot)| match boot {
        Ok(boot) => format!(
            "{:+.1}{}",
            extra(boot.time, median),
            if boot.was_leader { "*" } else { "" }
        ),
        Err(Lost::InFirmware) => GAVE_UP.to_owned(),
        Err(Lost::Wrong(_)) => "FAILED".to_owned(),
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn worst(results: &Results, medians: &BTreeMap<Firmware, Duration>) -> String {
    let extras = results.iter().filter_map(|(cell, boot)| {
        let boot = boot.as_ref().ok().filter(|_| cell.fault.is_some())?;
        Some((extra(boot.time, *medians.get(&cell.firmware)?), cell))
    });
    let mut extras: Vec<_> = extras.collect();
    extras.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let (Some((most, cell)), Some((median, _))) = (extras.last(), extras.get(extras.len() / 2)) else {
        return String::new();
    };
    let count = extras.len();
    format!(
        "\nExtra seconds; * the member also led the cluster. {count} cells, median {median:+.1} s, worst {most:+.1} s ({cell}).\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(seconds: u64, was_leader: bool) -> Boot {
        Boot {
            time: Duration::from_secs(seconds),
            was_leader,
            router_adverts: 1,
            ..Boot::default()
        }
    }

    fn cell(fault: Option<(Phase, Fault)>) -> Cell {
        let firmware = Firmware::UefiPxe;
        Cell { firmware, fault }
    }

    #[test]
    fn a_cell_shows_what_it_took_beyond_the_median() {
        let results: Results = vec![
            (cell(None), Ok(boot(30, false))),
            (cell(None), Ok(boot(20, false))),
            (cell(None), Ok(boot(90, false))),
            (cell(Some((Phase::Tftp, Fault::Kill))), Ok(boot(34, true))),
            (
                cell(Some((Phase::Tftp, Fault::Freeze))),
                Err(Lost::Wrong("it was reset".to_owned())),
            ),
            (cell(Some((Phase::Kernel, Fault::LinkDown))), Ok(boot(45, false))),
        ];
        let text = table(&results);
        let wanted = [
            "| uefi-pxe | never: 30.0 s (median of 3) | | | |",
            "| | tftp | +4.0* |  | FAILED |",
            "| | kernel |  | +15.0 |  |",
            "2 cells, median +15.0 s, worst +15.0 s (uefi-pxe/kernel/link-down)",
        ];
        for line in wanted {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    /// A boot that ends is no success when the guest hung meanwhile.
    #[test]
    fn what_takes_too_long_has_failed() {
        let after = |seconds| {
            (
                cell(Some((Phase::Kernel, Fault::LinkDown))),
                Ok(boot(seconds, false)),
            )
        };
        let results: Results = vec![
            (cell(None), Ok(boot(20, false))),
            after(50),
            after(51),
            (cell(Some((Phase::Tftp, Fault::Kill))), Err(Lost::InFirmware)),
            (cell(None), Err(Lost::Wrong("it was reset\nmore".to_owned()))),
        ];
        assert_eq!(
            failed(&results),
            [
                "uefi-pxe/kernel/link-down: +31.0 s, more than 30s",
                "uefi-pxe/undisturbed: it was reset"
            ]
        );
        assert_eq!(failed(&vec![after(1)]).len(), 1, "nothing to compare it with");
    }

    #[test]
    fn without_boots_the_table_is_empty() {
        assert_eq!(table(&Vec::new()).lines().count(), 2);
    }
}
