//! What can be typed: one command per verb, noun first, as `chamois cluster status`.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::api::ApiCommand;
use crate::audit::AuditArgs;
use crate::bench::BenchCommand;
use crate::bmc::BmcCommand;
use crate::boot::BootCommand;
use crate::break_glass::BreakGlassCommand;
use crate::certificate::CertificateCommand;
use crate::cloud_init::CloudInitCommand;
use crate::cluster::ClusterCommand;
use crate::complete_names::CompleteNamesArgs;
use crate::completion::CompletionArgs;
use crate::component::ComponentCommand;
use crate::config::ConfigCommand;
use crate::configure::ConfigureCommand;
use crate::connect;
use crate::console::ConsoleArgs;
use crate::declared::apply::ApplyArgs;
use crate::declared::diff::DiffArgs;
use crate::declared::edit::EditArgs;
use crate::declared::get::GetArgs;
use crate::demo::DemoArgs;
use crate::dhcp::DhcpCommand;
use crate::discover::DiscoverCommand;
use crate::doctor::DoctorArgs;
use crate::dry_run;
use crate::explain::ExplainArgs;
use crate::export::ExportArgs;
use crate::file::FileCommand;
use crate::firmware::FirmwareCommand;
use crate::group::GroupCommand;
use crate::iface::IfaceCommand;
use crate::image::ImageCommand;
use crate::import::ImportCommand;
use crate::init::InitArgs;
use crate::job::JobCommand;
use crate::join::JoinArgs;
use crate::login::LoginArgs;
use crate::man::ManArgs;
use crate::member::MemberCommand;
use crate::migrate::MigrateCommand;
use crate::nodeset::NodesetCommand;
use crate::oidc::OidcCommand;
use crate::output::Format;
use crate::policy::PolicyCommand;
use crate::power::PowerCommand;
use crate::rfe::RfeCommand;
use crate::secrets::SecretsCommand;
use crate::snapshot::{SaveArgs, SnapshotCommand};
use crate::subnet::SubnetCommand;
use crate::support_bundle::SupportBundleArgs;
use crate::token::TokenArgs;
use crate::watch::WatchArgs;

/// How long a call may take unless somebody says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  chamois demo                                  a whole cluster with 1,000 nodes on this host, no root needed
  chamois init --cluster prod --address 10.97.1.1   the first member of a new cluster; prints how others join
  chamois member list                           who votes, who learns, who is behind
  chamois snapshot save prod.snap               the whole product in one file
  chamois login                                 as yourself, through the site's OIDC provider
  chamois token issue --key id/token.key        another administrator's token, when the first has ended
  chamois certificate issue service/coresmd     a certificate for a day, which renews itself from then on
  chamois break-glass status                    on a member's host, when nothing else answers
  chamois serve --config chamois.toml --check   check a configuration
  chamois cluster status                        who leads, who follows, how far
  chamois doctor                                what is wrong, and what to do about it
  chamois component list --type Node -o json    the inventory
  chamois group create compute x1000c0s0b0n0    a named set of nodes
  chamois nodeset fold '@role:Compute!@state:Off'   nodes by what they are
  chamois discover start scan 10.1.0.0/24 --crawl --wait   BMCs, and everything that is in them
  chamois power on 'x1000c0s[0-7]b0n0' --wait   nodes, verified by reading back
  chamois console x1000c0s0b0n0                 its serial line; ~. ends it
  chamois boot script x1000c0s0b0n0             what a node would boot
  chamois cloud-init node data x1000c0s0b0n0    what cloud-init would tell it
  chamois configure diff                        files of this host that the state would change
  chamois file put vmlinuz /boot/vmlinuz        a kernel for every member
  chamois image add debian-12 /srv/debian-12    kernel, initrd and squashfs under one name
  chamois policy explain user/ada bss.write     why somebody may do something, or may not
  chamois audit --object x1000c0s0b0n0          who changed what, and who tried to
  chamois import smd https://smd/hsm/v2 --dry-run   what an SMD has and this cluster has not
  chamois migrate openchami --url https://gateway:8443 --diff   what would change for each node
  chamois apply -f site/ --dry-run              what files declare and the cluster has not
  chamois watch --kind component                components as they are, then every change
  chamois api explain /hsm/v2/groups            what a route does, needs and answers
  chamois config use prod                       whose cluster is meant from now on

