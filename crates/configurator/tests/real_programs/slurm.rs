//! slurmctld, which reads all of it, partitions and topology as well; slurmd's check, which a production host can afford, reads
//! the nodes.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::cases::{self, view};
use crate::stage::{Stage, is_wanted, there};

const AT_MOST: Duration = Duration::from_secs(30);

/// What a site's own slurm.conf says, the least that slurmctld takes without munge.
fn slurm_conf(stage: &Stage) -> String {
    let dir = stage.dir().to_str().unwrap();
    let port = free_port();
    format!(
        "ClusterName=check\nSlurmctldHost=localhost\nSlurmctldPort={port}\nAuthType=auth/none\nCredType=cred/none\n\
         SlurmUser=root\nStateSaveLocation={dir}/state\nSlurmctldPidFile={dir}/pid\nMailProg=/bin/true\n\
         ProctrackType=proctrack/pgid\nTopologyPlugin=topology/{}\ninclude nodes.conf\n",
        if stage.path("slurm/topology.conf").exists() {
            "tree"
        } else {
            "none"
        }
    )
}

/// What slurmctld says until it has read everything, or to its end; it runs no longer than this.
fn said_by_slurmctld(stage: &Stage) -> Vec<String> {
    stage.write("slurm/slurm.conf", &slurm_conf(stage));
    stage.write("etc-hosts", &hosts());
    stage.write("state/here", "");
    let script = "mount --bind \"$1\" /etc/hosts && exec \"$2\" -D -c -v -f \"$3\"";
    let mut command = Command::new(there("unshare"));
    command
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(stage.path("etc-hosts"));
    command
        .arg(there("slurmctld"))
        .arg(stage.path("slurm/slurm.conf"));
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
    let end = Instant::now() + AT_MOST;
    let mut said = Vec::new();
    while let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
        let is_read = line.contains("Running as primary controller");
        said.push(line);
        if is_read {
            break;
        }
    }
    let _ = process.kill();
    let _ = process.wait();
    said
}

/// slurmctld looks every node up: in its own mount namespace they are all here.
fn hosts() -> String {
    let names: Vec<String> = view()
        .nodes
        .into_iter()
        .map(|node| format!("127.0.0.1 {}\n", node.name))
        .collect();
    format!("127.0.0.1 localhost\n{}", names.concat())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn is_read(said: &[String]) -> bool {
    said.last()
        .is_some_and(|line| line.contains("Running as primary controller"))
}

#[test]
fn slurmctld_reads_nodes_partitions_and_topology() {
    if !is_wanted("slurmctld_reads_nodes_partitions_and_topology") {
        return;
    }
    let view = view();
    for case in cases::of("slurm") {
        let said = said_by_slurmctld(&Stage::of(&case.files(&view)));
        assert!(is_read(&said), "{}: {}", case.name, said.join("\n"));
        let wrong = said.iter().find(|line| {
            let is_ours = [
                "node",
                "Node",
                "partition",
                "topology",
                "Topology",
                "switch",
                "TOPOLOGY",
            ];
            line.contains("error:")
                && !line.contains("state file")
                && is_ours.iter().any(|word| line.contains(word))
        });
        assert_eq!(wrong, None, "{}", case.name);
    }
}

#[test]
fn slurmctld_refuses_a_damaged_topology() {
    if !is_wanted("slurmctld_refuses_a_damaged_topology") {
        return;
    }
    let stage = Stage::of(&cases::plain("slurm").files(&view()));
    let text = std::fs::read_to_string(stage.path("slurm/topology.conf")).unwrap();
    stage.write("slurm/topology.conf", &text.replacen("Nodes=", "Knots=", 1));
    let said = said_by_slurmctld(&stage);
    assert!(!is_read(&said), "{}", said.join("\n"));
}
