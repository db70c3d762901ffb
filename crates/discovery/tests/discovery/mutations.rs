//! Trees that are broken in every way: a crawl of one ends, in time, with a bounded payload or with a reason, and never panics.
//!
//! `CHAMOIS_MUTATIONS=N` tries N of them instead of 1,000. Where captured trees of real BMCs are beside the project, every sixteenth
//! is one of those.

use std::time::Duration;

use discovery::magellan::{Format, write_collection};
use discovery::{Crawled, PAYLOAD_BYTES_MAX, crawl, firmware, payload};
use futures::StreamExt as _;
use model::Xname;
use prost::Message as _;
use redfish::{Address, Connector, Error, Limits, Trust};

use crate::mutator::{Random, broken};
use crate::real_trees;
use crate::server::Server;
use crate::trees::{self, Tree};

const MUTATIONS: u64 = 1_000;
/// At once: the machine has other tests to run.
const AT_ONCE: usize = 4;
/// A captured tree has hundreds of resources; so many crawls of one are enough for a test of minutes.
const REAL_EACH: u64 = 16;

fn limits() -> Limits {
    Limits {
        answer: Duration::from_secs(2),
        total: Duration::from_secs(20),
        resources_max: 3_000,
        ..Limits::default()
    }
}

fn count() -> u64 {
    let set = std::env::var("CHAMOIS_MUTATIONS").ok();
    set.and_then(|set| set.parse().ok()).unwrap_or(MUTATIONS)
}

/// Everything that is made of a BMC.
fn check(seed: u64, crawled: &Crawled, address: &Address) {
    let bmc: Xname = "x1000c0s0b0".parse().unwrap();
    let told = payload(&crawled.inventory, &bmc, address, "root");
    assert!(
        told.encoded_len() <= PAYLOAD_BYTES_MAX,
        "seed {seed}: {} bytes",
        told.encoded_len()
    );
    let is_half = !crawled.inventory.problems.is_empty();
    assert!(
        !(told.parts_are_complete && is_half),
        "seed {seed}: half a tree is not complete"
    );
    let node = |(place, system): (usize, &redfish::System)| {
        let node = format!("x1000c0s0b0n{place}").parse().unwrap();
        (system.uri.clone(), node)
    };
    let nodes: Vec<(String, Xname)> = crawled.inventory.systems.iter().enumerate().map(node).collect();
    let firmware = firmware(&crawled.inventory, &bmc, &nodes);
    assert!(
        firmware.encoded_len() <= PAYLOAD_BYTES_MAX,
        "seed {seed}: {} bytes",
        firmware.encoded_len()
    );
    for part in told
        .systems
        .iter()
        .flat_map(|system| &system.parts)
        .chain(&told.parts)
    {
        for details in [&part.info, &part.fru_info]
            .into_iter()
            .filter(|details| !details.is_empty())
        {
            assert!(
                serde_json::from_str::<serde_json::Value>(details).is_ok(),
                "seed {seed}: {details}"
            );
        }
    }
    let written = write_collection(&[(told, address.clone())], Format::Json);
    assert!(
        serde_json::from_str::<serde_json::Value>(&written).is_ok(),
        "seed {seed}"
    );
}

/// The reason for which a tree could not be read at all, if so.
async fn tried(seed: u64, tree: &Tree, connector: &Connector) -> Option<&'static str> {
    let server = Server::start(broken(tree, &mut Random::of(seed))).await;
    match crawl(connector, &server.address, None, Trust::FirstUse, &limits()).await {
        Ok(crawled) => {
            check(seed, &crawled, &server.address);
            None
        }
        Err(Error::Broken { what, problem }) if what == "the whole crawl" => {
            panic!("seed {seed}: {problem}")
        }
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.remedy().is_empty());
            Some(error.word())
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_trees_end_with_a_bounded_payload_or_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, real) = (trees::all(), real_trees::all(folder.path()));
    let tree_of = |seed: u64| {
        let place = |count: usize| usize::try_from(seed / REAL_EACH).unwrap() % count;
        match real.is_empty() || !seed.is_multiple_of(REAL_EACH) {
            true => &ours[usize::try_from(seed).unwrap() % ours.len()],
            false => &real[place(real.len())].1,
        }
    };
    let connector = Connector::system(64);
    let tries = (0..count()).map(|seed| tried(seed, tree_of(seed), &connector));
    let ends: Vec<Option<&str>> = futures::stream::iter(tries)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let failed = ends.iter().flatten().count();
    eprintln!(
        "{} broken trees, of which {failed} could not be read at all",
        ends.len()
    );
    assert!(
        failed * 4 < ends.len(),
        "most of a tree is read, whatever is broken in it: {failed} of {}",
        ends.len()
    );
}
