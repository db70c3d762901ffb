//! How the rows of a list are shown: once for each kind of object, for all forms.

use crate::utc;

/// One column of a table.
pub(crate) struct Column<T> {
    /// Its head, in capitals.
    pub(crate) title: &'static str,
    /// Only shown with `-o wide`.
    pub(crate) wide: bool,
    /// What it says of a row.
    pub(crate) cell: fn(&T) -> String,
}

/// What a list of such rows looks like in each form.
pub(crate) struct Shape<T: 'static> {
    /// Full proto name of a row, for `-o jsonl`.
    pub(crate) message: &'static str,
    /// What a row is named by, as other commands take it.
    pub(crate) key: fn(&T) -> String,
    /// All columns, in order.
    pub(crate) columns: &'static [Column<T>],
}

/// A column that is always shown.
pub(crate) const fn column<T>(title: &'static str, cell: fn(&T) -> String) -> Column<T> {
    Column {
        title,
        wide: false,
        cell,
    }
}

/// A column for `-o wide`.
pub(crate) const fn wide<T>(title: &'static str, cell: fn(&T) -> String) -> Column<T> {
    Column {
        title,
        wide: true,
        cell,
    }
}

impl<T> Shape<T> {
    /// The columns of a table, or of a wide one.
    pub(crate) fn shown(&self, is_wide: bool) -> impl Iterator<Item = &'static Column<T>> + use<T> {
        let columns: &'static [Column<T>] = self.columns;
        columns.iter().filter(move |column| is_wide || !column.wide)
    }
}

/// When and by whom an object was changed last.
pub(crate) fn changed(meta: Option<&proto::http::v1::ObjectMeta>) -> String {
    let change = meta.and_then(|meta| meta.modified.as_ref());
    change.map_or_else(String::new, |change| {
        format!("{} by {}", utc::timestamp(change.at_ms), change.principal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape<u32> = Shape {
        message: "",
        key: u32::to_string,
        columns: &[
            column("NUMBER", u32::to_string),
            wide("DOUBLE", |number| (number * 2).to_string()),
        ],
    };

    #[test]
    fn a_wide_column_is_shown_only_when_it_is_asked_for() {
        let titles = |is_wide| {
            SHAPE
                .shown(is_wide)
                .map(|column| column.title)
                .collect::<Vec<_>>()
        };
        assert_eq!(titles(false), ["NUMBER"]);
        assert_eq!(titles(true), ["NUMBER", "DOUBLE"]);
    }

    #[test]
    fn a_change_is_told_with_time_and_author() {
        use proto::http::v1::{Change, ObjectMeta};
        let change = Change {
            at_ms: 1_764_054_000_000,
            principal: "user/ada".into(),
            ..Change::default()
        };
        let meta = ObjectMeta {
            modified: Some(change),
            ..ObjectMeta::default()
        };
        assert_eq!(changed(Some(&meta)), "2025-11-25T07:00:00Z by user/ada");
        assert_eq!(changed(None), "");
    }
}
