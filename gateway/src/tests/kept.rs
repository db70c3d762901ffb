//! Lists that are kept for a moment: the service says whether they have changed, and clients see no difference.

use std::io::Read as _;
use std::sync::Arc;

use prost::Message as _;
use proto::bss::v1 as bss;
use proto::smd::v1 as smd;
use rpc::{Error, Etag};
use tonic::metadata::MetadataMap;

use super::{Answer, Fake, Got, gateway, send, send_to};
use crate::{Gateway, Options};

const CLUSTER: &str = "4f2a6c1e9b3d8a70";
const LIST: &str = "/hsm/v2/State/Components";
/// So many components make an answer that is worth to be kept.
const MANY: usize = 4000;

fn api(fake: &Fake) -> Gateway {
    let options = Options {
        cluster_id: Arc::new(|| CLUSTER.to_owned()),
        ..Options::default()
    };
    gateway(fake, options)
}

fn etag(revision: u64) -> Etag {
    Etag {
        cluster_id: CLUSTER.into(),
        revision,
    }
}

/// A list of `count`, last changed at `revision`.
fn list(count: usize, revision: u64) -> Answer {
    let node = |n| smd::Component {
        id: format!("x{n}"),
        ..smd::Component::default()
    };
    let response = smd::ListComponentsResponse {
        components: (0..count).map(node).collect(),
        ..smd::ListComponentsResponse::default()
    };
    let mut metadata = MetadataMap::new();
    rpc::set_etag(&mut metadata, &etag(revision));
    Ok((response.encode_to_vec().into(), metadata))
}

/// The guard's answer to whoever has the list of `revision`.
fn not_modified(revision: u64) -> Answer {
    Err(Error::NotModified { etag: etag(revision) }.into())
}

/// Asks for `uri` after the service has been told what to answer; gives what it was told of ETags that are there.
async fn ask(
    api: &Gateway,
    fake: &Fake,
    answer: Answer,
    uri: &str,
    headers: &[(&str, &str)],
) -> (Got, Vec<String>) {
    fake.will_answer(answer);
    let got = send(api, "GET", uri, headers, "").await;
    let asked = fake.one_asked();
    let have = asked.metadata.get_all("if-none-match").iter();
    (got, have.map(|etag| etag.to_str().unwrap().to_owned()).collect())
}

#[tokio::test]
async fn a_list_that_has_not_changed_is_sent_again_as_it_was() {
    let fake = Fake::new();
    let api = api(&fake);
    let (first, have) = ask(&api, &fake, list(MANY, 7), LIST, &[]).await;
    assert_eq!((first.status, have), (200, vec![]));
    let (again, have) = ask(&api, &fake, not_modified(7), LIST, &[]).await;
    assert_eq!(
        have,
        [etag(7).to_string()],
        "the service is asked whether it is current"
    );
    assert_eq!(
        (again.status, &again.headers, &again.body),
        (200, &first.headers, &first.body)
    );
    let (changed, _) = ask(&api, &fake, list(MANY + 1, 8), LIST, &[]).await;
    assert_eq!(
        (changed.status, changed.header("etag")),
        (200, &*etag(8).to_string())
    );
    assert!(changed.body.len() > first.body.len());
    let (_, have) = ask(&api, &fake, not_modified(8), LIST, &[]).await;
    assert_eq!(have, [etag(8).to_string()], "the newer one has its place");
}

