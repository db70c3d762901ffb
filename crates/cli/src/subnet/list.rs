//! `chamois subnet list`.

use proto::dhcp::v1::subnet_service_client::SubnetServiceClient;
use proto::dhcp::v1::{ListSubnetsRequest, Subnet};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Shape, column, wide};

/// Lease time of a subnet that names none, seconds (`Subnet.lease_time_s`).
const LEASE_TIME_DEFAULT_S: u32 = 3600;

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = SubnetServiceClient::new(connect::to_any(global)?);
    let answer = client.list_subnets(ListSubnetsRequest {}).await?.into_inner();
    output::list(
        global,
        ("chamois.dhcp.v1.ListSubnetsResponse", &answer),
        &answer.subnets,
        &SUBNETS,
    )
}

/// One row per subnet; what is not set is empty.
pub(super) const SUBNETS: Shape<Subnet> = Shape {
    message: "chamois.dhcp.v1.Subnet",
    key: |subnet| subnet.network.clone(),
    columns: &[
        column("NETWORK", |subnet| subnet.network.clone()),
        column("ROUTERS", |subnet| subnet.routers.join(", ")),
        column("DNS SERVERS", |subnet| subnet.dns_servers.join(", ")),
        column("DOMAIN", |subnet| subnet.domain.clone()),
        column("LEASE TIME", |subnet| {
            let lease_s = match subnet.lease_time_s {
                0 => LEASE_TIME_DEFAULT_S,
                seconds => seconds,
            };
            format!("{lease_s} s")
        }),
        column("MTU", |subnet| {
            if subnet.mtu == 0 {
                String::new()
            } else {
                subnet.mtu.to_string()
            }
        }),
        wide("NTP SERVERS", |subnet| subnet.ntp_servers.join(", ")),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lease_time_shown_is_the_one_in_force() {
        let subnet = |lease_time_s| Subnet {
            network: "10.97.0.0/16".into(),
            lease_time_s,
            ..Default::default()
        };
        assert!(output::plain(&[subnet(0)], &SUBNETS).contains("3600 s"));
        assert!(output::plain(&[subnet(60)], &SUBNETS).contains("60 s"));
    }
}
