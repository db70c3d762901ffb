//! Two runtimes: Raft has one of its own, so that a boot storm does not delay a heartbeat.

use tokio::runtime::{Builder, Handle, Runtime};

use super::ServeError;

/// Threads for Raft and the peer port. One: its tasks hand a write on to each other ten times, and a second thread that is
/// woken for each costs an eighth of the CPU time of a write. Snapshots and the log have threads of their own.
const RAFT_THREADS: usize = 1;

/// The runtimes of a member. Dropping them ends what still runs on them without waiting.
pub(super) struct Runtimes {
    services: Option<Runtime>,
    raft: Option<Runtime>,
}

impl Runtimes {
    /// Starts the threads.
    pub(super) fn start() -> Result<Self, ServeError> {
        let refused = |source| ServeError::System {
            what: "threads",
            source,
        };
        let raft = Builder::new_multi_thread()
            .worker_threads(RAFT_THREADS)
            .thread_name("raft")
            .enable_all()
            .build()
            .map_err(refused)?;
        let services = Builder::new_multi_thread()
            .thread_name("services")
            .enable_all()
            .build()
            .map_err(refused)?;
        Ok(Self {
            services: Some(services),
            raft: Some(raft),
        })
    }

    /// Runs `member` on the services' runtime; it is given Raft's.
    pub(super) fn run<T>(&self, member: impl AsyncFnOnce(Handle) -> T) -> T {
        let services = self.services.as_ref().expect("taken only in drop");
        let raft = self.raft.as_ref().expect("taken only in drop").handle().clone();
        services.block_on(member(raft))
    }
}

impl Drop for Runtimes {
    /// The drain has waited for what is worth waiting for; a blocking thread that hangs must not keep
    /// the process.
    fn drop(&mut self) {
        for runtime in [self.services.take(), self.raft.take()].into_iter().flatten() {
            runtime.shutdown_background();
        }
    }
}