/// BSS is asked by body too: another question at the same URL must not get this one's answer.
#[tokio::test]
async fn a_question_with_another_body_is_another_question() {
    const URI: &str = "/boot/v1/bootparameters";
    let fake = Fake::new();
    let api = api(&fake);
    let entry = bss::BootParameters {
        params: "x".repeat(16 << 10),
        ..Default::default()
    };
    let response = bss::ListBootParametersResponse {
        items: vec![entry; 32],
        ..Default::default()
    };
    let mut metadata = MetadataMap::new();
    rpc::set_etag(&mut metadata, &etag(7));
    fake.will_answer(Ok((response.encode_to_vec().into(), metadata)));
    let had = async |body: &'static str| {
        let got = send(&api, "GET", URI, &[], body).await;
        assert_eq!(got.status, 200, "{body}");
        fake.one_asked().metadata.contains_key("if-none-match")
    };
    let (one, other) = (r#"{"hosts":["x0c0s0b0n0"]}"#, r#"{"hosts":["x0c0s1b0n0"]}"#);
    assert!(!had("").await && had("").await, "the list of all is kept");
    assert!(!had(one).await && had(one).await);
    assert!(!had(other).await);
    let long = format!(r#"{{"hosts":["{}"]}}"#, "x".repeat(20 << 10)).leak();
    assert!(
        !had(long).await && !had(long).await,
        "a long question is not remembered"
    );
}

#[tokio::test]
async fn a_client_that_has_the_list_gets_304_and_another_the_list() {
    let fake = Fake::new();
    let api = api(&fake);
    let (first, _) = ask(&api, &fake, list(MANY, 7), LIST, &[]).await;
    let current = etag(7).to_string();
    let has = [("if-none-match", &*current)];
    let (got, have) = ask(&api, &fake, not_modified(7), LIST, &has).await;
    assert_eq!((got.status, got.text(), have.len()), (304, "", 2));
    // it names the list of 8, which this gateway has not seen
    let newer = etag(8).to_string();
    let has = [("if-none-match", &*newer)];
    let (got, _) = ask(&api, &fake, not_modified(8), LIST, &has).await;
    assert_eq!((got.status, got.header("etag")), (304, &*newer));
    let old = etag(6).to_string();
    let has = [("if-none-match", &*old)];
    let (got, _) = ask(&api, &fake, not_modified(7), LIST, &has).await;
    assert_eq!((got.status, got.body), (200, first.body));
}

/// Whoever is refused by the guard is refused, though the answer is there.
#[tokio::test]
async fn what_is_kept_is_no_way_past_the_guard() {
    let fake = Fake::new();
    let api = api(&fake);
    ask(&api, &fake, list(MANY, 7), LIST, &[]).await;
    for (error, status) in [
        (tonic::Status::unauthenticated("who are you"), 401),
        (tonic::Status::permission_denied("no"), 403),
        (tonic::Status::unavailable("no majority"), 503),
    ] {
        let (got, _) = ask(&api, &fake, Err(error), LIST, &[]).await;
        assert_eq!(got.status, status, "{got:?}");
    }
}

/// Other questions have other answers: of other parameters, in another coding, small ones, and local ones with their age.
#[tokio::test]
async fn only_the_same_question_has_the_answer() {
    let fake = Fake::new();
    let api = api(&fake);
    ask(&api, &fake, list(MANY, 7), LIST, &[]).await;
    let gzip = [("accept-encoding", "gzip")];
    let local = [("chamois-consistency", "local")];
    for (uri, headers) in [
        ("/hsm/v2/State/Components?fields=ID", &[][..]),
        ("/hsm/v2/State/Components?type=Node", &[]),
        (LIST, &gzip),
        (LIST, &local),
    ] {
        let (got, have) = ask(&api, &fake, list(MANY, 7), uri, headers).await;
        assert_eq!((got.status, have.len()), (200, 0), "{uri} {headers:?}");
    }
    let (again, have) = ask(&api, &fake, not_modified(7), LIST, &gzip).await;
    assert_eq!((again.header("content-encoding"), have.len()), ("gzip", 1));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*again.body)
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.contains("\"x3999\""));
    for _ in 0..2 {
        let small = "/hsm/v2/State/Components?nid=1";
        let (_, have) = ask(&api, &fake, list(1, 7), small, &[]).await;
        assert_eq!(have.len(), 0, "a small one is not kept");
    }
}

/// Nodes ask for what is small, or for files.
#[tokio::test]
async fn the_port_of_the_nodes_keeps_nothing() {
    assert!(api(&Fake::new()).nodes.kept.is_none());
    let fake = Fake::new();
    let got = send_to(&api(&fake).nodes, "GET", LIST, &[], "").await;
    assert_eq!(got.status, 404);
}
