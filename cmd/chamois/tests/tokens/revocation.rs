//! What is taken back is refused everywhere within a second, where it is in use as well.

use std::time::{Duration, Instant, SystemTime};

use auth::pki::CertificateAuthority;
use proto::watch::v1::WatchResponse;
use rpc::client::{Credentials, Options, connect};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::runtime::Runtime;
use tonic::{Code, Streaming};

use crate::common::streams::{end_of, watch};
use crate::site::Site;

/// Issue 9: from the acknowledgement on, on every connected member.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

async fn watch_as(site: &Site, id: u64, credentials: Credentials) -> Streaming<WatchResponse> {
    let options = Options {
        endpoints: vec![format!("{}:7441", site.ip(id))],
        ca: vec![site.single.ca()],
        credentials,
    };
    watch(connect(options).unwrap()).await
}

/// The streams end and every member refuses within the second.
fn refused_everywhere(site: &Site, runtime: &Runtime, token: &str, take_back: impl FnOnce()) {
    let streams: Vec<_> = site
        .ids()
        .into_iter()
        .map(|id| runtime.block_on(watch_as(site, id, Credentials::Token(token.to_owned()))))
        .collect();
    take_back();
    let acknowledged = Instant::now();
    let ends = streams.into_iter().map(|stream| runtime.spawn(end_of(stream)));
    let ends: Vec<_> = ends.collect();
    for id in site.ids() {
        // a member that has not heard of it yet may still say yes
        site.until("it is refused", || site.status(id, token) == 401);
        assert!(
            acknowledged.elapsed() < REFUSED_WITHIN,
            "member {id}: {:?}",
            acknowledged.elapsed()
        );
    }
    for end in ends {
        let left = REFUSED_WITHIN.saturating_sub(acknowledged.elapsed());
        let code =
            runtime.block_on(async { tokio::time::timeout(left.max(Duration::from_millis(1)), end).await });
        let code = code.expect("a stream goes on").unwrap();
        assert!(
            matches!(code, Code::Unauthenticated | Code::PermissionDenied),
            "{code:?}"
        );
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Three members, an API token of a service that watches, and an access token of it that they all accept.
fn watcher() -> (Site, Runtime, String, String) {
    let (site, runtime) = (Site::start(3), runtime());
    site.give("site", "viewer", "service/watcher");
    let (_, api) = site.api_token("service/watcher", &["watch.read", "smd.read"]);
    let access = site.access_token(1, &api);
    for id in site.ids() {
        assert_eq!(site.final_status(id, &access), 200);
    }
    (site, runtime, api, access)
}

#[test]
fn a_deleted_api_token_is_refused_everywhere_within_a_second() {
    let (site, runtime) = (Site::start(3), runtime());
    site.give("site", "viewer", "service/watcher");
    let (id, api) = site.api_token("service/watcher", &["watch.read", "smd.read"]);
    refused_everywhere(&site, &runtime, &api, || {
        let answer =
            site.administrator
                .send(site.ip(2), "DELETE", &format!("/chamois/v1/api-tokens/{id}"), "");
        assert_eq!(answer.status, 200, "{answer:?}");
    });
}

/// Nor does what was made of it a minute ago go on.
#[test]
fn access_tokens_end_with_the_api_token_that_they_come_from() {
    let (site, runtime, api, access) = watcher();
    refused_everywhere(&site, &runtime, &access, || {
        let asked = serde_json::json!({"token": api}).to_string();
        let answer = site
            .as_nobody()
            .send(site.ip(3), "POST", "/oauth2/revoke", &asked);
        assert_eq!(answer.status, 200, "{answer:?}");
    });
}

/// The entry is in the log: whoever leads next has it, and so has a member that starts again.
#[test]
fn a_revocation_outlives_the_leader_and_a_restart() {
    let mut site = Site::start(3);
    site.give("site", "viewer", "service/watcher");
    let (_, api) = site.api_token("service/watcher", &["smd.read"]);
    let access = site.access_token(1, &api);
    let asked = serde_json::json!({"principal": "service/watcher"}).to_string();
    let answer = site
        .administrator
        .send(site.ip(1), "POST", "/chamois/v1/revocations", &asked);
    assert_eq!(answer.status, 200, "{answer:?}");
    let leader = site.leader();
    site.members[leader as usize - 1] = None;
    for id in site.ids() {
        site.until("it is refused", || site.status(id, &access) == 401);
    }
    site.members[leader as usize - 1] = Some(site.single.spawn_member(leader));
    site.until("it listens again", || {
        std::net::TcpStream::connect((site.ip(leader), 8443)).is_ok()
    });
    site.until("it refuses", || site.status(leader, &access) == 401);
    // and the service is not locked out for ever
    let (_, api) = site.api_token("service/watcher", &["smd.read"]);
    assert_eq!(site.final_status(leader, &site.access_token(leader, &api)), 200);
}

/// A key that was stolen: what its tokens let in goes as fast, streams as well.
#[test]
fn what_a_distrusted_key_let_in_ends_everywhere_within_a_second() {
    let (site, runtime, _, access) = watcher();
    refused_everywhere(&site, &runtime, &access, || {
        let (code, _, err) = site
            .single
            .ask(&["token", "keys", "--rotate", "--urgent", "--distrust"]);
        assert_eq!(code, 0, "{err}");
    });
}

/// A user's certificate, and what revocations call it.
struct Certified {
    certificate: CertificateDer<'static>,
    key_pem: String,
}

impl Certified {
    fn of(site: &Site, name: &str) -> Certified {
        let read = |file: &str| std::fs::read_to_string(site.identities().join(file)).unwrap();
        let ca = CertificateAuthority::from_pem("test", &read("ca.pem"), &read("ca.key")).unwrap();
        let issued = ca.issue_user(name, SystemTime::now()).unwrap();
        Certified {
            certificate: CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap(),
            key_pem: issued.key_pem,
        }
    }

    fn credentials(&self) -> Credentials {
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).unwrap();
        Credentials::Certificate(vec![self.certificate.clone()], key)
    }

    fn sha256(&self) -> String {
        auth::fingerprint(&self.certificate)
    }
}

/// One certificate of a user, and then all of them: each time the streams of those that are meant end, and no others.
#[test]
fn a_users_certificates_are_taken_back_one_by_one_and_all_at_once() {
    let (site, runtime) = (Site::start(1), runtime());
    site.give("site", "viewer", "user/ada");
    let (lost, kept) = (Certified::of(&site, "ada"), Certified::of(&site, "ada"));
    let open = |of: &Certified| runtime.block_on(watch_as(&site, 1, of.credentials()));
    let (of_lost, of_kept) = (open(&lost), open(&kept));
    let ended = |stream, words: &[&str]| {
        let end = runtime.spawn(end_of(stream));
        let (code, out, err) = site.single.ask(&[&["token", "revoke"][..], words].concat());
        assert_eq!(code, 0, "{out}{err}");
        let end = runtime.block_on(async { tokio::time::timeout(REFUSED_WITHIN, end).await });
        assert_eq!(end.expect("the stream goes on").unwrap(), Code::Unauthenticated);
    };
    ended(of_lost, &["--certificate", &lost.sha256()]);
    // the other one of hers is not meant, and is in use still
    drop(open(&kept));
    ended(of_kept, &["--principal", "user/ada"]);
    // what is issued from now on is good: she is not locked out. Certificates say the second in which they were made
    std::thread::sleep(Duration::from_millis(1100));
    drop(open(&Certified::of(&site, "ada")));
}
