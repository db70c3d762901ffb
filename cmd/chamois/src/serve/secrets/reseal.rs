//! While this member leads: what is sealed for the key before is sealed anew, entry by entry; then that key is retired. What is
//! left to do stands in the state, so another leader goes on where this one stopped.

use std::time::{Duration, Instant};

use auth::Sealer;
use proto::cluster::v1::cluster_command::{self, Change, ResealSecrets, RetireSealingKey, reseal_secrets};
use proto::cluster::v1::{ClusterCommand, SealedSecret};
use proto::raft::v1::entry::Command;
use proto::raft::v1::membership_change;
use raft::Store;
use rpc::Error;
use state::bounds::SECRETS_RESEALED_MAX;
use state::{State, ciphertext_mark};

use super::peer_service::on_disk;
use super::{InUse, Secrets, keks_of, unopened};

/// Whom the log names for it.
const PRINCIPAL: &str = "member/secrets";
/// How often the state is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often a rotation is looked at that does not go on.
const STUCK_LOOK: Duration = Duration::from_secs(5);
/// How often it is said that it does not.
const WARN_EVERY: Duration = Duration::from_secs(60);
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
    /// What is left does not open here: why.
    Stuck(String),
}

/// How a step went.
#[derive(Debug, PartialEq)]
enum Went {
    /// There is more to do at once.
    On,
    /// There was nothing to do, or not yet.
    Nowhere,
    /// It comes to no end on this member: why.
    Stuck(String),
}

/// Runs for ever. Errors are logged and met again.
pub(super) async fn run(secrets: &Secrets) {
    let mut stuck_since = None;
    loop {
        let went = match secrets.store.leads() {
            true => step(&secrets.store, secrets.keks.sealer()).await,
            false => Went::Nowhere,
        };
        let pause = match &went {
            Went::On => PAUSE,
            Went::Nowhere => LOOK,
            Went::Stuck(_) => STUCK_LOOK,
        };
        match &went {
            Went::Stuck(problem) => tell(secrets, problem, &mut stuck_since).await,
            Went::On | Went::Nowhere => stuck_since = None,
        }
        tokio::time::sleep(pause).await;
    }
}

/// Once a minute: what keeps the rotation from its end. A member that has the keys may lead instead.
async fn tell(secrets: &Secrets, problem: &str, since: &mut Option<Instant>) {
    if since.get_or_insert_with(Instant::now).elapsed() < WARN_EVERY {
        return;
    }
    *since = Some(Instant::now());
    tracing::warn!(
        problem,
        "a rotation of the keys of secrets does not come to its end; `chamois secrets status` names what does not open"
    );
    let in_use = secrets.in_use();
    if !in_use.missing(&secrets.keks.sealer().key_ids()).is_empty() {
        hand_on(secrets, &in_use).await;
    }
}

/// Lets a voter lead that has all keys.
async fn hand_on(secrets: &Secrets, in_use: &InUse) {
    let roster = (secrets.members)();
    for peer in roster.others.iter().filter(|peer| peer.is_voter) {
        let listed = keks_of(peer).await;
        if !listed.is_some_and(|listed| in_use.missing(&listed.kek_ids).is_empty()) {
            continue;
        }
        let to = membership_change::Change::TransferLeader(peer.id);
        match secrets.store.change_membership(to).await {
            Ok(()) => {
                tracing::info!(
                    member = peer.id,
                    "leads instead: it has the keys of secrets that are missing here"
                );
                return;
            }
            Err(error) => tracing::warn!(%error, member = peer.id, "does not lead instead"),
        }
    }
}

