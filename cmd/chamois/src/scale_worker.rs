//! `chamois scale-worker`: the state machine's process of `chamois bench scale`. It prints one line of JSON.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use cli::{ScalePhase, ScaleWorkerArgs};
use proto::bss::v1::{BootParametersEntry, BssCommand, bss_command};
use proto::cloud_init::v1::{CloudInitCommand, InstanceInfo, cloud_init_command};
use proto::raft::v1::entry::Command;
use proto::raft::v1::{ClientSession, Entry, Header};
use proto::smd::v1::{Component, EthernetInterface, IpAddressMapping, SmdCommand, component, smd_command};
use raft::StandAlone;
use serde_json::{Value, json};

/// Components of one entry, as the demo and today's tools post them.
const COMPONENTS_PER_ENTRY: u32 = 1000;
/// A client lets the state forget its outcomes this far behind: so many requests are under way at once.
const UNACKNOWLEDGED: u64 = 64;
/// Milliseconds between two entries in the cluster's time.
const MS_PER_ENTRY: u64 = 1;
/// The cluster's time of the first entry: late enough for RFC 3339 with four digits.
const TIME_MS: u64 = 1_800_000_000_000;

/// Watches that look on while the states of so many nodes change; twice that must fit into the history of changes.
const WATCHES: u32 = 1000;
const WATCHED_NODES: u32 = 10_000;

/// Runs one phase.
///
/// # Errors
/// An entry that the state machine refuses: then the figures would mean nothing; what the file system says.
pub fn run(args: &ScaleWorkerArgs) -> Result<(), WorkerError> {
    let answer = match args.phase {
        ScalePhase::Build => build(args.nodes, &args.dir)?,
        ScalePhase::Load => load(&args.dir)?,
    };
    println!("{answer}");
    Ok(())
}

