//! What BSS knows of a boot while it goes on: that a node has its script, and which of its files it fetches.

use model::Xname;
use proto::bss::v1::boot_phase::Phase;
use proto::smd::v1::component::Arch;
use rpc::{Caller, Identity};
use state::State;
use timeline::{Seen, Timeline};

use crate::answer::{Found, Terms};
use crate::lookup::{self, Asked};

/// Notes that a node has its script. That of an unknown node is no boot, and an administrator may look at any.
pub(crate) fn script(timeline: &Timeline, caller: &Caller, found: &Found, terms: &Terms<'_>, bytes: usize) {
    let is_node = matches!(caller.identity, Identity::Node { .. });
    let known = found
        .component
        .as_ref()
        .filter(|_| is_node && found.is_bootable());
    if let Some(node) = known.and_then(|component| component.id.parse().ok()) {
        timeline.note(Seen {
            node,
            boot_id: Some(terms.context.boot_id),
            phase: Phase::Script,
            bytes: bytes as u64,
            revision: terms.context.revision,
        });
    }
}

/// What the file at the path of a URL is to a node: its kernel, its initrd, or nothing that it boots with.
pub fn phase_of_file(state: &State, node: &Xname, path: &str) -> Option<Phase> {
    let component = state.smd.component(node);
    let asked = Asked::Name(node.to_string());
    let choice = lookup::choice_of(state, &asked, component.as_deref(), Arch::Unspecified)?;
    let image = choice.image();
    if image.kernel().ends_with(path) {
        return Some(Phase::Kernel);
    }
    image.initrd().ends_with(path).then_some(Phase::Initrd)
}
