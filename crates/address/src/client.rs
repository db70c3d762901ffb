//! Claims one service address from the helper for as long as it is wanted.
//!
//! Runs on the runtime that serves the nodes, on purpose: when that runtime hangs, the claims stop and
//! the address goes to a member that answers.

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::claim::{CLAIM_EVERY, CLAIM_LIFE, Reply, Request, Target, read_line};

/// The helper answers in microseconds; a longer wait counts as a failure.
const ANSWER_WAIT_MAX: Duration = Duration::from_millis(500);

/// How the claim stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimState {
    /// Not wanted.
    Idle,
    /// Confirmed; the helper keeps the address at least until then, counted from before the claim was sent.
    Held {
        /// The end of the claim if it is not renewed.
        until: Instant,
    },
    /// Wanted, but not held: the helper cannot be reached, or refused.
    Lost {
        /// What to tell an administrator.
        reason: String,
    },
}

/// What the holder wants of the helper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Whether to claim the address.
    pub claim: bool,
    /// How often to announce it beyond the helper's own announcement of a new claim; each rise asks for one more round.
    pub announcements: u64,
}

/// The two wires between a [`Holder`](crate::Holder) and what claims for it.
#[derive(Debug)]
pub struct ClaimPort {
    /// What to do.
    pub wanted: watch::Sender<Wanted>,
    /// How it stands.
    pub state: watch::Receiver<ClaimState>,
}

/// Starts the task that claims `target` from the helper at `socket`. It ends when the port is dropped.
pub fn start(socket: PathBuf, target: Target) -> ClaimPort {
    let (wanted, wanted_rx) = watch::channel(Wanted::default());
    let (state_tx, state) = watch::channel(ClaimState::Idle);
    tokio::spawn(run(
        Client {
            socket,
            target,
            connection: None,
        },
        wanted_rx,
        state_tx,
    ));
    ClaimPort { wanted, state }
}

async fn run(mut client: Client, mut wanted: watch::Receiver<Wanted>, state: watch::Sender<ClaimState>) {
    let mut announced = 0;
    loop {
        if wanted.wait_for(|wanted| wanted.claim).await.is_err() {
            return; // nobody can want it any more; dropping the connection releases what is left
        }
        loop {
            let now_wanted = *wanted.borrow_and_update();
            if !now_wanted.claim {
                break;
            }
            let next = Instant::now() + CLAIM_EVERY;
            state.send_replace(client.claim().await);
            if now_wanted.announcements > announced && client.announce().await {
                announced = now_wanted.announcements;
            }
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(next) => {}
            }
        }
        state.send_replace(ClaimState::Idle); // before the release: from here on nobody answers
        client.release().await;
    }
}

/// A connection to the helper, made anew after each failure.
struct Client {
    socket: PathBuf,
    target: Target,
    connection: Option<BufReader<UnixStream>>,
}

impl Client {
    async fn claim(&mut self) -> ClaimState {
        let sent = Instant::now();
        match self.ask(&Request::Claim(self.target.clone())).await {
            Ok(()) => ClaimState::Held {
                until: sent + CLAIM_LIFE,
            },
            Err(reason) => ClaimState::Lost { reason },
        }
    }

    /// Returns false if it has to be tried again.
    async fn announce(&mut self) -> bool {
        self.ask(&Request::Announce(self.target.clone())).await.is_ok()
    }

    async fn release(&mut self) {
        if self.connection.is_some() && self.ask(&Request::Release(self.target.clone())).await.is_err() {
            self.connection = None; // the helper releases what a closed connection held
        }
    }

