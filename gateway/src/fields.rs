//! `fields=ID,State`: which keys of an answer's objects a client wants.

use crate::request::{BadRequest, invalid, query_values};
use crate::routes::{Output, Route};
use crate::schema::{Kind, MessageId, Schema};

/// The query's name for it, matched without case.
const NAME: &str = "fields";

/// The keys that are shown of the objects of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    message: MessageId,
    /// How many messages deep these objects are in the answer; 1 is the outermost.
    depth: usize,
    /// By place of the field.
    shown: Vec<bool>,
}

impl Selection {
    /// What `query` selects of the answers of `route`; `None`: everything. A route with a parameter of this name keeps
    /// it for itself, and answers that are no JSON have nothing to select.
    ///
    /// # Errors
    /// A key that the objects do not have; the text names those that they have.
    pub(crate) fn parse(
        schema: &Schema,
        route: &Route,
        query: &str,
    ) -> Result<Option<Selection>, BadRequest> {
        if schema.message(route.input).position(NAME).is_some() {
            return Ok(None);
        }
        let values = query_values(query, NAME)?;
        let Some((message, depth)) = objects(schema, route.output).filter(|_| !values.is_empty()) else {
            return Ok(None);
        };
        let fields = &schema.message(message).fields;
        let mut shown = vec![false; fields.len()];
        for key in values.iter().flat_map(|value| value.split(',')).map(str::trim) {
            let place = schema.message(message).position(key).ok_or_else(|| {
                let accepted: Vec<&str> = fields.iter().map(|field| field.key.as_str()).collect();
                invalid(format!("{key:?} is not accepted; use {}", accepted.join(", "))).within(NAME)
            })?;
            shown[place] = true;
        }
        Ok(Some(Selection {
            message,
            depth,
            shown,
        }))
    }

    /// Whether the field at `place` of a message is shown.
    pub(crate) fn shows(&self, message: MessageId, depth: usize, place: usize) -> bool {
        message != self.message || depth != self.depth || self.shown[place]
    }
}

/// The objects of an answer: those of its only list, or itself.
fn objects(schema: &Schema, output: Output) -> Option<(MessageId, usize)> {
    match output {
        Output::Empty | Output::Raw => None,
        Output::Field(id, place) => match schema.message(id).fields[place].kind {
            Kind::Message(inner) => Some((inner, 1)),
            _ => None,
        },
        Output::Message(id) => match schema.message(id).fields.as_slice() {
            [only] if only.repeated && !only.map => match only.kind {
                Kind::Message(inner) => Some((inner, 2)),
                _ => Some((id, 1)),
            },
            _ => Some((id, 1)),
        },
    }
}
