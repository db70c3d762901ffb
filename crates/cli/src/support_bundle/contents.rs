//! What goes into it. Each piece is gathered for itself, in time, and what cannot be had says why in its place.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use proto::cluster::v1::GetMetricsRequest;
use proto::cluster::v1::metrics_service_client::MetricsServiceClient;
use tokio::process::Command;

use super::configuration;
use super::scrub::Scrub;
use crate::args::GlobalArgs;
use crate::at_once;
use crate::connect::{Target, token_of_environment};
use crate::doctor::{self, Around};
use crate::error::CliError;
use crate::output;
use crate::utc;

const STATUS: &str = "chamois.cluster.v1.ClusterStatus";
/// A program of the host that does not end is not waited for any longer.
const PROGRAM_AT_MOST: Duration = Duration::from_secs(20);
const UNITS: [&str; 2] = ["chamois", "chamois-address-helper"];

/// A file of the bundle.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) name: String,
    pub(super) what: &'static str,
    pub(super) text: String,
}

impl Piece {
    fn new(name: impl Into<String>, what: &'static str, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            what,
            text: text.into(),
        }
    }
}

/// Everything, without secrets; the list of what there is comes first.
pub(super) async fn gather(global: &GlobalArgs, config: &Path, journal_lines: u32) -> Vec<Piece> {
    let around = Around::look(global, config).await;
    let report = Box::pin(doctor::examine(global, config)).await;
    let mut pieces = vec![
        Piece::new(
            "doctor.txt",
            "what `chamois doctor` finds",
            format!("{}\n", report.render()),
        ),
        Piece::new(
            "doctor.json",
            "the same for programs",
            format!("{:#}\n", report.to_value()),
        ),
        Piece::new("host.txt", "this host: version, system, time", about_host().await),
        Piece::new(
            "chamois.toml",
            "this host's configuration; of keys that may hold secrets only the names",
            configuration::shown(config),
        ),
    ];
    let metrics = metrics(&around).await;
    for (member, metrics) in around.members.iter().zip(metrics) {
        let name = file_name(&member.endpoint);
        let status = match &member.answer {
            Ok(status) => output::to_json(STATUS, status).unwrap_or_else(|error| error.to_string()),
            Err(error) => error.to_string(),
        };
        pieces.push(Piece::new(
            format!("members/{name}.json"),
            "what a member says of itself and the others",
            format!("{status}\n"),
        ));
        pieces.push(Piece::new(
            format!("metrics/{name}.prom"),
            "what it has counted since it started",
            metrics,
        ));
    }
    for unit in UNITS {
        let journal = journal(unit, journal_lines).await;
        pieces.push(Piece::new(
            format!("journal/{unit}.log"),
            "the end of this host's journal of the unit",
            journal,
        ));
    }
    let scrub = scrub(global, config);
    for piece in &mut pieces {
        piece.text = scrub.text(&piece.text);
    }
    pieces.insert(0, list(&pieces));
    pieces
}

fn list(pieces: &[Piece]) -> Piece {
    let lines = pieces
        .iter()
        .map(|piece| format!("{:>9} {:<28} {}\n", piece.text.len(), piece.name, piece.what));
    let text = format!(
        "What is in here, made by chamois {}:\n{}",
        env!("CARGO_PKG_VERSION"),
        lines.collect::<String>()
    );
    Piece::new("CONTENTS", "this list", text)
}

/// What this host knows to be secret.
fn scrub(global: &GlobalArgs, config: &Path) -> Scrub {
    let mut files: Vec<PathBuf> = configuration::secret_files(config);
    files.extend(global.token_file.clone());
    files.extend(
        global
            .client_certificate
            .as_ref()
            .map(|file| file.with_extension("key")),
    );
    Scrub::knowing(files.iter().map(PathBuf::as_path), token_of_environment())
}

/// `10.0.0.1:7441` as the name of a file.
fn file_name(endpoint: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') {
            c
        } else {
            '_'
        }
    };
    endpoint.chars().map(plain).collect()
}

