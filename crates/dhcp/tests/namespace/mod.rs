//! Network namespaces for privileged tests: the test's thread in one, what it talks to in another.

use std::future::Future;
use std::io::Write;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::Pid;

/// Longest wait for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Whether privileged tests are to run; if not, the log says so.
fn is_asked_for(test: &str) -> bool {
    let asked = std::env::var_os("CHAMOIS_E2E").is_some_and(|value| value == "1");
    if !asked {
        // Not eprintln!: the test harness would keep it to itself.
        let text =
            format!("NOT RUN: {test}: set CHAMOIS_E2E=1 (needs root, iproute2, util-linux and udhcpc)\n");
        std::io::stderr().write_all(text.as_bytes()).unwrap();
    }
    asked
}

/// Runs a privileged test, if such are asked for: on a thread in a network namespace of its own, which ends with the thread.
pub(crate) fn in_own_network<T, F>(test: T)
where
    T: FnOnce() -> F + Send + 'static,
    F: Future<Output = ()>,
{
    // of the closure: the path of the function that has it, which is the test's
    let name = std::any::type_name::<T>().trim_end_matches("::{{closure}}");
    if !is_asked_for(name) {
        return;
    }
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a new network namespace needs root");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &str) {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap())
        .args(words)
        .output()
        .expect(command);
    assert!(output.status.success(), "{command}: {output:?}");
}

/// Runs a command in the network namespace of `pid`.
pub(crate) fn run_in(pid: Pid, command: &str) {
    run(&format!("nsenter --net=/proc/{pid}/ns/net {command}"));
}

/// Waits for a condition without blocking the server, which runs on the same thread.
pub(crate) async fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A process that ends with the test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id().try_into().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that does nothing, in a network namespace of its own.
pub(crate) async fn other_namespace() -> Process {
    let process = Process(
        Command::new("unshare")
            .args(["--net", "sleep", "120"])
            .spawn()
            .expect("unshare"),
    );
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let (own, pid) = (namespace("thread-self"), process.pid().to_string());
    wait_for("the other namespace", || {
        namespace(&pid).is_some_and(|other| Some(other) != own)
    })
    .await;
    process
}
