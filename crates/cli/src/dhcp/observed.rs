//! `chamois dhcp observed`: each member's own view, one below the other.

use comfy_table::Table;
use proto::dhcp::v1::observed_answer::Difference;
use proto::dhcp::v1::{ListObservedAnswersRequest, ListObservedAnswersResponse, ObservedAnswer};

use super::views::{self, View};
use crate::args::GlobalArgs;
use crate::error::CliError;
use crate::utc;

/// The full name of the answer, for JSON.
const ANSWER: &str = "chamois.dhcp.v1.ListObservedAnswersResponse";

pub(super) async fn list(global: &GlobalArgs) -> Result<(), CliError> {
    let views = views::of_each_member(global, |mut client| async move {
        client.list_observed_answers(ListObservedAnswersRequest {}).await
    });
    let views = views.await?;
    views::show(global, ANSWER, &views, || {
        format!("{}\n{}", render(&views), counts(&views))
    })
}

/// A row for each difference.
fn render(views: &[View<ListObservedAnswersResponse>]) -> Table {
    let header = [
        "SEEN BY",
        "NETWORK",
        "MAC",
        "SERVER",
        "WHAT",
        "OURS",
        "THEIRS",
        "TIMES",
        "LAST SEEN",
    ];
    views::table(header, views, |answer| {
        let clients = answer.answers.iter();
        let rows = clients.flat_map(|client| client.differences.iter().map(move |found| row(client, found)));
        rows.collect()
    })
}

fn row(client: &ObservedAnswer, difference: &Difference) -> Vec<String> {
    vec![
        client.network.clone(),
        client.mac.clone(),
        client.server.clone(),
        difference.field.clone(),
        difference.ours.clone(),
        difference.theirs.clone(),
        client.times.to_string(),
        utc::timestamp(client.seen_at_ms),
    ]
}

/// An empty table alone would not tell whether anything was compared.
fn counts(views: &[View<ListObservedAnswersResponse>]) -> String {
    let mut lines = Vec::new();
    for (endpoint, answer) in views {
        let networks = answer.as_ref().map(|answer| answer.networks.as_slice());
        for network in networks.unwrap_or_default() {
            lines.push(format!(
                "{endpoint}, network {}: {} answers the same, {} different",
                network.network, network.same, network.different
            ));
        }
    }
    if lines.is_empty() {
        return "no network of these members has `dhcp-mode = \"observe\"`".to_owned();
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use proto::dhcp::v1::ObservedNetwork;

    use super::*;

    fn views() -> Vec<View<ListObservedAnswersResponse>> {
        let answer = ObservedAnswer {
            network: "boot".into(),
            mac: "02:00:00:00:00:a1".into(),
            server: "10.97.9.9".into(),
            seen_at_ms: 1_764_054_000_000,
            times: 4,
            differences: vec![Difference {
                field: "router".into(),
                ours: "10.97.0.254".into(),
                theirs: "10.97.0.1".into(),
            }],
        };
        let network = ObservedNetwork {
            network: "boot".into(),
            same: 41,
            different: 4,
        };
        let seen = ListObservedAnswersResponse {
            answers: vec![answer],
            networks: vec![network],
        };
        vec![("a:7441".into(), Ok(seen))]
    }

    #[test]
    fn a_difference_is_shown_with_both_sides() {
        let shown = render(&views()).to_string();
        for part in ["02:00:00:00:00:a1", "router", "10.97.0.254", "10.97.0.1", " 4 "] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let counts = counts(&views());
        assert_eq!(counts, "a:7441, network boot: 41 answers the same, 4 different");
    }

    #[test]
    fn it_is_said_when_nobody_observes() {
        let none = vec![("a:7441".to_owned(), Ok(ListObservedAnswersResponse::default()))];
        assert!(counts(&none).contains("dhcp-mode"));
    }
}
