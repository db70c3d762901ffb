//! Clients that write all the time while nodes boot and members die. Each write has its own key and its
//! own value, and is tried once: what it was told is what is checked at the end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::smd::v1::CreateEthernetInterfaceRequest;
use proto::smd::v1::ethernet_interface_service_client::EthernetInterfaceServiceClient;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use super::ledger::Ledger;
use crate::connect::{Connection, Target};
use crate::error::CliError;

/// Writers at work; each begins at another member.
const WRITERS: u8 = 4;
/// A writer gives up on an answer after this: the outcome is then open.
const WRITE_MAX: Duration = Duration::from_secs(2);
/// Pause of a writer between two writes; the members' cores belong to the booting nodes.
const PACE: Duration = Duration::from_millis(25);

/// The ledger as writers and the observers of the demo share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedLedger(Arc<Mutex<Ledger>>);

impl SharedLedger {
    /// A look at it; a writer that panicked has ended the demo already, its ledger is still right.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The running writers. Dropping it ends them.
pub(crate) struct Writers {
    tasks: JoinSet<Result<(), CliError>>,
    stop: watch::Sender<bool>,
}

impl Writers {
    /// Starts them.
    pub(crate) fn start(target: &Target, ledger: &SharedLedger) -> Result<Self, CliError> {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for number in 0..WRITERS {
            let connection = target.connect_from(usize::from(number))?;
            let client = EthernetInterfaceServiceClient::new(connection);
            tasks.spawn(write_until(number, client, ledger.clone(), stopped.clone()));
        }
        Ok(Self { tasks, stop })
    }

    /// Ends when a writer ends, which without `stop` is an error; for a `select!`.
    pub(crate) async fn failed(&mut self) -> CliError {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => CliError::other("a writer ended", error),
            Some(Ok(Ok(()))) | None => CliError::other("a writer ended", "without being told to"),
        }
    }

    /// Lets every writer finish the write it is at.
    pub(crate) async fn stop(mut self) -> Result<(), CliError> {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(|error| CliError::other("a writer ended", error))??;
        }
        Ok(())
    }
}

/// One writer. Its channel moves on to the next member by itself when one does not answer.
async fn write_until(
    number: u8,
    mut client: EthernetInterfaceServiceClient<Connection>,
    ledger: SharedLedger,
    stopped: watch::Receiver<bool>,
) -> Result<(), CliError> {
    let mut sequence: u32 = 0;
    while !*stopped.borrow() {
        let (key, request) = write(number, sequence);
        let value = request.description.clone();
        sequence += 1;
        let started = Instant::now();
        match tokio::time::timeout(WRITE_MAX, client.create_ethernet_interface(request)).await {
            Ok(Ok(_)) => ledger.lock().acknowledge(key, value, started, Instant::now()),
            Ok(Err(status)) if is_refusal(&status) => {
                return Err(CliError::other(
                    &format!("the write of {key} was refused"),
                    status,
                ));
            }
            Ok(Err(_)) | Err(_) => ledger.lock().leave_open(),
        }
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

/// Key and request of one write: a MAC that no node has, and a description that no other write has.
fn write(writer: u8, sequence: u32) -> (String, CreateEthernetInterfaceRequest) {
    let [_, high, middle, low] = sequence.to_be_bytes();
    let mac = model::MacAddr([0x06, 0, writer, high, middle, low]);
    let request = CreateEthernetInterfaceRequest {
        mac_address: mac.to_string(),
        description: format!("writer {writer}, write {sequence}"),
        ..Default::default()
    };
    (mac.id(), request)
}

/// A definite "no" to a write that has its own key and value is a bug, not a fault that was injected.
fn is_refusal(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Unknown
        | Code::Internal
        | Code::ResourceExhausted
        | Code::Aborted => false,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::demo::layout;

    /// Otherwise a lost write could hide behind another one, or a write behind a node.
    #[test]
    fn every_write_has_its_own_key_and_value() {
        let writes = || (0..WRITERS).flat_map(|writer| (0..2000).map(move |n| write(writer, n)));
        let keys: BTreeSet<String> = writes().map(|(key, _)| key).collect();
        let values: BTreeSet<String> = writes().map(|(_, request)| request.description).collect();
        assert_eq!((keys.len(), values.len()), (8000, 8000));
        assert!((0..2000).all(|index| !keys.contains(&layout::mac(index).id())));
    }

    /// A member that dies must not look like a bug, nor a bug like a member that dies.
    #[test]
    fn a_dead_member_leaves_the_outcome_open_and_a_refusal_does_not() {
        assert!(!is_refusal(&Status::unavailable("no majority")));
        assert!(!is_refusal(&Status::unknown("connection reset")));
        assert!(is_refusal(&Status::already_exists("twice")));
        assert!(is_refusal(&Status::unauthenticated("expired")));
    }
}
