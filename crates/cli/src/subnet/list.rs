//! `chamois subnet list`.

use proto::dhcp::v1::subnet_service_client::SubnetServiceClient;
use proto::dhcp::v1::{ListSubnetsRequest, Subnet};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output::{self, Format};

/// Lease time of a subnet that names none, seconds (`Subnet.lease_time_s`).
const LEASE_TIME_DEFAULT_S: u32 = 3600;

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let mut client = SubnetServiceClient::new(connect::to_any(global)?);
    let answer = client.list_subnets(ListSubnetsRequest {}).await?.into_inner();
    match global.output {
        Format::Json => output::print_json("chamois.dhcp.v1.ListSubnetsResponse", &answer),
        Format::Table => output::print(render(&answer.subnets)),
    }
}

/// One row per subnet; what is not set is empty.
pub(super) fn render(subnets: &[Subnet]) -> comfy_table::Table {
    let mut table = output::table(["NETWORK", "ROUTERS", "DNS SERVERS", "DOMAIN", "LEASE TIME", "MTU"]);
    for subnet in subnets {
        let lease_s = match subnet.lease_time_s {
            0 => LEASE_TIME_DEFAULT_S,
            seconds => seconds,
        };
        table.add_row([
            subnet.network.clone(),
            subnet.routers.join(", "),
            subnet.dns_servers.join(", "),
            subnet.domain.clone(),
            format!("{lease_s} s"),
            if subnet.mtu == 0 {
                String::new()
            } else {
                subnet.mtu.to_string()
            },
        ]);
    }
    table
}

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
        assert!(render(&[subnet(0)]).to_string().contains("3600 s"));
        assert!(render(&[subnet(60)]).to_string().contains("60 s"));
    }
}
