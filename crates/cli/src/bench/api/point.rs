//! Figures of all rounds for one kind of call, and the rows of the report that they make.

use bench::{Aim, Cost, Load, Rounds, Row};

use super::super::figures::{LoadFigures, one};

/// Calls a second on one connection that are aimed at, by several callers.
const RATE_AIM: f64 = 8_000.0;
/// Half of the calls of a caller that is alone take less, milliseconds.
const P50_AIM_MS: f64 = 0.150;
/// CPU that the gateway may add to a small call, microseconds.
const GATEWAY_AIM_US: f64 = 30.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Grpc,
    Https,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consistency {
    Local,
    Linearizable,
}

/// One way, one consistency, one number of callers.
pub(super) struct Point {
    pub(super) way: Way,
    pub(super) consistency: Consistency,
    pub(super) callers: u32,
    figures: LoadFigures,
}

impl Point {
    /// Every combination; over HTTPS only with the most callers, where CPU is compared.
    pub(super) fn all(callers: &[u32]) -> Vec<Self> {
        let most = callers.iter().copied().max().unwrap_or(1);
        let mut points = Vec::new();
        for consistency in [Consistency::Local, Consistency::Linearizable] {
            let grpc = callers.iter().map(|callers| (Way::Grpc, *callers));
            let https = [(Way::Https, most)];
            points.extend(grpc.chain(https).map(|(way, callers)| Self {
                way,
                consistency,
                callers,
                figures: LoadFigures::default(),
            }));
        }
        points
    }

    /// `gRPC local, 16 callers`.
    pub(super) fn name(&self) -> String {
        let way = match self.way {
            Way::Grpc => "gRPC",
            Way::Https => "HTTPS",
        };
        let consistency = match self.consistency {
            Consistency::Local => "local",
            Consistency::Linearizable => "linearizable",
        };
        let plural = if self.callers == 1 { "" } else { "s" };
        format!("{way} {consistency}, {} caller{plural}", self.callers)
    }

    pub(super) fn add(&mut self, load: &Load, cost: Cost) {
        self.figures.add(load, cost);
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let name = self.name();
        let figures = &self.figures;
        let (grpc, alone) = (self.way == Way::Grpc, self.callers == 1);
        let rate = Row::more(format!("gets, {name}"), "1/s", &figures.rate, None);
        let p50 = Row::less(format!("p50, {name}"), "ms", &figures.p50_ms, None);
        let p99 = Row::less(format!("p99, {name}"), "ms", &figures.p99_ms, None);
        let cpu = format!("CPU of the members per get, {name}");
        let cpu = Row::less(cpu, "us", &figures.cpu_micros, None);
        let errors = Row::less(format!("errors, {name}"), "", &one(figures.errors), None);
        let rows = [
            rate.map(|row| {
                if grpc && !alone {
                    row.aiming(Aim::AtLeast(RATE_AIM))
                } else {
                    row
                }
            }),
            p50.map(|row| {
                if grpc && alone {
                    row.aiming(Aim::Below(P50_AIM_MS))
                } else {
                    row
                }
            }),
            p99,
            cpu,
            errors.map(|row| row.aiming(Aim::Zero)),
        ];
        rows.into_iter().flatten().collect()
    }
}

/// What a get costs more over HTTPS than over gRPC, where nothing but this member works for it.
pub(super) fn gateway_row(points: &[Point]) -> Option<Row> {
    let most = points.iter().map(|point| point.callers).max()?;
    let cpu = |way| {
        let is = |point: &&Point| {
            point.way == way && point.consistency == Consistency::Local && point.callers == most
        };
        let rows = points.iter().find(is)?.rows();
        let row = rows.into_iter().find(|row| row.name.starts_with("CPU"))?;
        Some(row.ours)
    };
    let mut added = Rounds::default();
    added.add((cpu(Way::Https)? - cpu(Way::Grpc)?).max(0.0));
    let row = Row::less(
        "CPU that the gateway adds to a get".to_owned(),
        "us",
        &added,
        None,
    );
    row.map(|row| row.aiming(Aim::AtMost(GATEWAY_AIM_US)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn points(grpc_us: u64, https_us: u64) -> Vec<Point> {
        let mut points = Point::all(&[1, 16]);
        for point in &mut points {
            let micros = match point.way {
                Way::Grpc => grpc_us,
                Way::Https => https_us,
            };
            let cost = Cost {
                cpu: Duration::from_micros(1000 * micros),
                disk_bytes: 0,
            };
            let mut load = Load::default();
            (load.answered, load.seconds) = (1000, 0.1);
            point.add(&load, cost);
        }
        points
    }

    #[test]
    fn every_combination_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<String> =
            Point::all(&[1, 4, 16]).iter().map(Point::name).collect();
        assert_eq!(names.len(), 8);
        assert!(names.contains("gRPC local, 1 caller") && names.contains("HTTPS linearizable, 16 callers"));
    }

    /// One caller waits for each answer, so the rate is aimed at with several, and the time with one.
    #[test]
    fn the_rate_is_judged_with_several_callers_and_the_time_with_one() {
        let judged: Vec<String> = points(40, 60)
            .iter()
            .flat_map(Point::rows)
            .filter(|row| row.aim.is_some() && !row.name.starts_with("errors"))
            .map(|row| row.name)
            .collect();
        assert_eq!(
            judged,
            [
                "p50, gRPC local, 1 caller",
                "gets, gRPC local, 16 callers",
                "p50, gRPC linearizable, 1 caller",
                "gets, gRPC linearizable, 16 callers"
            ]
        );
    }

    #[test]
    fn the_gateways_cpu_is_the_difference() {
        let row = gateway_row(&points(40, 65)).unwrap();
        assert_eq!((row.ours, row.met), (25.0, Some(true)));
        let row = gateway_row(&points(40, 75)).unwrap();
        assert_eq!((row.ours, row.met), (35.0, Some(false)));
    }
}
