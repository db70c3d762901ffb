//! `chamois boot params set`.

use clap::{ArgGroup, Args};
use proto::bss::v1::boot_parameters_service_client::BootParametersServiceClient;
use proto::bss::v1::{BootParameters, GetBootParametersRequest, PutBootParametersRequest};
use tonic::Code;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois boot params set`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true))]
#[command(after_help = "\
Examples:
  chamois boot params set x1000c0s0b0n0 --kernel /files/vmlinuz --params 'console=ttyS0 quiet'
  chamois boot params set Default --initrd ''          no initrd any more

What is not given stays as it is; an entry that somebody else changes meanwhile is not overwritten. For whole sets of nodes `chamois
boot config set` has selectors.")]
pub struct SetArgs {
    /// An xname, a MAC, nid<N>, a role, Default or Unknown-<arch>
    #[arg(value_name = "KEY", value_parser = super::key)]
    pub key: String,
    /// URL of the kernel, or /files/<name> for a boot file of the cluster
    #[arg(long, group = "what", value_name = "URL")]
    pub kernel: Option<String>,
    /// URL of the initrd
    #[arg(long, group = "what", value_name = "URL")]
    pub initrd: Option<String>,
    /// Kernel parameters
    #[arg(long, group = "what", allow_hyphen_values = true)]
    pub params: Option<String>,
}

pub(super) async fn run(global: &GlobalArgs, args: SetArgs) -> Result<(), CliError> {
    let mut client = BootParametersServiceClient::new(connect::to_any(global)?);
    let request = GetBootParametersRequest {
        key: args.key.clone(),
    };
    let before = match client.get_boot_parameters(request).await {
        Ok(entry) => Some(entry.into_inner()),
        Err(status) if status.code() == Code::NotFound => None,
        Err(status) => return Err(status.into()),
    };
    let answer = client
        .put_boot_parameters(request_of(&args, before))
        .await?
        .into_inner();
    let verb = match (answer.created.is_empty(), answer.updated.is_empty()) {
        (false, _) => "created",
        (true, false) => "changed",
        (true, true) => "unchanged:",
    };
    output::done(
        global,
        ("chamois.bss.v1.PutBootParametersResponse", &answer),
        || format!("{verb} {} (revision {})", args.key, answer.revision),
    )
}

/// The entry as it is to be, at the revision at which it was read.
fn request_of(args: &SetArgs, before: Option<BootParameters>) -> PutBootParametersRequest {
    let modified = before
        .as_ref()
        .and_then(|entry| entry.meta.as_ref()?.modified.as_ref());
    let seen = modified.map_or(0, |change| change.revision);
    let before = before.unwrap_or_default();
    let mut entry = BootParameters {
        kernel: args.kernel.clone().unwrap_or(before.kernel),
        initrd: args.initrd.clone().unwrap_or(before.initrd),
        params: args.params.clone().unwrap_or(before.params),
        cloud_init: before.cloud_init,
        ..BootParameters::default()
    };
    super::put_keys([args.key.as_str()], &mut entry);
    PutBootParametersRequest {
        entries: vec![entry],
        if_revisions: vec![seen],
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proto::http::v1::{Change, ObjectMeta};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        set: SetArgs,
    }

    #[test]
    fn what_is_not_given_stays_and_a_new_entry_must_not_be_there() {
        let parse = |words: &[&str]| Line::try_parse_from([&["set", "nid7"][..], words].concat());
        let args = parse(&["--params", "-- single"]).unwrap().set;
        let before = BootParameters {
            kernel: "/files/k".into(),
            params: "quiet".into(),
            meta: Some(ObjectMeta {
                modified: Some(Change {
                    revision: 7,
                    ..Change::default()
                }),
                ..ObjectMeta::default()
            }),
            ..BootParameters::default()
        };
        let sent = request_of(&args, Some(before));
        assert_eq!(
            (sent.entries[0].kernel.as_str(), sent.entries[0].params.as_str()),
            ("/files/k", "-- single")
        );
        assert_eq!((&sent.entries[0].nids, &sent.if_revisions), (&vec![7], &vec![7]));
        assert_eq!(request_of(&args, None).if_revisions, [0]);
        assert!(parse(&[]).is_err(), "nothing to set");
    }
}
