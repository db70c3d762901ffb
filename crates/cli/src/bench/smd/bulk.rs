//! All components in one request: posted, and given another state.

use std::time::Instant;

use bench::{Aim, Cost, Rounds, Row};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;

use super::super::servers::Servers;
use super::inventory::Inventory;
use super::seconds;
use crate::demo::{HTTPS_PORT, LegacyClient};
use crate::error::{CliError, Kind};

/// Where components are.
const COMPONENTS: &str = "/hsm/v2/State/Components";
/// Seconds that posting all may take.
const POST_AIM_S: f64 = 0.3;
/// Seconds that patching all may take.
const PATCH_AIM_S: f64 = 0.2;

/// Figures of all rounds.
#[derive(Default)]
pub(super) struct Bulk {
    post: Figures,
    patch: Figures,
}

#[derive(Default)]
struct Figures {
    seconds: Rounds,
    cpu_ms: Rounds,
}

impl Bulk {
    /// Empties the inventory if it is not, posts all components and patches all; a line for people.
    ///
    /// # Errors
    /// If a request is refused or changes less than all: its time would mean nothing.
    pub(super) async fn round(
        &mut self,
        servers: &mut Servers,
        inventory: &Inventory,
    ) -> Result<String, CliError> {
        let leader = servers.cluster.leader().await?;
        let address = servers.cluster.layout().on_member(leader, HTTPS_PORT);
        let mut client = LegacyClient::connect(servers.cluster.target(), address).await?;
        let emptied = client.ask(Method::DELETE, COMPONENTS, Bytes::new(), None).await?;
        if !matches!(emptied.status(), StatusCode::OK | StatusCode::NOT_FOUND) {
            return Err(refused(
                "DELETE of all components",
                emptied.status(),
                emptied.body(),
            ));
        }
        let post = (Method::POST, COMPONENTS.to_owned(), inventory.components());
        let posted = timed(servers, &mut client, post, None).await?;
        self.post.add(&posted);
        // On is what they were posted as.
        let patch = (
            Method::PATCH,
            format!("{COMPONENTS}/BulkStateData"),
            inventory.all_to("Off"),
        );
        let patched = timed(servers, &mut client, patch, Some(inventory.nodes.len())).await?;
        self.patch.add(&patched);
        Ok(format!(
            "{} components: posted in {:.3} s, patched in {:.3} s",
            inventory.nodes.len(),
            posted.0,
            patched.0
        ))
    }

    pub(super) fn rows(&self, nodes: u32) -> Vec<Row> {
        let of = |what: &str, figures: &Figures, aim| {
            let time = Row::less(format!("bulk {what} of {nodes}"), "s", &figures.seconds, None);
            let cpu = format!("CPU of the members, bulk {what} of {nodes}");
            let cpu = Row::less(cpu, "ms", &figures.cpu_ms, None);
            [time.map(|row| row.aiming(Aim::AtMost(aim))), cpu]
        };
        let rows = [
            of("post", &self.post, POST_AIM_S),
            of("patch", &self.patch, PATCH_AIM_S),
        ];
        rows.into_iter().flatten().flatten().collect()
    }
}

impl Figures {
    fn add(&mut self, (seconds, cost): &(f64, Cost)) {
        self.seconds.add(*seconds);
        self.cpu_ms.add(cost.cpu.as_secs_f64() * 1e3);
    }
}

/// One request from its first byte to its answer, and what the members have used when they are at rest again. `applied`:
/// how many components must have changed.
async fn timed(
    servers: &Servers,
    client: &mut LegacyClient,
    (method, path, body): (Method, String, Value),
    applied: Option<usize>,
) -> Result<(f64, Cost), CliError> {
    let body = Bytes::from(body.to_string());
    let step = format!("{method} {path}");
    let meter = servers.meter()?;
    bench::settle(&[&meter]).await?;
    let (before, from) = (meter.read()?, Instant::now());
    let answer = client.ask(method, &path, body, None).await?;
    let took = seconds(from.elapsed());
    if answer.status() != StatusCode::NO_CONTENT {
        return Err(refused(&step, answer.status(), answer.body()));
    }
    if let Some(expected) = applied {
        let told = answer.headers().get("chamois-applied");
        let told = told.and_then(|value| value.to_str().ok()?.parse().ok());
        if told != Some(expected) {
            let text = format!("{step}: {told:?} components were changed instead of {expected}");
            return Err(CliError::new(Kind::Other, text));
        }
    }
    bench::settle(&[&meter]).await?;
    Ok((took, meter.read()?.since(before)))
}

fn refused(step: &str, status: StatusCode, body: &[u8]) -> CliError {
    CliError::other(step, format_args!("{status}: {}", String::from_utf8_lossy(body)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_judged_and_cpu_is_told() {
        let mut bulk = Bulk::default();
        let cost = Cost {
            cpu: Duration::from_millis(450),
            disk_bytes: 0,
        };
        bulk.post.add(&(0.25, cost));
        bulk.patch.add(&(0.25, cost));
        let rows = bulk.rows(10_000);
        let judged: Vec<_> = rows.iter().map(|row| (row.ours, row.unit, row.met)).collect();
        assert_eq!(
            judged,
            [
                (0.25, "s", Some(true)),
                (450.0, "ms", None),
                (0.25, "s", Some(false)),
                (450.0, "ms", None)
            ]
        );
        assert_eq!(rows[2].name, "bulk patch of 10000");
    }
}
