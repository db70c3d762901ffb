//! The administrator: moves reservations between nodes, deletes nodes and puts them again, reserves addresses of the pool, adopts
//! strangers; and keeps book of what SMD said when.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)] // for tests only

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;
use proto::smd::v1::{
    CreateEthernetInterfaceRequest, CreateEthernetInterfacesRequest, DeleteEthernetInterfaceRequest,
    EthernetInterface, GetEthernetInterfaceRequest, IpAddressMapping, PatchEthernetInterfaceRequest,
};
use rpc::client::Channel;
use tokio::runtime::Handle;
use tonic::{Code, Request, Status};

use super::frame::Mac;
use super::holdings::mac_text;
use super::reservations::Book;
use crate::cluster::{Cluster, MEMBERS};
use crate::dice::Dice;

/// How long one call may take.
const CALL_AT_MOST: Duration = Duration::from_secs(2);
/// How long a change may take, whatever fails meanwhile.
const CHANGE_AT_MOST: Duration = Duration::from_secs(120);

/// Who may have which addresses.
#[derive(Clone, Debug)]
pub struct Site {
    /// MACs of nodes.
    pub nodes: Vec<Mac>,
    /// MACs that SMD does not know at the beginning.
    pub strangers: Vec<Mac>,
    /// Addresses for nodes; more than there are nodes.
    pub fixed: Vec<Ipv4Addr>,
    /// Addresses for strangers.
    pub pool: RangeInclusive<Ipv4Addr>,
}

/// The administrator.
pub struct Editor {
    site: Site,
    members: Vec<Channel>,
    runtime: Handle,
    dice: Dice,
    book: Book,
    epoch: Instant,
}

/// The administrator at work.
#[derive(Debug)]
pub struct Editing {
    thread: JoinHandle<(Editor, usize)>,
    stop: Arc<AtomicBool>,
}

impl std::fmt::Debug for Editor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Editor")
            .field("book", &self.book)
            .finish_non_exhaustive()
    }
}

impl Editor {
    /// Times are counted from `epoch` on. Nothing is in SMD yet.
    pub fn new(cluster: &Cluster, site: Site, dice: Dice, epoch: Instant) -> Editor {
        Editor {
            members: (1..=MEMBERS).map(|id| cluster.caller(&[id]).channel()).collect(),
            runtime: cluster.runtime().handle().clone(),
            book: Book::new(site.pool.clone()),
            dice,
            site,
            epoch,
        }
    }

    /// What SMD said when.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Gives every node an address.
    pub fn fill(&mut self) {
        for place in 0..self.site.nodes.len() {
            self.set(self.site.nodes[place], Some(vec![self.site.fixed[place]]));
        }
    }

    /// Goes on changing things in a thread of its own.
    pub fn start(mut self) -> Editing {
        let stop = Arc::<AtomicBool>::default();
        let is_stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut changes = 0;
            while !is_stopped.load(Ordering::Relaxed) {
                self.change();
                changes += 1;
                self.pause(1000);
            }
            (self, changes)
        });
        Editing { thread, stop }
    }

    fn pause(&mut self, most_ms: u64) {
        std::thread::sleep(Duration::from_millis(self.dice.below(most_ms)));
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap()
    }

    fn change(&mut self) {
        let (node, other) = (self.a_node(), self.a_node());
        match self.dice.below(100) {
            0..50 if node != other => self.move_to(node, other),
            0..70 => self.put_again(node),
            70..90 => self.reserve_of_pool(node),
            _ => self.adopt_or_forget(),
        }
    }

    fn a_node(&mut self) -> Mac {
        self.site.nodes[self.dice.place(self.site.nodes.len())]
    }

    /// `to` gets what `from` has; `from` gets another address, or none and lives from the pool.
    fn move_to(&mut self, from: Mac, to: Mac) {
        let moved = self.book.current(from);
        let instead = if self.dice.chance(50) {
            self.free_fixed()
        } else {
            vec![]
        };
        self.set(from, Some(instead));
        self.set(to, Some(moved));
    }

    fn put_again(&mut self, node: Mac) {
        let addresses = self.book.current(node);
        self.set(node, None);
        self.pause(2000);
        self.set(node, Some(addresses));
    }

    fn reserve_of_pool(&mut self, node: Mac) {
        let (first, last) = (
            u32::from(*self.site.pool.start()),
            u32::from(*self.site.pool.end()),
        );
        let address = Ipv4Addr::from(first + self.dice.below(u64::from(last - first) + 1) as u32);
        if !self.book.is_taken(address) {
            self.set(node, Some(vec![address]));
        }
    }

    fn adopt_or_forget(&mut self) {
        let stranger = self.site.strangers[self.dice.place(self.site.strangers.len().min(20))];
        let is_adopted = !self.book.current(stranger).is_empty();
        let addresses = (!is_adopted).then(|| self.free_fixed());
        self.set(stranger, addresses);
    }

    fn free_fixed(&mut self) -> Vec<Ipv4Addr> {
        let free: Vec<Ipv4Addr> = self
            .site
            .fixed
            .iter()
            .copied()
            .filter(|one| !self.book.is_taken(*one))
            .collect();
        vec![free[self.dice.place(free.len())]]
    }

    /// The interface with this MAC has these addresses from now on; `None`: there is none.
    fn set(&mut self, mac: Mac, addresses: Option<Vec<Ipv4Addr>>) {
        let asked_ms = self.now_ms();
        let give_up = Instant::now() + CHANGE_AT_MOST;
        let mut said = Vec::new();
        loop {
            let member = self.members[self.dice.place(self.members.len())].clone();
            let call = make(member, mac, addresses.as_deref());
            // a timer is made where a runtime runs
            let one_try = async { tokio::time::timeout(CALL_AT_MOST, call).await };
            match self.runtime.block_on(one_try) {
                Ok(Ok(true)) => break,
                Ok(Ok(false)) => continue,
                Ok(Err(status)) => said.push(status),
                Err(_) => said.push(Status::deadline_exceeded("no answer")),
            }
            assert!(
                Instant::now() < give_up,
                "{} cannot get {addresses:?}: {said:#?}",
                mac_text(mac)
            );
            self.pause(200);
        }
        let known_ms = self.now_ms();
        self.book
            .set(mac, &addresses.unwrap_or_default(), asked_ms, known_ms);
    }
}

