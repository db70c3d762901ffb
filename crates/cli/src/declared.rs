//! `chamois apply`, `diff`, `edit` and `get`: objects as files declare them.
//!
//! ```text
//! -f ── files.rs ── document.rs (strict) ─┐
//! cluster.rs ── present.rs (by kind) ─────┴─ plan.rs (pure) ── trial.rs (validate_only) ── sent.rs ── record.rs, identity.rs
//!                                             kinds.rs: the table; written.rs: a step as requests; normal.rs, words.rs: one form;
//!                                             misfit.rs: the value that a message does not take
//! ```

pub(crate) mod apply;
mod asked;
mod cluster;
pub(crate) mod diff;
mod document;
pub(crate) mod edit;
#[cfg(test)]
mod fake;
mod files;
pub(crate) mod get;
mod identity;
mod kinds;
mod misfit;
mod normal;
mod plan;
mod present;
mod record;
mod sent;
mod text;
mod told;
mod trial;
mod words;
mod written;

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use openapi::Catalogue;

#[cfg(test)]
pub(crate) use cluster::Answer;
pub(crate) use cluster::{Cluster, How, Live};
use document::Document;
use identity::Identity;
use kinds::{KINDS, Kind};
use plan::{Known, Plan};
use record::Record;

use crate::error::CliError;

/// Full name of the message that a kind is, if there is one of this name: what `chamois explain KIND` shows.
pub(crate) fn message_of(kind: &str) -> Option<&'static str> {
    kinds::find(kind).ok().map(|kind| kind.message)
}

/// What can be declared, by name, with the full name of the message that each is.
pub(crate) fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS.iter().map(|kind| (kind.name, kind.message))
}

/// What the cluster has of these kinds, all read at once.
async fn known(
    cluster: &impl Cluster,
    catalogue: &Catalogue,
    kinds: impl IntoIterator<Item = &'static Kind>,
) -> Result<Known, CliError> {
    let names: BTreeSet<&str> = kinds.into_iter().map(|kind| kind.name).collect();
    let kinds = KINDS.iter().filter(|kind| names.contains(kind.name));
    let read = kinds.map(|kind| async move {
        let objects = present::read(cluster, catalogue, kind).await?;
        Ok::<_, CliError>((kind.name, objects))
    });
    stream::iter(read)
        .buffer_unordered(KINDS.len())
        .try_collect()
        .await
}

/// The difference between documents and cluster; with a record and which cluster it is also what is to go.
async fn planned(
    cluster: &impl Cluster,
    catalogue: &Catalogue,
    documents: &[Document],
    prune: Option<(&Record, &Identity)>,
) -> Result<Plan, CliError> {
    let of_record = prune.map(|(record, of)| record.kinds(of)).unwrap_or_default();
    let kinds = documents.iter().map(|document| document.kind).chain(of_record);
    let known = known(cluster, catalogue, kinds).await?;
    let mut plan = plan::compare(documents, &known)?;
    if let Some((record, of)) = prune {
        plan.delete(record.gone(of, documents, &known));
    }
    Ok(plan)
}
