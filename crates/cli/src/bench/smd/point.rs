//! Figures of one kind of request, and the rows of the report that they make.

use bench::{Aim, Cost, Load, Rounds, Row};

/// Microseconds of CPU that a get may cost all members together.
const GET_AIM_MICROS: f64 = 40.0;
/// The same where what the asked member has will do.
const LOCAL_GET_AIM_MICROS: f64 = 20.0;
/// Milliseconds of CPU that the list of all components may cost.
const LIST_AIM_MS: f64 = 5.0;
/// Microseconds of CPU that the patch of one component may cost.
const PATCH_AIM_MICROS: f64 = 200.0;

/// By what an object is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// A component by its xname.
    Xname,
    /// An interface by its MAC, as HSM's filter has it.
    Mac,
}

/// How it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    GrpcLocal,
    GrpcLinearizable,
    Https,
}

impl Way {
    /// Over gRPC: whether local state will do.
    pub(super) fn consistency(self) -> Option<bool> {
        match self {
            Self::GrpcLocal => Some(true),
            Self::GrpcLinearizable => Some(false),
            Self::Https => None,
        }
    }
}

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Get { of: Of, way: Way },
    GrpcList,
    HttpList,
    HttpListUnchanged,
    GrpcPatch,
    HttpPatch,
}

impl Kind {
    /// `get by xname, gRPC local`.
    pub(super) fn name(self) -> String {
        match self {
            Self::Get { of, way } => {
                let of = match of {
                    Of::Xname => "xname",
                    Of::Mac => "MAC",
                };
                let way = match way {
                    Way::GrpcLocal => "gRPC local",
                    Way::GrpcLinearizable => "gRPC linearizable",
                    Way::Https => "HTTPS",
                };
                format!("get by {of}, {way}")
            }
            Self::GrpcList => "all components, gRPC".to_owned(),
            Self::HttpList => "all components, HTTPS".to_owned(),
            Self::HttpListUnchanged => "all components unchanged (304), HTTPS".to_owned(),
            Self::GrpcPatch => "patch of one, gRPC".to_owned(),
            Self::HttpPatch => "patch of one, HTTPS".to_owned(),
        }
    }

    fn is_list(self) -> bool {
        matches!(self, Self::GrpcList | Self::HttpList | Self::HttpListUnchanged)
    }

    /// What CPU per request is aimed at, in the unit of its row.
    fn aim(self) -> Aim {
        Aim::AtMost(match self {
            Self::Get {
                way: Way::GrpcLocal, ..
            } => LOCAL_GET_AIM_MICROS,
            Self::Get { .. } => GET_AIM_MICROS,
            Self::GrpcList | Self::HttpList | Self::HttpListUnchanged => LIST_AIM_MS,
            Self::GrpcPatch | Self::HttpPatch => PATCH_AIM_MICROS,
        })
    }
}

/// All rounds of one kind.
pub(super) struct Point {
    pub(super) kind: Kind,
    rate: Rounds,
    p50_ms: Rounds,
    p99_ms: Rounds,
    cpu_micros: Rounds,
    errors: u64,
}

impl Point {
    /// Every kind, gets first: patches are what makes lists change.
    pub(super) fn all() -> Vec<Point> {
        let mut kinds = Vec::new();
        for of in [Of::Xname, Of::Mac] {
            for way in [Way::GrpcLocal, Way::GrpcLinearizable, Way::Https] {
                kinds.push(Kind::Get { of, way });
            }
        }
        kinds.extend([
            Kind::GrpcList,
            Kind::HttpList,
            Kind::HttpListUnchanged,
            Kind::GrpcPatch,
            Kind::HttpPatch,
        ]);
        kinds.into_iter().map(Point::of).collect()
    }

    fn of(kind: Kind) -> Point {
        Point {
            kind,
            rate: Rounds::default(),
            p50_ms: Rounds::default(),
            p99_ms: Rounds::default(),
            cpu_micros: Rounds::default(),
            errors: 0,
        }
    }

    pub(super) fn add(&mut self, load: &Load, cost: Cost) {
        self.rate.add(load.rate());
        self.p50_ms.add(load.percentile_ms(50));
        self.p99_ms.add(load.percentile_ms(99));
        let micros = cost.micros_per(load.answered_at_all);
        self.cpu_micros.add(match self.kind.is_list() {
            true => micros / 1000.0,
            false => micros,
        });
        self.errors += load.errors;
    }

    /// None of what was not measured.
    pub(super) fn rows(&self) -> Vec<Row> {
        if self.rate.count() == 0 {
            return Vec::new();
        }
        let name = |what: &str| format!("{what}, {}", self.kind.name());
        let unit = if self.kind.is_list() { "ms" } else { "us" };
        let mut errors = Rounds::default();
        errors.add(self.errors as f64);
        let rows = [
            Row::more(name("requests"), "1/s", &self.rate, None),
            Row::less(name("p50"), "ms", &self.p50_ms, None),
            Row::less(name("p99"), "ms", &self.p99_ms, None),
            Row::less(name("CPU of the members"), unit, &self.cpu_micros, None)
                .map(|row| row.aiming(self.kind.aim())),
            Row::less(name("errors"), "", &errors, None).map(|row| row.aiming(Aim::Zero)),
        ];
        rows.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    fn point(kind: Kind, cpu_ms: u64) -> Point {
        let mut point = Point::of(kind);
        let mut load = Load::default();
        (load.answered, load.answered_at_all, load.seconds) = (10, 10, 1.0);
        let cost = Cost {
            cpu: Duration::from_millis(cpu_ms),
            disk_bytes: 0,
        };
        point.add(&load, cost);
        point
    }

    fn cpu(kind: Kind, cpu_ms: u64) -> Row {
        let rows = point(kind, cpu_ms).rows();
        rows.into_iter().find(|row| row.name.starts_with("CPU")).unwrap()
    }

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names: BTreeSet<String> = Point::all().iter().map(|point| point.kind.name()).collect();
        assert_eq!(names.len(), 11);
        assert!(names.contains("get by MAC, gRPC linearizable"), "{names:?}");
    }

    /// The aims speak of CPU; of ten requests, each had a tenth.
    #[test]
    fn cpu_is_judged_by_what_is_aimed_at() {
        let local = Kind::Get {
            of: Of::Mac,
            way: Way::GrpcLocal,
        };
        let https = Kind::Get {
            of: Of::Xname,
            way: Way::Https,
        };
        for (kind, cpu_ms, figure, unit, met) in [
            (local, 1, 100.0, "us", false),
            (https, 0, 0.0, "us", true),
            (Kind::HttpList, 50, 5.0, "ms", true),
            (Kind::GrpcList, 51, 5.1, "ms", false),
            (Kind::GrpcPatch, 2, 200.0, "us", true),
        ] {
            let row = cpu(kind, cpu_ms);
            assert_eq!(
                (row.ours, row.unit, row.met),
                (figure, unit, Some(met)),
                "{kind:?}"
            );
        }
        assert_eq!(cpu(local, 1).aim.as_deref(), Some("<= 20"));
        assert_eq!(cpu(https, 1).aim.as_deref(), Some("<= 40"));
    }

    #[test]
    fn what_could_not_be_measured_has_no_rows() {
        assert!(Point::of(Kind::HttpListUnchanged).rows().is_empty());
        assert_eq!(point(Kind::HttpList, 1).rows().len(), 5);
    }
}
