//! Every member: seals for the key that the log names, fetches keys that it lacks, forgets those that are retired.

use std::time::Duration;

use proto::cluster::v1::FetchKekRequest;

use super::peer_service::on_disk;
use super::{InUse, PEER_ANSWERS_AT_MOST, Secrets, bounded, client};

/// How often the applied state is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Looks between two attempts at a key that is missing: a second.
const LOOKS_PER_ATTEMPT: u32 = 5;
/// Looks between two warnings: a minute.
const LOOKS_PER_WARNING: u32 = 300;

/// Runs for ever.
pub(super) async fn run(secrets: &Secrets) {
    let mut looks = 0_u32;
    let mut named = String::new();
    loop {
        seal_as_named(secrets, &mut named);
        if !named.is_empty() && looks.is_multiple_of(LOOKS_PER_ATTEMPT) {
            fetch_missing(secrets, looks.is_multiple_of(LOOKS_PER_WARNING)).await;
            forget_retired(secrets).await;
        }
        looks = looks.wrapping_add(1);
        tokio::time::sleep(LOOK).await;
    }
}

/// What is sealed after the log has named a key is sealed for it.
fn seal_as_named(secrets: &Secrets, named: &mut String) {
    let state = secrets.store.state();
    let Some(keys) = state.cluster.sealing_keys() else {
        return;
    };
    if *named == keys.active_id {
        return;
    }
    match secrets.keks.sealer().seal_for(&keys.public_key) {
        Ok(()) => {
            tracing::info!(
                key = keys.active_id,
                "secrets are sealed for this key from now on"
            );
            named.clone_from(&keys.active_id);
        }
        Err(error) => tracing::error!(%error, "the key that the log names cannot be used"),
    }
}

/// A member that was away during a rotation: until it has the keys, what is sealed for them does not open here, and whoever asks
/// is sent to another member.
async fn fetch_missing(secrets: &Secrets, warns: bool) {
    let missing = secrets.in_use().missing(&secrets.keks.sealer().key_ids());
    for id in missing {
        match fetch(secrets, &id).await {
            Ok(from) => tracing::info!(key = id, member = from, "a key of secrets was fetched"),
            Err(problem) if warns => tracing::warn!(
                key = id,
                problem,
                "a key of secrets is missing; what is sealed for it does not open on this member"
            ),
            Err(_) => {}
        }
    }
}

/// Which member has given the key; 0: the operator has, meanwhile.
async fn fetch(secrets: &Secrets, id: &str) -> Result<u64, String> {
    let mut problem = "no other member has it".to_owned();
    let (keks, wanted) = (secrets.keks.clone(), id.to_owned());
    let here = on_disk(move || keks.require(&wanted)).await;
    if let Ok(Ok(())) = here {
        return Ok(0);
    }
    for peer in (secrets.members)().others {
        let request = bounded(FetchKekRequest { id: id.to_owned() });
        let mut client = client(&peer);
        let answer = tokio::time::timeout(PEER_ANSWERS_AT_MOST, client.fetch_kek(request)).await;
        let Ok(Ok(answer)) = answer else { continue };
        let (keks, kek) = (secrets.keks.clone(), answer.into_inner().kek);
        match on_disk(move || keks.keep(&kek)).await {
            Ok(Ok(())) => return Ok(peer.id),
            Ok(Err(error)) => problem = error.to_string(),
            Err(status) => problem = status.message().to_owned(),
        }
    }
    Err(problem)
}

/// Only if the state is surely no older than now: one that is behind may name a key that seals no more.
async fn forget_retired(secrets: &Secrets) {
    let known = secrets.keks.sealer().key_ids();
    let is_file = secrets.keks.is_file();
    if !may_forget(&secrets.in_use(), &known, is_file) || secrets.store.linearize().await.is_err() {
        return;
    }
    let in_use = secrets.in_use();
    if !may_forget(&in_use, &known, is_file) {
        return;
    }
    let keks = secrets.keks.clone();
    match on_disk(move || keks.forget(&in_use.active_id, &in_use.retired_ids)).await {
        Ok(Ok(gone)) => {
            for key in gone {
                tracing::info!(key, "a retired key of secrets is forgotten");
            }
        }
        Ok(Err(error)) => tracing::warn!(%error, "a retired key of secrets stays on disk"),
        Err(error) => tracing::warn!(%error, "a retired key of secrets stays on disk"),
    }
}

/// Whether there is a key to forget: a retired one, or in the member's own file one that a rotation that failed has left.
fn may_forget(in_use: &InUse, known: &[String], is_file: bool) -> bool {
    let is_retired = |id: &String| in_use.retired_ids.contains(id);
    in_use.retiring_id.is_empty() && known.len() > 1 && (is_file || known.iter().any(is_retired))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_forgotten_while_secrets_are_being_sealed_anew() {
        let known = ["a".to_owned(), "b".to_owned()];
        let mut in_use = InUse {
            active_id: "b".into(),
            retiring_id: "a".into(),
            since_ms: 1,
            ..InUse::default()
        };
        assert!(!may_forget(&in_use, &known, true));
        in_use.retiring_id.clear();
        assert!(may_forget(&in_use, &known, true));
        assert!(!may_forget(&in_use, &known[1..], true));
        // what the operator gives besides is his
        assert!(!may_forget(&in_use, &known, false));
        in_use.retired_ids.push("a".into());
        assert!(may_forget(&in_use, &known, false));
    }
}
