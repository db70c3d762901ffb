//! What BSS knows of a boot while it goes on: that a node has its script, and which of its files it fetches.

use model::Xname;
use proto::bss::v1::boot_phase::Phase;
use proto::smd::v1::component::Arch;
use rpc::{Caller, Identity};
use state::State;
use timeline::{Seen, Timeline};

use crate::answer::{Found, Terms};
use crate::lookup::{self, Asked};

/// Notes that a node has its script. That of an unknown node is no boot, an administrator may look at any, and a node that
/// asks for another's script must not make that one's history.
pub(crate) fn script(
    timeline: &Timeline,
    caller: &Caller,
    state: &State,
    found: &Found,
    terms: &Terms<'_>,
    bytes: usize,
) {
    let caller = match &caller.identity {
        Identity::Node { address } => timeline::node_at(state, *address),
        _ => None,
    };
    let known = found.component.as_ref().filter(|_| found.is_bootable());
    let own = known
        .zip(caller)
        .filter(|(component, caller)| component.id == caller.as_str());
    if let Some((_, node)) = own {
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
    let booted = choice.booted();
    if booted.kernel().ends_with(path) {
        return Some(Phase::Kernel);
    }
    booted.initrd().ends_with(path).then_some(Phase::Initrd)
}