Environment: CHAMOIS_ENDPOINTS, CHAMOIS_CA, CHAMOIS_TOKEN or CHAMOIS_TOKEN_FILE, CHAMOIS_CLIENT_CERTIFICATE, CHAMOIS_LOG,
CHAMOIS_CONTEXT, CHAMOIS_OUTPUT, CHAMOIS_TIMEOUT, CHAMOIS_CONSISTENCY, NO_COLOR. An option outranks them, they outrank the context;
but beside --context the first five do not count: what was exported for one cluster is not meant for another.
Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict, 5 denied, 6 unavailable, 7 some of many failed.";

/// HPC system management: one binary, one replicated state.
#[derive(Debug, Parser)]
#[command(name = "chamois", version, about, after_help = EXAMPLES, propagate_version = true)]
#[command(mut_subcommands = dry_run::add_flag)]
pub struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes. What is not given here comes from the environment, then from the context.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// Form of the answer [default: table]
    #[arg(
        id = "output",
        short,
        long = "output",
        value_enum,
        global = true,
        env = "CHAMOIS_OUTPUT"
    )]
    pub given_output: Option<Format>,
    /// The form that counts: as given, or as the context says.
    #[arg(skip)]
    pub output: Format,
    /// Which context of config.toml counts; default: the one of `chamois config use`
    #[arg(long, global = true, env = "CHAMOIS_CONTEXT", value_name = "NAME")]
    pub context: Option<String>,
    /// gRPC API of one or more members (host:port, comma list): the first that answers is asked
    #[arg(
        long,
        global = true,
        env = "CHAMOIS_ENDPOINTS",
        value_delimiter = ',',
        value_name = "HOST:PORT"
    )]
    pub endpoints: Vec<String>,
    /// Certificate of the cluster's CA (PEM)
    #[arg(long, global = true, env = "CHAMOIS_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// File with a bearer token; CHAMOIS_TOKEN may hold the token itself. Without both the login of `chamois login` counts
    #[arg(long, global = true, env = "CHAMOIS_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificate to show instead of a token (PEM); its key is beside it, in the file of the same name with the ending `.key`
    #[arg(long, global = true, env = "CHAMOIS_CLIENT_CERTIFICATE", value_name = "FILE")]
    pub client_certificate: Option<PathBuf>,
    /// Time to wait for an answer, e.g. 30, 500ms, 2m; up to 5m [default: 10s]
    #[arg(long, global = true, env = "CHAMOIS_TIMEOUT", value_parser = crate::duration::parse, value_name = "TIME")]
    pub timeout: Option<Duration>,
    /// What a read may rest on [default: linearizable]
    #[arg(long, global = true, value_enum, env = "CHAMOIS_CONSISTENCY")]
    pub consistency: Option<Consistency>,
    /// Only what was asked for: no sentence after a change, nothing that moves
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// No colours; NO_COLOR says the same
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Form of the log on standard error; default: `[log] format` of a member's configuration, or text
    #[arg(long, global = true, value_enum, env = "CHAMOIS_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// What is logged, e.g. `info` or `warn,raft=debug`
    #[arg(long, global = true, env = "CHAMOIS_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// `CHAMOIS_TOKEN` is another cluster's: the command line names the context.
    #[arg(skip)]
    pub ignores_env_token: bool,
    /// The verb's own `--dry-run`: its writes are tried out only.
    #[arg(skip)]
    pub only_trying: Option<rpc::client::Trials>,
}

impl Cli {
    /// What was typed; ends the process for `--help`, `--version` and what cannot be parsed.
    pub fn of_command_line() -> Self {
        let mut command = Self::command();
        let matches = command.get_matches_mut();
        let read = Self::of_matches(&matches);
        let mut cli = read.unwrap_or_else(|error| error.format(&mut command).exit());
        if dry_run::is_asked(&matches) {
            // without them writes would be made
            let trials = crate::api::trials().unwrap_or_else(|error| {
                eprintln!("chamois: {error}");
                std::process::exit(i32::from(error.exit_code()))
            });
            cli.global.only_trying = Some(trials);
        }
        cli
    }

    fn of_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let cli = Self::from_arg_matches(matches)?;
        Ok(Self {
            global: cli.global.without_exported(matches),
            ..cli
        })
    }
}

