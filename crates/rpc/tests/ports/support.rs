//! A small CA, servers that say who called them, and clients.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PublicKeyData, SanType};
use rpc::client::{Channel, tcp_dialler};
use rpc::server::{Limits, Port, PortCounters, PortKind};
use rpc::tls::{self, ClientCerts, Material, PinnedKeys};
use rpc::{Caller, Identity};
use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceExt};

/// Every wait in these tests ends after this time; none should come near it.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// A certificate authority.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// Validity of a certificate, as calendar years.
pub(crate) const VALID: (i32, i32) = (2020, 2200);
pub(crate) const EXPIRED: (i32, i32) = (2020, 2021);

impl Ca {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate for 127.0.0.1 and the given URIs, with `key`.
    pub(crate) fn issue_for(&self, key: &KeyPair, uris: &[&str], years: (i32, i32)) -> Material {
        let certificate = self.sign(key, uris, years);
        let key = key.serialize_pem();
        Material::from_pem(self.pem.as_bytes(), certificate.as_bytes(), key.as_bytes()).unwrap()
    }

    /// A certificate in PEM with a key of its own, as files hold them.
    pub(crate) fn issue_pem(&self, uri: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        (self.sign(&key, &[uri], VALID), key.serialize_pem())
    }

    fn sign(&self, key: &KeyPair, uris: &[&str], years: (i32, i32)) -> String {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params
            .subject_alt_names
            .extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.signed_by(key, &self.issuer).unwrap().pem()
    }

    /// A certificate with a key of its own.
    pub(crate) fn issue(&self, uri: &str) -> Material {
        self.issue_for(&KeyPair::generate().unwrap(), &[uri], VALID)
    }

    /// Its own certificate in PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    pub(crate) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.pem.as_bytes())
            .map(Result::unwrap)
            .collect()
    }
}

/// A cluster "demo" of three members whose keys are pinned.
pub(crate) struct Cluster {
    pub(crate) ca: Ca,
    pub(crate) keys: Vec<KeyPair>,
    pub(crate) pins: PinnedKeys,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let keys: Vec<KeyPair> = (0..3).map(|_| KeyPair::generate().unwrap()).collect();
        let pinned = (1..).zip(keys.iter().map(PublicKeyData::subject_public_key_info));
        let pins = PinnedKeys::new("demo", pinned);
        Self {
            ca: Ca::new(),
            keys,
            pins,
        }
    }

    pub(crate) fn key(&self, id: u64) -> &KeyPair {
        &self.keys[usize::try_from(id).unwrap() - 1]
    }

    pub(crate) fn member(&self, id: u64) -> Material {
        self.ca
            .issue_for(self.key(id), &[&format!("spiffe://demo/member/{id}")], VALID)
    }

    /// The peer port of member `id`; answers with the caller's principal.
    pub(crate) async fn peer_port(&self, id: u64) -> Running {
        self.peer_port_of(&self.member(id)).await
    }

    pub(crate) async fn peer_port_of(&self, material: &Material) -> Running {
        let clients = ClientCerts::RequiredMembers(self.pins.clone());
        let kind = PortKind::Peer(self.pins.clone());
        Running::start(material, clients, kind, who_calls(), Limits::peer()).await
    }

    /// The API port of member `id` with any service behind it.
    pub(crate) async fn api_port<S>(&self, id: u64, service: S, limits: Limits) -> Running
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        let clients = ClientCerts::Optional {
            cluster: "demo".to_owned(),
        };
        Running::start(&self.member(id), clients, PortKind::Api, service, limits).await
    }

    pub(crate) fn api_client(&self, certificate: Option<Material>) -> ClientConfig {
        let certificate = certificate.map(|material| (material.chain, material.key));
        tls::api_client_config(&self.ca.certificates(), certificate).unwrap()
    }
}

/// A server that runs until it is dropped or stopped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    counters: Arc<PortCounters>,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start<S>(
        material: &Material,
        clients: ClientCerts,
        kind: PortKind,
        service: S,
        limits: Limits,
    ) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = tls::server_config(material, clients).unwrap();
        let (stop, stopped) = oneshot::channel();
        let port = Port::new(TlsAcceptor::from(Arc::new(config)), kind, limits);
        let counters = port.counters();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let task = tokio::spawn(async move { port.serve(listener, service, shutdown).await });
        Self {
            address,
            counters,
            stop: Some(stop),
            task,
        }
    }

    /// What it has refused for this reason.
    pub(crate) fn counted(&self, reason: &str) -> u64 {
        let mut all = self.counters.all();
        all.find(|(name, _)| *name == reason).unwrap().1
    }

    pub(crate) fn endpoint(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn begin_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Stops it and waits until it has let go of its port.
    pub(crate) async fn stop(mut self) {
        self.begin_stop();
        bounded(self.task).await.unwrap();
    }
}

/// A service that answers every call with the principal and addresses of its caller.
pub(crate) fn who_calls() -> impl Service<
    Request<Body>,
    Response = Response<Body>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send,
> + Clone
+ Send
+ Sync {
    tower::service_fn(|request: Request<Body>| async move {
        let caller = Caller::of(request.extensions());
        let mut response = Status::new(tonic::Code::Ok, "").into_http::<Body>();
        let text = |address: Option<SocketAddr>| address.map(|a| a.to_string()).unwrap_or_default();
        for (name, value) in [
            ("principal", caller.identity.principal()),
            ("peer", text(caller.peer)),
            ("local", text(caller.local)),
        ] {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        Ok(response)
    })
}

/// A service that answers every call in the name of `identity`, as an accept loop would.
pub(crate) fn calling_as(identity: Identity) -> Caller {
    Caller {
        identity,
        ..Caller::anonymous()
    }
}

/// A channel to `endpoints` with this TLS configuration.
pub(crate) fn channel(endpoints: &[String], tls: ClientConfig) -> Channel {
    Channel::new(endpoints, tls, tcp_dialler()).unwrap()
}

/// Calls `path` with an empty body.
pub(crate) async fn call(channel: &Channel, path: &str) -> Result<Response<Body>, Status> {
    bounded(
        channel
            .clone()
            .oneshot(Request::post(path).body(Body::empty()).unwrap()),
    )
    .await
}

/// Asks the server at the other end who it thinks we are.
pub(crate) async fn principal(channel: &Channel) -> Result<String, Status> {
    let response = call(channel, "/any.Service/Method").await?;
    Ok(header(&response, "principal").unwrap())
}

pub(crate) fn header(response: &Response<Body>, name: &str) -> Option<String> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap().to_owned())
}

/// The gRPC code of an answer that is an error from the first byte on.
pub(crate) fn code(response: &Response<Body>) -> tonic::Code {
    Status::from_header_map(response.headers()).map_or(tonic::Code::Ok, |status| status.code())
}

pub(crate) async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future)
        .await
        .expect("no answer within the bound of this test")
}
