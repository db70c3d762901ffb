//! The service: who may, which node, where its console is.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use bmcs::{Bmcs, What};
use futures::{FutureExt as _, Stream};
use model::Xname;
use proto::console::v1::console_input::{Input, Open};
use proto::console::v1::console_output::{Opened, Output};
use proto::console::v1::{
    Console, ConsoleInput, ConsoleOutput, GetConsoleRequest, ListConsolesRequest, ListConsolesResponse,
    console_service_server,
};
use redfish::{Address, Limits};
use rpc::{Error, Rights};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Duration;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::limits::{
    ASK_AT_MOST, CONSOLES_MAX, IDLE_AT_MOST, MESSAGES_AHEAD, OPEN_AT_MOST, PROMPT_AT_MOST, TICK,
};
use crate::log::ConsoleLog;
use crate::place::Place;
use crate::pump::{self, Ending, How, Told};
use crate::session::Session;
use crate::ssh::{Line, SshProgram};

/// What whoever connects needs; policies may give it on a part of the system.
const PERMISSION: &str = "console.write";
/// What a component endpoint of a node is.
const SYSTEM: &str = "ComputerSystem";
/// When a repeat makes sense.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The service of the API port.
#[derive(Clone)]
pub(crate) struct ConsoleService {
    bmcs: Bmcs,
    ssh: SshProgram,
    log: ConsoleLog,
    ending: Ending,
    open: Arc<Semaphore>,
}

/// Which console somebody wants, and how.
pub(crate) struct Wanted {
    /// Principal.
    pub(crate) by: String,
    pub(crate) rights: Rights,
    pub(crate) node: Xname,
    /// Only looks on.
    pub(crate) read_only: bool,
}

/// A node, its BMC, and where the BMC says that the console is.
struct Found {
    node: Xname,
    bmc: Xname,
    address: Address,
    place: Place,
}

impl Found {
    fn told(&self) -> Console {
        self.place.told(self.node.as_str(), &self.address)
    }
}

impl ConsoleService {
    pub(crate) fn new(
        bmcs: Bmcs,
        ssh: SshProgram,
        log: ConsoleLog,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> ConsoleService {
        ConsoleService {
            bmcs,
            ssh,
            log,
            ending: stop.boxed().shared(),
            open: Arc::new(Semaphore::new(CONSOLES_MAX)),
        }
    }

    /// Asks the BMC of a node where its console is.
    ///
    /// # Errors
    /// `NotFound` for what no BMC is known of; `NotReady` where this member does not reach it, or it does not answer.
    async fn find(&self, node: Xname) -> Result<Found, Error> {
        let system = self.bmcs.system_of(&node)?;
        let address = self.bmcs.address_of(&system.bmc)?;
        if !self.bmcs.reaches(&address) {
            return Err(not_ready(format!(
                "no network with the role `discovery` of its configuration has {address}, the BMC of {node}; ask another member"
            )));
        }
        let limits = Limits {
            total: ASK_AT_MOST,
            ..Limits::default()
        };
        let failed = |error: redfish::Error| {
            not_ready(format!(
                "the BMC of {node} cannot be asked for its console: {error}; {}",
                error.remedy()
            ))
        };
        let bmc = self.bmcs.open(&system.bmc, &limits).await.map_err(failed)?;
        let described = bmc.fresh(&system.uri).await.map_err(failed);
        let vendor = bmc.root().vendor.clone();
        bmc.close().await;
        Ok(Found {
            place: Place::of(described?.as_ref(), &vendor),
            bmc: system.bmc,
            address,
            node,
        })
    }

    async fn line(&self, found: &Found) -> Result<Line, Error> {
        let (name, port) = (found.address.host(), found.place.port);
        let looked_up = tokio::net::lookup_host((name, port)).await;
        let host = within_reach(looked_up, |address| self.bmcs.reaches(address));
        let host =
            host.map_err(|problem| not_ready(format!("{name}, the BMC of {}: {problem}", found.node)))?;
        let login = self.bmcs.login_for(&found.bmc, &found.address)?;
        let login = login.ok_or_else(|| Error::Conflict {
            detail: format!(
                "there are no user and password for {}, the BMC of {}: `chamois bmc credential put bmc:{} --user USER`",
                found.bmc, found.node, found.bmc
            ),
        })?;
        Ok(Line {
            known_as: (host != name).then(|| format!("{name}:{port}")),
            host,
            port,
            login,
        })
    }

    fn slot(&self) -> Result<OwnedSemaphorePermit, Error> {
        let slot = Arc::clone(&self.open).try_acquire_owned();
        slot.map_err(|_| Error::Overloaded {
            what: "consoles".to_owned(),
            retry_after: RETRY_AFTER,
        })
    }

    /// Opens a console; what is typed into it goes there until one of both ends, and what it shows can be received.
    ///
    /// # Errors
    /// `Denied` without the right to the node; those of finding and reaching its console.
    pub(crate) async fn open<T>(&self, wanted: Wanted, typed: T) -> Result<mpsc::Receiver<Told>, Status>
    where
        T: Stream<Item = Result<ConsoleInput, Status>> + Send + Unpin + 'static,
    {
        let Wanted {
            by,
            rights,
            node,
            read_only,
        } = wanted;
        check_right(&rights, &node)?;
        let slot = self.slot()?;
        let found = self.find(node.clone()).await?;
        found.place.check_can_be_connected(node.as_str())?;
        let line = self.line(&found).await?;
        let session = Session::start(&self.ssh, &line).map_err(|error| cannot_start(&error))?;
        let (told, receiver) = mpsc::channel(MESSAGES_AHEAD);
        // the queue is new and has room
        let _ = told.try_send(Ok(opened(found.told())));
        let node_of_right = node.clone();
        let how = How {
            read_only,
            entry_command: found.place.entry_command,
            may_go_on: Box::new(move || check_right(&rights, &node_of_right)),
            idle_at_most: IDLE_AT_MOST,
            prompt_at_most: PROMPT_AT_MOST,
            tick: TICK,
        };
        let (log, ending) = (self.log.clone(), self.ending.clone());
        tokio::spawn(async move {
            log.opened(&by, node.as_str(), read_only);
            let why = pump::run(session, &how, typed, &told, ending).await;
            log.ended(&by, node.as_str(), &why);
            drop(slot);
        });
        Ok(receiver)
    }

    /// Of every node with a BMC that is known, or of `wanted`.
    pub(crate) fn list(&self, wanted: &[String]) -> Result<Vec<Console>, Error> {
        let wanted = match wanted {
            [] => None,
            some => Some(self.bmcs.expand("node", some, What::Nodes)?),
        };
        let state = self.bmcs.store().state();
        let wanted = wanted.map(BTreeSet::from_iter);
        let is_wanted = |id: &String| {
            wanted
                .as_ref()
                .is_none_or(|wanted: &BTreeSet<String>| wanted.contains(id))
        };
        let systems = state.smd.component_endpoints();
        let systems = systems.filter(|endpoint| endpoint.redfish_type == SYSTEM && is_wanted(&endpoint.id));
        let console = |bmc: &str, node: &str| {
            let bmc: Xname = bmc.parse().ok()?;
            let address = self.bmcs.address_of(&bmc).ok()?;
            Some(Place::default().told(node, &address))
        };
        Ok(systems
            .filter_map(|endpoint| console(&endpoint.redfish_endpoint_id, &endpoint.id))
            .collect())
    }
}

#[tonic::async_trait]
impl console_service_server::ConsoleService for ConsoleService {
    type ConnectConsoleStream = ReceiverStream<Told>;

