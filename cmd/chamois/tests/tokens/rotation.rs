//! Keys are moved on while everybody works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use serde_json::json;

use crate::site::{Bearer, COMPONENTS, Site, json as body};

/// Issue 9 asks for so many.
const ROTATIONS: usize = 20;

/// What one client has seen.
#[derive(Default)]
struct Seen {
    reads: AtomicUsize,
    /// Answers that were not 200.
    others: std::sync::Mutex<Vec<String>>,
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
            if answer.status != 200 {
                seen.others.lock().unwrap().push(format!("no token: {answer:?}"));
                continue;
            }
            let token = body(&answer)["access_token"].as_str().unwrap().to_owned();
            let shown = Bearer::new(&identities, &token);
            // it is good for ten minutes, so for the next rotation as well
            for _ in 0..5 {
                let answer = shown.send(reader, "GET", COMPONENTS, "");
                if answer.status != 200 {
                    seen.others.lock().unwrap().push(format!("refused: {answer:?}"));
                }
                seen.reads.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
}

/// No valid request is refused, whichever member issued the token and whichever reads it.
#[test]
fn twenty_rotations_under_load_refuse_nobody() {
    let site = Site::start(3);
    site.give("site", "viewer", "service/load");
    let (_, api) = site.api_token("service/load", &["smd.read"]);
    let (seen, stop) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let clients: Vec<JoinHandle<()>> = [(1, 2), (2, 3), (3, 1)]
        .map(|(from, to)| client(&site, from, to, &api, &seen, &stop))
        .into();
    let mut active = String::new();
    for rotation in 0..ROTATIONS {
        let before = seen.reads.load(Ordering::Relaxed);
        let at = site.ip(rotation as u64 % 3 + 1);
        let asked = r#"{"urgent":true}"#;
        let answer = site
            .administrator
            .send(at, "POST", "/chamois/v1/signing-keys/rotate", asked);
        assert_eq!(answer.status, 200, "{answer:?}");
        let now = body(&answer)["active_id"].as_str().unwrap().to_owned();
        assert_ne!(now, active);
        active = now;
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
