//! What `StartTransition` asks for, checked and in the words of the log.

use std::collections::BTreeSet;

use bmcs::{Bmcs, What};
use model::Xname;
use proto::power::v1::start_transition_request::Location;
use proto::power::v1::{PowerTransition, StartTransitionRequest};
use rpc::{Author, Error, invalid};
use state::smd::key_sha256;

use crate::operation;

/// A week.
const DEADLINE_MINUTES_MAX: i32 = 7 * 24 * 60;
const CONCURRENCY_MAX: u32 = 1024;
const STAGGER_MS_MAX: u32 = 60_000;
/// A job has room for the digests of so many.
const KEYS_MAX: usize = 400;

/// The transition, and its targets: xnames, each once, in the order of the request.
///
/// # Errors
/// `Invalid` naming the field; those of [`Bmcs::expand`] for a nodeset. An xname that is not known is none: its task fails.
pub(crate) fn transition(
    bmcs: &Bmcs,
    author: &Author,
    request: &StartTransitionRequest,
) -> Result<(PowerTransition, Vec<String>), Error> {
    let operation = operation::parse(&request.operation).map_err(|problem| invalid("operation", problem))?;
    check_bounds(request)?;
    if request.location.is_empty() {
        return Err(invalid(
            "location",
            "it is empty; write [{\"xname\":\"x1000c0s0b0n0\"}]",
        ));
    }
    let transition = PowerTransition {
        operation: operation.into(),
        targets: request
            .location
            .iter()
            .map(|location| location.xname.clone())
            .collect(),
        task_deadline_minutes: request.task_deadline_minutes,
        concurrency_max: request.concurrency_max,
        stagger_ms: request.stagger_ms,
        reservation_key_sha256: digests(author, &request.location)?,
    };
    Ok((transition, xnames(bmcs, &request.location)?))
}

fn check_bounds(request: &StartTransitionRequest) -> Result<(), Error> {
    let deadline = request.task_deadline_minutes.unwrap_or(0);
    if !(-1..=DEADLINE_MINUTES_MAX).contains(&deadline) {
        let problem = format!(
            "{deadline} is no deadline; write minutes up to {DEADLINE_MINUTES_MAX}, 0 to force at once, -1 to force never"
        );
        return Err(invalid("taskDeadlineMinutes", problem));
    }
    let bounds = [
        ("staggerMilliseconds", request.stagger_ms, STAGGER_MS_MAX),
        ("concurrencyMax", request.concurrency_max, CONCURRENCY_MAX),
    ];
    match bounds.into_iter().find(|(_, given, most)| given > most) {
        Some((field, given, most)) => Err(invalid(field, format!("{given} is too many; write 0 to {most}"))),
        None => Ok(()),
    }
}

/// A single xname is taken as it is, in normal form: what it is, or whether there is one, its own task tells.
fn xnames(bmcs: &Bmcs, locations: &[Location]) -> Result<Vec<String>, Error> {
    let mut seen = BTreeSet::new();
    let mut xnames = Vec::new();
    for (place, location) in locations.iter().enumerate() {
        let field = format!("location[{place}].xname");
        let named = match location.xname.parse::<Xname>() {
            Ok(xname) => vec![xname.to_string()],
            Err(problem) if location.xname.trim().is_empty() => return Err(invalid(&field, problem)),
            Err(_) => bmcs.expand(&field, std::slice::from_ref(&location.xname), What::Switchable)?,
        };
        xnames.extend(named.into_iter().filter(|xname| seen.insert(xname.clone())));
    }
    Ok(xnames)
}

/// Of the deputy keys and of the keys in the request's metadata: all that is kept of them.
fn digests(author: &Author, locations: &[Location]) -> Result<Vec<Vec<u8>>, Error> {
    for (place, location) in locations.iter().enumerate() {
        if !location.deputy_key.is_empty() && !is_key(&location.deputy_key) {
            let problem = "it is no key; write it as it was given: <xname>:dk:<uuid>";
            return Err(invalid(&format!("location[{place}].deputyKey"), problem));
        }
    }
    let given = locations.iter().map(|location| location.deputy_key.trim());
    let held = author.held_keys().into_iter().flat_map(rpc::HeldKeys::iter);
    let keys = given.filter(|key| !key.is_empty()).chain(held);
    let digests: BTreeSet<Vec<u8>> = keys.map(key_sha256).collect();
    if digests.len() > KEYS_MAX {
        let problem = format!(
            "{} keys of reservations are given, at most {KEYS_MAX} are accepted; start several transitions",
            digests.len()
        );
        return Err(invalid("location", problem));
    }
    Ok(digests.into_iter().collect())
}

