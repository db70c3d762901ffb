//! The socket in the data directory for whoever is root on this host, or the service's own user: it needs no majority, no provider, no
//! token and no clock. Who is at the other end the kernel says. Everything that is asked is in the log, as a warning, and in the
//! member's log of refused calls.

mod recovery;

use std::fmt;
use std::fs::Permissions;
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use access::{BREAK_GLASS_VALID_FOR, BreakGlass};
use futures::StreamExt as _;
use raft::Store;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub(super) use self::recovery::recover_if_asked;

/// The socket's name in the data directory.
pub const SOCKET: &str = "break-glass.sock";
/// For the owner alone.
const PRIVATE: u32 = 0o600;
/// Connections at once.
const CONNECTIONS_MAX: usize = 8;
/// Bytes of a question.
const QUESTION_BYTES_MAX: u64 = 1024;
/// How long there must be no majority before one is given up: an election must not be taken for its end.
const WITHOUT_MAJORITY_FOR: Duration = Duration::from_secs(10);
/// How often is looked meanwhile.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Until the question has come.
const QUESTION_MAX: Duration = Duration::from_secs(5);
/// Until the answer is sent: an export of a large system to a slow disk.
const ANSWER_MAX: Duration = Duration::from_secs(600);
/// Pause after `accept` failed: the loop must not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What may be asked; one line of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// How this member stands.
    Status,
    /// All that it holds, as one file; what follows the answer's line.
    Export,
    /// A token of an administrator.
    Token,
    /// That it goes on alone at its next start.
    Recover,
}

impl Ask {
    /// As the log of uses names it.
    fn name(self) -> &'static str {
        match self {
            Self::Status => "break-glass/status",
            Self::Export => "break-glass/export",
            Self::Token => "break-glass/token",
            Self::Recover => "break-glass/recover",
        }
    }
}

/// What is answered; one line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Why not.
    Refused(String),
    /// How it stands.
    Status(serde_json::Value),
    /// The file follows.
    Export,
    /// Good on this member alone.
    Token {
        /// Whom changes made with it are of.
        subject: String,
        /// The token.
        token: String,
        /// How long it is good.
        valid_for_s: u64,
    },
    /// It stops now.
    Recover,
}

/// Tells that somebody has asked for a recovery: this member is to stop.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(Arc<Notify>);

impl Asked {
    pub(super) async fn to_recover(&self) {
        self.0.notified().await;
    }
}

/// Where uses of the socket are written down, majority or not: by whom, what, what became of it, and why.
#[derive(Clone)]
pub(super) struct Uses(Arc<Written>);

/// By whom, what, what became of it, and why.
type Written = dyn Fn(&str, &str, &str, &str) + Send + Sync;

impl Uses {
    pub(super) fn new(written: impl Fn(&str, &str, &str, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(written))
    }

    fn write(&self, peer: Peer, what: &str, outcome: &str, reason: &str) {
        (self.0)(&format!("break-glass/{}", peer.uid), what, outcome, reason);
    }
}

impl fmt::Debug for Uses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uses").finish_non_exhaustive()
    }
}

/// Who is at the other end of the socket.
#[derive(Clone, Copy, Debug)]
struct Peer {
    uid: u32,
    pid: Option<i32>,
}

/// Root, and the user that runs the service, who could read its memory anyway.
fn may_ask(uid: u32, own: u32) -> bool {
    uid == 0 || uid == own
}

/// Answers on the socket.
#[derive(Debug)]
pub(super) struct Server {
    data_dir: PathBuf,
    store: Store,
    tokens: BreakGlass,
    asked: Asked,
    uses: Uses,
    /// See [`WITHOUT_MAJORITY_FOR`].
    without_majority_for: Duration,
}

