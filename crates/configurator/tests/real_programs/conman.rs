//! conmand reads its configuration only when it starts: it is started, with consoles that lead to a program that waits.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use configurator::{Options, render, target};

use crate::cases::view;
use crate::inventory::REVISION;
use crate::stage::{Stage, is_wanted, run, said, there};

const AT_MOST: Duration = Duration::from_secs(20);

/// A conmand; it ends with this value.
struct Daemon {
    process: Child,
    lines: Receiver<String>,
    port: u16,
}

impl Daemon {
    fn start(stage: &Stage, port: u16) -> Daemon {
        let config = stage.path("conman.conf");
        let mut command = Command::new(there("conmand"));
        command.args(["-F", "-c"]).arg(config).current_dir(stage.dir());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let errors = BufReader::new(process.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            errors
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Daemon { process, lines, port }
    }

    /// The consoles that it has, once it answers.
    fn consoles(&self) -> Vec<String> {
        let server = format!("127.0.0.1:{}", self.port);
        let end = Instant::now() + AT_MOST;
        loop {
            let output = run("conman", &["-d", &server, "-q"]);
            if output.status.success() {
                let names = String::from_utf8(output.stdout).unwrap();
                return names.lines().map(|name| name.trim().to_owned()).collect();
            }
            assert!(Instant::now() < end, "conmand does not answer: {}", said(&output));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it found wrong with its file, once it has read it.
    fn first_complaint(&self) -> Option<String> {
        let end = Instant::now() + AT_MOST;
        while let Ok(line) = self
            .lines
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            if line.contains("CONFIG[") {
                return Some(line);
            }
            if line.contains("Starting ConMan daemon") {
                return None;
            }
        }
        panic!("conmand said nothing within {AT_MOST:?}");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // the consoles' programs end with their terminals
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The file with consoles on this machine, whose programs only wait.
fn staged(port: u16) -> Stage {
    let stage = Stage::of(&[]);
    let dir = stage.dir().to_str().unwrap();
    let server = format!("port={port}; loopback=ON; logdir=\"{dir}\"; pidfile=\"{dir}/pid\"; keepalive=ON");
    let values = [
        ("device", "/bin/cat"),
        ("console-options", "logopts=\"timestamp\""),
        ("server", &server),
    ];
    let options = Options::new(values.map(|(name, value)| (name.to_owned(), value.to_owned())));
    for file in render(target("conman").unwrap(), &view(), &options).unwrap() {
        stage.write(&file.path, &file.text(REVISION));
    }
    stage
}

#[test]
fn conmand_has_a_console_for_every_node() {
    if !is_wanted("conmand_has_a_console_for_every_node") {
        return;
    }
    let port = free_port();
    let stage = staged(port);
    let daemon = Daemon::start(&stage, port);
    assert_eq!(daemon.first_complaint(), None);
    let view = view();
    let mut names: Vec<&str> = view.nodes.iter().map(|node| node.name.as_str()).collect();
    names.sort_unstable();
    let mut consoles = daemon.consoles();
    consoles.sort_unstable();
    assert_eq!(consoles, names);
}

#[test]
fn conmand_complains_about_a_damaged_file() {
    if !is_wanted("conmand_complains_about_a_damaged_file") {
        return;
    }
    let port = free_port();
    let stage = staged(port);
    let text = std::fs::read_to_string(stage.path("conman.conf")).unwrap();
    stage.write("conman.conf", &text.replacen("console name=", "console nam=", 1));
    let complaint = Daemon::start(&stage, port).first_complaint();
    assert!(
        complaint
            .as_ref()
            .is_some_and(|line| line.contains("unrecognized token")),
        "{complaint:?}"
    );
}
