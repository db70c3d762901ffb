//! `chamois dhcp held` and `delete-held`.

use std::net::IpAddr;

use clap::Args;
use proto::dhcp::v1::dhcp_lease_service_client::DhcpLeaseServiceClient;
use proto::dhcp::v1::{DeleteHeldAddressRequest, HeldAddress, ListHeldAddressesRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Format};
use crate::utc;

/// `chamois dhcp delete-held`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois dhcp delete-held 10.97.2.1 --force

Whoever had the address may use it still, and two hosts would have it: only where that host is known to be gone.")]
pub struct DeleteHeldArgs {
    /// The address, IPv4 or IPv6
    pub address: IpAddr,
    /// Two hosts may have the address
    #[arg(long)]
    pub force: bool,
}

pub(super) async fn list(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = DhcpLeaseServiceClient::new(connect::to_any(global)?);
    let answer = client
        .list_held_addresses(ListHeldAddressesRequest::default())
        .await?
        .into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.dhcp.v1.ListHeldAddressesResponse", &answer),
        Format::Table => output::print(render(&answer.addresses)),
    }
}

pub(super) async fn delete(global: &GlobalArgs, args: DeleteHeldArgs) -> Result<(), CliError> {
    let mut client = DhcpLeaseServiceClient::new(connect::to_any(global)?);
    let request = DeleteHeldAddressRequest {
        address: args.address.to_string(),
        force: args.force,
    };
    let answer = client.delete_held_address(request).await?.into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.dhcp.v1.DeleteHeldAddressResponse", &answer),
        Format::Table => output::print(format_args!(
            "let go of {} (revision {})",
            args.address, answer.revision
        )),
    }
}

fn render(held: &[HeldAddress]) -> comfy_table::Table {
    let mut table = output::table(["ADDRESS", "HELD FOR", "UNTIL"]);
    for held in held {
        let until = match held.ends_at_ms {
            0 => "every member has heard of it, and one lease longer".to_owned(),
            ends_at_ms => utc::timestamp(ends_at_ms),
        };
        table.add_row([held.address.clone(), held.mac.clone(), until]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_without_an_end_says_what_it_waits_for() {
        let held = |ends_at_ms| HeldAddress {
            address: "10.97.2.1".into(),
            mac: "02:00:00:00:00:a1".into(),
            ends_at_ms,
            ..HeldAddress::default()
        };
        assert!(render(&[held(0)]).to_string().contains("every member"));
        assert!(
            render(&[held(1_764_054_000_000)])
                .to_string()
                .contains("2025-11-25T07:00:00Z")
        );
    }
}