impl Server {
    pub(super) fn new(data_dir: &Path, store: Store, tokens: BreakGlass, asked: Asked, uses: Uses) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            store,
            tokens,
            asked,
            uses,
            without_majority_for: WITHOUT_MAJORITY_FOR,
        }
    }

    /// Answers until `stop`. Where the socket cannot be made, the member runs without it and says so.
    pub(super) async fn run(self, stop: impl Future<Output = ()>) {
        let path = self.data_dir.join(SOCKET);
        let listener = match listen(&path) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "there is no break-glass socket: `chamois break-glass` does not work here");
                return stop.await;
            }
        };
        let server = Arc::new(self);
        tokio::select! {
            () = server.accept(&listener) => {}
            () = stop => {}
        }
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::debug!(%error, "the break-glass socket stays behind; the next start replaces it");
        }
    }

    async fn accept(self: &Arc<Self>, listener: &UnixListener) {
        let mut answering = JoinSet::new();
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    while answering.try_join_next().is_some() {}
                    if answering.len() < CONNECTIONS_MAX {
                        let server = Arc::clone(self);
                        answering.spawn(async move { server.serve(stream).await });
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "could not accept on the break-glass socket");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve(&self, stream: UnixStream) {
        match tokio::time::timeout(ANSWER_MAX, self.exchange(stream)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "break-glass: no answer could be given"),
            Err(_) => tracing::warn!("break-glass: the answer took too long"),
        }
    }

    async fn exchange(&self, stream: UnixStream) -> io::Result<()> {
        let credentials = stream.peer_cred()?;
        let peer = Peer {
            uid: credentials.uid(),
            pid: credentials.pid(),
        };
        let mut stream = BufReader::new(stream);
        let own = nix::unistd::geteuid().as_raw();
        if !may_ask(peer.uid, own) {
            tracing::warn!(uid = peer.uid, pid = peer.pid, "break-glass: refused");
            let text = format!(
                "user {} may not: only root and user {own}, who runs this member",
                peer.uid
            );
            self.uses.write(peer, "break-glass", "denied", &text);
            return say(&mut stream, &Answer::Refused(text)).await;
        }
        let ask = match question(&mut stream).await {
            Ok(ask) => ask,
            Err(problem) => return say(&mut stream, &Answer::Refused(problem)).await,
        };
        tracing::warn!(uid = peer.uid, pid = peer.pid, ?ask, "break-glass");
        self.uses.write(peer, ask.name(), "used", "on this host's socket");
        match ask {
            Ask::Export => self.export(&mut stream).await,
            Ask::Recover => self.recover(&mut stream).await,
            Ask::Status => say(&mut stream, &Answer::Status(self.status())).await,
            Ask::Token => say(&mut stream, &self.token(peer)).await,
        }
    }

    fn status(&self) -> serde_json::Value {
        let status = self.store.status();
        let members = status.members.iter().map(|member| {
            serde_json::json!({
                "id": member.id,
                "voter": member.voter,
                "api_address": member.api_address,
                "last_seen_ms": member.last_seen_ms,
            })
        });
        serde_json::json!({
            "cluster": status.cluster_name,
            "cluster_id": status.cluster_id,
            "member": status.member_id,
            "leader": status.leader_id,
            "has_majority": self.store.has_leader(),
            "term": status.term,
            "last_log_index": status.last_log_index,
            "applied_index": status.applied_index,
            "feature_level": status.feature_level,
            "version": status.version,
            "members": members.collect::<Vec<_>>(),
        })
    }

    fn token(&self, peer: Peer) -> Answer {
        let subject = format!("break-glass-{}", peer.uid);
        match self.tokens.make(&subject) {
            Ok(token) => Answer::Token {
                subject,
                token,
                valid_for_s: BREAK_GLASS_VALID_FOR.as_secs(),
            },
            Err(error) => Answer::Refused(error.to_string()),
        }
    }

    async fn export(&self, stream: &mut BufReader<UnixStream>) -> io::Result<()> {
        let mut pieces = match self.store.save_snapshot() {
            Ok(pieces) => pieces,
            Err(error) => return say(stream, &Answer::Refused(error.to_string())).await,
        };
        say(stream, &Answer::Export).await?;
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| io::Error::other(error.to_string()))?;
            stream.get_mut().write_all(&piece).await?;
        }
        stream.get_mut().shutdown().await
    }

    /// Only where there is no majority to lose: with one, members are removed and joined as usual. Whoever is gone before he was told
    /// that the member stops has a member that stopped, and one that does not go on alone.
    async fn recover(&self, stream: &mut BufReader<UnixStream>) -> io::Result<()> {
        if !self.stays_without_majority().await {
            let text = "there is a majority: remove what is lost with `chamois member remove`".to_owned();
            return say(stream, &Answer::Refused(text)).await;
        }
        if let Err(error) = recovery::ask(&self.data_dir, self.store.status().term) {
            let text = format!(
                "it cannot be noted beside the data directory ({error}); stop the member and use `chamois recover`"
            );
            return say(stream, &Answer::Refused(text)).await;
        }
        self.asked.0.notify_one();
        let told = say(stream, &Answer::Recover).await;
        if told.is_err() {
            recovery::withdraw(&self.data_dir)?;
        }
        told
    }

    async fn stays_without_majority(&self) -> bool {
        let began = tokio::time::Instant::now();
        while !self.store.has_leader() {
            if began.elapsed() >= self.without_majority_for {
                return true;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        false
    }
}

/// A socket for the owner alone, in place of one that an earlier process has left.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // who connects before this is asked by the kernel who he is, as everybody
    std::fs::set_permissions(path, Permissions::from_mode(PRIVATE))?;
    Ok(listener)
}

