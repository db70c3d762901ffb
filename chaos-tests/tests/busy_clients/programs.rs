//! Clients that are programs of this host: busybox's wget, curl, and cloud-init's own code.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::server::{Busy, Server};
use crate::table::{Attempts, Outcome, Row};
use crate::{FEW, MANY, NOBODY};

/// A row for a program that is given a URL as its last argument. Each refused attempt shows as one line with `refused`.
pub(crate) fn program(server: &Server, client: &str, arguments: &[&str], refused: &str) -> Row {
    let name = arguments[0];
    let fetch = |url: &str| {
        let mut command = Command::new(name);
        command.args(&arguments[1..]).arg(url);
        output(&mut command)
    };
    let attempts = |busy: Busy, times| {
        let path = busy.path(times, name);
        let fetched = fetch(&format!("http://127.0.0.1:{}{path}", server.port()));
        Attempts {
            requests: server.count(&format!("GET {path}")),
            served: fetched.status.success(),
        }
    };
    let [told, alone] = Busy::BOTH.map(|busy| Outcome::of(attempts(busy, FEW), Some(attempts(busy, MANY))));
    let nobody = fetch(&format!("http://{NOBODY}/"));
    assert!(!nobody.status.success());
    let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
    let tries = said.lines().filter(|line| line.contains(refused)).count();
    assert!(tries > 0, "{said}");
    Row::new(client, [told, alone, Outcome::of_refused(tries)])
}

/// The rows of Debian's cloud-init: what it fetches, and how it phones home. Its pauses are taken down and not made.
pub(crate) fn cloud_init(server: &Server, folder: &Path) -> Vec<Row> {
    let package = unpack(folder);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/busy_clients/cloud_init.py");
    let mut command = Command::new("/usr/bin/python3");
    command
        .arg(script)
        .arg(package)
        .arg(format!("http://127.0.0.1:{}", server.port()))
        .args([FEW.to_string(), MANY.to_string(), format!("http://{NOBODY}")])
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = output(&mut command);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let measured: Value = serde_json::from_slice(&output.stdout).unwrap();
    check_order(&measured);
    let version = measured["version"].as_str().unwrap();
    ["documents", "phone-home"]
        .map(|what| {
            let of = &measured[what];
            let [told, alone] = Busy::BOTH.map(|busy| {
                let attempts = |times: usize| attempts(&of[&busy.path(times, "")]);
                Outcome::of(attempts(FEW), Some(attempts(MANY)))
            });
            let refused = attempts(&of["refused"]);
            assert!(!refused.served);
            let outcomes = [told, alone, Outcome::of_refused(refused.requests)];
            Row::new(format!("cloud-init {version}, {what}"), outcomes)
        })
        .to_vec()
}

fn attempts(run: &Value) -> Attempts {
    Attempts {
        requests: run["attempts"].as_array().unwrap().len(),
        served: run["served"].as_bool().unwrap(),
    }
}

/// One document after the other, each until it is there; and it pauses for as long as its own code says, whatever it
/// was told.
fn check_order(measured: &Value) {
    for busy in Busy::BOTH {
        let run = &measured["in order"][&busy.path(FEW, "")];
        let mut expected = Vec::new();
        for document in ["meta-data", "user-data", "vendor-data"] {
            let attempt = |status| format!("GET {} {status}", busy.path(FEW, &format!("seed/{document}")));
            expected.extend((0..FEW).map(|_| attempt(503)));
            expected.push(attempt(200));
        }
        assert_eq!(run["attempts"], Value::from(expected));
        assert_eq!(run["pauses"], Value::from(vec![1; 3 * FEW]), "{busy:?}");
    }
}

/// Where Debian's package has its Python code: unpacked, never installed.
fn unpack(folder: &Path) -> std::path::PathBuf {
    let folder = folder.join("cloud-init");
    std::fs::create_dir(&folder).unwrap();
    let mut download = Command::new("apt-get");
    let downloaded = output(download.args(["download", "cloud-init"]).current_dir(&folder));
    assert!(downloaded.status.success(), "{downloaded:?}");
    let deb = std::fs::read_dir(&folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let unpacked = output(Command::new("dpkg-deb").arg("-x").arg(deb).arg(&folder));
    assert!(unpacked.status.success(), "{unpacked:?}");
    folder.join("usr/lib/python3/dist-packages")
}

fn output(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}