impl GlobalArgs {
    /// Beside a context that the command line names, what the environment says of cluster and caller does not count: it was exported
    /// for another cluster, which must not be asked instead, and whose token this one must not see.
    fn without_exported(self, matches: &ArgMatches) -> GlobalArgs {
        let comes_from = |id: &str, source| matches.value_source(id) == Some(source);
        let is_named = self.context.as_deref().is_some_and(|name| !name.is_empty());
        if !is_named || !comes_from("context", ValueSource::CommandLine) {
            return self;
        }
        let is_exported = |id: &str| comes_from(id, ValueSource::EnvVariable);
        GlobalArgs {
            endpoints: match is_exported("endpoints") {
                true => Vec::new(),
                false => self.endpoints,
            },
            ca: self.ca.filter(|_| !is_exported("ca")),
            token_file: self.token_file.filter(|_| !is_exported("token_file")),
            client_certificate: self
                .client_certificate
                .filter(|_| !is_exported("client_certificate")),
            ignores_env_token: true,
            ..self
        }
    }

    /// What `CHAMOIS_TOKEN` holds, if it counts.
    pub(crate) fn token_of_environment(&self) -> Option<String> {
        match self.ignores_env_token {
            true => None,
            false => connect::token_of_environment(),
        }
    }

    /// The time that a call may take.
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }

    /// The same for a verb that has its own word for `-o wide`.
    #[must_use]
    pub(crate) fn widened(&self, is_wide: bool) -> GlobalArgs {
        let output = match self.output {
            Format::Table if is_wide => Format::Wide,
            output => output,
        };
        GlobalArgs {
            output,
            ..self.clone()
        }
    }

    /// As given, without any context: for commands that ask no cluster.
    #[must_use]
    pub fn without_context(self) -> GlobalArgs {
        GlobalArgs {
            output: self.given_output.unwrap_or_default(),
            ..self
        }
    }
}

/// What a read may rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Consistency {
    /// Everything that was acknowledged before, whoever is asked.
    Linearizable,
    /// What the member that answers has; it answers without a majority, too.
    Local,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// The commands: two that are a process of the cluster, run by `cmd/chamois`, and the client's.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one member of a cluster
    Serve(ServeArgs),
    /// The whole product in one file
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Go on alone after a majority of members is lost for good
    Recover(RecoverArgs),
    /// For root on a member's host: works without a majority, a provider or a token
    #[command(subcommand)]
    BreakGlass(BreakGlassCommand),
    /// Put service addresses on interfaces, for the member on this host (needs CAP_NET_ADMIN)
    AddressHelper(AddressHelperArgs),
    /// End the member that started this when it is frozen while it holds an address on loopback
    #[command(hide = true)]
    AddressWatchdog(AddressWatchdogArgs),
    /// The state machine's process of `chamois bench scale`
    #[command(hide = true)]
    ScaleWorker(ScaleWorkerArgs),
    /// The process of `chamois bench authz`
    #[command(hide = true)]
    AuthzWorker(AuthzWorkerArgs),
    /// The processes of `chamois bench discover`
    #[command(hide = true)]
    DiscoverWorker(DiscoverWorkerArgs),
    /// What this crate runs itself.
    #[command(flatten)]
    Client(ClientCommand),
}

