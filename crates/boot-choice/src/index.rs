//! Which boot configurations select a node: found by what they select, so that a boot looks at none of the others.

use std::sync::Arc;

use imbl::OrdMap;
use model::{NodeSet, Rejection, Xname};
use proto::bss::v1::BootConfiguration;

use crate::nid_key;
use crate::selectors::rank;

/// Boot configurations with one and the same selector, which each boot of its nodes looks at.
pub const CONFIGURATIONS_PER_SELECTOR_MAX: usize = 64;
/// Nodesets of all boot configurations, which each boot looks at.
pub const NODE_SETS_MAX: usize = 256;

/// Configurations with one selector, the one that counts most first.
type Ranked = Arc<[Arc<BootConfiguration>]>;

/// Enabled configurations by their selectors.
#[derive(Clone, Debug, Default)]
pub struct ConfigurationIndex {
    own: BySelector,
    node_sets: Arc<[(NodeSet, Arc<BootConfiguration>)]>,
    groups: BySelector,
    sub_roles: BySelector,
    roles: BySelector,
    defaults: Ranked,
}

#[derive(Clone, Debug, Default)]
struct BySelector(OrdMap<Arc<str>, Ranked>);

impl ConfigurationIndex {
    /// Whether no node is selected by any.
    pub fn is_empty(&self) -> bool {
        let lists = [&self.own, &self.groups, &self.sub_roles, &self.roles];
        lists.iter().all(|list| list.0.is_empty()) && self.node_sets.is_empty() && self.defaults.is_empty()
    }

    /// Those that name a node by one of its own names: its xname, a MAC, `nid<N>`.
    pub(crate) fn of_name(&self, name: &str) -> &[Arc<BootConfiguration>] {
        self.own.get(name)
    }

    /// Those with a nodeset that the node is in.
    pub(crate) fn of_node_set<'a>(
        &'a self,
        node: &'a Xname,
    ) -> impl Iterator<Item = &'a Arc<BootConfiguration>> {
        let sets = self.node_sets.iter();
        sets.filter(|(set, _)| set.contains(node))
            .map(|(_, configuration)| configuration)
    }

    /// Those of a group.
    pub(crate) fn of_group(&self, label: &str) -> &[Arc<BootConfiguration>] {
        self.groups.get(label)
    }

    /// Those of a subrole.
    pub(crate) fn of_sub_role(&self, sub_role: &str) -> &[Arc<BootConfiguration>] {
        self.sub_roles.get(sub_role)
    }

    /// Those of a role.
    pub(crate) fn of_role(&self, role: &str) -> &[Arc<BootConfiguration>] {
        self.roles.get(role)
    }

    /// Those of every node.
    pub(crate) fn defaults(&self) -> &[Arc<BootConfiguration>] {
        &self.defaults
    }

    /// Whether there is room for `new`, which takes the place of the one with its name.
    ///
    /// # Errors
    /// `Invalid` with the selector that too many have.
    pub fn check_room(&self, new: &BootConfiguration) -> Result<(), Rejection> {
        let selectors = Selectors::of(new);
        let lists = [
            ("hosts", &self.own, &selectors.own),
            ("groups", &self.groups, &selectors.groups),
            ("sub_roles", &self.sub_roles, &selectors.sub_roles),
            ("roles", &self.roles, &selectors.roles),
        ];
        for (field, index, selectors) in lists {
            for selector in selectors {
                check_few(field, selector, index.get(selector), new)?;
            }
        }
        if selectors.is_default {
            check_few("is_default", "the default", &self.defaults, new)?;
        }
        let others = self.node_sets.iter().filter(|(_, other)| other.name != new.name);
        if !selectors.node_sets.is_empty() && others.count() + selectors.node_sets.len() > NODE_SETS_MAX {
            let problem = format!(
                "all boot configurations together have at most {NODE_SETS_MAX} nodesets; make a group of the nodes"
            );
            return Err(Rejection::invalid("hosts", problem));
        }
        Ok(())
    }

    /// Takes one in; a disabled one selects nothing.
    pub fn add(&mut self, configuration: &Arc<BootConfiguration>) {
        let selectors = Selectors::of(configuration);
        self.own.add(&selectors.own, configuration);
        self.groups.add(&selectors.groups, configuration);
        self.sub_roles.add(&selectors.sub_roles, configuration);
        self.roles.add(&selectors.roles, configuration);
        if selectors.is_default {
            self.defaults = with(&self.defaults, configuration);
        }
        if !selectors.node_sets.is_empty() {
            let new = selectors.node_sets.into_iter();
            let new = new.map(|set| (set, Arc::clone(configuration)));
            self.node_sets = self.node_sets.iter().cloned().chain(new).collect();
        }
    }

    /// Takes one out, as it was taken in.
    pub fn remove(&mut self, configuration: &BootConfiguration) {
        let selectors = Selectors::of(configuration);
        self.own.remove(&selectors.own, configuration);
        self.groups.remove(&selectors.groups, configuration);
        self.sub_roles.remove(&selectors.sub_roles, configuration);
        self.roles.remove(&selectors.roles, configuration);
        self.defaults = without(&self.defaults, configuration);
        if !selectors.node_sets.is_empty() {
            let rest = self.node_sets.iter();
            let rest = rest.filter(|(_, other)| other.name != configuration.name);
            self.node_sets = rest.cloned().collect();
        }
    }
}

