//! Filters that templates have beside those of minijinja: nodesets, places, order, addresses.

use std::cell::RefCell;
use std::net::IpAddr;

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};
use model::{ExpressionWork, HmsType, NodeExpression, NodeNames, Xname, fold_names};

use crate::reverse_name::reverse_name;
use crate::{View, natural_order};

/// Names of the filters, ours first, those of minijinja that people look for behind them: for who has mistaken one.
pub(crate) const NAMES: &[&str] = &[
    "bmc",
    "cabinet",
    "chassis",
    "expand",
    "fold",
    "in_group",
    "natural_sort",
    "node",
    "parent",
    "reverse_name",
    "slot",
    "batch",
    "default",
    "first",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
];

/// Fuel for each name that a nodeset is made of, its groups included, or folded from.
const FUEL_PER_NAME: u64 = 16;
/// Bytes of names that are made, copied or compared for one unit.
const BYTES_PER_FUEL: u64 = 16;
/// Pairs of numbers within a name for one unit: what is folded by several numbers is looked up without each of them.
const NUMBER_PAIRS_PER_FUEL: u64 = 8;

/// `expand` resolves `@label` by the groups of the view, to the names of their nodes, and `@*` to those of all nodes.
pub(crate) fn add(environment: &mut Environment<'_>, view: &View) {
    let groups: std::collections::BTreeMap<String, Vec<String>> = view
        .groups
        .iter()
        .map(|group| (group.label.clone(), group.member_names.clone()))
        .collect();
    let all: Vec<String> = view.nodes.iter().map(|node| node.name.clone()).collect();
    environment.add_filter("fold", fold);
    environment.add_filter("expand", move |state: &State<'_, '_>, text: String| {
        expand(state, &text, &|label| match label {
            "*" => Some(&all),
            _ => groups.get(label),
        })
    });
    environment.add_filter("in_group", in_group);
    environment.add_filter("natural_sort", natural_sort);
    environment.add_filter("reverse_name", |address: String| {
        let parsed = address.parse::<IpAddr>();
        parsed
            .map(reverse_name)
            .map_err(|_| refused(format!("{address:?} is no address")))
    });
    environment.add_filter("parent", |text: String| {
        let above = xname(&text)?.parent();
        above
            .map(|above| above.to_string())
            .ok_or_else(|| refused(format!("nothing is above {text}")))
    });
    let above = |types: &'static [HmsType]| move |text: String| at_or_above(&text, types);
    environment.add_filter("cabinet", above(&[HmsType::Cabinet]));
    environment.add_filter("chassis", above(&[HmsType::Chassis]));
    environment.add_filter("slot", above(&[HmsType::ComputeModule, HmsType::RouterModule]));
    environment.add_filter(
        "bmc",
        above(&[HmsType::NodeBmc, HmsType::RouterBmc, HmsType::ChassisBmc]),
    );
    environment.add_filter("node", above(&[HmsType::Node]));
}

fn refused(problem: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem.into())
}

/// Names, or objects that have one: `nodes|fold`, `group.members|fold`.
fn fold(state: &State<'_, '_>, names: &Value) -> Result<String, Error> {
    let mut copied = Vec::new();
    for item in names.try_iter()? {
        let name = name_of(&item)?;
        let name = text_of(&name);
        let numbers = numbers_in(name);
        burn(state, 1, name.len())?;
        state.consume_fuel(numbers.saturating_mul(numbers) / NUMBER_PAIRS_PER_FUEL)?;
        copied.push(name.to_owned());
    }
    Ok(fold_names(copied))
}

/// How many numbers stand in a name.
fn numbers_in(name: &str) -> u64 {
    let numbers = name.split(|c: char| !c.is_ascii_digit());
    numbers.filter(|digits| !digits.is_empty()).count() as u64
}

/// A text: of an object its name. It is not copied, as a list may have a long one many times.
fn name_of(item: &Value) -> Result<Value, Error> {
    let name = match item.kind() {
        ValueKind::Map => item.get_attr("name")?,
        _ => item.clone(),
    };
    match name.as_str() {
        Some(_) => Ok(name),
        None => Err(refused(format!(
            "a list of names is needed, not of {}",
            item.kind()
        ))),
    }
}

