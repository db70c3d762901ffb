//! The configuration of a watch, read again on SIGHUP: the new one counts whole, or the one before stays.

use std::path::Path;
use std::sync::Arc;

use configurator::apply::{ApplyError, FileSet, Settings};
use serde_json::{Value, json};

use super::told::Line;
use super::whole_text;

/// What became of a configuration that was read again.
pub(super) struct Reread<'a> {
    file: &'a Path,
    result: Result<Differences, ApplyError>,
}

/// What the new configuration has that the one before has not, by name, and the other way round.
#[derive(Debug, PartialEq, Eq)]
struct Differences {
    sets: usize,
    new: Vec<String>,
    gone: Vec<String>,
}

impl<'a> Reread<'a> {
    /// Puts what the file says now in the place of `settings`; a file that cannot be read or is refused leaves them as they are.
    pub(super) fn of(file: &'a Path, settings: &mut Arc<Settings>) -> Self {
        let result = Settings::read(file).map(|after| {
            let differences = differences(&settings.file_sets, &after.file_sets);
            *settings = Arc::new(after);
            differences
        });
        Self { file, result }
    }

    /// Whether the new one is in force.
    pub(super) fn is_in_force(&self) -> bool {
        self.result.is_ok()
    }

    /// What is told of it.
    pub(super) fn line(&self) -> Line {
        Line {
            name: self.file.display().to_string(),
            has_failed: self.result.is_err(),
            text: self.text(),
            json: self.json(),
        }
    }

    fn text(&self) -> String {
        let Differences { sets, new, gone } = match &self.result {
            Ok(differences) => differences,
            Err(error) => {
                let problem = whole_text(error);
                return format!(
                    "the configuration was not read again, the one before stays in force: {problem}"
                );
            }
        };
        let mut text = format!("{} read again: {sets} file sets", self.file.display());
        if !new.is_empty() {
            text += &format!("; new: {}", new.join(", "));
        }
        if !gone.is_empty() {
            text += &format!("; gone, their files stay as they are: {}", gone.join(", "));
        }
        text
    }

    fn json(&self) -> Value {
        let file = self.file.display().to_string();
        match &self.result {
            Ok(Differences { sets, new, gone }) => json!({
                "configuration": file,
                "outcome": "read",
                "sets": sets,
                "new": new,
                "gone": gone,
            }),
            Err(error) => json!({
                "configuration": file,
                "outcome": "failed",
                "problem": whole_text(error),
            }),
        }
    }
}

fn differences(before: &[FileSet], after: &[FileSet]) -> Differences {
    let only = |here: &[FileSet], there: &[FileSet]| -> Vec<String> {
        let is_there = |set: &FileSet| there.iter().any(|other| other.name == set.name);
        let names = here.iter().filter(|set| !is_there(set));
        names.map(|set| set.name.clone()).collect()
    };
    Differences {
        sets: after.len(),
        new: only(after, before),
        gone: only(before, after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: &str = "[[file-set]]\ntarget = \"hosts\"\npath = \"/etc/hosts\"\n";
    const MOTD: &str = "[[file-set]]\ntemplate = \"motd\"\npath = \"/etc/motd\"\n";

    /// A configuration that is in force, and the file that it is read from again.
    struct Configured {
        dir: tempfile::TempDir,
        settings: Arc<Settings>,
    }

    impl Configured {
        fn with(text: &str) -> Self {
            let settings = Settings::parse(text, Path::new("configure.toml")).unwrap();
            Self {
                dir: tempfile::tempdir().unwrap(),
                settings: Arc::new(settings),
            }
        }

        /// What is told when the file says `text`; the sets that are in force then.
        fn read(&mut self, text: Option<&str>) -> (bool, Line, Vec<String>) {
            let file = self.dir.path().join("configure.toml");
            if let Some(text) = text {
                std::fs::write(&file, text).unwrap();
            }
            let reread = Reread::of(&file, &mut self.settings);
            let in_force = self.settings.file_sets.iter().map(|set| set.name.clone());
            (reread.is_in_force(), reread.line(), in_force.collect())
        }
    }

    #[test]
    fn what_is_new_and_what_is_gone_is_told_by_name() {
        let mut configured = Configured::with(HOSTS);
        let (is_in_force, line, sets) = configured.read(Some(&format!("{MOTD}{HOSTS}")));
        assert!(is_in_force && !line.has_failed);
        assert_eq!(sets, ["motd", "hosts"]);
        assert_eq!(
            (&line.json["outcome"], &line.json["new"], &line.json["gone"]),
            (&json!("read"), &json!(["motd"]), &json!([]))
        );
        let (_, line, sets) = configured.read(Some(MOTD));
        assert_eq!(sets, ["motd"]);
        assert!(line.text.contains("1 file sets; gone"), "{}", line.text);
        assert!(line.text.ends_with("are: hosts"), "{}", line.text);
    }

    /// Somebody saves a file that is half written, or deletes it: nothing of it may be in force.
    #[test]
    fn a_configuration_that_is_refused_changes_nothing_and_is_named_with_its_field() {
        let mut configured = Configured::with(HOSTS);
        let cases = [
            (Some("keeps = 1\n"), "configure.toml:1", "keeps"),
            (Some("\nkeep = 0\n"), "configure.toml:2", "keep"),
            (
                Some("[[file-set]]\ntarget = \"hots\"\n"),
                "configure.toml:2",
                "hosts",
            ),
        ];
        for (text, place, field) in cases {
            let (is_in_force, line, sets) = configured.read(text);
            assert!(!is_in_force && line.has_failed, "{text:?}");
            assert_eq!(sets, ["hosts"]);
            for told in [&line.text, line.json["problem"].as_str().unwrap()] {
                assert!(told.contains(place) && told.contains(field), "{told}");
            }
        }
        std::fs::remove_file(configured.dir.path().join("configure.toml")).unwrap();
        let (_, line, sets) = configured.read(None);
        assert_eq!(sets, ["hosts"]);
        assert_eq!(line.json["outcome"], "failed");
        assert!(line.text.contains("configure.toml"), "{}", line.text);
    }
}
