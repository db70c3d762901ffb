//! What the ports of the API present and whom they trust, kept right while they serve: a member signs its own certificate with the
//! cluster's CA, again at half its life and when another CA signs, and takes a site's own files as they change. No connection is
//! dropped for it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use auth::Sealer;
use raft::Store;
use rpc::client::endpoint_host;
use rpc::tls::{
    Certificates, Material, NamedCertificate, ServerCertificate, TlsError, TrustedClients, host_names,
    validity,
};
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;

use super::ServeError;
use super::config::{ApiConfig, Config};
use super::drain::Stop;
use super::identity::Identity;
use super::site_files::{self, Pair, SiteFiles};

/// How often is looked whether something has changed.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// The ports' side; cheap to clone, and all clones change together.
#[derive(Clone, Debug)]
pub(super) struct ApiTls {
    /// Of the cluster's CA: members and machines that join know that.
    grpc: ServerCertificate,
    /// The same, or a site's own: for clients that ask for no name, or for one that no other certificate has.
    https: ServerCertificate,
    /// For clients of the HTTPS port that ask for one of its names; the first that has it counts.
    named: Named,
    clients: TrustedClients,
    /// A site's own files as they were when the ports were bound.
    loaded: Arc<SiteFiles>,
    /// `api.allow-tls12`.
    allows_tls12: bool,
}

/// Certificates that are presented to who asks for their names, on the HTTPS port.
#[derive(Clone, Debug, Default)]
struct Named {
    /// A site's own.
    site: NamedCertificate,
    /// What `[api.acme]` has ordered.
    ordered: NamedCertificate,
    /// The member's own, for its names that a site's own does not have.
    own: NamedCertificate,
}

impl Named {
    fn beside(&self, usual: &ServerCertificate) -> Certificates {
        let all = [&self.site, &self.ordered, &self.own];
        Certificates::new(all.into_iter().cloned().collect(), usual.clone())
    }
}

impl ApiTls {
    /// What a member presents until its store is open: the certificate of its identity, and a site's own.
    ///
    /// # Errors
    /// `Setup` for files that cannot be used.
    pub(super) fn new(config: &Config, material: &Material) -> Result<Self, ServeError> {
        let site = SiteFiles::load(&config.api).map_err(ServeError::setup("a site's own certificates"))?;
        let tls = Self::of(&config.cluster, material, site).map_err(ServeError::setup("TLS of the API"))?;
        Ok(Self {
            allows_tls12: config.api.allow_tls12,
            ..tls
        })
    }

    fn of(cluster: &str, material: &Material, site: SiteFiles) -> Result<Self, TlsError> {
        let chain = with(material.chain.clone(), &material.ca);
        let own = |chain| ServerCertificate::new(chain, material.key.clone_key());
        let named = Named::default();
        named.own.replace(chain.clone(), material.key.clone_key())?;
        let https = match &site.https {
            Some((chain, key)) => {
                named.site.replace(chain.clone(), key.clone_key())?;
                ServerCertificate::new(chain.clone(), key.clone_key())?
            }
            None => own(chain.clone())?,
        };
        let clients = TrustedClients::new(cluster, &material.ca)?;
        clients.replace_beside(&material.ca, &site.client_ca)?;
        Ok(Self {
            grpc: own(chain)?,
            https,
            named,
            clients,
            loaded: Arc::new(site),
            allows_tls12: false,
        })
    }

    /// What the gRPC port presents, by the time that somebody looks.
    pub(super) fn presented(&self) -> ServerCertificate {
        self.grpc.clone()
    }

    /// Where the HTTPS port takes what `[api.acme]` has ordered.
    pub(super) fn ordered(&self) -> NamedCertificate {
        self.named.ordered.clone()
    }

    /// TLS of the gRPC port.
    ///
    /// # Errors
    /// If the provider lacks a protocol version.
    pub(super) fn grpc_config(&self) -> Result<ServerConfig, TlsError> {
        self.showing(&self.grpc.clone().into())
    }

    /// TLS of the HTTPS port.
    ///
    /// # Errors
    /// If the provider lacks a protocol version.
    pub(super) fn https_config(&self) -> Result<ServerConfig, TlsError> {
        self.showing(&self.named.beside(&self.https))
    }

