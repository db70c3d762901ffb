//! Three runtimes: Raft has one of its own, so that a boot storm does not delay a heartbeat, and DHCP another.

use tokio::runtime::{Builder, Handle, Runtime};

use super::ServeError;

/// Threads for Raft and the peer port. One: its tasks hand a write on to each other ten times, and a second thread that is
/// woken for each costs an eighth of the CPU time of a write. Snapshots and the log have threads of their own.
const RAFT_THREADS: usize = 1;

/// Threads for DHCP. One: an answer takes it some 20 µs, and a second thread that is woken for each packet half as much again.
const DHCP_THREADS: usize = 1;

/// The runtimes of a member. Dropping them ends what still runs on them without waiting.
pub(super) struct Runtimes {
    services: Option<Runtime>,
    raft: Option<Runtime>,
    dhcp: Option<Runtime>,
}

/// The runtimes of parts that do not run on the services'.
#[derive(Clone, Debug)]
pub(super) struct Apart {
    /// For Raft and the peer port.
    pub(super) raft: Handle,
    /// For DHCP's sockets.
    pub(super) dhcp: Handle,
}

impl Runtimes {
    /// Starts the threads.
    pub(super) fn start() -> Result<Self, ServeError> {
        let refused = |source| ServeError::System {
            what: "threads",
            source,
        };
        let apart = |name: &'static str, threads| {
            Builder::new_multi_thread()
                .worker_threads(threads)
                .thread_name(name)
                .enable_all()
                .build()
                .map_err(refused)
        };
        let services = Builder::new_multi_thread()
            .thread_name("services")
            .enable_all()
            .build()
            .map_err(refused)?;
        Ok(Self {
            services: Some(services),
            raft: Some(apart("raft", RAFT_THREADS)?),
            dhcp: Some(apart("dhcp", DHCP_THREADS)?),
        })
    }

    /// Runs `member` on the services' runtime; it is given the others.
    pub(super) fn run<T>(&self, member: impl AsyncFnOnce(Apart) -> T) -> T {
        let [services, raft, dhcp] = [&self.services, &self.raft, &self.dhcp]
            .map(|runtime| runtime.as_ref().expect("taken only in drop"));
        let apart = Apart {
            raft: raft.handle().clone(),
            dhcp: dhcp.handle().clone(),
        };
        services.block_on(member(apart))
    }
}

impl Drop for Runtimes {
    /// The drain has waited for what is worth waiting for; a blocking thread that hangs must not keep
    /// the process.
    fn drop(&mut self) {
        let runtimes = [self.services.take(), self.dhcp.take(), self.raft.take()];
        for runtime in runtimes.into_iter().flatten() {
            runtime.shutdown_background();
        }
    }
}
