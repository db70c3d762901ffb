//! What selects a node, found by indexes, and the same found by a look at one configuration.

use std::sync::Arc;

use model::{NodeSet, Xname};
use proto::bss::v1::BootConfiguration;
use proto::smd::v1::Component;
use proto::smd::v1::component::Arch;

use crate::State;
use crate::boot_choice::{BootChoice, BootClass, BootMatch, BootSource, choose};
use crate::bss::{ConfigurationIndex, nid_key, rank};

/// What selectors look at of a node.
#[derive(Clone, Debug, Default)]
pub struct BootNode<'a> {
    /// Its own names, as boot parameters are keyed: xname, MACs, `nid<N>`, and what it was asked for by.
    pub names: Vec<String>,
    /// Its xname, if SMD knows it.
    pub xname: Option<Xname>,
    /// Labels of its groups.
    pub groups: Vec<&'a str>,
    /// Its role; may be empty.
    pub role: &'a str,
    /// Its subrole; may be empty.
    pub sub_role: &'a str,
    /// Its architecture; `Unspecified` when nobody knows.
    pub arch: Arch,
    /// It is taken for a node of every architecture at once: to find out whether that matters.
    is_of_any_arch: bool,
}

impl<'a> BootNode<'a> {
    /// The node that was asked for as `asked` (a key of boot parameters), with what SMD knows of it. `said` is the
    /// architecture that the node claims; the inventory's counts where there is one.
    pub fn new(state: &'a State, asked: &str, component: Option<&'a Component>, said: Arch) -> BootNode<'a> {
        let mut node = BootNode {
            names: vec![asked.to_owned()],
            arch: said,
            ..BootNode::default()
        };
        let Some(component) = component else {
            return node;
        };
        node.xname = component.id.parse().ok();
        node.names.push(component.id.clone());
        node.names.extend(component.nid.map(nid_key));
        if let Some(xname) = &node.xname {
            let macs = state.smd.interfaces_of(xname);
            node.names
                .extend(macs.map(|interface| interface.mac_address.clone()));
            node.groups = state.smd.group_labels_of(xname).collect();
        }
        node.names.sort_unstable();
        node.names.dedup();
        (node.role, node.sub_role) = (&component.role, &component.sub_role);
        if matches!(component.arch(), Arch::X86 | Arch::Arm | Arch::Other) {
            node.arch = component.arch();
        }
        node
    }

    fn admits(&self, configuration: &BootConfiguration) -> bool {
        let is_meant = matches!(configuration.arch(), Arch::Unspecified) || configuration.arch() == self.arch;
        is_meant || self.is_of_any_arch
    }
}

impl State {
    /// What selects a node, each once, in the order in which it wins. `parameters` is the entry of BSS v1 that applies
    /// to it, which is one at most. No configuration that does not select the node is looked at, but for nodesets.
    pub fn boot_matches<'a>(
        &'a self,
        node: &'a BootNode<'a>,
        parameters: Option<BootMatch>,
    ) -> impl Iterator<Item = BootMatch> + use<'a> {
        let index = self.bss.configuration_index();
        let mut seen: Vec<BootSource> = Vec::new();
        BootClass::ALL.into_iter().flat_map(move |class| {
            let found = of_class(index, class, node, parameters.as_ref());
            let new = found.into_iter().filter(|found| {
                let is_new = !seen.iter().any(|seen| seen.is_same(&found.source));
                if is_new {
                    seen.push(found.source.clone());
                }
                is_new
            });
            let given = new.map(|found| self.as_node_gets_it(found, node));
            given.collect::<Vec<_>>()
        })
    }

    /// What a rollout has come to the node with counts instead of what the configuration says; and with the image that it names.
    fn as_node_gets_it(&self, found: BootMatch, node: &BootNode<'_>) -> BootMatch {
        let rollout = match (&found.source, &node.xname) {
            (BootSource::Configuration(configuration), Some(xname)) => {
                self.bss.rollout_of(configuration, xname)
            }
            _ => None,
        };
        let source = match (rollout, found.source) {
            (Some(rollout), BootSource::Configuration(configuration)) => {
                BootSource::Rollout(configuration, Arc::clone(rollout))
            }
            (_, source) => source,
        };
        let image = match source.image() {
            "" => None,
            name => self.boot_files.image(name),
        };
        BootMatch {
            class: found.class,
            source,
            image,
        }
    }

    /// Whether what the node boots depends on its architecture, which nobody knows: with one that is named a configuration
    /// may win that is for that one alone.
    pub fn depends_on_arch(&self, node: &BootNode<'_>, parameters: Option<BootMatch>) -> bool {
        if node.arch != Arch::Unspecified {
            return false;
        }
        let of_any = BootNode {
            is_of_any_arch: true,
            ..node.clone()
        };
        let names = |choice: Option<BootChoice>| {
            let parts = choice.iter().flat_map(BootChoice::parts);
            parts
                .map(|part| part.source.name().to_owned())
                .collect::<Vec<_>>()
        };
        let known = choose(self.boot_matches(node, parameters.clone()));
        names(known) != names(choose(self.boot_matches(&of_any, parameters)))
    }
}

