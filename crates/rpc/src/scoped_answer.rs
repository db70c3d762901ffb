//! What a caller with a part of the system is shown of an answer: messages lose what is about other components, by the fields that
//! the .proto files mark `component`. Works on encoded messages, so no handler is asked to remember it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use prost_reflect::{DescriptorPool, ExtensionDescriptor, FieldDescriptor, MessageDescriptor};
use proto::http::v1::{Consistency, FieldRule, MethodRule};

use crate::rules::{self, METHOD_OPTION, ROWS};
use crate::{Part, RulesError};

/// Full name of our field option.
const FIELD_OPTION: &str = "chamois.http.v1.field";

/// How the answers of all methods are cut.
#[derive(Debug)]
pub(crate) struct AnswerPlans {
    plans: HashMap<String, AnswerPlan>,
    kinds: HashMap<String, Vec<u32>>,
}

/// How the answers of one method are cut.
#[derive(Clone, Debug)]
pub(crate) struct AnswerPlan {
    messages: Arc<[MessagePlan]>,
    root: usize,
}

/// What matters of one type of message.
#[derive(Debug, Default)]
struct MessagePlan {
    marks: Vec<(u32, Mark)>,
    /// The places in `marks` of texts that a message must have: without them it is about nobody's component.
    own: u64,
}

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// The component that the message is about.
    Own,
    /// A component of a list.
    Listed,
    /// A message, by its plan's place: what is in it goes for the whole.
    One(usize),
    /// One message of a list or map: left out alone.
    Many(usize),
}

impl AnswerPlans {
    /// The plans of all methods that answer with one message, and may be called by somebody who has a part of the system.
    ///
    /// # Errors
    /// `OptionMissing` for a descriptor without our options.
    pub(crate) fn of(pool: &DescriptorPool) -> Result<Self, RulesError> {
        let option = |name| pool.get_extension_by_name(name).ok_or(RulesError::OptionMissing);
        let method_option = option(METHOD_OPTION)?;
        let mut messages = Messages::new(option(FIELD_OPTION)?);
        let mut answers = Vec::new();
        for service in pool.services() {
            for method in service.methods().filter(|method| !method.is_server_streaming()) {
                let rule: MethodRule = rules::option(&method, &method_option).unwrap_or_default();
                answers.push((rules::path_of(&method), rule, messages.place(&method.output())));
            }
        }
        let rows = Rows::of(pool);
        let shown = messages.shown();
        let (names, reached) = (std::mem::take(&mut messages.names), messages.reached(&answers));
        let plans = messages.pruned(&shown);
        let mut all = AnswerPlans {
            plans: HashMap::new(),
            kinds: HashMap::new(),
        };
        for ((path, rule, root), reached) in answers.into_iter().zip(reached) {
            let is_read = rule.consistency() != Consistency::Unspecified;
            let is_cut = shown[root] && !rule.shows_no_component && !rule.shows_other_components;
            if is_read && (is_cut || rule.shows_no_component) {
                let types = reached.iter().map(|place| names[*place].as_str());
                all.kinds.insert(path.clone(), rows.shown(types, &rule));
            }
            if is_cut && (is_read || rule.can_validate_only) {
                let messages = Arc::clone(&plans);
                all.plans.insert(path, AnswerPlan { messages, root });
            }
        }
        Ok(all)
    }

    /// The plan of `/package.Service/Method`; `None` for one whose answer cannot be cut.
    pub(crate) fn plan(&self, path: &str) -> Option<&AnswerPlan> {
        self.plans.get(path)
    }

    /// Kinds of stored objects that a read may show, by their numbers in `chamois.raft.v1.SnapshotRow`; none for what shows no
    /// objects, and for changes, which are judged where they are made.
    pub(crate) fn kinds(&self, path: &str) -> &[u32] {
        self.kinds.get(path).map_or(&[], Vec::as_slice)
    }
}

/// Which stored objects are of which type.
struct Rows(Vec<(u32, String, String)>);

impl Rows {
    fn of(pool: &DescriptorPool) -> Self {
        let row = pool.get_message_by_name(ROWS);
        let fields = row.iter().flat_map(|row| row.fields().collect::<Vec<_>>());
        let typed = fields.filter_map(|field| {
            let of = field.kind().as_message()?.full_name().to_owned();
            Some((field.number(), field.name().to_owned(), of))
        });
        Self(typed.collect())
    }

