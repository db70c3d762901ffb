//! What is asked in a scan, place by place, without a list of it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proto::discovery::v1::Scan;
use redfish::{Address, Limits};

use super::ranges::{Range, merged, without};
use super::targets::{Target, target};
use crate::Invalid;

/// Places of one scan: addresses times ports.
pub const PLACES_MAX: u64 = 1_000_000;
/// Entries of `targets` and of `excludes`.
const ENTRIES_MAX: usize = 10_000;
const PORTS_MAX: usize = 16;
const CONCURRENCY_MAX: u32 = 4_096;
const RATE_PER_S_MAX: u32 = 10_000;
/// The service root of any BMC is smaller.
const ROOT_BYTES_MAX: usize = 256 * 1024;

/// A scan that was checked: where is asked, in which order, and how fast. A place is an address with a port; places are counted
/// from 0, addresses of IPv4 first, then IPv6, then host names, each with every port, then targets with a port of their own.
/// The order depends on the scan alone, so a place means the same to every member.
pub struct ScanPlan {
    ranges: Vec<Range>,
    /// How many addresses are before each range.
    starts: Vec<u64>,
    addresses: u64,
    names: Vec<String>,
    with_port: Vec<Address>,
    ports: Vec<u16>,
    /// Places behind this one are left to somebody else.
    end: u64,
    pub(super) concurrency_max: usize,
    pub(super) rate_per_s: u32,
    pub(super) timeout: Duration,
    pub(super) pdus: bool,
}

/// Targets or excludes, sorted by what they are.
#[derive(Default)]
struct Written {
    ranges: Vec<Range>,
    names: BTreeSet<String>,
    with_port: BTreeSet<Address>,
}

impl ScanPlan {
    /// Checks a scan.
    ///
    /// # Errors
    /// `Invalid` naming the field that cannot be meant, and for a scan of nothing or of more than [`PLACES_MAX`] places.
    pub fn of(scan: &Scan) -> Result<ScanPlan, Invalid> {
        let targets = written("targets", &scan.targets, Range::hosts)?;
        let excludes = written("excludes", &scan.excludes, Range::whole)?;
        if !excludes.with_port.is_empty() {
            return Err(Invalid::new(
                "excludes",
                "write addresses without a port: a host is excluded with all its ports",
            ));
        }
        let holes = merged(excludes.ranges);
        let ranges = without(&merged(targets.ranges), &holes);
        let excluded = |address: IpAddr| holes.iter().any(|hole| hole.holds(address));
        let is_left = |place: &Address| match place.ip() {
            Some(address) => !excluded(address),
            None => !excludes.names.contains(&place.host().to_ascii_lowercase()),
        };
        let names = targets.names.difference(&excludes.names).cloned().collect();
        let (starts, addresses) = counted(&ranges)?;
        let mut plan = ScanPlan {
            ranges,
            starts,
            addresses,
            names,
            with_port: Vec::new(),
            ports: ports(&scan.ports)?,
            end: u64::MAX,
            concurrency_max: within("concurrency_max", scan.concurrency_max, 256, 1, CONCURRENCY_MAX)?
                as usize,
            rate_per_s: within("rate_per_s", scan.rate_per_s, 1_000, 1, RATE_PER_S_MAX)?,
            timeout: Duration::from_millis(within("timeout_ms", scan.timeout_ms, 3_000, 100, 60_000)?.into()),
            pdus: scan.pdus,
        };
        let with_port = targets.with_port.into_iter().filter(is_left);
        plan.with_port = with_port.filter(|place| !plan.has_already(place)).collect();
        match plan.len() {
            0 => Err(Invalid::new(
                "excludes",
                "they leave nothing to ask; exclude less",
            )),
            places if places > PLACES_MAX => Err(too_many(places.into())),
            _ => Ok(plan),
        }
    }

    /// The same without the places from number `end` on.
    #[must_use]
    pub fn up_to(self, end: u64) -> ScanPlan {
        ScanPlan { end, ..self }
    }

