//! A certificate that is taken back is refused everywhere within a second, where it is in use as well.

use std::path::Path;
use std::time::{Duration, Instant};

use proto::watch::v1::WatchResponse;
use tonic::{Code, Streaming};

use crate::common::streams::{end_of, watch};
use crate::common::text;
use crate::forged::{Forger, Wish};
use crate::site::{Site, is_cut, shown};

/// Issue 9: from the acknowledgement on, on every connected member.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

fn watched(site: &Site, id: u64, file: &Path) -> Streaming<WatchResponse> {
    let channel = site.channel(id, Some(shown(file)));
    site.runtime.block_on(watch(channel))
}

/// Without policies a user's certificate is an administrator's, so it matters most there.
fn refused_within_a_second(site: &Site, file: &Path) {
    streams_end_by(site, file, &["certificate", "revoke", text(file)]);
    for id in site.ids() {
        assert_eq!(site.status(id, Some(shown(file))), 401, "member {id}");
    }
}

/// What was begun with a certificate ends at each member when a command has taken it back.
fn streams_end_by(site: &Site, file: &Path, command: &[&str]) {
    let streams: Vec<_> = site.ids().into_iter().map(|id| watched(site, id, file)).collect();
    let ends: Vec<_> = streams
        .into_iter()
        .map(|stream| site.runtime.spawn(end_of(stream)))
        .collect();
    let (code, _, err) = site.ask(command);
    assert_eq!(code, 0, "{err}");
    let acknowledged = Instant::now();
    for end in ends {
        let left = REFUSED_WITHIN.saturating_sub(acknowledged.elapsed());
        let at_most = left.max(Duration::from_millis(1));
        let code = site
            .runtime
            .block_on(async { tokio::time::timeout(at_most, end).await });
        assert_eq!(code.expect("a stream goes on").unwrap(), Code::Unauthenticated);
    }
}

/// The key of a CA was stolen: whoever has come in with what it signed goes, not only who comes next, and a member that starts
/// afterwards does not trust it from its identity.
#[test]
fn a_ca_that_is_removed_ends_what_it_let_in() {
    let mut site = Site::with_ca(3);
    let first = site.json(&["certificate", "list"]);
    let all = first["authorities"].as_array().unwrap();
    let first = all.iter().find(|ca| ca["stage"] == "STAGE_ACTIVE").unwrap();
    let first = first["id"].as_str().unwrap().to_owned();
    let file = site.issue("user/ada", "ada");
    let second = site.add_ca();
    site.activate(&second);
    streams_end_by(&site, &file, &["certificate", "rotate-ca", "--remove", &first]);
    let beginning = all.iter().find(|ca| ca["stage"] == "STAGE_NEXT").unwrap();
    let beginning = beginning["id"].as_str().unwrap();
    let (code, _, err) = site.ask(&["certificate", "rotate-ca", "--remove", beginning]);
    assert_eq!(code, 0, "{err}");
    let of_the_first_day = Forger::of_the_cluster(&site);
    site.members[2] = None;
    site.members[2] = Some(site.single.spawn_member(3));
    site.until("it answers again", || !site.presented(3).is_empty());
    let made = of_the_first_day.make(&Wish::for_uris(&["spiffe://test/user/ada"]));
    let refused = site.asks(3, Some(made)).unwrap_err();
    assert!(is_cut(refused.code()), "{refused}");
}

#[test]
fn a_revoked_users_certificate_ends_its_streams_before_there_are_policies() {
    let site = Site::with_ca(3);
    let (lost, kept) = (site.issue("user/ada", "lost"), site.issue("user/ada", "kept"));
    refused_within_a_second(&site, &lost);
    for id in site.ids() {
        assert_eq!(
            site.status(id, Some(shown(&kept))),
            200,
            "the other one of hers stands"
        );
    }
}

#[test]
fn a_revoked_services_certificate_ends_its_streams() {
    let site = Site::with_ca(3);
    let file = site.reader("service/watcher", "watcher");
    refused_within_a_second(&site, &file);
    // and it does not renew itself
    let renewed = site.renew(&file, &["--force"]);
    assert_eq!(renewed.0, 5, "{renewed:?}");
}
