//! The rootless form between real processes: the kernel gives the lock back when its holder is killed.
#![allow(clippy::unwrap_used)] // a test's helpers are tests

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use address::loopback;

const ROLE: &str = "CHAMOIS_LOOPBACK_TEST_LOCK";

/// Not a test: a member's process. Holds the lock in its environment, listens behind it and says so.
#[test]
fn member_process() {
    let Ok(lock) = std::env::var(ROLE) else { return };
    let lock: SocketAddr = lock.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let holder = loopback::hold(lock, None);
        println!("\n@ waiting");
        let listener = loopback::tcp_listener(&holder.held(), lock).await.unwrap();
        println!("\n@ listening");
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let id = std::process::id().to_string();
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, id.as_bytes()).await;
        }
    });
}

struct Member {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Member {
    fn start(lock: SocketAddr) -> Member {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["member_process", "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, lock.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut member = Member { child, lines };
        member.wait_for("@ waiting");
        member
    }

    /// Reads until the line comes; a process that ends without it fails the test.
    fn wait_for(&mut self, expected: &str) {
        let mut line = String::new();
        while line.trim_end() != expected {
            line.clear();
            assert_ne!(
                self.lines.read_line(&mut line).unwrap(),
                0,
                "the process ended before {expected:?}"
            );
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn who_answers(address: SocketAddr) -> u32 {
    let mut answer = String::new();
    let stream = TcpStream::connect(address).unwrap();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    answer.parse().unwrap()
}

/// On a port that no client is given: nothing beside this test ever has it.
fn own_address() -> SocketAddr {
    let [_, high, low, last] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, 192 | (high & 63), low, last.clamp(1, 254)], 7411))
}

/// Three members, two deaths: each time exactly one of the survivors has lock and port.
#[test]
fn a_survivor_takes_the_address_of_a_killed_process() {
    let lock = own_address();
    let mut first = Member::start(lock);
    first.wait_for("@ listening");
    let mut others = vec![Member::start(lock), Member::start(lock)];
    assert_eq!(who_answers(lock), first.child.id());
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let heir = loop {
        if let Ok(stream) = TcpStream::connect(lock) {
            drop(stream);
            break who_answers(lock);
        }
        std::thread::sleep(loopback::BIND_EVERY / 10);
    };
    let heir = others
        .iter()
        .position(|member| member.child.id() == heir)
        .expect("one of the survivors");
    let mut heir = others.remove(heir);
    heir.wait_for("@ listening");
    heir.child.kill().unwrap();
    heir.child.wait().unwrap();
    others[0].wait_for("@ listening");
    assert_eq!(who_answers(lock), others[0].child.id());
}