    /// How many places there are, 1 to [`PLACES_MAX`] of a whole scan.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.hosts()
            .saturating_mul(self.ports.len() as u64)
            .saturating_add(self.with_port.len() as u64)
            .min(self.end)
    }

    /// Never of a whole scan: a plan of nothing is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place of this number; `None` behind the last.
    #[must_use]
    pub fn nth(&self, place: u64) -> Option<Address> {
        if place >= self.end {
            return None;
        }
        let ports = self.ports.len() as u64;
        let (host, port) = (place / ports, usize::try_from(place % ports).ok()?);
        let port = *self.ports.get(port)?;
        if let Some(host) = host.checked_sub(self.hosts()) {
            let behind = host * ports + place % ports;
            return self.with_port.get(usize::try_from(behind).ok()?).cloned();
        }
        if let Some(name) = host.checked_sub(self.addresses) {
            let name = self.names.get(usize::try_from(name).ok()?)?;
            return format!("{name}:{port}").parse().ok();
        }
        let range = self
            .starts
            .partition_point(|start| *start <= host)
            .checked_sub(1)?;
        let address = self.ranges.get(range)?.nth(host - self.starts.get(range)?)?;
        Some(Address::new(SocketAddr::new(address, port)))
    }

    /// Whether a target with a port of its own is a place anyway.
    fn has_already(&self, place: &Address) -> bool {
        let (port, name) = (place.port(), place.host().to_owned());
        let same: Option<Address> = match place.ip() {
            Some(address) if self.ranges.iter().any(|range| range.holds(address)) => {
                Some(Address::new(SocketAddr::new(address.to_canonical(), port)))
            }
            None if self.names.contains(&name) => format!("{name}:{port}").parse().ok(),
            Some(_) | None => None,
        };
        self.ports.contains(&port) && same.as_ref() == Some(place)
    }

    fn hosts(&self) -> u64 {
        self.addresses.saturating_add(self.names.len() as u64)
    }

    /// How long one place may take, and how much it may say.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            requests_in_flight: 1,
            connect: self.timeout,
            answer: self.timeout,
            total: self.timeout * 3, // connection, TLS, answer
            resource_bytes_max: ROOT_BYTES_MAX,
            bytes_max: ROOT_BYTES_MAX,
            ..Limits::default()
        }
    }
}

fn written(
    field: &str,
    entries: &[String],
    of_network: fn(model::IpNet) -> Range,
) -> Result<Written, Invalid> {
    if entries.len() > ENTRIES_MAX {
        let problem = format!(
            "{} are given, at most {ENTRIES_MAX} are accepted; write networks or ranges",
            entries.len()
        );
        return Err(Invalid::new(field, problem));
    }
    if entries.is_empty() && field == "targets" {
        return Err(Invalid::new(
            field,
            "write at least one address, network, range or host name",
        ));
    }
    let mut written = Written::default();
    for (place, entry) in entries.iter().enumerate() {
        match target(&format!("{field}[{place}]"), entry)? {
            Target::Range(range) => written.ranges.push(range),
            Target::Network(network) => written.ranges.push(of_network(network)),
            Target::Name(name) => {
                written.names.insert(name);
            }
            Target::Place(address) => {
                written.with_port.insert(address);
            }
        }
    }
    Ok(written)
}

/// How many addresses are before each range, and in all.
fn counted(ranges: &[Range]) -> Result<(Vec<u64>, u64), Invalid> {
    let all = ranges
        .iter()
        .fold(0_u128, |all, range| all.saturating_add(range.count()));
    let Some(addresses) = u64::try_from(all).ok().filter(|all| *all <= PLACES_MAX) else {
        return Err(too_many(all));
    };
    let mut before = 0;
    let mut starts = Vec::with_capacity(ranges.len());
    for range in ranges {
        starts.push(before);
        before += u64::try_from(range.count()).unwrap_or(u64::MAX);
    }
    Ok((starts, addresses))
}

fn too_many(places: u128) -> Invalid {
    let problem = format!(
        "{places} places would be asked (addresses times ports), at most {PLACES_MAX}; scan in several steps"
    );
    Invalid::new("targets", problem)
}