fn text_of(name: &Value) -> &str {
    name.as_str().unwrap_or_default()
}

/// What whoever wrote the template makes it do is paid for before it is done, as minijinja sees only what comes of it.
fn expand<'g>(
    state: &State<'_, '_>,
    text: &str,
    group: &dyn Fn(&str) -> Option<&'g Vec<String>>,
) -> Result<Vec<String>, Error> {
    burn(state, 0, text.len())?;
    let expression: NodeExpression = text.parse().map_err(|problem| refused(format!("{problem}")))?;
    let out_of_fuel = RefCell::new(None);
    let paid = |names: usize, bytes: usize| -> Result<(), String> {
        burn(state, names, bytes).map_err(|error| {
            let problem = error.to_string();
            *out_of_fuel.borrow_mut() = Some(error);
            problem
        })
    };
    let mut members = |label: &str| -> Result<NodeNames, String> {
        let names = group(label).ok_or_else(|| format!("there is no group {label}"))?;
        paid(names.len(), names.iter().map(String::len).sum())?;
        Ok(names.iter().collect())
    };
    let mut allow = |work: ExpressionWork| paid(work.names, work.bytes);
    let names = expression.expand_within(&mut members, &mut Ok, &mut allow);
    let names = names.map_err(|problem| {
        let out_of_fuel = out_of_fuel.take();
        out_of_fuel.unwrap_or_else(|| refused(format!("{problem}")))
    })?;
    Ok(names.iter().map(str::to_owned).collect())
}

fn burn(state: &State<'_, '_>, names: usize, bytes: usize) -> Result<(), Error> {
    let bytes = bytes as u64 / BYTES_PER_FUEL;
    let names = FUEL_PER_NAME.saturating_mul(names as u64);
    state.consume_fuel(names.saturating_add(bytes))
}

/// Those of a list of nodes that are in a group.
fn in_group(state: &State<'_, '_>, nodes: &Value, label: &str) -> Result<Vec<Value>, Error> {
    let mut found = Vec::new();
    for node in nodes.try_iter()? {
        let groups = node.get_attr("groups")?;
        if groups.is_undefined() {
            return Err(refused("a list of nodes is needed"));
        }
        state.consume_fuel(1 + groups.len().unwrap_or_default() as u64)?;
        if groups.try_iter()?.any(|group| group.as_str() == Some(label)) {
            found.push(node);
        }
    }
    Ok(found)
}

/// Numbers in names by value; of objects by an attribute, without one by their name.
fn natural_sort(state: &State<'_, '_>, list: &Value, attribute: Option<&str>) -> Result<Vec<Value>, Error> {
    let mut keyed = Vec::new();
    for item in list.try_iter()? {
        let key = match attribute {
            Some(attribute) => sort_key(&item, attribute)?,
            None => name_of(&item)?,
        };
        burn(state, 1, key.as_str().map_or(0, str::len))?;
        keyed.push((key.to_string(), item));
    }
    keyed.sort_by(|(one, _), (other, _)| natural_order(one, other));
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}

/// Nothing that holds more: as a text it could be as long as all nodes.
fn sort_key(item: &Value, attribute: &str) -> Result<Value, Error> {
    let key = item.get_attr(attribute)?;
    match key.kind() {
        ValueKind::Undefined | ValueKind::None | ValueKind::Bool | ValueKind::Number | ValueKind::String => {
            Ok(key)
        }
        kind => Err(refused(format!(
            "{attribute} is a {kind}: sort by a text or a number"
        ))),
    }
}

fn xname(text: &str) -> Result<Xname, Error> {
    text.parse().map_err(|problem| refused(format!("{problem}")))
}

/// The place itself, or the nearest above it, of one of these types.
fn at_or_above(text: &str, types: &[HmsType]) -> Result<String, Error> {
    let mut place = Some(xname(text)?);
    while let Some(here) = place {
        if types.contains(&here.hms_type()) {
            return Ok(here.to_string());
        }
        place = here.parent();
    }
    let wanted = types.first().map_or("", |first| first.as_str());
    Err(refused(format!("{text} is in no {wanted}")))
}
