//! `chamois dhcp leases` and `delete-lease`.

use std::net::Ipv4Addr;

use clap::{Args, ValueEnum};
use proto::dhcp::v1::dhcp_lease::State;
use proto::dhcp::v1::dhcp_lease_service_client::DhcpLeaseServiceClient;
use proto::dhcp::v1::{DeleteDhcpLeaseRequest, DhcpLease, ListDhcpLeasesRequest, ListDhcpLeasesResponse};
use proto::watch::v1::object::Kind;

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output::{self, Changes, Shape, WatchArg, column, wide};
use crate::utc;

/// `chamois dhcp leases`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois dhcp leases --subnet 10.97.0.0/16 --state bound
  chamois dhcp leases --nodes 'x1000c0s[0-7]b0n0' --wide
  chamois dhcp leases --mac 02:00:00:00:0a:01")]
pub struct LeasesArgs {
    /// Only those in this network (CIDR)
    #[arg(
        long,
        alias = "network",
        default_value = "",
        hide_default_value = true,
        value_name = "CIDR"
    )]
    pub subnet: String,
    /// Only those of this MAC
    #[arg(long, default_value = "", hide_default_value = true, value_name = "MAC")]
    pub mac: String,
    /// Only that of this address
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<Ipv4Addr>,
    /// Only those in this state
    #[arg(long, value_enum)]
    pub state: Option<StateArg>,
    /// Only those of clients that SMD has as interfaces of these xnames or nodesets
    #[arg(long, value_name = "NODESET")]
    pub nodes: Vec<String>,
    /// Also what clients say of themselves, and when they got the address
    #[arg(long)]
    pub wide: bool,
    /// Whether to go on.
    #[command(flatten)]
    pub watch: WatchArg,
}

/// What has become of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StateArg {
    /// The client may use it until it ends
    Bound,
    /// Given back or taken away; nobody else gets it before it ends
    Released,
    /// Found in use by somebody else; nobody gets it before it ends
    Declined,
    /// Its time is over: the address is free, and kept in mind for its client
    Ended,
}

impl StateArg {
    /// For a request: the state, and whether what has ended is meant.
    fn wire(self) -> (State, bool) {
        match self {
            StateArg::Bound => (State::Bound, false),
            StateArg::Released => (State::Released, false),
            StateArg::Declined => (State::Declined, false),
            StateArg::Ended => (State::Unspecified, true),
        }
    }
}

impl From<LeasesArgs> for ListDhcpLeasesRequest {
    fn from(args: LeasesArgs) -> Self {
        let (state, ended) = args.state.map_or((State::Unspecified, false), StateArg::wire);
        Self {
            network: args.subnet,
            mac: args.mac,
            address: args
                .address
                .map(|address| address.to_string())
                .unwrap_or_default(),
            state: state.into(),
            ended,
            nodes: args.nodes,
            ..Self::default()
        }
    }
}

/// `chamois dhcp delete-lease`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois dhcp delete-lease 10.97.200.7")]
pub struct DeleteLeaseArgs {
    /// The address
    pub address: Ipv4Addr,
    /// Free for others at once: two hosts have the address if its client uses it still
    #[arg(long)]
    pub force: bool,
}

pub(super) async fn list(global: &GlobalArgs, args: LeasesArgs) -> Result<(), CliError> {
    let connection = connect::to_any(global)?;
    let mut client = DhcpLeaseServiceClient::new(connection).max_decoding_message_size(ANSWER_BYTES_MAX);
    let global = &global.widened(args.wide);
    let watch = args.watch.watch;
    let request = ListDhcpLeasesRequest::from(args);
    let line = |row: &Row| output::to_json_line(LEASES.message, &row.lease);
    if watch {
        let fetch = async || Ok(rows(client.list_dhcp_leases(request.clone()).await?.get_ref()));
        let changes = Changes::Of(&[Kind::DhcpLease]);
        return output::follow_by(global, changes, &LEASES, line, fetch).await;
    }
    let answer = client.list_dhcp_leases(request).await?.into_inner();
    let whole = ("chamois.dhcp.v1.ListDhcpLeasesResponse", &answer);
    output::list_by(global, whole, &rows(&answer), &LEASES, line)
}

pub(super) async fn delete(global: &GlobalArgs, args: DeleteLeaseArgs) -> Result<(), CliError> {
    let mut client = DhcpLeaseServiceClient::new(connect::to_any(global)?);
    let request = DeleteDhcpLeaseRequest {
        address: args.address.to_string(),
        force: args.force,
    };
    let answer = client.delete_dhcp_lease(request).await?.into_inner();
    output::done(
        global,
        ("chamois.dhcp.v1.DeleteDhcpLeaseResponse", &answer),
        || format!("took {} away (revision {})", args.address, answer.revision),
    )
}

