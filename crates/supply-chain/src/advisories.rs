//! Our own list of what is known about crates (`deploy/advisories.toml`), held to lock files: a build host needs no
//! network to learn that what it builds must not be shipped.

use std::collections::BTreeSet;
use std::path::Path;

use semver::{Comparator, Op, Version, VersionReq};

use crate::day::Day;
use crate::lock_file::LockFile;
use crate::{Error, read_toml};

/// Why something on the list is built all the same, and how long that reason is good for.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    /// The last day, as `2027-05-31`.
    until: String,
    why: String,
}

/// One entry of the list.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// RUSTSEC, CVE, GHSA or GO.
    id: String,
    #[serde(rename = "crate")]
    name: String,
    /// Ranges, each as in `Cargo.toml` but with all three numbers; a version in any of them is affected.
    affected: Vec<String>,
    /// In a line: what happens, or why it does not matter here.
    why: String,
    accepted: Option<Accepted>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    advisory: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Advisory {
    entry: Entry,
    affected: Vec<VersionReq>,
    accepted_until: Option<Day>,
}

/// The list, parsed.
#[derive(Clone, Debug)]
pub struct Advisories {
    list: Vec<Advisory>,
}

impl Advisories {
    /// Reads it; an entry that could never be found is an error, not an entry.
    ///
    /// # Errors
    /// `Read`, or `Parse` with the id of the entry, its field and what is accepted there.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let document: Document = read_toml(path)?;
        let wrong = |problem| Error::Parse {
            path: path.to_owned(),
            problem,
        };
        let mut seen = BTreeSet::new();
        let mut list = Vec::new();
        for entry in document.advisory {
            if !seen.insert((entry.id.clone(), entry.name.clone())) {
                return Err(wrong(format!("{} of {} is there twice", entry.id, entry.name)));
            }
            list.push(Advisory::of(entry).map_err(wrong)?);
        }
        Ok(Self { list })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// A line for each package of the lock file that is affected and not accepted on that day.
    #[must_use]
    pub fn problems(&self, lock: &LockFile, today: Day) -> Vec<String> {
        let of_one = |advisory: &Advisory| advisory.problems(lock, today);
        self.list.iter().flat_map(of_one).collect()
    }

    /// A line for each exception that no lock file needs any more: it would hide the next version that is affected.
    #[must_use]
    pub fn needless(&self, locks: &[&LockFile]) -> Vec<String> {
        let is_needed = |advisory: &Advisory| locks.iter().any(|lock| !advisory.found(lock).is_empty());
        self.list
            .iter()
            .filter(|advisory| advisory.accepted_until.is_some() && !is_needed(advisory))
            .map(|advisory| {
                format!(
                    "{}: nothing affected is built; remove `accepted`",
                    advisory.entry.id
                )
            })
            .collect()
    }
}

impl Advisory {
    fn of(entry: Entry) -> Result<Self, String> {
        let about = format!("{} of {}", entry.id, entry.name);
        if !["RUSTSEC-", "CVE-", "GHSA-", "GO-"]
            .iter()
            .any(|kind| entry.id.starts_with(kind))
        {
            return Err(format!("{about}: id begins with RUSTSEC-, CVE-, GHSA- or GO-"));
        }
        if entry.affected.is_empty() || entry.why.trim().is_empty() {
            return Err(format!("{about}: affected and why must say something"));
        }
        let ranges = entry.affected.iter().map(|text| range(text));
        let affected = ranges
            .collect::<Result<Vec<_>, _>>()
            .map_err(|problem| format!("{about}: affected: {problem}"))?;
        let accepted_until = match &entry.accepted {
            None => None,
            Some(accepted) if accepted.why.trim().is_empty() => {
                return Err(format!("{about}: accepted.why must say why"));
            }
            Some(accepted) => Some(
                accepted
                    .until
                    .parse::<Day>()
                    .map_err(|problem| format!("{about}: accepted.until: {problem}"))?,
            ),
        };
        Ok(Self {
            entry,
            affected,
            accepted_until,
        })
    }

