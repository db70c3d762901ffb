//! `chamois config set`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::args::GlobalArgs;
use crate::contexts::{ContextFields, Contexts, name};
use crate::error::CliError;
use crate::output;

/// `chamois config set`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois config set prod --endpoints admin1:7441,admin2:7441 --ca /etc/chamois/ca.pem
  chamois config set prod --timeout 30s -o wide
  chamois config set test --client-certificate ada.pem --use
  chamois config set prod --unset timeout

It keeps --endpoints, --ca, --token-file, --client-certificate, --output, --timeout and --consistency, as options or the
environment give them; what is not given stays as it was. A token itself (CHAMOIS_TOKEN) is not kept.")]
pub struct SetArgs {
    /// Name of the context
    #[arg(value_parser = name)]
    pub name: String,
    /// It counts from now on; the first context does anyway
    #[arg(long = "use")]
    pub make_current: bool,
    /// What the context is to leave open again
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FIELD")]
    pub unset: Vec<FieldArg>,
}

/// A field of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[allow(missing_docs)] // the names say it
pub enum FieldArg {
    Endpoints,
    Ca,
    TokenFile,
    ClientCertificate,
    Output,
    Timeout,
    Consistency,
}

pub(super) fn run(global: &GlobalArgs, args: &SetArgs) -> Result<(), CliError> {
    let mut contexts = Contexts::read()?;
    // the first change of one of the site's contexts begins with what the site says
    let mut fields = contexts.get(&args.name).cloned().unwrap_or_default();
    args.unset.iter().for_each(|field| clear(&mut fields, *field));
    keep(&mut fields, global)?;
    let is_first = contexts.current().is_none();
    let own = contexts.own_mut();
    own.contexts.insert(args.name.clone(), fields);
    if args.make_current || is_first {
        own.current = Some(args.name.clone());
    }
    let path = contexts.write()?;
    let value = serde_json::json!({ "name": args.name, "file": path });
    // `-o` is a field here
    let global = GlobalArgs {
        output: crate::output::Format::Table,
        ..global.clone()
    };
    output::done_value(&global, &value, || {
        format!("{} is kept in {}", args.name, path.display())
    })
}

fn clear(fields: &mut ContextFields, field: FieldArg) {
    match field {
        FieldArg::Endpoints => fields.endpoints.clear(),
        FieldArg::Ca => fields.ca = None,
        FieldArg::TokenFile => fields.token_file = None,
        FieldArg::ClientCertificate => fields.client_certificate = None,
        FieldArg::Output => fields.output = None,
        FieldArg::Timeout => fields.timeout = None,
        FieldArg::Consistency => fields.consistency = None,
    }
}

/// What is given replaces what was there. Files are kept as absolute paths: commands run in other folders.
fn keep(fields: &mut ContextFields, global: &GlobalArgs) -> Result<(), CliError> {
    let endpoints: Vec<String> = global
        .endpoints
        .iter()
        .filter(|e| !e.is_empty())
        .cloned()
        .collect();
    if !endpoints.is_empty() {
        fields.endpoints = endpoints;
    }
    replace(&mut fields.ca, global.ca.as_deref())?;
    replace(&mut fields.token_file, global.token_file.as_deref())?;
    replace(
        &mut fields.client_certificate,
        global.client_certificate.as_deref(),
    )?;
    fields.output = global.given_output.or(fields.output);
    fields.consistency = global.consistency.or(fields.consistency);
    if let Some(timeout) = global.timeout {
        fields.timeout = Some(format!("{}ms", timeout.as_millis()));
    }
    Ok(())
}

fn replace(field: &mut Option<PathBuf>, given: Option<&Path>) -> Result<(), CliError> {
    if let Some(path) = given {
        let absolute = std::path::absolute(path);
        *field = Some(absolute.map_err(|error| CliError::other("cannot name the file", error))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::output::Format;

    #[test]
    fn what_is_given_is_kept_and_the_rest_stays() {
        let mut fields = ContextFields {
            endpoints: vec!["old:1".into()],
            output: Some(Format::Wide),
            ..ContextFields::default()
        };
        let given = GlobalArgs {
            ca: Some("ca.pem".into()),
            timeout: Some(Duration::from_millis(1500)),
            ..GlobalArgs::default()
        };
        keep(&mut fields, &given).unwrap();
        assert_eq!(fields.endpoints, ["old:1"]);
        assert_eq!(fields.output, Some(Format::Wide));
        assert!(fields.ca.as_ref().unwrap().is_absolute());
        assert_eq!(fields.timeout.as_deref(), Some("1500ms"));
    }

    #[test]
    fn every_field_can_be_left_open_again() {
        use clap::ValueEnum as _;
        let mut fields = ContextFields {
            endpoints: vec!["a:1".into()],
            ca: Some("/c".into()),
            token_file: Some("/t".into()),
            client_certificate: Some("/p".into()),
            output: Some(Format::Json),
            timeout: Some("1s".into()),
            consistency: Some(crate::args::Consistency::Local),
        };
        for field in FieldArg::value_variants() {
            clear(&mut fields, *field);
        }
        assert_eq!(fields, ContextFields::default());
    }
}
