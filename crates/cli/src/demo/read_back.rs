//! The end of the accounting: every acknowledged write, read linearizably from every member.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::smd::v1::ListEthernetInterfacesRequest;
use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;

use super::writers::SharedLedger;
use crate::connect::{ANSWER_BYTES_MAX, Target};
use crate::error::CliError;

/// A member that was restarted last may still be catching up; a linearizable read waits or says so.
const TRIES_MAX: u32 = 40;
const TRY_PAUSE: Duration = Duration::from_millis(250);

/// How many acknowledged writes some member does not have with their own value.
pub(crate) async fn lost_writes(target: &Target, ledger: &SharedLedger) -> Result<usize, CliError> {
    let mut lost = BTreeSet::new();
    for endpoint in &target.endpoints {
        let read = read(target, endpoint).await?;
        lost.extend(ledger.lock().lost_in(&read).into_iter().map(str::to_owned));
    }
    Ok(lost.len())
}

/// Key and value of everything that one member has.
async fn read(target: &Target, endpoint: &str) -> Result<BTreeMap<String, String>, CliError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match read_once(target, endpoint).await {
            Err(error) if tries == TRIES_MAX => {
                return Err(CliError::other(
                    &format!("cannot read the writes back from {endpoint}"),
                    error,
                ));
            }
            Err(_) => tokio::time::sleep(TRY_PAUSE).await,
            Ok(read) => return Ok(read),
        }
    }
}

async fn read_once(target: &Target, endpoint: &str) -> Result<BTreeMap<String, String>, CliError> {
    let connection = target.connect_one(endpoint)?;
    let mut client =
        EthernetInterfaceServiceClient::new(connection).max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = client
        .list_ethernet_interfaces(ListEthernetInterfacesRequest::default())
        .await?;
    let interfaces = answer.into_inner().interfaces.into_iter();
    Ok(interfaces
        .map(|interface| (interface.id, interface.description))
        .collect())
}