/// What each member has counted, or why it does not say; one that has not said who it is is asked all the same.
async fn metrics(around: &Around) -> Vec<String> {
    let Ok(target) = &around.target else {
        return vec![String::new(); around.members.len()];
    };
    let pages = around.members.iter().map(|member| page(target, &member.endpoint));
    let pages = at_once::each(target.answer_at_most(), pages).await;
    pages.into_iter().map(page_or_why).collect()
}

async fn page(target: &Target, endpoint: &str) -> Result<String, CliError> {
    let mut client = MetricsServiceClient::new(target.connect_one(endpoint)?);
    let page = client.get_metrics(GetMetricsRequest {}).await?.into_inner();
    Ok(String::from_utf8_lossy(&page.data).into_owned())
}

/// Every line of a reason is a comment: the file is read by programs.
fn page_or_why(page: Result<String, CliError>) -> String {
    page.unwrap_or_else(|error| {
        let text = error.to_string();
        text.lines().map(|line| format!("# {line}\n")).collect()
    })
}

async fn about_host() -> String {
    let mut text = format!(
        "chamois {}\nnow {}\n",
        env!("CARGO_PKG_VERSION"),
        utc::timestamp(utc::unix_ms(SystemTime::now()))
    );
    for file in [
        "/etc/os-release",
        "/proc/version",
        "/proc/loadavg",
        "/proc/meminfo",
    ] {
        let content = std::fs::read_to_string(file).unwrap_or_else(|error| format!("{error}\n"));
        text.push_str(&format!("\n== {file}\n{content}"));
    }
    for (program, arguments) in [
        ("ip", ["-brief", "address"]),
        ("timedatectl", ["status", "--no-pager"]),
        ("df", ["-h", "-T"]),
    ] {
        let said = said_by(program, &arguments).await;
        text.push_str(&format!("\n== {program} {}\n{said}", arguments.join(" ")));
    }
    text
}

async fn journal(unit: &str, lines: u32) -> String {
    let lines = lines.to_string();
    said_by(
        "journalctl",
        &[
            "--no-pager",
            "--quiet",
            "--output=short-iso",
            "--lines",
            &lines,
            "--unit",
            unit,
        ],
    )
    .await
}

/// What a program of this host prints; or why it does not.
async fn said_by(program: &str, arguments: &[&str]) -> String {
    let mut asking = Command::new(program);
    asking.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(PROGRAM_AT_MOST, asking.output()).await {
        Ok(Ok(output)) => format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Ok(Err(error)) => format!("{program}: {error}\n"),
        Err(_) => format!("{program}: no end within {} s\n", PROGRAM_AT_MOST.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_name_of_a_file() {
        assert_eq!(file_name("https://[fd00::1]:7441"), "https____fd00__1__7441");
        assert_eq!(file_name("10.0.0.1:7441"), "10.0.0.1_7441");
    }

    #[test]
    fn the_list_names_every_piece_and_its_size() {
        let pieces = [Piece::new("a", "first", "12345"), Piece::new("b/c", "second", "")];
        let text = list(&pieces).text;
        assert!(text.contains("5 a ") && text.contains("0 b/c "), "{text}");
    }

    #[test]
    fn why_there_are_no_metrics_stands_in_their_place() {
        assert_eq!(page_or_why(Ok("up 1\n".into())), "up 1\n");
        let error = CliError::new(crate::error::Kind::Unavailable, "no answer").with_remedy("Try again.");
        let why = page_or_why(Err(error));
        assert!(why.starts_with("# no answer\n"), "{why}");
        assert!(why.lines().all(|line| line.starts_with("# ")), "{why}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_says_so_in_its_place() {
        assert!(
            said_by("nonexistent-program", &[])
                .await
                .contains("nonexistent-program: ")
        );
        assert_eq!(said_by("echo", &["a"]).await, "a\n");
    }
}
