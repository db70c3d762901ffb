//! README.md and ARCHITECTURE.md say what is so: commands parse, files and tests exist, output is real.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::path::{Path, PathBuf};

use clap::Parser as _;
use common::{Single, chamois, outcome};

const README: &str = include_str!("../../../README.md");
const ARCHITECTURE: &str = include_str!("../../../ARCHITECTURE.md");
const BSS: &str = include_str!("../../../crates/bss/OVERVIEW.md");
const CI: &str = include_str!("../../../.ci/run");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The lines of the fenced blocks of one language, a list for each block.
fn blocks(language: &str) -> Vec<Vec<&'static str>> {
    let mut found = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        if line.strip_prefix("```") == Some(language) {
            found.push(lines.by_ref().take_while(|line| *line != "```").collect());
        } else if line.starts_with("```") {
            lines.by_ref().take_while(|line| *line != "```").for_each(drop);
        }
    }
    found
}

/// A shell line without its comment.
fn command(line: &str) -> &str {
    line.split(" #").next().unwrap_or_default().trim()
}

/// What is in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// A new user needs two commands, and the second is what every change must pass.
#[test]
fn two_commands_are_all_and_the_second_is_ci() {
    let first: Vec<&str> = blocks("sh")[0].iter().map(|line| command(line)).collect();
    assert_eq!(first, ["cargo demo", "cargo test --workspace"]);
    let in_ci = |line: &str| line.starts_with("step ") && line.ends_with(first[1]);
    assert!(
        CI.lines().any(in_ci),
        ".ci/run has no step that runs {}",
        first[1]
    );
}

#[test]
fn every_command_in_the_readme_parses() {
    let blocks = blocks("sh");
    let commands = blocks.iter().flatten().map(|line| command(line));
    let mut seen = 0;
    for line in commands.filter(|line| line.starts_with("chamois ")) {
        if let Err(error) = cli::Cli::try_parse_from(line.split_whitespace()) {
            panic!("{line}: {error}");
        }
        seen += 1;
    }
    assert!(seen >= 8, "{seen} commands: are the blocks still marked `sh`?");
}

/// The blocks of the tour are typed into one shell, in a folder with what `chamois init` has written, and each command does what it
/// says. One whose comment names an exit code may end so.
#[test]
fn the_tour_runs_as_written() {
    let tour = section("## The command line, a tour");
    let single = Single::prepare();
    let mut member = single.start();
    member.until("a leader", || single.ask(&["cluster", "status"]).0 == 0);
    let folder = tempfile::tempdir().unwrap();
    for name in ["ca.pem", "admin.token"] {
        std::fs::copy(single.identities().join(name), folder.path().join(name)).unwrap();
    }
    let script = typed(&tour, &format!("{}:7441", single.own()));
    let bin = Path::new(common::CHAMOIS).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let run = std::process::Command::new("bash")
        .args(["--norc", "-c", &script])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder.path())
        .output()
        .unwrap();
    let (code, out, err) = outcome(&run);
    assert_eq!(code, 0, "{script}\n{out}\n{err}");
    for shown in ["x1000c0s0b0n0", "compute", "doctor.txt"] {
        assert!(out.contains(shown), "{shown}: {out}");
    }
    assert!(folder.path().join("man1/chamois-apply.1").exists());
}

/// What is typed for a section: its lines, each command stopping the shell unless it ends as its comment says.
fn typed(section: &str, endpoint: &str) -> String {
    let mut script = String::new();
    for line in shell_lines(section) {
        let line = line.replace("10.97.1.1:7441,10.97.1.2:7441,10.97.1.3:7441", endpoint);
        let may_be = line
            .split("exit code ")
            .nth(1)
            .and_then(|rest| rest.chars().next());
        let typed = match may_be {
            _ if !line.starts_with("chamois ") => line,
            Some(code) => format!("{} || [ $? = {code} ] || exit 9", command(&line)),
            None => format!("{} || {{ echo \"ended with $?\"; exit 9; }}", command(&line)),
        };
        script += &format!("{typed}\n");
    }
    script
}

