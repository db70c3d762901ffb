//! While this member leads: the keys that sign access tokens are made, moved on and ended, logins get theirs, and what has ended is
//! forgotten.

use std::future::Future;
use std::time::Duration;

use auth::Sealer;
use proto::auth::v1::AuthCommand;
use proto::auth::v1::auth_command::{Change, EndSigningKeys, ForgetEnded};
use proto::auth::v1::signing_key::Stage;
use proto::raft::v1::entry::Command;
use raft::Store;
use rpc::Error;
use state::State;
use state::auth::LOGIN_KEY;
use state::bounds::{ACCESS_TOKEN_MS_MAX, KEY_PUBLISHED_MS, LEEWAY_MS};
use state::cluster::FEATURE_LEVEL_AUTH;

use crate::login::new_login_key;
use crate::signing_keys::{Rotation, rotation};

/// Whom the log names for it.
const PRINCIPAL: &str = "member/signing-keys";

/// How often keys are looked at, and how long each of them signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Pause between two looks.
    pub look: Duration,
    /// Pause between two looks for what has ended.
    pub forget: Duration,
    /// A key signs for so long, milliseconds of cluster time.
    pub active_ms: u64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            look: Duration::from_secs(1),
            forget: Duration::from_secs(60),
            active_ms: 30 * 24 * 60 * 60 * 1000,
        }
    }
}

/// What is to be done with the keys of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    /// There is no key, or the one that signs is old and its successor was published in time.
    Rotate,
    /// A key has been retiring for longer than any token lives.
    End,
}

/// Runs until `stop`. Errors are logged and met again at the next look: tokens that were issued stay good meanwhile.
pub async fn rotate_signing_keys(store: Store, sealer: Sealer, pace: Pace, stop: impl Future<Output = ()>) {
    let looking = async {
        let mut since_forgotten = Duration::ZERO;
        loop {
            tokio::time::sleep(pace.look).await;
            if !store.leads() || store.state().feature_level() < FEATURE_LEVEL_AUTH {
                continue;
            }
            since_forgotten += pace.look;
            let forgets = since_forgotten >= pace.forget;
            if forgets {
                since_forgotten = Duration::ZERO;
            }
            if let Err(error) = step(&store, &sealer, pace, forgets).await {
                tracing::warn!(%error, "keys of access tokens could not be looked after");
            }
        }
    };
    tokio::select! {
        () = looking => {}
        () = stop => {}
    }
}