fn is_key(text: &str) -> bool {
    let parts: Vec<&str> = text.trim().split(':').collect();
    matches!(parts.as_slice(), [xname, kind, uuid]
        if xname.parse::<Xname>().is_ok() && !uuid.is_empty()
            && (kind.eq_ignore_ascii_case("dk") || kind.eq_ignore_ascii_case("rk")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_bmc::bmcs;
    use crate::operation::Operation;

    const KEY: &str = "x0c0s0b0n0:dk:59577b4e-4b5f-4624-a6b1-4782eb1643e8";

    fn request(xnames: &[&str]) -> StartTransitionRequest {
        let location = |xname: &&str| Location {
            xname: (*xname).to_owned(),
            deputy_key: String::new(),
        };
        StartTransitionRequest {
            operation: "off".to_owned(),
            location: xnames.iter().map(location).collect(),
            ..StartTransitionRequest::default()
        }
    }

    fn author() -> Author {
        Author::of("user/ada", None)
    }

    fn start(request: &StartTransitionRequest) -> Result<(PowerTransition, Vec<String>), Error> {
        transition(&bmcs(raft::Store::in_memory()), &author(), request)
    }

    fn refused(request: &StartTransitionRequest) -> String {
        start(request).unwrap_err().to_string()
    }

    /// What `ochami pcs transition start -x x0c0s0b0n0,x9c0s0b0n0 off` sends.
    #[test]
    fn xnames_are_normal_and_each_once_known_or_not() {
        let (asked, targets) = start(&request(&["X0C0s00b0n0", "x9c0s0b0n0", "x0c0s0b0n0"])).unwrap();
        assert_eq!(targets, ["x0c0s0b0n0", "x9c0s0b0n0"]);
        assert_eq!(asked.operation(), Operation::Off);
        assert_eq!(asked.targets.len(), 3, "as they were given");
        assert_eq!(asked.task_deadline_minutes, None);
        assert!(asked.reservation_key_sha256.is_empty());
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_by_name() {
        let one = || request(&["x0c0s0b0n0"]);
        let wrong = [
            (
                StartTransitionRequest {
                    operation: "reset".to_owned(),
                    ..one()
                },
                "operation: `reset`",
            ),
            (
                StartTransitionRequest {
                    task_deadline_minutes: Some(-2),
                    ..one()
                },
                "taskDeadlineMinutes: -2",
            ),
            (
                StartTransitionRequest {
                    task_deadline_minutes: Some(DEADLINE_MINUTES_MAX + 1),
                    ..one()
                },
                "taskDeadlineMinutes: 10081",
            ),
            (
                StartTransitionRequest {
                    stagger_ms: STAGGER_MS_MAX + 1,
                    ..one()
                },
                "staggerMilliseconds: 60001",
            ),
            (
                StartTransitionRequest {
                    concurrency_max: CONCURRENCY_MAX + 1,
                    ..one()
                },
                "concurrencyMax: 1025",
            ),
            (request(&[]), "location: it is empty"),
            (request(&["x0c0s0b0n0", " "]), "location[1].xname: "),
        ];
        for (request, begin) in wrong {
            let told = refused(&request);
            assert!(told.starts_with(begin), "{told}");
        }
    }

    #[test]
    fn every_bound_itself_is_accepted() {
        for minutes in [-1, 0, DEADLINE_MINUTES_MAX] {
            let at_most = StartTransitionRequest {
                task_deadline_minutes: Some(minutes),
                stagger_ms: STAGGER_MS_MAX,
                concurrency_max: CONCURRENCY_MAX,
                ..request(&["x0c0s0b0n0"])
            };
            assert_eq!(start(&at_most).unwrap().0.task_deadline_minutes, Some(minutes));
        }
    }

    /// A key in the log would open the reservation to whoever reads it.
    #[test]
    fn only_digests_of_keys_are_kept_each_once() {
        let mut with_keys = request(&["x0c0s0b0n0", "x0c0s1b0n0"]);
        with_keys.location[0].deputy_key = KEY.to_owned();
        with_keys.location[1].deputy_key = KEY.to_uppercase();
        let (asked, _) = start(&with_keys).unwrap();
        assert_eq!(asked.reservation_key_sha256, [key_sha256(KEY)]);
        assert!(!format!("{asked:?}").contains("59577b4e"));
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        for wrong in [
            "secret",
            "x0c0s0b0n0:dk:",
            "x0c0s0b0n0:pk:secret",
            "nowhere:dk:secret",
        ] {
            let mut with_key = request(&["x0c0s0b0n0"]);
            with_key.location[0].deputy_key = wrong.to_owned();
            let told = refused(&with_key);
            assert!(told.starts_with("location[0].deputyKey: it is no key"), "{told}");
            assert!(!told.contains("secret"), "{told}");
        }
    }

    #[test]
    fn more_keys_than_a_job_has_room_for_are_refused() {
        let with = |keys: usize| {
            let mut many = request(&["x0c0s0b0n0"; KEYS_MAX + 1]);
            for (number, location) in many.location.iter_mut().take(keys).enumerate() {
                location.deputy_key = format!("x0c0s0b0n0:dk:{number}");
            }
            many
        };
        let (asked, _) = start(&with(KEYS_MAX)).unwrap();
        assert_eq!(asked.reservation_key_sha256.len(), KEYS_MAX);
        let told = refused(&with(KEYS_MAX + 1));
        assert!(told.starts_with("location: 401 keys"), "{told}");
    }
}
