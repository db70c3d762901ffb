//! A boot configuration in the one way it is stored, or why it is refused.

use std::collections::BTreeSet;

use model::{GroupLabel, ImageName, MacAddr, NodeSet, Rejection, canonical_role, canonical_sub_role};
use proto::bss::v1::BootConfiguration;
use proto::smd::v1::component::Arch;

use super::script_text::{check_params, check_url};
use crate::bounds::{
    BOOT_CONFIGURATION_NAME_BYTES_MAX, BOOT_PRIORITY_DEFAULT, BOOT_PRIORITY_MAX, DESCRIPTION_BYTES_MAX,
    SELECTORS_PER_CONFIGURATION_MAX, check_count, check_text,
};
use crate::selectors::{self, parsed, role, sorted};

/// The configuration as it is stored: selectors in normal form, sorted, each once; the priority said. Its meta is not
/// the client's to give.
///
/// # Errors
/// `Invalid` with the field.
pub fn normalise_boot_configuration(given: &BootConfiguration) -> Result<BootConfiguration, Rejection> {
    check_configuration_name(&given.name)?;
    check_text("description", &given.description, DESCRIPTION_BYTES_MAX)?;
    let configuration = BootConfiguration {
        hosts: sorted(hosts(&given.hosts)?),
        macs: selectors("macs", &given.macs, |mac| {
            Ok(parsed::<MacAddr>("macs", mac)?.to_string())
        })?,
        nids: nids(&given.nids)?,
        groups: selectors("groups", &given.groups, |label| {
            Ok(parsed::<GroupLabel>("groups", label)?.to_string())
        })?,
        roles: selectors("roles", &given.roles, |text| role("roles", text, canonical_role))?,
        sub_roles: selectors("sub_roles", &given.sub_roles, |text| {
            role("sub_roles", text, canonical_sub_role)
        })?,
        priority: Some(checked_priority(given.priority)?),
        meta: None,
        ..given.clone()
    };
    check_arch(configuration.arch)?;
    check_selects(&configuration)?;
    check_booted(&configuration)?;
    Ok(configuration)
}

/// The nodesets of a host; a list is taken apart.
fn hosts(given: &[String]) -> Result<Vec<String>, Rejection> {
    check_count("hosts", given.len(), SELECTORS_PER_CONFIGURATION_MAX)?;
    let mut hosts = Vec::new();
    for text in given {
        let sets = NodeSet::list(text).map_err(|problem| Rejection::invalid("hosts", problem))?;
        for set in sets {
            check_has_nodes(&set)?;
            hosts.push(set.to_string());
        }
    }
    check_count("hosts", hosts.len(), SELECTORS_PER_CONFIGURATION_MAX)?;
    Ok(hosts)
}

/// Nodes, or places that nodes are in.
fn check_has_nodes(set: &NodeSet) -> Result<(), Rejection> {
    use model::HmsType::{Cabinet, Chassis, ComputeModule, NodeBmc};
    let lowest = set.lowest();
    if lowest.is_node() || matches!(lowest.hms_type(), Cabinet | Chassis | ComputeModule | NodeBmc) {
        return Ok(());
    }
    let problem = format!(
        "no node is in {set}: {lowest} is a {}; write e.g. x1000c0s0b0n0, x1000c0 or x[1000-1003]c*s*b0n0",
        lowest.hms_type()
    );
    Err(Rejection::invalid("hosts", problem))
}

fn selectors(
    field: &str,
    given: &[String],
    normal: impl Fn(&String) -> Result<String, Rejection>,
) -> Result<Vec<String>, Rejection> {
    selectors::normalised(field, given, SELECTORS_PER_CONFIGURATION_MAX, normal)
}

fn nids(given: &[u64]) -> Result<Vec<u64>, Rejection> {
    check_count("nids", given.len(), SELECTORS_PER_CONFIGURATION_MAX)?;
    let sorted: BTreeSet<u64> = given.iter().copied().collect();
    Ok(sorted.into_iter().collect())
}

pub(super) fn check_configuration_name(name: &str) -> Result<(), Rejection> {
    selectors::check_object_name(name, BOOT_CONFIGURATION_NAME_BYTES_MAX)
}

fn checked_priority(given: Option<u32>) -> Result<u32, Rejection> {
    match given.unwrap_or(BOOT_PRIORITY_DEFAULT) {
        priority if priority <= BOOT_PRIORITY_MAX => Ok(priority),
        priority => {
            let problem = format!("{priority} is given; write 0 to {BOOT_PRIORITY_MAX}");
            Err(Rejection::invalid("priority", problem))
        }
    }
}

fn check_arch(number: i32) -> Result<(), Rejection> {
    match Arch::try_from(number) {
        Ok(Arch::Unspecified | Arch::X86 | Arch::Arm | Arch::Other) => Ok(()),
        Ok(Arch::Unknown) | Err(_) => Err(Rejection::invalid(
            "arch",
            "write X86, ARM or Other, or leave it out for nodes of every architecture",
        )),
    }
}

/// One that selects nothing would never be noticed.
fn check_selects(configuration: &BootConfiguration) -> Result<(), Rejection> {
    let BootConfiguration {
        hosts,
        macs,
        nids,
        groups,
        roles,
        sub_roles,
        is_default,
        ..
    } = configuration;
    let texts = [hosts, macs, groups, roles, sub_roles];
    if *is_default || !nids.is_empty() || texts.iter().any(|list| !list.is_empty()) {
        return Ok(());
    }
    Err(Rejection::invalid(
        "hosts",
        "the configuration selects no node; name hosts, macs, nids, groups, roles or sub_roles, or set is_default",
    ))
}

/// What is booted: an image, a kernel with or without an initrd, or what the next match boots.
fn check_booted(configuration: &BootConfiguration) -> Result<(), Rejection> {
    let BootConfiguration {
        image,
        kernel,
        initrd,
        params,
        merge_params,
        ..
    } = configuration;
    check_params(params)?;
    if !image.is_empty() {
        return check_image_name(image, kernel.is_empty() && initrd.is_empty());
    }
    match (kernel.is_empty(), initrd.is_empty()) {
        (true, _) if !merge_params => {
            let problem =
                "it is missing, and so is an image; only with merge_params that of the next match is taken";
            return Err(Rejection::invalid("kernel", problem));
        }
        (true, false) => {
            let problem = "an initrd belongs to a kernel; give both, or none to take those of the next match";
            return Err(Rejection::invalid("initrd", problem));
        }
        (true, true) => {}
        (false, _) => check_url("kernel", kernel)?,
    }
    match initrd.as_str() {
        "" => Ok(()),
        initrd => check_url("initrd", initrd),
    }
}

fn check_image_name(image: &str, alone: bool) -> Result<(), Rejection> {
    if !alone {
        let problem = format!(
            "the image {image} stands for its kernel and initrd; give either an image, or kernel and initrd"
        );
        return Err(Rejection::invalid("image", problem));
    }
    let name = image.parse::<ImageName>();
    name.map(drop)
        .map_err(|problem| Rejection::invalid("image", problem))
}
