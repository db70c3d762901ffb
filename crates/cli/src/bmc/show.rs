//! `chamois bmc show`.

use proto::discovery::v1::bmc_service_client::BmcServiceClient;
use proto::discovery::v1::{Bmc, GetBmcRequest};

use super::{AddressArgs, list};
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;
use crate::utc;

pub(super) async fn run(global: &GlobalArgs, args: AddressArgs) -> Result<(), CliError> {
    let mut client = BmcServiceClient::new(connect::to_any(global)?);
    let request = GetBmcRequest {
        address: args.address,
    };
    tell(global, &client.get_bmc(request).await?.into_inner())
}

/// One BMC, also as it is after a change.
pub(super) fn tell(global: &GlobalArgs, bmc: &Bmc) -> Result<(), CliError> {
    output::object(global, ("chamois.discovery.v1.Bmc", bmc), &bmc.address, || {
        render(bmc)
    })
}

/// A line for all that is known.
fn render(bmc: &Bmc) -> String {
    let at = |ms| match ms {
        0 => String::new(),
        ms => utc::timestamp(ms),
    };
    let changed = match bmc.other_key_sha256.as_str() {
        "" => String::new(),
        other => format!(
            "{other}: nothing is sent to it; `chamois bmc trust {}` believes it",
            bmc.address
        ),
    };
    let known = [
        ("address", bmc.address.clone()),
        ("xname", bmc.xname.clone()),
        ("maker", list::maker(bmc)),
        ("redfish", bmc.redfish_version.clone()),
        ("uuid", bmc.uuid.clone()),
        ("serial", bmc.serial.clone()),
        ("mac", bmc.mac.clone()),
        ("key", bmc.key_sha256.clone()),
        ("other key", changed),
        ("first seen", at(bmc.first_seen_ms)),
        ("last seen", at(bmc.last_seen_ms)),
        ("crawled", at(bmc.crawled_at_ms)),
        ("crawl", bmc.crawl_status.clone()),
        ("reason", bmc.crawl_reason.clone()),
        ("remedy", bmc.crawl_remedy.clone()),
    ];
    let lines = known.iter().filter(|(_, value)| !value.is_empty());
    let lines: Vec<String> = lines
        .map(|(name, value)| format!("{name:<10}  {value}"))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_changed_is_shown_with_what_to_do() {
        let bmc = Bmc {
            address: "10.1.0.7:443".into(),
            key_sha256: "aa".into(),
            other_key_sha256: "bb".into(),
            crawl_status: "key-changed".into(),
            ..Bmc::default()
        };
        let text = render(&bmc);
        assert!(
            text.contains("bb: nothing is sent to it; `chamois bmc trust 10.1.0.7:443`"),
            "{text}"
        );
        assert!(
            !text.contains("xname") && !text.contains("1970"),
            "what is not known is left out: {text}"
        );
    }
}
