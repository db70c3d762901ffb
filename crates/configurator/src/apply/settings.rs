//! `configure.toml`: which files go where on this host, who checks them and who reads them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::file_set::{FileSet, Place, Source};
use super::{ApplyError, Command, StateDir};
use crate::{Error, Options, View, render, target};

/// Where versions of files are kept, if the configuration does not say it.
const STATE_DIR: &str = "/var/lib/chamois-configure";
/// Versions of each set that are kept, if it does not say it, and at most.
const KEEP: u32 = 10;
const KEEP_MAX: u32 = 1000;
/// Seconds that a check and a reload hook may take, if it does not say it, and at most.
const CHECK_SECONDS: u32 = 30;
const RELOAD_SECONDS: u32 = 60;
const SECONDS_MAX: u32 = 600;
/// Sets of one host.
const SETS_MAX: usize = 256;
/// Characters of a set's name, which is a folder's.
const NAME_MAX: usize = 64;

/// The configuration of `chamois configure` on one host.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where versions of files are kept.
    pub state: StateDir,
    /// The sets, in the order of the file.
    pub file_sets: Vec<FileSet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Document {
    state_dir: Option<Spanned<PathBuf>>,
    keep: Option<Spanned<u32>>,
    #[serde(default)]
    file_set: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    name: Option<Spanned<String>>,
    target: Option<Spanned<String>>,
    template: Option<Spanned<String>>,
    into: Option<Spanned<PathBuf>>,
    path: Option<Spanned<PathBuf>>,
    #[serde(default)]
    options: BTreeMap<String, Spanned<toml::Value>>,
    check: Option<Spanned<Vec<String>>>,
    check_seconds: Option<Spanned<u32>>,
    target_checks: Option<bool>,
    reload: Option<Spanned<Vec<String>>>,
    reload_seconds: Option<Spanned<u32>>,
    mode: Option<Spanned<String>>,
}

impl Settings {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// Naming the file, the line, the key and what is accepted.
    pub fn read(file: &Path) -> Result<Settings, ApplyError> {
        let text = std::fs::read_to_string(file).map_err(ApplyError::io("read the configuration", file))?;
        Self::parse(&text, file)
    }

    /// Checks what `file` has in it.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn parse(text: &str, file: &Path) -> Result<Settings, ApplyError> {
        let at = At { text, file };
        let document: Document = toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            at.error(span, error.message().to_owned())
        })?;
        let keep = at.within("keep", document.keep.as_ref(), KEEP, 1..=KEEP_MAX)?;
        let state_dir = match &document.state_dir {
            Some(path) => at.absolute("state-dir", path)?,
            None => STATE_DIR.into(),
        };
        if document.file_set.len() > SETS_MAX {
            let problem = format!(
                "`file-set`: there are {}, at most {SETS_MAX} are accepted",
                document.file_set.len()
            );
            return Err(at.error(0..0, problem));
        }
        let mut file_sets: Vec<FileSet> = Vec::new();
        for entry in &document.file_set {
            let set = at.file_set(entry)?;
            at.refuse_twice(entry, &set, &file_sets)?;
            file_sets.push(set);
        }
        Ok(Settings {
            state: StateDir::new(state_dir, keep as usize),
            file_sets,
        })
    }

    /// The sets of these names, or all of them.
    ///
    /// # Errors
    /// A name that no set has, with those that there are.
    pub fn sets(&self, names: &[String]) -> Result<Vec<&FileSet>, ApplyError> {
        if names.is_empty() {
            return Ok(self.file_sets.iter().collect());
        }
        names.iter().map(|name| self.set(name)).collect()
    }

    /// The set of this name.
    ///
    /// # Errors
    /// As [`Settings::sets`].
    pub fn set(&self, name: &str) -> Result<&FileSet, ApplyError> {
        let found = self.file_sets.iter().find(|set| set.name == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.file_sets.iter().map(|set| set.name.as_str()).collect();
            ApplyError::NotFound {
                what: "file set",
                name: name.to_owned(),
                there_are: names.join(", "),
            }
        })
    }
}

/// Where something is said, for errors.
struct At<'a> {
    text: &'a str,
    file: &'a Path,
}

