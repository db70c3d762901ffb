//! Options of `chamois bench`.

use std::path::PathBuf;
use std::time::Duration;

use bench::Span;
use clap::Args;

use crate::demo::NODES_MAX;

/// Clients or connections of one load at most; the API takes no more from one address.
const CLIENTS_MAX: i64 = 512;
/// Objects of `bench restart` and nodes of `bench scale` at most: xnames have four digits for the cabinet.
const OBJECTS_MAX: i64 = 2_000_000;
const SCALE_NODES_MAX: i64 = 2_000_000;
/// MiB of the file of `bench image`: what a boot file may have.
const IMAGE_MIB_MAX: i64 = 16 << 10;
/// BMCs of `bench discover` at most: the process that is all of them holds a socket for each.
const BMCS_MAX: i64 = 10_000;
/// Watchers of `bench watch` at most: what one member takes.
const WATCHERS_MAX: i64 = 16_000;
/// Of a load's time comes the same again before it, up to this, so that caches and connections are warm.
const WARM_UP_MAX: Duration = Duration::from_secs(2);

/// What every benchmark under load takes.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Seconds of each load, after a warm-up of up to two
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub seconds: u64,
    /// How often everything is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub rounds: u32,
    /// What every benchmark takes.
    #[command(flatten)]
    pub place: Place,
}

/// What every benchmark takes.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// End with one line of JSON on standard output; all that people read goes to standard error
    #[arg(long)]
    pub json: bool,
    /// Directory for data, keys and logs, on the disk to be measured; must be new or empty, and stays.
    /// Default: a temporary one below /var/tmp, removed at the end
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

impl Common {
    /// How long each load lasts.
    pub(crate) fn span(&self) -> Span {
        let measured = Duration::from_secs(self.seconds);
        Span {
            warm_up: measured.min(WARM_UP_MAX),
            measured,
        }
    }

    /// What becomes of answers that come after the end, for people.
    pub(crate) fn late_answers(&self) -> String {
        format!(
            "an answer after the end of a load is in the times and not in the rate; none within {} s is an error",
            bench::LATE_MAX.as_secs()
        )
    }
}

/// `chamois bench bootscript`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench bootscript
  chamois bench bootscript --connections 64 --seconds 20 --json

Three members; every connection asks for one node after the other, and every script is checked to be that node's. Then the
boot parameters of all nodes are set in one request and listed, over HTTPS at the leader.")]
pub struct BootscriptArgs {
    /// What every benchmark under load takes.
    #[command(flatten)]
    pub common: Common,
    /// Nodes in the inventory
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    pub nodes: u32,
    /// Connections at once, one load for each
    #[arg(long, value_delimiter = ',', default_value = "64,512",
        value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    pub connections: Vec<u32>,
}

/// `chamois bench cloud-init`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench cloud-init
  chamois bench cloud-init --connections 512 --seconds 20 --json

Three members; every connection is one node's, and asks for its own meta-data, user-data, vendor-data or network-config
again and again; an answer that differs from the first is an error.")]
pub struct CloudInitArgs {
    /// What every benchmark under load takes.
    #[command(flatten)]
    pub common: Common,
    /// Nodes in the inventory
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    pub nodes: u32,
    /// Connections at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    pub connections: u32,
}

/// `chamois bench storm`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench storm
  chamois bench storm --nodes 2000 --json

Three members; all nodes are switched on and go through DHCP, boot script, kernel and initrd (1 MiB each), cloud-init and
phone-home. When half of them are up, the member that holds the service address gets SIGKILL. Every answer is checked.")]
pub struct StormArgs {
    /// Nodes that boot
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=i64::from(NODES_MAX)))]
    pub nodes: u32,
    /// What every benchmark takes.
    #[command(flatten)]
    pub place: Place,
}

/// `chamois bench write`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench write
  chamois bench write --clients 256 --state-dir /srv/bench

Three members of each, beside each other, on the same disk, everything under TLS; requests go to the leader. Ours sets
the boot parameters of one node, etcd's puts a key of 32 bytes; key and value are 288 bytes together on both sides.
Before and after each load both sides come to rest, and what a side still does then is its own cost. Without etcd (package etcd-server) ours is measured alone.")]
pub struct WriteArgs {
    /// What every benchmark under load takes.
    #[command(flatten)]
    pub common: Common,
    /// Clients at once, four to a connection; one load for each
    #[arg(long, value_delimiter = ',', default_value = "1,64,256",
        value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    pub clients: Vec<u32>,
}

/// `chamois bench read`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench read
  chamois bench read --clients 64 --seconds 10 --json