    #[tracing::instrument(name = "console.connect", skip_all)]
    async fn connect_console(
        &self,
        request: Request<Streaming<ConsoleInput>>,
    ) -> Result<Response<Self::ConnectConsoleStream>, Status> {
        let by = rpc::caller(&request).identity.principal();
        let rights = rpc::rights(&request);
        let mut typed = request.into_inner();
        let Open { node, read_only, .. } = opening(&mut typed).await?;
        let wanted = Wanted {
            by,
            rights,
            node: node_of(&node)?,
            read_only,
        };
        let receiver = self.open(wanted, typed).await?;
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    #[tracing::instrument(level = "debug", name = "console.get", skip_all, fields(xname = ?request.get_ref().node))]
    async fn get_console(&self, request: Request<GetConsoleRequest>) -> Result<Response<Console>, Status> {
        let found = self.find(node_of(&request.get_ref().node)?).await?;
        Ok(Response::new(found.told()))
    }

    #[tracing::instrument(level = "debug", name = "console.list", skip_all)]
    async fn list_consoles(
        &self,
        request: Request<ListConsolesRequest>,
    ) -> Result<Response<ListConsolesResponse>, Status> {
        let consoles = self.list(&request.get_ref().node)?;
        Ok(Response::new(ListConsolesResponse { consoles }))
    }
}

/// The first address of a name that this member reaches. ssh is given that and not the name, which it would look up again: what has
/// been judged is what is connected to.
fn within_reach(
    looked_up: std::io::Result<impl Iterator<Item = SocketAddr>>,
    reaches: impl Fn(&Address) -> bool,
) -> Result<String, String> {
    let mut found = looked_up.map_err(|error| format!("it has no address: {error}"))?;
    match found.find(|at| reaches(&Address::new(*at))) {
        Some(at) => Ok(at.ip().to_string()),
        None => Err("it leads to no `bmc-subnets` of this member; ask another member".to_owned()),
    }
}

/// The first message.
async fn opening(typed: &mut Streaming<ConsoleInput>) -> Result<Open, Status> {
    Ok(opening_of(first_of(typed).await?)?)
}

/// # Errors
/// `DeadlineExceeded` for a caller that says nothing; its own, where its stream breaks.
pub(crate) async fn first_of<M>(said: &mut Streaming<M>) -> Result<Option<M>, Status> {
    let first = tokio::time::timeout(OPEN_AT_MOST, said.message()).await;
    first.map_err(|_| Error::DeadlineExceeded { after: OPEN_AT_MOST })?
}

fn opening_of(first: Option<ConsoleInput>) -> Result<Open, Error> {
    match first.and_then(|message| message.input) {
        Some(Input::Open(open)) => Ok(open),
        _ => Err(rpc::invalid("open", "the first message names the node")),
    }
}

/// # Errors
/// `Invalid` for what is no node.
pub(crate) fn node_of(text: &str) -> Result<Xname, Error> {
    let node: Xname = text.parse().map_err(|problem| rpc::invalid("node", problem))?;
    match node.is_node() {
        true => Ok(node),
        false => {
            let problem = format!("{node} is a {:?}; nodes have consoles", node.hms_type());
            Err(rpc::invalid("node", problem))
        }
    }
}

/// Policies may give consoles of a part of the system; the answer of a stream is not cut by the guard.
fn check_right(rights: &Rights, node: &Xname) -> Result<(), Error> {
    let scope = rights.to(PERMISSION)?;
    match scope.part() {
        Some(part) if !part.has_component(node.as_str()) => Err(Error::Denied {
            reason: format!("{PERMISSION} is needed on {node}"),
        }),
        _ => Ok(()),
    }
}

fn opened(console: Console) -> ConsoleOutput {
    ConsoleOutput {
        output: Some(Output::Opened(Opened {
            console: Some(console),
        })),
    }
}

fn not_ready(reason: String) -> Error {
    Error::NotReady {
        retry_after: RETRY_AFTER,
        reason,
    }
}

fn cannot_start(error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::InvalidInput => Error::Conflict {
            detail: error.to_string(),
        },
        _ => not_ready(format!(
            "{error}; consoles need OpenSSH's client, `ssh-program` of `[discovery]` in this member's configuration names it"
        )),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::lookup_host;
    use tonic::Code;

    use super::*;

    #[test]
    fn the_first_message_names_a_node() {
        let open = Open {
            node: "x0c0s0b0n0".into(),
            ..Open::default()
        };
        let message = |input| Some(ConsoleInput { input: Some(input) });
        assert_eq!(opening_of(message(Input::Open(open.clone()))).unwrap(), open);
        for wrong in [
            None,
            Some(ConsoleInput::default()),
            message(Input::Data(b"ls".to_vec())),
        ] {
            let status = Status::from(opening_of(wrong).unwrap_err());
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().contains("open"), "{status}");
        }
    }

