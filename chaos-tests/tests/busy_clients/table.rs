//! What was measured, in the words of the table in crates/bss/OVERVIEW.md.

use std::collections::BTreeMap;

const OVERVIEW: &str = include_str!("../../../crates/bss/OVERVIEW.md");
const TITLE: &str = "## What clients do when a member is busy";

/// What became of one client's attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It asked as often as it was sent away, and has what it wanted.
    AsksAgain,
    /// So too, but only so many times in all.
    AsksUpTo(usize),
    /// It asked once.
    GivesUpAtOnce,
    /// HEAD and GET, each once.
    GivesUpAfterHeadAndGet,
    /// It failed; nobody could count how often it tried.
    Fails,
}

impl Outcome {
    /// By the count of requests where the server was busy a few times and, if that was tried, far more often.
    pub(crate) fn of(few: Attempts, many: Option<Attempts>) -> Outcome {
        match (few.served, many) {
            (false, _) if few.requests == 1 => Outcome::GivesUpAtOnce,
            (true, None) => Outcome::AsksAgain,
            (true, Some(many)) if many.served => Outcome::AsksAgain,
            (true, Some(many)) => Outcome::AsksUpTo(many.requests),
            (false, _) => panic!("{few:?}: what does this client do?"),
        }
    }

    /// By the count of attempts at a port where nobody listens.
    pub(crate) fn of_refused(attempts: usize) -> Outcome {
        match attempts {
            1 => Outcome::GivesUpAtOnce,
            more => Outcome::AsksUpTo(more),
        }
    }

    fn words(self) -> String {
        match self {
            Outcome::AsksAgain => "asks again".to_owned(),
            Outcome::AsksUpTo(requests) => format!("asks again, {requests} times in all"),
            Outcome::GivesUpAtOnce => "gives up at once".to_owned(),
            Outcome::GivesUpAfterHeadAndGet => "gives up after HEAD and GET".to_owned(),
            Outcome::Fails => "gives up".to_owned(),
        }
    }
}

/// What the server saw of a client that was sent away, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempts {
    pub(crate) requests: usize,
    pub(crate) served: bool,
}

/// One client's row: 503 with `Retry-After`, 503 alone, a refused connection.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) client: String,
    pub(crate) outcomes: [Outcome; 3],
}

impl Row {
    pub(crate) fn new(client: impl Into<String>, outcomes: [Outcome; 3]) -> Row {
        Row {
            client: client.into(),
            outcomes,
        }
    }
}

/// The rows below the title, by client.
fn written() -> BTreeMap<String, Vec<String>> {
    let section = OVERVIEW.split(TITLE).nth(1).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let mut table = BTreeMap::new();
    for row in rows.skip(1) {
        let mut cells = row
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned());
        table.insert(cells.next().unwrap_or_default(), cells.collect());
    }
    table
}

/// The table has these rows, and no others.
pub(crate) fn assert_says(rows: &[Row]) {
    let measured: BTreeMap<String, Vec<String>> = rows
        .iter()
        .map(|row| (row.client.clone(), row.outcomes.map(Outcome::words).to_vec()))
        .collect();
    let lines = measured
        .iter()
        .map(|(client, cells)| format!("| {client} | {} |", cells.join(" | ")));
    println!("{}", lines.collect::<Vec<_>>().join("\n"));
    assert_eq!(
        written(),
        measured,
        "left: crates/bss/OVERVIEW.md; right: what the clients did"
    );
}
