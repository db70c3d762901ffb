//! The Debian package: what is in it, that it is the same whenever it is built, and that its manual and its completions work.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::{CHAMOIS, Single, text};

/// What an administrator looks for after `apt install`.
const NEEDED: [&str; 15] = [
    "./etc/clustershell/groups.conf.d/chamois.conf",
    "./usr/bin/chamois",
    "./usr/lib/systemd/system/chamois.service",
    "./usr/lib/systemd/system/chamois-address-helper.service",
    "./usr/lib/sysusers.d/chamois.conf",
    "./usr/lib/sysctl.d/60-chamois.conf",
    "./usr/share/man/man1/chamois.1.gz",
    "./usr/share/man/man1/chamois-power-on.1.gz",
    "./usr/share/man/man7/chamois-exit-codes.7.gz",
    "./usr/share/bash-completion/completions/chamois",
    "./usr/share/zsh/vendor-completions/_chamois",
    "./usr/share/fish/vendor_completions.d/chamois.fish",
    "./usr/share/doc/chamois/examples/member-1.toml",
    "./usr/share/doc/chamois/copyright",
    "./usr/share/doc/chamois/LICENSE-MIT",
];

/// Whether this run has the tools; without them a test says that it did not run.
fn is_wanted() -> bool {
    let is_wanted = std::env::var_os("CHAMOIS_E2E").is_some();
    if !is_wanted {
        eprintln!("NOT RUN: needs CHAMOIS_E2E=1, dpkg-deb, man and the shells");
    }
    is_wanted
}

