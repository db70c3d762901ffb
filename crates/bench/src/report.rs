//! The result: one line of JSON whose keys are a contract with tools outside the repository.

use serde::Serialize;

use crate::{Machine, Rounds};

/// What is aimed at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// Ours is at least this.
    AtLeast(f64),
    /// Ours is below this.
    Below(f64),
    /// Ours is at most this.
    AtMost(f64),
    /// Ours is exactly zero.
    Zero,
    /// The ratio to the peer is at least this.
    RatioAtLeast(f64),
}

/// One figure, beside the peer's where one ran.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// Unit of `ours` and `peer`.
    pub unit: &'static str,
    /// Our figure, the median of the rounds.
    pub ours: f64,
    /// The peer's in the same run.
    pub peer: Option<f64>,
    /// Who the peer is.
    pub peer_name: Option<String>,
    /// Above 1: ours is better, whichever way better is. Null too where a side was broken off.
    pub ratio: Option<f64>,
    /// What is aimed at, in words.
    pub aim: Option<String>,
    /// Whether it is met; null without an aim, and where the peer that it speaks of did not run.
    pub met: Option<bool>,
    /// Smallest and largest of our rounds; for people.
    #[serde(skip)]
    pub ours_spread: Option<(f64, f64)>,
    /// The same of the peer's.
    #[serde(skip)]
    pub peer_spread: Option<(f64, f64)>,
    /// Our figure is a limit at which the rounds were broken off.
    #[serde(skip)]
    pub ours_is_above: bool,
    /// The same of the peer's.
    #[serde(skip)]
    pub peer_is_above: bool,
}

/// A benchmark's result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Which benchmark.
    pub bench: &'static str,
    /// On what it ran.
    pub machine: Machine,
    /// The figures.
    pub results: Vec<Row>,
}

/// Whether more or less of a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    More,
    Less,
}

impl Row {
    /// A figure of which more is better, as a rate. None if ours was not measured: that is no zero.
    pub fn more(
        name: impl Into<String>,
        unit: &'static str,
        ours: &Rounds,
        peer: Option<&Rounds>,
    ) -> Option<Row> {
        Row::new(name.into(), unit, ours, peer, Better::More)
    }

    /// A figure of which less is better, as a time. None if ours was not measured.
    pub fn less(
        name: impl Into<String>,
        unit: &'static str,
        ours: &Rounds,
        peer: Option<&Rounds>,
    ) -> Option<Row> {
        Row::new(name.into(), unit, ours, peer, Better::Less)
    }

    fn new(
        name: String,
        unit: &'static str,
        ours: &Rounds,
        peer: Option<&Rounds>,
        better: Better,
    ) -> Option<Row> {
        let (figure, beside) = (ours.median()?, peer.and_then(Rounds::median));
        let ours_is_above = ours.is_above(figure);
        let peer_is_above = peer
            .zip(beside)
            .is_some_and(|(peer, figure)| peer.is_above(figure));
        let ratio = beside.and_then(|peer| match better {
            _ if ours_is_above || peer_is_above => None,
            Better::More => quotient(figure, peer),
            Better::Less => quotient(peer, figure),
        });
        Some(Row {
            name,
            unit,
            ours: rounded(figure, 3),
            peer: beside.map(|peer| rounded(peer, 3)),
            peer_name: None,
            ratio: ratio.map(|ratio| rounded(ratio, 2)),
            aim: None,
            met: None,
            ours_spread: ours.spread(),
            peer_spread: peer.and_then(Rounds::spread),
            ours_is_above,
            peer_is_above,
        })
    }

    /// Names the peer, if it ran.
    #[must_use]
    pub fn beside(mut self, peer_name: &str) -> Row {
        self.peer_name = self.peer.map(|_| peer_name.to_owned());
        self
    }

    /// Says what is aimed at, and whether it is met.
    #[must_use]
    pub fn aiming(mut self, aim: Aim) -> Row {
        let (text, met) = match aim {
            Aim::AtLeast(least) => (format!(">= {least}"), Some(self.ours >= least)),
            Aim::Below(bound) => (format!("< {bound}"), Some(self.ours < bound)),
            Aim::AtMost(most) => (format!("<= {most}"), Some(self.ours <= most)),
            Aim::Zero => ("0".to_owned(), Some(self.ours == 0.0)),
            Aim::RatioAtLeast(least) => (
                format!(">= {least}x the peer"),
                self.ratio.map(|ratio| ratio >= least),
            ),
        };
        self.aim = Some(text);
        self.met = met;
        self
    }
}

