//! URLs that members fetch because somebody stored them: those of subscribers. (Boot files are fetched from members alone, and
//! the URLs of kernels and images by nodes.)

use std::net::TcpListener;
use std::time::Duration;

use crate::common::two_nodes::NODE;
use crate::site::Site;

const SUBSCRIPTIONS: &str = "/hsm/v2/Subscriptions/SCN";
/// A subscriber hears of a change within a second or two.
const HEARD_AFTER: Duration = Duration::from_secs(4);

fn subscribe(site: &Site, subscriber: &str, url: &str) -> u16 {
    let body = format!(r#"{{"Subscriber":"{subscriber}","Url":"{url}","States":["Off","On"]}}"#);
    site.admin("POST", SUBSCRIPTIONS, &body).status
}

/// Changes that subscribers are told.
fn change(site: &Site) {
    for state in ["Off", "On"] {
        let path = format!("/hsm/v2/State/Components/{NODE}/StateData");
        let answer = site.admin("PATCH", &path, &format!(r#"{{"State":"{state}"}}"#));
        assert!((200..300).contains(&answer.status), "{answer:?}");
    }
}

#[test]
fn schemes_that_are_no_http_are_refused_at_once() {
    let site = Site::start(1, false);
    for url in [
        "file:///etc/passwd",
        "file://localhost/etc/passwd",
        "gopher://127.0.0.1:25/",
        "ftp://127.0.0.1/",
        "unix:///run/docker.sock",
        "dict://127.0.0.1:11211/",
        "//127.0.0.1/",
        "http://",
        "http:///x",
        "http://x y/",
    ] {
        assert_eq!(subscribe(&site, "attacker", url), 400, "{url}");
    }
}

/// Whoever may subscribe may not have a member talk to what trusts its own host, or the cloud's metadata, however it is
/// written; a name is judged by where it leads.
#[test]
fn members_do_not_ask_their_own_host_or_a_clouds_metadata() {
    let site = Site::start(1, false);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut told = Vec::new();
    for (number, url) in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://127.1:{port}/"),
        "http://169.254.169.254/latest/meta-data/iam/".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let subscriber = format!("attacker-{number}");
        let status = subscribe(&site, &subscriber, url);
        assert!(status == 200 || status == 400, "{url}: {status}");
        told.extend((status == 200).then_some(subscriber));
    }
    change(&site);
    // each was to be told, and the member has refused to: else a silent listener says nothing
    assert!(told.len() >= 4, "too few URLs are taken: {told:?}");
    let log = || site.members[0].as_ref().unwrap().log();
    site.until("every notification to be refused", || {
        let log = log();
        told.iter().all(|subscriber| log.contains(subscriber.as_str()))
    });
    for says in ["members send nothing to this host itself", "link-local"] {
        assert!(log().contains(says), "{says}");
    }
    let until = std::time::Instant::now() + HEARD_AFTER;
    while std::time::Instant::now() < until {
        assert!(listener.accept().is_err(), "a member has asked its own host");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The same listener, where the operator allows it: so the test above would have heard of it.
#[test]
fn a_member_asks_its_own_host_where_that_is_allowed() {
    let site = Site::start_with(1, false, "allow-loopback-webhooks = true\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(subscribe(&site, "own", &format!("http://127.0.0.1:{port}/")), 200);
    change(&site);
    site.until("the notification", || listener.accept().is_ok());
}
