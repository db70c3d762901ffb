//! The command line: one file per command, tables for people, JSON and exit codes for programs.
//!
//! A client of the API like any other: it knows the protos and `rpc`'s channel, never the state.
#![forbid(unsafe_code)]

mod api;
mod args;
mod at_once;
mod audit;
mod bench;
mod bmc;
mod boot;
mod break_glass;
mod certificate;
mod cloud_init;
mod cluster;
mod complete_names;
mod completion;
mod component;
mod config;
mod configure;
mod connect;
mod console;
mod contexts;
mod declared;
mod demo;
mod dhcp;
mod discover;
mod doctor;
mod dry_run;
mod duration;
mod error;
mod explain;
mod export;
mod facts;
mod file;
mod firmware;
mod fold;
mod group;
mod host_config;
mod hsm;
mod iface;
mod image;
mod import;
mod init;
mod job;
mod join;
mod login;
mod logout;
mod man;
mod many;
mod meant;
mod member;
mod migrate;
mod nodes;
mod nodeset;
mod oidc;
mod output;
mod policy;
mod power;
mod rfe;
mod secrets;
mod snapshot;
mod subnet;
mod support_bundle;
mod terminal;
mod token;
#[cfg(test)]
mod typed;
mod utc;
mod watch;

pub use self::bench::discover_worker;
pub use args::{
    AddressHelperArgs, AddressWatchdogArgs, AuthzWorkerArgs, Cli, ClientCommand, Command, Consistency,
    DiscoverPhase, DiscoverWorkerArgs, GlobalArgs, LogFormat, RecoverArgs, ScalePhase, ScaleWorkerArgs,
    ServeArgs,
};
pub use break_glass::{BreakGlassCommand, GlassArgs, GlassExportArgs, GlassRecoverArgs};
pub use demo::member_config_example;
pub use error::{CliError, Kind};
pub use host_config::{HostArgs, make_files_dir};
pub use init::first_member;
pub use output::{Format, value_document};
pub use snapshot::{InspectArgs, RestoreArgs, SaveArgs, SnapshotCommand, partial_of};

/// Runs a client command to its end; its answer goes to standard output.
///
/// # Errors
/// With the class that decides the exit code, and the remedy in the text.
pub async fn run(global: &GlobalArgs, command: ClientCommand) -> Result<(), CliError> {
    let global = &match asks_no_cluster(&command) {
        true => global.clone().without_context(),
        false => contexts::applied(global)?,
    };
    if !asks_without_login(&command) {
        // which writes even where the command changes nothing
        let of_login = GlobalArgs {
            only_trying: None,
            ..global.clone()
        };
        login::renew(&of_login).await;
    }
    let ended = match answers_at_once(&command) {
        true => output::progress::while_waiting(global, Box::pin(dispatch(global, command))).await,
        false => dispatch(global, command).await,
    };
    let ended = match ended {
        Err(error) => Err(meant::with_nearest(global, error).await),
        done => done,
    };
    match &global.only_trying {
        Some(trials) => dry_run::end(global, trials, ended),
        None => ended,
    }
}

/// Contexts do not matter to these, not even one that cannot be read.
fn asks_no_cluster(command: &ClientCommand) -> bool {
    use ClientCommand as Command;
    matches!(
        command,
        Command::Init(_)
            | Command::Config(_)
            | Command::Completion(_)
            // it says nothing of a context that cannot be read, either
            | Command::CompleteNames(_)
            | Command::Man(_)
            | Command::Demo(_)
            | Command::Bench(_)
            | Command::Explain(_)
    )
}

/// Whether all there is to see is an answer: others show by themselves that they go on, or talk with their user.
fn answers_at_once(command: &ClientCommand) -> bool {
    use ClientCommand as Command;
    matches!(
        command,
        Command::Member(_)
            | Command::Token(_)
            | Command::Oidc(_)
            | Command::Secrets(_)
            | Command::Cluster(_)
            | Command::Component(_)
            | Command::Iface(_)
            | Command::Rfe(_)
            | Command::Group(_)
            | Command::Diff(_)
            | Command::Get(_)
            | Command::File(_)
            | Command::CloudInit(_)
            | Command::Subnet(_)
            | Command::Dhcp(_)
            | Command::Policy(_)
            | Command::Audit(_)
            | Command::Doctor(_)
            | Command::SupportBundle(_)
    )
}