    fn showing(&self, shown: &Certificates) -> Result<ServerConfig, TlsError> {
        match self.allows_tls12 {
            true => rpc::tls::api_server_config_allowing_tls12(shown, &self.clients),
            false => rpc::tls::api_server_config(shown, &self.clients),
        }
    }
}

fn with(
    mut first: Vec<CertificateDer<'static>>,
    more: &[CertificateDer<'static>],
) -> Vec<CertificateDer<'static>> {
    first.extend(more.iter().cloned());
    first
}

/// The certificate that this member has signed for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signed {
    /// The CA that has, by its id.
    by: String,
    names: Vec<String>,
    /// Good from here to there; again at half of it, or when the clock is outside of it.
    good: (SystemTime, SystemTime),
}

impl Signed {
    fn is_due(&self, by: &str, names: &[String], now: SystemTime) -> bool {
        let (from, to) = self.good;
        let life = to.duration_since(from).unwrap_or_default();
        let is_young = now >= from && now < from + life / 2;
        self.by != by || self.names != names || !is_young
    }
}

/// Keeps an [`ApiTls`] right.
pub(super) struct Keeper {
    tls: ApiTls,
    api: ApiConfig,
    member: u64,
    material: Material,
    public_key: Vec<u8>,
    /// Names of the identity's certificate, and where this member is configured to answer.
    names: Vec<String>,
    store: Store,
    sealer: Sealer,
    signed: Option<Signed>,
    /// The cluster's CAs and the site's that the ports trust.
    trusted: (Vec<CertificateDer<'static>>, Vec<CertificateDer<'static>>),
    https: Option<Pair>,
    client_ca: Vec<CertificateDer<'static>>,
    /// What was said last, so that it is said once.
    said: String,
}

impl Keeper {
    pub(super) fn new(tls: ApiTls, config: &Config, identity: &Identity, store: &Store) -> Self {
        let first = identity.material.chain.first();
        let mut names = first.map(host_names).unwrap_or_default();
        let listens = [config.api.grpc_listen.ip(), config.api.https_listen.ip()];
        let listens = listens.into_iter().filter(|ip| !ip.is_unspecified());
        names.extend(listens.map(|ip| ip.to_string()));
        names.extend(config.api_addresses().map(|(_, address)| address.to_string()));
        names.extend(config.api.names.iter().cloned());
        // what has changed since the ports were bound is seen at the first look
        let https = tls.loaded.https.as_ref();
        let https = https.map(|(chain, key)| (chain.clone(), key.clone_key()));
        let client_ca = tls.loaded.client_ca.clone();
        Self {
            tls,
            api: config.api.clone(),
            member: config.member.id,
            material: identity.material.clone(),
            public_key: identity.pins.key(config.member.id).unwrap_or_default(),
            names,
            store: store.clone(),
            sealer: identity.sealer.clone(),
            signed: None,
            trusted: Default::default(),
            https,
            client_ca,
            said: String::new(),
        }
    }

    /// Looks again and again until `stop`.
    pub(super) async fn run(mut self, stop: Stop) {
        let looking = async {
            loop {
                self.look().await;
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        };
        tokio::select! {
            () = looking => {}
            () = stop.reached() => {}
        }
    }

    /// What cannot be done now is done at a later look; until then everything stays as it was. The first one is to be waited for before the
    /// ports serve: the CA of the identity may have been removed.
    pub(super) async fn look(&mut self) {
        let looked = match self.look_at_site().await {
            Ok(()) => self.look_at_state(SystemTime::now()),
            Err(problem) => self.look_at_state(SystemTime::now()).and(Err(problem)),
        };
        let problem = looked.err().unwrap_or_default();
        if !problem.is_empty() && problem != self.said {
            tracing::warn!(problem, "certificates of the API stay as they were");
        }
        self.said = problem;
    }

    /// Each by itself: a pair that does not fit must not keep a CA trusted that is to be so no more.
    async fn look_at_site(&mut self) -> Result<(), String> {
        let api = self.api.clone();
        let loading =
            tokio::task::spawn_blocking(move || (site_files::https(&api), site_files::client_ca(&api)));
        let (https, client_ca) = loading.await.map_err(|error| error.to_string())?;
        let client_ca = client_ca
            .map(|client_ca| self.client_ca = client_ca)
            .map_err(|problem| problem.to_string());
        let https = https.map_err(|problem| problem.to_string());
        https.and_then(|https| self.take_https(https)).and(client_ca)
    }

    fn take_https(&mut self, loaded: Option<Pair>) -> Result<(), String> {
        if loaded == self.https {
            return Ok(());
        }
        if let Some((chain, key)) = &loaded {
            let replaced = self.tls.https.replace(chain.clone(), key.clone_key());
            let named = self.tls.named.site.replace(chain.clone(), key.clone_key());
            replaced.and(named).map_err(|error| error.to_string())?;
            tracing::info!("the HTTPS port presents what is in `api.https-certificate`");
        }
        self.https = loaded;
        Ok(())
    }

    fn look_at_state(&mut self, now: SystemTime) -> Result<(), String> {
        let trusted = (self.of_the_cluster(), self.client_ca.clone());
        if trusted != self.trusted {
            let replaced = self.tls.clients.replace_beside(&trusted.0, &trusted.1);
            replaced.map_err(|error| error.to_string())?;
            self.trusted = trusted;
            // what is presented has them all, for whoever looks for the one that it knows
            self.signed = None;
        }
        self.sign(now)
    }

    /// The CAs of the state, or that of the identity where none is recorded.
    fn of_the_cluster(&self) -> Vec<CertificateDer<'static>> {
        let recorded = access::trusted_authorities(&self.store.state()).concat();
        auth::certificates(&recorded).unwrap_or_else(|| self.material.ca.clone())
    }

