//! Protobuf bytes to the HTTP body: written straight from the wire by the route's compiled message.

use std::str::from_utf8;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use prost::encoding::decode_varint;

use crate::fields::Selection;
use crate::routes::Output;
use crate::schema::{Field, Kind, MessageId, Schema};

/// Messages within each other, at most; what services answer is far flatter.
const DEPTH_MAX: usize = 64;
/// Content type of everything that is not raw.
pub(crate) const JSON: &str = "application/json";

/// A response body with its content type; both are empty where the legacy API has no body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

/// The bytes are not what the descriptor says: a service of another version, or a bug.
#[derive(Debug, thiserror::Error)]
#[error("the service's answer does not decode: {0}")]
pub(crate) struct BadResponse(&'static str);

/// What HTTP shows of the response message `wire`: what is selected of its objects.
///
/// # Errors
/// The message does not decode.
pub(crate) fn show(
    schema: &Schema,
    output: Output,
    selection: Option<&Selection>,
    wire: &Bytes,
) -> Result<Shown, BadResponse> {
    let mut writer = Writer {
        schema,
        selection,
        records: Vec::new(),
        depth: 0,
        out: Vec::new(),
    };
    match output {
        Output::Empty => return Ok(Shown::default()),
        Output::Raw => return raw(wire),
        Output::Message(id) => {
            writer.out.reserve(64 + wire.len() * 3);
            writer.message(id, wire)?;
        }
        Output::Field(id, place) => {
            writer.out.reserve(64 + wire.len() * 3);
            let field = &schema.message(id).fields[place];
            writer.collect(std::slice::from_ref(field), wire)?;
            writer.value(field, 0, writer.records.len())?;
        }
    }
    Ok(Shown {
        content_type: JSON.to_owned(),
        body: writer.out.into(),
    })
}

/// The text of field `number`, for headers.
pub(crate) fn text_field(wire: &[u8], number: u32) -> Option<&str> {
    from_utf8(bytes_field(wire, number)?).ok()
}

/// Text, bytes or message of field `number`.
pub(crate) fn bytes_field(wire: &[u8], number: u32) -> Option<&[u8]> {
    let mut rest = wire;
    let mut value = None;
    while !rest.is_empty() {
        match read_record(&mut rest).ok()? {
            (found, Wire::Bytes(bytes)) if found == number => value = Some(bytes),
            _ => {}
        }
    }
    value
}

/// `google.api.HttpBody`: content type 1, data 2; the data is not copied.
fn raw(wire: &Bytes) -> Result<Shown, BadResponse> {
    let mut shown = Shown {
        content_type: "application/octet-stream".to_owned(),
        body: Bytes::new(),
    };
    let mut rest: &[u8] = wire;
    while !rest.is_empty() {
        match read_record(&mut rest)? {
            (1, Wire::Bytes(text)) if !text.is_empty() => shown.content_type = utf8(text)?.to_owned(),
            (2, Wire::Bytes(data)) => shown.body = wire.slice_ref(data),
            _ => {}
        }
    }
    Ok(shown)
}

/// One field's value on the wire.
#[derive(Clone, Copy, Debug)]
enum Wire<'w> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32,
    Bytes(&'w [u8]),
}

/// A value of the field at `place` of the message that is being written.
#[derive(Clone, Copy, Debug)]
struct Record<'w> {
    place: usize,
    value: Wire<'w>,
}

struct Writer<'s, 'w> {
    schema: &'s Schema,
    selection: Option<&'s Selection>,
    /// A stack: each message puts its records on top and takes them off again.
    records: Vec<Record<'w>>,
    depth: usize,
    out: Vec<u8>,
}

