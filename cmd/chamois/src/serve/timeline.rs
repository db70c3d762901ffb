//! Where this member's servers note what they see of boots, and the task that tells the cluster.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use gateway::{LOADERS_PREFIX, SentFile, SentFiles};
use proto::bss::v1::boot_phase::Phase;
use raft::Store;
use state::State;
use timeline::{Pace, Reporter, Seen, Timeline, node_at};

use super::counters::{Counters, Server};
use super::drain::Drain;
use super::tasks::Tasks;

/// Begins to tell what is noted, and goes on until the drain.
pub(super) fn start(
    store: &Store,
    member: u64,
    counters: &Counters,
    drain: &Drain,
    tasks: &mut Tasks,
) -> Timeline {
    let (timeline, reporter) = Reporter::new(store.clone(), member, Pace::default());
    let counted = reporter.counters();
    counters.add(Server::Timeline, "boots", move || counted.all());
    let stop = drain.finishing();
    tasks.spawn("the timeline of boots", async move {
        reporter.run(stop.reached()).await;
        Ok(())
    });
    timeline
}

/// Notes the kernels, initrds and loaders that nodes are sent over HTTP.
pub(super) fn sent_files(store: &Store, timeline: &Timeline) -> SentFiles {
    let (store, timeline) = (store.clone(), timeline.clone());
    Arc::new(move |sent| {
        if let Some(seen) = seen_file(&store.state(), sent) {
            timeline.note(seen);
        }
    })
}

/// Notes the loaders that nodes fetch by TFTP. The script that iPXE fetches there first is none.
pub(super) fn fetched_loaders(
    store: &Store,
    timeline: &Timeline,
    first_script: Option<Bytes>,
) -> impl Fn(IpAddr, &Bytes) + Send + Sync + use<> {
    let (store, timeline) = (store.clone(), timeline.clone());
    move |client, file| {
        let node = node_at(&store.state(), client);
        if let Some(node) = node.filter(|_| first_script.as_ref() != Some(file)) {
            timeline.note(loader(node, file.len() as u64));
        }
    }
}

fn seen_file(state: &State, sent: SentFile<'_>) -> Option<Seen> {
    let node = node_at(state, sent.peer.ip())?;
    if sent.path.starts_with(LOADERS_PREFIX) {
        return Some(loader(node, sent.bytes));
    }
    let phase = bss::phase_of_file(state, &node, sent.path)?;
    Some(Seen {
        phase,
        ..loader(node, sent.bytes)
    })
}

fn loader(node: model::Xname, bytes: u64) -> Seen {
    Seen {
        node,
        boot_id: None,
        phase: Phase::Loader,
        bytes,
        revision: 0,
    }
}

#[cfg(test)]
mod tests {
    use proto::bss::v1::{BootParametersEntry, BssCommand, bss_command};
    use proto::raft::v1::entry::Command;
    use proto::smd::v1::{
        Component, EthernetInterface, IpAddressMapping, SmdCommand, component, smd_command,
    };
    use timeline::Count;

    use super::*;

    /// A node at 10.97.3.1 that boots /files/k and /files/i.
    async fn store() -> Store {
        let store = Store::in_memory();
        let create = smd_command::CreateComponents {
            components: vec![Component {
                id: "x0c0s0b0n0".into(),
                state: component::State::On.into(),
                ..Component::default()
            }],
            ..Default::default()
        };
        let interface = smd_command::CreateEthernetInterface {
            interface: Some(EthernetInterface {
                mac_address: "02:00:00:00:00:01".into(),
                component_id: "x0c0s0b0n0".into(),
                ip_addresses: vec![IpAddressMapping {
                    ip_address: "10.97.3.1".into(),
                    network: String::new(),
                }],
                ..EthernetInterface::default()
            }),
        };
        let boots = bss_command::Replace {
            keys: vec!["x0c0s0b0n0".into()],
            values: Some(BootParametersEntry {
                kernel: "http://10.97.0.1:8081/files/k".into(),
                initrd: "http://10.97.0.1:8081/files/i".into(),
                ..BootParametersEntry::default()
            }),
        };
        let smd = |change| Command::Smd(SmdCommand { change: Some(change) });
        for command in [
            smd(smd_command::Change::CreateComponents(create)),
            smd(smd_command::Change::CreateEthernetInterface(interface)),
            Command::Bss(BssCommand {
                change: Some(bss_command::Change::Replace(boots)),
            }),
        ] {
            store.propose("user/test", command, None).await.unwrap();
        }
        store
    }

    #[tokio::test]
    async fn a_file_is_the_phase_that_it_is_of_the_nodes_boot() {
        let store = store().await;
        let phase = |path, peer: &str| {
            let (peer, bytes) = (peer.parse().unwrap(), 9);
            let seen = seen_file(&store.state(), SentFile { path, peer, bytes });
            seen.map(|seen| (seen.phase, seen.bytes))
        };
        let node = "10.97.3.1:4000";
        assert_eq!(phase("/files/k", node), Some((Phase::Kernel, 9)));
        assert_eq!(
            phase("/files/i", "[::ffff:10.97.3.1]:4000"),
            Some((Phase::Initrd, 9))
        );
        assert_eq!(phase("/loaders/snponly.efi", node), Some((Phase::Loader, 9)));
        assert_eq!(phase("/files/other", node), None);
        assert_eq!(phase("/files/k", "10.97.3.2:4000"), None, "nobody's address");
    }

    #[tokio::test]
    async fn of_what_tftp_sends_loaders_are_noted_and_the_first_script_is_not() {
        let store = store().await;
        let (timeline, reporter) = Reporter::new(store.clone(), 1, Pace::default());
        let counters = reporter.counters();
        let fetched = fetched_loaders(&store, &timeline, Some(Bytes::from_static(b"#!ipxe")));
        let node = IpAddr::from([10, 97, 3, 1]);
        fetched(node, &Bytes::from_static(b"#!ipxe"));
        fetched(IpAddr::from([10, 97, 3, 2]), &Bytes::from_static(b"MZ"));
        assert_eq!(counters.get(Count::Seen), 0);
        fetched(node, &Bytes::from_static(b"MZ"));
        assert_eq!(counters.get(Count::Seen), 1);
    }
}
