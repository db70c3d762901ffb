//! The same consoles as OpenCHAMI's remote-console has them, for `ochami rcs`. Here is only what differs: names, modes, messages.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt as _, Stream, StreamExt as _};
use proto::console::v1::console_input::Input;
use proto::console::v1::console_output::Output;
use proto::console::v1::{
    Console, ConsoleInput, ConsoleOutput, GetRemoteConsoleHealthRequest, ListRemoteConsolesRequest,
    ListRemoteConsolesResponse, ProbeRemoteConsoleRequest, ProbeRemoteConsoleResponse, RemoteConsole,
    RemoteConsoleHealth, RemoteConsoleInput, RemoteConsoleOutput, remote_console_service_server,
};
use rpc::Error;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::pump::Told;
use crate::service::{ConsoleService, Wanted, first_of, node_of};

/// The service of the API port.
#[derive(Clone)]
pub(crate) struct RemoteConsoleService {
    consoles: Consoles,
}

/// What is asked of the consoles: an argument, so that tests need no BMC.
#[derive(Clone)]
struct Consoles {
    list: Arc<dyn Fn() -> Result<Vec<Console>, Error> + Send + Sync>,
    open: Arc<Opening>,
}

type Typed = BoxStream<'static, Result<ConsoleInput, Status>>;
type Opening =
    dyn Fn(Wanted, Typed) -> BoxFuture<'static, Result<mpsc::Receiver<Told>, Status>> + Send + Sync;

impl RemoteConsoleService {
    pub(crate) fn new(service: ConsoleService) -> RemoteConsoleService {
        let lists = service.clone();
        let open = move |wanted: Wanted, typed: Typed| {
            let service = service.clone();
            async move { service.open(wanted, typed).await }.boxed()
        };
        RemoteConsoleService {
            consoles: Consoles {
                list: Arc::new(move || lists.list(&[])),
                open: Arc::new(open),
            },
        }
    }
}

/// How a console is looked at.
///
/// # Errors
/// `Invalid` for a mode that remote-console does not have, and for its log, which is not kept here.
fn is_read_only(first: &RemoteConsoleInput) -> Result<bool, Error> {
    match (first.mode.as_str(), first.follow) {
        ("" | "interactive", _) => Ok(false),
        ("tail", true) => Ok(true),
        ("tail", false) => Err(rpc::invalid(
            "follow",
            "what consoles have shown is not kept; with follow=true (`ochami rcs console show --follow`) they show what comes, and \
             conman writes it to files (`chamois console list --conman`)",
        )),
        (other, _) => Err(rpc::invalid(
            "mode",
            format!("{other:?} is not accepted; use interactive or tail"),
        )),
    }
}

fn typed(said: impl Stream<Item = Result<RemoteConsoleInput, Status>> + Send + 'static) -> Typed {
    let data = |said: RemoteConsoleInput| ConsoleInput {
        input: Some(Input::Data(said.typed)),
    };
    said.map(move |said| said.map(data)).boxed()
}

/// That it was opened needs no word here: the answer to the call says it.
fn told(output: ConsoleOutput) -> RemoteConsoleOutput {
    match output.output {
        Some(Output::Data(shown)) => RemoteConsoleOutput {
            shown,
            ..RemoteConsoleOutput::default()
        },
        Some(Output::Ended(ended)) => RemoteConsoleOutput {
            ended,
            ..RemoteConsoleOutput::default()
        },
        Some(Output::Opened(_)) | None => RemoteConsoleOutput::default(),
    }
}

fn listed(console: Console) -> RemoteConsole {
    RemoteConsole {
        id: console.node,
        connection_type: console.protocol,
        connection_host: console.address,
        connection_port: console.port,
        console_entry_command: console.entry_command,
    }
}

#[tonic::async_trait]
impl remote_console_service_server::RemoteConsoleService for RemoteConsoleService {
    type AttachRemoteConsoleStream = BoxStream<'static, Result<RemoteConsoleOutput, Status>>;

    #[tracing::instrument(level = "debug", name = "console.list_remote", skip_all)]
    async fn list_remote_consoles(
        &self,
        _: Request<ListRemoteConsolesRequest>,
    ) -> Result<Response<ListRemoteConsolesResponse>, Status> {
        let consoles = (self.consoles.list)()?;
        Ok(Response::new(ListRemoteConsolesResponse {
            consoles: consoles.into_iter().map(listed).collect(),
        }))
    }

    #[tracing::instrument(name = "console.attach_remote", skip_all)]
    async fn attach_remote_console(
        &self,
        request: Request<Streaming<RemoteConsoleInput>>,
    ) -> Result<Response<Self::AttachRemoteConsoleStream>, Status> {
        let by = rpc::caller(&request).identity.principal();
        let rights = rpc::rights(&request);
        let mut said = request.into_inner();
        let first = first_of(&mut said).await?;
        let first = first.ok_or_else(|| rpc::invalid("node", "the first message names the node"))?;
        let wanted = Wanted {
            by,
            rights,
            node: node_of(&first.node)?,
            read_only: is_read_only(&first)?,
        };
        let shown = (self.consoles.open)(wanted, typed(said)).await?;
        let shown = ReceiverStream::new(shown).map(|shown| shown.map(told));
        Ok(Response::new(shown.boxed()))
    }

    async fn get_remote_console_health(
        &self,
        _: Request<GetRemoteConsoleHealthRequest>,
    ) -> Result<Response<RemoteConsoleHealth>, Status> {
        let consoles = (self.consoles.list)()?;
        Ok(Response::new(RemoteConsoleHealth {
            consoles: consoles.len().to_string(),
            hardware_update_sec: "0".to_owned(),
            hardware_update: "now".to_owned(),
        }))
    }

