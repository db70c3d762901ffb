//! What goes over the wire: DHCP replies, as tcpdump prints them.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{ChildStdout, Stdio};

use lab::machine::{Namespace, Process};

use crate::members::wait;

/// DHCP replies on the bridge: one line with the frame's source first.
#[derive(Debug)]
pub struct DhcpReplies {
    lines: BufReader<ChildStdout>,
    _tcpdump: Process,
}

impl DhcpReplies {
    /// Watches `br0` until it is dropped; tcpdump's own words go to the file `errors`.
    pub fn watch(bridge: &Namespace, errors: &Path) -> DhcpReplies {
        let mut tcpdump = bridge
            .command("tcpdump")
            .args([
                "-l",
                "-n",
                "-e",
                "-i",
                "br0",
                "--immediate-mode",
                "udp src port 67",
            ])
            .stdout(Stdio::piped())
            .stderr(File::create(errors).unwrap())
            .spawn()
            .expect("tcpdump must be installed");
        let lines = BufReader::new(tcpdump.stdout.take().expect("piped"));
        let watching = || {
            fs::read_to_string(errors)
                .ok()
                .filter(|text| text.contains("listening on"))
        };
        wait("tcpdump to listen", watching);
        DhcpReplies {
            lines,
            _tcpdump: Process::new(tcpdump),
        }
    }

    /// Waits for the next reply and gives the MAC that the frame came from.
    pub fn next_source(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        // 12:00:00.000000 02:97:00:00:01:01 > 52:54:00:97:00:01, ethertype IPv4 …
        let source = line.split_whitespace().nth(1);
        source
            .unwrap_or_else(|| panic!("not a frame: {line:?}"))
            .to_owned()
    }

    /// Waits for a reply whose frame came from this MAC, whoever else answers before it.
    pub fn wait_for_one_from(&mut self, mac: &str) {
        let mut others = Vec::new();
        loop {
            let source = self.next_source();
            if source == mac {
                return;
            }
            println!("a reply came from {source}, not from {mac}");
            others.push(source);
            assert!(others.len() < 50, "no reply came from {mac}, but {others:?}");
        }
    }
}
