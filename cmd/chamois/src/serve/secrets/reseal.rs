//! While this member leads: what is sealed for the key before is sealed anew, entry by entry; then that key is retired. What is
//! left to do stands in the state, so another leader goes on where this one stopped.

use std::time::Duration;

use auth::Sealer;
use proto::cluster::v1::cluster_command::{self, Change, ResealSecrets, RetireSealingKey, reseal_secrets};
use proto::cluster::v1::{ClusterCommand, SealedSecret};
use proto::raft::v1::entry::Command;
use raft::Store;
use rpc::Error;
use state::bounds::SECRETS_RESEALED_MAX;
use state::{State, ciphertext_mark};

use super::Secrets;
use super::peer_service::on_disk;

/// Whom the log names for it.
const PRINCIPAL: &str = "member/secrets";
/// How often the state is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Between two entries: clients' writes go before.
const PAUSE: Duration = Duration::from_millis(20);
/// Bytes of the secrets of one entry, together.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Members that lag behind may seal for the key before; after so long, milliseconds of cluster time, they are refused.
const SETTLED_MS: u64 = 5_000;

/// What is to be done on a state.
#[derive(Debug, PartialEq)]
enum Due {
    Nothing,
    /// These are to be sealed anew.
    Reseal(Vec<SealedSecret>),
    /// Nothing is sealed for this key.
    Retire(String),
}

/// Runs for ever. Errors are logged and met again.
pub(super) async fn run(secrets: &Secrets) {
    loop {
        let goes_on = secrets.store.leads() && step(&secrets.store, secrets.keks.sealer()).await;
        tokio::time::sleep(if goes_on { PAUSE } else { LOOK }).await;
    }
}

/// Whether there is more to do at once.
async fn step(store: &Store, sealer: &Sealer) -> bool {
    let change = match due(&store.state(), store.cluster_time_ms(), sealer) {
        Due::Nothing => return false,
        Due::Reseal(secrets) => {
            let sealer = sealer.clone();
            match on_disk(move || sealed_anew(&sealer, &secrets)).await {
                Ok(secrets) if !secrets.is_empty() => Change::ResealSecrets(ResealSecrets { secrets }),
                Ok(_) | Err(_) => return false,
            }
        }
        Due::Retire(id) => Change::RetireSealingKey(RetireSealingKey { id }),
    };
    match propose(store, change).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "secrets could not be sealed anew");
            false
        }
    }
}

