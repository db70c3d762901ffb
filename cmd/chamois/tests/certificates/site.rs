//! Members whose CA signs here, and whoever asks them with a certificate.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::cluster::v1::GetStatusRequest;
use proto::cluster::v1::cluster_service_client::ClusterServiceClient;
use rpc::client::{Channel, Credentials, Options, connect};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::runtime::Runtime;
use tonic::{Code, Status};

use crate::common::http::{Administrator, send_over, tls};
use crate::common::{Member, Single, chamois, outcome, text};

/// What a read of SMD needs a right for.
pub(crate) const COMPONENTS: &str = "/hsm/v2/State/Components";

/// A certificate chain and its key.
pub(crate) type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A cluster that runs.
pub(crate) struct Site {
    /// By id, from 1 on; first, so that they end before their folder goes.
    pub(crate) members: Vec<Option<Member>>,
    pub(crate) single: Single,
    pub(crate) runtime: Runtime,
}

impl Site {
    /// A cluster whose first CA is kept offline.
    pub(crate) fn start(members: u64) -> Site {
        Site::start_as(Single::prepare_one_of(members), members)
    }

    pub(crate) fn start_as(single: Single, members: u64) -> Site {
        let running = (1..=members).map(|id| Some(single.spawn_member(id))).collect();
        let site = Site {
            members: running,
            single,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
        };
        site.until("a leader, and the first CA", || {
            let (code, out, _) = site.ask(&["certificate", "list", "-o", "json"]);
            code == 0 && out.contains("BEGIN CERTIFICATE")
        });
        site
    }

    /// The same with a CA that signs here. Clients of the site trust both.
    pub(crate) fn with_ca(members: u64) -> Site {
        let site = Site::start(members);
        let id = site.add_ca();
        site.activate(&id);
        site
    }

    pub(crate) fn ip(&self, id: u64) -> IpAddr {
        self.single.net.member_address(id).into()
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        let running = (1..).zip(&self.members);
        running
            .filter_map(|(id, member)| member.is_some().then_some(id))
            .collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.single.dir.path().join(name)
    }

    pub(crate) fn administrator(&self) -> Administrator {
        Administrator::trusting(&self.path("identities"), &self.trusted())
    }

    /// Runs a client command with the administrator's token.
    pub(crate) fn ask(&self, args: &[&str]) -> (i32, String, String) {
        self.single.ask(args)
    }

    /// The JSON of a client command that must succeed.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.extend(["-o", "json"]);
        let (code, out, err) = self.ask(&all);
        assert_eq!(code, 0, "{args:?}: {err}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// Waits at most a minute.
    pub(crate) fn until(&self, what: &str, condition: impl FnMut() -> bool) {
        crate::common::until(what, self.members.iter().flatten(), condition);
    }

    /// A new CA that clients and all members trust; its id.
    pub(crate) fn add_ca(&self) -> String {
        let added = self.json(&["certificate", "rotate-ca"]);
        let pem = added.get("certificatePem").or(added.get("certificate_pem"));
        let pem = pem.and_then(Value::as_str).unwrap();
        let bundle = self.path("identities/ca.pem");
        let both = std::fs::read_to_string(&bundle).unwrap() + pem;
        std::fs::write(&bundle, both).unwrap();
        added["id"].as_str().unwrap().to_owned()
    }

    /// It signs, and every member presents what it has signed.
    pub(crate) fn activate(&self, id: &str) {
        let active = self.json(&["certificate", "rotate-ca", "--activate", id, "--urgent"]);
        assert_eq!(active["id"], id);
        let ca = self.ca(id);
        for member in self.ids() {
            self.until("what the new CA has signed is presented", || {
                self.presented(member)
                    .first()
                    .is_some_and(|own| is_signed_by(own, &ca))
            });
        }
    }

    /// The certificate of a CA.
    pub(crate) fn ca(&self, id: &str) -> CertificateDer<'static> {
        let found = self.trusted();
        let mut found = found.into_iter();
        found.find(|ca| auth::fingerprint(ca) == id).unwrap()
    }

