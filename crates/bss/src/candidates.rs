//! Everything that could boot a node, and why it does or does not: for people.

use std::collections::BTreeSet;
use std::sync::Arc;

use proto::bss::v1::boot_candidate::{Class, Verdict};
use proto::bss::v1::{BootCandidate, BootConfiguration, BootParametersEntry};
use proto::smd::v1::Component;
use state::{BootChoice, BootClass, BootMatch, BootNode, BootSource, State};

use crate::loaders;
use crate::lookup::{self, Asked, DEFAULT_KEY};

/// Candidates that do not select the node and are listed all the same.
const NOT_SELECTED_MAX: usize = 1000;
/// Selectors of one kind that a reason names.
const SELECTORS_SHOWN_MAX: usize = 3;

/// The candidates of a node, in the order in which they win, and how many that do not select it are left out.
pub(crate) fn of(
    state: &State,
    asked: &Asked,
    component: Option<&Component>,
    node: &BootNode<'_>,
) -> (Vec<BootCandidate>, u64) {
    let parameters = lookup::parameters_of(state, asked, component);
    let matches: Vec<BootMatch> = state.boot_matches(node, parameters.clone()).collect();
    let mut candidates = Vec::new();
    if let Some(choice) = state::choose(matches.iter().cloned()) {
        candidates.extend(matches.iter().map(|found| judged(found, &choice, node)));
    }
    candidates.sort_by_key(|candidate| candidate.verdict);
    let own = lookup::own_entries_of(state, asked, component);
    candidates.extend(
        parameters
            .iter()
            .flat_map(|first| hidden(state, &own, first, node)),
    );
    let matched: BTreeSet<&str> = matches.iter().filter_map(configuration_name).collect();
    let others = state.bss.configurations();
    let others = others.filter(|other| !matched.contains(other.name.as_str()));
    let (mut unselected, mut left_out) = (Vec::new(), 0);
    for other in others {
        let candidate = kept_out(other, node);
        if candidate.verdict() == Verdict::Lost {
            candidates.push(candidate);
        } else if unselected.len() < NOT_SELECTED_MAX {
            unselected.push(candidate);
        } else {
            left_out += 1;
        }
    }
    candidates.extend(unselected);
    (candidates, left_out)
}

fn configuration_name(found: &BootMatch) -> Option<&str> {
    match &found.source {
        BootSource::Configuration(configuration) | BootSource::Rollout(configuration, _) => {
            Some(&configuration.name)
        }
        BootSource::Parameters(_) => None,
    }
}

/// A match, and what became of it.
fn judged(found: &BootMatch, choice: &BootChoice, node: &BootNode<'_>) -> BootCandidate {
    let place = choice.parts().position(|part| part == found);
    let (verdict, reason) = match place {
        Some(0) => (Verdict::Won, won(choice)),
        Some(place) => {
            let before = choice.parts().nth(place - 1);
            let before = before.map_or("the winner", |before| before.source.name());
            (
                Verdict::Merged,
                format!("{before} merges its parameters with the next match"),
            )
        }
        None => (Verdict::Lost, lost(found, choice)),
    };
    let reason = match &found.source {
        BootSource::Rollout(_, rollout) => format!(
            "{reason}; the rollout {} gives this node what is new",
            rollout.name
        ),
        BootSource::Configuration(_) | BootSource::Parameters(_) => reason,
    };
    candidate(
        &found.source,
        Some((found.class, selector(&found.source, node))),
        verdict,
        reason,
    )
}

fn won(choice: &BootChoice) -> String {
    let class = class_text(choice.winner.class);
    match choice.merged.last() {
        None => format!(
            "the first match: {class}, priority {}",
            choice.winner.source.priority()
        ),
        Some(_) => format!(
            "the first match: {class}, priority {}; it merges",
            choice.winner.source.priority()
        ),
    }
}

/// Why a match takes no part: it comes after the last one that does.
fn lost(found: &BootMatch, choice: &BootChoice) -> String {
    let last = choice.parts().last().unwrap_or(&choice.winner);
    let name = last.source.name();
    let is_bare = matches!(found.source, BootSource::Parameters(_)) && found.source.kernel().is_empty();
    if is_bare {
        return "boot parameters without a kernel count only where no boot configuration matches".to_owned();
    }
    if last.source.merges() {
        return format!("too many are merged already, up to {name}");
    }
    if found.class != last.class {
        return format!(
            "{} goes before {}: {name}",
            class_text(last.class),
            class_text(found.class)
        );
    }
    let (own, others) = (found.source.priority(), last.source.priority());
    if own != others {
        return format!("priority {own} is below the {others} of {name}");
    }
    match last.source {
        BootSource::Parameters(_) => format!("boot parameters win ties: {name}"),
        BootSource::Configuration(_) | BootSource::Rollout(..) => {
            format!("the same priority, and the name sorts after {name}")
        }
    }
}