async fn propose(store: &Store, change: cluster_command::Change) -> Result<(), Error> {
    let command = Command::Cluster(ClusterCommand { change: Some(change) });
    match store.propose(PRINCIPAL, command, None).await {
        Ok(_) | Err(Error::Conflict { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn due(state: &State, now_ms: u64, sealer: &Sealer) -> Due {
    let Some(keys) = state.cluster.sealing_keys() else {
        return Due::Nothing;
    };
    // this member has not seen yet what it has applied, or lacks a key: it is the leader's to have all, soon
    let known = sealer.key_ids();
    if sealer.sealing_id() != keys.active_id || !known.contains(&keys.active_id) {
        return Due::Nothing;
    }
    let mut bytes = 0;
    let is_of_batch = |sealed: &&SealedSecret| {
        bytes += sealed.ciphertext.len();
        bytes <= BATCH_BYTES_MAX
    };
    // what does not open must not keep the others from being sealed
    let opens = state
        .to_be_resealed()
        .filter(|sealed| sealer.open(sealed).is_ok());
    let secrets: Vec<SealedSecret> = opens
        .take(SECRETS_RESEALED_MAX)
        .take_while(is_of_batch)
        .cloned()
        .collect();
    if !secrets.is_empty() {
        return Due::Reseal(secrets);
    }
    let is_over = state.to_be_resealed().next().is_none() && now_ms >= keys.since_ms + SETTLED_MS;
    match is_over && !keys.retiring_id.is_empty() {
        true => Due::Retire(keys.retiring_id.clone()),
        false => Due::Nothing,
    }
}

/// Each gets another encapsulated key, and so another data key.
fn sealed_anew(sealer: &Sealer, secrets: &[SealedSecret]) -> Vec<reseal_secrets::Resealed> {
    let anew = |sealed: &SealedSecret| {
        let opened = sealer.open(sealed);
        let again = opened.and_then(|secret| sealer.seal(&sealed.name, sealed.version, secret.bytes()));
        match again {
            Ok(again) => Some(reseal_secrets::Resealed {
                was: ciphertext_mark(sealed).to_vec(),
                sealed: Some(again),
            }),
            Err(error) => {
                tracing::error!(%error, "a secret stays sealed for the key before");
                None
            }
        }
    };
    secrets.iter().filter_map(anew).collect()
}

#[cfg(test)]
mod tests {
    use proto::auth::v1::AuthCommand;
    use proto::auth::v1::auth_command::{self, PutAuthSecret};
    use proto::cluster::v1::cluster_command::{Bootstrap, RotateSealingKey};

    use super::*;

    struct Bed {
        store: Store,
        sealer: Sealer,
        new: Sealer,
    }

    impl Bed {
        /// Two secrets, and a key that was handed over.
        async fn new() -> Bed {
            rpc::tls::install_crypto_provider();
            let bed = Bed {
                store: Store::in_memory(),
                sealer: Sealer::generate().unwrap(),
                new: Sealer::generate().unwrap(),
            };
            let advert_key = bed.sealer.seal("advert-key", 1, &[7; 32]).unwrap();
            bed.propose(Change::Bootstrap(Bootstrap {
                cluster_name: "prod".into(),
                advert_key: Some(advert_key),
                feature_level: state::cluster::FEATURE_LEVEL_KNOWN,
                ..Bootstrap::default()
            }))
            .await;
            bed.put_login_key().await.unwrap();
            let new = bed.new.to_pem().unwrap();
            bed.sealer.add_pem(new.as_bytes()).unwrap();
            bed
        }

        async fn put_login_key(&self) -> Result<(), Error> {
            let secret = self.sealer.seal("login-key", 1, &[8; 32]).unwrap();
            let put = PutAuthSecret { secret: Some(secret) };
            let change = Some(auth_command::Change::PutAuthSecret(put));
            let command = Command::Auth(AuthCommand { change });
            self.store.propose("test", command, None).await.map(|_| ())
        }

        async fn propose(&self, change: Change) {
            let command = Command::Cluster(ClusterCommand { change: Some(change) });
            self.store.propose("test", command, None).await.unwrap();
        }

        async fn rotate(&self) {
            self.propose(Change::RotateSealingKey(RotateSealingKey {
                public_key: self.new.sealing_key(),
                if_active: self.sealer.key_ids()[0].clone(),
            }))
            .await;
        }

        fn due(&self, after_ms: u64) -> Due {
            let now_ms = self.store.cluster_time_ms() + after_ms;
            due(&self.store.state(), now_ms, &self.sealer)
        }

        fn opens_all(&self, with: &Sealer) -> bool {
            self.store
                .state()
                .sealed()
                .all(|sealed| with.open(sealed).is_ok())
        }
    }

    /// Readable before, at each step, and after.
    #[tokio::test]
    async fn everything_is_sealed_anew_and_then_the_old_key_is_retired() {
        let bed = Bed::new().await;
        let old = bed.sealer.sealing_id();
        assert_eq!(bed.due(SETTLED_MS), Due::Nothing);
        bed.rotate().await;
        assert_eq!(bed.due(0), Due::Nothing, "this member has not looked yet");
        bed.sealer.seal_for(&bed.new.sealing_key()).unwrap();
        assert!(matches!(bed.due(0), Due::Reseal(secrets) if secrets.len() == 2));
        assert!(bed.opens_all(&bed.sealer) && !bed.opens_all(&bed.new));
        assert!(step(&bed.store, &bed.sealer).await);
        assert!(bed.opens_all(&bed.sealer) && bed.opens_all(&bed.new));
        assert_eq!(bed.due(0), Due::Nothing, "others may be behind");
        assert_eq!(bed.due(SETTLED_MS), Due::Retire(old.clone()));
        propose(&bed.store, Change::RetireSealingKey(RetireSealingKey { id: old }))
            .await
            .unwrap();
        assert_eq!(bed.due(SETTLED_MS), Due::Nothing);
        let state = bed.store.state();
        assert!(state.cluster.sealing_keys().unwrap().retiring_id.is_empty());
    }

    /// A leader that lacks the new key, after a rotation that it slept through, must not retire the old one.
    #[tokio::test]
    async fn a_leader_without_the_key_does_nothing() {
        let bed = Bed::new().await;
        bed.rotate().await;
        let old = bed.sealer.key_ids()[0].clone();
        bed.sealer.seal_for(&bed.new.sealing_key()).unwrap();
        bed.sealer.keep_only(&[old]);
        assert_eq!(bed.due(SETTLED_MS), Due::Nothing);
    }

    /// A damaged secret is lost anyhow; it must not cost the others.
    #[tokio::test]
    async fn what_does_not_open_keeps_the_old_key_and_not_the_others() {
        let bed = Bed::new().await;
        bed.rotate().await;
        bed.sealer.seal_for(&bed.new.sealing_key()).unwrap();
        let Due::Reseal(mut secrets) = bed.due(0) else {
            panic!("{:?}", bed.due(0))
        };
        secrets[0].ciphertext[40] ^= 1;
        assert_eq!(sealed_anew(&bed.sealer, &secrets).len(), 1);
    }
}