    #[test]
    fn only_nodes_have_consoles() {
        assert_eq!(node_of("X0c0s00b0n0").unwrap().as_str(), "x0c0s0b0n0");
        for wrong in ["x0c0s0b0", "node-1", ""] {
            let error = node_of(wrong).unwrap_err().to_string();
            assert!(error.starts_with("node: "), "{error}");
        }
    }

    #[test]
    fn whoever_needs_no_policies_may_use_every_console() {
        check_right(&Rights::default(), &node_of("x0c0s0b0n0").unwrap()).unwrap();
    }

    /// Whoever names a BMC could else have a member show its password to any host that the name leads to.
    #[tokio::test]
    async fn ssh_is_given_an_address_that_was_judged_and_never_a_name() {
        let loopback = |address: &Address| address.ip().is_some_and(|ip| ip.is_loopback());
        for name in ["localhost", "127.0.0.1", "::1"] {
            let host = within_reach(lookup_host((name, 22)).await, loopback).unwrap();
            assert!(host.parse::<std::net::IpAddr>().unwrap().is_loopback(), "{host}");
            let refused = within_reach(lookup_host((name, 22)).await, |_| false).unwrap_err();
            assert!(refused.contains("bmc-subnets"), "{refused}");
        }
        let nowhere = within_reach(lookup_host(("bmc\0", 22)).await, loopback).unwrap_err();
        assert!(nowhere.contains("no address"), "{nowhere}");
    }

    #[test]
    fn a_password_that_ssh_cannot_send_is_no_fault_of_this_member() {
        let line = std::io::Error::new(std::io::ErrorKind::InvalidInput, "no line");
        assert_eq!(Status::from(cannot_start(&line)).code(), Code::FailedPrecondition);
        let absent = Status::from(cannot_start(&std::io::ErrorKind::NotFound.into()));
        assert_eq!(absent.code(), Code::Unavailable);
        assert!(absent.message().contains("ssh-program"), "{absent}");
    }
}
