//! The socket in the data directory for whoever is root on this host, or the service's own user: it needs no majority, no provider, no
//! token and no clock. Who is at the other end the kernel says. Everything that is asked is in the log, as a warning.

use std::fs::Permissions;
use std::future::Future;
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use access::{BREAK_GLASS_VALID_FOR, BreakGlass};
use cli::RecoverArgs;
use futures::StreamExt as _;
use raft::Store;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::ServeError;
use super::config::Config;

/// The socket's name in the data directory.
pub const SOCKET: &str = "break-glass.sock";
/// What a start without a majority is asked for by, in the data directory: it is gone before anything is done.
const RECOVER: &str = "recover-at-start";
/// For the owner alone.
const PRIVATE: u32 = 0o600;
/// Connections at once.
const CONNECTIONS_MAX: usize = 8;
/// Bytes of a question.
const QUESTION_BYTES_MAX: u64 = 1024;
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
}

impl Server {
    pub(super) fn new(data_dir: &Path, store: Store, tokens: BreakGlass, asked: Asked) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            store,
            tokens,
            asked,
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
            return say(&mut stream, &Answer::Refused(text)).await;
        }
        let ask = match question(&mut stream).await {
            Ok(ask) => ask,
            Err(problem) => return say(&mut stream, &Answer::Refused(problem)).await,
        };
        tracing::warn!(uid = peer.uid, pid = peer.pid, ?ask, "break-glass");
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

    /// Only where there is no majority to lose: with one, members are removed and joined as usual.
    async fn recover(&self, stream: &mut BufReader<UnixStream>) -> io::Result<()> {
        if self.store.has_leader() {
            let text = "there is a majority: remove what is lost with `chamois member remove`".to_owned();
            return say(stream, &Answer::Refused(text)).await;
        }
        ask_for_recovery(&self.data_dir)?;
        say(stream, &Answer::Recover).await?;
        self.asked.0.notify_one();
        Ok(())
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

fn ask_for_recovery(data_dir: &Path) -> io::Result<()> {
    let file = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(PRIVATE)
        .open(data_dir.join(RECOVER))?;
    file.sync_all()?;
    std::fs::File::open(data_dir)?.sync_all()
}

/// At a start: whether the last run was asked to go on alone. It is tried once.
fn take_recovery(data_dir: &Path) -> io::Result<bool> {
    match std::fs::remove_file(data_dir.join(RECOVER)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Before the store is opened: goes on alone if root has asked the last run for it.
///
/// # Errors
/// As `chamois recover`; the next start is as if nobody had asked.
pub(super) fn recover_if_asked(config_file: &Path, config: &Config) -> Result<(), ServeError> {
    if !take_recovery(&config.data_dir).map_err(ServeError::Store)? {
        return Ok(());
    }
    crate::recover::recover(&RecoverArgs {
        config: config_file.to_owned(),
        accept_lost_writes: true,
    })
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

    /// A majority is what a member may lack; the socket does not ask for one.
    #[tokio::test]
    async fn status_and_token_are_had_without_a_majority() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::in_memory_without_majority(state::State::default());
        let (tokens, asked) = (BreakGlass::default(), Asked::default());
        let server = Server::new(dir.path(), store, tokens, asked.clone());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async { stopped.await.unwrap_or(()) }));
        while !dir.path().join(SOCKET).exists() {
            tokio::task::yield_now().await;
        }
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert!(asking(dir.path(), "\"status\"\n").await.contains("\"member\":1"));
        assert_eq!(mode(&dir.path().join(SOCKET)), PRIVATE);
        let answer: Answer = serde_json::from_str(&asking(dir.path(), "\"token\"\n").await).unwrap();
        let Answer::Token {
            token, valid_for_s, ..
        } = answer
        else {
            panic!("{answer:?}")
        };
        assert!(token.starts_with("chb_") && valid_for_s == 900);
        for wrong in ["", "\n", "\"shell\"\n", "{}\n", &"x".repeat(200)] {
            assert!(asking(dir.path(), wrong).await.contains("refused"), "{wrong}");
        }
        assert!(asking(dir.path(), "\"recover\"\n").await.contains("recover"));
        asked.to_recover().await;
        assert!(take_recovery(dir.path()).unwrap() && !take_recovery(dir.path()).unwrap());
        stop.send(()).unwrap();
        running.await.unwrap();
        assert!(!dir.path().join(SOCKET).exists());
    }

    #[tokio::test]
    async fn with_a_majority_nothing_is_recovered_from() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::new(
            dir.path(),
            Store::in_memory(),
            BreakGlass::default(),
            Asked::default(),
        );
        let running = tokio::spawn(server.run(std::future::pending()));
        while !dir.path().join(SOCKET).exists() {
            tokio::task::yield_now().await;
        }
        assert!(
            asking(dir.path(), "\"recover\"\n")
                .await
                .contains("there is a majority")
        );
        assert!(!take_recovery(dir.path()).unwrap());
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
