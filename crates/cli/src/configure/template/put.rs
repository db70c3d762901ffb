//! `chamois configure template put`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use configurator::TEMPLATE_PREFIX;
use proto::configurator::v1::generate_service_client::GenerateServiceClient;
use proto::configurator::v1::{GenerateRequest, PutTemplateRequest, Template};
use tonic::Code;

use super::list::TEMPLATES;
use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::{CliError, Kind};
use crate::output;

/// Bytes of a text at most, as the cluster takes it.
const BODY_BYTES_MAX: u64 = 64 * 1024;

/// `chamois configure template put`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The text is MiniJinja; it sees `nodes`, `bmcs`, `groups` and `subnets`. What cannot be parsed
is refused with its line. A change of the text or of the path takes away the passwords that it was granted.

Examples:
  chamois configure template put motd motd.j2 --path etc/motd
  chamois configure template put conman - --path conman.conf < conman.j2")]
pub struct PutArgs {
    /// Its name: letters, digits and -_.
    pub name: String,
    /// File with its text; - is standard input
    pub file: PathBuf,
    /// Where the file goes, below the folder that `chamois configure` writes to; the name if not given
    #[arg(long)]
    pub path: Option<String>,
    /// What it is for
    #[arg(long, default_value = "")]
    pub description: String,
    /// Only if its last change is this one; 0: only if there is none
    #[arg(long, value_name = "REVISION")]
    pub if_revision: Option<u64>,
}

pub(super) async fn run(global: &GlobalArgs, args: PutArgs) -> Result<(), CliError> {
    let body = text_of(&args.file)?;
    let mut client = super::client(global)?;
    let stored = client.put_template(request(args, body)).await?.into_inner();
    output::done(global, ("chamois.configurator.v1.Template", &stored), || {
        output::tabulated(global, std::slice::from_ref(&stored), &TEMPLATES)
    })?;
    if let Some(problem) = problem_now(global, &stored).await {
        eprintln!("chamois: it is stored, and cannot be rendered as things are: {problem}");
    }
    Ok(())
}

/// Why no file can be made of it now, if that is so: a template may come before what it tells of.
async fn problem_now(global: &GlobalArgs, stored: &Template) -> Option<String> {
    if !stored.secrets.is_empty() {
        return None; // only who may see the passwords could try
    }
    let client = GenerateServiceClient::new(connect::to_any(global).ok()?);
    let request = GenerateRequest {
        target: format!("{TEMPLATE_PREFIX}{}", stored.name),
        ..GenerateRequest::default()
    };
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    match client.generate(request).await {
        Err(status) if status.code() == Code::InvalidArgument => Some(status.message().to_owned()),
        // whoever may not read everything has not asked for that
        _ => None,
    }
}

fn request(args: PutArgs, body: String) -> PutTemplateRequest {
    let template = Template {
        path: args.path.unwrap_or_else(|| args.name.clone()),
        name: args.name,
        body,
        description: args.description,
        ..Template::default()
    };
    PutTemplateRequest {
        template: Some(template),
        if_revision: args.if_revision,
    }
}

fn text_of(file: &Path) -> Result<String, CliError> {
    let shown = file.display();
    let usage = |problem: String| CliError::new(Kind::Usage, format!("{shown}: {problem}"));
    let mut text = String::new();
    let read = match file == Path::new("-") {
        true => std::io::stdin()
            .lock()
            .take(BODY_BYTES_MAX + 1)
            .read_to_string(&mut text),
        false => {
            std::fs::File::open(file).and_then(|file| file.take(BODY_BYTES_MAX + 1).read_to_string(&mut text))
        }
    };
    match read {
        Ok(bytes) if bytes as u64 > BODY_BYTES_MAX => {
            Err(usage(format!("it has more than {BODY_BYTES_MAX} bytes")))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(usage(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: PutArgs,
    }

    fn asked(words: &str) -> PutTemplateRequest {
        let words = std::iter::once("put").chain(words.split_whitespace());
        request(Line::parse_from(words).args, "Welcome".into())
    }

    #[test]
    fn without_a_path_the_file_is_called_as_the_template() {
        let request = asked("motd motd.j2 --if-revision 0");
        let template = request.template.unwrap();
        assert_eq!((template.name.as_str(), template.path.as_str()), ("motd", "motd"));
        assert_eq!(
            (template.body.as_str(), request.if_revision),
            ("Welcome", Some(0))
        );
        let template = asked("motd motd.j2 --path etc/motd").template.unwrap();
        assert_eq!(template.path, "etc/motd");
    }

    #[test]
    fn a_file_is_read_whole_or_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("motd.j2");
        let refused = text_of(&file).unwrap_err();
        assert_eq!(refused.kind(), Kind::Usage);
        assert!(refused.to_string().contains("motd.j2"), "{refused}");
        std::fs::write(&file, "a\n").unwrap();
        assert_eq!(text_of(&file).unwrap(), "a\n");
        std::fs::write(&file, "a".repeat(70_000)).unwrap();
        assert!(text_of(&file).unwrap_err().to_string().contains("65536 bytes"));
        std::fs::write(&file, b"\xff").unwrap();
        assert!(text_of(&file).is_err(), "no text");
    }
}