    /// Signs this member's certificate if that is due and a CA signs here.
    fn sign(&mut self, now: SystemTime) -> Result<(), String> {
        let state = self.store.state();
        let Some(active) = access::active_authority(&state) else {
            return Ok(()); // the identity's certificate is all that there is
        };
        let (by, names) = (active.id.clone(), self.names_now());
        let is_due = |signed: &Signed| signed.is_due(&by, &names, now);
        let ca_from = auth::certificates(&active.certificate_pem).and_then(|ca| validity(ca.first()?));
        // a clock from before the CA would sign what nobody accepts
        let is_possible = ca_from.is_some_and(|(from, _)| now >= from);
        if !is_possible || !self.signed.as_ref().is_none_or(is_due) {
            return Ok(());
        }
        let ca = access::signing_authority(&state, &self.sealer).map_err(|error| error.to_string())?;
        let pem = ca
            .certify_member_for_api(self.member, names.clone(), &self.public_key, now)
            .map_err(|error| error.to_string())?;
        let chain = auth::certificates(&pem).ok_or("the certificate that was signed is none")?;
        let good = chain.first().and_then(validity);
        let good = good.ok_or("the certificate that was signed has no validity")?;
        let chain = with(chain, &self.of_the_cluster());
        let present = |port: &ServerCertificate| port.replace(chain.clone(), self.material.key.clone_key());
        present(&self.tls.grpc).map_err(|error| error.to_string())?;
        let named = self
            .tls
            .named
            .own
            .replace(chain.clone(), self.material.key.clone_key());
        named.map_err(|error| error.to_string())?;
        if self.https.is_none() {
            present(&self.tls.https).map_err(|error| error.to_string())?;
        }
        tracing::info!(ca = by, "this member presents a new certificate to clients");
        self.signed = Some(Signed { by, names, good });
        Ok(())
    }