    /// The versions in the lock file that it is about.
    fn found<'a>(&self, lock: &'a LockFile) -> Vec<&'a str> {
        let is_meant = |version: &str| match Version::parse(version) {
            Ok(version) => self.affected.iter().any(|range| contains(range, &version)),
            // cargo wrote none like this; looked at by a person
            Err(_) => true,
        };
        lock.packages()
            .filter(|package| package.name == self.entry.name && package.source.is_some())
            .map(|package| package.version.as_str())
            .filter(|version| is_meant(version))
            .collect()
    }

    fn problems(&self, lock: &LockFile, today: Day) -> Vec<String> {
        let Entry {
            id,
            name,
            why,
            accepted,
            ..
        } = &self.entry;
        let remedy = match (self.accepted_until, accepted) {
            (Some(until), _) if until >= today => return Vec::new(),
            (Some(_), Some(accepted)) => format!("accepted until {} only", accepted.until),
            _ => "build another version, or say in `accepted` why and until when it may stay".to_owned(),
        };
        let line = |version| format!("{name} {version}: {id}: {why}; {remedy}");
        self.found(lock).into_iter().map(line).collect()
    }
}

/// Comparisons with three numbers each, so that a range means the same to every reader.
fn range(text: &str) -> Result<VersionReq, String> {
    let range = VersionReq::parse(text).map_err(|error| format!("{text}: {error}"))?;
    let is_plain = |comparator: &Comparator| {
        let known = matches!(
            comparator.op,
            Op::Less | Op::LessEq | Op::Greater | Op::GreaterEq | Op::Exact
        );
        known && comparator.minor.is_some() && comparator.patch.is_some()
    };
    // `*` has no comparators: every version
    if range.comparators.iter().all(is_plain) {
        Ok(range)
    } else {
        Err(format!(
            "{text}: accepted are *, <, <=, >, >= and = with all three numbers, as in >=0.4.0, <0.4.4"
        ))
    }
}