Three members of each, beside each other, everything under TLS. Each client asks for one object after the other: ours
the boot parameters of one node, etcd's a key of 32 bytes with a value of 256; first so that every acknowledged write is
seen (a read index of the majority), then as the asked member has it (ours: metadata `chamois-consistency: local`,
etcd's: serializable); of the leader, and of a follower. Without etcd (package etcd-server) ours is measured alone.")]
pub struct ReadArgs {
    /// What every benchmark under load takes.
    #[command(flatten)]
    pub common: Common,
    /// Clients at once, four to a connection; one load for each
    #[arg(long, value_delimiter = ',', default_value = "1,64",
        value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    pub clients: Vec<u32>,
}

/// `chamois bench smd`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench smd
  chamois bench smd --nodes 500 --seconds 1 --rounds 1 --json

Three members with an inventory of so many nodes, everything under TLS, requests go to the leader: get of one component by
xname and of one interface by MAC (gRPC local and linearizable, HTTPS), the list of all components, the patch of one, and
all components posted and patched in one request. CPU is that of all members. There is no peer in the same run; what an SMD
with PostgreSQL did on another machine stands below the table. An error makes the run fail.")]
pub struct SmdArgs {
    /// What every benchmark under load takes.
    #[command(flatten)]
    pub common: Common,
    /// Nodes in the inventory
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    pub nodes: u32,
    /// Clients at once that get or patch one object each
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    pub clients: u32,
}

/// `chamois bench api`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench api
  chamois bench api --callers 1,8 --seconds 1 --rounds 1 --json

Three members with an inventory of so many nodes. Callers get one component after the other from the leader, all on one gRPC
connection that is known by a client certificate; the most of them over HTTPS too, a connection each. An error makes the run
fail.")]
pub struct ApiArgs {
    /// What every benchmark under load takes.
    #[command(flatten)]
    pub common: Common,
    /// Nodes in the inventory
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    pub nodes: u32,
    /// Callers at once; several numbers are measured one after the other
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16], value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    pub callers: Vec<u32>,
}

/// `chamois bench failover`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench failover
  chamois bench failover --rounds 5 --json

Three members of each. The leader gets SIGKILL; from then on a write is tried every 20 ms at the survivors in turn, until
the first is acknowledged; then the killed member comes back. Ours twice: in profile `steady`, which notices a dead
leader within 2 s as etcd's defaults do, and in profile `fast`. Without etcd (package etcd-server) ours is measured alone.")]
pub struct FailoverArgs {
    /// Leaders that are killed, of each cluster
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub rounds: u32,
    /// What every benchmark takes.
    #[command(flatten)]
    pub place: Place,
}

/// `chamois bench restart`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench restart
  chamois bench restart --objects 100000 --rounds 1 --json

Three members of each, one cluster after the other, with the same objects: 32 bytes of key and 256 of value. A follower
gets SIGKILL and is started again; counted is the time from the start of the process to its first answer to a read that
sees every acknowledged write, tried every 20 ms, and its memory before and after. Without etcd (package etcd-server)
ours is measured alone.")]
pub struct RestartArgs {
    /// Objects in the store
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u32).range(1..=OBJECTS_MAX))]
    pub objects: u32,
    /// How often a member is killed, of each cluster; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub rounds: u32,
    /// What every benchmark takes.
    #[command(flatten)]
    pub place: Place,
}

/// `chamois bench scale`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench scale
  chamois bench scale --nodes 1000000 --json

One process, no sockets, no disk but for the snapshot: the log entries of so many nodes (component, Ethernet interface,
boot parameters, cloud-init's instance) are run through the state machine as a member does it, then state changes of all
nodes; a snapshot is written, and another process begins with it.")]
pub struct ScaleArgs {
    /// Nodes in the inventory
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=SCALE_NODES_MAX))]
    pub nodes: u32,
    /// How often everything is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub rounds: u32,
    /// What every benchmark takes.
    #[command(flatten)]
    pub place: Place,
}

/// `chamois bench image`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench image
  chamois bench image --mib 64 --clients 4 --rounds 1 --json

Three members have the file; all clients download it at once from the service address, as nodes do, then from nginx, which
serves the same copy. What they read is discarded. The disk needs three times the file. Without nginx (package nginx-light) ours
is measured alone.")]
pub struct ImageArgs {
    /// Size of the file
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=IMAGE_MIB_MAX))]
    pub mib: u32,
    /// Clients at once, one load for each
    #[arg(long, value_delimiter = ',', default_value = "8,32",
        value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    pub clients: Vec<u32>,
    /// How often everything is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub rounds: u32,
    /// What every benchmark takes.
    #[command(flatten)]
    pub place: Place,
}

/// `chamois bench authz`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench authz
  chamois bench authz --nodes 50000 --policies 1000 --json

One process, without sockets: decisions of the guard's authority for a user with a part of the system, and every component of a list
judged for him, first as it comes and then with what was judged ahead. Encoding, TLS and the network are not in the figures.")]
pub struct AuthzArgs {
    /// Nodes in the inventory
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    pub nodes: u32,
    /// Policies; the user has four of them
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(4..=1000))]
    pub policies: u32,
    /// How often everything is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub rounds: u32,
    /// What every benchmark takes.
    #[command(flatten)]
    pub place: Place,
}