    /// The CAs that clients trust.
    pub(crate) fn trusted(&self) -> Vec<CertificateDer<'static>> {
        let pem = std::fs::read_to_string(self.path("identities/ca.pem")).unwrap();
        auth::certificates(&pem).unwrap()
    }

    /// What a member shows on its gRPC port.
    pub(crate) fn presented(&self, id: u64) -> Vec<CertificateDer<'static>> {
        presented(&self.trusted(), self.ip(id), 7441)
    }

    /// A certificate in a folder of its own, issued by the administrator.
    pub(crate) fn issue(&self, principal: &str, name: &str) -> PathBuf {
        let folder = self.path(name);
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("own.pem");
        let (code, _, err) = self.ask(&["certificate", "issue", principal, "--out", text(&file)]);
        assert_eq!(code, 0, "{err}");
        file
    }

    /// Somebody has a role, everywhere.
    pub(crate) fn give(&self, role: &str, principal: &str) {
        let name = principal.replace('/', "-");
        let policy = serde_json::json!({"name": name, "role": role, "principals": [principal]});
        let administrator = self.administrator();
        let answer = administrator.send(self.ip(1), "POST", "/chamois/v1/policies", &policy.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// A certificate of somebody who may read, which every member knows.
    pub(crate) fn reader(&self, principal: &str, name: &str) -> PathBuf {
        let file = self.issue(principal, name);
        self.give("viewer", principal);
        for id in self.ids() {
            self.until("the policy is known", || {
                self.status(id, Some(shown(&file))) == 200
            });
        }
        file
    }

    /// Renews a certificate at any member, by itself: no token is shown.
    pub(crate) fn renew(&self, file: &Path, more: &[&str]) -> (i32, String, String) {
        let ids = self.ids();
        let endpoints: Vec<String> = ids.iter().map(|id| format!("{}:7441", self.ip(*id))).collect();
        let (endpoints, ca) = (endpoints.join(","), self.path("identities/ca.pem"));
        let renew = ["certificate", "renew", text(file)];
        let target = ["--endpoints", &endpoints, "--ca", text(&ca)];
        outcome(&chamois(&[&renew[..], &target, more].concat()))
    }

    /// TLS for HTTP/1.1.
    pub(crate) fn https(&self, shown: Option<Shown>) -> Arc<ClientConfig> {
        tls(&self.trusted(), shown)
    }

    /// What member `id` says to a read by this certificate.
    pub(crate) fn status(&self, id: u64, shown: Option<Shown>) -> u16 {
        send_over(&self.https(shown), self.ip(id), "GET", COMPONENTS, "", "").status
    }

    /// A channel to the gRPC port of a member.
    pub(crate) fn channel(&self, id: u64, shown: Option<Shown>) -> Channel {
        let credentials = shown.map_or(Credentials::None, |(chain, key)| {
            Credentials::Certificate(chain, key)
        });
        let _inside = self.runtime.enter();
        connect(Options {
            endpoints: vec![format!("{}:7441", self.ip(id))],
            ca: self.trusted(),
            credentials,
        })
        .unwrap()
    }

    /// Whether somebody may read the cluster's status at member `id`.
    pub(crate) fn asks(&self, id: u64, shown: Option<Shown>) -> Result<(), Status> {
        let channel = self.channel(id, shown);
        self.runtime.block_on(async {
            ClusterServiceClient::new(channel)
                .get_status(GetStatusRequest {})
                .await
                .map(|_| ())
        })
    }
}

/// Whether a call has had no answer at all: the handshake failed.
pub(crate) fn is_cut(code: Code) -> bool {
    !matches!(
        code,
        Code::Ok | Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented
    )
}

/// What a server shows in a handshake.
pub(crate) fn presented(
    trusted: &[CertificateDer<'static>],
    ip: IpAddr,
    port: u16,
) -> Vec<CertificateDer<'static>> {
    let tls = Arc::new(rpc::tls::api_client_config(trusted, None).unwrap());
    let name = rustls::pki_types::ServerName::IpAddress(ip.into());
    let mut connection = rustls::ClientConnection::new(tls, name).unwrap();
    let Ok(mut stream) = std::net::TcpStream::connect((ip, port)) else {
        return Vec::new();
    };
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    while connection.is_handshaking() {
        if connection.complete_io(&mut stream).is_err() {
            return Vec::new();
        }
    }
    connection
        .peer_certificates()
        .map(<[_]>::to_vec)
        .unwrap_or_default()
}

/// Whether a CA has signed a certificate.
pub(crate) fn is_signed_by(certificate: &CertificateDer<'_>, ca: &CertificateDer<'static>) -> bool {
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
        Arc::new({
            let mut roots = rustls::RootCertStore::empty();
            roots.add(ca.clone()).unwrap();
            roots
        }),
        rpc::tls::crypto_provider(),
    );
    let verifier = verifier.build().unwrap();
    let names = rpc::tls::host_names(certificate);
    let name = names.first().unwrap().as_str().try_into().unwrap();
    let now = rustls::pki_types::UnixTime::now();
    use rustls::client::danger::ServerCertVerifier as _;
    verifier
        .verify_server_cert(certificate, &[], &name, &[], now)
        .is_ok()
}

/// What is in a certificate's file and its key's.
pub(crate) fn shown(file: &Path) -> Shown {
    let chain = CertificateDer::pem_file_iter(file).unwrap();
    (
        chain.map(Result::unwrap).collect(),
        PrivateKeyDer::from_pem_file(file.with_extension("key")).unwrap(),
    )
}
