//! `chamois boot diff <object>`: what its changes did, field by field.

use std::collections::BTreeMap;

use clap::Args;
use proto::watch::v1::PastChange;
use serde_json::{Value, json};

use super::versioned::{self, Versioned};
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois boot diff`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois boot diff Default                      the last change
  chamois boot diff Default --from 17            from revision 17 to now
  chamois boot diff Default --from 17 --to 40")]
pub struct DiffArgs {
    /// KEY or params/KEY, config/NAME, group/NAME, node/NODE, profile/NAME, defaults
    pub object: Versioned,
    /// Revision of the earlier version; without it the one before the last change
    #[arg(long, value_name = "REVISION")]
    pub from: Option<u64>,
    /// Revision of the later version; without it the last
    #[arg(long, value_name = "REVISION", requires = "from")]
    pub to: Option<u64>,
}

pub(super) async fn run(global: &GlobalArgs, args: DiffArgs) -> Result<(), CliError> {
    let object = args.object.resolved(global).await?;
    let (changes, oldest) = versioned::changes(global, &object).await?;
    let told = changes
        .iter()
        .map(|change| Ok((change.revision, differences(change)?)));
    let told = told.collect::<Result<Vec<_>, CliError>>()?;
    let fields = between(&told, oldest, args.from, args.to)?;
    let value = Value::Array(fields.iter().map(Difference::to_json).collect());
    output::object_value(global, &value, &object.id, || match fields.is_empty() {
        true => "no difference".to_owned(),
        false => fields
            .iter()
            .map(Difference::to_text)
            .collect::<Vec<_>>()
            .join("\n"),
    })
}

/// One field that differs.
#[derive(Debug, PartialEq)]
struct Difference {
    field: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl Difference {
    fn to_json(&self) -> Value {
        json!({"field": self.field, "before": self.before, "after": self.after})
    }

    fn to_text(&self) -> String {
        let line = |sign: char, value: &Option<Value>| match value {
            None => String::new(),
            Some(Value::String(text)) => format!("\n{sign} {text:?}"),
            Some(value) => format!("\n{sign} {value}"),
        };
        format!(
            "{}:{}{}",
            self.field,
            line('-', &self.before),
            line('+', &self.after)
        )
    }
}

/// What the changes after `from`, up to `to`, did together. They come newest first.
fn between(
    changes: &[(u64, Vec<Difference>)],
    oldest: u64,
    from: Option<u64>,
    to: Option<u64>,
) -> Result<Vec<Difference>, CliError> {
    let newest = changes.first().map_or(oldest, |(revision, _)| *revision);
    let to = to.unwrap_or(newest);
    let from = from.unwrap_or_else(|| changes.get(1).map_or(oldest, |(revision, _)| *revision));
    for revision in [from, to] {
        let is_version = revision == oldest || changes.iter().any(|(known, _)| *known == revision);
        if !is_version {
            let text = format!("revision {revision} is no version of it that is kept");
            return Err(CliError::new(Kind::NotFound, text)
                .with_remedy("`chamois boot history` shows those that there are"));
        }
    }
    let mut fields: BTreeMap<&str, Difference> = BTreeMap::new();
    let meant = changes.iter().rev();
    for (_, told) in meant.filter(|(revision, _)| *revision > from && *revision <= to) {
        for change in told {
            let difference = fields.entry(&change.field).or_insert_with(|| Difference {
                field: change.field.clone(),
                before: change.before.clone(),
                after: None,
            });
            difference.after.clone_from(&change.after);
        }
    }
    let differs = |field: &Difference| field.before != field.after;
    Ok(fields.into_values().filter(differs).collect())
}

/// What one change did to each field, as JSON shows it.
fn differences(change: &PastChange) -> Result<Vec<Difference>, CliError> {
    let shown = change.fields.iter().map(|field| {
        let mut json = output::to_value("chamois.http.v1.FieldChange", field)?;
        let mut side = |name: &str| json.get_mut(name).map(Value::take);
        Ok(Difference {
            field: field.field.clone(),
            before: side("before"),
            after: side("after"),
        })
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(revision: u64, fields: &[(&str, &str, &str)]) -> (u64, Vec<Difference>) {
        let text = |text: &str| (!text.is_empty()).then(|| Value::from(text));
        let fields = fields.iter().map(|(name, before, after)| Difference {
            field: (*name).into(),
            before: text(before),
            after: text(after),
        });
        (revision, fields.collect())
    }

    /// Newest first: kernel a → b → c → a, params set at 9.
    fn lived() -> Vec<(u64, Vec<Difference>)> {
        vec![
            change(12, &[("kernel", "c", "a")]),
            change(9, &[("kernel", "b", "c"), ("params", "", "quiet")]),
            change(5, &[("kernel", "a", "b")]),
        ]
    }

    fn told(from: Option<u64>, to: Option<u64>) -> Vec<String> {
        let fields = between(&lived(), 2, from, to).unwrap();
        fields.iter().map(Difference::to_text).collect()
    }

    #[test]
    fn without_revisions_it_is_the_last_change() {
        assert_eq!(told(None, None), ["kernel:\n- \"c\"\n+ \"a\""]);
    }

    #[test]
    fn changes_add_up_and_what_came_back_is_no_difference() {
        assert_eq!(told(Some(2), None), ["params:\n+ \"quiet\""]);
        assert_eq!(
            told(Some(5), Some(9)),
            ["kernel:\n- \"b\"\n+ \"c\"", "params:\n+ \"quiet\""]
        );
        assert_eq!(told(Some(9), Some(9)), [] as [&str; 0]);
    }

    #[test]
    fn a_revision_that_is_none_of_its_versions_is_refused() {
        for wrong in [1, 7, 13] {
            let error = between(&lived(), 2, Some(wrong), None).unwrap_err();
            assert_eq!(error.kind(), Kind::NotFound, "{wrong}");
        }
    }
}