/// `chamois bench configure`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench configure
  chamois bench configure --nodes 1000 --rounds 1 --json

Three members. All targets are rendered of their state; then one node after the other gets another address, and `chamois configure
watch` in a process of its own replaces the files of all targets; then this executable is started to show tables.")]
pub struct ConfigureArgs {
    /// Nodes in the inventory
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    pub nodes: u32,
    /// How often everything is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub rounds: u32,
    /// What every benchmark takes.
    #[command(flatten)]
    pub place: Place,
}

/// `chamois bench discover`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench discover
  chamois bench discover --bmcs 200 --latency-ms 20 --rounds 1 --json
  chamois bench discover --bmcs 50 --tree captured.tar.gz

Two processes without a cluster: one is so many BMCs (Redfish over TLS on loopback addresses, with a login), the other reads all of
them whole, as a member does, and makes of each what SMD is sent. What is read twice, and sessions that are left open, are counted by the
BMCs.")]
pub struct DiscoverArgs {
    /// BMCs, one load for each
    #[arg(long, value_delimiter = ',', default_value = "1,200,2000",
        value_parser = clap::value_parser!(u32).range(1..=BMCS_MAX))]
    pub bmcs: Vec<u32>,
    /// Milliseconds that a BMC thinks about each request
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub latency_ms: u32,
    /// BMCs that are read at once
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub at_once: u32,
    /// A captured Redfish tree that all of them serve: a folder, or a .tar.gz of one. Default: that of a rack server made for tests
    #[arg(long, value_name = "PATH")]
    pub tree: Option<PathBuf>,
    /// How often everything is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub rounds: u32,
    /// What every benchmark takes.
    #[command(flatten)]
    pub place: Place,
}

/// `chamois bench watch`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench watch
  chamois bench watch --watchers 1000 --changes 200 --rounds 1 --json

Three members of each, beside each other, everything under TLS. Watchers of one node, of a group, or of everything are at the
leader; first nothing changes, then boot parameters of one node after the other do. Each event is waited for: counted are how
long after the writer's acknowledgement it came, and any that did not come or came twice. Without etcd (package etcd-server) ours
is measured alone.")]
pub struct WatchArgs {
    /// What every benchmark under load takes.
    #[command(flatten)]
    pub common: Common,
    /// Watchers, 128 to a connection
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=WATCHERS_MAX))]
    pub watchers: u32,
    /// How many of them watch everything
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=WATCHERS_MAX))]
    pub everything: u32,
    /// Changes a second
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub changes: u32,
    /// Nodes in the inventory
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    pub nodes: u32,
    /// Groups that all nodes are in, one each
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub groups: u32,
}

/// `chamois bench dhcp`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bench dhcp
  chamois bench dhcp --rates 4000,8000 --rounds 1 --json

Three members, and one Kea with the same reservations; perfdhcp plays a relay, first at rising rates until more than 1 %
is lost, then all clients at once. Then curl reads a file of 1 MiB over TFTP, beside tftp-hpa's server. It runs in a network
namespace of its own. Needs perfdhcp (package kea-admin) and curl; without Kea (package kea-dhcp4-server) or in.tftpd (package
tftpd-hpa, for root alone) ours is measured alone.")]
pub struct DhcpArgs {
    /// What every benchmark under load takes.
    #[command(flatten)]
    pub common: Common,
    /// Nodes with reserved addresses
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES_MAX)))]
    pub nodes: u32,
    /// Exchanges a second, rising
    #[arg(long, value_delimiter = ',',
        default_value = "2000,3000,4000,5000,6000,7000,8000,10000,12000,14000,17000,20000",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rates: Vec<u32>,
    /// Exchanges a second of clients without a reservation, each with a lease of its own from a pool, rising; 0 leaves
    /// that out
    #[arg(long, value_delimiter = ',', default_value = "500,1000,1500,2000,2500,3000,4000,5000",
        value_parser = clap::value_parser!(u32).range(0..=20_000))]
    pub pool_rates: Vec<u32>,
    /// Clients that come all at once; 0 leaves that out
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(0..=i64::from(NODES_MAX)))]
    pub avalanche: u32,
    /// Kea keeps its leases in memory only; by default it appends each to a file, which costs it more
    #[arg(long)]
    pub kea_in_memory: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_is_bounded() {
        let common = |seconds| Common {
            seconds,
            rounds: 1,
            place: Place {
                json: false,
                state_dir: None,
            },
        };
        assert_eq!(common(1).span().warm_up, Duration::from_secs(1));
        assert_eq!(common(60).span().warm_up, WARM_UP_MAX);
    }
}
