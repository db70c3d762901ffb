//! Programs that have no check of their own for a file, but read it: what they find in it.

use crate::cases::{self, view};
use crate::stage::{Stage, is_wanted, run, said};

/// The plain files of a target.
fn staged(target: &str) -> Stage {
    Stage::of(&cases::plain(target).files(&view()))
}

fn first_node() -> String {
    view().nodes[0].name.clone()
}

fn damage(stage: &Stage, path: &str, text: &str, instead: &str) {
    let whole = std::fs::read_to_string(stage.path(path)).unwrap();
    assert!(whole.contains(text), "no {text} in {whole}");
    stage.write(path, &whole.replacen(text, instead, 1));
}

#[test]
fn nodeset_finds_groups_roles_and_partitions() {
    if !is_wanted("nodeset_finds_groups_roles_and_partitions") {
        return;
    }
    let stage = staged("clustershell");
    let dir = stage.path("clustershell");
    stage.write(
        "groups.conf",
        &format!("[Main]\ndefault: chamois\nautodir: {}\n", dir.display()),
    );
    let config = format!("--groupsconf={}", stage.path("groups.conf").display());
    let expand = |nodes: &str| {
        let output = run("nodeset", &[&config, "-e", nodes]);
        let names = String::from_utf8_lossy(&output.stdout).into_owned();
        let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
        output.status.success().then_some(names).ok_or(said(&output))
    };
    let view = view();
    for group in &view.groups {
        let mut expected = group.member_names.clone();
        let mut found = expand(&format!("@chamois:{}", group.label)).unwrap();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "{}", group.label);
    }
    assert_eq!(expand("@*").unwrap().len(), view.nodes.len());
    assert!(expand("@role:Compute").unwrap().contains(&first_node()));
    assert!(expand("@partition:p1").unwrap().contains(&first_node()));

    damage(&stage, "clustershell/chamois.yaml", "role:", "role");
    assert!(expand("@chamois:gpu").is_err(), "a damaged file was read");
}

/// As part of a configuration of Prometheus, which reads both forms from files.
#[test]
fn promtool_reads_both_forms_of_service_discovery() {
    if !is_wanted("promtool_reads_both_forms_of_service_discovery") {
        return;
    }
    let config = "scrape_configs:\n  - job_name: nodes\n    file_sd_configs:\n      - files: [FILE]\n";
    for (target, file, text, instead) in [
        ("prometheus", "nodes.yml", "targets:", "target:"),
        ("http-sd", "http_sd.json", "\"targets\":", "\"targets\""),
    ] {
        let stage = staged(target);
        stage.write("prometheus/prometheus.yml", &config.replace("FILE", file));
        let path = stage.path("prometheus/prometheus.yml");
        let check = || run("promtool", &["check", "config", path.to_str().unwrap()]);
        let output = check();
        assert!(output.status.success(), "{target}: {}", said(&output));
        damage(&stage, &format!("prometheus/{file}"), text, instead);
        assert!(!check().status.success(), "{target}: a damaged file was accepted");
    }
}

#[test]
fn ssh_keygen_finds_every_node() {
    if !is_wanted("ssh_keygen_finds_every_node") {
        return;
    }
    let stage = staged("ssh-known-hosts");
    let path = stage.path("ssh_known_hosts");
    let find = |name: &str| run("ssh-keygen", &["-F", name, "-f", path.to_str().unwrap()]);
    for node in view().nodes {
        let output = find(&node.name);
        assert!(output.status.success(), "{}: {}", node.name, said(&output));
        assert!(
            String::from_utf8_lossy(&output.stdout).contains(" CA"),
            "{}",
            said(&output)
        );
    }
    assert!(find("10.1.0.101").status.success(), "by its address");
    assert!(!find("nid9999").status.success());
    damage(
        &stage,
        "ssh_known_hosts",
        "@cert-authority nid0001",
        "@cert-authority-nid0001",
    );
    assert!(!find("nid0001").status.success(), "a damaged line was found");
}

/// In a mount namespace whose /etc/hosts it is.
#[test]
fn the_system_resolves_every_node_of_hosts() {
    if !is_wanted("the_system_resolves_every_node_of_hosts") {
        return;
    }
    let stage = staged("hosts");
    let path = stage.path("hosts");
    let script = "mount --bind \"$1\" /etc/hosts && exec getent -s files ahosts \"$2\"";
    let resolve = |name: &str| {
        run(
            "unshare",
            &["--mount", "sh", "-c", script, "sh", path.to_str().unwrap(), name],
        )
    };
    for node in view().nodes.iter().filter(|node| node.address().is_some()) {
        let output = resolve(&node.name);
        assert!(output.status.success(), "{}: {}", node.name, said(&output));
    }
    let output = resolve("nid0001");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("10.1.0.101"),
        "{}",
        said(&output)
    );
    assert!(resolve("localhost").status.success());
    assert!(!resolve("nid9999").status.success());
}
