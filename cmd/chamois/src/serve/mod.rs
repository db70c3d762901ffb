//! `chamois serve`: one member. `OVERVIEW.md` beside `Cargo.toml` says in which order it starts and stops,
//! and what happens when a part fails.

mod acme;
mod api_document;
mod api_port;
mod api_ports;
mod api_tls;
mod audit_journal;
mod bmc_connections;
mod boot_files;
pub mod break_glass;
pub mod check;
mod cluster_service;
pub mod config;
mod counters;
mod device;
mod dial;
mod discovery;
mod drain;
mod error;
mod freed_memory;
mod health;
mod held_addresses;
mod http_client;
mod huge_pages;
mod identity;
mod join_service;
mod legacy_ports;
mod loaders;
mod member_service;
mod metrics;
mod node_ports;
mod open_files;
mod open_roles;
mod outgoing;
mod parent;
mod peer_port;
mod peer_traffic;
mod provider_client;
mod readiness;
mod runtimes;
mod s3_signer;
mod secret_file;
mod secrets;
mod services;
mod site_files;
mod snapshot_service;
mod tasks;
mod timeline;
mod webhooks;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::{Authorities, Oidc, Pace, TokenChecks};
use audit::Audit;
use cli::{LogFormat, ServeArgs};
use gateway::Gateway;
use raft::wal::RealDisk;
use raft::{Member, MemberOptions, Profile, Sources, Store};
use rpc::Calls;
use tokio::runtime::Handle;

pub use self::drain::Signals;
pub use self::error::ServeError;
use crate::logging::Origin;

use self::acme::ChallengePort;
use self::api_ports::{ApiPorts, NodeFiles};
use self::api_tls::{ApiTls, Keeper};
use self::break_glass::{Asked, Uses};
use self::check::Host;
use self::config::{AddressMode, Config};
use self::counters::{Counters, Server};
use self::drain::Drain;
use self::health::Health;
use self::held_addresses::HeldAddresses;
use self::identity::Identity;
use self::metrics::{AuditPage, DhcpPage, DiscoveryPage, MetricsPage, TokenPage};
use self::node_ports::NodePorts;
use self::open_roles::OpenRoles;
use self::outgoing::Outgoing;
use self::peer_traffic::PeerTraffic;
use self::provider_client::ProviderClient;
use self::runtimes::{Apart, Runtimes};
use self::secrets::{PeerKeks, Secrets};
use self::services::Parts;
use self::tasks::Tasks;
use self::webhooks::Webhooks;

/// How often boots are looked at for rollouts; members tell of boots every two seconds.
const ROLLOUT_PAUSE: Duration = Duration::from_secs(1);
/// In address mode `external`: how long a member that has said that it stops serves on, for whoever moves the address to
/// read that and take it away. keepalived's example asks each second and believes the second no.
const ADDRESS_LEAVES_MAX: Duration = Duration::from_secs(6);

/// Runs one member until SIGTERM or SIGINT; with `--check` only says whether it could.
///
/// # Errors
/// See [`ServeError`]; before the first port is bound for everything that can be known by then.
pub fn run(args: &ServeArgs) -> Result<(), ServeError> {
    if let Some(parent) = args.parent {
        parent::end_with(parent)?;
    }
    let config = Config::load(&args.config)?;
    let identity = Identity::load(
        &config.identity_dir,
        config.member.id,
        config.secrets.kek_source(),
    )?;
    let host = Host::read().map_err(|source| ServeError::System {
        what: "its interfaces",
        source,
    })?;
    check::check(&config, &identity.listed(), &host)?;
    if args.check {
        println!(
            "{}: member {} of `{}` can start\n{}",
            args.config.display(),
            config.member.id,
            config.cluster,
            check::answers_on(&config)
        );
        return Ok(());
    }
    break_glass::recover_if_asked(&args.config, &config)?;
    open_files::raise_limit();
    huge_pages::decline();
    freed_memory::give_back();
    let runtimes = Runtimes::start()?;
    runtimes.run(async |apart| Box::pin(serve(config, identity, apart)).await)
}

/// The form of the log that a configuration asks for, and whose log it is: nobody's where it cannot be read, which
/// [`run`] will say.
pub fn log_of(config: &Path) -> (LogFormat, Option<Origin>) {
    let Ok(config) = Config::load(config) else {
        return Default::default();
    };
    let format = match config.log.format {
        config::LogFormat::Text => LogFormat::Text,
        config::LogFormat::Json => LogFormat::Json,
    };
    let (member, cluster) = (config.member.id, config.cluster);
    (format, Some(Origin { member, cluster }))
}

