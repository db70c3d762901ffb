//! `chamois console <node>`: bytes of a terminal, a pipe or conman to a node and back.

use std::io::{IsTerminal as _, Read as _, Write as _};

use futures::stream;
use model::Xname;
use proto::console::v1::console_input::{Input, Open};
use proto::console::v1::console_output::Output;
use proto::console::v1::console_service_client::ConsoleServiceClient;
use proto::console::v1::{Console, ConsoleInput, ConsoleOutput};
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};

use super::escape::Escapes;
use crate::args::GlobalArgs;
use crate::connect::{self, Connection};
use crate::error::{CliError, Kind};
use crate::terminal::{Ends, Raw};

/// Bytes that are read at once.
const TYPED_BYTES_MAX: usize = 4 << 10;
/// Pieces of what is typed on their way.
const AHEAD_MAX: usize = 16;

/// A console that is open.
struct Session {
    inputs: mpsc::Sender<ConsoleInput>,
    outputs: Streaming<ConsoleOutput>,
}

pub(super) async fn run(global: &GlobalArgs, node: &Xname, read_only: bool) -> Result<(), CliError> {
    let console = open(global, node, read_only).await?;
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let raw = match is_terminal {
        true => Some(Raw::begin().map_err(|error| {
            CliError::other("cannot set up the terminal", error)
                .with_remedy("Pipe standard input or output to use the console without a terminal.")
        })?),
        false => None,
    };
    let ended = pass(console, read_only, is_terminal).await;
    drop(raw); // before anything is printed
    ended
}

/// Asks one member after the other: only some reach the BMC.
async fn open(global: &GlobalArgs, node: &Xname, read_only: bool) -> Result<Session, CliError> {
    let mut client = ConsoleServiceClient::new(connect::for_upload(global)?);
    let members = global.endpoints.len().max(1);
    let mut last = Status::unavailable("no member was asked");
    for _ in 0..members {
        match open_at(&mut client, node, read_only).await {
            Ok(console) => return Ok(console),
            Err(status) if status.code() == Code::Unavailable => last = status,
            Err(status) => return Err(status.into()),
        }
    }
    Err(last.into())
}

async fn open_at(
    client: &mut ConsoleServiceClient<Connection>,
    node: &Xname,
    read_only: bool,
) -> Result<Session, Status> {
    let (inputs, messages) = mpsc::channel(AHEAD_MAX);
    let open = Open {
        node: node.to_string(),
        read_only,
        size: None,
    };
    // the queue is new and has room
    let _ = inputs.try_send(ConsoleInput {
        input: Some(Input::Open(open)),
    });
    let messages = stream::unfold(
        messages,
        |mut messages: mpsc::Receiver<ConsoleInput>| async move { Some((messages.recv().await?, messages)) },
    );
    let outputs = client.connect_console(messages).await?.into_inner();
    Ok(Session { inputs, outputs })
}

/// Passes bytes until one side ends.
async fn pass(mut console: Session, read_only: bool, is_terminal: bool) -> Result<(), CliError> {
    let mut ends = Ends::listen().map_err(|error| CliError::other("cannot listen for signals", error))?;
    let mut keys = typed();
    let mut escapes = is_terminal.then(Escapes::new);
    let mut types = true;
    loop {
        tokio::select! {
            output = console.outputs.message() => match output?.and_then(|message| message.output) {
                Some(Output::Data(bytes)) => if !show(&bytes)? {
                    return Ok(()); // nobody reads any more
                },
                Some(Output::Opened(opened)) => tell_opened(&opened.console.unwrap_or_default(), is_terminal),
                Some(Output::Ended(why)) => return Err(CliError::new(Kind::Other, why)),
                None => {
                    let text = "the member has ended the console without a reason";
                    return Err(CliError::new(Kind::Unavailable, text)
                        .with_remedy("Connect again; another member takes it if this one is gone."));
                }
            },
            piece = keys.recv(), if types => {
                let Some(piece) = piece else {
                    types = false; // a script without input looks on
                    continue;
                };
                let (bytes, ends) = match &mut escapes {
                    Some(escapes) => escapes.read(&piece),
                    None => (piece, false),
                };
                if ends {
                    return Ok(());
                }
                if !read_only && !bytes.is_empty() {
                    let input = ConsoleInput { input: Some(Input::Data(bytes)) };
                    // when it is closed, the outputs say why
                    types = console.inputs.send(input).await.is_ok();
                }
            }
            _ = ends.received() => return Ok(()),
        }
    }
}

/// What is typed. A thread of its own reads it: a read of a terminal cannot be given up, and would hold up the end of this process.
fn typed() -> mpsc::Receiver<Vec<u8>> {
    let (sender, keys) = mpsc::channel(AHEAD_MAX);
    std::thread::spawn(move || {
        let mut piece = [0; TYPED_BYTES_MAX];
        while let Ok(count @ 1..) = std::io::stdin().read(&mut piece) {
            if sender.blocking_send(piece[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    keys
}

/// False when nobody reads any more.
fn show(bytes: &[u8]) -> Result<bool, CliError> {
    let mut output = std::io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CliError::other("cannot write what the console shows", error)),
    }
}

/// To standard error, so that what is kept of the console is the console's alone.
fn tell_opened(console: &Console, is_terminal: bool) {
    if is_terminal {
        let (node, address, port) = (&console.node, &console.address, console.port);
        let _ = write!(
            std::io::stderr(),
            "console of {node} at {address} port {port}; ~. ends it\r\n"
        );
    }
}
