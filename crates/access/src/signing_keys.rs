//! The keys that sign access tokens: what is published of them, and the entry that moves them on.

use auth::{JwkSet, PublicJwk, Sealer, SigningPair};
use proto::auth::v1::SigningKey;
use proto::auth::v1::SigningKeyInfo;
use proto::auth::v1::auth_command::RotateSigningKey;
use proto::auth::v1::signing_key::Stage;
use rpc::Error;
use state::State;

use crate::issued::internal;

/// Version of every sealed key: a key is made once.
const VERSION: u32 = 1;

/// How keys are moved on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// Though the next key has been published for less than an hour.
    pub(crate) urgent: bool,
    /// What the key that signs now has signed is refused from now on.
    pub(crate) distrust_active: bool,
}

/// The entry that moves the keys of a state on: to a new next key, or to the first two.
///
/// # Errors
/// If no key can be made or sealed.
pub(crate) fn rotation(state: &State, sealer: &Sealer, how: Rotation) -> Result<RotateSigningKey, Error> {
    let active = state.auth.active_key();
    let first = match active {
        Some(_) => None,
        None => Some(new_key(sealer, Stage::Active)?),
    };
    Ok(RotateSigningKey {
        next: Some(new_key(sealer, Stage::Next)?),
        first,
        if_active: active.map(|key| key.id.clone()).unwrap_or_default(),
        urgent: how.urgent,
        distrust_active: how.distrust_active,
    })
}

fn new_key(sealer: &Sealer, stage: Stage) -> Result<SigningKey, Error> {
    let pair = SigningPair::generate().map_err(|error| internal(&error))?;
    let name = format!("signing-key/{}", pair.id());
    let sealed = sealer.seal(&name, VERSION, pair.pkcs8_der());
    let sealed = sealed.map_err(|error| Error::Internal(error.to_string()))?;
    Ok(SigningKey {
        id: pair.id().to_owned(),
        stage: stage.into(),
        public_key: pair.public_key(),
        private_key: Some(sealed),
        ..SigningKey::default()
    })
}

/// The keys that check tokens: those that will sign, sign or have just signed, so that everybody knows a key before it is used.
pub(crate) fn published(state: &State) -> JwkSet {
    let keys = state
        .auth
        .signing_keys()
        .filter(|key| !matches!(key.stage(), Stage::Retired | Stage::Unspecified));
    keys.filter_map(|key| PublicJwk::of(&key.public_key).ok())
        .collect()
}

/// Every key, without its private half.
pub(crate) fn listed(state: &State) -> Vec<SigningKeyInfo> {
    let info = |key: &std::sync::Arc<SigningKey>| SigningKeyInfo {
        id: key.id.clone(),
        stage: key.stage,
        stage_since_ms: key.stage_since_ms,
    };
    state.auth.signing_keys().map(info).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_testing::Bed;

    #[tokio::test]
    async fn the_first_rotation_makes_two_keys_and_each_later_one_one() {
        let bed = Bed::without_keys();
        assert!(published(&bed.store.state()).keys.is_empty());
        let first = rotation(&bed.store.state(), &bed.sealer, Rotation::default()).unwrap();
        assert!(first.first.is_some() && first.if_active.is_empty());
        bed.rotate(false, false).await;
        let state = bed.store.state();
        let later = rotation(&state, &bed.sealer, Rotation::default()).unwrap();
        assert_eq!(
            (later.first, later.if_active),
            (None, state.auth.active_key().unwrap().id.clone())
        );
    }

    /// The private half is sealed under its own name, so that none can be put in the place of another.
    #[tokio::test]
    async fn a_key_opens_under_its_own_name_only() {
        let bed = Bed::new().await;
        let state = bed.store.state();
        let mut sealed = state.auth.active_key().unwrap().private_key.clone().unwrap();
        let opened = bed.sealer.open(&sealed).unwrap();
        let pair = SigningPair::from_pkcs8(opened.bytes()).unwrap();
        assert_eq!(pair.id(), state.auth.active_key().unwrap().id);
        sealed.name = "signing-key/other".into();
        bed.sealer.open(&sealed).unwrap_err();
    }

    #[tokio::test]
    async fn retired_keys_are_listed_and_not_published() {
        let bed = Bed::new().await;
        bed.rotate(true, false).await;
        assert_eq!(
            published(&bed.store.state()).keys.len(),
            3,
            "next, active, retiring"
        );
        bed.rotate(true, true).await;
        let state = bed.store.state();
        assert_eq!((published(&state).keys.len(), listed(&state).len()), (3, 4));
        let retired = listed(&state)
            .into_iter()
            .filter(|key| key.stage() == Stage::Retired);
        assert_eq!(retired.count(), 1);
    }
}
