use proto::cluster::v1::ClusterCommand;
use proto::cluster::v1::cluster_command::{self, Bootstrap};
use rpc::tls::{SpiffeId, TrustedClients};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier as _;

use super::*;

const HOUR_MS: u64 = 3_600_000;

/// A cluster whose CA's key lies offline, as `init --static` leaves it.
struct Bed {
    store: Store,
    sealer: Sealer,
    ca: Ca,
}

impl Bed {
    fn new() -> Bed {
        rpc::tls::install_crypto_provider();
        Bed {
            store: Store::in_memory(),
            sealer: Sealer::generate().unwrap(),
            ca: Ca::generate("demo", SystemTime::now()).unwrap(),
        }
    }

    async fn step(&self) {
        step(&self.store, &self.sealer, self.ca.certificate_pem())
            .await
            .unwrap();
    }

    async fn propose(&self, change: Change) -> Result<raft::Committed, Error> {
        let command = Command::Auth(AuthCommand { change: Some(change) });
        self.store.propose("token/test", command, None).await
    }

    /// A CA that signs from now on.
    async fn rotate(&self) -> String {
        let now_ms = self.store.cluster_time_ms();
        let add = addition(&self.store.state(), &self.sealer, "", now_ms).unwrap();
        let id = add.authority.as_ref().unwrap().id.clone();
        self.propose(Change::AddAuthority(add)).await.unwrap();
        let activate = ActivateAuthority {
            id: id.clone(),
            urgent: true,
        };
        self.propose(Change::ActivateAuthority(activate)).await.unwrap();
        id
    }

    /// A store in memory has no name, and a certificate needs one.
    async fn be_called(&self, name: &str) {
        let bootstrap = Bootstrap {
            cluster_name: name.to_owned(),
            ..Bootstrap::default()
        };
        let change = Some(cluster_command::Change::Bootstrap(bootstrap));
        let command = Command::Cluster(ClusterCommand { change });
        self.store.propose("member/1", command, None).await.unwrap();
    }

    /// A user's certificate by the CA that signs now.
    fn signed(&self, user: &str) -> CertificateDer<'static> {
        let state = self.store.state();
        let ca = signing_authority(&state, &self.sealer).unwrap();
        let (_, public_key) = auth::pki::new_member_key().unwrap();
        let name = SpiffeId::user(state.cluster_name(), user);
        let hour = Duration::from_secs(3600);
        let pem = ca.certify(&name, Vec::new(), &public_key, hour, SystemTime::now());
        auth::certificates(&pem.unwrap()).unwrap().remove(0)
    }

    fn trusted(&self) -> TrustedClients {
        let all = trusted_authorities(&self.store.state()).concat();
        TrustedClients::new("demo", &auth::certificates(&all).unwrap()).unwrap()
    }

    fn stages(&self) -> Vec<(String, Stage)> {
        let state = self.store.state();
        let stages = state
            .auth
            .authorities()
            .map(|authority| (authority.id.clone(), authority.stage()));
        stages.collect()
    }
}

/// The CA that was before there were rows stays trusted: whoever has its certificate is let in after the upgrade as before.
#[tokio::test]
async fn the_first_ca_is_recorded_before_any_other() {
    let bed = Bed::new();
    let early = addition(&bed.store.state(), &bed.sealer, "", 0).unwrap_err();
    assert!(matches!(early, Error::NotReady { .. }), "{early:?}");
    bed.step().await;
    let id = authority_id(bed.ca.certificate_pem()).unwrap();
    assert_eq!(
        bed.stages(),
        [(id, Stage::Next)],
        "its key is offline: it signs nothing"
    );
    let refused = signing_authority(&bed.store.state(), &bed.sealer).unwrap_err();
    assert!(refused.to_string().contains("rotate-ca"), "{refused}");
    bed.step().await;
    assert_eq!(bed.stages().len(), 1, "nothing more is due");
}

