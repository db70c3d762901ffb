//! `chamois edit`: one object in an editor, sent at the revision that it was shown at.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use openapi::Catalogue;

use super::cluster::{Cluster, Live};
use super::get;
use super::kinds::{self, Kind};
use super::plan::{self, Known};
use super::present::{self, Present};
use super::{document, sent, text, trial};
use crate::api;
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind as Class};
use crate::output;

/// Begins the lines that are ours; they are no part of the object.
const OURS: &str = "# chamois: ";
/// Texts that are asked for again after an error.
const ATTEMPTS_MAX: usize = 100;

/// `chamois edit`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Example:
  chamois edit BootConfiguration compute

The editor is that of VISUAL or EDITOR, else vi. What would be refused is told on top of the text, which opens again; nothing is lost:
where it ends with an error, the error names the file that has the text.")]
pub struct EditArgs {
    /// Kind, as `chamois get` takes it
    #[arg(value_name = "KIND")]
    pub kind: String,
    /// Name of the object
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Change nothing; show whether the text would be accepted
    #[arg(long)]
    pub dry_run: bool,
}

/// How a text was taken.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Unchanged,
    Made(String),
}

pub(crate) async fn run(global: &GlobalArgs, args: &EditArgs) -> Result<(), CliError> {
    let kind = kinds::find(&args.kind)?;
    let catalogue = api::catalogue()?;
    let cluster = Live::new(global, &catalogue)?;
    let objects = present::read(&cluster, &catalogue, kind).await?;
    let name = get::one(kind, &args.name, &objects)?;
    let Some(before) = objects.get(&name) else {
        return Err(CliError::new(
            Class::NotFound,
            format!("there is no {} {name}", kind.name),
        ));
    };
    let edited = Edited {
        catalogue: &catalogue,
        kind,
        name: &name,
        before,
        dry_run: args.dry_run,
    };
    match edited.until_taken(&cluster, open_editor).await? {
        Taken::Unchanged => output::print("unchanged"),
        Taken::Made(text) => output::print(text),
    }
}

/// The object as it was shown.
struct Edited<'a> {
    catalogue: &'a Catalogue,
    kind: &'static Kind,
    name: &'a str,
    before: &'a Present,
    dry_run: bool,
}

impl Edited<'_> {
    /// Opens the text until it is taken, is as it was, or cannot be taken any more.
    async fn until_taken(
        &self,
        cluster: &impl Cluster,
        editor: impl Fn(&Path) -> Result<(), String>,
    ) -> Result<Taken, CliError> {
        let file = tempfile::Builder::new()
            .prefix("chamois-edit-")
            .suffix(".yaml")
            .tempfile();
        let mut file = file.map_err(|error| CliError::other("cannot make a file for the editor", error))?;
        let whole = text::document(self.kind, self.name, &self.before.spec)?;
        let first = format!(
            "{OURS}lines like this one are no part of it; a text without changes changes nothing\n{whole}"
        );
        write(&mut file, &first)?;
        let mut shown = first;
        for _ in 0..ATTEMPTS_MAX {
            let opened = editor(file.path());
            let text = match read(file.path()) {
                Ok(text) => text,
                Err(error) => return Err(kept(file, &error)),
            };
            if let Err(problem) = opened {
                return Err(kept(file, &CliError::other("the editor failed", problem)));
            }
            let text = own(&text);
            if text.trim().is_empty() || text == whole {
                return Ok(Taken::Unchanged);
            }
            let problem = match self.take(cluster, &text).await {
                Ok(taken) => return Ok(taken),
                Err(error) => error,
            };
            // the same text again, or what another text does not help against
            let is_final = !matches!(problem.kind(), Class::Usage | Class::NotFound | Class::Other)
                || text == own(&shown);
            if is_final {
                return Err(kept(file, &problem));
            }
            let told = problem.to_string();
            let lines: Vec<String> = told.lines().map(|line| format!("{OURS}{line}\n")).collect();
            shown = format!("{}{text}", lines.concat());
            if let Err(error) = write(&mut file, &shown) {
                return Err(kept(file, &error));
            }
        }
        Err(kept(
            file,
            &CliError::new(Class::Usage, "it was refused too often"),
        ))
    }

    /// Compares with what was shown, not with what is there now: the cluster refuses what somebody else has changed.
    async fn take(&self, cluster: &impl Cluster, text: &str) -> Result<Taken, CliError> {
        let documents = document::read(self.catalogue, "the text", text)?;
        let [one] = &documents[..] else {
            return Err(CliError::new(
                Class::Usage,
                format!("one object is edited, and these are {}", documents.len()),
            ));
        };
        if (one.kind, one.name.as_str()) != (self.kind, self.name) {
            let problem = format!("{} {} is edited; kind and name stay", self.kind.name, self.name);
            return Err(one.place.refused(&problem));
        }
        let known: Known = [(
            self.kind.name,
            [(self.name.to_owned(), self.before.clone())].into(),
        )]
        .into();
        let mut plan = plan::compare(&documents, &known)?;
        let tried = trial::all(cluster, self.catalogue, &mut plan).await?;
        if tried.is_empty() {
            return Ok(Taken::Unchanged);
        }
        let title = format!("{} {}", self.kind.name, self.name);
        if self.dry_run {
            return Ok(Taken::Made(format!(
                "{title} would be changed; nothing was changed"
            )));
        }
        match sent::all(cluster, self.catalogue, &tried).await.failed {
            None => Ok(Taken::Made(format!("{title} changed"))),
            Some((_, status)) => Err(status.into()),
        }
    }
}

