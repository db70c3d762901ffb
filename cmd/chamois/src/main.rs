//! `chamois`: parse, dispatch, exit code. What is behind each command is in the library and in `cli`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use chamois::{
    address_helper, address_watchdog, authz_worker, break_glass, logging, recover, scale_worker, serve,
    snapshot_files,
};
use clap::Parser as _;
use cli::{Cli, CliError, ClientCommand, Command, GlobalArgs, SnapshotCommand};

/// A member allocates small objects on several threads all the time; glibc's allocator took a fifth of its CPU time
/// under many writes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code of failures without a class of their own; the classes are in `cli::Kind`.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    // first: everything that touches TLS or a token expects one provider for the whole process
    rpc::tls::install_crypto_provider();
    // ssh runs this executable to ask for a BMC's password
    if let Some(answered) = console::answer_for_ssh() {
        return answered;
    }
    // ends the process itself: 0 for --help and --version, 2 for what cannot be parsed
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, text }) => {
            eprintln!("chamois: {text}");
            ExitCode::from(code)
        }
    }
}

/// What is said at the end, and the exit code.
struct Failure {
    code: u8,
    text: String,
}

fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    let global = global.without_context();
    let default_filter = match &command {
        Command::ScaleWorker(_)
        | Command::AuthzWorker(_)
        | Command::DiscoverWorker(_)
        | Command::Client(_)
        | Command::Snapshot(_)
        | Command::BreakGlass(_)
        | Command::Recover(_) => "warn",
        // openraft tells every vote and, without a majority, every attempt at one: 50 lines a second
        Command::Serve(_) => "info,openraft=warn",
        Command::AddressHelper(_) | Command::AddressWatchdog(_) => "info",
    };
    let (configured, origin) = match &command {
        Command::Serve(args) => serve::log_of(&args.config),
        Command::AddressHelper(_)
        | Command::AddressWatchdog(_)
        | Command::Snapshot(_)
        | Command::Recover(_)
        | Command::BreakGlass(_)
        | Command::ScaleWorker(_)
        | Command::AuthzWorker(_)
        | Command::DiscoverWorker(_)
        | Command::Client(_) => Default::default(),
    };
    let (filter, format) = (global.log.as_deref().unwrap_or(default_filter), global.log_format);
    logging::init(filter, format.unwrap_or(configured), origin).map_err(failed)?;
    match command {
        Command::Serve(args) => serve::run(&args).map_err(failed),
        Command::Snapshot(SnapshotCommand::Save(args)) => client(&global, ClientCommand::SnapshotSave(args)),
        Command::Snapshot(SnapshotCommand::Inspect(args)) => {
            snapshot_files::inspect(&global, &args).map_err(failed)
        }
        Command::Snapshot(SnapshotCommand::Restore(args)) => snapshot_files::restore(&args).map_err(failed),
        Command::BreakGlass(command) => break_glass::run(&global, &command).map_err(failed),
        Command::Recover(args) => recover::recover(&args).map_err(failed),
        Command::AddressHelper(args) => address_helper::run(args).map_err(failed),
        Command::AddressWatchdog(args) => address_watchdog::run(&args).map_err(failed),
        Command::ScaleWorker(args) => scale_worker::run(&args).map_err(failed),
        Command::AuthzWorker(args) => authz_worker::run(&args).map_err(failed),
        Command::DiscoverWorker(args) => ended(cli::discover_worker(&args)),
        Command::Client(command) => client(&global, command),
    }
}

fn client(global: &GlobalArgs, command: cli::ClientCommand) -> Result<(), Failure> {
    ended(cli::run(global, command))
}

/// Runs a command of `cli` to its end.
fn ended(command: impl Future<Output = Result<(), CliError>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(failed)?;
    runtime.block_on(command).map_err(|error| Failure {
        code: error.exit_code(),
        text: error.to_string(),
    })
}

/// The error with all its causes, one after the other.
fn failed(error: impl std::error::Error) -> Failure {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    Failure { code: FAILED, text }
}