/// Why a phase could not be run.
#[derive(Debug, thiserror::Error)]
#[error("the state of a large cluster cannot be measured")]
pub struct WorkerError(#[from] Box<dyn Error + Send + Sync>);

impl From<io::Error> for WorkerError {
    fn from(error: io::Error) -> Self {
        Self(error.into())
    }
}

impl From<bench::BenchError> for WorkerError {
    fn from(error: bench::BenchError) -> Self {
        Self(error.into())
    }
}

fn build(nodes: u32, dir: &Path) -> Result<Value, WorkerError> {
    let mut machine = StandAlone::default();
    let empty_bytes = resident()?;
    let (mut entries, mut entry_bytes, mut seconds) = (0, 0, 0.0);
    let mut log = Log::default();
    // encoded piece by piece: the whole log would be in the memory that is measured
    for first in (0..nodes).step_by(COMPONENTS_PER_ENTRY as usize) {
        let piece = first..nodes.min(first + COMPONENTS_PER_ENTRY);
        let encoded = log.encoded(inventory(piece))?;
        entry_bytes += encoded.iter().map(Vec::len).sum::<usize>();
        let began = Instant::now();
        entries += machine.apply(encoded)?;
        seconds += began.elapsed().as_secs_f64();
    }
    let (mut changes, mut change_seconds) = (0, 0.0);
    for first in (0..nodes).step_by(COMPONENTS_PER_ENTRY as usize) {
        let piece = first..nodes.min(first + COMPONENTS_PER_ENTRY);
        let encoded = log.encoded(piece.flat_map(transitions))?;
        let began = Instant::now();
        changes += machine.apply(encoded)?;
        change_seconds += began.elapsed().as_secs_f64();
    }
    let resident_bytes = resident()?;
    let told = fan_out(&mut machine, &mut log, nodes)?;
    let began = Instant::now();
    let path = machine.write_snapshot(dir)?;
    let snapshot_seconds = began.elapsed().as_secs_f64();
    std::fs::rename(&path, snapshot_path(dir))?;
    let state = machine.state();
    Ok(json!({
        "entries": entries,
        "entry_bytes": entry_bytes,
        "seconds": seconds,
        "changes": changes,
        "change_seconds": change_seconds,
        "empty_bytes": empty_bytes,
        "resident_bytes": resident_bytes,
        "watches": WATCHES,
        "watched_events": told.events,
        "watch_seconds": told.seconds,
        "rows": state.rows().count(),
        "snapshot_seconds": snapshot_seconds,
        "snapshot_bytes": std::fs::metadata(snapshot_path(dir))?.len(),
        "digest": state.digest(),
    }))
}

fn load(dir: &Path) -> Result<Value, WorkerError> {
    let began = Instant::now();
    let machine = StandAlone::read_snapshot(&snapshot_path(dir))?;
    let seconds = began.elapsed().as_secs_f64();
    let resident_bytes = resident()?;
    let state = machine.state();
    Ok(json!({
        "seconds": seconds,
        "resident_bytes": resident_bytes,
        "rows": state.rows().count(),
        "digest": state.digest(),
    }))
}

/// What watches were told, all of them together, and until the last had all of it.
struct Told {
    events: u64,
    seconds: f64,
}

/// Changes the state of some nodes while [`WATCHES`] watches look on.
fn fan_out(machine: &mut StandAlone, log: &mut Log, nodes: u32) -> Result<Told, WorkerError> {
    let runtime = tokio::runtime::Runtime::new()?;
    let changes = log.encoded((0..nodes.min(WATCHED_NODES)).flat_map(transitions))?;
    let last = machine.state().applied_index() + changes.len() as u64;
    let inside = runtime.enter();
    let watches: Result<Vec<_>, _> = (0..WATCHES).map(|_| machine.watch()).collect();
    let watches = watches.map_err(io::Error::other)?;
    drop(inside);
    let began = Instant::now();
    let looking = watches.into_iter().map(|mut watch| {
        runtime.spawn(async move {
            let mut events = 0;
            while watch.revision() < last {
                let revisions = watch.next().await.map_err(io::Error::other)?;
                events += revisions
                    .iter()
                    .map(|revision| revision.events.len() as u64)
                    .sum::<u64>();
            }
            Ok::<u64, io::Error>(events)
        })
    });
    let looking: Vec<_> = looking.collect();
    machine.apply(changes)?;
    let mut events = 0;
    for seen in runtime.block_on(futures::future::join_all(looking)) {
        events += seen.map_err(io::Error::other)??;
    }
    Ok(Told {
        events,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// The same name in every round.
fn snapshot_path(dir: &Path) -> PathBuf {
    dir.join("snapshot")
}

fn resident() -> Result<u64, bench::BenchError> {
    bench::resident_bytes(std::process::id())
}

/// Entries as one client's, in the order of its requests.
#[derive(Default)]
struct Log {
    seq: u64,
}

impl Log {
    fn encoded(&mut self, commands: impl Iterator<Item = Command>) -> io::Result<Vec<Vec<u8>>> {
        commands.map(|command| self.entry(command)).collect()
    }

    fn entry(&mut self, command: Command) -> io::Result<Vec<u8>> {
        self.seq += 1;
        let session = ClientSession {
            client_id: vec![1; 16],
            seq: self.seq,
            ack_below: self.seq.saturating_sub(UNACKNOWLEDGED),
            opened_at_ms: TIME_MS,
        };
        let header = Header {
            session: Some(session),
            proposed_at_ms: TIME_MS + self.seq * MS_PER_ENTRY,
            principal: "user/admin".to_owned(),
            random: u128::from(self.seq).to_be_bytes().to_vec(),
            ..Header::default()
        };
        let entry = Entry {
            header: Some(header),
            command: Some(command),
        };
        state::encode_exact(&entry).map_err(io::Error::other)
    }
}

/// Everything that is known of some nodes before they boot.
fn inventory(nodes: std::ops::Range<u32>) -> impl Iterator<Item = Command> {
    let components = nodes.clone().map(component).collect();
    let create = smd_command::CreateComponents {
        components,
        force: false,
        ..Default::default()
    };
    let all = smd(smd_command::Change::CreateComponents(create));
    let each = |index| {
        [
            interface(index),
            boot_parameters(index),
            instance_id(index),
            instance(index),
        ]
    };
    std::iter::once(all).chain(nodes.flat_map(each))
}

/// What switching on and off again changes in SMD: each is a change, whichever round it is.
fn transitions(index: u32) -> [Command; 2] {
    [component::State::On, component::State::Off].map(|state| {
        smd(smd_command::Change::PatchState(smd_command::PatchState {
            id: xname(index),
            state: state.into(),
            ..smd_command::PatchState::default()
        }))
    })
}

/// A node as an inventory has it.
pub(crate) fn component(index: u32) -> Component {
    Component {
        id: xname(index),
        r#type: "Node".to_owned(),
        state: component::State::Off.into(),
        flag: component::Flag::Ok.into(),
        enabled: Some(true),
        role: "Compute".to_owned(),
        nid: Some(u64::from(index) + 1),
        net_type: component::NetType::Sling.into(),
        arch: component::Arch::X86.into(),
        class: component::Class::River.into(),
        ..Component::default()
    }
}

fn interface(index: u32) -> Command {
    let [first, second, third, fourth] = index.to_be_bytes();
    let address = IpAddressMapping {
        ip_address: format!("10.{second}.{third}.{fourth}"),
        network: "boot".to_owned(),
    };
    let interface = EthernetInterface {
        mac_address: format!("02:00:{first:02x}:{second:02x}:{third:02x}:{fourth:02x}"),
        component_id: xname(index),
        description: "boot".to_owned(),
        ip_addresses: vec![address],
        ..EthernetInterface::default()
    };
    smd(smd_command::Change::CreateEthernetInterface(
        smd_command::CreateEthernetInterface {
            interface: Some(interface),
        },
    ))
}

fn boot_parameters(index: u32) -> Command {
    let values = BootParametersEntry {
        params: format!(
            "console=ttyS0,115200 ip=dhcp root=live:http://10.97.0.1:8081/files/root-{index}.squashfs"
        ),
        kernel: "http://10.97.0.1:8081/files/vmlinuz".to_owned(),
        initrd: "http://10.97.0.1:8081/files/initramfs".to_owned(),
        ..BootParametersEntry::default()
    };
    let replace = bss_command::Replace {
        keys: vec![xname(index)],
        values: Some(values),
    };
    Command::Bss(BssCommand {
        change: Some(bss_command::Change::Replace(replace)),
    })
}

fn instance_id(index: u32) -> Command {
    let assign = cloud_init_command::AssignInstanceId { node: xname(index) };
    cloud_init(cloud_init_command::Change::AssignInstanceId(assign))
}

fn instance(index: u32) -> Command {
    let info = InstanceInfo {
        id: xname(index),
        local_hostname: format!("nid{:06}", index + 1),
        ..InstanceInfo::default()
    };
    let put = cloud_init_command::PutInstanceInfo {
        info: Some(info),
        ..Default::default()
    };
    cloud_init(cloud_init_command::Change::PutInstanceInfo(put))
}

fn smd(change: smd_command::Change) -> Command {
    Command::Smd(SmdCommand { change: Some(change) })
}

fn cloud_init(change: cloud_init_command::Change) -> Command {
    Command::CloudInit(CloudInitCommand { change: Some(change) })
}

/// 2 nodes a BMC, 2 BMCs a slot, 8 slots a chassis, 8 chassis a cabinet.
pub(crate) fn xname(index: u32) -> String {
    let (node, rest) = (index % 2, index / 2);
    let (bmc, rest) = (rest % 2, rest / 2);
    let (slot, rest) = (rest % 8, rest / 8);
    let (chassis, cabinet) = (rest % 8, rest / 8);
    format!("x{cabinet}c{chassis}s{slot}b{bmc}n{node}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: &Value, key: &str) -> u64 {
        value[key].as_u64().unwrap_or_else(|| panic!("no {key}: {value}"))
    }

    /// Four entries a node and one for each thousand components, no row missing, and the same again from the snapshot.
    #[test]
    fn every_node_has_all_its_rows_and_a_start_finds_them() {
        let dir = tempfile::tempdir().unwrap();
        let built = build(1500, dir.path()).unwrap();
        assert_eq!(number(&built, "entries"), 2 + 4 * 1500);
        assert_eq!(number(&built, "changes"), 2 * 1500);
        assert_eq!(number(&built, "watched_events"), u64::from(WATCHES) * 2 * 1500);
        // component, interface, boot parameters, instance; the header and the client's session
        assert!(number(&built, "rows") >= 4 * 1500 + 2, "{built}");
        let loaded = load(dir.path()).unwrap();
        for key in ["rows", "digest"] {
            assert_eq!(loaded[key], built[key], "{key}");
        }
        // the next round writes over it
        build(10, dir.path()).unwrap();
        assert!(number(&load(dir.path()).unwrap(), "rows") < 100);
    }

    #[test]
    fn a_million_nodes_have_names_and_addresses_of_their_own() {
        for index in [0, 65_536, 999_999, 1_999_999] {
            let name: model::Xname = xname(index).parse().unwrap();
            assert!(name.is_node(), "{name:?}");
        }
        let names: std::collections::BTreeSet<String> = (0..10_000).map(xname).collect();
        assert_eq!(names.len(), 10_000);
    }
}
