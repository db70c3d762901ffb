//! Whether nodes that a boot configuration selects can ever ask for their script: firmware fetches a boot loader first.

use model::Xname;
use proto::bss::v1::BootConfiguration;
use proto::smd::v1::component::Arch;
use rpc::Error;
use state::{BootNode, Selectors, State};

use crate::Config;

/// Refuses a configuration that selects a node whose architecture has no boot loader here.
///
/// # Errors
/// `Invalid` naming the node, its architecture and what to do.
pub(crate) fn check(state: &State, configuration: &BootConfiguration, config: &Config) -> Result<(), Error> {
    let Some(served) = config
        .architectures
        .as_deref()
        .filter(|_| !configuration.disabled)
    else {
        return Ok(());
    };
    let selectors = Selectors::of(configuration);
    let is_wanted =
        |arch: Arch| matches!(configuration.arch(), Arch::Unspecified) || configuration.arch() == arch;
    let components = state.smd.components();
    let unserved = components.filter(|component| {
        let arch = component.arch();
        matches!(arch, Arch::X86 | Arch::Arm) && !served.contains(&arch) && is_wanted(arch)
    });
    for component in unserved.filter(|component| component.id.parse::<Xname>().is_ok_and(|id| id.is_node())) {
        let node = BootNode::new(state, &component.id, Some(component), Arch::Unspecified);
        if selectors.select(&node).is_some() {
            let arch = name(component.arch());
            let problem = format!(
                "{} is {arch}, and this member has no boot loader for {arch}: it would never ask for its script; \
                 put the loader into `dhcp.loaders-dir`, or select other nodes",
                component.id
            );
            return Err(rpc::invalid("arch", problem));
        }
    }
    Ok(())
}

/// SMD's word for an architecture; empty when nobody knows.
pub(crate) fn name(arch: Arch) -> &'static str {
    match arch {
        Arch::X86 => "X86",
        Arch::Arm => "ARM",
        Arch::Other => "Other",
        Arch::Unknown | Arch::Unspecified => "",
    }
}
