//! A CA takes the place of another one.

use std::sync::{Arc, Mutex};

use crate::load::Load;
use crate::one_connection::OneConnection;
use crate::site::{Site, is_cut, is_signed_by, shown};

/// next, active, retiring, gone: both are trusted meanwhile, whoever has signed what a client shows.
#[test]
fn a_ca_is_replaced_under_load_and_nobody_is_refused() {
    let site = Site::with_ca(3);
    let first = active(&site);
    let file = site.reader("service/load", "load");
    let trusted = Arc::new(Mutex::new(site.trusted()));
    let mut load = Load::start(&site, &file, &trusted);
    // members sign their own anew meanwhile, which ends no connection
    load.keep(&site, &file);
    let second = site.add_ca();
    *trusted.lock().unwrap() = site.trusted();
    let new_ca = site.ca(&second);
    for id in site.ids() {
        site.until("the new CA is trusted", || site.presented(id).contains(&new_ca));
    }
    let early = site.ask(&["certificate", "rotate-ca", "--activate", &second]);
    assert!(early.0 == 4 && early.2.contains("urgent"), "{early:?}");
    load.goes_on(&site, 15);
    site.activate(&second);
    load.goes_on(&site, 15);
    let newer = site.issue("service/load", "newer");
    assert!(
        shown(&newer)
            .0
            .first()
            .is_some_and(|own| own != &shown(&file).0[0])
    );
    for id in site.ids() {
        for file in [&file, &newer] {
            assert_eq!(site.status(id, Some(shown(file))), 200, "both are trusted");
        }
    }
    load.end();
    assert_eq!(stage(&site, &first), "STAGE_RETIRING");
    let (code, _, err) = site.ask(&["certificate", "rotate-ca", "--remove", &second]);
    assert_eq!(code, 4, "the one that signs stays: {err}");
    let ids = site.ids();
    let mut kept: Vec<_> = ids
        .iter()
        .map(|id| OneConnection::open(&site, *id, &file))
        .collect();
    assert!(kept.iter_mut().all(|one| one.status() == 200));
    let (code, _, err) = site.ask(&["certificate", "rotate-ca", "--remove", &first]);
    assert_eq!(code, 0, "{err}");
    for one in &mut kept {
        site.until("what the old CA let in is refused", || one.status() == 401);
    }
    for id in site.ids() {
        site.until("the old CA is gone", || {
            let refused = site.asks(id, Some(shown(&file))).err();
            refused.is_some_and(|status| is_cut(status.code()))
        });
        assert_eq!(site.status(id, Some(shown(&newer))), 200);
    }
}

/// A member that was away meanwhile, and one that led and died, take the new CA as the others do; nobody's certificate is lost.
#[test]
fn a_rotation_survives_a_restart_and_the_leaders_death() {
    let mut site = Site::with_ca(3);
    let file = site.issue("service/load", "load");
    site.give("viewer", "service/load");
    let second = site.add_ca();
    restart(&mut site, 3);
    let led = leader_that_is_not_the_first(&site);
    let place = usize::try_from(led).unwrap() - 1;
    site.members[place] = None;
    site.until("another one leads", || leader(&site) != Some(led));
    site.until("the CA signs", || {
        let urgent = ["certificate", "rotate-ca", "--activate", &second, "--urgent"];
        site.ask(&urgent).0 == 0
    });
    let newer = site.issue("service/load", "newer");
    site.members[place] = Some(site.single.spawn_member(led));
    let ca = site.ca(&second);
    for id in site.ids() {
        site.until("each member presents what the new CA has signed", || {
            site.presented(id)
                .first()
                .is_some_and(|own| is_signed_by(own, &ca))
        });
        for file in [&file, &newer] {
            site.until("both are let in", || site.status(id, Some(shown(file))) == 200);
        }
    }
}

fn restart(site: &mut Site, id: u64) {
    let place = usize::try_from(id).unwrap() - 1;
    site.members[place] = None;
    site.members[place] = Some(site.single.spawn_member(id));
    site.until("it answers again", || !site.presented(id).is_empty());
}

/// As member 1 knows it, which commands ask.
fn leader(site: &Site) -> Option<u64> {
    let administrator = site.administrator();
    let answer = administrator.send(site.ip(1), "GET", "/chamois/v1/cluster", "");
    let status: serde_json::Value = serde_json::from_str(&answer.body).ok()?;
    let leader = &status["leaderId"];
    leader.as_u64().or_else(|| leader.as_str()?.parse().ok())
}

fn leader_that_is_not_the_first(site: &Site) -> u64 {
    let mut found = None;
    site.until("another member than the first leads", || {
        found = leader(site).filter(|id| *id > 1);
        if found.is_none() {
            site.ask(&["member", "transfer-leader", "2"]);
        }
        found.is_some()
    });
    found.unwrap()
}

fn authorities(site: &Site) -> Vec<serde_json::Value> {
    let listed = site.json(&["certificate", "list"]);
    listed["authorities"].as_array().unwrap().clone()
}

fn active(site: &Site) -> String {
    let all = authorities(site);
    let found = all.iter().find(|ca| ca["stage"] == "STAGE_ACTIVE").unwrap();
    found["id"].as_str().unwrap().to_owned()
}

fn stage(site: &Site, id: &str) -> String {
    let all = authorities(site);
    let found = all.iter().find(|ca| ca["id"] == id).unwrap();
    found["stage"].as_str().unwrap().to_owned()
}

/// Its names are those of the member, so that clients find it under each of them.
#[test]
fn a_member_signs_its_own_certificate_under_its_names() {
    let site = Site::with_ca(1);
    let own = site.presented(1);
    assert!(is_signed_by(&own[0], &site.ca(&active(&site))));
    let names = rpc::tls::host_names(&own[0]);
    assert!(names.contains(&site.ip(1).to_string()), "{names:?}");
    let from_to = rpc::tls::validity(&own[0]).unwrap();
    let lives = from_to.1.duration_since(from_to.0).unwrap();
    assert!(
        lives < std::time::Duration::from_secs(92 * 24 * 3600),
        "{lives:?}"
    );
}

/// A cluster whose CA is kept offline goes on as before: what the operator signs is let in.
#[test]
fn an_offline_ca_stays_trusted_and_signs_nothing_here() {
    let site = Site::start(1);
    let all = authorities(&site);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0]["stage"], "STAGE_NEXT");
    let (code, _, err) = site.ask(&["certificate", "issue", "user/ada", "--out", "/dev/null/x.pem"]);
    assert!(code == 4 && err.contains("rotate-ca"), "{code} {err}");
}
