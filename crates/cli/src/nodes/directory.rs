//! What names and groups mean, by what the cluster told.

use std::collections::BTreeMap;

use model::{NodeExpression, NodeNames, NodeSet, Xname, did_you_mean};
use proto::smd::v1::{Component, component};

use crate::error::{CliError, Kind};

/// What `@source:name` can name, and what the names are.
pub(crate) const SOURCES: [(&str, &str); 9] = [
    ("group", "labels of SMD groups; `@label` alone is one, too"),
    ("role", "roles of nodes, e.g. @role:Compute"),
    ("subrole", "sub-roles of nodes"),
    ("state", "states of nodes, e.g. @state:Off"),
    ("flag", "flags of nodes, e.g. @flag:Alert"),
    ("arch", "architectures of nodes, e.g. @arch:ARM"),
    ("class", "classes of nodes, e.g. @class:River"),
    ("type", "types of components, e.g. @type:NodeBMC"),
    ("partition", "partitions, e.g. @partition:p0"),
];

/// Components with what they are called, groups and partitions.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    components: Vec<Component>,
    /// Host names in lower case.
    by_name: BTreeMap<String, String>,
    by_nid: BTreeMap<u64, String>,
    groups: BTreeMap<String, NodeNames>,
    partitions: BTreeMap<String, NodeNames>,
}

impl Directory {
    pub(super) fn new(components: Vec<Component>) -> Directory {
        let mut known = Directory {
            components,
            ..Directory::default()
        };
        let numbered = known
            .nodes()
            .filter_map(|node| Some((node.nid?, node.id.clone())));
        known.by_nid = numbered.collect();
        known
    }

    pub(super) fn called(&mut self, name: &str, xname: &str) {
        self.by_name
            .entry(name.to_lowercase())
            .or_insert_with(|| xname.to_owned());
    }

    pub(super) fn set_groups(&mut self, groups: BTreeMap<String, NodeNames>) {
        self.groups = groups;
    }

