//! `chamois console list`.

use clap::Args;
use proto::console::v1::console_service_client::ConsoleServiceClient;
use proto::console::v1::{Console, ListConsolesRequest};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::output::{self, Shape, column, wide};

/// `chamois console list`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois console list
  chamois console list 'x1000c0s*' --conman >> /etc/conman.conf

conmand runs these lines itself: it needs CHAMOIS_ENDPOINTS, CHAMOIS_CA and CHAMOIS_TOKEN_FILE in its environment.")]
pub struct ListArgs {
    /// Xnames and nodesets; none: all
    #[arg(value_name = "NODESET", value_parser = crate::power::node_set)]
    pub nodes: Vec<String>,
    /// Lines for conman.conf, each of which runs `chamois console`
    #[arg(long)]
    pub conman: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: ListArgs) -> Result<(), CliError> {
    let client = ConsoleServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let request = ListConsolesRequest { node: args.nodes };
    let answer = client.list_consoles(request).await?.into_inner();
    if args.conman {
        return output::print(conman(&answer.consoles));
    }
    let whole = ("chamois.console.v1.ListConsolesResponse", &answer);
    output::list(global, whole, &answer.consoles, &CONSOLES)
}

fn conman(consoles: &[Console]) -> String {
    let lines: Vec<&str> = consoles.iter().map(|console| console.conman.as_str()).collect();
    lines.join("\n")
}

/// A row per console.
const CONSOLES: Shape<Console> = Shape {
    message: "chamois.console.v1.Console",
    key: |console| console.node.clone(),
    columns: &[
        column("NODE", |console| console.node.clone()),
        column("BMC", |console| console.address.clone()),
        column("PROTOCOL", |console| console.protocol.clone()),
        wide("PORT", |console| console.port.to_string()),
        wide("ENTRY COMMAND", |console| console.entry_command.clone()),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consoles_are_listed_for_people_and_for_conman() {
        let console = |node: &str| Console {
            node: node.into(),
            protocol: "ssh".into(),
            address: "10.1.0.7".into(),
            conman: format!("console name=\"{node}\""),
            ..Console::default()
        };
        let consoles = [console("x0c0s0b0n0"), console("x0c0s1b0n0")];
        let text = output::plain(&consoles, &CONSOLES);
        assert!(text.contains("x0c0s1b0n0") && text.contains("10.1.0.7"), "{text}");
        assert_eq!(
            conman(&consoles),
            "console name=\"x0c0s0b0n0\"\nconsole name=\"x0c0s1b0n0\""
        );
    }
}
