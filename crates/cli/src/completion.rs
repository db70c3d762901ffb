//! `chamois completion`: what a shell needs to complete every command, option and value, and the names that the cluster has now.

mod live;
mod shell_code;

use clap::{Args, Command, CommandFactory as _, ValueEnum};
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
    let mut command = Cli::command();
    generate(shell, &mut command, PROGRAM, &mut text);
    without_hidden(&String::from_utf8_lossy(&text), &command)
}

/// clap's generators offer hidden commands as any other: they are taken out of what is offered.
fn without_hidden(script: &str, command: &Command) -> String {
    let hidden = command.get_subcommands().filter(|verb| verb.is_hide_set());
    let hidden: Vec<&str> = hidden.map(Command::get_name).collect();
    // a line each in zsh and fish
    let offers = |line: &&str| {
        let is_of =
            |name: &&str| line.contains(&format!("'{name}:")) || line.contains(&format!("-a \"{name}\""));
        hidden.iter().any(is_of)
    };
    let mut shown = String::with_capacity(script.len());
    for line in script.lines().filter(|line| !offers(line)) {
        match line.trim_start().starts_with("opts=") {
            // all on one line in bash, `help` last
            true => {
                let without = |line: String, name: &&str| line.replace(&format!(" {name} "), " ");
                shown.push_str(&hidden.iter().fold(line.to_owned(), without));
            }
            false => shown.push_str(line),
        }
        shown.push('\n');
    }
    shown
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
        let offered = bash.lines().filter(|line| line.trim_start().starts_with("opts="));
        let offered: Vec<&str> = offered.collect();
        assert!(
            offered.iter().any(|line| line.contains(" doctor ")),
            "{offered:?}"
        );
        assert!(
            !offered
                .iter()
                .any(|line| line.contains("discover-worker") || line.contains("complete-names"))
        );
        assert!(!fixed(Shell::Zsh).contains("'complete-names:"));
        assert!(!fixed(Shell::Fish).contains("-a \"complete-names\""));
    }
}
