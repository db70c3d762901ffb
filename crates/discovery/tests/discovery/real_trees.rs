//! Captured trees of real BMCs. They are not part of this repository: where they are not beside it, this is skipped, and says so.
//! What is expected was counted in the trees by hand.

use std::path::Path;
use std::process::Command;

use discovery::{crawl, payload};
use proto::smd::v1::payload_part::Kind;
use redfish::{Connector, Inventory, Limits, Part, Trust};

use crate::server::Server;
use crate::trees::{self, Tree};

/// How many of each are there: systems, processors, memory modules, drives, accelerators, NICs of systems, NICs of managers,
/// power supplies, items of firmware. Places without a part are not counted.
type Counts = [usize; 9];

const EXPECTED: [(&str, Counts); 8] = [
    ("CMM", [0, 0, 0, 0, 0, 0, 0, 4, 8]),
    ("DL325", [1, 1, 4, 0, 0, 4, 3, 2, 12]),
    ("EX235a", [1, 1, 8, 0, 8, 5, 0, 0, 14]),
    ("EX425", [2, 4, 32, 0, 0, 4, 0, 0, 11]),
    ("Gigabyte", [1, 2, 16, 1, 0, 3, 2, 2, 3]),
    // one drive, named 32 times
    ("Intel", [1, 2, 6, 1, 0, 0, 3, 2, 0]),
    ("OpenBMC-stock", [1, 0, 0, 0, 0, 0, 1, 0, 1]),
    ("public-rackmount1", [1, 1, 3, 2, 0, 2, 1, 1, 0]),
];

/// The trees with their names, unpacked below `into`; none where there are none.
pub(crate) fn all(into: &Path) -> Vec<(String, Tree)> {
    let archives = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/redfish");
    if !archives.is_dir() {
        eprintln!("SKIPPED: there are no Redfish trees in {}", archives.display());
        return Vec::new();
    }
    let one = |(name, _): &(&str, Counts)| {
        let archive = archives.join(format!("{name}.tar.gz"));
        let tar = Command::new("tar")
            .arg("-xzf")
            .arg(&archive)
            .arg("-C")
            .arg(into)
            .status();
        assert!(tar.unwrap().success(), "{}", archive.display());
        let mut tree = Tree::new();
        read(&into.join(name), "/redfish/v1", &mut tree);
        ((*name).to_owned(), tree)
    };
    EXPECTED.iter().map(one).collect()
}

/// One `index.json` for each resource, in folders that are called as its path.
fn read(folder: &Path, path: &str, tree: &mut Tree) {
    if let Ok(text) = std::fs::read(folder.join("index.json")) {
        tree.insert(path.to_owned(), serde_json::from_slice(&text).unwrap());
    }
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            let name = entry.file_name().into_string().unwrap();
            read(&entry.path(), &format!("{path}/{name}"), tree);
        }
    }
}

fn counts(inventory: &Inventory) -> Counts {
    let there = |parts: &[Part]| parts.iter().filter(|part| !part.is_absent).count();
    let in_systems =
        |count: &dyn Fn(&redfish::System) -> usize| inventory.systems.iter().map(count).sum::<usize>();
    [
        inventory.systems.len(),
        in_systems(&|system| there(&system.processors)),
        in_systems(&|system| there(&system.memory)),
        in_systems(&|system| there(&system.drives)),
        in_systems(&|system| there(&system.accelerators)),
        in_systems(&|system| system.interfaces.len()),
        inventory
            .managers
            .iter()
            .map(|manager| manager.interfaces.len())
            .sum(),
        inventory
            .chassis
            .iter()
            .map(|chassis| there(&chassis.power_supplies))
            .sum(),
        inventory.firmware.len(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_real_bmcs_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let connector = Connector::system(64);
    for ((name, tree), (_, expected)) in all(folder.path()).iter().zip(EXPECTED) {
        let server = Server::start(trees::bodies(tree)).await;
        let crawled = crawl(
            &connector,
            &server.address,
            None,
            Trust::FirstUse,
            &Limits::default(),
        )
        .await;
        let inventory = crawled.unwrap().inventory;
        assert_eq!(counts(&inventory), expected, "{name}: {:?}", inventory.problems);
        let twice: Vec<_> = server
            .asked()
            .into_iter()
            .filter(|(_, times)| *times > 1)
            .collect();
        assert!(twice.is_empty(), "{name}: {twice:?}");
        let told = payload(
            &inventory,
            &"x1000c0s0b0".parse().unwrap(),
            &server.address,
            "root",
        );
        let of = |kind: Kind| {
            let of_systems = told.systems.iter().flat_map(|system| &system.parts);
            of_systems
                .chain(&told.parts)
                .filter(|part| part.kind() == kind)
                .count()
        };
        let [_, processors, modules, drives, accelerators, .., supplies, _] = expected;
        let listed = [
            Kind::Processor,
            Kind::Memory,
            Kind::Drive,
            Kind::NodeAccel,
            Kind::PowerSupply,
        ]
        .map(of);
        assert_eq!(
            listed,
            [processors, modules, drives, accelerators, supplies],
            "{name}"
        );
    }
}
