//! All services of a member behind the one guard: the gRPC port and the gateway call the same value.

use std::net::Ipv4Addr;
use std::sync::Arc;

use access::{Authorities, CertificateLog, Oidc, TokenChecks};
use audit::Audit;
use auth::BootTokens;
use bmcs::Bmcs;
use boot_files::BootFiles;
use console::{ConsoleLog, SshProgram};
use generate::SecretLog;
use model::{NodeNetwork, NodeUrls};
use proto::cluster::v1::cluster_service_server::ClusterServiceServer;
use proto::cluster::v1::join_service_server::JoinServiceServer;
use proto::cluster::v1::member_service_server::MemberServiceServer;
use proto::cluster::v1::metrics_service_server::MetricsServiceServer;
use proto::cluster::v1::secret_service_server::SecretServiceServer;
use proto::cluster::v1::snapshot_service_server::SnapshotServiceServer;
use raft::Store;
use rpc::{Calls, Guard, Guarded, Rules};
use timeline::Timeline;
use tonic::service::{Routes, RoutesBuilder};
use tower::Layer as _;

use super::ServeError;
use super::check::Host;
use super::cluster_service::OwnStatus;
use super::config::{Config, NetworkConfig, Role};
use super::drain::Stop;
use super::health::Health;
use super::held_addresses::HeldAddresses;
use super::identity::Identity;
use super::join_service::Joining;
use super::loaders;
use super::member_service::Members;
use super::metrics::MetricsPage;
use super::s3_signer;
use super::secrets::Secrets;
use super::snapshot_service::Snapshots;
use crate::random;

/// The guarded services.
pub(super) type Services = Guarded<Routes>;

/// What services are made of.
pub(super) struct Parts<'a> {
    pub(super) config: &'a Config,
    pub(super) store: &'a Store,
    pub(super) files: &'a BootFiles,
    pub(super) identity: &'a Identity,
    pub(super) secrets: &'a Secrets,
    pub(super) held: &'a HeldAddresses,
    /// Boot loaders.
    pub(super) loaders: &'a tftp::Files,
    pub(super) timeline: &'a Timeline,
    /// DHCP servers, for whoever asks what they would answer.
    pub(super) dhcp: &'a ::dhcp::Servers,
    pub(super) tokens: &'a TokenChecks,
    pub(super) oidc: &'a Oidc,
    pub(super) audit: &'a Audit,
    /// BMCs, as this member knows and reaches them.
    pub(super) bmcs: &'a Bmcs,
}

/// The method that signs certificates, as the log of refused calls names it.
const ISSUE_CERTIFICATE: &str = "/chamois.auth.v1.CertificateService/IssueCertificate";

/// No row says what was signed, so that this member's log does, and whoever collects it.
fn certificate_log(audit: &Audit) -> CertificateLog {
    let log = audit.denials();
    CertificateLog::new(move |by, what| log.note(by, ISSUE_CERTIFICATE, "signed", what))
}

/// The method that opens consoles, as the log of refused calls names it.
const CONNECT_CONSOLE: &str = "/chamois.console.v1.ConsoleService/ConnectConsole";

/// No row says who has looked at which console, so that this member's log does.
fn console_log(audit: &Audit) -> ConsoleLog {
    let log = audit.denials();
    ConsoleLog::new(move |by, what, more| log.note(by, CONNECT_CONSOLE, what, more))
}

/// The method that shows passwords, as the log of refused calls names it.
const GENERATE_WITH_SECRETS: &str = "/chamois.configurator.v1.GenerateService/GenerateWithSecrets";

/// No row says who was handed which passwords, so that this member's log does.
fn secret_log(audit: &Audit) -> SecretLog {
    let log = audit.denials();
    SecretLog::new(move |by, what| log.note(by, GENERATE_WITH_SECRETS, "shown", what))
}