fn run(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Without compression: what is large in a build for tests is its debug information.
fn build(out: &Path) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/packages/build");
    let mut building = Command::new(script);
    building.args(["--binary", CHAMOIS, "--compression", "none", "--out", text(out)]);
    let output = run(building.env("SOURCE_DATE_EPOCH", "1700000000"));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// The package, unpacked.
fn unpacked(dir: &Path) -> PathBuf {
    let package = build(dir);
    let tree = dir.join("tree");
    run(Command::new("dpkg").arg("-x").args([&package, &tree]));
    std::fs::remove_file(package).unwrap();
    tree
}

#[test]
fn the_package_has_everything_and_is_the_same_whenever_it_is_built() {
    if !is_wanted() {
        return;
    }
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (package, again) = (build(first.path()), build(second.path()));
    run(Command::new("cmp").args([&package, &again]));
    let listed = run(Command::new("dpkg-deb").arg("-c").arg(&package));
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for needed in NEEDED {
        assert!(
            listed.lines().any(|line| line.ends_with(&format!(" {needed}"))),
            "{needed}:\n{listed}"
        );
    }
    assert!(
        listed.lines().all(|line| line.contains(" root/root ")),
        "{listed}"
    );
    let control = run(Command::new("dpkg-deb").arg("-f").arg(&package));
    let control = String::from_utf8_lossy(&control.stdout).into_owned();
    assert!(
        control.contains(concat!("Version: ", env!("CARGO_PKG_VERSION"))),
        "{control}"
    );
}

/// Every page renders.
#[test]
fn its_manual_can_be_read() {
    if !is_wanted() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = unpacked(dir.path());
    let mut pages = 0;
    for page in common::files(&tree.join("usr/share/man")) {
        let mut reading = Command::new("man");
        reading.args(["--pager=cat", "-l", text(&page)]);
        let read = run(reading.env("MANWIDTH", "100").env("LC_ALL", "C.UTF-8"));
        let complaint = String::from_utf8_lossy(&read.stderr);
        assert!(!complaint.contains("error"), "{}: {complaint}", page.display());
        assert!(read.stdout.len() > 200, "{}", page.display());
        pages += 1;
    }
    assert!(pages > 100, "{pages} pages");
}

/// Where each shell says what is wrong with a script.
#[test]
fn its_completions_are_scripts_of_their_shells() {
    if !is_wanted() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let share = unpacked(dir.path()).join("usr/share");
    for (shell, option, file) in [
        ("bash", "-n", "bash-completion/completions/chamois"),
        ("zsh", "-n", "zsh/vendor-completions/_chamois"),
        ("fish", "--no-execute", "fish/vendor_completions.d/chamois.fish"),
    ] {
        run(Command::new(shell).args([option, text(&share.join(file))]));
    }
}

/// What is typed is completed by what the cluster has now.
#[test]
fn bash_completes_a_group_that_the_cluster_has() {
    if !is_wanted() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = unpacked(dir.path());
    let single = Single::prepare();
    let mut member = single.start();
    member.until("a group", || single.ask(&["group", "create", "compute-a"]).0 == 0);
    let script = tree.join("usr/share/bash-completion/completions/chamois");
    let completed = |words: &str| {
        let code = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _chamois_with_names chamois; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        let mut shell = Command::new("bash");
        let path = format!(
            "{}:{}",
            tree.join("usr/bin").display(),
            std::env::var("PATH").unwrap()
        );
        shell.args(["--norc", "-c", &code]).env("PATH", path);
        shell.env("CHAMOIS_ENDPOINTS", format!("{}:7441", single.own()));
        shell.env("CHAMOIS_CA", single.identities().join("ca.pem"));
        shell.env("CHAMOIS_TOKEN_FILE", single.identities().join("admin.token"));
        String::from_utf8_lossy(&run(&mut shell).stdout).trim().to_owned()
    };
    // a third of a second is what a person waits, not what a machine that runs all tests at once keeps
    let deadline = Instant::now() + Duration::from_secs(30);
    while completed("chamois group show comp") != "compute-a" {
        assert!(
            Instant::now() < deadline,
            "{}",
            completed("chamois group show comp")
        );
    }
    assert!(completed("chamois clus").contains("cluster"));
}

/// What the program says that finds the package's executable, and this cluster.
fn said(program: &mut Command, tree: &Path, single: &Single) -> String {
    let path = format!(
        "{}:{}",
        tree.join("usr/bin").display(),
        std::env::var("PATH").unwrap()
    );
    program.env("PATH", path);
    program.env("CHAMOIS_ENDPOINTS", format!("{}:7441", single.own()));
    program.env("CHAMOIS_CA", single.identities().join("ca.pem"));
    program.env("CHAMOIS_TOKEN_FILE", single.identities().join("admin.token"));
    String::from_utf8_lossy(&run(program).stdout).trim().to_owned()
}

/// ClusterShell asks us for groups by the file that the package brings.
#[test]
fn clustershell_knows_our_groups() {
    if !is_wanted() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = unpacked(dir.path());
    let single = Single::prepare();
    let mut member = single.start();
    let nodes = r#"{"Components":[{"ID":"x1000c0s0b0n0","State":"STATE_ON","NID":1},{"ID":"x1000c0s1b0n0","State":"STATE_ON","NID":2}]}"#;
    let create = [
        "api",
        "call",
        "smd.v1.ComponentService.CreateComponents",
        "-d",
        nodes,
    ];
    member.until("nodes", || single.ask(&create).0 == 0);
    let (code, _, err) = single.ask(&["group", "create", "compute", "x1000c0s0b0n0,x1000c0s1b0n0"]);
    assert_eq!(code, 0, "{err}");
    let folder = tree.join("etc/clustershell");
    let main = format!(
        "[Main]\ndefault: chamois\nconfdir: {}\n",
        folder.join("groups.conf.d").display()
    );
    std::fs::write(folder.join("groups.conf"), main).unwrap();
    let asked = |arguments: &[&str]| {
        let mut nodeset = Command::new("nodeset");
        said(
            nodeset.args(arguments).env("CLUSTERSHELL_CFGDIR", &folder),
            &tree,
            &single,
        )
    };
    assert_eq!(asked(&["-s", "chamois", "-f", "@compute"]), "x1000c0s[0-1]b0n0");
    assert_eq!(asked(&["-s", "chamois", "-l"]), "@chamois:compute");
    assert_eq!(asked(&["-s", "chamois", "-c", "-a"]), "2");
}