    pub(super) fn set_partitions(&mut self, partitions: BTreeMap<String, NodeNames>) {
        self.partitions = partitions;
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Component> {
        self.components
            .iter()
            .filter(|component| component.r#type == "Node")
    }

    /// Nodes that are one of these places, or below one.
    pub(super) fn below(&self, sets: &[NodeSet]) -> NodeNames {
        let is_meant = |id: &str| {
            id.parse()
                .is_ok_and(|xname: Xname| sets.iter().any(|set| set.contains(&xname)))
        };
        self.nodes()
            .map(|node| node.id.as_str())
            .filter(|id| is_meant(id))
            .collect()
    }

    /// The xnames that an expression means.
    pub(super) fn expand(&self, expression: &NodeExpression) -> Result<NodeNames, CliError> {
        let mut meant = |names: NodeNames| names.iter().map(|name| self.xname(name)).collect();
        let named = expression.expand_as(&mut |group| self.group(group), &mut meant);
        named.map_err(|problem| {
            let remedy =
                "`chamois nodeset list` shows the groups, `chamois component list --type Node` the nodes.";
            CliError::new(Kind::NotFound, problem.to_string()).with_remedy(remedy)
        })
    }

    /// The members of a group as `@…` names it, without the sign.
    ///
    /// # Errors
    /// That there is none, with the nearest.
    pub(crate) fn group(&self, name: &str) -> Result<NodeNames, String> {
        let (source, value) = name.split_once(':').unwrap_or(("group", name));
        if value == "*" || name == "all" {
            return self.all(source);
        }
        // a label may have a colon itself
        let source = match self.groups.contains_key(&name.to_lowercase()) {
            true => "group",
            false => source,
        };
        let sets = match source {
            "group" => &self.groups,
            "partition" => &self.partitions,
            _ => return self.alike(source, value),
        };
        let value = if self.groups.contains_key(&name.to_lowercase()) {
            name
        } else {
            value
        };
        let none = || {
            let meant = did_you_mean(value, sets.keys().map(String::as_str));
            format!("there is no {source} `{value}`{meant}")
        };
        sets.get(&value.to_lowercase()).cloned().ok_or_else(none)
    }

    /// Every node; of a source other than groups all that are in any of its groups.
    fn all(&self, source: &str) -> Result<NodeNames, String> {
        check_source(source)?;
        if source == "group" {
            return Ok(self.nodes().map(|node| node.id.as_str()).collect());
        }
        let sets = self.values(source).into_values();
        Ok(sets.fold(NodeNames::default(), NodeNames::union))
    }

    /// Components that have this value.
    fn alike(&self, source: &str, value: &str) -> Result<NodeNames, String> {
        check_source(source)?;
        let values = self.values(source);
        let found = values.iter().find(|(known, _)| known.eq_ignore_ascii_case(value));
        if found.is_none() && !is_word(source, value) {
            let meant = did_you_mean(value, values.keys().map(String::as_str));
            return Err(format!("no node has the {source} `{value}`{meant}"));
        }
        Ok(found.map(|(_, names)| names.clone()).unwrap_or_default())
    }

    /// The groups of a source, by name.
    pub(crate) fn values(&self, source: &str) -> BTreeMap<String, NodeNames> {
        let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let components = self.components.iter();
        let counts = |component: &&Component| source == "type" || component.r#type == "Node";
        match source {
            "group" => return self.groups.clone(),
            "partition" => return self.partitions.clone(),
            _ => {}
        }
        for component in components.filter(counts) {
            let value = value(component, source);
            if !value.is_empty() {
                found.entry(value).or_default().push(&component.id);
            }
        }
        found
            .into_iter()
            .map(|(value, ids)| (value, ids.into_iter().collect()))
            .collect()
    }

    /// Who is called so: an xname, a host name, `nid` and a NID.
    fn xname(&self, name: &str) -> Result<String, String> {
        if let Ok(xname) = name.parse::<Xname>() {
            return Ok(xname.to_string());
        }
        if let Some(xname) = self.by_name.get(&name.to_lowercase()) {
            return Ok(xname.clone());
        }
        let nid: Option<u64> = name.strip_prefix("nid").and_then(|digits| digits.parse().ok());
        if let Some(xname) = nid.and_then(|nid| self.by_nid.get(&nid)) {
            return Ok(xname.clone());
        }
        let names = self.by_name.keys().map(String::as_str);
        let names = names.chain(self.components.iter().map(|component| component.id.as_str()));
        let meant = did_you_mean(name, names);
        Err(format!("no node is called `{}`{meant}", name.escape_debug()))
    }
}

fn check_source(source: &str) -> Result<(), String> {
    if SOURCES.iter().any(|(known, _)| *known == source) {
        return Ok(());
    }
    let meant = did_you_mean(source, SOURCES.iter().map(|(known, _)| *known));
    Err(format!("`{source}` has no groups{meant}"))
}

/// What a component has in a source, as SMD calls it; empty: nothing.
fn value(component: &Component, source: &str) -> String {
    match source {
        "role" => component.role.clone(),
        "subrole" => component.sub_role.clone(),
        "type" => component.r#type.clone(),
        "state" => word(component::State::try_from(component.state).map(|v| v.as_str_name())),
        "flag" => word(component::Flag::try_from(component.flag).map(|v| v.as_str_name())),
        "arch" => word(component::Arch::try_from(component.arch).map(|v| v.as_str_name())),
        "class" => word(component::Class::try_from(component.class).map(|v| v.as_str_name())),
        _ => String::new(),
    }
}

/// `STATE_READY` as `Ready`, `ARCH_X86` as `X86`.
fn word<E>(name: Result<&'static str, E>) -> String {
    let name = name.unwrap_or_default();
    let word = name.split_once('_').map_or(name, |(_, word)| word);
    match word {
        "UNSPECIFIED" => String::new(),
        "OK" | "X86" | "ARM" => word.to_owned(),
        _ => word
            .chars()
            .take(1)
            .chain(word.to_lowercase().chars().skip(1))
            .collect(),
    }
}

/// Whether a source has this word, though nothing may have it now: nobody off is no slip.
fn is_word(source: &str, value: &str) -> bool {
    let name = format!("{source}_{value}").to_uppercase();
    match source {
        "state" => component::State::from_str_name(&name).is_some(),
        "flag" => component::Flag::from_str_name(&name).is_some(),
        "arch" => component::Arch::from_str_name(&name).is_some(),
        "class" => component::Class::from_str_name(&name).is_some(),
        "role" => model::canonical_role(value).is_some(),
        "subrole" => model::canonical_sub_role(value).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> Directory {
        let node = |slot: u64, role: &str, state: component::State| Component {
            id: format!("x0c0s{slot}b0n0"),
            r#type: "Node".into(),
            role: role.into(),
            state: state.into(),
            arch: component::Arch::X86.into(),
            nid: Some(slot + 1),
            ..Component::default()
        };
        let bmc = Component {
            id: "x0c0s0b0".into(),
            r#type: "NodeBMC".into(),
            state: component::State::Ready.into(),
            ..Component::default()
        };
        let mut known = Directory::new(vec![
            node(0, "Compute", component::State::Ready),
            node(1, "Compute", component::State::Off),
            node(2, "Service", component::State::Ready),
            bmc,
        ]);
        known.called("de0001", "x0c0s0b0n0");
        known.called("Login", "x0c0s2b0n0");
        let names = |names: &str| names.split(' ').collect::<NodeNames>();
        known.set_groups([("blue".to_owned(), names("x0c0s0b0n0 x0c0s0b0"))].into());
        known.set_partitions([("p0".to_owned(), names("x0c0s1b0n0"))].into());
        known
    }

    fn expand(text: &str) -> Result<String, String> {
        let found = directory().expand(&text.parse().unwrap());
        found.map(|names| names.fold()).map_err(|error| error.to_string())
    }

    #[test]
    fn names_of_every_kind_mean_xnames() {
        for (text, expected) in [
            ("x0c0s0b0n0", "x0c0s0b0n0"),
            ("de0001,LOGIN", "x0c0s[0,2]b0n0"),
            ("nid[0001-0002]", "x0c0s[0-1]b0n0"),
            ("nid3", "x0c0s2b0n0"),
            ("@blue", "x0c0s0b0,x0c0s0b0n0"),
            ("@group:Blue", "x0c0s0b0,x0c0s0b0n0"),
            ("@role:compute", "x0c0s[0-1]b0n0"),
            ("@role:Compute!@state:Off", "x0c0s0b0n0"),
            ("@state:Ready", "x0c0s[0,2]b0n0"),
            ("@arch:x86", "x0c0s[0-2]b0n0"),
            ("@type:NodeBMC", "x0c0s0b0"),
            ("@partition:p0", "x0c0s1b0n0"),
            ("@*", "x0c0s[0-2]b0n0"),
            ("@*!login,de0001!nid1", "x0c0s1b0n0"),
            ("@*!X0c0s00b0n0", "x0c0s[1-2]b0n0"),
            ("@all!@role:Service", "x0c0s[0-1]b0n0"),
            ("@group:*", "x0c0s[0-2]b0n0"),
            ("@role:*", "x0c0s[0-2]b0n0"),
            ("@partition:*", "x0c0s1b0n0"),
            ("@subrole:*", ""),
            ("@state:Halt", ""),
            ("x0c0s?b0n0", "x0c0s[0-2]b0n0"),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_does_not_exist_is_told_with_the_nearest() {
        for (text, part) in [
            ("@bleu", "no group `bleu`; did you mean `blue`?"),
            ("@role:Compte", "did you mean `Compute`?"),
            ("@rol:Compute", "did you mean `role`?"),
            ("@rol:*", "did you mean `role`?"), // and not every node
            ("@partition:p1", "did you mean `p0`?"),
            ("logn", "no node is called `logn`; did you mean `login`?"),
            ("nid9", "no node is called `nid9`"),
        ] {
            let error = expand(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let error = directory().expand(&"@bleu".parse().unwrap()).unwrap_err();
        assert_eq!(error.exit_code(), 3);
    }

    #[test]
    fn places_are_the_nodes_below_them() {
        let known = directory();
        let below = |text: &str| known.below(&NodeSet::list(text).unwrap()).fold();
        assert_eq!(below("x0c0s*b0n0"), "x0c0s[0-2]b0n0");
        assert_eq!(below("x0c0s[0-1]"), "x0c0s[0-1]b0n0");
        assert_eq!(below("x1"), "");
    }

    #[test]
    fn sources_list_what_there_is() {
        let known = directory();
        let values = |source: &str| known.values(source).into_keys().collect::<Vec<_>>();
        assert_eq!(values("role"), ["Compute", "Service"]);
        assert_eq!(values("state"), ["Off", "Ready"]);
        assert_eq!(values("type"), ["Node", "NodeBMC"]);
        assert_eq!(values("group"), ["blue"]);
        assert!(values("flag").is_empty());
    }
}