impl<'s, 'w> Writer<'s, 'w> {
    fn message(&mut self, id: MessageId, wire: &'w [u8]) -> Result<(), BadResponse> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(BadResponse("messages within each other too deep"));
        }
        let fields = &self.schema.message(id).fields;
        let bottom = self.records.len();
        self.collect(fields, wire)?;
        let top = self.records.len();
        let mut at = bottom;
        self.out.push(b'{');
        for (place, field) in fields.iter().enumerate() {
            let first = at;
            while at < top && self.records[at].place == place {
                at += 1;
            }
            let selected = self
                .selection
                .is_none_or(|selection| selection.shows(id, self.depth, place));
            if selected && self.shows(field, first, at) {
                if self.out.last() != Some(&b'{') {
                    self.out.push(b',');
                }
                self.out.extend_from_slice(&field.quoted_key);
                self.value(field, first, at)?;
            }
        }
        self.out.push(b'}');
        self.records.truncate(bottom);
        self.depth -= 1;
        Ok(())
    }

    /// Puts the records of `fields` on the stack in the order of `fields`; unknown ones are skipped.
    fn collect(&mut self, fields: &'s [Field], mut wire: &'w [u8]) -> Result<(), BadResponse> {
        let bottom = self.records.len();
        let mut place = 0;
        while !wire.is_empty() {
            let (number, value) = read_record(&mut wire)?;
            // Encoders write fields in the order of their numbers, so the next one is mostly near.
            if fields.get(place).is_none_or(|field| field.number != number) {
                match fields.binary_search_by_key(&number, |field| field.number) {
                    Ok(found) => place = found,
                    Err(_) => continue,
                }
            }
            self.records.push(Record { place, value });
        }
        let records = &mut self.records[bottom..];
        if !records.is_sorted_by_key(|record| record.place) {
            records.sort_by_key(|record| record.place); // stable: the last value of a field stays the last
        }
        Ok(())
    }

    fn shows(&self, field: &Field, first: usize, end: usize) -> bool {
        if field.always_present || (first < end && (field.has_presence || field.repeated)) {
            return true;
        }
        match self.records[first..end].last().map(|record| record.value) {
            None | Some(Wire::Varint(0) | Wire::Fixed64([0, 0, 0, 0, 0, 0, 0, 0]) | Wire::Bytes([])) => false,
            Some(_) => true,
        }
    }

    /// The value of `field` from its records `first..end`: a list of all, or the last one.
    fn value(&mut self, field: &Field, first: usize, end: usize) -> Result<(), BadResponse> {
        if !field.repeated {
            return match self.records[first..end].last().copied() {
                Some(record) => self.one(field, record.value),
                None => {
                    self.out.extend_from_slice(zero(field).as_bytes());
                    Ok(())
                }
            };
        }
        if field.map {
            return self.entries(field, first, end);
        }
        self.out.push(b'[');
        for at in first..end {
            match self.records[at].value {
                Wire::Bytes(packed) if field.kind.is_number() => self.packed(field, packed)?,
                value => self.item(field, value)?,
            }
        }
        self.out.push(b']');
        Ok(())
    }

    /// A map as one object; encoders write each key once.
    fn entries(&mut self, map: &Field, first: usize, end: usize) -> Result<(), BadResponse> {
        let Kind::Message(entry) = map.kind else {
            return Err(BadResponse("a map is not made of entries"));
        };
        let fields = &self.schema.message(entry).fields;
        self.out.push(b'{');
        for at in first..end {
            let Wire::Bytes(wire) = self.records[at].value else {
                return Err(BadResponse("an entry of a map is not a message"));
            };
            if at > first {
                self.out.push(b',');
            }
            let bottom = self.records.len();
            self.collect(fields, wire)?;
            let values = self.records[bottom..].partition_point(|record| record.place == 0) + bottom;
            self.value(&fields[0], bottom, values)?;
            self.out.push(b':');
            self.value(&fields[1], values, self.records.len())?;
            self.records.truncate(bottom);
        }
        self.out.push(b'}');
        Ok(())
    }

    fn packed(&mut self, field: &Field, mut packed: &[u8]) -> Result<(), BadResponse> {
        while !packed.is_empty() {
            let value = if matches!(field.kind, Kind::Double) {
                Wire::Fixed64(take_fixed(&mut packed)?)
            } else {
                Wire::Varint(take_varint(&mut packed)?)
            };
            self.item(field, value)?;
        }
        Ok(())
    }

    fn item(&mut self, field: &Field, value: Wire<'w>) -> Result<(), BadResponse> {
        if self.out.last() != Some(&b'[') {
            self.out.push(b',');
        }
        self.one(field, value)
    }

    fn one(&mut self, field: &Field, value: Wire<'w>) -> Result<(), BadResponse> {
        match (&field.kind, value) {
            (Kind::Bool, Wire::Varint(value)) => self.write(&(value != 0)),
            (Kind::Int32 | Kind::Int64, Wire::Varint(value)) => self.write(&(value as i64)),
            (Kind::Uint32 | Kind::Uint64, Wire::Varint(value)) => self.write(&value),
            (Kind::Double, Wire::Fixed64(bytes)) => self.number(f64::from_le_bytes(bytes)),
            (Kind::Text, Wire::Bytes(bytes)) => self.write(utf8(bytes)?),
            (Kind::Bytes, Wire::Bytes(bytes)) => self.write(&STANDARD.encode(bytes)),
            (Kind::Enum(names), Wire::Varint(value)) => match names.name(value as i32) {
                Some(name) => self.write(name),
                None => self.write(&(value as i32)), // a value of a newer version
            },
            (Kind::Message(id), Wire::Bytes(bytes)) => self.message(*id, bytes),
            (Kind::Struct, Wire::Bytes(bytes)) => self.structure(&decode(bytes)?),
            (Kind::Value, Wire::Bytes(bytes)) => self.any(&decode(bytes)?),
            (Kind::RawJson, Wire::Bytes(bytes)) => self.raw_json(bytes),
            _ => Err(BadResponse(
                "a field has another wire type than the descriptor says",
            )),
        }
    }

    /// One that is broken would break all of the answer.
    fn raw_json(&mut self, text: &[u8]) -> Result<(), BadResponse> {
        let parsed: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(text);
        parsed.map_err(|_| BadResponse("a text that should be JSON is none"))?;
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn structure(&mut self, value: &prost_types::Struct) -> Result<(), BadResponse> {
        self.out.push(b'{');
        for (key, value) in &value.fields {
            if self.out.last() != Some(&b'{') {
                self.out.push(b',');
            }
            self.write(key)?;
            self.out.push(b':');
            self.any(value)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn any(&mut self, value: &prost_types::Value) -> Result<(), BadResponse> {
        use prost_types::value::Kind;
        match &value.kind {
            None | Some(Kind::NullValue(_)) => self.write(&()),
            Some(Kind::BoolValue(value)) => self.write(value),
            Some(Kind::NumberValue(number)) => self.number(*number),
            Some(Kind::StringValue(text)) => self.write(text),
            Some(Kind::StructValue(value)) => self.structure(value),
            Some(Kind::ListValue(list)) => {
                self.out.push(b'[');
                for value in &list.values {
                    if self.out.last() != Some(&b'[') {
                        self.out.push(b',');
                    }
                    self.any(value)?;
                }
                self.out.push(b']');
                Ok(())
            }
        }
    }

    /// Whole numbers without a fraction, as Go writes them.
    fn number(&mut self, number: f64) -> Result<(), BadResponse> {
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0; // 2^53
        if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
            self.write(&(number as i64))
        } else {
            self.write(&number)
        }
    }

    fn write<T: serde::Serialize + ?Sized>(&mut self, value: &T) -> Result<(), BadResponse> {
        serde_json::to_writer(&mut self.out, value).map_err(|_| BadResponse("a value has no JSON form"))
    }
}

impl Kind {
    /// May be packed on the wire.
    fn is_number(&self) -> bool {
        !matches!(
            self,
            Self::Text | Self::Bytes | Self::Message(_) | Self::Struct | Self::Value | Self::RawJson
        )
    }
}

/// What an `always_present` field shows when it is not on the wire.
fn zero(field: &Field) -> &'static str {
    match field.kind {
        Kind::Bool => "false",
        Kind::Text | Kind::Bytes | Kind::Enum(_) => "\"\"",
        Kind::Message(_) | Kind::Struct => "{}",
        Kind::Value | Kind::RawJson => "null",
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Double => "0",
    }
}

