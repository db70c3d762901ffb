//! `chamois discover-worker`: the two processes of `chamois bench discover`. Each prints one line of JSON at its end.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bench::peak_resident_bytes;
use futures::StreamExt as _;
use futures::stream;
use lab::bmc::{BmcFleet, BmcSpec, Faults, Tree};
use model::Xname;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use redfish::{Address, Connector, Limits, Login, Password, Trust};
use serde::{Deserialize, Serialize};

use crate::args::{DiscoverPhase, DiscoverWorkerArgs};
use crate::error::CliError;
use crate::output;

/// What the BMCs' process says when all of them listen.
pub(super) const READY: &str = "ready";
/// HTTPS' own port is root's.
const PORT: u16 = 8443;
/// How the BMCs are logged in to.
const USER: &str = "root";
const PASSWORD: &str = "a password of the benchmark";
/// Requests at once to all BMCs together; the default of `[discovery]`.
const REQUESTS_MAX: usize = 512;
/// Addresses of one /24, as in `lab::LoopbackNet`.
const ADDRESSES_PER_OCTET: u32 = 250;

/// What reading them took.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Crawled {
    pub(super) seconds: f64,
    /// Most memory of this process, bytes.
    pub(super) peak_bytes: u64,
    /// BMCs that could not be read, or not whole.
    pub(super) not_whole: u64,
    /// Why the first of them was not; empty: all were.
    pub(super) first_problem: String,
}

/// What they were asked.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Served {
    /// Requests of all of them, logins among them.
    pub(super) requests: u64,
    /// Reads of what had been read before.
    pub(super) read_twice: u64,
    pub(super) sessions_left: u64,
    /// Most requests that one of them had in work at once.
    pub(super) in_flight_max: u64,
}

/// Runs one of the two until it has done its part.
///
/// # Errors
/// If an address cannot be listened at, or a tree cannot be read.
pub async fn discover_worker(args: &DiscoverWorkerArgs) -> Result<(), CliError> {
    raise_open_files()?;
    match args.phase {
        DiscoverPhase::Fleet => fleet(args).await,
        DiscoverPhase::Crawl => crawl(args).await,
    }
}

/// The usual limit of 1,024 is less than there are BMCs.
fn raise_open_files() -> Result<(), CliError> {
    let failed = |error| CliError::other("cannot raise the limit of open files", error);
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(failed)
}

/// The address of BMC `place`, from 0.
fn address(first: Ipv4Addr, place: u32) -> SocketAddr {
    let [a, b, third, fourth] = first.octets();
    let up = u8::try_from(place / ADDRESSES_PER_OCTET).unwrap_or(u8::MAX);
    let on = u8::try_from(place % ADDRESSES_PER_OCTET).unwrap_or(u8::MAX);
    let address = Ipv4Addr::new(a, b, third.saturating_add(up), fourth.saturating_add(on));
    SocketAddr::from((address, PORT))
}

/// Serves until standard input ends, as it does with the process that began this one.
async fn fleet(args: &DiscoverWorkerArgs) -> Result<(), CliError> {
    let tree = Arc::new(tree(args.tree.as_deref())?);
    let spec = |place| BmcSpec {
        address: address(args.first, place),
        tree: Arc::clone(&tree),
        user: USER.to_owned(),
        password: PASSWORD.to_owned(),
        latency: Duration::from_millis(u64::from(args.latency_ms)),
        faults: Faults::none(),
    };
    let fleet = BmcFleet::start((0..args.bmcs).map(spec).collect())
        .map_err(|error| CliError::other("cannot start the emulated BMCs", error))?;
    output::print(READY)?;
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    // an error means that nobody is there any more, too
    let _ = ended.await;
    print(&served(&fleet))
}

fn tree(captured: Option<&Path>) -> Result<Tree, CliError> {
    match captured {
        Some(path) => Tree::load(path)
            .map_err(|error| CliError::other(&format!("cannot serve {}", path.display()), error)),
        None => Ok(Tree::rack_server(1)),
    }
}