/// The matches of one class, in order. One that matches in two ways is in it twice.
fn of_class(
    index: &ConfigurationIndex,
    class: BootClass,
    node: &BootNode<'_>,
    parameters: Option<&BootMatch>,
) -> Vec<BootMatch> {
    let mut found: Vec<&Arc<BootConfiguration>> = Vec::new();
    match class {
        BootClass::Own => found.extend(node.names.iter().flat_map(|name| index.of_name(name))),
        BootClass::NodeSet => found.extend(node.xname.iter().flat_map(|xname| index.of_node_set(xname))),
        BootClass::Group => found.extend(node.groups.iter().flat_map(|label| index.of_group(label))),
        BootClass::SubRole => found.extend(index.of_sub_role(node.sub_role)),
        BootClass::Role => found.extend(index.of_role(node.role)),
        BootClass::Default => found.extend(index.defaults()),
    }
    found.retain(|configuration| node.admits(configuration));
    found.sort_by(|one, other| rank(one).cmp(&rank(other)));
    let matched = |configuration: &Arc<BootConfiguration>| {
        BootMatch::without_image(class, BootSource::Configuration(Arc::clone(configuration)))
    };
    let mut matches: Vec<BootMatch> = found.into_iter().map(matched).collect();
    if let Some(parameters) = parameters.filter(|parameters| parameters.class == class) {
        let place = matches.partition_point(|other| other.order() < parameters.order());
        matches.insert(place, parameters.clone());
    }
    matches
}

/// A configuration whose selectors are read once, to be held against many nodes.
pub struct Selectors<'a> {
    configuration: &'a BootConfiguration,
    nids: Vec<String>,
    /// Those of the hosts that are no single node, as they are written and as they are read.
    sets: Vec<(&'a String, NodeSet)>,
}

impl<'a> Selectors<'a> {
    /// Those of `configuration`.
    pub fn of(configuration: &'a BootConfiguration) -> Selectors<'a> {
        let sets = configuration.hosts.iter().filter_map(|host| {
            let set = host.parse::<NodeSet>().ok()?;
            set.as_xname()
                .is_none_or(|only| !only.is_node())
                .then_some((host, set))
        });
        Selectors {
            configuration,
            nids: configuration.nids.iter().map(|nid| nid_key(*nid)).collect(),
            sets: sets.collect(),
        }
    }

    /// The closest class of a selector that names `node`, and that selector; `None` if none does.
    pub fn select(&self, node: &BootNode<'_>) -> Option<(BootClass, String)> {
        let BootConfiguration {
            hosts,
            macs,
            groups,
            roles,
            sub_roles,
            ..
        } = self.configuration;
        let is_own = |name: &&String| node.names.contains(name);
        if let Some(own) = hosts.iter().chain(macs).chain(&self.nids).find(is_own) {
            return Some((BootClass::Own, own.clone()));
        }
        let holds =
            |(_, set): &&(&String, NodeSet)| node.xname.as_ref().is_some_and(|xname| set.contains(xname));
        if let Some((host, _)) = self.sets.iter().find(holds) {
            return Some((BootClass::NodeSet, (*host).clone()));
        }
        if let Some(label) = groups.iter().find(|label| node.groups.contains(&label.as_str())) {
            return Some((BootClass::Group, format!("group {label}")));
        }
        if sub_roles.iter().any(|sub_role| sub_role == node.sub_role) {
            return Some((BootClass::SubRole, format!("subrole {}", node.sub_role)));
        }
        if roles.iter().any(|role| role == node.role) {
            return Some((BootClass::Role, format!("role {}", node.role)));
        }
        let is_default = self.configuration.is_default;
        is_default.then(|| (BootClass::Default, "every node".to_owned()))
    }
}

/// Whether and how a configuration selects a node, by looking at the configuration alone: the closest class, and the
/// selector for a person. What the index finds, said the slow way; disabled and architecture are not looked at.
pub fn selection(configuration: &BootConfiguration, node: &BootNode<'_>) -> Option<(BootClass, String)> {
    Selectors::of(configuration).select(node)
}
