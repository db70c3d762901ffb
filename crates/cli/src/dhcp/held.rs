//! `chamois dhcp held` and `delete-held`.

use std::net::IpAddr;

use clap::Args;
use proto::dhcp::v1::dhcp_lease_service_client::DhcpLeaseServiceClient;
use proto::dhcp::v1::{DeleteHeldAddressRequest, HeldAddress, ListHeldAddressesRequest};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Shape, changed, column, wide};
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
    output::list(
        global,
        ("chamois.dhcp.v1.ListHeldAddressesResponse", &answer),
        &answer.addresses,
        &HELD,
    )
}

pub(super) async fn delete(global: &GlobalArgs, args: DeleteHeldArgs) -> Result<(), CliError> {
    let mut client = DhcpLeaseServiceClient::new(connect::to_any(global)?);
    let request = DeleteHeldAddressRequest {
        address: args.address.to_string(),
        force: args.force,
    };
    let answer = client.delete_held_address(request).await?.into_inner();
    output::done(
        global,
        ("chamois.dhcp.v1.DeleteHeldAddressResponse", &answer),
        || format!("let go of {} (revision {})", args.address, answer.revision),
    )
}

/// A row per address.
const HELD: Shape<HeldAddress> = Shape {
    message: "chamois.dhcp.v1.HeldAddress",
    key: |held| held.address.clone(),
    columns: &[
        column("ADDRESS", |held| held.address.clone()),
        column("HELD FOR", |held| held.mac.clone()),
        column("UNTIL", |held| match held.ends_at_ms {
            0 => "every member has heard of it, and one lease longer".to_owned(),
            ends_at_ms => utc::timestamp(ends_at_ms),
        }),
        wide("CHANGED", |held| changed(held.meta.as_ref())),
    ],
};

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
        assert!(output::plain(&[held(0)], &HELD).contains("every member"));
        assert!(output::plain(&[held(1_764_054_000_000)], &HELD).contains("2025-11-25T07:00:00Z"));
    }
}