/// A CA whose key the first entry had signs by itself, and what it signs is of the same anchor.
#[tokio::test]
async fn the_key_of_the_first_entry_is_sealed_anew_and_signs() {
    let bed = Bed::new();
    let key = bed.ca.key_pem();
    let authority = row(bed.ca.certificate_pem(), Some(&key), &bed.sealer).unwrap();
    let sealed = authority.private_key.clone().unwrap();
    assert_eq!(sealed.name, format!("ca-key/{}", authority.id));
    let add = AddAuthority {
        authority: Some(authority),
    };
    bed.propose(Change::AddAuthority(add)).await.unwrap();
    bed.step().await;
    assert_eq!(bed.stages()[0].1, Stage::Active);
    let signs = signing_authority(&bed.store.state(), &bed.sealer).unwrap();
    assert_eq!(signs.certificate_pem().trim(), bed.ca.certificate_pem().trim());
    let another = Sealer::generate().unwrap();
    signing_authority(&bed.store.state(), &another).unwrap_err();
}

#[tokio::test]
async fn a_new_ca_signs_and_the_old_one_is_trusted_for_a_day_and_an_hour() {
    let bed = Bed::new();
    bed.step().await;
    let (first, second) = (bed.rotate().await, bed.rotate().await);
    let stage = |id: &str| {
        let mut stages = bed.stages().into_iter();
        stages.find(|(known, _)| known == id).map(|(_, stage)| stage)
    };
    assert_eq!(
        (stage(&first), stage(&second)),
        (Some(Stage::Retiring), Some(Stage::Active))
    );
    let trusted = trusted_authorities(&bed.store.state());
    assert_eq!(trusted.len(), 3, "with the one that the cluster began with");
    assert_eq!(
        authority_id(&trusted[0]).unwrap(),
        second,
        "the one that signs first"
    );
    let (state, now_ms) = (bed.store.state(), bed.store.cluster_time_ms());
    let due_in = |ms| due(&state, &bed.sealer, bed.ca.certificate_pem(), now_ms + ms).unwrap();
    assert!(due_in(24 * HOUR_MS).is_none());
    assert_eq!(
        due_in(25 * HOUR_MS + 1000),
        Some(Change::RemoveAuthority(RemoveAuthority { id: first }))
    );
}

/// What either CA signs is let in by whoever trusts the rows, as long as there is its row, and by nobody who trusts another CA only.
#[tokio::test]
async fn what_the_new_ca_signs_is_let_in_while_both_are_trusted() {
    let bed = Bed::new();
    bed.be_called("demo").await;
    bed.step().await;
    let first = bed.rotate().await;
    let of_first = bed.signed("ada");
    bed.rotate().await;
    let of_second = bed.signed("ada");
    let trusted = bed.trusted();
    assert!(is_let_in(&trusted, &of_first) && is_let_in(&trusted, &of_second));
    let stranger = Ca::generate("demo", SystemTime::now()).unwrap();
    let other = auth::certificates(stranger.certificate_pem()).unwrap();
    let other = TrustedClients::new("demo", &other).unwrap();
    assert!(!is_let_in(&other, &of_first) && !is_let_in(&other, &of_second));
    let remove = Change::RemoveAuthority(RemoveAuthority { id: first });
    bed.propose(remove).await.unwrap();
    let trusted = bed.trusted();
    assert!(!is_let_in(&trusted, &of_first) && is_let_in(&trusted, &of_second));
}

fn is_let_in(trusted: &TrustedClients, certificate: &CertificateDer<'_>) -> bool {
    trusted
        .verify_client_cert(certificate, &[], UnixTime::now())
        .is_ok()
}

#[tokio::test]
async fn a_sites_own_ca_is_trusted_and_signs_nothing_here() {
    let bed = Bed::new();
    bed.step().await;
    let site = Ca::generate("site", SystemTime::now()).unwrap();
    let add = addition(&bed.store.state(), &bed.sealer, site.certificate_pem(), 0).unwrap();
    let id = add.authority.as_ref().unwrap().id.clone();
    bed.propose(Change::AddAuthority(add)).await.unwrap();
    let activate = ActivateAuthority { id, urgent: true };
    let refused = bed
        .propose(Change::ActivateAuthority(activate))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("private key"), "{refused}");
}

/// Vault CVE-2024-2048: a certificate that somebody has must not be taken for a CA.
#[tokio::test]
async fn what_is_no_ca_is_not_added() {
    let bed = Bed::new();
    bed.step().await;
    let user = bed.ca.issue_user("ada", SystemTime::now()).unwrap();
    for wrong in [user.certificate_pem.as_str(), "no certificate"] {
        let refused = addition(&bed.store.state(), &bed.sealer, wrong, 0).unwrap_err();
        assert!(refused.to_string().starts_with("certificate_pem: "), "{refused}");
    }
}
