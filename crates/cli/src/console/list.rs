//! `chamois console list`.

use clap::Args;
use proto::console::v1::console_service_client::ConsoleServiceClient;
use proto::console::v1::{Console, ListConsolesRequest};

use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::nodes;
use crate::output::{self, Format};

/// `chamois console list`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois console list
  chamois console list 'x1000c0s*' --conman >> /etc/conman.conf

conmand runs these lines itself: it needs CHAMOIS_ENDPOINTS, CHAMOIS_CA and CHAMOIS_TOKEN_FILE in its environment.")]
pub struct ListArgs {
    /// Nodesets; none: all
    #[arg(value_name = "NODESET", value_parser = crate::nodes::text)]
    pub nodes: Vec<String>,
    /// Lines for conman.conf, each of which runs `chamois console`
    #[arg(long)]
    pub conman: bool,
}

pub(super) async fn run(global: &GlobalArgs, args: ListArgs) -> Result<(), CliError> {
    let client = ConsoleServiceClient::new(connect::to_any(global)?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let request = ListConsolesRequest {
        node: nodes::targets(global, &args.nodes).await?,
    };
    let answer = client.list_consoles(request).await?.into_inner();
    match (global.output, args.conman) {
        (_, true) => output::print(conman(&answer.consoles)),
        (Format::Json, false) => output::print_json("chamois.console.v1.ListConsolesResponse", &answer),
        (Format::Table, false) => output::print(render(&answer.consoles)),
    }
}

fn conman(consoles: &[Console]) -> String {
    let lines: Vec<&str> = consoles.iter().map(|console| console.conman.as_str()).collect();
    lines.join("\n")
}

fn render(consoles: &[Console]) -> comfy_table::Table {
    let mut table = output::table(["NODE", "BMC", "PROTOCOL"]);
    for console in consoles {
        table.add_row([&console.node, &console.address, &console.protocol]);
    }
    table
}

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
        let text = render(&consoles).to_string();
        assert!(text.contains("x0c0s1b0n0") && text.contains("10.1.0.7"), "{text}");
        assert_eq!(
            conman(&consoles),
            "console name=\"x0c0s0b0n0\"\nconsole name=\"x0c0s1b0n0\""
        );
    }
}