    /// By the types that an answer is made of, else by what it says that it is made of. An answer that says neither and shows
    /// components may show anything.
    fn shown<'a>(&self, types: impl Iterator<Item = &'a str>, rule: &MethodRule) -> Vec<u32> {
        let types: BTreeSet<&str> = types.collect();
        let numbers = |is_shown: &dyn Fn(&str, &str) -> bool| -> Vec<u32> {
            let rows = self.0.iter().filter(|(_, name, of)| is_shown(name, of));
            rows.map(|(number, ..)| *number).collect()
        };
        let by_type = numbers(&|_, of| types.contains(of));
        if !by_type.is_empty() {
            return by_type;
        }
        if !rule.made_of.is_empty() || rule.shows_no_component {
            return numbers(&|name, _| rule.made_of.iter().any(|made_of| made_of == name));
        }
        numbers(&|_, _| true)
    }
}

/// The types of messages that answers are made of.
struct Messages {
    option: ExtensionDescriptor,
    places: HashMap<String, usize>,
    names: Vec<String>,
    plans: Vec<MessagePlan>,
}

impl Messages {
    fn new(option: ExtensionDescriptor) -> Self {
        Self {
            option,
            places: HashMap::new(),
            names: Vec::new(),
            plans: Vec::new(),
        }
    }

    /// The place of a type's plan; its types are looked at with it. A type may contain itself.
    fn place(&mut self, message: &MessageDescriptor) -> usize {
        if let Some(place) = self.places.get(message.full_name()) {
            return *place;
        }
        let place = self.plans.len();
        self.places.insert(message.full_name().to_owned(), place);
        self.names.push(message.full_name().to_owned());
        self.plans.push(MessagePlan::default());
        for field in message.fields() {
            let mark = match (self.is_marked(&field), field.kind().as_message()) {
                (true, _) if field.is_list() => Mark::Listed,
                (true, _) => Mark::Own,
                (false, Some(inner)) if field.is_list() || field.is_map() => Mark::Many(self.place(inner)),
                (false, Some(inner)) => Mark::One(self.place(inner)),
                (false, None) => continue,
            };
            self.plans[place].marks.push((field.number(), mark));
        }
        place
    }

    fn is_marked(&self, field: &FieldDescriptor) -> bool {
        let options = field.options();
        let rule = options.get_extension(&self.option);
        let rule: Option<FieldRule> = rule.as_message().and_then(|rule| rule.transcode_to().ok());
        rule.is_some_and(|rule| rule.component)
    }

    /// Which types show components, at any depth.
    fn shown(&self) -> Vec<bool> {
        let mut shown = vec![false; self.plans.len()];
        loop {
            let shows = |plan: &MessagePlan| {
                plan.marks.iter().any(|(_, mark)| match mark {
                    Mark::Own | Mark::Listed => true,
                    Mark::One(inner) | Mark::Many(inner) => shown[*inner],
                })
            };
            let next: Vec<bool> = self.plans.iter().map(shows).collect();
            if next == shown {
                return shown;
            }
            shown = next;
        }
    }

    /// The types that each answer is made of.
    fn reached(&self, answers: &[(String, MethodRule, usize)]) -> Vec<BTreeSet<usize>> {
        let from = |root: usize| {
            let (mut reached, mut ahead) = (BTreeSet::new(), vec![root]);
            while let Some(place) = ahead.pop() {
                if !reached.insert(place) {
                    continue;
                }
                ahead.extend(self.plans[place].marks.iter().filter_map(|(_, mark)| match mark {
                    Mark::One(inner) | Mark::Many(inner) => Some(*inner),
                    Mark::Own | Mark::Listed => None,
                }));
            }
            reached
        };
        answers.iter().map(|(_, _, root)| from(*root)).collect()
    }

    /// The plans without what shows no component: it is passed on unread.
    fn pruned(self, shown: &[bool]) -> Arc<[MessagePlan]> {
        let pruned = self.plans.into_iter().map(|mut plan| {
            plan.marks.retain(|(_, mark)| match mark {
                Mark::Own | Mark::Listed => true,
                Mark::One(inner) | Mark::Many(inner) => shown[*inner],
            });
            let own = |(place, (_, mark)): (usize, &(u32, Mark))| match mark {
                Mark::Own => bit(place),
                _ => 0,
            };
            plan.own = plan.marks.iter().enumerate().map(own).sum();
            plan
        });
        pruned.collect()
    }
}

