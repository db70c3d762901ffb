//! `chamois configure render`: files on standard output.

use clap::Args;
use configurator::apply::{FileSet, Place, Source};
use configurator::{File, Inventory, Options, TEMPLATE_PREFIX, View};
use serde::Serialize;

use super::{feed, print};
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output::{self, Format};

/// `chamois configure render`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois configure render hosts
  chamois configure render dns --option domain=hpc.example
  chamois configure render slurm --path slurm/nodes.conf > nodes.conf
  chamois configure render template:motd

Of several files each comes after a line `==> PATH <==`. A template that reads secrets is rendered by an apply only, into its file.")]
pub struct RenderArgs {
    /// A target (`chamois configure targets`), or a template of the site's own
    #[arg(value_name = "TARGET|TEMPLATE")]
    pub what: String,
    /// An option of the target
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = option)]
    pub options: Vec<(String, String)>,
    /// Only the file of this path
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
}

/// A file, for programs: the keys of `GeneratedFile` of the API.
#[derive(Serialize)]
struct Row {
    target: String,
    path: String,
    content: String,
    revision: u64,
}

fn option(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=');
    let (name, value) = parts.ok_or("write a name, `=` and a value, e.g. domain=hpc.example")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) async fn run(global: &GlobalArgs, args: RenderArgs) -> Result<(), CliError> {
    let inventory = feed::inventory(global).await?;
    let set = set_of(&args, &inventory)?;
    if set.secret_template(&inventory).is_some() {
        let text = format!(
            "template {} reads secrets, which are not shown",
            set.source.name()
        );
        return Err(
            CliError::new(Kind::Denied, text).with_remedy("`chamois configure apply` writes its file.")
        );
    }
    let rendered = set.render(&inventory, &View::of(&inventory));
    let rendered = rendered.map_err(|error| super::cli_error(&error.into()))?;
    let files = chosen(rendered.files, args.path.as_deref())?;
    let rows: Vec<Row> = files
        .iter()
        .map(|file| Row {
            target: set.source.name().to_owned(),
            path: file.path.clone(),
            content: file.text(rendered.revision),
            revision: rendered.revision,
        })
        .collect();
    match global.output {
        // byte for byte: `> FILE` gives the file that an apply puts in its place
        Format::Table | Format::Wide => output::write(&text(&rows)),
        _ => print(global, &rows, &args.what, String::new),
    }
}

/// The target of this name, or else the template.
fn set_of(args: &RenderArgs, inventory: &Inventory) -> Result<FileSet, CliError> {
    let named = args.what.strip_prefix(TEMPLATE_PREFIX);
    let is_template = |name: &str| inventory.templates().any(|template| template.name == name);
    let source = match (named, configurator::target(&args.what)) {
        (Some(name), _) => Source::Template(name.to_owned()),
        (None, Ok(target)) => Source::Target(target.name),
        (None, Err(_)) if is_template(&args.what) => Source::Template(args.what.clone()),
        (None, Err(error)) => return Err(CliError::new(Kind::NotFound, error.to_string())),
    };
    if let (Source::Template(_), Some((name, _))) = (&source, args.options.first()) {
        let text = format!("--option {name}: templates have no options, targets have");
        return Err(CliError::new(Kind::Usage, text));
    }
    Ok(FileSet {
        name: args.what.clone(),
        source,
        place: Place::Into("/".into()),
        options: Options::new(args.options.iter().cloned()),
        check: None,
        target_checks: false,
        reload: None,
        mode: None,
    })
}

fn chosen(files: Vec<File>, path: Option<&str>) -> Result<Vec<File>, CliError> {
    let Some(path) = path else {
        return Ok(files);
    };
    let there_are: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
    let found = files.into_iter().find(|file| file.path == path);
    let found = found.ok_or_else(|| {
        let text = format!("no such file: {path}; there are {}", there_are.join(", "));
        CliError::new(Kind::NotFound, text)
    })?;
    Ok(vec![found])
}

fn text(rows: &[Row]) -> String {
    match rows {
        [row] => row.content.clone(),
        rows => {
            let with_path = |row: &Row| format!("==> {} <==\n{}", row.path, row.content);
            let parts: Vec<String> = rows.iter().map(with_path).collect();
            parts.join("\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(what: &str, options: &[&str]) -> RenderArgs {
        RenderArgs {
            what: what.to_owned(),
            options: options.iter().map(|text| option(text).unwrap()).collect(),
            path: None,
        }
    }

    #[test]
    fn a_name_is_a_targets_or_a_templates() {
        let inventory = Inventory::new("test");
        let set = |what| set_of(&args(what, &[]), &inventory);
        assert!(matches!(set("hosts").unwrap().source, Source::Target("hosts")));
        assert!(matches!(set("template:hosts").unwrap().source, Source::Template(name) if name == "hosts"));
        assert_eq!(set("hots").unwrap_err().kind(), Kind::NotFound);
        let refused = set_of(&args("template:motd", &["a=b"]), &inventory).unwrap_err();
        assert_eq!(refused.kind(), Kind::Usage);
    }

    #[test]
    fn one_of_several_files_is_found_by_its_path() {
        let files = || {
            ["a", "b/c"]
                .map(|path| File::new(path, format!("{path}\n")))
                .to_vec()
        };
        assert_eq!(chosen(files(), Some("b/c")).unwrap().len(), 1);
        let refused = chosen(files(), Some("c")).unwrap_err().to_string();
        assert!(refused.contains("a, b/c"), "{refused}");
    }

    /// A file without a last line break, or with two, is written so.
    #[test]
    fn one_file_is_its_bytes_and_several_have_their_paths() {
        let row = |path: &str, content: &str| Row {
            target: "t".to_owned(),
            path: path.to_owned(),
            content: content.to_owned(),
            revision: 7,
        };
        assert_eq!(text(&[row("a", "x\n\n")]), "x\n\n");
        assert_eq!(text(&[row("a", "x")]), "x");
        let both = text(&[row("a", "x\n"), row("b", "y\n")]);
        assert_eq!(both, "==> a <==\nx\n\n==> b <==\ny\n");
    }

    #[test]
    fn an_option_has_a_name_and_a_value() {
        assert_eq!(option("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert!(option("domain").is_err());
    }
}