async fn serve(config: Config, identity: Identity, apart: Apart) -> Result<(), ServeError> {
    let Apart { raft, dhcp: for_dhcp } = apart;
    let mut signals = listen_to_signals()?;
    let api_tls = ApiTls::new(&config, &identity.material)?;
    let api_ports = ApiPorts::bind(&config, &api_tls).await?;
    let challenge_port = ChallengePort::bind(&config).await?;
    let peer_listeners = peer_port::listen(config.raft.peer_listen, &raft).await?;
    let peers = PeerTraffic::default();
    let member = start_member(&config, &identity, &peers, &raft).await?;
    let store = member.store();
    let audit = audit_journal::start(&config, &store)?;

    let dial = dial::dialler(identity.material.clone(), identity.pins.clone(), peers.clone());
    let members = ::boot_files::members(store.clone(), dial.clone());
    let secrets = secrets_of(&identity, &store, members);
    let files = boot_files::open(&config, &store, dial)?;
    let (drain, mut tasks, held) = (Drain::default(), Tasks::default(), HeldAddresses::default());
    let (counters, dhcp) = (Counters::default(), dhcp::Servers::default());
    let peer = peer_port::port(&identity.material, &identity.pins, &counters)?;
    let for_peers = peer_port::services(&member, &files, PeerKeks(identity.keks.clone()))?;
    peer_port::serve(peer_listeners, &peer, &for_peers, &raft, &drain, &mut tasks);
    let log = member.metrics();
    counters.add(Server::Raft, "log", move || log.log_written());
    let tokens = TokenChecks::new(store.clone(), identity.sealer.clone());
    let providers = Arc::new(ProviderClient);
    let oidc = Oidc::new(store.clone(), identity.sealer.clone(), providers);
    let proofs = (&tokens, &oidc, &api_tls);
    let page = metrics_page(&member, peers, &counters, &dhcp, proofs, &audit);
    let timeline = timeline::start(&store, config.member.id, &counters, &drain, &mut tasks);
    let loaders = loaders::load(&config);
    secrets.start(&drain, &mut tasks);
    let bmcs = discovery::bmcs(&config, &store, &identity.sealer, &counters);
    let parts = Parts {
        config: &config,
        store: &store,
        files: &files,
        identity: &identity,
        secrets: &secrets,
        held: &held,
        loaders: &loaders,
        timeline: &timeline,
        dhcp: &dhcp,
        tokens: &tokens,
        oidc: &oidc,
        audit: &audit,
        bmcs: &bmcs,
    };
    let (services, health, authorities) = services::assemble(parts, page, drain.finishing()).await?;
    let asked = open_break_glass(&config, &store, &authorities, &audit, &drain, &mut tasks);
    follow_rights(authorities, &drain, &mut tasks);
    let source = acme::Source::new(&config, &api_tls, &store, &identity);
    acme::start(challenge_port, source, &counters, &drain, &mut tasks);
    let keeper = Keeper::new(api_tls, &config, &identity, &store);
    keep_certificates(keeper, &drain, &mut tasks).await;
    let open_roles = OpenRoles::new(&config, drain.leaving());
    let node_files = NodeFiles {
        boot_files: files.clone(),
        loaders: &loaders,
        sent: timeline::sent_files(&store, &timeline),
    };
    let leaving = drain.leaving();
    let gateway = api_ports::gateway(&config, &services, &store, node_files, &open_roles, leaving)?;
    follow_catalogue(files, &drain, &mut tasks);
    work_on_the_state(&store, &identity, &config, &drain, &mut tasks);
    let host = Host::read().map_err(ServeError::setup("this host's addresses"))?;
    let urls = services::node_urls(&config, &host);
    discovery::start(&config, &bmcs, urls, &counters, &drain, &mut tasks);
    report(&store, &gateway, health, &counters, &drain, &mut tasks);
    let api = api_ports.serve(&services, &gateway, &counters, &drain, &mut tasks);
    let is_moved_by_others = config.address.mode == AddressMode::External;
    let node_ports = NodePorts {
        config: Arc::new(config),
        store,
        gateway,
        loaders,
        held: held.clone(),
        open_roles,
        counters,
        dhcp,
        timeline,
        sealer: identity.sealer,
        api,
        for_dhcp,
        leaving: drain.leaving(),
    };
    open_node_ports(node_ports, &drain, &mut tasks);

    until_told_to_stop(&mut signals, &asked, &mut tasks, &member).await?;
    drain.leave();
    if is_moved_by_others {
        held.until_taken_away(ADDRESS_LEAVES_MAX).await;
    }
    let ended = drain.run(member, tasks, &raft).await;
    audit.stop().await; // after Raft: the last checkpoint waits for what it lacks
    ended
}

