//! BMCs that could not be read: folded by what is wrong with them, with what to do.

use std::collections::BTreeMap;

use redfish::Address;

use crate::error::{CliError, Kind};
use crate::job::names_of;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// `address:port`.
    pub(super) place: String,
    /// In a word, as the cluster's own crawls have it.
    pub(super) word: &'static str,
    pub(super) reason: String,
    pub(super) remedy: String,
}

impl Failure {
    pub(super) fn of(address: &Address, error: &redfish::Error) -> Failure {
        Failure {
            place: address.to_string(),
            word: error.word(),
            reason: error.to_string(),
            remedy: local_remedy(error).to_owned(),
        }
    }
}

/// What to do from this host, where the cluster's commands know of nothing.
fn local_remedy(error: &redfish::Error) -> &'static str {
    match error {
        redfish::Error::Credentials { .. } => {
            "name the right user and password with -u and --password-file, or --secrets-file"
        }
        redfish::Error::KeyChanged { .. } => {
            "if the BMC was replaced or got a new certificate, scan it again; else somebody is in between"
        }
        other => other.remedy(),
    }
}

/// The error of a run in which some of `all` failed; `None` if none did.
pub(super) fn judge(failures: &[Failure], all: usize) -> Option<CliError> {
    if failures.is_empty() {
        return None;
    }
    let text = format!(
        "{} of {all} BMCs could not be read whole:\n{}",
        failures.len(),
        folded(failures)
    );
    Some(CliError::new(Kind::Partly, text))
}

/// One entry for all with the same word and remedy; the reason is that of the first.
fn folded(failures: &[Failure]) -> String {
    let mut alike: BTreeMap<(&str, &str), Vec<&Failure>> = BTreeMap::new();
    for failure in failures {
        alike
            .entry((failure.word, failure.remedy.as_str()))
            .or_default()
            .push(failure);
    }
    let entry = |((word, remedy), of): ((&str, &str), Vec<&Failure>)| {
        let places: Vec<&str> = of.iter().map(|failure| failure.place.as_str()).collect();
        let reason = of.first().map_or("", |first| first.reason.as_str());
        let more = match of.len() {
            0 | 1 => String::new(),
            count => format!(" (and {} like it)", count - 1),
        };
        format!("  {}: {word}: {reason}{more}\n      {remedy}", names_of(&places))
    };
    alike.into_iter().map(entry).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(place: &str, word: &'static str) -> Failure {
        Failure {
            place: place.into(),
            word,
            reason: format!("{place} does not answer"),
            remedy: "check its power".into(),
        }
    }

    #[test]
    fn a_rack_without_power_is_one_entry() {
        let failures = [
            failure("10.1.0.1:443", "unreachable"),
            failure("10.1.0.2:443", "unreachable"),
            failure("10.1.0.9:443", "tls"),
        ];
        let error = judge(&failures, 200).unwrap();
        assert_eq!(error.exit_code(), 7);
        assert_eq!(
            error.to_string(),
            "3 of 200 BMCs could not be read whole:\n  \
             10.1.0.9:443: tls: 10.1.0.9:443 does not answer\n      check its power\n  \
             10.1.0.[1-2]:443: unreachable: 10.1.0.1:443 does not answer (and 1 like it)\n      check its power"
        );
        assert!(judge(&[], 200).is_none());
    }

    #[test]
    fn the_remedy_is_one_of_this_host() {
        let address: Address = "10.1.0.7".parse().unwrap();
        let refused = redfish::Error::Credentials {
            what: "the login".into(),
            problem: "401".into(),
        };
        let failure = Failure::of(&address, &refused);
        assert!(failure.remedy.contains("--secrets-file"), "{failure:?}");
        assert_eq!(
            (failure.place.as_str(), failure.word),
            ("10.1.0.7:443", "credentials")
        );
    }
}
