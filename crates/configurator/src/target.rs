//! The registry: which targets there are, and how one is rendered.

use model::did_you_mean;
use proto::watch::v1::object::Kind;

use crate::targets::TARGETS;
use crate::{Error, File, OptionSpec, Options, View};

/// A program, or a family of programs, that files are made for.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, e.g. `hosts`.
    pub name: &'static str,
    /// What its files are, in one line.
    pub summary: &'static str,
    /// Kinds of objects that its files depend on: when none of them changed, neither did the files.
    pub reads: &'static [Kind],
    /// Options that it has.
    pub options: &'static [OptionSpec],
    /// How its real programs check its files.
    pub checks: &'static [Check],
    /// Makes the files, with options that were checked; see [`render`].
    pub render: fn(&View, &Options) -> Result<Vec<File>, Error>,
}

/// How the real program checks a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// A suffix of the [`File::path`] that it is for; empty: each file.
    pub path: &'static str,
    /// The program.
    pub program: &'static str,
    /// Its arguments; in them `{file}` is the file as it is staged, `{dir}` the folder.
    pub args: &'static [&'static str],
}

impl Check {
    /// The program that must be there: that which a script of `sh -c` is called after, which `env` is given variables for, or the
    /// one that is started.
    pub fn needs(&self) -> &'static str {
        let named = match self.program {
            "sh" => self.args.get(2),
            "env" => self.args.iter().find(|arg| !arg.contains('=')),
            _ => None,
        };
        named.copied().unwrap_or(self.program)
    }
}

/// All targets, sorted by name.
pub fn targets() -> &'static [Target] {
    TARGETS
}

/// The target of that name.
///
/// # Errors
/// `UnknownTarget`, with the nearest name and all there are.
pub fn target(name: &str) -> Result<&'static Target, Error> {
    let names = || TARGETS.iter().map(|target| target.name);
    let found = TARGETS.iter().find(|target| target.name == name);
    found.ok_or_else(|| Error::UnknownTarget {
        name: name.to_owned(),
        hint: did_you_mean(name, names()),
        all: names().collect::<Vec<_>>().join(", "),
    })
}

/// The files of a target, sorted by path.
///
/// # Errors
/// `Option` for an option that the target does not have or a value that it cannot take, `NotPossible` for a state that
/// its format cannot say.
pub fn render(target: &Target, view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let known = || target.options.iter().map(|option| option.name);
    if let Some(unknown) = options.names().find(|name| known().all(|own| own != *name)) {
        let all = match known().collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "it has no options".to_owned(),
            names => format!("it has {names}"),
        };
        let hint = did_you_mean(unknown, known());
        let problem = format!("target {} has no such option{hint}; {all}", target.name);
        return Err(Error::option(unknown, problem));
    }
    let mut files = (target.render)(view, options)?;
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_sorted_and_found_by_name() {
        assert!(targets().is_sorted_by(|one, other| one.name < other.name));
        assert_eq!(targets().len(), 16);
        for one in targets() {
            assert_eq!(target(one.name).unwrap().name, one.name);
        }
    }

    /// `sh` is always there; what counts is whom it starts.
    #[test]
    fn a_check_needs_a_program_of_the_target() {
        let needs = |name| target(name).unwrap().checks[0].needs();
        assert_eq!(needs("chrony"), "chronyd");
        assert_eq!(needs("slurm"), "slurmd");
        assert_eq!(needs("ansible"), "ansible-inventory");
        for check in targets().iter().flat_map(|target| target.checks) {
            assert!(!["sh", "env"].contains(&check.needs()), "{check:?}");
        }
    }

    #[test]
    fn an_unknown_target_is_answered_with_the_nearest_and_all() {
        let text = target("host").unwrap_err().to_string();
        assert!(
            text.starts_with("no such target: host; did you mean `hosts`?; there are ansible, "),
            "{text}"
        );
        assert!(text.ends_with("warewulf"), "{text}");
    }

    #[test]
    fn an_unknown_option_is_answered_with_the_nearest_and_all() {
        let options = Options::new([("domian".to_owned(), "a".to_owned())]);
        let refused = render(target("hosts").unwrap(), &View::default(), &options);
        let text = refused.unwrap_err().to_string();
        assert!(
            text.contains("option domian: target hosts has no such option; did you mean `domain`?; it has "),
            "{text}"
        );
    }

    /// Who watches asks for the kinds of the inventory; a target that read others would never hear of them.
    #[test]
    fn targets_read_what_the_inventory_holds() {
        for target in targets() {
            assert!(
                !target.reads.is_empty() && !target.summary.is_empty(),
                "{}",
                target.name
            );
            for kind in target.reads {
                assert!(
                    crate::Inventory::KINDS.contains(kind),
                    "{} reads {kind:?}",
                    target.name
                );
            }
        }
    }

    #[test]
    fn no_nodes_are_no_error() {
        for target in targets() {
            let rendered = render(target, &View::default(), &Options::default());
            if let Err(error) = rendered {
                assert!(
                    matches!(error, Error::NotPossible { .. } | Error::Option { .. }),
                    "{error}"
                );
            }
        }
    }
}
