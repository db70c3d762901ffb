//! `chamois config show`.

use clap::Args;
use serde_json::Value;

use crate::args::GlobalArgs;
use crate::contexts::Contexts;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois config show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  chamois config show\n  chamois config show prod -o yaml")]
pub struct ShowArgs {
    /// Name; default: the context that counts
    pub name: Option<String>,
}

pub(super) fn run(global: &GlobalArgs, args: &ShowArgs) -> Result<(), CliError> {
    let contexts = Contexts::read()?;
    let named = args.name.as_deref().or(global.context.as_deref());
    let name = named.or(contexts.current()).ok_or_else(|| {
        CliError::new(Kind::NotFound, "no context counts")
            .with_remedy("`chamois config list` shows them, `chamois config use NAME` chooses one.")
    })?;
    let fields = contexts.get(name)?;
    let mut value = serde_json::to_value(fields).map_err(|error| CliError::other("cannot show it", error))?;
    value["name"] = name.into();
    output::object_value(global, &value, name, || text(&value))
}

/// A line for each field that is set.
fn text(value: &Value) -> String {
    let fields = value.as_object().into_iter().flatten();
    let lines = fields.map(|(field, value)| {
        let said = match value {
            Value::String(text) => text.clone(),
            Value::Array(list) => list
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(","),
            other => other.to_string(),
        };
        format!("{field:<18}  {said}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_a_line() {
        let value = serde_json::json!({ "ca": "/ca.pem", "endpoints": ["a:1", "b:1"] });
        assert_eq!(
            text(&value),
            "ca                  /ca.pem\nendpoints           a:1,b:1"
        );
    }
}
