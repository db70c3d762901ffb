//! Today's clients against a real member: every request that `ochami` sends, as it sends it, and the prefixes of today's gateways.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod boot;
#[path = "../common/mod.rs"]
mod common;
mod control;
mod prefixes;
mod request;
mod site;
mod smd;

use request::{Answer, Request, Without};
use site::Site;

const DOCUMENT: &str = include_str!("../../../../docs/ochami.md");

/// All requests, in the order in which each can succeed.
fn requests() -> impl Iterator<Item = &'static Request> {
    [
        smd::SMD,
        boot::BSS,
        boot::CLOUD_INIT,
        boot::BOOT,
        control::POWER,
        control::CONSOLES,
        smd::DELETES,
    ]
    .into_iter()
    .flatten()
}

/// Each is sent by a stranger first, who must change nothing, then by a host that may read without a token, then with a token.
#[test]
fn every_request_of_ochami_is_answered_with_and_without_a_token() {
    let site = Site::start();
    let (administrator, reader, stranger) = (site.administrator(), site.reader(), site.stranger());
    let mut wrong = Vec::new();
    for request in requests() {
        let refused = stranger.run(request);
        check(
            request,
            "a stranger",
            &refused,
            request.status_without_token(false),
            &mut wrong,
        );
        // a change that anybody may make would be made twice
        if request.without != Without::Everybody {
            let read = reader.run(request);
            check(
                request,
                "a reader",
                &read,
                request.status_without_token(true),
                &mut wrong,
            );
        }
        let answer = administrator.run(request);
        check(request, "the administrator", &answer, request.status, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A request as the document shows it.
fn row(request: &Request) -> String {
    let Request {
        command,
        line,
        status,
        ..
    } = request;
    let without = match request.without {
        Without::Nobody => "401".to_owned(),
        Without::Readers => format!("{status} from `anonymous-legacy-reads`, else 401"),
        Without::Everybody => status.to_string(),
    };
    format!("| {command} | `{line}` | {without} | {status} |")
}

fn check(request: &Request, who: &str, answer: &Answer, expected: u16, wrong: &mut Vec<String>) {
    let is_shown = expected != request.status || answer.body.contains(request.shows);
    if answer.status != expected || !is_shown {
        wrong.push(format!(
            "{} ({}) by {who}: {} and not {expected}: {}",
            request.line, request.command, answer.status, answer.body
        ));
    }
    // a problem is what `ochami` shows its user, so it is one
    let is_problem = answer.head.contains("application/problem+json");
    if expected >= 400 && !is_problem {
        wrong.push(format!("{} by {who}: no problem: {answer:?}", request.line));
    }
}

/// Whoever moves here reads there what he may rely on.
#[test]
fn the_document_shows_these_requests_and_no_others() {
    let (_, requests_shown) = DOCUMENT.split_once("## Every request").unwrap();
    let shown: Vec<&str> = requests_shown
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .collect();
    let rows: Vec<String> = requests().map(row).collect();
    for (shown, row) in shown.iter().zip(&rows) {
        assert_eq!(shown, row);
    }
    assert_eq!(shown.len(), rows.len(), "docs/ochami.md:\n{}", rows.join("\n"));
}

/// Somebody who looks up a command finds whether it works as he knows it: each that sends a request is in the first table.
#[test]
fn every_command_is_said_to_work_or_not() {
    let (commands, _) = DOCUMENT.split_once("## Every request").unwrap();
    for request in requests() {
        let words: Vec<&str> = request
            .command
            .split([' ', ','])
            .filter(|word| !word.is_empty())
            .collect();
        let (noun, verb) = (words[0], words.get(1).copied().unwrap_or_default());
        let is_said = commands
            .lines()
            .filter(|line| line.starts_with("| `"))
            .any(|line| line.contains(&format!("`{noun} ")) && (line.contains(verb) || verb == "by"));
        assert!(is_said, "{}", request.command);
    }
}

/// Each command is there, and no request twice.
#[test]
fn the_table_has_every_command_and_no_request_twice() {
    let mut lines: Vec<(&str, &str)> = requests().map(|request| (request.line, request.body)).collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all);
    for service in [
        "smd component",
        "smd compep",
        "smd rfe",
        "smd iface",
        "smd group",
        "smd service",
        "discover static",
        "bss boot params",
        "bss boot image",
        "bss boot script",
        "bss dumpstate",
        "bss history",
        "bss hosts",
        "bss service",
        "cloud-init defaults",
        "cloud-init group",
        "cloud-init node",
        "cloud-init service",
        "pcs service",
        "pcs status",
        "pcs transition",
        "rcs service",
        "rcs console",
        "boot config",
        "boot node",
        "boot bmc",
        "boot service",
    ] {
        let has_it = requests().any(|request| request.command.starts_with(service));
        assert!(has_it, "no request of `ochami {service}`");
    }
    for request in requests() {
        let body: Result<serde_json::Value, _> = serde_json::from_str(request.body);
        assert!(request.body.is_empty() || body.is_ok(), "{}", request.line);
    }
}