    async fn probe_remote_console(
        &self,
        _: Request<ProbeRemoteConsoleRequest>,
    ) -> Result<Response<ProbeRemoteConsoleResponse>, Status> {
        Ok(Response::new(ProbeRemoteConsoleResponse {}))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proto::console::v1::console_output::Opened;
    use proto::console::v1::remote_console_service_client::RemoteConsoleServiceClient;
    use proto::console::v1::remote_console_service_server::{
        RemoteConsoleService as _, RemoteConsoleServiceServer,
    };
    use tonic::Code;

    use super::*;

    /// Who opened what, and how.
    type Seen = Arc<Mutex<Vec<(String, bool)>>>;

    fn console(node: &str) -> Console {
        Console {
            node: node.to_owned(),
            protocol: "ssh".to_owned(),
            address: "10.0.0.1".to_owned(),
            port: 22,
            ..Console::default()
        }
    }

    /// Consoles that show again what is typed, until `exit` is.
    fn echoing(seen: &Seen) -> RemoteConsoleService {
        let seen = Arc::clone(seen);
        let open = move |wanted: Wanted, mut typed: Typed| {
            seen.lock()
                .unwrap()
                .push((wanted.node.to_string(), wanted.read_only));
            async move {
                let (told, receiver) = mpsc::channel(8);
                tokio::spawn(async move {
                    let say = |output| told.send(Ok(ConsoleOutput { output: Some(output) }));
                    say(Output::Opened(Opened::default())).await.unwrap();
                    while let Some(Ok(ConsoleInput {
                        input: Some(Input::Data(bytes)),
                    })) = typed.next().await
                    {
                        if bytes == b"exit" {
                            break;
                        }
                        say(Output::Data(bytes)).await.unwrap();
                    }
                    say(Output::Ended("it was left".to_owned())).await.unwrap();
                });
                Ok(receiver)
            }
            .boxed()
        };
        RemoteConsoleService {
            consoles: Consoles {
                list: Arc::new(|| Ok(vec![console("x0c0s0b0n0"), console("x0c0s1b0n0")])),
                open: Arc::new(open),
            },
        }
    }

    async fn attach(seen: &Seen, said: Vec<RemoteConsoleInput>) -> Result<Vec<RemoteConsoleOutput>, Status> {
        let server = RemoteConsoleServiceServer::new(echoing(seen));
        let mut client = RemoteConsoleServiceClient::new(server);
        let answers = client.attach_remote_console(futures::stream::iter(said)).await?;
        let answers: Vec<_> = answers.into_inner().collect().await;
        answers.into_iter().collect()
    }

    fn first(node: &str, mode: &str, follow: bool) -> RemoteConsoleInput {
        RemoteConsoleInput {
            node: node.to_owned(),
            mode: mode.to_owned(),
            follow,
            ..RemoteConsoleInput::default()
        }
    }

    fn keys(typed: &[u8]) -> RemoteConsoleInput {
        RemoteConsoleInput {
            typed: typed.to_vec(),
            ..RemoteConsoleInput::default()
        }
    }

    #[tokio::test]
    async fn what_is_typed_reaches_the_console_and_what_it_shows_comes_back() {
        let seen = Seen::default();
        let said = vec![
            first("X0c0s0b0n0", "interactive", false),
            keys(b"ls\r"),
            keys(b"exit"),
        ];
        let answers = attach(&seen, said).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [("x0c0s0b0n0".to_owned(), false)]);
        let shown: Vec<&[u8]> = answers.iter().map(|answer| answer.shown.as_slice()).collect();
        assert_eq!(shown, [&b""[..], b"ls\r", b""]);
        assert_eq!(answers.last().unwrap().ended, "it was left");
    }

    /// Somebody who only reads must not be able to type by mistake.
    #[tokio::test]
    async fn a_tail_only_looks_on() {
        let seen = Seen::default();
        let said = vec![first("x0c0s0b0n0", "tail", true)];
        attach(&seen, said).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), [("x0c0s0b0n0".to_owned(), true)]);
    }

    /// An empty answer would look like a node that is silent.
    #[tokio::test]
    async fn what_cannot_be_meant_is_refused_before_anything_is_opened() {
        let seen = Seen::default();
        for (said, word) in [
            (vec![], "first message"),
            (vec![first("x0c0s0b0n0", "tail", false)], "follow=true"),
            (vec![first("x0c0s0b0n0", "replay", true)], "interactive or tail"),
            (vec![first("x0c0s0b0", "", false)], "nodes have consoles"),
            (vec![first("", "", false)], "node: "),
        ] {
            let refused = attach(&seen, said).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
            assert!(refused.message().contains(word), "{refused}");
        }
        assert!(seen.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn consoles_are_listed_and_counted_in_remote_consoles_own_words() {
        let service = echoing(&Seen::default());
        let list = service
            .list_remote_consoles(Request::new(ListRemoteConsolesRequest {}))
            .await
            .unwrap();
        let first = &list.get_ref().consoles[0];
        assert_eq!(
            (first.id.as_str(), first.connection_type.as_str()),
            ("x0c0s0b0n0", "ssh")
        );
        assert_eq!(
            (first.connection_host.as_str(), first.connection_port),
            ("10.0.0.1", 22)
        );
        let health = service
            .get_remote_console_health(Request::new(GetRemoteConsoleHealthRequest {}))
            .await;
        assert_eq!(health.unwrap().get_ref().consoles, "2");
    }
}