async fn dispatch(global: &GlobalArgs, command: ClientCommand) -> Result<(), CliError> {
    match command {
        ClientCommand::Init(args) => init::run(&args),
        ClientCommand::Join(args) => join::run(&args).await,
        ClientCommand::Member(command) => member::run(global, command).await,
        ClientCommand::SnapshotSave(args) => snapshot::save(global, args).await,
        ClientCommand::Login(args) => login::run(global, args).await,
        ClientCommand::Logout => logout::run(global).await,
        ClientCommand::Token(args) => token::run(global, args).await,
        ClientCommand::Certificate(command) => certificate::run(global, command).await,
        ClientCommand::Oidc(command) => oidc::run(global, command).await,
        ClientCommand::Secrets(command) => secrets::run(global, command).await,
        ClientCommand::Cluster(command) => cluster::run(global, command).await,
        ClientCommand::Component(command) => component::run(global, command).await,
        ClientCommand::Iface(command) => iface::run(global, command).await,
        ClientCommand::Rfe(command) => rfe::run(global, *command).await,
        ClientCommand::Group(command) => group::run(global, command).await,
        ClientCommand::Apply(args) => declared::apply::run(global, &args).await,
        ClientCommand::Diff(args) => declared::diff::run(global, &args).await,
        ClientCommand::Edit(args) => declared::edit::run(global, &args).await,
        ClientCommand::Get(args) => declared::get::run(global, &args).await,
        ClientCommand::Explain(args) => explain::run(global, &args),
        ClientCommand::Nodeset(command) => nodeset::run(global, command).await,
        ClientCommand::Discover(command) => discover::run(global, *command).await,
        ClientCommand::Bmc(command) => bmc::run(global, command).await,
        ClientCommand::Power(command) => power::run(global, command).await,
        ClientCommand::Console(args) => console::run(global, args).await,
        ClientCommand::Firmware(command) => firmware::run(global, command).await,
        ClientCommand::Job(command) => job::run(global, command).await,
        ClientCommand::Boot(command) => boot::run(global, command).await,
        ClientCommand::File(command) => file::run(global, command).await,
        ClientCommand::Image(command) => image::run(global, command).await,
        ClientCommand::Config(command) => config::run(global, command),
        ClientCommand::CloudInit(command) => cloud_init::run(global, command).await,
        ClientCommand::Configure(command) => configure::run(global, *command).await,
        ClientCommand::Subnet(command) => subnet::run(global, command).await,
        ClientCommand::Dhcp(command) => dhcp::run(global, command).await,
        ClientCommand::Policy(command) => policy::run(global, command).await,
        ClientCommand::Audit(args) => audit::run(global, *args).await,
        ClientCommand::Import(command) => import::run(global, command).await,
        ClientCommand::Migrate(command) => migrate::run(global, command).await,
        ClientCommand::Export(args) => export::run(global, args).await,
        ClientCommand::Watch(args) => watch::run(global, *args).await,
        ClientCommand::Api(command) => api::run(global, command).await,
        ClientCommand::Doctor(args) => doctor::run(global, args).await,
        ClientCommand::SupportBundle(args) => support_bundle::run(global, args).await,
        ClientCommand::Completion(args) => completion::run(args),
        ClientCommand::CompleteNames(args) => complete_names::run(global, args).await,
        ClientCommand::Man(args) => man::run(&args),
        ClientCommand::Demo(args) => demo::run(args).await,
        ClientCommand::Bench(command) => bench::run(command).await,
    }
}

/// Whether the command changes the login itself, asks nobody, or may not wait for a provider.
fn asks_without_login(command: &ClientCommand) -> bool {
    matches!(
        command,
        ClientCommand::Login(_)
            | ClientCommand::Logout
            | ClientCommand::Config(_)
            | ClientCommand::Completion(_)
            | ClientCommand::CompleteNames(_)
            | ClientCommand::Man(_)
    )
}