impl BySelector {
    fn get(&self, selector: &str) -> &[Arc<BootConfiguration>] {
        self.0.get(selector).map_or(&[], |ranked| ranked)
    }

    fn add(&mut self, selectors: &[String], configuration: &Arc<BootConfiguration>) {
        for selector in selectors {
            let ranked = self.0.get(selector.as_str()).cloned().unwrap_or_default();
            self.0
                .insert(selector.as_str().into(), with(&ranked, configuration));
        }
    }

    fn remove(&mut self, selectors: &[String], configuration: &BootConfiguration) {
        for selector in selectors {
            let rest = without(self.get(selector), configuration);
            if rest.is_empty() {
                self.0.remove(selector.as_str());
            } else {
                self.0.insert(selector.as_str().into(), rest);
            }
        }
    }
}

/// The selectors of a configuration, as the index has them; those of a disabled one are none.
#[derive(Default)]
struct Selectors {
    own: Vec<String>,
    node_sets: Vec<NodeSet>,
    groups: Vec<String>,
    sub_roles: Vec<String>,
    roles: Vec<String>,
    is_default: bool,
}

impl Selectors {
    fn of(configuration: &BootConfiguration) -> Selectors {
        if configuration.disabled {
            return Selectors::default();
        }
        let mut own = configuration.macs.clone();
        own.extend(configuration.nids.iter().map(|nid| nid_key(*nid)));
        let mut node_sets = Vec::new();
        for set in configuration
            .hosts
            .iter()
            .filter_map(|host| host.parse::<NodeSet>().ok())
        {
            match set.as_xname().filter(|xname| xname.is_node()) {
                Some(xname) => own.push(xname.to_string()),
                None => node_sets.push(set),
            }
        }
        Selectors {
            own,
            node_sets,
            groups: configuration.groups.clone(),
            sub_roles: configuration.sub_roles.clone(),
            roles: configuration.roles.clone(),
            is_default: configuration.is_default,
        }
    }
}

fn with(ranked: &[Arc<BootConfiguration>], new: &Arc<BootConfiguration>) -> Ranked {
    let mut all = ranked.to_vec();
    all.push(Arc::clone(new));
    all.sort_by(|one, other| rank(one).cmp(&rank(other)));
    all.into()
}

fn without(ranked: &[Arc<BootConfiguration>], gone: &BootConfiguration) -> Ranked {
    let rest = ranked.iter().filter(|other| other.name != gone.name);
    rest.cloned().collect()
}

fn check_few(
    field: &str,
    selector: &str,
    ranked: &[Arc<BootConfiguration>],
    new: &BootConfiguration,
) -> Result<(), Rejection> {
    let others = ranked.iter().filter(|other| other.name != new.name).count();
    if others < CONFIGURATIONS_PER_SELECTOR_MAX {
        return Ok(());
    }
    let problem = format!(
        "{CONFIGURATIONS_PER_SELECTOR_MAX} boot configurations select {selector} already; disable or delete one first"
    );
    Err(Rejection::invalid(field, problem))
}