    /// Sends one request; `Ok` if the helper did what was asked, else what to tell an administrator.
    async fn ask(&mut self, request: &Request) -> Result<(), String> {
        let reply = match timeout(ANSWER_WAIT_MAX, self.exchange(request)).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => {
                self.connection = None;
                return Err(format!(
                    "the address helper at {} failed: {error}",
                    self.socket.display()
                ));
            }
            Err(_) => {
                self.connection = None; // a late answer must not be taken for the next one's
                return Err(format!(
                    "the address helper at {} does not answer",
                    self.socket.display()
                ));
            }
        };
        match (request, reply) {
            (Request::Claim(_), Reply::Held)
            | (Request::Announce(_), Reply::Announced)
            | (Request::Release(_), Reply::Released) => Ok(()),
            (_, Reply::Refused(reason)) => Err(reason),
            (_, Reply::Held | Reply::Announced | Reply::Released) => {
                Err("the address helper answered something else".to_owned())
            }
        }
    }

    async fn exchange(&mut self, request: &Request) -> std::io::Result<Reply> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => BufReader::new(UnixStream::connect(&self.socket).await?),
        };
        connection
            .get_mut()
            .write_all(format!("{request}\n").as_bytes())
            .await?;
        let line = read_line(&mut connection)
            .await?
            .ok_or(std::io::ErrorKind::UnexpectedEof)?;
        self.connection = Some(connection);
        Ok(Reply::parse(&line, &self.target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;

    const BOUND: Duration = Duration::from_secs(10);

    const CLAIM: Wanted = Wanted {
        claim: true,
        announcements: 0,
    };

    fn target() -> Target {
        "eth0=10.97.0.1".parse().unwrap()
    }

    /// A helper that answers each line as `answer` says, `None` meaning not at all.
    fn fake_helper(
        answer: impl Fn(&str) -> Option<String> + Send + 'static,
    ) -> (tempfile::TempDir, PathBuf, tokio::task::JoinHandle<()>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("address.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream = BufReader::new(stream);
                while let Ok(Some(line)) = read_line(&mut stream).await {
                    if let Some(answer) = answer(&line) {
                        stream
                            .get_mut()
                            .write_all(format!("{answer}\n").as_bytes())
                            .await
                            .unwrap();
                    }
                }
            }
        });
        (folder, path, task)
    }

    async fn wait_for(port: &mut ClaimPort, what: impl FnMut(&ClaimState) -> bool) -> ClaimState {
        timeout(BOUND, port.state.wait_for(what))
            .await
            .expect("in time")
            .unwrap()
            .clone()
    }

    fn is_held(state: &ClaimState) -> bool {
        matches!(state, ClaimState::Held { .. })
    }

    #[tokio::test]
    async fn a_claim_is_renewed_until_it_is_not_wanted_and_then_released() {
        let (lines, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let (_folder, path, _task) = fake_helper(move |line| {
            lines.send(line.to_owned()).unwrap();
            Some(
                line.replace("claim", "held")
                    .replace("release", "released")
                    .replace("announce", "announced"),
            )
        });
        let mut port = start(path, target());
        assert_eq!(*port.state.borrow(), ClaimState::Idle);
        port.wanted.send_replace(CLAIM);
        let first = wait_for(&mut port, is_held).await;
        let later = wait_for(&mut port, |state| is_held(state) && *state != first).await;
        assert!(is_held(&later), "renewed");
        port.wanted.send_replace(Wanted {
            announcements: 1,
            ..CLAIM
        });
        let mut lines = Vec::new();
        while lines
            .iter()
            .filter(|line| **line == "claim eth0 10.97.0.1")
            .count()
            < 5
        {
            lines.push(timeout(BOUND, seen.recv()).await.unwrap().unwrap());
        }
        assert_eq!(
            lines.iter().filter(|line| line.starts_with("announce")).count(),
            1,
            "{lines:?}"
        );
        port.wanted.send_replace(Wanted::default());
        wait_for(&mut port, |state| *state == ClaimState::Idle).await;
        let mut last = String::new();
        while last != "release eth0 10.97.0.1" {
            last = timeout(BOUND, seen.recv()).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_with_its_reason() {
        let (_folder, path, _task) = fake_helper(|_| Some("refused not on my list".into()));
        let mut port = start(path, target());
        port.wanted.send_replace(CLAIM);
        let lost = wait_for(&mut port, |state| matches!(state, ClaimState::Lost { .. })).await;
        assert_eq!(
            lost,
            ClaimState::Lost {
                reason: "not on my list".into()
            }
        );
    }

    /// The words of another conversation, or a helper that hangs, must never count as "held".
    #[tokio::test]
    async fn silence_and_answers_about_other_addresses_confirm_nothing() {
        for answer in [
            None,
            Some("held eth0 10.97.0.2".to_owned()),
            Some("released eth0 10.97.0.1".to_owned()),
        ] {
            let (_folder, path, _task) = fake_helper(move |_| answer.clone());
            let mut port = start(path, target());
            port.wanted.send_replace(CLAIM);
            wait_for(&mut port, |state| matches!(state, ClaimState::Lost { .. })).await;
        }
    }

    #[tokio::test]
    async fn no_helper_is_a_loss_and_a_helper_that_comes_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("address.sock");
        let mut port = start(path.clone(), target());
        port.wanted.send_replace(CLAIM);
        let ClaimState::Lost { reason } =
            wait_for(&mut port, |state| matches!(state, ClaimState::Lost { .. })).await
        else {
            unreachable!()
        };
        assert!(reason.contains("address.sock"), "{reason}");
        let listener = UnixListener::bind(&path).unwrap();
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            while let Ok(Some(line)) = read_line(&mut stream).await {
                let answer = format!("{}\n", line.replace("claim", "held"));
                stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
            }
        });
        wait_for(&mut port, is_held).await;
        serving.abort();
        wait_for(&mut port, |state| matches!(state, ClaimState::Lost { .. })).await;
    }

    /// The end of the claim is counted from before the helper could have started its own second.
    #[tokio::test]
    async fn the_client_counts_a_shorter_second_than_the_helper() {
        let (_folder, path, _task) = fake_helper(|line| Some(line.replace("claim", "held")));
        let mut port = start(path, target());
        let before = Instant::now();
        port.wanted.send_replace(CLAIM);
        let ClaimState::Held { until } = wait_for(&mut port, is_held).await else {
            unreachable!()
        };
        assert!(until >= before + CLAIM_LIFE && until <= Instant::now() + CLAIM_LIFE);
    }
}
