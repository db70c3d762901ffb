//! `chamois configure watch` in a process of its own, with all targets, in a folder of the benchmark.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use super::commands::client;
use super::{failed, options};
use crate::bench::servers::Servers;
use crate::error::CliError;

/// How long the first files and each change are waited for.
const WAIT: Duration = Duration::from_secs(60);
/// Lines of one change come together: the sets are told when all are in place.
const TOGETHER: Duration = Duration::from_millis(20);
/// The set whose file shows whether a change is in it.
const SHOWN_BY: &str = "hosts";

/// The process; killed when dropped.
pub(super) struct Follower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Where files go.
    files: PathBuf,
}

impl Follower {
    /// Starts it and waits until the files of all targets are there.
    pub(super) async fn start(servers: &Servers) -> Result<Follower, CliError> {
        let dir = servers.cluster.layout().dir().join("configure");
        let files = dir.join("files");
        let config = dir.join("configure.toml");
        let write =
            std::fs::create_dir_all(&files).and_then(|()| std::fs::write(&config, configuration(&dir)));
        write.map_err(|error| failed("cannot write configure.toml", error))?;
        let args = [
            "configure",
            "watch",
            "-o",
            "json",
            "--config",
            &config.to_string_lossy(),
        ];
        let mut child = client(servers, &args)?
            .spawn()
            .map_err(|error| failed("cannot start `configure watch`", error))?;
        let out = child
            .stdout
            .take()
            .ok_or_else(|| failed("`configure watch`", "it has no output"))?;
        let mut follower = Follower {
            child,
            lines: BufReader::new(out).lines(),
            files,
        };
        follower.replaced().await?;
        Ok(follower)
    }

    /// Waits until files are replaced; how many sets were, and when the last of them was told.
    pub(super) async fn replaced(&mut self) -> Result<(usize, Instant), CliError> {
        let first = self.line().await?;
        let (mut lines, mut last) = (vec![first], Instant::now());
        while let Ok(line) = tokio::time::timeout(TOGETHER, self.next()).await {
            lines.push(line?);
            last = Instant::now();
        }
        for line in &lines {
            if line["outcome"] != "replaced" {
                return Err(failed("`configure watch`", line));
            }
        }
        Ok((lines.len(), last))
    }

    /// Whether the change is in its file.
    pub(super) fn check(&self, address: &str) -> Result<(), CliError> {
        let found = files_below(&self.files.join(SHOWN_BY)).into_iter().any(|path| {
            let text = std::fs::read_to_string(path);
            text.is_ok_and(|text| {
                text.lines()
                    .any(|line| line.split_whitespace().next() == Some(address))
            })
        });
        match found {
            true => Ok(()),
            false => Err(failed("the file of hosts has not the new address", address)),
        }
    }

    /// Ends it.
    pub(super) async fn stop(mut self) -> Result<(), CliError> {
        let killed = self.child.kill().await;
        killed.map_err(|error| failed("cannot end `configure watch`", error))
    }

    async fn line(&mut self) -> Result<Value, CliError> {
        let line = tokio::time::timeout(WAIT, self.next()).await;
        line.map_err(|_| failed("`configure watch`", "no file was replaced"))?
    }

    async fn next(&mut self) -> Result<Value, CliError> {
        let line = self.lines.next_line().await;
        let line = line.map_err(|error| failed("`configure watch`", error))?;
        let line = line.ok_or_else(|| failed("`configure watch`", "it has ended"))?;
        serde_json::from_str(&line).map_err(|error| failed("`configure watch`", error))
    }
}

/// A set for each target, each in its own folder.
fn configuration(dir: &Path) -> String {
    let mut text = format!("state-dir = {:?}\n", dir.join("state"));
    for target in configurator::targets() {
        let into = dir.join("files").join(target.name);
        let _ = writeln!(
            text,
            "[[file-set]]\ntarget = {:?}\ninto = {into:?}\ntarget-checks = false",
            target.name
        );
        for (name, value) in options(target.name) {
            let _ = writeln!(text, "options.{name} = {value:?}");
        }
    }
    text
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
    {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files_below(&path)),
            false => found.push(path),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use configurator::apply::Settings;

    use super::*;

    #[test]
    fn every_target_has_a_set() {
        let text = configuration(Path::new("/var/tmp/bench"));
        let settings = Settings::parse(&text, Path::new("configure.toml")).unwrap();
        assert_eq!(settings.file_sets.len(), configurator::targets().len());
        assert!(settings.file_sets.iter().all(|set| !set.target_checks));
    }
}
