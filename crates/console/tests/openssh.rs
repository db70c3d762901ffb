//! The real OpenSSH client against the real OpenSSH server, which stands for a BMC: `CHAMOIS_E2E=1`, root, openssh-client and
//! openssh-server.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use console::{Line, Session, SshProgram, Step};
use redfish::{Login, Password};

const AT_MOST: Duration = Duration::from_secs(30);
/// The password of the account, and what /etc/shadow has of it (`openssl passwd -6 -salt chamois`).
const PASSWORD: &str = "c4n4ry";
const HASH: &str =
    "$6$chamois$osOGBMM3zJry33ZIkFiZ6pT7RB0UWcDTCnMFJEyuMQ/3ktH7iN8v9AwFCSJ1fLd3.F8ITC00lqC8eeJeYBTd5.";
/// An account that is nobody's, in files that only the server's own mount namespace has.
const USER: &str = "bmcconsole";
/// What the "BMC" does with what is typed.
const CONSOLE: &str = r#"while IFS= read -r line; do [ "$line" = bye ] && exit 0; echo "<$line>"; done"#;

fn is_wanted() -> bool {
    std::env::var("CHAMOIS_E2E").is_ok_and(|value| value == "1")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A server on loopback; it ends with this value.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// On `port`, with a host key of its own.
    fn start(dir: &Path, port: u16, key: &str) -> Server {
        let key = host_key(dir, key);
        for (file, line) in [
            ("passwd", format!("{USER}:x:65534:65534::/:/bin/sh\n")),
            ("shadow", format!("{USER}:{HASH}:19000:0:99999:7:::\n")),
        ] {
            let there = std::fs::read_to_string(Path::new("/etc").join(file)).unwrap();
            std::fs::write(dir.join(file), there + &line).unwrap();
        }
        let config = dir.join("sshd_config");
        let lines = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication yes\nKbdInteractiveAuthentication no\nPubkeyAuthentication no\nPrintMotd no\nPrintLastLog no\n\
             AllowUsers {USER}\nForceCommand {CONSOLE}\n",
            text(&key)
        );
        std::fs::write(&config, lines).unwrap();
        let script = format!(
            "mkdir -p /run/sshd && mount --bind {0}/passwd /etc/passwd && mount --bind {0}/shadow /etc/shadow && \
             exec /usr/sbin/sshd -D -e -f {1}",
            text(dir),
            text(&config)
        );
        let process = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server { process, port };
        server.until_it_listens();
        server
    }

    fn until_it_listens(&self) {
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("sshd does not listen on port {}", self.port);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn host_key(dir: &Path, name: &str) -> PathBuf {
    let key = dir.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f", text(&key)])
        .status();
    assert!(made.unwrap().success());
    key
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// `chamois` answers ssh itself; its part is in a test of `password.rs`, and this stands for it.
fn program(dir: &Path) -> SshProgram {
    let askpass = dir.join("askpass");
    let script = "#!/bin/sh\nIFS= read -r line < \"$CHAMOIS_SSH_PASSWORD_PIPE\"; printf '%s\\n' \"$line\"\n";
    std::fs::write(&askpass, script).unwrap();
    std::fs::set_permissions(&askpass, std::fs::Permissions::from_mode(0o755)).unwrap();
    SshProgram::new("ssh", dir).unwrap().with_askpass(askpass)
}

fn line(port: u16, password: &str) -> Line {
    Line {
        host: "127.0.0.1".into(),
        known_as: None,
        port,
        login: Login {
            user: USER.into(),
            password: Password::new(password),
        },
    }
}

/// Shown until `wanted` is among it, or until the end.
async fn shown_until(session: &mut Session, wanted: &str) -> String {
    let mut shown = String::new();
    while !shown.contains(wanted) {
        let step = tokio::time::timeout(AT_MOST, session.step(&[], true)).await;
        match step
            .unwrap_or_else(|_| panic!("nothing more after {shown:?}"))
            .unwrap()
        {
            Step::Shown(bytes) => shown.push_str(&String::from_utf8_lossy(&bytes)),
            Step::Typed(_) => panic!("nothing was typed"),
            Step::Ended => break,
        }
    }
    shown
}

async fn why_it_fails(program: &SshProgram, line: &Line) -> String {
    let mut session = Session::start(program, line).unwrap();
    assert_eq!(shown_until(&mut session, "never").await, "");
    session.end().await
}

/// Logged in with the sealed password, typed at, and ended by the BMC; then with a wrong password; then at somebody who is not the
/// BMC that it was.
#[tokio::test]
async fn a_console_over_real_ssh() {
    if !is_wanted() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (program, port) = (program(dir.path()), free_port());
    let server = Server::start(dir.path(), port, "first");

    let mut session = Session::start(&program, &line(port, PASSWORD)).unwrap();
    assert_eq!(session.step(b"hello\r", false).await.unwrap(), Step::Typed(6));
    let shown = shown_until(&mut session, "<hello>").await;
    assert!(shown.contains("<hello>"), "{shown}");
    session.step(b"bye\r", false).await.unwrap();
    shown_until(&mut session, "never").await;
    assert_eq!(session.end().await, "the BMC has ended the console");
    let kept = std::fs::read_to_string(program.known_hosts()).unwrap();
    assert!(kept.contains(&format!("[127.0.0.1]:{port} ")), "{kept}");

    let why = why_it_fails(&program, &line(port, "wrong")).await;
    assert!(why.contains("chamois bmc credential put"), "{why}");

    drop(server);
    let _other = Server::start(dir.path(), port, "second");
    let why = why_it_fails(&program, &line(port, PASSWORD)).await;
    assert!(why.contains("another SSH host key"), "{why}");
}