fn decode<T: prost::Message + Default>(bytes: &[u8]) -> Result<T, BadResponse> {
    T::decode(bytes).map_err(|_| BadResponse("a free-form value does not decode"))
}

fn utf8(bytes: &[u8]) -> Result<&str, BadResponse> {
    from_utf8(bytes).map_err(|_| BadResponse("a text is not UTF-8"))
}

/// Takes the next field number and value off `wire`.
fn read_record<'w>(wire: &mut &'w [u8]) -> Result<(u32, Wire<'w>), BadResponse> {
    let key = take_varint(wire)?;
    let number = u32::try_from(key >> 3).map_err(|_| BadResponse("a field number is too large"))?;
    let value = match key & 7 {
        0 => Wire::Varint(take_varint(wire)?),
        1 => Wire::Fixed64(take_fixed(wire)?),
        2 => {
            let length = take_varint(wire)?;
            let length = usize::try_from(length).map_err(|_| BadResponse("a length is too large"))?;
            Wire::Bytes(take(wire, length)?)
        }
        5 => {
            take(wire, 4)?;
            Wire::Fixed32
        }
        _ => return Err(BadResponse("an unknown wire type")),
    };
    Ok((number, value))
}

fn take_varint(wire: &mut &[u8]) -> Result<u64, BadResponse> {
    decode_varint(wire).map_err(|_| BadResponse("a number is cut off"))
}

fn take_fixed(wire: &mut &[u8]) -> Result<[u8; 8], BadResponse> {
    let bytes = take(wire, 8)?;
    bytes.try_into().map_err(|_| BadResponse("a number is cut off"))
}

fn take<'w>(wire: &mut &'w [u8], length: usize) -> Result<&'w [u8], BadResponse> {
    let (taken, rest) = wire
        .split_at_checked(length)
        .ok_or(BadResponse("a value is cut off"))?;
    *wire = rest;
    Ok(taken)
}