fn secrets_of(identity: &Identity, store: &Store, members: ::boot_files::Members) -> Secrets {
    Secrets {
        store: store.clone(),
        keks: identity.keks.clone(),
        members,
    }
}

fn listen_to_signals() -> Result<Signals, ServeError> {
    Signals::listen().map_err(|source| ServeError::System {
        what: "its signals",
        source,
    })
}

/// What compute nodes use, as its networks ask for it.
fn open_node_ports(node_ports: NodePorts, drain: &Drain, tasks: &mut Tasks) {
    let (node_ports, stop) = (Arc::new(node_ports), drain.finishing());
    tasks.spawn("the node ports", async move { node_ports.run(stop).await });
}

/// What this member does by itself, most of it while it leads.
fn work_on_the_state(store: &Store, identity: &Identity, config: &Config, drain: &Drain, tasks: &mut Tasks) {
    let outgoing = Outgoing {
        allows_loopback: config.api.allow_loopback_webhooks,
    };
    let webhooks = Webhooks::new(&identity.material.ca, outgoing);
    advance_rollouts(store, drain, tasks);
    confirm_held_addresses(store, drain, tasks);
    notify(store, webhooks, config.member.id, drain, tasks);
    look_after_keys(store, identity, drain, tasks);
}

async fn until_told_to_stop(
    signals: &mut Signals,
    asked: &Asked,
    tasks: &mut Tasks,
    member: &Member,
) -> Result<(), ServeError> {
    tokio::select! {
        () = signals.received() => Ok(()),
        () = asked.to_recover() => Ok(()),
        error = tasks.failed() => Err(error),
        reason = member.failed() => Err(ServeError::Ended { part: "Raft", reason }),
    }
}

/// Everything that monitoring sees, once the calls are known.
fn metrics_page(
    member: &Member,
    peers: PeerTraffic,
    counters: &Counters,
    dhcp: &dhcp::Servers,
    (tokens, oidc, api_tls): (&TokenChecks, &Oidc, &ApiTls),
    audit: &Audit,
) -> impl FnOnce(Calls) -> MetricsPage + use<> {
    let (raft, store, counters) = (member.metrics(), member.store(), counters.clone());
    let (servers, checks, oidc) = (dhcp.clone(), tokens.clone(), oidc.clone());
    let audit = AuditPage(Arc::new(audit.counters()));
    let (presented, ordered) = (api_tls.presented(), api_tls.ordered());
    move |calls| MetricsPage {
        raft,
        peers,
        calls,
        counters,
        dhcp: DhcpPage {
            store: store.clone(),
            servers,
        },
        discovery: DiscoveryPage(store.clone()),
        tokens: TokenPage {
            store,
            checks,
            oidc,
            presented,
            ordered,
        },
        audit,
    }
}

/// While this member leads, the keys of access tokens are made and moved on, and CAs that sign no longer are let go of.
fn look_after_keys(store: &Store, identity: &Identity, drain: &Drain, tasks: &mut Tasks) {
    let of_authorities = store.clone();
    let (store, sealer, stop) = (store.clone(), identity.sealer.clone(), drain.finishing());
    tasks.spawn("keys of access tokens", async move {
        access::rotate_signing_keys(store, sealer, Pace::default(), stop.reached()).await;
        Ok(())
    });
    let (store, sealer) = (of_authorities, identity.sealer.clone());
    let (ca_pem, stop) = (identity.ca_pem.clone(), drain.finishing());
    tasks.spawn("the cluster's CAs", async move {
        access::look_after_authorities(store, sealer, ca_pem, stop.reached()).await;
        Ok(())
    });
}

/// This member's certificate and the CAs that it trusts are those of the state and of a site's files, from now on.
async fn keep_certificates(mut keeper: Keeper, drain: &Drain, tasks: &mut Tasks) {
    keeper.look().await;
    let stop = drain.finishing();
    tasks.spawn("certificates", async move {
        keeper.run(stop).await;
        Ok(())
    });
}

/// Root on this host may ask on a socket, whatever has become of majority and provider.
fn open_break_glass(
    config: &Config,
    store: &Store,
    authorities: &Authorities,
    audit: &Audit,
    drain: &Drain,
    tasks: &mut Tasks,
) -> Asked {
    let asked = Asked::default();
    let log = audit.denials();
    let uses = Uses::new(move |by, what, outcome, reason| log.note(by, what, outcome, reason));
    let glass = break_glass::Server::new(
        &config.data_dir,
        store.clone(),
        authorities.break_glass().clone(),
        asked.clone(),
        uses,
    );
    let stop = drain.finishing();
    tasks.spawn("break-glass", async move {
        glass.run(stop.reached()).await;
        Ok(())
    });
    asked
}

