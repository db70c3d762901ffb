//! `chamois config list`.

use serde_json::{Value, json};

use crate::args::GlobalArgs;
use crate::contexts::{ContextFields, Contexts};
use crate::error::CliError;
use crate::output::{self, Shape, column, wide};

/// A context as it is shown.
pub(super) struct Row {
    name: String,
    is_current: bool,
    is_own: bool,
    fields: ContextFields,
}

const CONTEXTS: Shape<Row> = Shape {
    message: "",
    key: |row| row.name.clone(),
    columns: &[
        column("NAME", |row| row.name.clone()),
        column("CURRENT", |row| if row.is_current { "*" } else { "" }.to_owned()),
        column("ENDPOINTS", |row| row.fields.endpoints.join(",")),
        column("CA", |row| path(row.fields.ca.as_ref())),
        wide("TOKEN FILE", |row| path(row.fields.token_file.as_ref())),
        wide("CLIENT CERTIFICATE", |row| {
            path(row.fields.client_certificate.as_ref())
        }),
        wide("TIMEOUT", |row| row.fields.timeout.clone().unwrap_or_default()),
        wide("FROM", |row| {
            if row.is_own { "config.toml" } else { "cli.toml" }.to_owned()
        }),
    ],
};

pub(super) fn run(global: &GlobalArgs) -> Result<(), CliError> {
    let rows = rows(&Contexts::read()?);
    let whole = rows.iter().map(as_json).collect();
    output::list_of_values(global, &whole, &rows, &CONTEXTS, as_json)
}

fn rows(contexts: &Contexts) -> Vec<Row> {
    let row = |(name, (fields, is_own)): (&str, (&ContextFields, bool))| Row {
        name: name.to_owned(),
        is_current: contexts.current() == Some(name),
        is_own,
        fields: fields.clone(),
    };
    contexts.all().into_iter().map(row).collect()
}

fn path(path: Option<&std::path::PathBuf>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

fn as_json(row: &Row) -> Value {
    let mut value = json!({ "name": row.name, "current": row.is_current });
    // fields are plain data: they can be JSON
    if let (Some(object), Ok(Value::Object(fields))) =
        (value.as_object_mut(), serde_json::to_value(&row.fields))
    {
        object.extend(fields);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_one_is_marked_and_all_fields_are_shown() {
        let mut contexts = Contexts::default();
        let fields = ContextFields {
            endpoints: vec!["a:7441".into(), "b:7441".into()],
            token_file: Some("/run/token".into()),
            ..ContextFields::default()
        };
        contexts.own_mut().contexts.insert("prod".into(), fields);
        contexts
            .own_mut()
            .contexts
            .insert("test".into(), ContextFields::default());
        contexts.own_mut().current = Some("prod".into());
        let rows = rows(&contexts);
        let text = output::plain(&rows, &CONTEXTS);
        let line = |name: &str| {
            text.lines()
                .find(|line| line.starts_with(name))
                .unwrap()
                .to_owned()
        };
        assert!(
            line("prod").contains('*') && line("prod").contains("a:7441,b:7441"),
            "{text}"
        );
        assert!(!line("test").contains('*'), "{text}");
        assert_eq!(as_json(&rows[0])["token-file"], "/run/token");
        assert_eq!(as_json(&rows[0])["current"], true);
    }
}