/// In the order in which they are given, each once.
fn ports(given: &[u32]) -> Result<Vec<u16>, Invalid> {
    let refused = |problem: String| Err(Invalid::new("ports", problem));
    if given.len() > PORTS_MAX {
        return refused(format!(
            "{} are given, at most {PORTS_MAX} are accepted",
            given.len()
        ));
    }
    let mut ports = Vec::new();
    for port in given {
        match u16::try_from(*port) {
            Ok(port @ 1..) if !ports.contains(&port) => ports.push(port),
            Ok(1..) => {}
            Ok(0) | Err(_) => return refused(format!("{port} is no TCP port; write 1 to 65535")),
        }
    }
    if ports.is_empty() {
        ports.push(443);
    }
    Ok(ports)
}

/// `value`, or what 0 stands for.
fn within(field: &str, value: u32, default: u32, least: u32, most: u32) -> Result<u32, Invalid> {
    match value {
        0 => Ok(default),
        value if (least..=most).contains(&value) => Ok(value),
        value => Err(Invalid::new(
            field,
            format!("{value} is given; write {least} to {most}, or 0 for {default}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(targets: &[&str]) -> Scan {
        Scan {
            targets: targets.iter().map(|target| (*target).to_owned()).collect(),
            ..Scan::default()
        }
    }

    fn places(scan: &Scan) -> Vec<String> {
        let plan = match ScanPlan::of(scan) {
            Ok(plan) => plan,
            Err(invalid) => panic!("{invalid}"),
        };
        let all: Vec<String> = (0..plan.len())
            .map(|place| plan.nth(place).unwrap().to_string())
            .collect();
        assert!(plan.nth(plan.len()).is_none() && plan.nth(u64::MAX).is_none());
        all
    }

    fn refused(scan: &Scan) -> String {
        ScanPlan::of(scan).err().unwrap().to_string()
    }

    #[test]
    fn every_place_is_there_once_and_in_one_order() {
        let mut all = scan(&[
            "bmc-1.lab",
            "fd00::5",
            "10.0.0.4/30",
            "10.0.0.5-10.0.0.7",
            "10.0.0.9:8443",
            "BMC-1.lab",
        ]);
        all.ports = vec![443, 5000, 443];
        assert_eq!(
            places(&all),
            [
                "10.0.0.5:443",
                "10.0.0.5:5000",
                "10.0.0.6:443",
                "10.0.0.6:5000",
                "10.0.0.7:443",
                "10.0.0.7:5000",
                "[fd00::5]:443",
                "[fd00::5]:5000",
                "bmc-1.lab:443",
                "bmc-1.lab:5000",
                "10.0.0.9:8443",
            ]
        );
        let before = places(&all);
        all.targets.reverse();
        all.targets
            .extend(["10.0.0.6:443", "BMC-1.lab:5000"].map(str::to_owned));
        assert_eq!(places(&all), before);
    }

    #[test]
    fn what_is_excluded_is_not_there() {
        let mut some = scan(&[
            "10.0.0.0/29",
            "bmc-1",
            "bmc-2",
            "10.0.0.9:8443",
            "bmc-3:8443",
            "10.0.0.10:8443",
        ]);
        some.excludes = ["10.0.0.2-10.0.0.5", "BMC-2", "10.0.0.9", "bmc-3"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(
            places(&some),
            ["10.0.0.1:443", "10.0.0.6:443", "bmc-1:443", "10.0.0.10:8443"]
        );
        some.excludes = vec![
            "0.0.0.0/0".to_owned(),
            "bmc-1".to_owned(),
            "bmc-2".to_owned(),
            "bmc-3".to_owned(),
        ];
        assert!(refused(&some).starts_with("excludes: they leave nothing"));
        some.excludes = vec!["10.0.0.9:8443".to_owned()];
        assert!(refused(&some).starts_with("excludes: write addresses without a port"));
    }

    #[test]
    fn a_plan_up_to_a_place_ends_there() {
        let plan = |end: u64| {
            ScanPlan::of(&scan(&["10.0.0.1-10.0.0.9"]))
                .ok()
                .unwrap()
                .up_to(end)
        };
        assert_eq!((plan(4).len(), plan(0).len(), plan(100).len()), (4, 0, 9));
        assert_eq!(plan(4).nth(3).unwrap().to_string(), "10.0.0.4:443");
        assert!(plan(4).nth(4).is_none() && plan(0).is_empty());
    }

    #[test]
    fn a_million_places_are_accepted_and_not_one_more() {
        let half = scan(&["10.0.0.0-10.7.161.31"]);
        let plan = |scan: &Scan| ScanPlan::of(scan).map(|plan| plan.len());
        assert_eq!(plan(&half), Ok(500_000));
        let twice = Scan {
            ports: vec![443, 5000],
            ..half
        };
        assert_eq!(plan(&twice), Ok(PLACES_MAX));
        let mut more = twice;
        more.targets.push("bmc-1".to_owned());
        assert!(refused(&more).contains("1000002 places"), "{}", refused(&more));
        for much in ["10.0.0.0/8", "fd00::/64", "::/0"] {
            assert!(refused(&scan(&[much])).contains("at most 1000000"), "{much}");
        }
        let mut all_but_one = scan(&["10.0.0.0/8"]);
        all_but_one.excludes = vec!["10.0.0.0-10.255.255.253".to_owned()];
        assert_eq!(places(&all_but_one), ["10.255.255.254:443"]);
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let good = scan(&["10.0.0.1"]);
        let with = |change: fn(&mut Scan)| {
            let mut scan = good.clone();
            change(&mut scan);
            refused(&scan)
        };
        for (refused, field) in [
            (with(|scan| scan.targets.clear()), "targets: write at least one"),
            (with(|scan| scan.targets.push("a b".into())), "targets[1]: "),
            (with(|scan| scan.excludes.push("a b".into())), "excludes[0]: "),
            (
                with(|scan| scan.targets = vec!["a".into(); 10_001]),
                "targets: 10001 are given",
            ),
            (with(|scan| scan.ports = vec![0]), "ports: 0 is no TCP port"),
            (
                with(|scan| scan.ports = vec![65_536]),
                "ports: 65536 is no TCP port",
            ),
            (with(|scan| scan.ports = vec![1; 17]), "ports: 17 are given"),
            (with(|scan| scan.concurrency_max = 4_097), "concurrency_max: "),
            (with(|scan| scan.rate_per_s = 10_001), "rate_per_s: "),
            (
                with(|scan| scan.timeout_ms = 99),
                "timeout_ms: 99 is given; write 100 to 60000, or 0 for 3000",
            ),
        ] {
            assert!(refused.starts_with(field), "{refused}");
        }
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let plan = ScanPlan::of(&scan(&["10.0.0.1"])).ok().unwrap();
        assert_eq!(
            (plan.concurrency_max, plan.rate_per_s, plan.timeout),
            (256, 1_000, Duration::from_secs(3))
        );
        assert_eq!(plan.nth(0).unwrap().to_string(), "10.0.0.1:443");
        assert_eq!(plan.limits().total, Duration::from_secs(9));
    }

    proptest! {
        /// Whatever is written: a plan or a refusal, and a plan has all its places, each once.
        #[test]
        fn a_plan_is_whole(
            targets in proptest::collection::vec("(10\\.0\\.0\\.[0-9]{1,3}(/(2[4-9]|3[0-2])|-10\\.0\\.[01]\\.[0-9]{1,2})?|[a-z.:/-]{0,12})", 1..6),
            excludes in proptest::collection::vec("10\\.0\\.0\\.[0-9]{1,2}(-10\\.0\\.0\\.[0-9]{2})?", 0..3),
            ports in proptest::collection::vec(1..4_u32, 0..3),
        ) {
            let scan = Scan { targets, excludes, ports, ..Scan::default() };
            if let Ok(plan) = ScanPlan::of(&scan) {
                let all: BTreeSet<String> = (0..plan.len())
                    .map(|place| plan.nth(place).expect("within the plan").to_string())
                    .collect();
                prop_assert_eq!(all.len() as u64, plan.len());
            }
        }
    }
}
