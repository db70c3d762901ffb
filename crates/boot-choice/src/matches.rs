//! What selects a node, found by indexes, and what it boots of that.

use std::sync::Arc;

use proto::bss::v1::BootConfiguration;
use proto::smd::v1::component::Arch;

use crate::selectors::rank;
use crate::{BootChoice, BootClass, BootData, BootMatch, BootNode, BootSource, ConfigurationIndex, choose};

/// What a node boots. `parameters` is the entry of BSS v1 that applies to it, which is one at most; `node` is only asked for where
/// there are boot configurations.
pub fn choice_of<'a>(
    data: &impl BootData,
    parameters: Option<BootMatch>,
    node: impl FnOnce() -> BootNode<'a>,
) -> Option<BootChoice> {
    if data.configurations().is_empty() {
        return choose(parameters.into_iter());
    }
    choose(matches(data, &node(), parameters))
}

/// What selects a node, each once, in the order in which it wins. `parameters` is the entry of BSS v1 that applies
/// to it, which is one at most. No configuration that does not select the node is looked at, but for nodesets.
pub fn matches<'a, D: BootData>(
    data: &'a D,
    node: &'a BootNode<'a>,
    parameters: Option<BootMatch>,
) -> impl Iterator<Item = BootMatch> + use<'a, D> {
    let index = data.configurations();
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
        let given = new.map(|found| as_node_gets_it(data, found, node));
        given.collect::<Vec<_>>()
    })
}

/// What a rollout has come to the node with counts instead of what the configuration says; and with the image that it names.
fn as_node_gets_it(data: &impl BootData, found: BootMatch, node: &BootNode<'_>) -> BootMatch {
    let rollout = match (&found.source, &node.xname) {
        (BootSource::Configuration(configuration), Some(xname)) => data.rollout(configuration, xname),
        _ => None,
    };
    let source = match (rollout, found.source) {
        (Some(rollout), BootSource::Configuration(configuration)) => {
            BootSource::Rollout(configuration, rollout)
        }
        (_, source) => source,
    };
    let image = match source.image() {
        "" => None,
        name => data.image(name),
    };
    BootMatch {
        class: found.class,
        source,
        image,
    }
}

/// Whether what the node boots depends on its architecture, which nobody knows: with one that is named a configuration
/// may win that is for that one alone.
pub fn depends_on_arch(data: &impl BootData, node: &BootNode<'_>, parameters: Option<BootMatch>) -> bool {
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
    let known = choose(matches(data, node, parameters.clone()));
    names(known) != names(choose(matches(data, &of_any, parameters)))
}

fn admits(node: &BootNode<'_>, configuration: &BootConfiguration) -> bool {
    let is_meant = matches!(configuration.arch(), Arch::Unspecified) || configuration.arch() == node.arch;
    is_meant || node.is_of_any_arch
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
    found.retain(|configuration| admits(node, configuration));
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
