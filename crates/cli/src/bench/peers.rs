//! etcd beside our cluster: on the same addresses and the same disk, with certificates of the same kind.

use std::path::PathBuf;

use bench::etcd;

use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use crate::connect::Target;
use crate::demo::Layout;
use crate::error::CliError;
use crate::init;

/// Starts it; `None`, with a note for people, where it is not on this host.
pub(crate) async fn start(ours: &Servers, progress: &Progress) -> Result<Option<etcd::Cluster>, CliError> {
    match start_etcd(ours).await {
        Ok(cluster) => Ok(Some(cluster)),
        Err(missing @ bench::BenchError::Missing { .. }) => {
            progress.note(format_args!("without a peer: {missing}"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// etcd with certificates of the same kind as ours, on the same addresses and other ports.
async fn start_etcd(ours: &Servers) -> Result<etcd::Cluster, bench::BenchError> {
    let layout = ours.cluster.layout();
    let unusable = |error: CliError| bench::BenchError::Connect(error.to_string());
    let identities = identities(layout).map_err(unusable)?;
    let member = |id: u64| {
        let folder = identities.join(format!("member-{id}"));
        etcd::Member {
            address: layout.member(id),
            certificate: folder.join("member.pem"),
            key: folder.join("member.key"),
        }
    };
    let ca = identities.join("ca.pem");
    let trusted = Target::new(Vec::new(), &ca, String::new()).map_err(unusable)?;
    etcd::Cluster::start(
        (1..=MEMBERS).map(member).collect(),
        &ca,
        trusted.ca().to_vec(),
        layout.dir(),
    )
    .await
}

/// Certificates that etcd's peers accept of each other: they dial from 127.0.0.1.
fn identities(layout: &Layout) -> Result<PathBuf, CliError> {
    let member = |id: u64| {
        let address = layout.member(id);
        format!(
            "[[member]]\nid = {id}\naddress = \"{address}:2380\"\napi-address = \"{address}:2379\"\nnames = [\"127.0.0.1\"]\n"
        )
    };
    let file = layout.dir().join("etcd.toml");
    let text = (1..=MEMBERS).map(member).collect::<String>();
    std::fs::write(&file, format!("cluster = \"etcd\"\n{text}"))
        .map_err(|e| CliError::other("cannot write the list of etcd's members", e))?;
    let out = layout.dir().join("etcd-identities");
    init::make(&file, &out)?;
    Ok(out)
}