fn open_editor(path: &Path) -> Result<(), String> {
    let given = |name: &str| {
        std::env::var(name)
            .ok()
            .filter(|editor| !editor.trim().is_empty())
    };
    let editor = given("VISUAL")
        .or_else(|| given("EDITOR"))
        .unwrap_or_else(|| "vi".to_owned());
    // by a shell, because it may have options
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("chamois-edit")
        .arg(path)
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{editor}: {status}")),
        Err(error) => Err(format!("{editor}: {error}")),
    }
}

/// Without our lines.
fn own(text: &str) -> String {
    text.split_inclusive('\n')
        .filter(|line| !line.starts_with(OURS))
        .collect()
}

fn write(file: &mut tempfile::NamedTempFile, text: &str) -> Result<(), CliError> {
    // editors replace the file, so it is written by its name
    let written = std::fs::write(file.path(), text).and_then(|()| file.flush());
    written.map_err(|error| CliError::other("cannot write the file for the editor", error))
}

fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| CliError::other("cannot read the edited text", error))
}

/// The error, with the file that has the text.
fn kept(file: tempfile::NamedTempFile, error: &CliError) -> CliError {
    let shown = file.path().to_path_buf();
    let path: PathBuf = file.into_temp_path().keep().unwrap_or(shown);
    let kind = error.kind();
    CliError::new(kind, error.to_string()).with_remedy(format!("The text is kept in {}.", path.display()))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::json;

    use super::super::fake::Fake;
    use super::*;

    /// Edits configuration `c` at revision 7; each text of `texts` is what one opening of the editor makes of the one before.
    async fn edited(
        cluster: &Fake,
        seen: u64,
        texts: &[fn(&str) -> String],
    ) -> (Result<Taken, CliError>, Vec<String>) {
        let catalogue = api::catalogue().unwrap();
        let before = Present {
            spec: json!({"kernel": "/old"}).as_object().unwrap().clone(),
            modified: seen,
            created: seen,
        };
        let edited = Edited {
            catalogue: &catalogue,
            kind: kinds::find("BootConfiguration").unwrap(),
            name: "c",
            before: &before,
            dry_run: false,
        };
        let opened = RefCell::new(Vec::new());
        let editor = |path: &Path| {
            let text = std::fs::read_to_string(path).unwrap();
            let at = opened.borrow().len().min(texts.len() - 1);
            std::fs::write(path, texts[at](&text)).unwrap();
            opened.borrow_mut().push(text);
            Ok(())
        };
        let taken = edited.until_taken(cluster, editor).await;
        (taken, opened.into_inner())
    }

    fn cluster() -> Fake {
        let cluster = Fake::default();
        cluster.has(
            kinds::find("BootConfiguration").unwrap(),
            "c",
            7,
            json!({"kernel": "/old"}),
        );
        cluster
    }

    #[tokio::test]
    async fn a_text_without_changes_changes_nothing() {
        let cluster = cluster();
        let (taken, _) = edited(&cluster, 7, &[str::to_owned]).await;
        assert_eq!((taken.unwrap(), cluster.writes()), (Taken::Unchanged, 0));
        let (taken, _) = edited(&cluster, 7, &[|_| String::new()]).await;
        assert_eq!(taken.unwrap(), Taken::Unchanged, "an empty text is no deletion");
    }

    #[tokio::test]
    async fn what_is_refused_opens_again_with_the_reason_on_top() {
        let cluster = cluster();
        let slip: fn(&str) -> String = |text| text.replace("kernel", "kernl");
        let right: fn(&str) -> String = |text| text.replace("kernl: /old", "kernel: /new");
        let (taken, opened) = edited(&cluster, 7, &[slip, right]).await;
        assert_eq!(taken.unwrap(), Taken::Made("BootConfiguration c changed".into()));
        assert!(
            opened[1].starts_with("# chamois: ") && opened[1].contains("Is it kernel?"),
            "{}",
            opened[1]
        );
        assert!(
            opened[1].contains("kernl: /old"),
            "nothing is lost: {}",
            opened[1]
        );
        assert_eq!(cluster.writes(), 1);
    }

    #[tokio::test]
    async fn somebody_elses_change_is_not_overwritten_and_the_text_is_kept() {
        let cluster = cluster();
        let change: fn(&str) -> String = |text| text.replace("/old", "/new");
        let (taken, _) = edited(&cluster, 5, &[change]).await;
        let error = taken.unwrap_err();
        assert_eq!((error.kind(), cluster.writes()), (Class::Conflict, 0));
        let text = error.to_string();
        let path = text.rsplit("kept in ").next().unwrap().trim_end_matches('.');
        assert!(std::fs::read_to_string(path).unwrap().contains("/new"), "{text}");
        std::fs::remove_file(path).unwrap();
    }

    /// An editor that writes another encoding must not cost the text.
    #[tokio::test]
    async fn a_text_that_cannot_be_read_is_kept() {
        let (catalogue, cluster) = (api::catalogue().unwrap(), cluster());
        let before = Present {
            spec: json!({"kernel": "/old"}).as_object().unwrap().clone(),
            modified: 7,
            created: 7,
        };
        let edited = Edited {
            catalogue: &catalogue,
            kind: kinds::find("BootConfiguration").unwrap(),
            name: "c",
            before: &before,
            dry_run: false,
        };
        let latin = |path: &Path| std::fs::write(path, b"kernel: /b\xfccher").map_err(|e| e.to_string());
        let text = edited.until_taken(&cluster, latin).await.unwrap_err().to_string();
        let path = text.rsplit("kept in ").next().unwrap().trim_end_matches('.');
        assert_eq!(std::fs::read(path).unwrap(), b"kernel: /b\xfccher", "{text}");
        assert_eq!(cluster.writes(), 0);
        std::fs::remove_file(path).unwrap();
    }

    #[tokio::test]
    async fn kind_and_name_stay() {
        let rename: fn(&str) -> String = |text| text.replace("name: c", "name: d");
        let (taken, _) = edited(&cluster(), 7, &[rename, str::to_owned]).await;
        let text = taken.unwrap_err().to_string();
        assert!(text.contains("kind and name stay"), "{text}");
        std::fs::remove_file(text.rsplit("kept in ").next().unwrap().trim_end_matches('.')).unwrap();
    }
}
