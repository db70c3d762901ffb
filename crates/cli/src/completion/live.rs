//! Where the command line takes a name that the cluster knows: found in the commands themselves, so that a new one needs no word here.

use std::collections::BTreeSet;

use clap::{Arg, Command};

/// What is completed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Names {
    Xnames,
    Groups,
    Images,
    Contexts,
}

impl Names {
    /// As `chamois complete-names` takes it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Xnames => "xnames",
            Self::Groups => "groups",
            Self::Images => "images",
            Self::Contexts => "contexts",
        }
    }
}

/// A place on the command line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The verbs before it, e.g. `power on`.
    pub(super) path: String,
    /// The option whose value it is; none: an argument.
    pub(super) option: Option<String>,
    pub(super) names: Names,
}

/// Every such place below a command, without those of hidden commands.
pub(super) fn places(command: &Command) -> Vec<Place> {
    let mut found = Vec::new();
    below(command, &[], &mut found);
    found.sort();
    found.dedup();
    found
}

/// Options without a value, wherever they are: what comes after one is no value of it.
pub(super) fn flags(command: &Command) -> BTreeSet<String> {
    let (mut flags, mut others) = (BTreeSet::new(), BTreeSet::new());
    options(command, &mut flags, &mut others);
    flags.difference(&others).cloned().collect()
}

fn options(command: &Command, flags: &mut BTreeSet<String>, others: &mut BTreeSet<String>) {
    for argument in command.get_arguments() {
        let takes_value = argument.get_action().takes_values();
        if let Some(long) = argument.get_long() {
            let _ = if takes_value { &mut *others } else { &mut *flags }.insert(format!("--{long}"));
        }
    }
    command
        .get_subcommands()
        .for_each(|verb| options(verb, flags, others));
}

fn below(command: &Command, path: &[&str], found: &mut Vec<Place>) {
    found.extend(
        command
            .get_arguments()
            .filter_map(|argument| place(argument, path)),
    );
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let path: Vec<&str> = path.iter().copied().chain([verb.get_name()]).collect();
        below(verb, &path, found);
    }
}

fn place(argument: &Arg, path: &[&str]) -> Option<Place> {
    let takes_value = argument.get_action().takes_values() && !argument.is_hide_set();
    let names = takes_value.then(|| names(argument, path)).flatten()?;
    Some(Place {
        path: path.join(" "),
        option: argument.get_long().map(|long| format!("--{long}")),
        names,
    })
}

/// What the argument's name, or the noun that it stands with, says that it is.
fn names(argument: &Arg, path: &[&str]) -> Option<Names> {
    let value = argument
        .get_value_names()
        .and_then(<[_]>::first)
        .map_or("", |name| name.as_str());
    let id = argument.get_id().as_str();
    let is = |words: &[&str]| {
        words
            .iter()
            .any(|word| id == *word || argument.get_long() == Some(word))
    };
    match (path, value) {
        // a new one has no name that is known
        (["group", "create"] | ["image", "add"], _)
            if argument.get_long().is_none() && is(&["label", "name"]) =>
        {
            None
        }
        (_, "XNAME" | "NODESET" | "NODES" | "NODE") => Some(Names::Xnames),
        (_, "LABEL" | "GROUP") => Some(Names::Groups),
        (["group", ..], _) if id == "label" => Some(Names::Groups),
        (["config", ..], _) if id == "name" || id == "context" => Some(Names::Contexts),
        (["image", ..], _) if id == "name" && argument.get_long().is_none() => Some(Names::Images),
        _ if is(&["group", "groups"]) => Some(Names::Groups),
        _ if is(&["image"]) => Some(Names::Images),
        _ if is(&["context"]) => Some(Names::Contexts),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Cli;

    fn at(path: &str, option: Option<&str>) -> Option<Names> {
        let places = places(&Cli::command());
        let found = places
            .iter()
            .find(|place| place.path == path && place.option.as_deref() == option);
        found.map(|place| place.names)
    }

    #[test]
    fn the_places_of_names_are_found_in_the_commands() {
        for (path, option, names) in [
            ("power on", None, Names::Xnames),
            ("console", None, Names::Xnames),
            ("group show", None, Names::Groups),
            ("component list", Some("--group"), Names::Groups),
            ("image pin", None, Names::Images),
            ("boot config set", Some("--image"), Names::Images),
        ] {
            assert_eq!(at(path, option), Some(names), "{path} {option:?}");
        }
    }

    #[test]
    fn what_comes_after_a_flag_is_no_value_of_it() {
        let flags = flags(&Cli::command());
        assert!(flags.contains("--wait") || flags.contains("--quiet"), "{flags:?}");
        assert!(
            !flags.contains("--endpoints") && !flags.contains("--stagger"),
            "{flags:?}"
        );
    }

    #[test]
    fn the_name_of_something_new_is_not_completed_but_its_members_are() {
        let places = places(&Cli::command());
        let create: Vec<&Place> = places
            .iter()
            .filter(|place| place.path == "group create")
            .collect();
        assert!(
            create.iter().any(|place| place.names == Names::Xnames),
            "{create:?}"
        );
        assert!(
            !create
                .iter()
                .any(|place| place.option.is_none() && place.names == Names::Groups),
            "{create:?}"
        );
    }
}