/// Puts the services of this member together, and whom their guard asks. Their health is "not serving" until the reporter says
/// otherwise.
pub(super) async fn assemble(
    parts: Parts<'_>,
    page: impl FnOnce(Calls) -> MetricsPage,
    finishing: Stop,
) -> Result<(Services, Health, Authorities), ServeError> {
    let Parts {
        config,
        store,
        files,
        identity,
        secrets,
        held,
        loaders,
        timeline,
        dhcp,
        tokens: bearer_tokens,
        oidc,
        audit,
        bmcs,
    } = parts;
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).map_err(ServeError::setup("the permissions"))?;
    let authorities = Authorities::with_providers(store.clone(), &rules, bearer_tokens.clone(), oidc.clone());
    let guard = Guard::new(
        rules.clone(),
        Some(identity.tokens.clone()),
        Arc::new(store.clone()),
    )
    .with_authority(Arc::new(authorities.clone()))
    .with_denials(Arc::new(audit.denials()))
    .enforcing_locks(config.api.enforce_locks);
    let host = Host::read().map_err(ServeError::setup("this host's addresses"))?;
    let urls = Arc::new(node_urls(config, &host));
    let mut routes = RoutesBuilder::default();
    smd::add_services(&mut routes, store, &identity.sealer);
    let bss = bss::Config {
        urls: Arc::clone(&urls),
        retry_delay: bss::RetryDelay::from_seconds(config.bss.retry_delay_s),
        boot_ids: bss::BootIds::new(random::number),
        architectures: loaders::architectures(loaders),
        timeline: timeline.clone(),
        s3: s3_signer::load(config.bss.s3.as_ref()).map_err(ServeError::setup("[bss.s3]"))?,
        documents: cloud_init::documents,
        deadlines: config.boot.deadlines(),
    };
    let tokens = BootTokens::new(identity.sealer.clone());
    bss::add_services(&mut routes, store, &bss, &tokens);
    let cloud_init = cloud_init::Config {
        urls,
        timeline: timeline.clone(),
    };
    cloud_init::add_services(&mut routes, store, &cloud_init, &tokens);
    ::dhcp::add_services(&mut routes, store, dhcp);
    files.add_services(&mut routes);
    add_services_of_bmcs(&mut routes, config, bmcs, audit, finishing.clone())?;
    generate::add_services(&mut routes, store, &identity.sealer, secret_log(audit));
    watch::add_services(&mut routes, store, config.member.id, finishing.clone().reached());
    ::audit::add_services(&mut routes, store, audit, finishing.reached());
    access::add_services(&mut routes, store, &authorities, &rules, certificate_log(audit))
        .map_err(ServeError::setup("the permissions"))?;
    routes.add_service(ClusterServiceServer::new(OwnStatus {
        store: store.clone(),
        held: held.clone(),
    }));
    routes.add_service(MemberServiceServer::new(Members {
        store: store.clone(),
        first_ca: identity.material.ca[0].clone(),
    }));
    routes.add_service(SecretServiceServer::new(secrets.clone()));
    routes.add_service(SnapshotServiceServer::new(Snapshots { store: store.clone() }));
    routes.add_service(JoinServiceServer::new(Joining {
        store: store.clone(),
        keks: identity.keks.clone(),
        ca_pem: identity.ca_pem.clone(),
        token_pem: identity.token_pem.clone(),
    }));
    routes.add_service(MetricsServiceServer::new(page(guard.calls())));
    let reporter = rpc::add_standard_services(&mut routes, proto::DOCUMENTED_DESCRIPTOR)
        .map_err(ServeError::setup("health and reflection"))?;
    let health = Health::new(reporter, &rules).await;
    Ok((guard.layer(routes.routes()), health, authorities))
}

/// Jobs, and all that is done to BMCs.
fn add_services_of_bmcs(
    routes: &mut RoutesBuilder,
    config: &Config,
    bmcs: &Bmcs,
    audit: &Audit,
    finishing: Stop,
) -> Result<(), ServeError> {
    jobs::add_services(routes, bmcs.store());
    bmcs::add_services(routes, bmcs);
    power::add_services(routes, bmcs);
    firmware::add_services(routes, bmcs);
    let ssh = SshProgram::new(&config.discovery.ssh_program, &config.data_dir)
        .map_err(ServeError::setup("consoles"))?;
    console::add_services(routes, bmcs, ssh, console_log(audit), finishing.reached());
    Ok(())
}

