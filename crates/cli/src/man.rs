//! `chamois man`: a page for each noun and verb, from the same text as `--help`, and one for exit codes.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;

use crate::args::Cli;
use crate::error::CliError;
use crate::output;

/// What scripts branch on.
const EXIT_CODES: &str = include_str!("man/chamois-exit-codes.7");

/// `chamois man`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois man | man -l -                        the first page
  chamois man --out man1 && man -l man1/chamois-power-on.1

The Debian package has them all: man chamois-power-on, man 7 chamois-exit-codes.")]
pub struct ManArgs {
    /// Folder for all pages, which is made if it is not there; without it the first page goes to standard output
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::other("cannot write the manual", error);
    match &args.out {
        Some(folder) => write_all(folder).map_err(failed),
        None => {
            let page = rendered(Cli::command()).map_err(failed)?;
            output::write(&String::from_utf8_lossy(&page))
        }
    }
}

fn rendered(command: Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    // no date: the same version has the same bytes whenever it is built
    Man::new(command).manual("Chamois").render(&mut page)?;
    Ok(page)
}

fn write_all(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    write_below(&command, folder)?;
    std::fs::write(folder.join("chamois-exit-codes.7"), EXIT_CODES)
}

fn write_below(command: &Command, folder: &Path) -> std::io::Result<()> {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        write_below(verb, folder)?;
    }
    // `build` gives each its whole name, `chamois-power-on`
    let name = command
        .get_display_name()
        .unwrap_or(command.get_name())
        .to_owned();
    std::fs::write(folder.join(format!("{name}.1")), rendered(command.clone())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> std::collections::BTreeMap<String, String> {
        let dir = tempfile::tempdir().unwrap();
        write_all(dir.path()).unwrap();
        let entry = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.unwrap();
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), text)
        };
        std::fs::read_dir(dir.path()).unwrap().map(entry).collect()
    }

    #[test]
    fn each_noun_and_verb_has_its_page_and_what_is_hidden_has_none() {
        let pages = pages();
        for page in [
            "chamois.1",
            "chamois-power.1",
            "chamois-power-on.1",
            "chamois-doctor.1",
            "chamois-exit-codes.7",
        ] {
            assert!(pages.contains_key(page), "{page}: {:?}", pages.keys());
        }
        assert!(
            !pages
                .keys()
                .any(|page| page.contains("worker") || page.contains("complete-names"))
        );
        assert!(
            pages["chamois-power-on.1"].contains("chamois power on"),
            "examples are in the page"
        );
    }

    /// What is flattened into a verb must not speak in its place.
    #[test]
    fn every_verb_says_something_of_its_own() {
        fn check(noun: &Command) {
            let mut said = std::collections::BTreeMap::new();
            for verb in noun.get_subcommands() {
                let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
                assert!(!about.is_empty(), "{} says nothing", verb.get_name());
                if let Some(other) = said.insert(about.clone(), verb.get_name()) {
                    panic!("{other} and {} both say: {about}", verb.get_name());
                }
                check(verb);
            }
        }
        check(&Cli::command());
    }

    #[test]
    fn two_renderings_are_the_same_bytes() {
        assert_eq!(pages(), pages());
    }

    /// The page and `Kind` say the same.
    #[test]
    fn every_exit_code_is_explained() {
        for code in 0..=7 {
            assert!(EXIT_CODES.contains(&format!("\n.B {code}\n")), "{code}");
        }
    }
}
