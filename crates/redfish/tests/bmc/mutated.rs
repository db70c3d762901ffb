//! Trees in which something is wrong somewhere: members dropped, of another type, nested, cut off. Whatever it is, a reading ends, with
//! an inventory or with a reason.

use redfish::{Trust, read_inventory};
use serde_json::{Map, Value, json};

use crate::server::{Fault, Server, Tls, connector, limits, login};
use crate::trees::{self, Tree};

/// Trees that are read.
const ROUNDS: u64 = 150;

/// A sequence of numbers that is the same each time (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % (end.max(1) as u64)).unwrap()
    }
}

/// Goes down to a place in `value` and does something to it.
fn mutate(value: &mut Value, numbers: &mut Numbers) {
    let deeper = numbers.below(3) > 0;
    match value {
        Value::Object(members) if deeper && !members.is_empty() => {
            let place = numbers.below(members.len());
            if let Some((_, member)) = members.iter_mut().nth(place) {
                mutate(member, numbers);
            }
        }
        Value::Array(entries) if deeper && !entries.is_empty() => {
            let place = numbers.below(entries.len());
            mutate(&mut entries[place], numbers);
        }
        value => *value = replaced(value, numbers),
    }
}

fn replaced(value: &Value, numbers: &mut Numbers) -> Value {
    match numbers.below(9) {
        0 => Value::Null,
        1 => json!(-1),
        2 => json!(1e300),
        3 => json!([value, value, null]),
        4 => json!({"@odata.id": value}),
        5 => json!({"Members": [value]}),
        6 => (0..100).fold(value.clone(), |inner, _| json!([inner])),
        7 => json!("\u{0}/redfish/v1/../\u{7f}"),
        _ => Value::Object(Map::new()),
    }
}

/// One to five changes, anywhere.
fn mutated(tree: &Tree, numbers: &mut Numbers) -> Tree {
    let mut tree = tree.clone();
    for _ in 0..=numbers.below(5) {
        let place = numbers.below(tree.len());
        let uri = tree.keys().nth(place).unwrap().clone();
        match numbers.below(4) {
            0 => {
                tree.remove(&uri);
            }
            _ => mutate(tree.get_mut(&uri).unwrap(), numbers),
        }
    }
    tree
}

#[tokio::test]
async fn whatever_is_wrong_a_reading_ends_and_reads_nothing_twice() {
    let whole = [trees::rack_server(), trees::blade(), trees::small_board()];
    let mut numbers = Numbers(0);
    for round in 0..ROUNDS {
        let tree = mutated(&whole[numbers.below(whole.len())], &mut numbers);
        let server = Server::on("127.0.0.1:0", tree, Tls::None).await;
        let (connector, limits) = (connector(), limits());
        let opened = connector.open(&server.address, login(), Trust::FirstUse, &limits);
        match opened.await {
            Err(error) => assert!(
                !error.to_string().is_empty() && !error.remedy().is_empty(),
                "{round}"
            ),
            Ok(bmc) => {
                if let Err(error) = read_inventory(&bmc).await {
                    assert!(!error.to_string().is_empty(), "{round}");
                }
                bmc.close().await;
            }
        }
        // the session service may be looked up before the login
        let twice = server.read_twice();
        assert!(twice.is_empty(), "round {round}: {twice:?}");
        assert_eq!(server.sessions(), 0, "round {round}");
    }
}

/// Each resource cut off at some byte, one after the other.
#[tokio::test]
async fn answers_that_are_cut_off_cost_one_resource_each() {
    let tree = trees::rack_server();
    let mut numbers = Numbers(1);
    for (uri, value) in tree.iter().filter(|(uri, _)| uri.contains("/1/")) {
        let server = Server::on("127.0.0.1:0", tree.clone(), Tls::None).await;
        let text = value.to_string();
        let cut = numbers.below(text.len() - 1);
        server.fault(uri, Fault::Text(text[..cut].to_owned()));
        let bmc = connector()
            .open(&server.address, login(), Trust::FirstUse, &limits())
            .await
            .unwrap();
        let inventory = read_inventory(&bmc).await.unwrap();
        let problems: Vec<&str> = inventory
            .problems
            .iter()
            .map(|problem| problem.uri.as_str())
            .collect();
        assert_eq!(problems.len(), 1, "{uri}: {problems:?}");
    }
}