/// A command that this crate runs itself.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Begin a new cluster: keys, the first member's identity, an administrator's token
    Init(InitArgs),
    /// Become a member of a cluster that there is
    Join(JoinArgs),
    /// Who votes, who learns, who is to join or to leave
    #[command(subcommand)]
    Member(MemberCommand),
    /// What `chamois snapshot save` is to the client.
    #[command(skip)]
    SnapshotSave(SaveArgs),
    /// Log in through the site's OIDC provider; other commands use the login when no token is given
    Login(LoginArgs),
    /// End the login of `chamois login`, everywhere
    #[command(after_help = "Example:\n  chamois logout")]
    Logout,
    /// Bearer tokens of administrators and machines
    Token(TokenArgs),
    /// Certificates of users, services and nodes, and the CAs that sign them
    #[command(subcommand)]
    Certificate(CertificateCommand),
    /// The keys that open what is sealed: BMC passwords, signing keys, secret cloud-init data
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// The members themselves
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Nodes, BMCs and everything else that SMD tracks
    #[command(subcommand)]
    Component(ComponentCommand),
    /// Network interfaces: MACs with their addresses and whose they are
    #[command(subcommand)]
    Iface(IfaceCommand),
    /// Redfish endpoints: BMCs and other controllers, as SMD has them
    #[command(subcommand)]
    Rfe(Box<RfeCommand>),
    /// Named sets of components
    #[command(subcommand)]
    Group(GroupCommand),
    /// Nodesets, for scripts: expand, fold, count, and the groups that there are
    #[command(subcommand)]
    Nodeset(NodesetCommand),
    /// Find BMCs and read them, through the cluster or from this host as Magellan does
    #[command(subcommand)]
    Discover(Box<DiscoverCommand>),
    /// BMCs that were found: which is which, whose key is believed, how they are logged in to
    #[command(subcommand)]
    Bmc(BmcCommand),
    /// Switch nodes on and off
    #[command(subcommand)]
    Power(PowerCommand),
    /// The serial console of a node
    Console(ConsoleArgs),
    /// Firmware behind BMCs, and its updates
    #[command(subcommand)]
    Firmware(FirmwareCommand),
    /// Scans, crawls, power transitions, updates: what runs, and what became of it
    #[command(subcommand)]
    Job(JobCommand),
    /// What nodes boot and what they booted
    #[command(subcommand)]
    Boot(BootCommand),
    /// Kernels and initial RAM disks that nodes fetch
    #[command(subcommand)]
    File(FileCommand),
    /// Kernels with what boots with them, under one name
    #[command(subcommand)]
    Image(ImageCommand),
    /// Which clusters there are, and which one is meant
    #[command(subcommand)]
    Config(ConfigCommand),
    /// What cloud-init tells the nodes
    #[command(subcommand)]
    CloudInit(CloudInitCommand),
    /// Files that programs on this host read, made of the state and kept right
    #[command(subcommand)]
    Configure(Box<ConfigureCommand>),
    /// Networks that DHCP serves
    #[command(subcommand)]
    Subnet(SubnetCommand),
    /// Addresses that DHCP has given out, clients that SMD does not know, and policies
    #[command(subcommand)]
    Dhcp(DhcpCommand),
    /// Who may do what, in which part of the system, and why
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// OIDC providers: whose logins are believed
    #[command(subcommand)]
    Oidc(OidcCommand),
    /// Who did what to which object, and what was refused
    Audit(Box<AuditArgs>),
    /// Make the cluster what files declare
    Apply(ApplyArgs),
    /// Show how the cluster differs from what files declare
    Diff(DiffArgs),
    /// Change one object in an editor
    Edit(EditArgs),
    /// Show objects as the documents that apply reads
    Get(GetArgs),
    /// Explain the fields of what can be declared
    Explain(ExplainArgs),
    /// Take over what another system knows
    #[command(subcommand)]
    Import(ImportCommand),
    /// What would change for the nodes of another system
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// Write the inventory as JSON, as HSM shows it
    Export(ExportArgs),
    /// Show what changes, as it changes
    Watch(Box<WatchArgs>),
    /// What the API has and means, and any method of it by hand
    #[command(subcommand)]
    Api(ApiCommand),
    /// What is wrong with the cluster or this host, and what to do about it
    Doctor(DoctorArgs),
    /// One file for whoever is to help: what the cluster and this host say of themselves, without secrets
    SupportBundle(SupportBundleArgs),
    /// What a shell needs to complete commands and the cluster's names
    Completion(CompletionArgs),
    /// Names that begin so, for the scripts of `chamois completion`
    #[command(hide = true)]
    CompleteNames(CompleteNamesArgs),
    /// The manual: a page for each command
    Man(ManArgs),
    /// Start a cluster on this host, boot emulated nodes and kill members meanwhile
    Demo(DemoArgs),
    /// Measure a cluster on this host, beside what others use
    #[command(subcommand)]
    Bench(BenchCommand),
}

/// `chamois serve`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois serve --config /etc/chamois/chamois.toml
  chamois serve --config /etc/chamois/chamois.toml --check

SIGTERM and SIGINT end it in order: stop accepting, finish what runs, end (20 s at most).")]
pub struct ServeArgs {
    /// Configuration; every key is documented in deploy/examples/member-1.toml
    #[arg(long, value_name = "FILE", default_value = "/etc/chamois/chamois.toml")]
    pub config: PathBuf,
    /// Check the configuration and this host against it, then end; no port is opened
    #[arg(long)]
    pub check: bool,
    /// End when the process that started this one ends (set by `chamois demo`)
    #[arg(long, hide = true, value_name = "PID")]
    pub parent: Option<i32>,
}

/// `chamois recover`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois recover --config /etc/chamois/chamois.toml --accept-lost-writes

Run it on one stopped member, the one that `chamois cluster status` showed furthest, when so many others are lost for good
that no majority can be had. This member becomes the only one, under a new cluster id; what only the lost ones had is gone.
The others must never start again with their old data: join them anew.")]
pub struct RecoverArgs {
    /// Configuration of this member, which must not run
    #[arg(long, value_name = "FILE", default_value = "/etc/chamois/chamois.toml")]
    pub config: PathBuf,
    /// Yes: writes that were acknowledged by members that are lost may be lost with them
    #[arg(long, required = true)]
    pub accept_lost_writes: bool,
}

