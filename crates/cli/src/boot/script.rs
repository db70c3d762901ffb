//! `chamois boot script <node>`: the script that a node would get now.

use clap::Args;
use model::MacAddr;
use proto::bss::v1::GetBootScriptRequest;
use proto::bss::v1::boot_script_service_client::BootScriptServiceClient;

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois boot script`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois boot script x1000c0s0b0n0
  chamois boot script 02:00:00:00:00:a1
  chamois boot script 17")]
pub struct ScriptArgs {
    /// The node: xname, MAC or NID
    pub node: String,
}

pub(super) async fn run(global: &GlobalArgs, args: ScriptArgs) -> Result<(), CliError> {
    let mut client = BootScriptServiceClient::new(connect::to_any(global)?);
    let answer = client
        .get_boot_script(request(&args.node))
        .await
        .map_err(|status| explain(CliError::from(status), &args.node))?
        .into_inner();
    output::object(global, ("google.api.HttpBody", &answer), &args.node, || {
        String::from_utf8_lossy(&answer.data).trim_end().to_owned()
    })
}

/// What iPXE's `${buildarch}` says on most nodes. With an architecture, BSS answers "unknown" for an unknown node;
/// without one it sends a script that asks again. Known nodes get their script either way.
const ARCH: &str = "x86_64";

/// A number is a NID, what parses as a MAC is one, everything else is a name.
fn request(node: &str) -> GetBootScriptRequest {
    let mut request = GetBootScriptRequest {
        arch: ARCH.to_owned(),
        ..GetBootScriptRequest::default()
    };
    if node.bytes().all(|byte| byte.is_ascii_digit()) && node.len() != 12 {
        node.clone_into(&mut request.nid);
    } else if let Ok(mac) = node.parse::<MacAddr>() {
        request.mac = mac.to_string();
    } else {
        node.clone_into(&mut request.name);
    }
    request
}

fn explain(error: CliError, node: &str) -> CliError {
    if error.kind() == Kind::NotFound {
        error.with_remedy(format!(
            "`chamois component list --type Node` shows the nodes; boot parameters bind a kernel to {node}."
        ))
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_named_by_xname_mac_or_nid() {
        let name = request("x1000c0s0b0n0");
        assert_eq!(
            (name.name.as_str(), name.mac.as_str(), name.nid.as_str()),
            ("x1000c0s0b0n0", "", "")
        );
        assert_eq!(request("02-00-00-00-00-A1").mac, "02:00:00:00:00:a1");
        assert_eq!(
            request("020000000000").mac,
            "02:00:00:00:00:00",
            "twelve digits are a MAC"
        );
        assert_eq!(request("17").nid, "17");
    }

    #[test]
    fn an_unknown_node_says_where_the_known_ones_are() {
        let error = CliError::from(tonic::Status::not_found("no such node: x9"));
        let text = explain(error, "x9").to_string();
        assert!(
            text.contains("no such node: x9") && text.contains("component list"),
            "{text}"
        );
    }
}
