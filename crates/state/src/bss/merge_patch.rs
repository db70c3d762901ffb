//! JSON merge patch (RFC 7386) on the protobuf form of JSON.

use prost_types::value::Kind;
use prost_types::{Struct, Value};

/// Applies `patch` to `target`: an object merges into an object, null removes, anything else replaces.
/// The depth is that of the patch, which its caller has bounded.
pub(crate) fn merge(target: &mut Struct, patch: &Struct) {
    for (name, value) in &patch.fields {
        match &value.kind {
            None | Some(Kind::NullValue(_)) => {
                target.fields.remove(name);
            }
            Some(Kind::StructValue(patch)) => {
                let mut inner = match target.fields.remove(name).and_then(|value| value.kind) {
                    Some(Kind::StructValue(inner)) => inner,
                    _ => Struct::default(),
                };
                merge(&mut inner, patch);
                target.fields.insert(
                    name.clone(),
                    Value {
                        kind: Some(Kind::StructValue(inner)),
                    },
                );
            }
            Some(_) => {
                target.fields.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Levels of objects and lists, counted up to `levels_max + 1`.
pub(crate) fn depth(object: &Struct, levels_max: usize) -> usize {
    1 + deepest(object.fields.values(), levels_max)
}

fn deepest<'a>(values: impl Iterator<Item = &'a Value>, levels_max: usize) -> usize {
    let Some(below) = levels_max.checked_sub(1) else {
        return 0;
    };
    let level = |value: &Value| match &value.kind {
        Some(Kind::StructValue(object)) => 1 + deepest(object.fields.values(), below),
        Some(Kind::ListValue(list)) => 1 + deepest(list.values.iter(), below),
        _ => 0,
    };
    values.map(level).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use prost_types::ListValue;

    use super::*;

    fn object<const N: usize>(fields: [(&str, Value); N]) -> Struct {
        Struct {
            fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }

    fn text(text: &str) -> Value {
        Value {
            kind: Some(Kind::StringValue(text.into())),
        }
    }

    fn nested(object: Struct) -> Value {
        Value {
            kind: Some(Kind::StructValue(object)),
        }
    }

    fn null() -> Value {
        Value {
            kind: Some(Kind::NullValue(0)),
        }
    }

    /// The example of RFC 7386, section 3, in short.
    #[test]
    fn objects_merge_null_removes_and_the_rest_is_replaced() {
        let mut target = object([
            ("title", text("Goodbye!")),
            (
                "author",
                nested(object([("givenName", text("John")), ("familyName", text("Doe"))])),
            ),
            ("content", text("kept")),
        ]);
        let patch = object([
            ("title", text("Hello!")),
            ("phone", text("+01")),
            ("author", nested(object([("familyName", null())]))),
            ("missing", null()),
        ]);
        merge(&mut target, &patch);
        let expected = object([
            ("title", text("Hello!")),
            ("author", nested(object([("givenName", text("John"))]))),
            ("content", text("kept")),
            ("phone", text("+01")),
        ]);
        assert_eq!(target, expected);
    }

    /// A text where an object is patched in gives way, and the nulls of the patch are not stored.
    #[test]
    fn an_object_replaces_what_is_none() {
        let mut target = object([("a", text("b"))]);
        merge(
            &mut target,
            &object([("a", nested(object([("c", text("d")), ("e", null())])))]),
        );
        assert_eq!(target, object([("a", nested(object([("c", text("d"))])))]));
    }

    #[test]
    fn depth_counts_objects_and_lists_and_stops_at_its_bound() {
        assert_eq!(depth(&object([("a", text("b"))]), 10), 1);
        let list = Value {
            kind: Some(Kind::ListValue(ListValue {
                values: vec![nested(Struct::default())],
            })),
        };
        assert_eq!(depth(&object([("a", list)]), 10), 3);
        let deep = (0..50).fold(Struct::default(), |inner, _| object([("a", nested(inner))]));
        assert_eq!(depth(&deep, 100), 51);
        assert_eq!(depth(&deep, 10), 11);
    }
}
