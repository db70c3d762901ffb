//! `chamois completion`: what a shell needs to complete every command, option and value, and the names that the cluster has now.

mod live;
mod shell_code;

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::{Generator, Shell, generate};

use crate::args::Cli;
use crate::error::CliError;
use crate::output;

/// The executable's name, as shells know it.
const PROGRAM: &str = "chamois";

/// `chamois completion`.
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = "\
Examples:
  source <(chamois completion bash)             for this shell; the Debian package installs it for all
  chamois completion zsh > ~/.zfunc/_chamois    a folder of $fpath
  chamois completion fish > ~/.config/fish/completions/chamois.fish

Xnames, groups, images and contexts are completed from what the cluster has, which takes a third of a second at most; when it
does not answer in that time nothing is offered.")]
pub struct CompletionArgs {
    /// For which shell
    #[arg(value_enum)]
    pub shell: ForShell,
}

/// Shells that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ForShell {
    /// GNU Bash, from 4.4 on.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}

pub(crate) fn run(args: CompletionArgs) -> Result<(), CliError> {
    output::write(&script(args.shell))
}

/// The whole script.
fn script(shell: ForShell) -> String {
    let command = Cli::command();
    let (places, flags) = (live::places(&command), live::flags(&command));
    match shell {
        ForShell::Bash => format!("{}{}", fixed(Shell::Bash), shell_code::bash(&places, &flags)),
        ForShell::Zsh => shell_code::zsh(&fixed(Shell::Zsh), &places, &flags),
        ForShell::Fish => format!("{}{}", fixed(Shell::Fish), shell_code::fish(&places, &flags)),
    }
}

/// The part that needs no cluster.
fn fixed(shell: impl Generator) -> String {
    let mut text = Vec::new();
    generate(shell, &mut Cli::command(), PROGRAM, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_gets_commands_and_live_names() {
        for shell in [ForShell::Bash, ForShell::Zsh, ForShell::Fish] {
            let script = script(shell);
            for part in ["failover-safe", "complete-names", "support-bundle"] {
                assert!(script.contains(part), "{shell:?} has no {part}");
            }
        }
    }

    /// `complete-names` is for the scripts alone, and so are the commands that are processes of the cluster.
    #[test]
    fn what_is_hidden_is_not_offered() {
        let bash = fixed(Shell::Bash);
        assert!(
            !bash.contains("discover-worker") && !bash.contains("complete-names"),
            "hidden commands are offered"
        );
    }
}
