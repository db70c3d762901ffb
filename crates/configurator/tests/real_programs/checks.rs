//! The targets' own checks: what they accept and what they refuse.

use configurator::{Check, targets};

use crate::cases::{self, view};
use crate::stage::{Stage, is_wanted, said};

#[test]
fn the_real_programs_accept_the_files_of_every_target() {
    if !is_wanted("the_real_programs_accept_the_files_of_every_target") {
        return;
    }
    let view = view();
    for target in targets() {
        let mut used = vec![false; target.checks.len()];
        for case in cases::of(target.name) {
            let files = case.files(&view);
            let stage = Stage::of(&files);
            for file in &files {
                for (check, used) in target.checks.iter().zip(&mut used) {
                    if file.path.ends_with(check.path) {
                        let output = stage.check(check, &file.path);
                        assert!(
                            output.status.success(),
                            "{} {}: {}",
                            case.name,
                            file.path,
                            said(&output)
                        );
                        *used = true;
                    }
                }
            }
        }
        assert!(
            used.iter().all(|used| *used),
            "a check of {} is for no file",
            target.name
        );
    }
}

/// How a file is damaged: what is in it, and what someone made of it.
struct Damage {
    target: &'static str,
    /// A suffix of the file's path.
    path: &'static str,
    text: &'static str,
    instead: &'static str,
}

const fn damage(
    target: &'static str,
    path: &'static str,
    text: &'static str,
    instead: &'static str,
) -> Damage {
    Damage {
        target,
        path,
        text,
        instead,
    }
}

const DAMAGES: &[Damage] = &[
    damage("ansible", ".yml", "  hosts:", "  hosts"),
    damage("chrony", "servers.conf", "allow 10.1.0.0/16", "allow ten/16"),
    damage("chrony", "nodes.conf", "server ", "serve "),
    damage("dns", "prod.example.org.zone", " SOA ", " SO "),
    damage("dnsmasq", ".conf", "dhcp-host=", "dhcp-hosts="),
    damage("dnsmasq", ".conf", "255.255.0.0", "255.255.0.0.0"),
    damage(
        "kea",
        ".conf",
        "\"ip-address\": \"10.1.0.102\"",
        "\"ip-address\": \"10.1.0.101\"",
    ),
    damage("kea", ".conf", "\"subnet4\":", "\"subnet4\""),
    damage("powerman", ".conf", "ipmipower.dev", "no-such.dev"),
    damage("powerman", ".conf", "node \"nid0003\"", "node \"nid0001\""),
    damage("rsyslog", "chamois.conf", "lookup(", "look_up("),
    damage("rsyslog", "hosts.json", "]", ""),
    damage("slurm", "nodes.conf", "NodeName=nid", "NodName=nid"),
    damage("slurm", "nodes.conf", " State=UNKNOWN", " State=UNHEARD-OF"),
];

#[test]
fn the_real_programs_refuse_damaged_files() {
    if !is_wanted("the_real_programs_refuse_damaged_files") {
        return;
    }
    let view = view();
    for damage in DAMAGES {
        let case = cases::plain(damage.target);
        let files = case.files(&view);
        let stage = Stage::of(&files);
        let file = files
            .iter()
            .find(|file| file.path.ends_with(damage.path))
            .unwrap();
        let whole = file.text(view.revision());
        assert!(
            whole.contains(damage.text),
            "{}: no {} in it",
            file.path,
            damage.text
        );
        stage.write(&file.path, &whole.replacen(damage.text, damage.instead, 1));
        let refuses = |check: &Check| {
            let checked = files.iter().filter(|file| file.path.ends_with(check.path));
            let mut outputs = checked.map(|file| stage.check(check, &file.path));
            outputs.any(|output| !output.status.success())
        };
        let refused = case.target().checks.iter().any(refuses);
        assert!(
            refused,
            "{}: {} was accepted in {}",
            damage.target, damage.instead, file.path
        );
    }
}

/// A check that is never seen to fail checks nothing.
#[test]
fn every_check_has_a_damage() {
    for target in targets().iter().filter(|target| !target.checks.is_empty()) {
        assert!(
            DAMAGES.iter().any(|damage| damage.target == target.name),
            "{}",
            target.name
        );
    }
}