/// `chamois address-helper`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois address-helper --socket /run/chamois/address.sock --allow eth1=10.97.0.1

An address is taken off its interface one second after the last claim for it, whatever became of the claimant.")]
pub struct AddressHelperArgs {
    /// Unix socket that the member claims addresses on (`address.helper-socket` of its configuration)
    #[arg(long, value_name = "PATH", default_value = "/run/chamois/address.sock")]
    pub socket: PathBuf,
    /// A service address that it may put on an interface; once for each
    #[arg(long, value_name = "INTERFACE=ADDRESS", required = true)]
    pub allow: Vec<String>,
}

/// `chamois address-watchdog`, which only a member starts.
#[derive(Clone, Debug, Args)]
pub struct AddressWatchdogArgs {
    /// The member's process; its heartbeats come on standard input
    #[arg(long, value_name = "PID")]
    pub parent: i32,
}

/// `chamois scale-worker`, which only `chamois bench scale` starts.
#[derive(Clone, Debug, Args)]
pub struct ScaleWorkerArgs {
    /// What to do
    #[arg(value_enum)]
    pub phase: ScalePhase,
    /// Nodes in the state
    #[arg(long)]
    pub nodes: u32,
    /// Where the snapshot is
    #[arg(long)]
    pub dir: PathBuf,
}

/// `chamois authz-worker`, which only `chamois bench authz` starts.
#[derive(Clone, Debug, Args)]
pub struct AuthzWorkerArgs {
    /// Nodes in the state
    #[arg(long)]
    pub nodes: u32,
    /// Policies in the state
    #[arg(long)]
    pub policies: u32,
}

/// `chamois discover-worker`, which only `chamois bench discover` starts.
#[derive(Clone, Debug, Args)]
pub struct DiscoverWorkerArgs {
    /// What to be
    #[arg(value_enum)]
    pub phase: DiscoverPhase,
    /// Address of the first BMC
    #[arg(long)]
    pub first: Ipv4Addr,
    /// BMCs
    #[arg(long)]
    pub bmcs: u32,
    /// Milliseconds that a BMC thinks about each request
    #[arg(long)]
    pub latency_ms: u32,
    /// BMCs that are read at once
    #[arg(long)]
    pub at_once: u32,
    /// A captured tree
    #[arg(long)]
    pub tree: Option<PathBuf>,
}

/// One side of the measurement, in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DiscoverPhase {
    /// Be the BMCs, until standard input ends.
    Fleet,
    /// Read them.
    Crawl,
}

/// One phase of the measurement, in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ScalePhase {
    /// Build the state and write its snapshot.
    Build,
    /// Begin with the snapshot.
    Load,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What counts of a line. A test may set no variable: one that every process has stands in the place of ours.
    fn global(line: &str) -> GlobalArgs {
        let exported = |arg: clap::Arg| arg.env("PATH");
        let command = Cli::command()
            .mut_arg("endpoints", exported)
            .mut_arg("ca", exported)
            .mut_arg("token_file", exported)
            .mut_arg("client_certificate", exported);
        let matches = command.try_get_matches_from(line.split_whitespace()).unwrap();
        Cli::of_matches(&matches).unwrap().global
    }

    /// A token of one cluster must not be sent to another.
    #[test]
    fn what_was_exported_does_not_count_beside_a_context_that_is_named() {
        for line in [
            "chamois --context prod cluster status",
            "chamois cluster status --context prod",
        ] {
            let global = global(line);
            assert!(global.endpoints.is_empty() && global.ca.is_none(), "{line}");
            assert!(global.token_file.is_none(), "{line}");
            assert!(global.client_certificate.is_none(), "{line}");
            assert!(global.ignores_env_token, "{line}");
            assert_eq!(global.token_of_environment(), None, "{line}");
            assert_eq!(global.context.as_deref(), Some("prod"), "{line}");
        }
    }

    #[test]
    fn options_count_beside_a_context_and_variables_without_one() {
        let typed = global("chamois cluster status --context prod --ca /ca.pem --endpoints a:1,b:1");
        assert_eq!(typed.endpoints, ["a:1", "b:1"]);
        assert_eq!(typed.ca.as_deref(), Some(Path::new("/ca.pem")));
        assert_eq!(typed.token_file, None);
        let exported = global("chamois cluster status");
        assert!(!exported.endpoints.is_empty() && exported.ca.is_some());
        assert!(exported.token_file.is_some() && exported.client_certificate.is_some());
        assert!(!exported.ignores_env_token);
    }
}
