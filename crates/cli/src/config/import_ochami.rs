//! `chamois config import-ochami`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::ochami::{Taken, taken};
use crate::args::GlobalArgs;
use crate::contexts::Contexts;
use crate::error::{CliError, Kind};
use crate::output;

/// Longest file that is read, bytes.
const BYTES_MAX: u64 = 1 << 20;
/// The site's file of ochami.
const OF_SITE: &str = "/etc/ochami/config.yaml";

/// `chamois config import-ochami`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois config import-ochami                  /etc/ochami/config.yaml, then ~/.config/ochami/config.yaml
  chamois config import-ochami ./config.yaml --dry-run
  chamois config import-ochami --ca /etc/chamois/ca.pem

A cluster becomes a context of the same name; one that there is already stays as it is. --ca is kept in each new one: ochami trusts
what the host trusts, a cluster of ours has a CA of its own. What has no counterpart is said on standard error.")]
pub struct ImportOchamiArgs {
    /// Files to read; a later one counts more
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

pub(super) fn run(global: &GlobalArgs, args: &ImportOchamiArgs) -> Result<(), CliError> {
    let files = match args.files.is_empty() {
        true => usual_files(),
        false => args.files.clone(),
    };
    if files.is_empty() {
        let text = format!("neither {OF_SITE} nor ~/.config/ochami/config.yaml is there");
        return Err(CliError::new(Kind::NotFound, text).with_remedy("Name the file."));
    }
    let all = files
        .iter()
        .map(|file| of_file(file))
        .collect::<Result<Vec<_>, _>>()?;
    let mut contexts = Contexts::read()?;
    let ca = global.ca.as_deref().map(std::path::absolute).transpose();
    let ca = ca.map_err(|error| CliError::other("cannot name the CA's file", error))?;
    let (added, kept) = add(&mut contexts, all, ca.as_deref());
    if !args.dry_run && !added.is_empty() {
        contexts.write()?;
    }
    let value = json!({ "added": added, "kept": kept, "written": !args.dry_run });
    output::done_value(global, &value, || text(&added, &kept, args.dry_run))
}

/// Adds what there is not yet; the names that were added, and those that were there.
fn add(contexts: &mut Contexts, all: Vec<Taken>, ca: Option<&Path>) -> (Vec<String>, Vec<String>) {
    let (mut added, mut kept) = (Vec::<String>::new(), Vec::<String>::new());
    let mut current = contexts.current().map(str::to_owned);
    let had_current = current.is_some();
    for taken in all {
        for (name, mut fields) in taken.contexts {
            if !added.contains(&name) && contexts.get(&name).is_ok() {
                kept.push(name);
                continue;
            }
            fields.ca = ca.map(Path::to_owned);
            contexts.own_mut().contexts.insert(name.clone(), fields);
            if !added.contains(&name) {
                added.push(name);
            }
        }
        if !had_current && taken.current.is_some() {
            current = taken.current;
        }
    }
    if !had_current {
        contexts.own_mut().current = current;
    }
    kept.dedup();
    (added, kept)
}

fn of_file(file: &Path) -> Result<Taken, CliError> {
    let refused = |problem: &dyn std::fmt::Display| {
        CliError::new(Kind::Usage, format!("{}: {problem}", file.display()))
    };
    let length = std::fs::metadata(file).map_err(|error| refused(&error))?.len();
    if length > BYTES_MAX {
        return Err(refused(&"too large for a configuration of ochami"));
    }
    let text = std::fs::read_to_string(file).map_err(|error| refused(&error))?;
    let taken = taken(&text).map_err(|problem| refused(&problem))?;
    for line in &taken.left_out {
        eprintln!("{}: left out: {line}", file.display());
    }
    Ok(taken)
}

fn usual_files() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".config/ochami/config.yaml"));
    let files = [Some(PathBuf::from(OF_SITE)), home];
    files.into_iter().flatten().filter(|file| file.exists()).collect()
}

fn text(added: &[String], kept: &[String], is_dry_run: bool) -> String {
    let names = |names: &[String]| match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    };
    let verb = if is_dry_run { "would be added" } else { "added" };
    let mut text = format!("{verb}: {}; there already: {}", names(added), names(kept));
    if !added.is_empty() {
        text.push_str("\nEach endpoint has the usual gRPC port, 7441; `chamois config set NAME --endpoints` changes it.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, endpoint: &str, current: Option<&str>) -> Taken {
        let text = format!("clusters: [{{name: {name}, cluster: {{uri: 'https://{endpoint}:8443'}}}}]");
        Taken {
            current: current.map(str::to_owned),
            ..taken(&text).unwrap()
        }
    }

    #[test]
    fn what_is_there_stays_and_a_later_file_counts_more() {
        let mut contexts = Contexts::default();
        contexts
            .own_mut()
            .contexts
            .insert("mine".into(), Default::default());
        let all = vec![
            one("mine", "evil", None),
            one("prod", "site", Some("prod")),
            one("prod", "own", None),
        ];
        let (added, kept) = add(&mut contexts, all, Some(Path::new("/ca.pem")));
        assert_eq!((added, kept), (vec!["prod".to_owned()], vec!["mine".to_owned()]));
        let prod = contexts.get("prod").unwrap();
        assert_eq!(prod.endpoints, ["own:7441"]);
        assert_eq!(prod.ca.as_deref(), Some(Path::new("/ca.pem")));
        assert_eq!(contexts.current(), Some("prod"));
        assert!(contexts.get("mine").unwrap().endpoints.is_empty());
    }

    #[test]
    fn the_context_that_counts_stays_the_same() {
        let mut contexts = Contexts::default();
        contexts
            .own_mut()
            .contexts
            .insert("mine".into(), Default::default());
        contexts.own_mut().current = Some("mine".into());
        add(&mut contexts, vec![one("prod", "a", Some("prod"))], None);
        assert_eq!(contexts.current(), Some("mine"));
    }
}