async fn question(stream: &mut BufReader<UnixStream>) -> Result<Ask, String> {
    let mut line = String::new();
    let mut limited = AsyncReadExt::take(stream, QUESTION_BYTES_MAX);
    match tokio::time::timeout(QUESTION_MAX, limited.read_line(&mut line)).await {
        Ok(Ok(_)) => serde_json::from_str(&line).map_err(|error| format!("not a question: {error}")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no question came".to_owned()),
    }
}

async fn say(stream: &mut BufReader<UnixStream>, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_string(answer)?;
    line.push('\n');
    stream.get_mut().write_all(line.as_bytes()).await?;
    stream.get_mut().flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_services_own_user_may_ask() {
        for (uid, own, expected) in [
            (0, 0, true),
            (0, 990, true),
            (990, 990, true),
            (1000, 990, false),
            (990, 0, false),
        ] {
            assert_eq!(may_ask(uid, own), expected, "{uid} of {own}");
        }
    }

    async fn asking(dir: &Path, line: &str) -> String {
        let mut stream = UnixStream::connect(dir.join(SOCKET)).await.unwrap();
        stream.write_all(line.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Uses as `name outcome`.
    type Written = Arc<std::sync::Mutex<Vec<String>>>;

    fn server(dir: &Path, store: Store, asked: &Asked) -> (Server, Written) {
        let written = Written::default();
        let of_server = Arc::clone(&written);
        let uses = Uses::new(move |by, what, outcome, _| {
            let line = format!("{by} {what} {outcome}");
            of_server.lock().unwrap().push(line);
        });
        let server = Server {
            without_majority_for: Duration::from_millis(300),
            ..Server::new(dir, store, BreakGlass::default(), asked.clone(), uses)
        };
        (server, written)
    }

    /// The data directory of a member, below a folder of the test's.
    fn data_dir(dir: &tempfile::TempDir) -> PathBuf {
        let data_dir = dir.path().join("data");
        std::fs::create_dir(&data_dir).unwrap();
        data_dir
    }

    /// A majority is what a member may lack; the socket does not ask for one.
    #[tokio::test]
    async fn status_and_token_are_had_without_a_majority() {
        let dir = tempfile::tempdir().unwrap();
        let (data, asked) = (data_dir(&dir), Asked::default());
        let store = Store::in_memory_without_majority(state::State::default());
        let (server, written) = server(&data, store, &asked);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async { stopped.await.unwrap_or(()) }));
        while !data.join(SOCKET).exists() {
            tokio::task::yield_now().await;
        }
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert!(asking(&data, "\"status\"\n").await.contains("\"member\":1"));
        assert_eq!(mode(&data.join(SOCKET)), PRIVATE);
        let answer: Answer = serde_json::from_str(&asking(&data, "\"token\"\n").await).unwrap();
        let Answer::Token {
            token, valid_for_s, ..
        } = answer
        else {
            panic!("{answer:?}")
        };
        assert!(token.starts_with("chb_") && valid_for_s == 900);
        for wrong in ["", "\n", "\"shell\"\n", "{}\n", &"x".repeat(200)] {
            assert!(asking(&data, wrong).await.contains("refused"), "{wrong}");
        }
        assert!(asking(&data, "\"recover\"\n").await.contains("recover"));
        asked.to_recover().await;
        assert!(recovery::is_asked(&data).unwrap());
        stop.send(()).unwrap();
        running.await.unwrap();
        assert!(!data.join(SOCKET).exists());
        let by = format!("break-glass/{}", nix::unistd::geteuid());
        let uses = ["status", "token", "recover"].map(|what| format!("{by} break-glass/{what} used"));
        assert_eq!(*written.lock().unwrap(), uses, "what is no question is none");
    }

    /// Neither a member that goes on with a request that a start months later finds, nor one that gives up writes for nobody.
    #[tokio::test]
    async fn whoever_vanishes_leaves_no_request_behind() {
        let dir = tempfile::tempdir().unwrap();
        let (data, asked) = (data_dir(&dir), Asked::default());
        let store = Store::in_memory_without_majority(state::State::default());
        let running = tokio::spawn(server(&data, store, &asked).0.run(std::future::pending()));
        while !data.join(SOCKET).exists() {
            tokio::task::yield_now().await;
        }
        let mut gone = UnixStream::connect(data.join(SOCKET)).await.unwrap();
        gone.write_all(b"\"recover\"\n").await.unwrap();
        drop(gone);
        let stops = tokio::time::timeout(Duration::from_secs(30), asked.to_recover());
        stops.await.expect("the member stops");
        let withdrawn = async {
            while recovery::is_asked(&data).unwrap() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let withdrawn = tokio::time::timeout(Duration::from_secs(30), withdrawn);
        withdrawn.await.expect("and is not asked for anything");
        running.abort();
    }

    /// An election is no lost majority.
    #[tokio::test]
    async fn a_majority_must_be_gone_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::in_memory_without_majority(state::State::default());
        let (server, _) = server(&data_dir(&dir), store, &Asked::default());
        let began = std::time::Instant::now();
        assert!(server.stays_without_majority().await);
        assert!(began.elapsed() >= server.without_majority_for);
        assert!(WITHOUT_MAJORITY_FOR >= Duration::from_secs(10));
    }

    #[tokio::test]
    async fn with_a_majority_nothing_is_recovered_from() {
        let dir = tempfile::tempdir().unwrap();
        let data = data_dir(&dir);
        let (server, _) = server(&data, Store::in_memory(), &Asked::default());
        let running = tokio::spawn(server.run(std::future::pending()));
        while !data.join(SOCKET).exists() {
            tokio::task::yield_now().await;
        }
        assert!(
            asking(&data, "\"recover\"\n")
                .await
                .contains("there is a majority")
        );
        assert!(!recovery::is_asked(&data).unwrap());
        running.abort();
    }

    /// A member that was killed leaves its socket behind.
    #[tokio::test]
    async fn a_socket_that_is_left_over_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET);
        drop(listen(&path).unwrap());
        assert!(path.exists());
        listen(&path).unwrap();
    }
}
