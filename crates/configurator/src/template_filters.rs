//! Filters that templates have beside those of minijinja: nodesets, places, order, addresses.

use std::cell::RefCell;
use std::net::IpAddr;

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};
use model::{HmsType, NodeExpression, NodeNames, Xname, fold_names};

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

/// Fuel for each name that a nodeset is made of, its groups included, or folded from: the work is done before minijinja sees what it made.
const FUEL_PER_NAME: u64 = 16;

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
        expand(state, &text, &mut |label| {
            let names = if label == "*" {
                Some(&all)
            } else {
                groups.get(label)
            };
            let names = names.ok_or_else(|| format!("there is no group {label}"))?;
            Ok(NodeNames::from_iter(names.iter().cloned()))
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
    let names = names_of(names)?;
    burn(state, names.len())?;
    Ok(fold_names(names.iter()))
}

fn names_of(list: &Value) -> Result<Vec<String>, Error> {
    let items = list.try_iter()?;
    items.map(|item| name_of(&item)).collect()
}

fn name_of(item: &Value) -> Result<String, Error> {
    if let Some(text) = item.as_str() {
        return Ok(text.to_owned());
    }
    let name = match item.kind() {
        ValueKind::Map => item.get_attr("name")?,
        _ => Value::UNDEFINED,
    };
    let name = name.as_str().map(str::to_owned);
    name.ok_or_else(|| refused(format!("a list of names is needed, not of {}", item.kind())))
}

fn expand(
    state: &State<'_, '_>,
    text: &str,
    group: &mut dyn FnMut(&str) -> Result<NodeNames, String>,
) -> Result<Vec<String>, Error> {
    let expression: NodeExpression = text.parse().map_err(|problem| refused(format!("{problem}")))?;
    // what is taken away again was work, too
    let out_of_fuel = RefCell::new(None);
    let counted = |names: NodeNames| -> Result<NodeNames, String> {
        match burn(state, names.len()) {
            Ok(()) => Ok(names),
            Err(error) => {
                let problem = error.to_string();
                *out_of_fuel.borrow_mut() = Some(error);
                Err(problem)
            }
        }
    };
    let mut spelled = counted;
    let names = expression.expand_as(&mut |label| counted(group(label)?), &mut spelled);
    let names = names.map_err(|problem| {
        let out_of_fuel = out_of_fuel.take();
        out_of_fuel.unwrap_or_else(|| refused(format!("{problem}")))
    })?;
    Ok(names.iter().map(str::to_owned).collect())
}

fn burn(state: &State<'_, '_>, names: usize) -> Result<(), Error> {
    state.consume_fuel(FUEL_PER_NAME.saturating_mul(names as u64))
}

/// Those of a list of nodes that are in a group.
fn in_group(state: &State<'_, '_>, nodes: &Value, label: &str) -> Result<Vec<Value>, Error> {
    let mut found = Vec::new();
    for node in nodes.try_iter()? {
        state.consume_fuel(1)?;
        let groups = node.get_attr("groups")?;
        if groups.is_undefined() {
            return Err(refused("a list of nodes is needed"));
        }
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
            Some(attribute) => item.get_attr(attribute)?.to_string(),
            None => name_of(&item)?,
        };
        keyed.push((key, item));
    }
    burn(state, keyed.len())?;
    keyed.sort_by(|(one, _), (other, _)| natural_order(one, other));
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
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
