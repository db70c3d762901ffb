//! Nodesets against ClusterShell itself, and our groups in its hands. What asks it needs `apt-get install
//! clustershell` and runs with CHAMOIS_E2E=1.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

#[path = "clustershell/expressions.rs"]
mod expressions;

mod common;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::http::Administrator;
use common::{CHAMOIS, Single, outcome};
use model::{NodeExpression, NodeNames};

/// Reads an expression a line; prints how many names it is and their fold, or `ERROR`.
const CLUSTERSHELL: &str = "\
import sys
from ClusterShell.NodeSet import NodeSet, RESOLVER_NOGROUP
for line in sys.stdin:
    try:
        names = NodeSet(line.rstrip('\\n'), resolver=RESOLVER_NOGROUP)
        print('%d %s' % (len(names), names))
    except Exception:
        print('ERROR')
";

fn is_asked_for(test: &str) -> bool {
    let is_asked = std::env::var_os("CHAMOIS_E2E").is_some();
    if !is_asked {
        println!("NOT RUN: {test}: set CHAMOIS_E2E=1 (clustershell)");
    }
    is_asked
}

/// What a program prints when it is told `input`.
fn piped(command: &mut Command, input: &str) -> (i32, String, String) {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .expect("it is installed (apt-get install clustershell)");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    outcome(&output)
}

fn ours(text: &str) -> String {
    let names = text
        .parse::<NodeExpression>()
        .and_then(|expression| expression.names());
    names.map_or_else(
        |_| "ERROR".to_owned(),
        |names| format!("{} {}", names.len(), names.fold()),
    )
}

/// The same names, and the same text for them, letter by letter; what one refuses the other refuses.
#[test]
fn nodesets_mean_and_are_folded_as_in_clustershell() {
    if !is_asked_for("nodesets_mean_and_are_folded_as_in_clustershell") {
        return;
    }
    let expressions: Vec<String> = expressions::generated(5_000)
        .chain(expressions::wrong())
        .collect();
    let input = expressions.join("\n") + "\n";
    let (code, out, err) = piped(
        Command::new("/usr/bin/python3").args(["-c", CLUSTERSHELL]),
        &input,
    );
    assert_eq!(code, 0, "{err}");
    let theirs: Vec<&str> = out.lines().collect();
    assert_eq!(theirs.len(), expressions.len());
    for (expression, theirs) in expressions.iter().zip(theirs) {
        assert_eq!(ours(expression).trim_end(), theirs.trim_end(), "{expression}");
    }
}

/// The commands, with a whole cluster on standard input.
#[test]
fn chamois_nodeset_answers_as_nodeset_does() {
    if !is_asked_for("chamois_nodeset_answers_as_nodeset_does") {
        return;
    }
    let names = (0..8_000_u32).filter(|n| n % 977 != 5);
    let names = names.map(|n| format!("x{}c{}s{}b0n{}\n", 1000 + n / 512, n / 64 % 8, n / 2 % 32, n % 2));
    let names: String = names
        .chain((1..=500_u32).map(|n| format!("nid{n:04}\n")))
        .collect();
    for (verb, flag) in [("fold", "-f"), ("count", "-c")] {
        let theirs = piped(Command::new("nodeset").arg(flag), &names);
        let ours = piped(Command::new(CHAMOIS).args(["nodeset", verb, "-"]), &names);
        assert_eq!((theirs.0, ours.0), (0, 0), "{verb}: {} {}", theirs.2, ours.2);
        assert_eq!(ours.1, theirs.1, "{verb}");
    }
    for expression in ["n[1-20/3,007]", "n[9-11]!n10", "a,n[1-3]-ib"] {
        let theirs = piped(Command::new("nodeset").args(["-e", expression]), "");
        let ours = piped(Command::new(CHAMOIS).args(["nodeset", "expand", expression]), "");
        assert_eq!(ours.1, theirs.1, "{expression}");
    }
}