    fn names_now(&self) -> Vec<String> {
        let members = self.store.members();
        let own = members.get(&self.member);
        let addresses = own.map(|own| [own.peer_address.clone(), own.api_address.clone()]);
        let dialled = addresses
            .into_iter()
            .flatten()
            .filter_map(|address| endpoint_host(&address).ok());
        let mut names: Vec<String> = self.names.iter().cloned().chain(dialled).collect();
        names.sort();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_certificate_is_signed_anew_at_half_its_life_and_for_another_ca_or_name() {
        let from = SystemTime::UNIX_EPOCH + 1000 * DAY;
        let names = vec!["10.97.1.1".to_owned()];
        let signed = Signed {
            by: "ca".into(),
            names: names.clone(),
            good: (from, from + 90 * DAY),
        };
        assert!(!signed.is_due("ca", &names, from + DAY));
        assert!(!signed.is_due("ca", &names, from + 44 * DAY));
        for now in [from + 45 * DAY, from + 200 * DAY, from - DAY] {
            assert!(signed.is_due("ca", &names, now), "{now:?}");
        }
        assert!(signed.is_due("another", &names, from + DAY));
        assert!(signed.is_due("ca", &[], from + DAY));
    }

    fn material() -> Material {
        let ca = auth::pki::CertificateAuthority::generate("demo", SystemTime::now()).unwrap();
        let issued = ca
            .issue_member(1, vec!["10.97.1.1".into()], SystemTime::now())
            .unwrap();
        let (ca, chain) = (ca.certificate_pem().as_bytes(), issued.certificate_pem.as_bytes());
        Material::from_pem(ca, chain, issued.key_pem.as_bytes()).unwrap()
    }

    /// Machines that join know the CA by a digest and look for it in what is presented.
    #[test]
    fn both_ports_present_the_identitys_certificate_until_there_is_a_better_one() {
        rpc::tls::install_crypto_provider();
        let material = material();
        let tls = ApiTls::of("demo", &material, SiteFiles::default()).unwrap();
        assert_eq!(tls.grpc.presented(), material.chain.first().cloned());
        assert_eq!(tls.https.presented(), material.chain.first().cloned());
        assert_eq!(tls.named.own.presented(), material.chain.first().cloned());
        tls.grpc_config().unwrap();
        tls.https_config().unwrap();
    }

    /// A member whose configuration names these files.
    fn keeper(material: &Material, files: SiteFiles, api: ApiConfig) -> Keeper {
        let tls = ApiTls::of("demo", material, files).unwrap();
        Keeper {
            api,
            member: 1,
            material: material.clone(),
            public_key: Vec::new(),
            names: Vec::new(),
            store: Store::in_memory(),
            sealer: Sealer::generate().unwrap(),
            signed: None,
            trusted: Default::default(),
            https: None,
            client_ca: tls.loaded.client_ca.clone(),
            tls,
            said: String::new(),
        }
    }

    /// Whoever takes a CA's trust away must not be held up by a certificate that was copied half.
    #[tokio::test]
    async fn a_broken_pair_keeps_no_ca_trusted() {
        rpc::tls::install_crypto_provider();
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let text = format!(
            "grpc-listen = \"127.0.0.1:1\"\nhttps-listen = \"127.0.0.1:2\"\nhttps-certificate = {:?}\nhttps-key = {:?}\n\
             client-ca = {:?}\n",
            at("https.pem"),
            at("https.key"),
            at("ca.pem")
        );
        let api: ApiConfig = toml::from_str(&text).unwrap();
        let ca = || {
            let ca = auth::pki::CertificateAuthority::generate("site", SystemTime::now()).unwrap();
            ca.certificate_pem().to_owned()
        };
        let (old, new) = (ca(), ca());
        let files = SiteFiles {
            https: None,
            client_ca: auth::certificates(&old).unwrap(),
        };
        let (own, is_kept) = (material(), auth::certificates(&new).unwrap());
        let mut keeper = keeper(&own, files, api);
        std::fs::write(at("ca.pem"), &new).unwrap();
        std::fs::write(at("https.pem"), "half").unwrap();
        keeper.look().await;
        assert!(
            keeper.said.starts_with("api.https-certificate: "),
            "{}",
            keeper.said
        );
        assert_eq!(keeper.trusted, (own.ca.clone(), is_kept.clone()));
        // and the other way round: what cannot be read takes nobody's trust away
        std::fs::write(at("ca.pem"), "half").unwrap();
        keeper.look().await;
        assert_eq!(keeper.trusted.1, is_kept);
    }

    #[test]
    fn a_sites_certificate_is_for_the_https_port_alone() {
        rpc::tls::install_crypto_provider();
        let (own, site) = (material(), material());
        let files = SiteFiles {
            https: Some((site.chain.clone(), site.key.clone_key())),
            client_ca: site.ca.clone(),
        };
        let tls = ApiTls::of("demo", &own, files).unwrap();
        assert_eq!(tls.grpc.presented(), own.chain.first().cloned());
        assert_eq!(tls.https.presented(), site.chain.first().cloned());
        // who asks by name for what the site's does not have gets the member's own
        assert_eq!(tls.named.site.presented(), site.chain.first().cloned());
        assert_eq!(tls.named.own.presented(), own.chain.first().cloned());
        assert_eq!(tls.ordered().presented(), None, "nothing has been ordered");
    }
}