impl Report {
    /// The contract's one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers always serialize")
    }
}

fn quotient(above: f64, below: f64) -> Option<f64> {
    (below > 0.0).then(|| above / below)
}

/// More digits than the clock deserves only blur.
fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(figure: f64) -> Rounds {
        let mut rounds = Rounds::default();
        rounds.add(figure);
        rounds
    }

    fn more(name: &str, ours: f64, peer: Option<f64>) -> Row {
        Row::more(name, "1/s", &rounds(ours), peer.map(rounds).as_ref()).unwrap()
    }

    fn less(ours: f64, peer: f64) -> Row {
        Row::less("time", "ms", &rounds(ours), Some(&rounds(peer))).unwrap()
    }

    fn report() -> Report {
        let machine = Machine {
            cpu: "a processor".into(),
            cores: 2,
            memory_gib: 24,
            kernel: "6.1".into(),
            load_before: 0.5,
            conditions: vec!["5 s".into()],
        };
        let rate = more("writes", 15_000.0, Some(10_000.0)).beside("etcd 3.4");
        Report {
            bench: "write",
            machine,
            results: vec![
                rate.aiming(Aim::RatioAtLeast(1.5)),
                Row::less("p99", "ms", &rounds(12.345_67), None).unwrap(),
            ],
        }
    }

    /// Tools outside the repository read exactly these keys.
    #[test]
    fn the_json_line_has_the_contracts_keys() {
        let value: serde_json::Value = serde_json::from_str(&report().to_json()).unwrap();
        let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let mut expected = ["bench", "machine", "results"].map(str::to_owned).to_vec();
        expected.sort();
        let mut found = keys(&value);
        found.sort();
        assert_eq!(found, expected);
        let expected = serde_json::json!({
            "name": "writes", "unit": "1/s", "ours": 15000.0, "peer": 10000.0, "peer_name": "etcd 3.4",
            "ratio": 1.5, "aim": ">= 1.5x the peer", "met": true,
        });
        assert_eq!(value["results"][0], expected);
        let alone = &value["results"][1];
        assert_eq!(alone["ours"], 12.346);
        for key in ["peer", "peer_name", "ratio", "aim", "met"] {
            assert!(alone[key].is_null(), "{key} without a peer and an aim: {alone}");
        }
        assert!(!report().to_json().contains('\n'));
    }

    /// Half the time is twice as good, as is twice the rate.
    #[test]
    fn a_ratio_above_one_means_that_ours_is_better() {
        assert_eq!(more("rate", 20.0, Some(10.0)).ratio, Some(2.0));
        assert_eq!(less(10.0, 20.0).ratio, Some(2.0));
        assert_eq!(less(0.0, 20.0).ratio, None);
    }

    /// A zero that nobody measured would meet every aim of "less".
    #[test]
    fn what_was_not_measured_is_no_row() {
        let nothing = Rounds::default();
        assert_eq!(Row::less("time", "s", &nothing, Some(&rounds(1.0))), None);
        let alone = Row::less("time", "s", &rounds(1.0), Some(&nothing)).unwrap();
        assert_eq!(
            (alone.peer, alone.ratio, alone.beside("Kea").peer_name),
            (None, None, None)
        );
    }

    /// "Above 60" beside 2 is no ratio of 30.
    #[test]
    fn a_side_that_was_broken_off_has_no_ratio() {
        let mut above = Rounds::default();
        above.add_above(60.0);
        let row = Row::less("time", "s", &rounds(2.0), Some(&above)).unwrap();
        assert_eq!((row.peer, row.ratio), (Some(60.0), None));
        assert!(row.peer_is_above && !row.ours_is_above);
    }

    #[test]
    fn aims_are_judged_as_far_as_they_can_be() {
        let row = |ours, peer| more("x", ours, peer);
        for (judged, met) in [
            (row(15.0, None).aiming(Aim::AtLeast(15.0)), Some(true)),
            (row(14.9, None).aiming(Aim::AtLeast(15.0)), Some(false)),
            (row(80.0, None).aiming(Aim::Below(80.0)), Some(false)),
            (row(0.0, None).aiming(Aim::Zero), Some(true)),
            (row(1.0, None).aiming(Aim::Zero), Some(false)),
            (row(14.0, Some(10.0)).aiming(Aim::RatioAtLeast(1.5)), Some(false)),
            (row(14.0, None).aiming(Aim::RatioAtLeast(1.5)), None),
        ] {
            assert_eq!(judged.met, met, "{judged:?}");
            assert!(judged.aim.is_some());
        }
    }
}