/// Four nodes and a BMC; `blue` has two of the nodes.
fn seeded() -> (Single, common::Member) {
    let site = Single::prepare();
    let member = site.start();
    let administrator = Administrator::new(&site.dir.path().join("identities"));
    let nodes = (0..4).map(|slot| {
        let (state, role) = [
            ("Ready", "Compute"),
            ("Off", "Compute"),
            ("Ready", "Service"),
            ("Ready", "Compute"),
        ][slot];
        format!(
            r#"{{"ID":"x0c0s{slot}b0n0","State":"{state}","Role":"{role}","NID":{}}}"#,
            slot + 1
        )
    });
    let components: Vec<String> = nodes
        .chain([r#"{"ID":"x0c0s0b0","State":"Ready"}"#.to_owned()])
        .collect();
    let body = format!(r#"{{"Components":[{}]}}"#, components.join(","));
    let answer = administrator.send(site.own(), "POST", "/hsm/v2/State/Components", &body);
    assert!((200..300).contains(&answer.status), "{answer:?}");
    let (code, out, err) = site.ask(&["group", "create", "blue", "x0c0s[0-1]b0n0"]);
    assert!(code == 0 && out.contains("2 members"), "{out}{err}");
    (site, member)
}

/// Names of every kind mean nodes, wherever nodes are taken; what does not exist is told with what was probably meant.
#[test]
fn nodes_are_named_by_what_they_are() {
    let (site, _member) = seeded();
    for (nodes, expected) in [
        ("x0c0s[0-3]b0n0!x0c0s2b0n0", "x0c0s[0-1,3]b0n0"),
        ("@blue", "x0c0s[0-1]b0n0"),
        ("@blue&@state:Off", "x0c0s1b0n0"),
        ("@role:Compute^@blue", "x0c0s3b0n0"),
        ("@*", "x0c0s[0-3]b0n0"),
        ("x0c0s?b0n0", "x0c0s[0-3]b0n0"),
        ("@type:NodeBMC", "x0c0s0b0"),
    ] {
        let (code, out, err) = site.ask(&["nodeset", "fold", nodes]);
        assert_eq!((code, out.trim()), (0, expected), "{nodes}: {err}");
    }
    for (nodes, expected) in [
        ("nid[0003-0004]", 2),
        ("@*!nid1", 3),
        ("te0001", 1),
        ("@blue", 2),
        ("x0c0s*b0n0", 4),
    ] {
        let (code, out, err) = site.ask(&["component", "list", nodes, "-o", "json"]);
        assert_eq!(code, 0, "{nodes}: {err}");
        assert_eq!(out.matches("\"ID\"").count(), expected, "{nodes}: {out}");
    }
    for (words, code, part) in [
        (
            &["group", "add", "blue", "@rol:Compute"][..],
            3,
            "did you mean `role`?",
        ),
        (&["group", "add", "blue", "@bleu"][..], 3, "did you mean `blue`?"),
        (
            &["group", "add", "blue", "te0011"][..],
            3,
            "did you mean `te0001`?",
        ),
        (&["power", "on", "x0c0s[3-1]b0n0"][..], 2, "^"),
        (&["console", "@blue"][..], 2, "2 nodes"),
        (&["power", "status", "@state:Halt"][..], 3, "no node now"),
    ] {
        let (got, _, err) = site.ask(words);
        assert_eq!(got, code, "{words:?}: {err}");
        assert!(err.contains(part), "{words:?}: {err}");
    }
    let (code, out, err) = site.ask(&["group", "add", "blue", "@role:Compute!@blue", "nid3"]);
    assert!(code == 0 && out.contains("2 members"), "{out}{err}");
    let (_, out, _) = site.ask(&["group", "show", "blue"]);
    assert!(out.contains("x0c0s[0-3]b0n0"), "{out}");
}

/// A folder for CLUSTERSHELL_CFGDIR with our groups.conf.d file as it is shipped.
fn configured(dir: &Path) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/clustershell/chamois.conf");
    let configured = dir.join("clustershell");
    std::fs::create_dir_all(configured.join("groups.conf.d")).unwrap();
    std::fs::copy(shipped, configured.join("groups.conf.d/chamois.conf")).unwrap();
    let main = "[Main]\ndefault: chamois\nconfdir: $CFGDIR/groups.conf.d\n";
    std::fs::write(configured.join("groups.conf"), main).unwrap();
    configured
}

/// `nodeset` and `clush` of a site know the groups of the cluster, what nodes are included.
#[test]
fn clustershell_knows_our_groups() {
    if !is_asked_for("clustershell_knows_our_groups") {
        return;
    }
    let (site, _member) = seeded();
    let config = configured(site.dir.path());
    let programs = Path::new(CHAMOIS).parent().unwrap().display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
    let [_, endpoint, _, ca, _, token] = site.client_args();
    let nodeset = |words: &[&str]| {
        let mut command = Command::new("nodeset");
        command
            .args(words)
            .env("CLUSTERSHELL_CFGDIR", &config)
            .env("PATH", &path);
        command
            .env("CHAMOIS_ENDPOINTS", &endpoint)
            .env("CHAMOIS_CA", &ca)
            .env("CHAMOIS_TOKEN_FILE", &token);
        let (code, out, err) = piped(&mut command, "");
        assert_eq!(code, 0, "{words:?}: {err}");
        out.trim().to_owned()
    };
    assert_eq!(nodeset(&["-f", "@blue"]), "x0c0s[0-1]b0n0");
    assert_eq!(nodeset(&["-f", "@chamois:blue!@state:Off"]), "x0c0s0b0n0");
    assert_eq!(nodeset(&["-f", "@*"]), "x0c0s[0-3]b0n0");
    assert_eq!(nodeset(&["-c", "@role:Compute"]), "3");
    assert_eq!(nodeset(&["-l"]), "@blue");
    assert_eq!(nodeset(&["-s", "role", "-l"]), "@role:Compute\n@role:Service");
    assert_eq!(nodeset(&["-l", "x0c0s1b0n0"]), "@blue");
    assert_eq!(nodeset(&["-r", "x0c0s[0-1]b0n0"]), "@blue");
    assert!(nodeset(&["--groupsources"]).contains("state"));
}

/// As fast as a command of every day has to be; the aim is 50 ms in a build for use.
#[test]
fn fifty_thousand_names_are_folded_in_a_moment() {
    let names = (0..50_000_u32).map(|n| {
        format!(
            "x{}c{}s{}b{}n{}",
            1000 + n / 512,
            n / 64 % 8,
            n / 4 % 16,
            n / 2 % 2,
            n % 2
        )
    });
    let names: NodeNames = names.collect();
    let begin = std::time::Instant::now();
    let folded = names.fold();
    println!(
        "{} names: {} ms, {folded}",
        names.len(),
        begin.elapsed().as_millis()
    );
    assert!(begin.elapsed() < std::time::Duration::from_secs(5));
    assert!(folded.len() < 200, "{folded}");
}
