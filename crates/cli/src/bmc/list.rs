//! `chamois bmc list`.

use clap::Args;
use proto::discovery::v1::bmc_service_client::BmcServiceClient;
use proto::discovery::v1::{Bmc, ListBmcsRequest, ListBmcsResponse};
use proto::watch::v1::object::Kind;
use rpc::client::ExactlyOnce;

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output::{self, Changes, Shape, WatchArg, column, wide};
use crate::utc;

/// BMCs of one page.
const PAGE_SIZE: u32 = 5_000;

/// `chamois bmc list`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois bmc list
  chamois bmc list --unassigned            which BMC is where is not known of these
  chamois bmc list --status credentials    whose password is wrong
  chamois bmc list --watch                 as they are found and crawled")]
pub struct ListArgs {
    /// Only those without an xname
    #[arg(long)]
    pub unassigned: bool,
    /// Only those whose last crawl went so, e.g. ok, partial, unreachable, credentials, tls, key-changed, not-redfish
    #[arg(long, default_value = "", hide_default_value = true, value_name = "WORD")]
    pub status: String,
    /// Whether to go on.
    #[command(flatten)]
    pub watch: WatchArg,
}

pub(super) async fn run(global: &GlobalArgs, args: ListArgs) -> Result<(), CliError> {
    let client = BmcServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let request = ListBmcsRequest {
        unassigned: args.unassigned,
        crawl_status: args.status,
        page_size: PAGE_SIZE,
        page_token: String::new(),
    };
    if args.watch.watch {
        let fetch = async || whole(&mut client, request.clone()).await;
        return output::follow(global, Changes::Of(&[Kind::Bmc]), &BMCS, fetch).await;
    }
    let all = ListBmcsResponse {
        bmcs: whole(&mut client, request).await?,
        ..ListBmcsResponse::default()
    };
    output::list(
        global,
        ("chamois.discovery.v1.ListBmcsResponse", &all),
        &all.bmcs,
        &BMCS,
    )
}

/// The list, page by page.
async fn whole(
    client: &mut BmcServiceClient<ExactlyOnce>,
    mut request: ListBmcsRequest,
) -> Result<Vec<Bmc>, CliError> {
    let mut all = Vec::new();
    loop {
        let page = client.list_bmcs(request.clone()).await?.into_inner();
        all.extend(page.bmcs);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

/// A row per BMC.
const BMCS: Shape<Bmc> = Shape {
    message: "chamois.discovery.v1.Bmc",
    key: |bmc| bmc.address.clone(),
    columns: &[
        column("ADDRESS", |bmc| bmc.address.clone()),
        column("XNAME", |bmc| bmc.xname.clone()),
        column("MAKER", maker),
        wide("SERIAL", |bmc| bmc.serial.clone()),
        wide("MAC", |bmc| bmc.mac.clone()),
        column("CRAWL", crawl),
        column("LAST SEEN", |bmc| utc::timestamp(bmc.last_seen_ms)),
    ],
};

/// Vendor and product, as far as they are said; what is no BMC says what it is.
pub(super) fn maker(bmc: &Bmc) -> String {
    let words = [bmc.vendor.as_str(), bmc.product.as_str()];
    let said: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    match (said.as_slice(), bmc.service.as_str()) {
        ([], "redfish") => String::new(),
        ([], service) => service.to_owned(),
        (said, _) => said.join(" "),
    }
}

/// How its last crawl went; a key that changed is worse than that.
fn crawl(bmc: &Bmc) -> String {
    match (bmc.other_key_sha256.is_empty(), bmc.crawl_status.as_str()) {
        (false, _) => "key-changed".to_owned(),
        (true, "") => "not yet".to_owned(),
        (true, status) => status.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bmc_is_a_row_that_says_what_is_wrong_with_it() {
        let bmc = Bmc {
            address: "10.1.0.7:443".into(),
            xname: "x0c0s0b0".into(),
            service: "redfish".into(),
            vendor: "HPE".into(),
            product: "ProLiant DL325".into(),
            crawl_status: "credentials".into(),
            last_seen_ms: 1_764_054_000_000,
            ..Bmc::default()
        };
        let text = output::plain(std::slice::from_ref(&bmc), &BMCS);
        for part in ["10.1.0.7:443", "x0c0s0b0", "HPE", "credentials", "2025-11-25"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let changed = Bmc {
            other_key_sha256: "ab".into(),
            ..bmc
        };
        assert_eq!(crawl(&changed), "key-changed");
        assert_eq!(crawl(&Bmc::default()), "not yet");
    }

    #[test]
    fn a_pdu_is_no_nameless_bmc() {
        let pdu = Bmc {
            service: "jaws".into(),
            ..Bmc::default()
        };
        assert_eq!(maker(&pdu), "jaws");
    }
}
