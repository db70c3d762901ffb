//! The boot parameters of all nodes: set in one request, as BSS takes them, and listed.

use std::time::Instant;

use bench::{Aim, Rounds, Row};
use bytes::Bytes;
use http::Method;
use serde_json::json;

use super::super::servers::Servers;
use crate::demo::{HTTPS_PORT, LegacyClient, xname};
use crate::error::{CliError, Kind};

/// Where boot parameters are.
const PATH: &str = "/boot/v1/bootparameters";
/// Seconds that setting all may take.
const SET_AIM_S: f64 = 0.3;
/// Seconds that listing all may take.
const LIST_AIM_S: f64 = 0.1;

/// Figures of all rounds.
#[derive(Default)]
pub(super) struct Bulk {
    set_s: Rounds,
    set_cpu_ms: Rounds,
    list_s: Rounds,
    list_cpu_ms: Rounds,
}

impl Bulk {
    /// Sets all nodes' parameters to values that they do not have yet, and lists them; a line for people. The list is asked
    /// for once after each change, so it is never one that was kept.
    ///
    /// # Errors
    /// If a request is refused or the list has not every node: its time would mean nothing.
    pub(super) async fn round(
        &mut self,
        servers: &mut Servers,
        nodes: u32,
        round: u32,
    ) -> Result<String, CliError> {
        let leader = servers.cluster.leader().await?;
        let address = servers.cluster.layout().on_member(leader, HTTPS_PORT);
        let mut client = LegacyClient::connect(servers.cluster.target(), address).await?;
        let word = format!("round={round}");
        let body = json!({
            "hosts": (0..nodes).map(xname).collect::<Vec<_>>(),
            "params": format!("console=ttyS0 ip=dhcp {word}"),
            "kernel": "http://images.example/vmlinuz",
            "initrd": "http://images.example/initrd",
        });
        let set = timed(servers, &mut client, Method::PUT, Bytes::from(body.to_string())).await?;
        let list = timed(servers, &mut client, Method::GET, Bytes::new()).await?;
        let listed = String::from_utf8_lossy(&list.body).matches(&word).count();
        if listed != nodes as usize {
            let text = format!("the list has {listed} of {nodes} nodes with the parameters that were set");
            return Err(CliError::new(Kind::Other, text));
        }
        self.set_s.add(set.seconds);
        self.set_cpu_ms.add(set.cpu_ms);
        self.list_s.add(list.seconds);
        self.list_cpu_ms.add(list.cpu_ms);
        Ok(format!(
            "{nodes} nodes: set in {:.3} s, listed in {:.3} s",
            set.seconds, list.seconds
        ))
    }

    pub(super) fn rows(&self, nodes: u32) -> Vec<Row> {
        let less = |name: String, unit, rounds| Row::less(name, unit, rounds, None);
        let rows = [
            less(format!("bulk set of {nodes}"), "s", &self.set_s)
                .map(|row| row.aiming(Aim::AtMost(SET_AIM_S))),
            less(
                format!("CPU of the members, bulk set of {nodes}"),
                "ms",
                &self.set_cpu_ms,
            ),
            less(format!("list of all {nodes}"), "s", &self.list_s)
                .map(|row| row.aiming(Aim::AtMost(LIST_AIM_S))),
            less(
                format!("CPU of the members, list of all {nodes}"),
                "ms",
                &self.list_cpu_ms,
            ),
        ];
        rows.into_iter().flatten().collect()
    }
}

/// A request from its first byte to the last of its answer.
struct Timed {
    seconds: f64,
    /// Of all members, until they are at rest again.
    cpu_ms: f64,
    body: Bytes,
}

async fn timed(
    servers: &Servers,
    client: &mut LegacyClient,
    method: Method,
    body: Bytes,
) -> Result<Timed, CliError> {
    let step = format!("{method} {PATH}");
    let meter = servers.meter()?;
    bench::settle(&[&meter]).await?;
    let (before, from) = (meter.read()?, Instant::now());
    let answer = client.ask(method, PATH, body, None).await?;
    let seconds = from.elapsed().as_secs_f64();
    if !answer.status().is_success() {
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        return Err(CliError::other(
            &step,
            format_args!("{}: {text}", answer.status()),
        ));
    }
    bench::settle(&[&meter]).await?;
    Ok(Timed {
        seconds,
        cpu_ms: meter.read()?.since(before).cpu.as_secs_f64() * 1e3,
        body: answer.into_body(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_judged_and_cpu_is_told() {
        let mut bulk = Bulk::default();
        bulk.set_s.add(0.25);
        bulk.set_cpu_ms.add(400.0);
        bulk.list_s.add(0.25);
        bulk.list_cpu_ms.add(30.0);
        let rows = bulk.rows(10_000);
        let judged: Vec<_> = rows.iter().map(|row| (row.ours, row.unit, row.met)).collect();
        assert_eq!(
            judged,
            [
                (0.25, "s", Some(true)),
                (400.0, "ms", None),
                (0.25, "s", Some(false)),
                (30.0, "ms", None)
            ]
        );
        assert_eq!(rows[0].name, "bulk set of 10000");
        assert_eq!(rows[2].name, "list of all 10000");
    }
}