fn served(fleet: &BmcFleet) -> Served {
    let bmcs = || fleet.bmcs().iter();
    let again = |reads: u64| reads.saturating_sub(1);
    Served {
        requests: bmcs().map(|bmc| bmc.total()).sum(),
        read_twice: bmcs()
            .map(|bmc| bmc.reads().into_values().map(again).sum::<u64>())
            .sum(),
        sessions_left: bmcs().map(|bmc| bmc.sessions() as u64).sum(),
        in_flight_max: bmcs().map(|bmc| bmc.in_flight_max() as u64).max().unwrap_or(0),
    }
}

/// Reads all of them and makes of each what SMD would be sent.
async fn crawl(args: &DiscoverWorkerArgs) -> Result<(), CliError> {
    let connector = Connector::system(REQUESTS_MAX);
    let started = Instant::now();
    let readings = stream::iter(0..args.bmcs).map(|place| read(&connector, address(args.first, place)));
    let mut readings = readings.buffer_unordered(args.at_once as usize);
    let (mut not_whole, mut first_problem) = (0, String::new());
    while let Some(read) = readings.next().await {
        if let Err(problem) = read {
            not_whole += 1;
            if first_problem.is_empty() {
                first_problem = problem;
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    print(&Crawled {
        seconds,
        peak_bytes: peak_resident_bytes(std::process::id())?,
        not_whole,
        first_problem,
    })
}

/// Reads one; what it was is forgotten at once.
async fn read(connector: &Connector, at: SocketAddr) -> Result<(), String> {
    let (to, login) = (Address::new(at), login());
    let limits = Limits::default();
    let crawled = discovery::crawl(connector, &to, Some(login), Trust::FirstUse, &limits).await;
    let inventory = crawled.map_err(|error| format!("{to}: {error}"))?.inventory;
    if let Some(problem) = inventory.problems.first() {
        return Err(format!("{to}: {}: {}", problem.uri, problem.problem));
    }
    let payload = discovery::payload(&inventory, &xname(), &to, USER);
    match payload.systems.is_empty() {
        true => Err(format!("{to}: no system was found")),
        false => Ok(()),
    }
}

fn login() -> Login {
    Login {
        user: USER.to_owned(),
        password: Password::new(PASSWORD),
    }
}

/// Which one it is changes nothing of what it costs.
fn xname() -> Xname {
    "x1000c0s0b0".parse().expect("it is a BMC's xname")
}

fn print(answer: &impl Serialize) -> Result<(), CliError> {
    let line = serde_json::to_string(answer).expect("texts and numbers always serialize");
    output::print(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The addresses are those that a `LoopbackNet` has claimed for nodes.
    #[test]
    fn bmcs_have_the_addresses_of_nodes() {
        let net = lab::claim_loopback_net().unwrap();
        let first = net.node_address(0).unwrap();
        for place in [0, 1, 249, 250, 1999, 10_000] {
            let expected = net.node_address(place as usize).unwrap();
            assert_eq!(address(first, place), SocketAddr::from((expected, PORT)));
        }
    }

    #[test]
    fn both_processes_speak_one_line_of_json() {
        let served = Served {
            requests: 40,
            read_twice: 1,
            sessions_left: 0,
            in_flight_max: 5,
        };
        let line = serde_json::to_string(&served).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Served>(&line).unwrap(), served);
    }

    #[test]
    fn a_tree_that_is_not_there_is_named() {
        let error = tree(Some(Path::new("/nonexistent/tree")))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nonexistent/tree"), "{error}");
        assert!(tree(None).unwrap().systems().count() > 0);
    }

    /// Read whole, once, with the session ended.
    #[tokio::test]
    async fn a_bmc_is_read_once_and_left_as_it_was() {
        let net = lab::claim_loopback_net().unwrap();
        let at = SocketAddr::from((net.node_address(0).unwrap(), 0));
        let spec = BmcSpec {
            address: at,
            tree: Arc::new(tree(None).unwrap()),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            latency: Duration::ZERO,
            faults: Faults::none(),
        };
        let fleet = BmcFleet::start(vec![spec]).unwrap();
        rpc::tls::install_crypto_provider();
        read(&Connector::system(5), fleet.bmc(0).address()).await.unwrap();
        let served = served(&fleet);
        assert_eq!((served.read_twice, served.sessions_left), (0, 0));
        assert!(served.requests > 10 && served.in_flight_max <= 5, "{served:?}");
    }
}
