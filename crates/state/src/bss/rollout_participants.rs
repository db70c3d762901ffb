//! Who takes part in a rollout.

use std::collections::BTreeSet;

use boot_choice::{BootChoice, image_fits};
use model::{GroupLabel, NodeSet, Rejection, Xname};
use proto::bss::v1::BootRollout;
use proto::smd::v1::Component;
use proto::smd::v1::component::Arch;

use crate::State;
use crate::bounds::{NODE_SETS_MAX, ROLLOUT_NODES_MAX, check_count};
use crate::cluster::FEATURE_LEVEL_CONFIGURATOR;

impl State {
    /// Those of the nodes that `rollout` names which boot its configuration now: what a node does not boot could change
    /// nothing for it.
    ///
    /// # Errors
    /// `Invalid` for a group and hosts at once, or none of both, for names that are none, and for an image that does not fit a node;
    /// `NotFound` for the group.
    pub(crate) fn participants(&self, rollout: Option<&BootRollout>) -> Result<Vec<String>, Rejection> {
        let rollout = rollout.ok_or_else(|| Rejection::invalid("rollout", "it is missing"))?;
        let named = match (rollout.group.is_empty(), rollout.hosts.is_empty()) {
            (false, true) => self.members_of(&rollout.group)?,
            (true, false) => self.nodes_of(&rollout.hosts)?,
            (true, true) => return Err(Rejection::invalid("group", "name a group, or hosts")),
            (false, false) => return Err(Rejection::invalid("hosts", "name a group or hosts, not both")),
        };
        let boots_it = |node: &Xname| self.boots(node, &rollout.configuration);
        let boot: Vec<Xname> = named.into_iter().filter(boots_it).collect();
        self.check_image_fits(rollout, &boot)?;
        Ok(boot.iter().map(Xname::to_string).collect())
    }

    fn members_of(&self, label: &str) -> Result<BTreeSet<Xname>, Rejection> {
        let label: GroupLabel = label.parse().map_err(|e| Rejection::invalid("group", e))?;
        let group = self.smd.group(label.as_str());
        let group = group.ok_or_else(|| Rejection::not_found("group", label.as_str()))?;
        let members = group.members.as_ref().map_or(&[][..], |members| &members.ids);
        Ok(members.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// A place that is a node is looked up; only sets are held against the inventory.
    fn nodes_of(&self, hosts: &[String]) -> Result<BTreeSet<Xname>, Rejection> {
        check_count("hosts", hosts.len(), ROLLOUT_NODES_MAX)?;
        let (mut nodes, mut sets) = (BTreeSet::new(), Vec::new());
        for host in hosts {
            for set in NodeSet::list(host).map_err(|e| Rejection::invalid("hosts", e))? {
                match set.as_xname().filter(|xname| xname.is_node()) {
                    Some(node) => drop(nodes.insert(node.clone())),
                    None => sets.push(set),
                }
            }
        }
        check_count("hosts", sets.len(), NODE_SETS_MAX)?;
        if !sets.is_empty() {
            let all = self
                .smd
                .components()
                .filter_map(|component| component.id.parse::<Xname>().ok());
            nodes.extend(all.filter(|id| sets.iter().any(|set| set.contains(id))));
        }
        Ok(nodes)
    }

    /// Whether a node of the inventory boots this configuration, alone or merged.
    fn boots(&self, node: &Xname, configuration: &str) -> bool {
        let Some(component) = self.smd.component(node).filter(|_| node.is_node()) else {
            return false;
        };
        let choice = self.choice_of_participant(node, &component);
        choice.is_some_and(|choice| {
            choice
                .parts()
                .any(|part| part.source.is_configuration(configuration))
        })
    }

    /// Below this level members take the first of a node's own entries in the order of texts, a MAC's before the xname's, unlike
    /// scripts; all members of a cluster must find the same participants.
    fn choice_of_participant(&self, node: &Xname, component: &Component) -> Option<BootChoice> {
        if self.feature_level() >= FEATURE_LEVEL_CONFIGURATOR {
            return self.boot_choice(node.as_str(), Some(component), Arch::Unspecified);
        }
        let names: BTreeSet<String> = self.boot_names(node.as_str(), Some(component)).collect();
        let parameters = boot_choice::parameters_of(self, names, &component.role);
        let boot_node = || self.boot_node(node.as_str(), Some(component), Arch::Unspecified);
        boot_choice::choice_of(self, parameters, boot_node)
    }

    /// An image for another architecture boots nowhere, and would only be noticed by nodes that fail.
    fn check_image_fits(&self, rollout: &BootRollout, nodes: &[Xname]) -> Result<(), Rejection> {
        let Some(image) = self.boot_files.image(&rollout.image) else {
            return Ok(());
        };
        let arch = |node: &Xname| {
            self.smd
                .component(node)
                .map_or(Arch::Unspecified, |node| node.arch())
        };
        match nodes.iter().find(|node| !image_fits(&image, arch(node))) {
            None => Ok(()),
            Some(node) => {
                let problem = format!(
                    "the image {} is for {}, and {node} is not; name another image, or leave the node out",
                    image.name, image.arch
                );
                Err(Rejection::invalid("image", problem))
            }
        }
    }
}