async fn step(store: &Store, sealer: &Sealer) -> Went {
    let (state, now_ms, own) = (store.state(), store.cluster_time_ms(), sealer.clone());
    // all secrets are looked at, and opened
    let due = on_disk(move || due(&state, now_ms, &own)).await;
    let change = match due.unwrap_or(Due::Nothing) {
        Due::Nothing => return Went::Nowhere,
        Due::Stuck(problem) => return Went::Stuck(problem),
        Due::Reseal(secrets) => {
            let sealer = sealer.clone();
            match on_disk(move || sealed_anew(&sealer, &secrets)).await {
                Ok(secrets) if !secrets.is_empty() => Change::ResealSecrets(ResealSecrets { secrets }),
                Ok(_) | Err(_) => return Went::Nowhere,
            }
        }
        Due::Retire(id) => Change::RetireSealingKey(RetireSealingKey { id }),
    };
    match propose(store, change).await {
        Ok(()) => Went::On,
        Err(error) => {
            tracing::warn!(%error, "secrets could not be sealed anew");
            Went::Nowhere
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
    let keys = match state.cluster.sealing_keys() {
        Some(keys) if !keys.retiring_id.is_empty() => keys,
        Some(_) | None => return Due::Nothing,
    };
    // this member has not seen yet what it has applied
    if sealer.sealing_id() != keys.active_id {
        return Due::Nothing;
    }
    if !sealer.key_ids().contains(&keys.active_id) {
        return Due::Stuck(format!("key {} is not here", keys.active_id));
    }
    let secrets = batch(state, sealer);
    if !secrets.is_empty() {
        return Due::Reseal(secrets);
    }
    let left = state.to_be_resealed().count();
    if left > 0 {
        let problems: Vec<String> = unopened(state, sealer).map(|one| one.problem).collect();
        return Due::Stuck(format!("{left} secrets are left: {}", problems.join("; ")));
    }
    match now_ms >= keys.since_ms + SETTLED_MS {
        true => Due::Retire(keys.retiring_id.clone()),
        false => Due::Nothing,
    }
}

/// Those of the next entry. What does not open must not keep the others from being sealed.
fn batch(state: &State, sealer: &Sealer) -> Vec<SealedSecret> {
    let mut bytes = 0;
    let is_of_batch = |sealed: &&SealedSecret| {
        bytes += sealed.ciphertext.len();
        bytes <= BATCH_BYTES_MAX
    };
    let opens = state
        .to_be_resealed()
        .filter(|sealed| sealer.open(sealed).is_ok());
    opens
        .take(SECRETS_RESEALED_MAX)
        .take_while(is_of_batch)
        .cloned()
        .collect()
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
        assert_eq!(step(&bed.store, &bed.sealer).await, Went::On);
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
        let stuck = bed.due(SETTLED_MS);
        assert!(
            matches!(&stuck, Due::Stuck(problem) if problem.contains(&bed.new.sealing_id())),
            "{stuck:?}"
        );
    }

    /// The operator has taken the old one away too early: nothing is lost yet, and who looks must be told which secrets wait.
    #[tokio::test]
    async fn a_leader_without_the_old_key_names_what_does_not_open() {
        let bed = Bed::new().await;
        bed.rotate().await;
        bed.sealer.seal_for(&bed.new.sealing_key()).unwrap();
        bed.sealer.keep_only(&[bed.new.sealing_id()]);
        let Went::Stuck(problem) = step(&bed.store, &bed.sealer).await else {
            panic!("{:?}", bed.due(0));
        };
        for part in ["2 secrets are left", "advert-key", "login-key"] {
            assert!(problem.contains(part), "{part}: {problem}");
        }
        let names: Vec<String> = unopened(&bed.store.state(), &bed.sealer)
            .map(|one| one.name)
            .collect();
        assert!(
            names.contains(&"advert-key".to_owned()) && names.len() == 2,
            "{names:?}"
        );
    }

    /// Between rotations nothing is opened to find out that there is nothing to do.
    #[tokio::test]
    async fn after_a_rotation_there_is_nothing_to_do() {
        let bed = Bed::new().await;
        bed.rotate().await;
        bed.sealer.seal_for(&bed.new.sealing_key()).unwrap();
        assert_eq!(step(&bed.store, &bed.sealer).await, Went::On);
        let id = bed.sealer.key_ids()[0].clone();
        bed.propose(Change::RetireSealingKey(RetireSealingKey { id }))
            .await;
        bed.sealer.keep_only(&[]);
        assert_eq!(bed.due(SETTLED_MS), Due::Nothing, "not even the key is asked for");
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
