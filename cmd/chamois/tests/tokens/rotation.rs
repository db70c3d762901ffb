//! Keys are moved on while everybody works.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::common::http::Answer;
use crate::site::{Bearer, COMPONENTS, Site, json as body};

/// Issue 9 asks for so many.
const ROTATIONS: usize = 20;

/// Every so many rotations one member is stopped: it meets tokens of a key that it has not heard of.
const STOPPED_EVERY: usize = 4;
/// Between two tries of what is told to come again.
const PAUSE: Duration = Duration::from_millis(20);

/// What all clients have seen.
#[derive(Default)]
struct Seen {
    reads: AtomicUsize,
    /// Answers that said: come again.
    later: AtomicUsize,
    /// Answers that were neither.
    others: Mutex<Vec<String>>,
}

impl Seen {
    /// The answer, if it is one: a member that lags, or elects, may say that it does not know yet, and nothing else.
    fn accepted(&self, what: &str, answer: Answer) -> Option<Answer> {
        match answer.status {
            200 => return Some(answer),
            503 => {
                self.later.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(PAUSE);
            }
            _ => self.others.lock().unwrap().push(format!("{what}: {answer:?}")),
        }
        None
    }
}

/// Gets tokens from one member and shows each of them to another one.
fn client(
    site: &Site,
    from: u64,
    to: u64,
    api: &str,
    seen: &Arc<Seen>,
    stop: &Arc<AtomicBool>,
) -> JoinHandle<()> {
    let (issuer, reader, nobody) = (site.ip(from), site.ip(to), site.as_nobody());
    let (identities, seen, stop) = (site.identities(), Arc::clone(seen), Arc::clone(stop));
    let asked = json!({"grant_type": "client_credentials", "client_secret": api}).to_string();
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            let answer = nobody.send(issuer, "POST", "/oauth2/token", &asked);
            let Some(answer) = seen.accepted("no token", answer) else {
                continue;
            };
            let token = body(&answer)["access_token"].as_str().unwrap().to_owned();
            let shown = Bearer::new(&identities, &token);
            // it is good for ten minutes, so for the next rotation as well
            for _ in 0..5 {
                let answer = shown.send(reader, "GET", COMPONENTS, "");
                if seen.accepted("refused", answer).is_some() {
                    seen.reads.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    })
}

/// Makes the next key sign, by a member; which one signs now.
fn rotated(site: &Site, at: u64) -> String {
    let mut active = String::new();
    site.until("the keys are moved on", || {
        let asked = r#"{"urgent":true}"#;
        let answer = site
            .administrator
            .send(site.ip(at), "POST", "/chamois/v1/signing-keys/rotate", asked);
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        if answer.status == 200 {
            body(&answer)["activeId"]
                .as_str()
                .unwrap()
                .clone_into(&mut active);
        }
        answer.status == 200
    });
    active
}

/// A member that goes on after others have moved the keys meets what the new one has signed before it has heard of it: it must not say no.
fn goes_on(site: &Site, lagging: u64, fresh: &str) {
    site.signal(lagging, Signal::SIGCONT);
    site.until("a member that lagged accepts what is good", || {
        let status = site.status(lagging, fresh);
        assert!(
            [200, 503].contains(&status),
            "a valid token was answered with {status}"
        );
        status == 200
    });
}

/// No valid request is refused, whichever member issued the token and whichever reads it, and however far that one is behind.
#[test]
fn twenty_rotations_under_load_refuse_nobody() {
    let site = Site::start(3);
    site.give("site", "viewer", "service/load");
    let (_, api) = site.api_token("service/load", &["smd.read"]);
    let (seen, stop) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    // the other two have a majority without it
    let lagging = site.ids().into_iter().find(|id| *id != site.leader()).unwrap();
    let others: Vec<u64> = site.ids().into_iter().filter(|id| *id != lagging).collect();
    let clients: Vec<JoinHandle<()>> = [(others[0], others[1]), (others[1], lagging), (lagging, others[0])]
        .map(|(from, to)| client(&site, from, to, &api, &seen, &stop))
        .into();
    let mut active = String::new();
    for rotation in 0..ROTATIONS {
        let before = seen.reads.load(Ordering::Relaxed);
        let is_stopped = rotation % STOPPED_EVERY == STOPPED_EVERY - 1;
        let at = others[rotation % others.len()];
        if is_stopped {
            site.signal(lagging, Signal::SIGSTOP);
        }
        let now = rotated(&site, at);
        assert_ne!(now, active);
        active = now;
        if is_stopped {
            let fresh = site.access_token(at, &api);
            goes_on(&site, lagging, &fresh);
        }
        site.until("reads go on", || seen.reads.load(Ordering::Relaxed) > before + 15);
    }
    stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    let others = seen.others.lock().unwrap();
    assert!(
        others.is_empty(),
        "{} of {:?}: {others:#?}",
        others.len(),
        seen.reads
    );
    let (later, reads) = (
        seen.later.load(Ordering::Relaxed),
        seen.reads.load(Ordering::Relaxed),
    );
    assert!(
        later < reads,
        "{later} answers said \"later\", {reads} were given"
    );
}

/// A key that was stolen: what it has signed is refused, and what its successor signs is not.
#[test]
fn what_a_distrusted_key_has_signed_is_refused_everywhere() {
    let site = Site::start(3);
    site.give("site", "viewer", "service/load");
    let (_, api) = site.api_token("service/load", &["smd.read"]);
    let stolen = site.access_token(1, &api);
    for id in site.ids() {
        assert_eq!(site.final_status(id, &stolen), 200);
    }
    let (code, _, err) = site
        .single
        .ask(&["token", "keys", "--rotate", "--urgent", "--distrust"]);
    assert_eq!(code, 0, "{err}");
    let fresh = site.access_token(1, &api);
    for id in site.ids() {
        site.until("it is refused", || site.status(id, &stolen) == 401);
        assert_eq!(site.final_status(id, &fresh), 200);
    }
}

/// Readers keep the published keys: one that is not published long enough does not sign unless somebody says that it must.
#[test]
fn a_rotation_that_is_not_urgent_waits_for_the_hour() {
    let site = Site::start(1);
    let (code, _, err) = site.single.ask(&["token", "keys", "--rotate"]);
    assert_eq!(code, 4, "{err}");
    assert!(err.contains("urgent"), "{err}");
}
