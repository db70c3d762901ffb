//! `chamois boot params list`.

use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;
use proto::bss::v1::{BootParameters, ListBootParametersRequest};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output::{self, Shape, column, wide};

pub(super) async fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let connection = connect::to_any(global)?;
    let mut client = BootParametersServiceClient::new(connection).max_decoding_message_size(ANSWER_BYTES_MAX);
    let answer = client
        .list_boot_parameters(ListBootParametersRequest::default())
        .await?;
    let answer = answer.into_inner();
    let name = "chamois.bss.v1.ListBootParametersResponse";
    output::list(global, (name, &answer), &answer.items, &ENTRIES)
}

/// A row per key.
const ENTRIES: Shape<BootParameters> = Shape {
    message: "chamois.bss.v1.BootParameters",
    key: super::key_of,
    columns: &[
        column("KEY", super::key_of),
        column("KERNEL", |entry| entry.kernel.clone()),
        wide("INITRD", |entry| entry.initrd.clone()),
        column("PARAMETERS", |entry| entry.params.clone()),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_row() {
        let entry = BootParameters {
            nids: vec![7],
            kernel: "/files/k".into(),
            params: "quiet".into(),
            ..BootParameters::default()
        };
        let text = output::plain(&[entry], &ENTRIES);
        let row = text.lines().find(|line| line.contains("nid7")).unwrap();
        assert!(row.contains("/files/k") && row.contains("quiet"), "{row}");
    }
}
