//! Which cluster is asked: what was made in one must not be looked for in another.

use std::collections::BTreeSet;

use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use tonic::Code;

use super::cluster::{Cluster, How};
use crate::error::CliError;

/// What tells a cluster from others, as far as the caller may know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// Its id, which decides where it is known; only who may read the cluster's status is told it.
    pub(super) id: Option<String>,
    /// SHA-256 of each CA that its members are known by: everybody has them. There are several while one takes the other's place.
    pub(super) ca: BTreeSet<String>,
    /// The endpoints, sorted: what older versions knew a cluster by whose id they were not told.
    pub(super) endpoints: String,
}

impl Identity {
    /// Of the cluster that has these CAs and is asked at these endpoints.
    ///
    /// # Errors
    /// What the cluster says; not that its id is not for the caller.
    pub(super) async fn of(
        cluster: &impl Cluster,
        ca: &[CertificateDer<'static>],
        endpoints: &[String],
    ) -> Result<Self, CliError> {
        let method = "chamois.cluster.v1.ClusterService.GetStatus";
        let status = match cluster.call(method, json!({}), How::Made).await {
            Ok(answer) => answer.json,
            Err(status) if status.code() == Code::PermissionDenied => Value::Null,
            Err(status) => return Err(status.into()),
        };
        let id = status.get("clusterId").and_then(Value::as_str);
        let endpoints: BTreeSet<&str> = endpoints.iter().map(String::as_str).collect();
        Ok(Self {
            id: id.filter(|id| !id.is_empty()).map(str::to_owned),
            ca: ca.iter().map(auth::fingerprint).collect(),
            endpoints: endpoints.into_iter().collect::<Vec<_>>().join(","),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;

    /// Whoever may not read the id knows the cluster all the same, by whichever endpoints.
    #[tokio::test]
    async fn a_cluster_is_known_by_its_id_and_to_everybody_by_its_ca() {
        let ca = [b"old".to_vec(), b"new".to_vec()].map(CertificateDer::from);
        let endpoints = ["b:7441".to_owned(), "a:7441".to_owned()];
        let cluster = Fake::default();
        let known = Identity::of(&cluster, &ca, &endpoints).await.unwrap();
        assert_eq!((known.id, known.ca.len()), (None, 2));
        assert!(known.ca.contains(&auth::fingerprint(&ca[0])));
        assert_eq!(known.endpoints, "a:7441,b:7441");
        *cluster.id.borrow_mut() = Some("0badcafe".into());
        let told = Identity::of(&cluster, &ca, &endpoints[..1]).await.unwrap();
        assert_eq!((told.id.as_deref(), told.ca), (Some("0badcafe"), known.ca));
    }
}
