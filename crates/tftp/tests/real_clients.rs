//! atftp, curl and tftp-hpa as they are in Debian. Runs with CHAMOIS_E2E=1.
#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

use std::io::Write;
use std::path::Path;
use std::process::Command;

use tftp::{Count, Files, Limits, Server};
use tokio::net::UdpSocket;

/// Runs `command` off the runtime's threads; gives what it said, and panics with that if it fails.
async fn run(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap();
    let output = output.expect("the client is installed (apt-get install atftp curl tftp-hpa)");
    assert!(output.status.success(), "{output:?}");
    [output.stdout, output.stderr]
        .map(|said| String::from_utf8_lossy(&said).into_owned())
        .concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_clients_read_what_is_in_the_folder_and_nothing_else() {
    if std::env::var_os("CHAMOIS_E2E").is_none_or(|value| value != "1") {
        // Not eprintln!: the test harness would keep it to itself.
        let _ = std::io::stderr().write_all(
            b"NOT RUN: real_clients_read_what_is_in_the_folder_and_nothing_else: set CHAMOIS_E2E=1\n",
        );
        return;
    }
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let content: Vec<u8> = (0..1 << 20).map(|n: u32| (n * 31 + n / 253) as u8).collect();
    std::fs::write(folder.path().join("megabyte"), &content).unwrap();
    std::fs::write(out.path().join("secret"), b"not for nodes").unwrap();
    std::os::unix::fs::symlink(out.path().join("secret"), folder.path().join("link")).unwrap();
    let (files, skipped) = Files::load(&[folder.path()]);
    assert_eq!(skipped.len(), 1, "the link: {skipped:?}");
    let server = Server::new(files, Limits::default());
    let counters = server.counters();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    tokio::spawn(async move { server.serve(socket, std::future::pending()).await });

    // what is granted of the options: a block size that no ROM has gets a window, as no other member could carry it on
    let cases: [(&[&str], &[&str]); 3] = [
        (&[], &[]),
        (&["blksize 1468", "tsize 0"], &["blksize: 1468", "tsize: 1048576"]),
        (
            &["blksize 1400", "windowsize 16"],
            &["blksize: 1400", "windowsize: 16"],
        ),
    ];
    for (n, (options, granted)) in cases.into_iter().enumerate() {
        let target = out.path().join(format!("atftp{n}"));
        let mut atftp = Command::new("atftp");
        atftp.arg("--trace");
        atftp.args(options.iter().flat_map(|option| ["--option", *option]));
        atftp
            .args(["--get", "--remote-file", "megabyte", "--local-file"])
            .arg(&target);
        atftp.args(["127.0.0.1", &port]);
        let said = run(atftp).await;
        let oack = said.lines().find(|line| line.contains("received OACK"));
        assert_eq!(oack.is_some(), !granted.is_empty(), "atftp {options:?}");
        for option in granted {
            assert!(oack.unwrap().contains(option), "{option}: {oack:?}");
        }
        assert!(std::fs::read(&target).unwrap() == content, "atftp {options:?}");
    }
    let target = out.path().join("curl");
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--tftp-blksize",
        "1468",
        "--max-time",
        "20",
        "--output",
    ]);
    curl.arg(&target).arg(format!("tftp://127.0.0.1:{port}/megabyte"));
    run(curl).await;
    assert!(std::fs::read(&target).unwrap() == content, "curl");

    // it ends well whatever it was told
    let get = |name: &str, target: &Path| {
        let mut tftp = Command::new("tftp");
        tftp.args(["-m", "octet", "127.0.0.1", &port, "-c", "get", name])
            .arg(target);
        tftp
    };
    let target = out.path().join("tftp-hpa");
    run(get("megabyte", &target)).await;
    assert!(std::fs::read(&target).unwrap() == content, "tftp-hpa");
    let secret = out.path().join("secret").display().to_string();
    for name in ["link", "../../../../../../etc/hostname", "/etc/hostname", &secret] {
        let target = out.path().join("stolen");
        run(get(name, &target)).await;
        assert!(
            std::fs::read(&target).is_ok_and(|stolen| stolen.is_empty()) || !target.exists(),
            "{name}"
        );
    }
    assert_eq!(counters.get(Count::NotFound), 4);
    assert_eq!(counters.get(Count::TimedOut), 0);
}
