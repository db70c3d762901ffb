//! A certificate that is taken back is refused everywhere within a second, where it is in use as well.

use std::path::Path;
use std::time::{Duration, Instant};

use proto::watch::v1::watch_service_client::WatchServiceClient;
use proto::watch::v1::{WatchRequest, WatchResponse};
use tonic::{Code, Streaming};

use crate::common::text;
use crate::site::{Site, shown};

/// Issue 9: from the acknowledgement on, on every connected member.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

fn watch(site: &Site, id: u64, file: &Path) -> Streaming<WatchResponse> {
    let channel = site.channel(id, Some(shown(file)));
    site.runtime.block_on(async {
        let mut client = WatchServiceClient::new(channel);
        let mut stream = client.watch(WatchRequest::default()).await.unwrap().into_inner();
        stream.message().await.unwrap().unwrap();
        stream
    })
}

async fn end_of(mut stream: Streaming<WatchResponse>) -> Code {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Code::Ok,
            Err(status) => return status.code(),
        }
    }
}

/// Without policies a user's certificate is an administrator's, so it matters most there.
fn refused_within_a_second(site: &Site, file: &Path) {
    let streams: Vec<_> = site.ids().into_iter().map(|id| watch(site, id, file)).collect();
    let ends: Vec<_> = streams
        .into_iter()
        .map(|stream| site.runtime.spawn(end_of(stream)))
        .collect();
    let (code, _, err) = site.ask(&["certificate", "revoke", text(file)]);
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
    for id in site.ids() {
        assert_eq!(site.status(id, Some(shown(file))), 401, "member {id}");
    }
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
    let file = site.issue("service/watcher", "watcher");
    site.give("viewer", "service/watcher");
    for id in site.ids() {
        site.until("the policy is known", || {
            site.status(id, Some(shown(&file))) == 200
        });
    }
    refused_within_a_second(&site, &file);
    // and it does not renew itself
    let (endpoint, ca) = (format!("{}:7441", site.ip(1)), site.path("identities/ca.pem"));
    let renewed = crate::common::outcome(&crate::common::chamois(&[
        "certificate",
        "renew",
        text(&file),
        "--force",
        "--endpoints",
        &endpoint,
        "--ca",
        text(&ca),
    ]));
    assert_eq!(renewed.0, 5, "{renewed:?}");
}
