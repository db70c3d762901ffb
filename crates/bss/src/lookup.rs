//! What a node boots: pure look-ups in the state. Boot parameters come in the order of BSS; among them and the boot
//! configurations `boot_choice::choose` decides.

use std::sync::Arc;

use model::{MacAddr, Xname};
use proto::bss::v1::BootParametersEntry;
use proto::smd::v1::Component;
use proto::smd::v1::component::Arch;
use state::bss::nid_key;
use state::{BootChoice, BootMatch, BootSource, State};

pub(crate) use state::bss::DEFAULT_KEY;
/// Begins the key of the entry for unknown nodes of one architecture.
pub(crate) const UNKNOWN_PREFIX: &str = "Unknown-";

/// How a node is named in a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// By a MAC of its own.
    Mac(MacAddr),
    /// By xname; any other text is only ever a key.
    Name(String),
    /// By NID.
    Nid(u64),
}

impl Asked {
    /// The key of an entry that is stored for just this name.
    pub(crate) fn key(&self) -> String {
        match self {
            Asked::Mac(mac) => mac.to_string(),
            Asked::Name(name) => name.clone(),
            Asked::Nid(nid) => nid_key(*nid),
        }
    }

    /// The node that is meant, if SMD knows it. A node whose place is empty is not there.
    pub(crate) fn component(&self, state: &State) -> Option<Arc<Component>> {
        let component = match self {
            Asked::Mac(mac) => state
                .smd
                .component(&state.smd.interface(mac)?.component_id.parse().ok()?),
            Asked::Name(name) => state.smd.component(&name.parse().ok()?),
            Asked::Nid(nid) => state.smd.component_by_nid(*nid),
        }?;
        state::is_there(&component).then_some(component)
    }
}

/// What a node says of its architecture, by iPXE's `${buildarch}`, as SMD has it; `Unspecified` when it says nothing.
pub(crate) fn arch_of(said: &str) -> Arch {
    match said {
        "" => Arch::Unspecified,
        "x86_64" | "i386" => Arch::X86,
        "arm64" | "arm32" | "aarch64" => Arch::Arm,
        _ => Arch::Other,
    }
}

/// MACs of a node's interfaces, sorted.
pub(crate) fn macs_of(state: &State, component: &Component) -> Vec<MacAddr> {
    let Ok(id) = component.id.parse::<Xname>() else {
        return Vec::new();
    };
    state
        .smd
        .interfaces_of(&id)
        .filter_map(|interface| interface.mac_address.parse().ok())
        .collect()
}

/// What a node boots. `said` is the architecture that it claims.
pub(crate) fn choice_of(
    state: &State,
    asked: &Asked,
    component: Option<&Component>,
    said: Arch,
) -> Option<BootChoice> {
    state.boot_choice(&asked.key(), component, said)
}

/// Whether what a node boots depends on its architecture, which neither the inventory nor the node has told.
pub(crate) fn depends_on_arch(state: &State, asked: &Asked, component: &Component, said: Arch) -> bool {
    if said != Arch::Unspecified
        || !is_unknown(component.arch())
        || state.bss.configurations().next().is_none()
    {
        return false;
    }
    let node = state.boot_node(&asked.key(), Some(component), said);
    state.depends_on_arch(&node, parameters_of(state, asked, Some(component)))
}

/// Whether the inventory does not say.
pub(crate) fn is_unknown(arch: Arch) -> bool {
    !matches!(arch, Arch::X86 | Arch::Arm | Arch::Other)
}

/// The boot parameters of a node. First hit wins whole, nothing is merged: its own (see [`own_entry_of`]), its role's,
/// `Default`.
pub(crate) fn parameters_of(
    state: &State,
    asked: &Asked,
    component: Option<&Component>,
) -> Option<BootMatch> {
    state.boot_parameters(&asked.key(), component)
}

/// The same as the entry that it is: what BSS's own cloud-init data are taken from.
pub(crate) fn entry_of(
    state: &State,
    asked: &Asked,
    component: Option<&Component>,
) -> Option<Arc<BootParametersEntry>> {
    match parameters_of(state, asked, component)?.source {
        BootSource::Parameters(entry) => Some(entry),
        BootSource::Configuration(_) | BootSource::Rollout(..) => None,
    }
}

/// The entry that a node has for itself, in the order of [`State::boot_names`]: a node may become known later than its parameters,
/// and must then be found however it is asked for.
pub(crate) fn own_entry_of(
    state: &State,
    asked: &Asked,
    component: Option<&Component>,
) -> Option<Arc<BootParametersEntry>> {
    let mut names = state.boot_names(&asked.key(), component);
    names.find_map(|name| state.bss.entry(&name))
}

/// The key that a change of `asked` means: that of the entry it has for itself, else its xname, else its name.
pub(crate) fn home_key(state: &State, asked: &Asked) -> String {
    let component = asked.component(state);
    let entry = own_entry_of(state, asked, component.as_deref());
    entry
        .map(|entry| entry.key.clone())
        .or_else(|| component.map(|component| component.id.clone()))
        .unwrap_or_else(|| asked.key())
}

/// The entries that a node has for itself under any of its names, each once, in the order of [`own_entry_of`], which takes the
/// first.
pub(crate) fn own_entries_of(
    state: &State,
    asked: &Asked,
    component: Option<&Component>,
) -> Vec<Arc<BootParametersEntry>> {
    let names = state.boot_names(&asked.key(), component);
    let mut entries: Vec<Arc<BootParametersEntry>> = Vec::new();
    for entry in names.filter_map(|name| state.bss.entry(&name)) {
        if !entries.iter().any(|known| known.key == entry.key) {
            entries.push(entry);
        }
    }
    entries
}

/// The entry for unknown nodes of `arch`.
pub(crate) fn entry_of_unknown(state: &State, arch: &str) -> Option<Arc<BootParametersEntry>> {
    state.bss.entry(&format!("{UNKNOWN_PREFIX}{arch}"))
}