impl Editing {
    /// Ends it; the administrator, and how many changes it made.
    pub fn finish(self) -> (Editor, usize) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// One step towards an interface with these addresses. True if it is so: what was asked for before and comes late can no
/// longer change it, because every change names the revision that it was made for.
async fn make(member: Channel, mac: Mac, wanted: Option<&[Ipv4Addr]>) -> Result<bool, Status> {
    let mut client = EthernetInterfaceServiceClient::new(member);
    let id: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut get = Request::new(GetEthernetInterfaceRequest { id: id.clone() });
    get.set_timeout(CALL_AT_MOST);
    let found = match client.get_ethernet_interface(get).await {
        Ok(found) => Some(found.into_inner()),
        Err(status) if status.code() == Code::NotFound => None,
        Err(status) => return Err(status),
    };
    let mappings = |addresses: &[Ipv4Addr]| addresses.iter().map(mapping).collect::<Vec<_>>();
    match (found, wanted) {
        (None, None) => Ok(true),
        (Some(found), Some(wanted)) if has(&found, wanted) => Ok(true),
        (Some(found), Some(wanted)) => {
            let patch = PatchEthernetInterfaceRequest {
                id,
                ip_addresses: mappings(wanted),
                replace_ip_addresses: true,
                if_revision: Some(revision(&found)),
                ..Default::default()
            };
            client.patch_ethernet_interface(patch).await.map(|_| false)
        }
        (Some(found), None) => {
            let if_revision = Some(revision(&found));
            let delete = DeleteEthernetInterfaceRequest { id, if_revision };
            client.delete_ethernet_interface(delete).await.map(|_| false)
        }
        (None, Some(wanted)) => {
            let create = CreateEthernetInterfaceRequest {
                mac_address: mac_text(mac),
                component_id: format!(
                    "x{}c0s{}b0n0",
                    1000 + u32::from(mac[2]) * 256 + u32::from(mac[4]),
                    mac[5]
                ),
                ip_addresses: mappings(wanted),
                ..Default::default()
            };
            let create = CreateEthernetInterfacesRequest {
                interfaces: vec![create],
                replace: false,
                if_revisions: vec![0],
            };
            client.create_ethernet_interfaces(create).await.map(|_| false)
        }
    }
}

fn has(interface: &EthernetInterface, wanted: &[Ipv4Addr]) -> bool {
    let texts = interface
        .ip_addresses
        .iter()
        .map(|mapping| mapping.ip_address.as_str());
    texts.eq(wanted.iter().map(Ipv4Addr::to_string))
}

fn mapping(address: &Ipv4Addr) -> IpAddressMapping {
    IpAddressMapping {
        ip_address: address.to_string(),
        ..Default::default()
    }
}

fn revision(interface: &EthernetInterface) -> u64 {
    let modified = interface.meta.as_ref().and_then(|meta| meta.modified.as_ref());
    modified.map_or(0, |change| change.revision)
}