/// The bit of a mark; those that a message must have are never among the last of so many.
fn bit(place: usize) -> u64 {
    u32::try_from(place)
        .ok()
        .and_then(|place| 1_u64.checked_shl(place))
        .unwrap_or(0)
}

impl AnswerPlan {
    /// The message without what is of others; `None`: the answer itself is about a component that is not in the part.
    pub(crate) fn filter<'m>(&self, message: &'m [u8], part: &dyn Part) -> Option<Cow<'m, [u8]>> {
        self.cut(self.root, message, part)
    }

    fn cut<'m>(&self, place: usize, message: &'m [u8], part: &dyn Part) -> Option<Cow<'m, [u8]>> {
        let plan = &self.messages[place];
        let (mut rest, mut named) = (message, 0);
        let mut cut: Option<Vec<u8>> = None;
        while !rest.is_empty() {
            let at = message.len() - rest.len();
            let field = Field::take(&mut rest)?;
            let kept = match plan.marks.iter().position(|(number, _)| *number == field.number) {
                None => Kept::Whole,
                Some(mark) => {
                    named |= bit(mark) & plan.own;
                    self.keep(plan.marks[mark].1, field.bytes?, part)?
                }
            };
            match (kept, &mut cut) {
                (Kept::Whole, None) => {}
                (Kept::Whole, Some(cut)) => cut.extend_from_slice(field.whole),
                (Kept::Nothing, cut) => {
                    begun(cut, message, at);
                }
                (Kept::Less(inner), cut) => {
                    let cut = begun(cut, message, at);
                    encode_key(field.number, WireType::LengthDelimited, cut);
                    encode_varint(inner.len() as u64, cut);
                    cut.extend_from_slice(&inner);
                }
            }
        }
        (named == plan.own).then(|| cut.map_or(Cow::Borrowed(message), Cow::Owned))
    }

    /// What is left of a field; `None`: nothing is left of the message that has it.
    fn keep(&self, mark: Mark, bytes: &[u8], part: &dyn Part) -> Option<Kept> {
        let is_in = || std::str::from_utf8(bytes).is_ok_and(|id| part.has_component(id));
        let less = |left: Cow<'_, [u8]>| match left {
            Cow::Borrowed(_) => Kept::Whole,
            Cow::Owned(bytes) => Kept::Less(bytes),
        };
        match mark {
            Mark::Own => is_in().then_some(Kept::Whole),
            Mark::Listed if is_in() => Some(Kept::Whole),
            Mark::Listed => Some(Kept::Nothing),
            Mark::One(inner) => self.cut(inner, bytes, part).map(less),
            Mark::Many(inner) => Some(self.cut(inner, bytes, part).map_or(Kept::Nothing, less)),
        }
    }
}

/// What is left of a field.
enum Kept {
    Whole,
    Less(Vec<u8>),
    Nothing,
}

/// The copy of a message that loses something from `at` on.
fn begun<'c>(cut: &'c mut Option<Vec<u8>>, message: &[u8], at: usize) -> &'c mut Vec<u8> {
    cut.get_or_insert_with(|| {
        let mut copy = Vec::with_capacity(message.len());
        copy.extend_from_slice(&message[..at]);
        copy
    })
}

/// One field of an encoded message.
pub(crate) struct Field<'m> {
    pub(crate) number: u32,
    /// With its key.
    pub(crate) whole: &'m [u8],
    /// Of a text or message.
    pub(crate) bytes: Option<&'m [u8]>,
}

impl<'m> Field<'m> {
    /// The next field; `None` for bytes that are no message.
    pub(crate) fn take(rest: &mut &'m [u8]) -> Option<Field<'m>> {
        let begin: &'m [u8] = rest;
        let (number, wire_type) = decode_key(rest).ok()?;
        let bytes = match wire_type {
            WireType::Varint => {
                decode_varint(rest).ok()?;
                None
            }
            WireType::SixtyFourBit => split(rest, 8).map(|_| None)?,
            WireType::ThirtyTwoBit => split(rest, 4).map(|_| None)?,
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
                Some(split(rest, length)?)
            }
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        let whole = &begin[..begin.len() - rest.len()];
        Some(Field { number, whole, bytes })
    }
}

fn split<'m>(rest: &mut &'m [u8], length: usize) -> Option<&'m [u8]> {
    let (first, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(first)
}

#[cfg(test)]
mod tests;
