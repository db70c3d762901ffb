//! SECURITY.md says what is so: each promise names a test that exists, each switch a key and a line of the log.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

use std::path::{Path, PathBuf};

const SECURITY: &str = include_str!("../../../SECURITY.md");
const EXAMPLE: &str = include_str!("../../../deploy/examples/member-1.toml");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What is in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The cells of all rows of the tables whose last column has this title.
fn rows(last_column: &str) -> Vec<Vec<&'static str>> {
    let mut found = Vec::new();
    let mut is_wanted = false;
    for line in SECURITY.lines() {
        let Some(cells) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else {
            // the line under a title has no spaces, and belongs to its table
            is_wanted &= line.starts_with("|--");
            continue;
        };
        let cells: Vec<&str> = cells.split(" | ").collect();
        if *cells.last().unwrap() == last_column {
            is_wanted = true;
        } else if is_wanted {
            found.push(cells);
        }
    }
    found
}

/// A promise that nothing shows is a wish.
#[test]
fn every_promise_names_a_test_that_exists() {
    let promises = rows("shown by");
    assert!(
        promises.len() >= 100,
        "{} promises: was the table's title changed?",
        promises.len()
    );
    for row in promises {
        assert_eq!(row.len(), 2, "a promise and what shows it: {row:?}");
        let (mut file, mut found) = (String::new(), 0);
        for name in quoted(row[1]) {
            if name.contains('/') {
                file = std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
                continue;
            }
            let at = file
                .find(&format!("fn {name}("))
                .unwrap_or_else(|| panic!("{name} is not in its file: {row:?}"));
            assert!(is_test(&file[..at]), "{name} is no test: {row:?}");
            found += 1;
        }
        assert!(found > 0, "no test: {row:?}");
    }
}

/// Whether the attributes and comments right before a function make it a test; within `proptest!` they do, too.
fn is_test(before: &str) -> bool {
    let lines = before.lines().rev().take(12);
    let mut own = lines.take_while(|line| *line != "}" && *line != "    }");
    own.any(|line| {
        let line = line.trim();
        line.starts_with("#[test") || line.starts_with("#[tokio::test")
    })
}

#[test]
fn every_switch_is_a_key_and_says_itself_in_the_log() {
    let switches = rows("log line");
    assert!(switches.len() >= 5, "{} switches", switches.len());
    for row in switches {
        let key = quoted(row[0]).next().unwrap();
        let is_there = EXAMPLE.lines().any(|line| line.starts_with(&format!("{key} = ")));
        assert!(is_there, "{key} is no key of deploy/examples/member-1.toml");
        let log = row.last().unwrap();
        let Some(file) = quoted(log).next() else {
            assert!(
                log.starts_with("none"),
                "{key}: the line of the log, or none: {log}"
            );
            continue;
        };
        let line = log
            .split('"')
            .nth(1)
            .unwrap_or_else(|| panic!("{key}: no line in quotes: {log}"));
        let source = std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(source.contains(line), "{file} does not say {line:?}");
    }
}

/// What an administrator must know before he relies on it has a title that is looked for.
#[test]
fn nothing_is_left_out() {
    for title in [
        "## Reporting a weakness",
        "## Who the attackers are",
        "## What is promised",
        "### On the boot network",
        "### On the admin network",
        "### Tokens",
        "### Rights",
        "### Members",
        "### BMCs",
        "### Secrets at rest",
        "### Supply chain",
        "### Login with the site's provider",
        "### Certificates: renewal, another CA, revocation",
        "### Audit",
        "### Rotation of the key that opens secrets",
        "### Edges under attack",
        "## Threats by number",
        "## What is not promised",
        "## Revocation: what it reaches, and when",
        "## What makes it weaker, and says so",
        "## Hardening",
    ] {
        let mut lines = SECURITY.lines().skip_while(|line| *line != title);
        assert!(lines.next().is_some(), "no section {title}");
        let text = lines.find(|line| !line.is_empty());
        assert!(
            text.is_some_and(|text| title == "## What is promised" || !text.starts_with('#')),
            "{title} is empty"
        );
    }
}