/// A section of the README.
fn section(title: &str) -> String {
    let (_, rest) = README.split_once(&format!("{title}\n")).unwrap();
    rest.split("\n## ").next().unwrap().to_owned()
}

/// The lines of its blocks for a shell.
fn shell_lines(section: &str) -> impl Iterator<Item = &str> {
    let blocks = section.split("```sh\n").skip(1);
    blocks.flat_map(|rest| rest.split("\n```").next().unwrap().lines())
}

/// The programs that `.ci/sdk-go` and `.ci/sdk-python` run against a cluster, and one that the build compiles.
#[test]
fn the_programs_shown_are_those_that_run() {
    for (language, file) in [
        ("go", "proto/sdk/go/examples/quickstart/main.go"),
        ("python", "proto/sdk/python/README.md"),
        ("rust", "crates/rpc/examples/ten_lines.rs"),
    ] {
        let program = std::fs::read_to_string(root().join(file)).unwrap();
        let program: String = program.lines().map(|line| format!("{}\n", line.trim())).collect();
        let shown = blocks(language);
        assert_eq!(shown.len(), 1, "{language}");
        let shown: String = shown[0].iter().map(|line| format!("{}\n", line.trim())).collect();
        assert!(
            program.contains(&shown),
            "{file} does not have these lines:\n{shown}"
        );
    }
}

/// The output in the README is that of the demo: the same rows, in the same order.
#[test]
fn the_demo_shown_is_the_demo() {
    let (code, out, err) = outcome(&chamois(&["demo", "--nodes", "5", "--members", "1"]));
    assert_eq!(code, 0, "{err}");
    let shown = &blocks("text")[0];
    let labels = |lines: &[&str]| -> Vec<String> {
        let result = lines.iter().skip_while(|line| !line.contains("RESULT"));
        let cells = result.filter_map(|line| line.strip_prefix("│ "));
        cells
            .map(|cells| cells.split("  ").next().unwrap().to_owned())
            .collect()
    };
    let real = labels(&out.lines().collect::<Vec<_>>());
    assert_eq!(real.len(), 11, "{out}");
    assert_eq!(labels(shown), real);
    assert!(shown.iter().any(|line| line.contains("PASS")));
    assert_eq!(
        shown
            .iter()
            .filter(|line| line.starts_with("killed member"))
            .count(),
        2
    );
}

/// Every path that a person is sent to exists.
#[test]
fn files_that_are_named_exist() {
    let links = README
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let is_path = |text: &&str| {
        let known = [
            "proto/",
            "crates/",
            "cmd/",
            "raft/",
            "gateway/",
            "chaos-tests/",
            "deploy/",
            ".ci/",
        ];
        known.iter().any(|folder| text.starts_with(folder)) && !text.contains(['<', '*', ' '])
    };
    let named = quoted(README).chain(quoted(ARCHITECTURE)).filter(is_path);
    for path in links.chain(named) {
        assert!(root().join(path).exists(), "{path} is named and is not there");
    }
}

/// An invariant without a test is a wish, and so is an answer to a failure: each row names a file and a test in it.
#[test]
fn every_invariant_has_a_test_of_that_name() {
    every_row_has_its_test(ARCHITECTURE, "## Invariants");
    every_row_has_its_test(BSS, "## What fails, and what a node gets then");
}

fn every_row_has_its_test(document: &str, title: &str) {
    let section = document
        .split(title)
        .nth(1)
        .unwrap_or_else(|| panic!("no section {title}"));
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .collect();
    assert!(rows.len() >= 8, "{section}");
    for row in rows {
        let tests = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap();
        let (mut file, mut found) = (String::new(), 0);
        for name in quoted(tests) {
            if name.contains('/') {
                file = std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
            } else {
                assert!(
                    file.contains(&format!("fn {name}(")),
                    "{name} is not in its file: {row}"
                );
                found += 1;
            }
        }
        assert!(found > 0, "no test: {row}");
    }
}
