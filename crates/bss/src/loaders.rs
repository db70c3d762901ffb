//! Whether nodes that a boot configuration selects can ever boot it: firmware fetches a boot loader first, and an image is for one
//! architecture.

use model::Xname;
use proto::boot_file::v1::Image;
use proto::bss::v1::BootConfiguration;
use proto::smd::v1::Component;
use proto::smd::v1::component::Arch;
use rpc::Error;
use state::{Selectors, State};

use crate::Config;

/// Refuses a configuration that selects a node whose architecture has no boot loader here, or is not that of its image.
///
/// # Errors
/// `Invalid` naming the node, its architecture and what to do.
pub(crate) fn check(state: &State, configuration: &BootConfiguration, config: &Config) -> Result<(), Error> {
    if configuration.disabled {
        return Ok(());
    }
    let image = match configuration.image.as_str() {
        "" => None,
        name => state.boot_files.image(name),
    };
    if config.architectures.is_none() && image.is_none() {
        return Ok(());
    }
    let served = config.architectures.as_deref();
    let has_loader = |arch: Arch| served.is_none_or(|served| served.contains(&arch));
    let fits = |arch: Arch| image.as_ref().is_none_or(|image| state::image_fits(image, arch));
    let selectors = Selectors::of(configuration);
    let is_wanted =
        |arch: Arch| matches!(configuration.arch(), Arch::Unspecified) || configuration.arch() == arch;
    let components = state.smd.components();
    let unserved = components.filter(|component| {
        let arch = component.arch();
        let is_lost = matches!(arch, Arch::X86 | Arch::Arm) && !has_loader(arch);
        is_wanted(arch) && (is_lost || !fits(arch))
    });
    for component in unserved.filter(|component| component.id.parse::<Xname>().is_ok_and(|id| id.is_node())) {
        let node = state.boot_node(&component.id, Some(component), Arch::Unspecified);
        if selectors.select(&node).is_some() {
            return Err(match image.as_ref().filter(|_| !fits(component.arch())) {
                Some(image) => another_architecture(component, image),
                None => no_loader(component),
            });
        }
    }
    Ok(())
}

fn another_architecture(component: &Component, image: &Image) -> Error {
    let problem = format!(
        "{} is {}, and the image {} is for {}; set `arch`, or select other nodes",
        component.id,
        name(component.arch()),
        image.name,
        image.arch
    );
    rpc::invalid("image", problem)
}

fn no_loader(component: &Component) -> Error {
    let arch = name(component.arch());
    let problem = format!(
        "{} is {arch}, and this member has no boot loader for {arch}: it would never ask for its script; \
         put the loader into `dhcp.loaders-dir`, or select other nodes",
        component.id
    );
    rpc::invalid("arch", problem)
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
