//! The report for people: figures beside the peer's, how far they spread, what was aimed at, how it was measured.

use std::fmt::Write as _;

use bench::{Report, Row};

use crate::output;

/// The table and what it was measured on and how.
pub(crate) fn render(report: &Report) -> String {
    let mut table = output::table(["MEASURED", "UNIT", "CHAMOIS", "PEER", "RATIO", "AIM", "MET"]);
    for row in &report.results {
        table.add_row(cells(row));
    }
    let machine = &report.machine;
    let mut text = format!(
        "{table}\n{} cores of {}, {} GiB, Linux {}, load before {}\n",
        machine.cores, machine.cpu, machine.memory_gib, machine.kernel, machine.load_before
    );
    for condition in &machine.conditions {
        let _infallible = writeln!(text, "- {condition}");
    }
    text + "Medians, with the smallest and largest round; a ratio above 1: Chamois is better."
}

fn cells(row: &Row) -> [String; 7] {
    let theirs = with_spread(row.peer.unwrap_or_default(), row.peer_spread, row.peer_is_above);
    let peer = match (row.peer, &row.peer_name) {
        (Some(_), Some(name)) => format!("{theirs} {name}"),
        (Some(_), None) => theirs,
        (None, _) => "-".to_owned(),
    };
    let met = match row.met {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "-",
    };
    [
        row.name.clone(),
        row.unit.to_owned(),
        with_spread(row.ours, row.ours_spread, row.ours_is_above),
        peer,
        row.ratio
            .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
        row.aim.clone().unwrap_or_else(|| "-".to_owned()),
        met.to_owned(),
    ]
}

/// `12.3 (11.9 to 14.0)`; one round has no spread. `>60.0` where the rounds were broken off.
fn with_spread(figure: f64, spread: Option<(f64, f64)>, is_above: bool) -> String {
    let above = if is_above { ">" } else { "" };
    match spread {
        Some((least, most)) if least < most => {
            format!(
                "{above}{} ({} to {})",
                number(figure),
                number(least),
                number(most)
            )
        }
        Some(_) | None => format!("{above}{}", number(figure)),
    }
}

/// Three digits that mean something, or whole thousands.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use bench::{Aim, Machine, Rounds};

    use super::*;

    fn rounds(figures: &[f64]) -> Rounds {
        let mut rounds = Rounds::default();
        figures.iter().for_each(|figure| rounds.add(*figure));
        rounds
    }

    /// A reader must see at a glance what is missed, and how far a figure can be trusted.
    #[test]
    fn the_table_has_figures_spread_peer_and_verdict() {
        let mut machine = Machine::read();
        machine.note("5 s each");
        let rate = Row::more(
            "writes",
            "1/s",
            &rounds(&[12_000.0, 11_000.0, 13_000.0]),
            Some(&rounds(&[10_000.0])),
        );
        let mut above = Rounds::default();
        above.add_above(60.0);
        let report = Report {
            bench: "write",
            machine,
            results: vec![
                rate.unwrap().beside("etcd 3.4.23").aiming(Aim::RatioAtLeast(1.5)),
                Row::less("p99", "ms", &rounds(&[1.25]), None).unwrap(),
                Row::less("all at once", "s", &above, None).unwrap(),
            ],
        };
        let text = render(&report);
        for needed in [
            "12000 (11000 to 13000)",
            "10000 etcd 3.4.23",
            "1.20",
            ">= 1.5x the peer",
            "NO",
            "1.25",
            ">60.0",
            "- 5 s each",
        ] {
            assert!(text.contains(needed), "{needed}\n{text}");
        }
    }

    #[test]
    fn numbers_have_three_digits_or_are_whole() {
        for (value, text) in [
            (0.0, "0"),
            (0.0123, "0.012"),
            (1.234, "1.23"),
            (12.34, "12.3"),
            (1234.5, "1234"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
