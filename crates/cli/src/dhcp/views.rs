//! What each member has seen on its networks, one below the other: no member knows what another one sees.

use comfy_table::Table;
use futures::future::join_all;
use proto::dhcp::v1::dhcp_watch_service_client::DhcpWatchServiceClient;
use tonic::{Response, Status};

use crate::args::GlobalArgs;
use crate::connect::{Connection, Target};
use crate::error::CliError;
use crate::output::{self, Format};

type Client = DhcpWatchServiceClient<Connection>;

/// What an endpoint said, or why there is no answer.
pub(super) type View<T> = (String, Result<T, CliError>);

/// Asks every member at once.
///
/// # Errors
/// The first one, where nobody has answered.
pub(super) async fn of_each_member<T, F>(
    global: &GlobalArgs,
    ask: impl Fn(Client) -> F,
) -> Result<Vec<View<T>>, CliError>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let target = Target::from_global(global)?;
    let views = join_all(
        target
            .endpoints
            .iter()
            .map(async |endpoint| (endpoint.clone(), of_member(&target, endpoint, &ask).await)),
    );
    answered(views.await)
}

async fn of_member<T, F>(target: &Target, endpoint: &str, ask: &impl Fn(Client) -> F) -> Result<T, CliError>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let client = Client::new(target.connect_one(endpoint)?);
    Ok(ask(client).await?.into_inner())
}

fn answered<T>(views: Vec<View<T>>) -> Result<Vec<View<T>>, CliError> {
    if views.iter().any(|(_, answer)| answer.is_ok()) {
        return Ok(views);
    }
    let failed = views.into_iter().find_map(|(_, answer)| answer.err());
    failed.map_or_else(|| Ok(Vec::new()), Err)
}

/// The views as a list; `name` is the full proto name of an answer.
pub(super) fn to_json<T: prost::Message>(
    name: &str,
    views: &[View<T>],
) -> Result<serde_json::Value, CliError> {
    let one = |(endpoint, answer): &View<T>| match answer {
        Ok(answer) => {
            let mut shown = output::to_value(name, answer)?;
            shown["endpoint"] = endpoint.as_str().into();
            Ok(shown)
        }
        Err(error) => Ok(serde_json::json!({ "endpoint": endpoint, "error": error.to_string() })),
    };
    views.iter().map(one).collect()
}

/// The views in the form asked for; a name is the endpoint of who has answered.
///
/// # Errors
/// Only when standard output cannot be written.
pub(super) fn show<T: prost::Message>(
    global: &GlobalArgs,
    name: &str,
    views: &[View<T>],
    text: impl FnOnce() -> String,
) -> Result<(), CliError> {
    let whole = to_json(name, views)?;
    match global.output {
        Format::Table | Format::Wide => output::print(text()),
        Format::Json | Format::Yaml => output::print(output::value_document(global.output, &whole)),
        Format::Jsonl => {
            let lines = whole.as_array().into_iter().flatten();
            output::print_lines(&lines.map(serde_json::Value::to_string).collect::<Vec<_>>())
        }
        Format::Name => {
            let answered = views.iter().filter(|(_, answer)| answer.is_ok());
            output::print_lines(&answered.map(|(endpoint, _)| endpoint.clone()).collect::<Vec<_>>())
        }
    }
}

/// The `rows` of each answer, behind the endpoint that gave it; a line for who gave none, and why.
pub(super) fn table<T, const N: usize>(
    header: [&str; N],
    views: &[View<T>],
    rows: impl Fn(&T) -> Vec<Vec<String>>,
) -> Table {
    let mut table = output::table(header);
    for (endpoint, answer) in views {
        let rows = match answer {
            Ok(answer) => rows(answer),
            Err(error) => vec![vec![error.to_string()]],
        };
        for row in rows {
            table.add_row(std::iter::once(endpoint.clone()).chain(row));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use proto::dhcp::v1::{DhcpServer, ListDhcpServersResponse};

    use super::*;
    use crate::error::Kind;

    fn views() -> Vec<View<ListDhcpServersResponse>> {
        let server = |address: &str| DhcpServer {
            address: address.into(),
            offers: 3,
            ..DhcpServer::default()
        };
        let servers = vec![server("10.97.9.9"), server("10.97.0.5")];
        let down = CliError::new(Kind::Unavailable, "it is down");
        vec![
            ("a:7441".into(), Ok(ListDhcpServersResponse { servers })),
            ("b:7441".into(), Err(down)),
        ]
    }

    #[test]
    fn json_has_each_members_view() {
        let shown = to_json("chamois.dhcp.v1.ListDhcpServersResponse", &views()).unwrap();
        assert_eq!(shown[0]["endpoint"], "a:7441");
        assert_eq!(shown[0]["servers"][0]["address"], "10.97.9.9");
        assert_eq!(shown[0]["servers"][0]["offers"], 3);
        assert_eq!(shown[1]["endpoint"], "b:7441");
        assert_eq!(shown[1]["error"], "it is down");
    }

    #[test]
    fn a_table_names_who_has_seen_what_and_who_is_down() {
        let addresses = |answer: &ListDhcpServersResponse| {
            let servers = answer.servers.iter();
            servers.map(|server| vec![server.address.clone()]).collect()
        };
        let shown = table(["SEEN BY", "SERVER"], &views(), addresses).to_string();
        let line = |part: &str| shown.lines().find(|line| line.contains(part)).unwrap().to_owned();
        assert!(line("10.97.9.9").contains("a:7441"), "{shown}");
        assert!(line("10.97.0.5").contains("a:7441"), "{shown}");
        assert!(line("b:7441").contains("it is down"), "{shown}");
    }

    #[test]
    fn that_nobody_answers_is_an_error() {
        let down: Vec<View<ListDhcpServersResponse>> = views().into_iter().skip(1).collect();
        assert!(answered(down).is_err());
        assert_eq!(answered(views()).unwrap().len(), 2);
    }
}