/// Entries of BSS v1 that apply to the node too, after the first: of its other names, of its role, and `Default`.
fn hidden(
    state: &State,
    own: &[Arc<BootParametersEntry>],
    first: &BootMatch,
    node: &BootNode<'_>,
) -> Vec<BootCandidate> {
    let of_other_names = own.iter().filter(|entry| entry.key != first.source.name());
    let of_other_names = of_other_names.map(|entry| {
        let source = BootSource::Parameters(Arc::clone(entry));
        let reason = format!(
            "of the names of a node the xname goes first, then the one that is asked for, MACs, the NID; only the first with \
             boot parameters counts: {}",
            first.source.name()
        );
        let selector = selector(&source, node);
        candidate(&source, Some((BootClass::Own, selector)), Verdict::Lost, reason)
    });
    let later = [(BootClass::Role, node.role), (BootClass::Default, DEFAULT_KEY)];
    let later = later
        .into_iter()
        .filter(|(class, key)| *class > first.class && !key.is_empty());
    let later = later.filter_map(|(class, key)| {
        let source = BootSource::Parameters(state.bss.entry(key)?);
        let reason = format!(
            "of boot parameters only the first match counts: {}",
            first.source.name()
        );
        let selector = selector(&source, node);
        Some(candidate(&source, Some((class, selector)), Verdict::Lost, reason))
    });
    of_other_names.chain(later).collect()
}

/// A configuration that is no match: disabled, for another architecture, or not for this node.
fn kept_out(configuration: &Arc<BootConfiguration>, node: &BootNode<'_>) -> BootCandidate {
    let source = BootSource::Configuration(Arc::clone(configuration));
    match state::selection(configuration, node) {
        None => candidate(&source, None, Verdict::NotSelected, selectors(configuration)),
        Some(selected) if configuration.disabled => candidate(
            &source,
            Some(selected),
            Verdict::Lost,
            "it is disabled".to_owned(),
        ),
        Some(selected) => {
            let nodes = match loaders::name(node.arch) {
                "" => "of this node nobody knows it".to_owned(),
                arch => format!("this node is {arch}"),
            };
            let reason = format!(
                "only for the architecture {}; {nodes}",
                loaders::name(configuration.arch())
            );
            candidate(&source, Some(selected), Verdict::Lost, reason)
        }
    }
}

fn candidate(
    source: &BootSource,
    selected: Option<(BootClass, String)>,
    verdict: Verdict,
    reason: String,
) -> BootCandidate {
    let kind = match source {
        BootSource::Parameters(_) => "boot_parameters",
        BootSource::Configuration(_) | BootSource::Rollout(..) => "boot_configuration",
    };
    let (class, selector) = selected.map_or((Class::Unspecified, String::new()), |(class, selector)| {
        (class_of(class), selector)
    });
    BootCandidate {
        kind: kind.to_owned(),
        name: source.name().to_owned(),
        class: class.into(),
        selector,
        priority: source.priority(),
        verdict: verdict.into(),
        reason,
    }
}

/// The selector that names the node.
fn selector(source: &BootSource, node: &BootNode<'_>) -> String {
    match source {
        BootSource::Parameters(entry) => entry.key.clone(),
        BootSource::Configuration(configuration) | BootSource::Rollout(configuration, _) => {
            state::selection(configuration, node)
                .map(|(_, selector)| selector)
                .unwrap_or_default()
        }
    }
}

/// What a configuration selects, in a few words.
fn selectors(configuration: &BootConfiguration) -> String {
    let nids: Vec<String> = configuration.nids.iter().map(u64::to_string).collect();
    let lists = [
        ("hosts", &configuration.hosts),
        ("MACs", &configuration.macs),
        ("NIDs", &nids),
        ("groups", &configuration.groups),
        ("roles", &configuration.roles),
        ("subroles", &configuration.sub_roles),
    ];
    let shown = lists
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(kind, list)| {
            let first: Vec<&str> = list
                .iter()
                .take(SELECTORS_SHOWN_MAX)
                .map(String::as_str)
                .collect();
            let more = match list.len().saturating_sub(SELECTORS_SHOWN_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{kind} {}{more}", first.join(", "))
        });
    let shown: Vec<String> = shown.collect();
    format!("it selects {}", shown.join("; "))
}

fn class_of(class: BootClass) -> Class {
    match class {
        BootClass::Own => Class::Own,
        BootClass::NodeSet => Class::Nodeset,
        BootClass::Group => Class::Group,
        BootClass::SubRole => Class::SubRole,
        BootClass::Role => Class::Role,
        BootClass::Default => Class::Default,
    }
}

fn class_text(class: BootClass) -> &'static str {
    match class {
        BootClass::Own => "own name",
        BootClass::NodeSet => "nodeset",
        BootClass::Group => "group",
        BootClass::SubRole => "subrole",
        BootClass::Role => "role",
        BootClass::Default => "default",
    }
}