/// Streams end when the right to them does.
fn follow_rights(authorities: Authorities, drain: &Drain, tasks: &mut Tasks) {
    let stop = drain.finishing();
    tasks.spawn("rights", async move {
        authorities.follow(stop.reached()).await;
        Ok(())
    });
}

/// Boot files come and go by themselves, as the catalogue says.
fn follow_catalogue(files: ::boot_files::BootFiles, drain: &Drain, tasks: &mut Tasks) {
    let stop = drain.finishing();
    tasks.spawn("boot files", async move {
        files.run(stop.reached()).await;
        Ok(())
    });
}

/// While this member leads, rollouts go on.
fn advance_rollouts(store: &Store, drain: &Drain, tasks: &mut Tasks) {
    let (store, stop) = (store.clone(), drain.finishing());
    let advancing = async move {
        loop {
            tokio::time::sleep(ROLLOUT_PAUSE).await;
            if store.leads() {
                bss::advance_rollouts(&store).await;
            }
        }
    };
    tasks.spawn("rollouts", async move {
        tokio::select! {
            () = advancing => {}
            () = stop.reached() => {}
        }
        Ok(())
    });
}

/// While this member leads, addresses that have left their nodes are let go of when every member has heard of it.
fn confirm_held_addresses(store: &Store, drain: &Drain, tasks: &mut Tasks) {
    let (store, stop) = (store.clone(), drain.finishing());
    tasks.spawn("held addresses", async move {
        tokio::select! {
            () = dhcp::confirm_held_addresses(store) => {}
            () = stop.reached() => {}
        }
        Ok(())
    });
}

/// While this member leads, it tells subscribers of state changes.
fn notify(store: &Store, webhooks: Webhooks, member: u64, drain: &Drain, tasks: &mut Tasks) {
    let webhooks = Arc::new(webhooks);
    let (store, stop) = (store.clone(), drain.finishing());
    tasks.spawn("notifications", async move {
        let principal = format!("member/{member}");
        smd::scn::run(
            store,
            webhooks,
            principal,
            smd::scn::Pace::default(),
            stop.reached(),
        )
        .await;
        Ok(())
    });
}

/// What others may know of this member all the time: health over gRPC, and its counters in the log.
fn report(
    store: &Store,
    gateway: &Gateway,
    health: Health,
    counters: &Counters,
    drain: &Drain,
    tasks: &mut Tasks,
) {
    let (store, leaving) = (store.clone(), drain.leaving());
    let ready = move || readiness::is_ready(&store, &leaving);
    tasks.spawn("health", health.report(ready, drain.finishing()));
    let nodes = gateway.clone();
    counters.add(Server::Gateway, "nodes", move || nodes.node_counters().all());
    let api = gateway.clone();
    counters.add(Server::Gateway, "api", move || api.api_counters().all());
    tasks.spawn("counters", counters.clone().log(drain.finishing()));
}

/// Said in the log, because what makes reads quicker here makes them wrong where clocks stand still.
fn lease_reads(config: &Config) -> bool {
    let trusted = config.raft.reads == config::Reads::LeaseTrustsClocks;
    if trusted {
        tracing::warn!(
            "raft.reads = \"lease-trusts-clocks\": a paused or suspended leader may answer with old data"
        );
    }
    trusted
}

async fn start_member(
    config: &Config,
    identity: &Identity,
    peers: &PeerTraffic,
    raft: &Handle,
) -> Result<Member, ServeError> {
    let options = MemberOptions {
        member_id: config.member.id,
        pins: identity.pins.clone(),
        data_dir: config.data_dir.clone(),
        profile: match config.raft.profile {
            config::Profile::Lan => Profile::Lan,
            config::Profile::Fast => Profile::Fast,
            config::Profile::Steady => Profile::Steady,
            config::Profile::Wan => Profile::Wan,
        },
        dial: dial::dialler(identity.material.clone(), identity.pins.clone(), peers.clone()),
        sources: Sources::system(Arc::new(crate::random::fill)),
        snapshots: config.raft.snapshots(),
        lease_reads: lease_reads(config),
        disk: Arc::new(RealDisk),
        founding_members: identity.founding_members(),
        bootstrap: identity
            .bootstrap()
            .map_err(ServeError::setup("the first entry of a new cluster"))?,
        keeps_ledger: true,
    };
    let started = raft.spawn(Box::pin(Member::start(options)));
    let member = started
        .await
        .map_err(ServeError::setup("Raft"))?
        .map_err(ServeError::Store)?;
    tracing::info!(
        member = config.member.id,
        cluster = config.cluster,
        "the store is open"
    );
    Ok(member)
}