/// By order alone: `VersionReq::matches` leaves pre-releases out, and openraft's is what we build.
fn contains(range: &VersionReq, version: &Version) -> bool {
    range.comparators.iter().all(|comparator| {
        let bound = Version {
            major: comparator.major,
            minor: comparator.minor.unwrap_or(0),
            patch: comparator.patch.unwrap_or(0),
            pre: comparator.pre.clone(),
            build: semver::BuildMetadata::EMPTY,
        };
        let order = version.cmp_precedence(&bound);
        match comparator.op {
            Op::Less => order.is_lt(),
            Op::LessEq => order.is_le(),
            Op::Greater => order.is_gt(),
            Op::GreaterEq => order.is_ge(),
            _ => order.is_eq(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock_file::{CRATES_IO_SOURCE, LockedPackage};

    fn lock(packages: &[(&str, &str)]) -> LockFile {
        let locked = |(name, version): &(&str, &str)| LockedPackage {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            source: Some(CRATES_IO_SOURCE.to_owned()),
            checksum: None,
        };
        packages.iter().map(locked).collect()
    }

    fn list(text: &str) -> Result<Advisories, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("advisories.toml");
        std::fs::write(&path, text).unwrap();
        Advisories::read(&path)
    }

    fn entry(affected: &str, more: &str) -> String {
        format!(
            "[[advisory]]\nid = \"RUSTSEC-2024-0332\"\ncrate = \"h2\"\naffected = {affected}\nwhy = \"a flood\"\n{more}\n"
        )
    }

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_affected_is_found_by_crate_and_version() {
        let advisories = list(&entry(r#"["<0.3.26", ">=0.4.0, <0.4.4"]"#, "")).unwrap();
        let today = day("2026-11-30");
        for (version, expected) in [
            ("0.3.25", 1),
            ("0.3.26", 0),
            ("0.4.0", 1),
            ("0.4.3", 1),
            ("0.4.4", 0),
            ("0.4.20", 0),
            ("1.0.0", 0),
        ] {
            let found = advisories.problems(&lock(&[("h2", version), ("hyper", "0.4.0")]), today);
            assert_eq!(found.len(), expected, "{version}: {found:?}");
        }
        let found = advisories.problems(&lock(&[("h2", "0.4.3"), ("h2", "0.3.1")]), today);
        assert_eq!(found.len(), 2, "each of several versions: {found:?}");
        assert!(
            found[0].starts_with("h2 0.3.1: RUSTSEC-2024-0332: a flood; "),
            "{found:?}"
        );
    }

    /// semver's own rule would pass a pre-release by.
    #[test]
    fn pre_releases_and_what_follows_a_plus_are_compared_by_order() {
        let today = day("2026-11-30");
        let found = |affected: &str, version: &str| {
            let advisories = list(&entry(affected, "")).unwrap();
            !advisories.problems(&lock(&[("h2", version)]), today).is_empty()
        };
        assert!(found(r#"["<0.11.0"]"#, "0.10.0-alpha.37"));
        assert!(found(r#"["<0.10.0-alpha.38"]"#, "0.10.0-alpha.37"));
        assert!(!found(r#"["<0.10.0-alpha.37"]"#, "0.10.0-alpha.37"));
        assert!(found(r#"["=2.0.16"]"#, "2.0.16+zstd.1.5.7"));
        assert!(found(r#"["*"]"#, "7.0.0"));
        assert!(found(r#"[">1.0.0, <=1.2.0"]"#, "1.2.0"));
        assert!(!found(r#"[">1.0.0, <=1.2.0"]"#, "1.0.0"));
    }

    /// A crate of ours may be called as one of crates.io is.
    #[test]
    fn a_folder_of_ours_is_not_meant() {
        let advisories = list(&entry(r#"["*"]"#, "")).unwrap();
        let ours = LockedPackage {
            name: "h2".to_owned(),
            version: "0.1.0".to_owned(),
            source: None,
            checksum: None,
        };
        let found = advisories.problems(&std::iter::once(ours).collect(), day("2026-11-30"));
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn an_exception_ends_with_its_day() {
        let accepted = r#"accepted = { until = "2027-05-31", why = "sled brings it" }"#;
        let advisories = list(&entry(r#"["*"]"#, accepted)).unwrap();
        let built = lock(&[("h2", "0.4.0")]);
        assert_eq!(
            advisories.problems(&built, day("2027-05-31")),
            Vec::<String>::new()
        );
        let late = advisories.problems(&built, day("2027-06-01"));
        assert!(late[0].ends_with("accepted until 2027-05-31 only"), "{late:?}");
    }

    #[test]
    fn an_exception_that_nothing_needs_is_named() {
        let accepted = r#"accepted = { until = "2027-05-31", why = "sled brings it" }"#;
        let advisories = list(&entry(r#"["<0.4.0"]"#, accepted)).unwrap();
        let (old, new) = (lock(&[("h2", "0.3.0")]), lock(&[("h2", "0.4.0")]));
        assert_eq!(advisories.needless(&[&old, &new]), Vec::<String>::new());
        let needless = advisories.needless(&[&new]);
        assert!(needless[0].starts_with("RUSTSEC-2024-0332: "), "{needless:?}");
    }

    #[test]
    fn entries_that_could_never_be_found_are_refused_by_their_field() {
        for (affected, more, word) in [
            ("[]", "", "affected"),
            (r#"["<0.4"]"#, "", ">=0.4.0, <0.4.4"),
            (r#"["^0.4.0"]"#, "", "accepted are"),
            (r#"["nonsense"]"#, "", "nonsense"),
            (
                r#"["*"]"#,
                r#"accepted = { until = "soon", why = "x" }"#,
                "accepted.until",
            ),
            (
                r#"["*"]"#,
                r#"accepted = { until = "2027-05-31", why = " " }"#,
                "accepted.why",
            ),
            (r#"["*"]"#, r#"patched = "0.4.4""#, "patched"),
        ] {
            let error = list(&entry(affected, more)).unwrap_err().to_string();
            assert!(
                error.contains(word) && error.contains("advisories.toml"),
                "{affected}: {error}"
            );
        }
        let twice = entry(r#"["*"]"#, "").repeat(2);
        assert!(list(&twice).unwrap_err().to_string().contains("twice"));
        let unknown = entry(r#"["*"]"#, "").replace("RUSTSEC-", "BUG-");
        assert!(list(&unknown).unwrap_err().to_string().contains("RUSTSEC-"));
    }
}
