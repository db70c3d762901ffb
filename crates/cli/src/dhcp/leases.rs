//! `chamois dhcp leases` and `delete-lease`.

use std::net::Ipv4Addr;

use clap::{Args, ValueEnum};
use proto::dhcp::v1::dhcp_lease::State;
use proto::dhcp::v1::dhcp_lease_service_client::DhcpLeaseServiceClient;
use proto::dhcp::v1::{DeleteDhcpLeaseRequest, DhcpLease, ListDhcpLeasesRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Format};
use crate::utc;

/// `chamois dhcp leases`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois dhcp leases --network 10.97.0.0/16 --state bound")]
pub struct LeasesArgs {
    /// Only those in this network (CIDR)
    #[arg(long, default_value = "", hide_default_value = true, value_name = "CIDR")]
    pub network: String,
    /// Only those of this MAC
    #[arg(long, default_value = "", hide_default_value = true, value_name = "MAC")]
    pub mac: String,
    /// Only those in this state
    #[arg(long, value_enum)]
    pub state: Option<StateArg>,
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
}

impl StateArg {
    fn wire(self) -> State {
        match self {
            StateArg::Bound => State::Bound,
            StateArg::Released => State::Released,
            StateArg::Declined => State::Declined,
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
    let mut client = DhcpLeaseServiceClient::new(connect::to_any(global)?);
    let request = ListDhcpLeasesRequest {
        network: args.network,
        mac: args.mac,
        state: args.state.map_or(State::Unspecified, StateArg::wire).into(),
    };
    let answer = client.list_dhcp_leases(request).await?.into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.dhcp.v1.ListDhcpLeasesResponse", &answer),
        Format::Table => output::print(render(&answer.leases)),
    }
}

pub(super) async fn delete(global: &GlobalArgs, args: DeleteLeaseArgs) -> Result<(), CliError> {
    let mut client = DhcpLeaseServiceClient::new(connect::to_any(global)?);
    let request = DeleteDhcpLeaseRequest {
        address: args.address.to_string(),
        force: args.force,
    };
    let answer = client.delete_dhcp_lease(request).await?.into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.dhcp.v1.DeleteDhcpLeaseResponse", &answer),
        Format::Table => output::print(format_args!(
            "took {} away (revision {})",
            args.address, answer.revision
        )),
    }
}

fn render(leases: &[DhcpLease]) -> comfy_table::Table {
    let mut table = output::table(["ADDRESS", "MAC", "STATE", "SINCE", "ENDS", "HOSTNAME", "CLASS"]);
    for lease in leases {
        table.add_row([
            lease.address.clone(),
            lease.mac.clone(),
            state(lease.state()).to_owned(),
            utc::timestamp(lease.bound_at_ms),
            utc::timestamp(lease.ends_at_ms),
            lease.hostname.clone(),
            lease.vendor_class.clone(),
        ]);
    }
    table
}

fn state(state: State) -> &'static str {
    match state {
        State::Unspecified => "",
        State::Bound => "bound",
        State::Released => "released",
        State::Declined => "declined",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_shown_with_its_end_and_its_state() {
        let lease = DhcpLease {
            address: "10.97.200.7".into(),
            mac: "02:00:00:00:0a:01".into(),
            state: State::Declined.into(),
            ends_at_ms: 1_764_054_000_000,
            ..DhcpLease::default()
        };
        let shown = render(&[lease]).to_string();
        for part in [
            "10.97.200.7",
            "02:00:00:00:0a:01",
            "declined",
            "2025-11-25T07:00:00Z",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }

    #[test]
    fn states_are_called_as_they_are_shown() {
        for arg in StateArg::value_variants() {
            let name = arg.to_possible_value().unwrap();
            assert_eq!(name.get_name(), state(arg.wire()));
        }
    }
}
