//! `chamois snapshot inspect` and `restore`: on files, without a cluster.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use auth::{InitError, KitError, RecoveryKit, Sealer, init_first};
use cli::{Format, GlobalArgs, InspectArgs, RestoreArgs, first_member};
use proto::cluster::v1::SealedSecret;
use raft::Sources;
use raft::another_cluster::{self, Inspected, OnlyMember};

use crate::member_node::member_node;
use crate::random;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file cannot be read, or is damaged.
    #[error("{file}")]
    File {
        /// Which one.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// There is no kit.
    #[error(
        "the secrets in this file are sealed: name the recovery kit that `chamois init` wrote for cluster `{cluster}` with \
         --recovery-kit; without it the restored cluster could neither open them nor sign a certificate or token"
    )]
    NoKit {
        /// The cluster of the file.
        cluster: String,
    },
    /// The kit cannot be used.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// The kit is another cluster's.
    #[error("{0}")]
    AnotherKit(String),
    /// Something is missing on the command line.
    #[error("{0}")]
    Usage(&'static str),
    /// The identity could not be made.
    #[error("the new member's folder could not be made")]
    Identity(#[from] InitError),
    /// The data could not be made.
    #[error("the new member's data could not be made")]
    Data(#[source] io::Error),
}

/// Reads every byte of a file and says what is in it.
///
/// # Errors
/// `File` for one that is damaged.
pub fn inspect(global: &GlobalArgs, args: &InspectArgs) -> Result<(), SnapshotError> {
    let found = read(&args.file)?;
    match global.output {
        Format::Json | Format::Jsonl => println!("{}", to_json(&found)),
        // what is JSON is YAML, too
        Format::Yaml => println!("---\n{}", to_json(&found)),
        Format::Table | Format::Wide | Format::Name => print!("{}", describe(&found)),
    }
    Ok(())
}

fn read(file: &Path) -> Result<Inspected, SnapshotError> {
    another_cluster::inspect(file).map_err(|source| SnapshotError::File {
        file: file.display().to_string(),
        source,
    })
}

/// Rows by kind.
fn counts(found: &Inspected) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for row in found.state.rows() {
        if let Ok(key) = state::RowKey::of(&row) {
            *counts.entry(format!("{:?}", key.kind())).or_default() += 1;
        }
    }
    counts
}

fn describe(found: &Inspected) -> String {
    let state = &found.state;
    let mut text = format!(
        "cluster `{}` ({}), revision {}, term {}, feature level {}\ndigest {}\n",
        state.cluster_name(),
        state.cluster_id(),
        found.index,
        found.term,
        state.feature_level(),
        state.digest()
    );
    if let Some(keys) = state.cluster.sealing_keys() {
        text += &format!("secrets open with key {}", keys.active_id);
        if !keys.retiring_id.is_empty() {
            text += &format!(" and key {}", keys.retiring_id);
        }
        text += "\n";
    }
    for (id, node) in &found.members {
        text += &format!("member {id} at {}\n", node.peer_address);
    }
    for (kind, rows) in counts(found) {
        text += &format!("{rows:>10} {kind}\n");
    }
    text
}

fn to_json(found: &Inspected) -> String {
    let quoted = |text: &str| format!("{text:?}");
    let rows: Vec<String> = counts(found)
        .iter()
        .map(|(kind, rows)| format!("{kind:?}:{rows}"))
        .collect();
    let members: Vec<String> = found.members.keys().map(u64::to_string).collect();
    format!(
        "{{\"cluster\":{},\"cluster_id\":{},\"revision\":{},\"term\":{},\"feature_level\":{},\"digest\":{},\"members\":[{}],\
         \"rows\":{{{}}}}}",
        quoted(found.state.cluster_name()),
        quoted(found.state.cluster_id()),
        found.index,
        found.term,
        found.state.feature_level(),
        quoted(&found.state.digest()),
        members.join(","),
        rows.join(",")
    )
}

/// Makes the first member of a new cluster from a file.
///
/// # Errors
/// See [`SnapshotError`]; nothing is left behind.
pub fn restore(args: &RestoreArgs) -> Result<(), SnapshotError> {
    let found = read(&args.file)?;
    let cluster = found.state.cluster_name().to_owned();
    let Some(path) = &args.recovery_kit else {
        return Err(SnapshotError::NoKit { cluster });
    };
    let address = args.host.address.ok_or(SnapshotError::Usage(
        "name this host's own address with --address",
    ))?;
    let kit = read_kit(path, &found)?;
    let id = next_id(&found);
    cli::make_files_dir(&args.host.data_dir)
        .map_err(|error| SnapshotError::Data(io::Error::other(error.to_string())))?;
    let member = first_member(&cluster, id, address, &args.host);
    let report = init_first(&member, Some(&kit), &args.host.dir, SystemTime::now())?;
    let identity = auth::MemberIdentity::load(&report.identity)
        .map_err(|error| SnapshotError::Data(io::Error::other(error.to_string())))?;
    let only = OnlyMember {
        id,
        node: identity.member(id).cloned().map(member_node).unwrap_or_default(),
        data_dir: args.host.data_dir.clone(),
    };
    let written = run(another_cluster::restore(found, &only, &sources()));
    if let Err(error) = written {
        let _ = std::fs::remove_dir_all(&args.host.dir); // made above; the error that matters is at hand
        return Err(SnapshotError::Data(error));
    }
    println!(
        "cluster `{cluster}` is restored as member {id} under a new cluster id. Start it:\n  chamois serve --config \
         {}/chamois.toml\nthen `chamois member add` for the others. The administrator's token: {}",
        args.host.dir.display(),
        report.token.display()
    );
    Ok(())
}

/// The kit must open what the file holds.
fn read_kit(path: &Path, found: &Inspected) -> Result<RecoveryKit, SnapshotError> {
    let text = std::fs::read_to_string(path).map_err(|source| SnapshotError::File {
        file: path.display().to_string(),
        source,
    })?;
    let kit = RecoveryKit::parse(&text)?;
    let keys = kit.keys()?;
    let another = |what: &str| {
        let text = format!(
            "{} is not the kit of the cluster in this file: {what}",
            path.display()
        );
        SnapshotError::AnotherKit(text)
    };
    if kit.cluster != found.state.cluster_name() {
        return Err(another(&format!(
            "it is of `{}`, the file of `{}`",
            kit.cluster,
            found.state.cluster_name()
        )));
    }
    let mut sealed = found.state.sealed();
    match sealed.find(|sealed| keys.sealer.open(sealed).is_err()) {
        Some(sealed) => Err(another(&closed(sealed, &keys.sealer))),
        None => Ok(kit),
    }
}

/// Which kit would open it, if the file says so.
fn closed(sealed: &SealedSecret, kit: &Sealer) -> String {
    let name = &sealed.name;
    match Sealer::sealed_for(sealed) {
        Some(key) => format!(
            "the secret {name} does not open with it: it needs the kit with key {key}, this one has {}",
            kit.key_ids().join(", ")
        ),
        None => format!(
            "the secret {name} does not open with it; a file from before a rotation needs the kit of its time"
        ),
    }
}

/// One that was never used.
fn next_id(found: &Inspected) -> u64 {
    let last = found.members.keys().max().copied().unwrap_or(0);
    found.state.cluster.next_member_id().max(last + 1)
}

/// Clock and randomness of this host.
pub(crate) fn sources() -> Sources {
    Sources::system(Arc::new(random::fill))
}

pub(crate) fn run<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(work)
}