/// One look.
///
/// # Errors
/// As [`Store::propose`]; not that another leader was faster.
async fn step(store: &Store, sealer: &Sealer, pace: Pace, forgets: bool) -> Result<(), Error> {
    let state = store.state();
    let now_ms = store.cluster_time_ms();
    let change = match due(&state, now_ms, pace) {
        Due::Rotate => {
            let rotate = rotation(&state, sealer, Rotation::default())?;
            Some(Change::RotateSigningKey(rotate))
        }
        Due::End => Some(Change::EndSigningKeys(EndSigningKeys {})),
        Due::Nothing if state.cluster.secret(LOGIN_KEY).is_none() => {
            Some(Change::PutAuthSecret(new_login_key(sealer)?))
        }
        Due::Nothing if forgets && has_ended(&state, now_ms) => Some(Change::ForgetEnded(ForgetEnded {})),
        Due::Nothing => None,
    };
    let Some(change) = change else {
        return Ok(());
    };
    let command = Command::Auth(AuthCommand { change: Some(change) });
    match store.propose(PRINCIPAL, command, None).await {
        Ok(_) | Err(Error::Conflict { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn due(state: &State, now_ms: u64, pace: Pace) -> Due {
    let for_ms = |stage: Stage| {
        let mut keys = state.auth.signing_keys().filter(move |key| key.stage() == stage);
        let since_ms = keys.next()?.stage_since_ms;
        Some(now_ms.saturating_sub(since_ms))
    };
    let retiring = state.auth.signing_keys().any(|key| {
        let for_ms = now_ms.saturating_sub(key.stage_since_ms);
        key.stage() == Stage::Retiring && for_ms >= ACCESS_TOKEN_MS_MAX + LEEWAY_MS
    });
    match (for_ms(Stage::Active), for_ms(Stage::Next)) {
        (None, _) => Due::Rotate,
        (Some(active_ms), Some(next_ms)) if active_ms >= pace.active_ms && next_ms >= KEY_PUBLISHED_MS => {
            Due::Rotate
        }
        _ if retiring => Due::End,
        _ => Due::Nothing,
    }
}

/// Whether there is a token, login or revocation that is over: an entry a minute for nothing would fill the log.
fn has_ended(state: &State, now_ms: u64) -> bool {
    let auth = &state.auth;
    let tokens = auth.api_tokens().map(|token| token.expires_at_ms);
    let sessions = auth.sessions().map(|session| session.expires_at_ms);
    let devices = auth.device_approvals().map(|device| device.expires_at_ms);
    let revocations = auth.revocations().map(|revocation| revocation.forget_at_ms);
    let mut ends = tokens.chain(sessions).chain(devices).chain(revocations);
    ends.any(|end| end <= now_ms)
}

#[cfg(test)]
mod tests {
    use proto::auth::v1::DeviceApproval;
    use proto::auth::v1::auth_command::ApproveDevice;

    use super::*;
    use crate::token_testing::Bed;

    const DAYS_30_MS: u64 = 30 * 24 * 60 * 60 * 1000;

    /// A person who says yes and whose device never comes back leaves nothing else behind.
    #[tokio::test]
    async fn a_yes_that_nobody_came_for_is_forgotten() {
        let bed = Bed::new().await;
        let expires_at_ms = bed.store.cluster_time_ms() + 60_000;
        let approval = Some(DeviceApproval {
            user_code: "BCDFGHJK".into(),
            principal: "user/ada".into(),
            expires_at_ms,
            ..DeviceApproval::default()
        });
        let approve = Change::ApproveDevice(ApproveDevice { approval });
        bed.propose(approve).await.unwrap();
        let state = bed.store.state();
        assert!(!has_ended(&state, expires_at_ms - 1) && has_ended(&state, expires_at_ms));
    }

    #[tokio::test]
    async fn a_cluster_without_keys_gets_two_at_once() {
        let bed = Bed::without_keys();
        assert_eq!(due(&bed.store.state(), 0, Pace::default()), Due::Rotate);
        step(&bed.store, &bed.sealer, Pace::default(), false)
            .await
            .unwrap();
        let state = bed.store.state();
        let mut stages: Vec<Stage> = state.auth.signing_keys().map(|key| key.stage()).collect();
        stages.sort_unstable();
        assert_eq!(stages, [Stage::Next, Stage::Active]);
        assert!(state.cluster.secret(LOGIN_KEY).is_none());
        step(&bed.store, &bed.sealer, Pace::default(), false)
            .await
            .unwrap();
        let state = bed.store.state();
        assert!(state.cluster.secret(LOGIN_KEY).is_some(), "logins have theirs");
        let revision = state.applied_index();
        step(&bed.store, &bed.sealer, Pace::default(), true)
            .await
            .unwrap();
        assert_eq!(bed.store.state().applied_index(), revision, "nothing is due");
    }

    /// Everybody has known the next key for an hour before it signs, and keys live for a month.
    #[tokio::test]
    async fn keys_are_moved_on_when_both_have_their_time() {
        let bed = Bed::new().await;
        let state = bed.store.state();
        let now_ms = bed.store.cluster_time_ms();
        let due_in = |ms: u64, pace| due(&state, now_ms + ms, pace);
        assert_eq!(due_in(DAYS_30_MS - 10_000, Pace::default()), Due::Nothing);
        assert_eq!(due_in(DAYS_30_MS, Pace::default()), Due::Rotate);
        let short = Pace {
            active_ms: 1,
            ..Pace::default()
        };
        assert_eq!(due_in(KEY_PUBLISHED_MS - 10_000, short), Due::Nothing);
        assert_eq!(due_in(KEY_PUBLISHED_MS, short), Due::Rotate);
    }

    #[tokio::test]
    async fn a_key_retires_when_no_token_of_it_can_live() {
        let bed = Bed::new().await;
        bed.rotate(true, false).await;
        let state = bed.store.state();
        let now_ms = bed.store.cluster_time_ms();
        let after_ms = ACCESS_TOKEN_MS_MAX + LEEWAY_MS;
        assert_eq!(
            due(&state, now_ms + after_ms - 10_000, Pace::default()),
            Due::Nothing
        );
        assert_eq!(due(&state, now_ms + after_ms, Pace::default()), Due::End);
    }

    #[tokio::test]
    async fn what_has_ended_is_seen() {
        let bed = Bed::new().await;
        bed.api_token("user/ada", &["smd.read"]).await;
        let (state, now_ms) = (bed.store.state(), bed.store.cluster_time_ms());
        assert!(!has_ended(&state, now_ms));
        assert!(has_ended(&state, now_ms + 3_600_000));
    }

    /// The cluster's log stays as it is on members that do not know these entries.
    #[tokio::test]
    async fn an_older_cluster_gets_no_keys() {
        let sealer = Sealer::generate().unwrap();
        let pace = Pace {
            look: Duration::from_millis(1),
            ..Pace::default()
        };
        let older = Store::in_memory_with(State::at_level(FEATURE_LEVEL_AUTH - 1));
        let soon = tokio::time::sleep(Duration::from_millis(200));
        rotate_signing_keys(older.clone(), sealer.clone(), pace, soon).await;
        assert_eq!(older.state().applied_index(), 0);
        let store = Store::in_memory();
        let has_key = async {
            while store.state().auth.active_key().is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let made = rotate_signing_keys(store.clone(), sealer, pace, has_key);
        tokio::time::timeout(Duration::from_secs(30), made).await.unwrap();
    }
}
