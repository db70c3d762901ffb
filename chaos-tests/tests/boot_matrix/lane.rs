//! A cluster with its own network, in which one guest after another boots: one lane of the matrix.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use chaos_tests::members::{Members, MembersConfig, Node, responder_of};
use lab::machine::{GuestImage, Network};

use crate::cell::Fault;
use crate::disguise;
use crate::editor;
use crate::held_back;
use crate::stale_holder::{self, Prober};

/// The guest's port in the bridge.
pub(crate) const TAP: &str = "tap0";
/// Nodes beside the guest's, whose data it must never get.
const OTHERS: u64 = 4;

/// Lines of each member's log that are shown when a boot has failed.
const LOG_LINES: usize = 20;

/// Where guests boot.
pub(crate) struct Lane {
    pub(crate) folder: PathBuf,
    pub(crate) network: Network,
    pub(crate) members: Members,
    pub(crate) node: Node,
    pub(crate) others: Vec<Node>,
    /// Edits of the node so far.
    pub(crate) edits: u64,
    prober: Prober,
}

impl Lane {
    /// Starts and seeds the cluster of the lane `tag`; `network_lines` go into its network's configuration.
    pub(crate) fn start(tag: &str, folder: &Path, image: &GuestImage, network_lines: &str) -> Lane {
        let files = folder.join("files");
        image.copy_to(&files).unwrap();
        let mut network = Network::create(tag, 3).unwrap();
        network.add_tap(TAP).unwrap();
        let prober = Prober::plug_in(&mut network);
        disguise::prepare(&network);
        held_back::prepare(&network);
        let config = MembersConfig {
            network_lines: network_lines.to_owned(),
            ..MembersConfig::default()
        };
        let members = Members::start(&network, folder, &files, &config);
        let lane = Lane {
            folder: folder.to_owned(),
            network,
            members,
            node: node(0),
            others: (1..=OTHERS).map(node).collect(),
            edits: 0,
            prober,
        };
        lane.seed();
        lane
    }

    /// The guest's node between its neighbours: their names, addresses and MACs are one digit away.
    fn seed(&self) {
        let leader = self.members.leader();
        self.members.add_subnet(leader);
        for node in self.others.iter().chain([&self.node]) {
            self.members.add_node(leader, node);
            self.members.add_boot(leader, &node.mac, "console=ttyS0");
        }
    }

    /// The guest is a node that `member` answers while all live: the holder of the service address is then the one that makes
    /// the offer, too.
    pub(crate) fn choose_node_of(&mut self, member: u64) {
        let is_its = |node: &Node| responder_of(&node.mac) == member;
        if !is_its(&self.node) {
            let place = self.others.iter().position(is_its);
            let place = place.expect("each member answers one of the nodes");
            std::mem::swap(&mut self.node, &mut self.others[place]);
        }
    }

    /// One edit that is acknowledged before a boot; gives the count.
    pub(crate) fn edit(&mut self) -> u64 {
        self.edits += 1;
        let body = editor::parameters(&self.node.mac, self.edits);
        let leader = self.members.leader();
        let edited = self.members.request(leader, "PATCH", editor::PARAMETERS, &body);
        edited.unwrap_or_else(|error| panic!("{error}"));
        self.edits
    }

    /// The prober of stale holders can tell: it connects to a holder that is well.
    pub(crate) fn check_prober(&self) {
        let holder = self.members.wait_healthy();
        assert!(
            self.prober.connects_to(holder),
            "the holder of the service address does not answer there"
        );
    }

    /// What each member said last of the service address.
    pub(crate) fn logs(&self) -> String {
        let log = |id: &u64| std::fs::read_to_string(self.members.file_named(&format!("member-{id}.log")));
        let last = |id: &u64| {
            let log = log(id).unwrap_or_default();
            let lines: Vec<&str> = log.lines().filter(|line| line.contains("address::")).collect();
            format!(
                "member {id}:\n{}",
                lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
            )
        };
        self.members.ids().iter().map(last).collect::<Vec<_>>().join("\n")
    }

    /// Watches what becomes of the address of a frozen member.
    pub(crate) fn watch_stale_holder(&self, frozen: u64) -> JoinHandle<Result<(), String>> {
        stale_holder::watch(self.prober.clone(), frozen, self.network.member(frozen))
    }

    /// Breaks member `id`.
    pub(crate) fn break_member(&mut self, id: u64, fault: Fault) {
        match fault {
            Fault::Kill => self.members.kill(id),
            Fault::LinkDown => self.network.link_down(id).unwrap(),
            Fault::Freeze => self.members.freeze(id),
        }
    }

    /// Brings it back.
    pub(crate) fn mend_member(&mut self, id: u64, fault: Fault) {
        match fault {
            Fault::Kill => self.members.launch(id),
            Fault::LinkDown => self.network.link_up(id).unwrap(),
            Fault::Freeze => self.members.thaw(id),
        }
    }
}

fn node(number: u64) -> Node {
    Node {
        xname: format!("x1000c0s{number}b0n0"),
        nid: 1 + number,
        mac: format!("52:54:00:97:00:{:02x}", 0x10 + number),
        address: format!("10.97.5.{}", 10 + number),
    }
}