/// Where nodes of each network find this cluster: at its service address, or in mode `list` at each member's own.
pub(super) fn node_urls(config: &Config, host: &Host) -> NodeUrls {
    let served = config
        .networks
        .iter()
        .filter(|network| network.roles.contains(&Role::Boot));
    let url = |address: Ipv4Addr| format!("http://{address}:{}", config.boot.http_port);
    let networks = served.clone().filter_map(|network| {
        let address = config.node_address(network)?;
        Some(NodeNetwork {
            base: url(address),
            addresses: vec![address.into(), network.member_address.into()],
            subnets: network.relayed_subnets.clone(),
        })
    });
    let of_ipv6 = served
        .clone()
        .filter_map(|network| node_network_v6(config, network, host));
    let networks = networks.chain(of_ipv6);
    let urls = NodeUrls::new(networks.collect());
    served.fold(urls, |urls, network| {
        let others = config.alternatives(network);
        urls.and_alternatives(
            &url(network.member_address),
            others.into_iter().map(url).collect(),
        )
    })
}

/// Who is connected over IPv6 is told addresses of it.
fn node_network_v6(config: &Config, network: &NetworkConfig, host: &Host) -> Option<NodeNetwork> {
    let host = host.ipv6_for_nodes(network)?;
    Some(NodeNetwork {
        base: format!("http://[{host}]:{}", config.boot.http_port),
        addresses: vec![host.into()],
        subnets: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A URL with a member's own address would die with that member.
    #[test]
    fn nodes_are_told_service_addresses_only() {
        let text = include_str!("../../../../deploy/examples/member-2.toml");
        let config = Config::parse(text, Path::new("member-2.toml")).unwrap();
        let urls = node_urls(&config, &Host::default());
        assert!(urls.alternatives("http://10.97.0.1:8081").is_empty());
        for address in ["10.97.0.1", "10.97.1.2", "10.98.7.7", "192.0.2.1"] {
            let base = urls.base_for([address.parse().unwrap()]);
            assert_eq!(base, Some("http://10.97.0.1:8081"), "{address}");
        }
    }

    /// A node without IPv4 could fetch nothing from an address of it.
    #[test]
    fn who_comes_over_ipv6_is_told_an_address_of_it() {
        let text = include_str!("../../../../deploy/examples/member-2.toml")
            .replace("\nprefixes-v6 = []", "\nprefixes-v6 = [\"fd00:97::/64\"]");
        let config = Config::parse(&text, Path::new("member-2.toml")).unwrap();
        let own = [
            ("eth2", "fd00:97::9"),
            ("eth1", "fe80::2"),
            ("eth1", "fd00:97::1:2"),
        ];
        let own = own.map(|(name, address)| (name.to_owned(), address.parse().unwrap()));
        let host = Host {
            addresses_v6: own.to_vec(),
            ..Host::default()
        };
        let urls = node_urls(&config, &host);
        let told = |address: &str| urls.base_for([address.parse().unwrap()]).unwrap().to_owned();
        assert_eq!(told("fd00:97::1:2"), "http://[fd00:97::1:2]:8081");
        assert_eq!(told("10.97.1.2"), "http://10.97.0.1:8081");
        let moved = text.replace(
            "\nprefixes-v6 = [",
            "\nservice-address-v6 = \"fd00:97::1\"\nprefixes-v6 = [",
        );
        let config = Config::parse(&moved, Path::new("member-2.toml")).unwrap();
        let urls = node_urls(&config, &host);
        let base = urls.base_for(["fd00:97::1".parse().unwrap()]);
        assert_eq!(base, Some("http://[fd00:97::1]:8081"));
    }

    #[test]
    fn without_a_service_address_nodes_are_told_every_members_own() {
        let text = include_str!("../../../../deploy/examples/member-2.toml")
            .replace("mode = \"helper\"", "mode = \"list\"")
            .replace("\nservice-address", "\n#");
        let config = Config::parse(&text, Path::new("member-2.toml")).unwrap();
        let urls = node_urls(&config, &Host::default());
        let own = urls.base_for(["10.97.1.2".parse().unwrap()]).unwrap();
        assert_eq!(own, "http://10.97.1.2:8081");
        assert_eq!(
            urls.alternatives(own),
            ["http://10.97.1.1:8081", "http://10.97.1.3:8081"]
        );
    }
}