impl At<'_> {
    fn error(&self, span: Range<usize>, problem: String) -> ApplyError {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        ApplyError::Settings {
            file: self.file.to_owned(),
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            problem,
        }
    }

    fn file_set(&self, entry: &Spanned<Entry>) -> Result<FileSet, ApplyError> {
        let (span, entry) = (entry.span(), entry.get_ref());
        let source = self.source(&span, entry)?;
        let name = match &entry.name {
            Some(name) => self.name(name.span(), "name", name.get_ref())?,
            None => self.name(span.clone(), "name (by default the template's)", source.name())?,
        };
        Ok(FileSet {
            name,
            options: self.options(entry, &source)?,
            place: self.place(&span, entry)?,
            source,
            check: self.command(
                "check",
                entry.check.as_ref(),
                entry.check_seconds.as_ref(),
                CHECK_SECONDS,
            )?,
            target_checks: entry.target_checks.unwrap_or(true),
            reload: self.command(
                "reload",
                entry.reload.as_ref(),
                entry.reload_seconds.as_ref(),
                RELOAD_SECONDS,
            )?,
            mode: entry.mode.as_ref().map(|mode| self.mode(mode)).transpose()?,
        })
    }

    fn source(&self, span: &Range<usize>, entry: &Entry) -> Result<Source, ApplyError> {
        match (&entry.target, &entry.template) {
            (Some(name), None) => match target(name.get_ref()) {
                Ok(target) => Ok(Source::Target(target.name)),
                Err(error) => Err(self.error(name.span(), format!("`target`: {error}"))),
            },
            (None, Some(name)) => Ok(Source::Template(name.get_ref().clone())),
            (Some(_), Some(second)) => {
                let problem = "`template`: there is a `target` already; one of the two is accepted";
                Err(self.error(second.span(), problem.to_owned()))
            }
            (None, None) => {
                let problem = "[[file-set]]: a `target` (`chamois configure targets` lists them) or a `template` is needed";
                Err(self.error(span.clone(), problem.to_owned()))
            }
        }
    }

    fn place(&self, span: &Range<usize>, entry: &Entry) -> Result<Place, ApplyError> {
        match (&entry.into, &entry.path) {
            (Some(folder), None) => Ok(Place::Into(self.absolute("into", folder)?)),
            (None, Some(path)) => {
                let absolute = self.absolute("path", path)?;
                match absolute.file_name() {
                    Some(_) => Ok(Place::Path(absolute)),
                    None => Err(self.error(
                        path.span(),
                        "`path`: a file is accepted, this is a folder".to_owned(),
                    )),
                }
            }
            (Some(_), Some(second)) => {
                let problem = "`path`: there is an `into` already; one of the two is accepted";
                Err(self.error(second.span(), problem.to_owned()))
            }
            (None, None) => {
                let problem = "[[file-set]]: `into` (a folder) or `path` (of the only file) is needed";
                Err(self.error(span.clone(), problem.to_owned()))
            }
        }
    }

    fn absolute(&self, key: &str, path: &Spanned<PathBuf>) -> Result<PathBuf, ApplyError> {
        let is_plain = |path: &Path| {
            path.is_absolute()
                && !path
                    .components()
                    .any(|part| matches!(part, std::path::Component::ParentDir))
        };
        match is_plain(path.get_ref()) {
            // without a slash at its end or twice in it
            true => Ok(path.get_ref().components().collect()),
            false => {
                let problem = format!("`{key}`: an absolute path without `..` is accepted");
                Err(self.error(path.span(), problem))
            }
        }
    }

    /// Options of a target. One that it does not have is an error here; whether it can use a value shows with the state.
    fn options(&self, entry: &Entry, source: &Source) -> Result<Options, ApplyError> {
        let mut values = Vec::new();
        for (name, value) in &entry.options {
            let text = self.option(name, value)?;
            match source {
                Source::Template(_) => {
                    let problem = format!("`options.{name}`: templates have no options, targets have");
                    return Err(self.error(value.span(), problem));
                }
                Source::Target(target) => self.known(target, name, value.span())?,
            }
            values.push((name.clone(), text));
        }
        Ok(Options::new(values))
    }

    fn known(&self, name: &str, option: &str, span: Range<usize>) -> Result<(), ApplyError> {
        let target = target(name)?;
        if target.options.iter().any(|known| known.name == option) {
            return Ok(());
        }
        // the target says what is near
        let alone = Options::new([(option.to_owned(), String::new())]);
        let problem = match render(target, &View::default(), &alone) {
            Err(Error::Option { problem, .. }) => problem,
            Ok(_) | Err(_) => "the target has no such option".to_owned(),
        };
        Err(self.error(span, format!("`options.{option}`: {problem}")))
    }

    fn option(&self, name: &str, value: &Spanned<toml::Value>) -> Result<String, ApplyError> {
        let plain = |value: &toml::Value| match value {
            toml::Value::String(text) => Some(text.clone()),
            toml::Value::Integer(number) => Some(number.to_string()),
            toml::Value::Boolean(flag) => Some(flag.to_string()),
            toml::Value::Float(_)
            | toml::Value::Datetime(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_) => None,
        };
        let text = match value.get_ref() {
            toml::Value::Array(values) => {
                let values: Option<Vec<String>> = values.iter().map(plain).collect();
                values.map(|values| values.join(","))
            }
            value => plain(value),
        };
        text.ok_or_else(|| {
            let problem =
                format!("`options.{name}`: a text, an integer, true, false or a list of these is accepted");
            self.error(value.span(), problem)
        })
    }

    fn command(
        &self,
        key: &str,
        words: Option<&Spanned<Vec<String>>>,
        seconds: Option<&Spanned<u32>>,
        default: u32,
    ) -> Result<Option<Command>, ApplyError> {
        let seconds = self.within(&format!("{key}-seconds"), seconds, default, 1..=SECONDS_MAX)?;
        let Some(words) = words else {
            return Ok(None);
        };
        if words.get_ref().first().is_none_or(String::is_empty) {
            let problem = format!(
                "`{key}`: a program and its arguments are accepted, as [\"systemctl\", \"reload\", \"named\"]"
            );
            return Err(self.error(words.span(), problem));
        }
        Ok(Some(Command {
            words: words.get_ref().clone(),
            at_most: Duration::from_secs(seconds.into()),
        }))
    }

    fn within(
        &self,
        key: &str,
        value: Option<&Spanned<u32>>,
        default: u32,
        accepted: std::ops::RangeInclusive<u32>,
    ) -> Result<u32, ApplyError> {
        match value {
            None => Ok(default),
            Some(value) if accepted.contains(value.get_ref()) => Ok(*value.get_ref()),
            Some(value) => {
                let (from, to) = (accepted.start(), accepted.end());
                Err(self.error(value.span(), format!("`{key}`: {from} to {to} is accepted")))
            }
        }
    }

    fn mode(&self, mode: &Spanned<String>) -> Result<u32, ApplyError> {
        let parsed = u32::from_str_radix(mode.get_ref(), 8);
        let is_octal = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        match parsed {
            Ok(bits) if is_octal(mode.get_ref()) && bits <= 0o777 && bits & 0o400 != 0 => Ok(bits),
            Ok(_) | Err(_) => {
                let problem =
                    "`mode`: octal permission bits are accepted that let the owner read, as \"0644\"";
                Err(self.error(mode.span(), problem.to_owned()))
            }
        }
    }

    fn name(&self, span: Range<usize>, key: &str, name: &str) -> Result<String, ApplyError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let accepted =
            (1..=NAME_MAX).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(is_plain);
        match accepted {
            true => Ok(name.to_owned()),
            false => {
                let problem =
                    format!("`{key}`: letters, digits, `-`, `_` and `.` are accepted, {NAME_MAX} at most");
                Err(self.error(span, problem))
            }
        }
    }

    fn refuse_twice(
        &self,
        entry: &Spanned<Entry>,
        set: &FileSet,
        others: &[FileSet],
    ) -> Result<(), ApplyError> {
        let problem = others.iter().find_map(|other| {
            if other.name == set.name {
                Some(format!(
                    "`name`: there is a file set `{}` already; each needs a name of its own",
                    set.name
                ))
            } else if other.place == set.place
                && (matches!(set.place, Place::Path(_)) || other.source.name() == set.source.name())
            {
                Some(format!(
                    "the files of `{}` go to the same place as those of `{}`",
                    set.name, other.name
                ))
            } else {
                None
            }
        });
        problem.map_or(Ok(()), |problem| Err(self.error(entry.span(), problem)))
    }
}
