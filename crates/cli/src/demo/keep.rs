//! `--keep`: the cluster stays, and whoever started the demo learns how to talk to it.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddrV4;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::cluster::Cluster;
use super::identities;
use super::layout::{GRPC_PORT, HTTP_PORT, HTTPS_PORT, Layout, PEER_PORT};
use super::member_config::CLUSTER;
use super::progress::Progress;
use crate::error::CliError;

const OWNER_ONLY: u32 = 0o600;
/// How often the kept members are looked after.
const LOOK: Duration = Duration::from_millis(500);

/// `endpoints.json`: a contract with tools outside the repository; lists are in member
/// order.
#[derive(Debug, Serialize)]
struct Endpoints {
    https: Vec<String>,
    http: Vec<String>,
    grpc: Vec<String>,
    raft: Vec<String>,
    pids: Vec<u32>,
    ca: PathBuf,
    token: String,
    members: Vec<Member>,
}

#[derive(Debug, Serialize)]
struct Member {
    id: u64,
    pid: u32,
    data_dir: PathBuf,
}

/// Writes `endpoints.json` and `ochami.yaml`, and prints what to export.
pub(crate) fn announce(cluster: &Cluster, progress: &Progress) -> Result<(), CliError> {
    let layout = cluster.layout();
    let ca = identities::ca(layout);
    let token = cluster.target().token().unwrap_or_default();
    let endpoints = describe(layout, &cluster.processes(), ca, token);
    let text =
        serde_json::to_string_pretty(&endpoints).map_err(|e| CliError::other("cannot write JSON", e))?;
    write(layout, "ochami.yaml", &ochami_config(&endpoints))?;
    write(layout, "exports.sh", &exports(layout, &endpoints))?;
    // last, and in one step: who waits for it finds everything else there
    write(layout, "endpoints.json.new", &text)?;
    std::fs::rename(
        layout.dir().join("endpoints.json.new"),
        layout.dir().join("endpoints.json"),
    )
    .map_err(|e| CliError::other("cannot write endpoints.json", e))?;
    progress.note(exports(layout, &endpoints));
    progress.note("The cluster runs until SIGTERM or Ctrl-C.");
    Ok(())
}

/// Ends only when a member ended that nobody asked to.
pub(crate) async fn watch(cluster: &mut Cluster) -> CliError {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(error) = cluster.check_running() {
            return error;
        }
    }
}

fn describe(layout: &Layout, processes: &[(u64, u32)], ca: PathBuf, token: &str) -> Endpoints {
    let all = |port: u16, text: fn(SocketAddrV4) -> String| -> Vec<String> {
        processes
            .iter()
            .map(|(id, _)| text(layout.on_member(*id, port)))
            .collect()
    };
    Endpoints {
        https: all(HTTPS_PORT, |address| format!("https://{address}")),
        http: all(HTTP_PORT, |address| format!("http://{address}")),
        grpc: all(GRPC_PORT, |address| address.to_string()),
        raft: all(PEER_PORT, |address| address.to_string()),
        pids: processes.iter().map(|(_, pid)| *pid).collect(),
        ca,
        token: token.to_owned(),
        members: processes
            .iter()
            .map(|(id, pid)| Member {
                id: *id,
                pid: *pid,
                data_dir: layout.member_dir(*id).join("data"),
            })
            .collect(),
    }
}

/// Shell lines for chamois, curl and ochami. ochami takes its token from `<CLUSTER>_ACCESS_TOKEN`.
fn exports(layout: &Layout, endpoints: &Endpoints) -> String {
    let upper = CLUSTER.to_uppercase();
    let first = endpoints.https.first().map(String::as_str).unwrap_or_default();
    format!(
        "export CHAMOIS_ENDPOINTS={grpc}\n\
         export CHAMOIS_CA={ca}\n\
         export CHAMOIS_TOKEN={token}\n\
         export CURL_CA_BUNDLE=$CHAMOIS_CA\n\
         export {upper}_ACCESS_TOKEN=$CHAMOIS_TOKEN\n\
         # chamois cluster status\n\
         # curl -H \"Authorization: Bearer $CHAMOIS_TOKEN\" {first}/hsm/v2/State/Components\n\
         # ochami --config {ochami} --cacert $CHAMOIS_CA smd component get",
        grpc = endpoints.grpc.join(","),
        ca = endpoints.ca.display(),
        token = endpoints.token,
        ochami = layout.dir().join("ochami.yaml").display(),
    )
}

fn ochami_config(endpoints: &Endpoints) -> String {
    let uri = endpoints.https.first().map(String::as_str).unwrap_or_default();
    format!(
        "default-cluster: {CLUSTER}\nclusters:\n  - name: {CLUSTER}\n    cluster:\n      uri: {uri}\n      enable-auth: true\n"
    )
}

/// Writes a file that only the owner may read: two of the three hold the token.
fn write(layout: &Layout, name: &str, text: &str) -> Result<(), CliError> {
    let path = layout.dir().join(name);
    let opened = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(OWNER_ONLY)
        .open(&path);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|e| CliError::other(&format!("cannot write {}", path.display()), e))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn endpoints() -> (Layout, Endpoints) {
        let layout = Layout::new(lab::claim_loopback_net().unwrap(), Path::new("/tmp/demo"));
        let endpoints = describe(&layout, &[(1, 11), (2, 22)], "/tmp/demo/ca.pem".into(), "a.b.c");
        (layout, endpoints)
    }

    /// Tools outside the repository read these keys in these forms.
    #[test]
    fn endpoints_json_has_the_contracts_keys_and_forms() {
        let (layout, endpoints) = endpoints();
        let (one, two) = (layout.member(1), layout.member(2));
        let expected = serde_json::json!({
            "https": [format!("https://{one}:8443"), format!("https://{two}:8443")],
            "http": [format!("http://{one}:8081"), format!("http://{two}:8081")],
            "grpc": [format!("{one}:7441"), format!("{two}:7441")],
            "raft": [format!("{one}:7440"), format!("{two}:7440")],
            "pids": [11, 22],
            "ca": "/tmp/demo/ca.pem",
            "token": "a.b.c",
            "members": [
                { "id": 1, "pid": 11, "data_dir": "/tmp/demo/member-1/data" },
                { "id": 2, "pid": 22, "data_dir": "/tmp/demo/member-2/data" },
            ],
        });
        assert_eq!(serde_json::to_value(endpoints).unwrap(), expected);
    }

    #[test]
    fn exports_make_all_three_clients_talk_to_it() {
        let (layout, endpoints) = endpoints();
        let text = exports(&layout, &endpoints);
        let grpc = format!(
            "CHAMOIS_ENDPOINTS={0}:7441,{1}:7441",
            layout.member(1),
            layout.member(2)
        );
        for needed in [
            grpc.as_str(),
            "CHAMOIS_TOKEN=a.b.c",
            "CURL_CA_BUNDLE",
            "DEMO_ACCESS_TOKEN",
        ] {
            assert!(text.contains(needed), "{needed}\n{text}");
        }
        let uri = format!("uri: https://{}:8443", layout.member(1));
        assert!(ochami_config(&endpoints).contains(&uri));
    }
}