/// A lease with what the answer says beside it.
struct Row {
    lease: DhcpLease,
    owner: String,
    state: &'static str,
}

fn rows(answer: &ListDhcpLeasesResponse) -> Vec<Row> {
    let owners = answer.component_ids.iter().map(String::as_str);
    let with_owners = answer.leases.iter().zip(owners.chain(std::iter::repeat("")));
    let row = |(lease, owner): (&DhcpLease, &str)| Row {
        state: match lease.ends_at_ms <= answer.time_ms {
            true => "ended",
            false => state(lease.state()),
        },
        owner: owner.to_owned(),
        lease: lease.clone(),
    };
    with_owners.map(row).collect()
}

/// A row per lease.
const LEASES: Shape<Row> = Shape {
    message: "chamois.dhcp.v1.DhcpLease",
    key: |row| row.lease.address.clone(),
    columns: &[
        column("ADDRESS", |row| row.lease.address.clone()),
        column("MAC", |row| row.lease.mac.clone()),
        column("NODE", |row| row.owner.clone()),
        column("STATE", |row| row.state.to_owned()),
        column("ENDS", |row| utc::timestamp(row.lease.ends_at_ms)),
        wide("SINCE", |row| utc::timestamp(row.lease.bound_at_ms)),
        wide("HOSTNAME", |row| row.lease.hostname.clone()),
        wide("CLASS", |row| row.lease.vendor_class.clone()),
        wide("CLIENT ID", |row| {
            let bytes = row.lease.client_id.iter();
            bytes.map(|byte| format!("{byte:02x}")).collect()
        }),
    ],
};

pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Unspecified => "",
        State::Bound => "bound",
        State::Released => "released",
        State::Declined => "declined",
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proto::dhcp::v1::DhcpLease;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: LeasesArgs,
    }

    fn request(line: &str) -> ListDhcpLeasesRequest {
        let line = Line::try_parse_from(line.split(' ')).unwrap();
        ListDhcpLeasesRequest::from(line.args)
    }

    fn answer() -> ListDhcpLeasesResponse {
        let lease = |address: &str, ends_at_ms| DhcpLease {
            address: address.into(),
            mac: "02:00:00:00:0a:01".into(),
            state: State::Declined.into(),
            hostname: "node-a".into(),
            client_id: vec![0, 0xfe],
            ends_at_ms,
            ..DhcpLease::default()
        };
        ListDhcpLeasesResponse {
            leases: vec![
                lease("10.97.200.7", 1_764_054_000_000),
                lease("10.97.200.8", 1_000),
            ],
            component_ids: vec!["x0c0s0b0n0".into(), String::new()],
            time_ms: 1_764_053_000_000,
            next_page_token: String::new(),
        }
    }

    #[test]
    fn a_lease_is_shown_with_its_node_its_end_and_its_state() {
        let shown = output::tabulated(&GlobalArgs::default(), &rows(&answer()), &LEASES);
        for part in [
            "10.97.200.7",
            "02:00:00:00:0a:01",
            "x0c0s0b0n0",
            "declined",
            "2025-11-25T07:00:00Z",
            "ended",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains("node-a"), "{shown}");
        let wide = output::plain(&rows(&answer()), &LEASES);
        assert!(wide.contains("node-a") && wide.contains("00fe"), "{wide}");
    }

    #[test]
    fn every_filter_reaches_the_member() {
        let asked = request(
            "leases --subnet 10.97.0.0/16 --mac a1 --address 10.97.200.7 --state bound --nodes x0,x1",
        );
        assert_eq!(
            (asked.network.as_str(), asked.mac.as_str()),
            ("10.97.0.0/16", "a1")
        );
        assert_eq!(
            (asked.address.as_str(), asked.state()),
            ("10.97.200.7", State::Bound)
        );
        assert_eq!(
            (asked.nodes.as_slice(), asked.ended),
            (&["x0,x1".to_owned()][..], false)
        );
        let ended = request("leases --network 10.97.0.0/16 --state ended");
        assert_eq!(
            (ended.network.as_str(), ended.ended, ended.state()),
            ("10.97.0.0/16", true, State::Unspecified)
        );
        assert_eq!(request("leases"), ListDhcpLeasesRequest::default());
    }

    #[test]
    fn states_are_called_as_they_are_shown() {
        for arg in StateArg::value_variants() {
            let name = arg.to_possible_value().unwrap();
            let shown = match arg.wire() {
                (_, true) => "ended",
                (wire, false) => state(wire),
            };
            assert_eq!(name.get_name(), shown);
        }
    }
}
