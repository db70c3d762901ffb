//! What boot-service's clients see of boot configurations and nodes, and what they mean by it. Pure.

use model::{NodeState, Xname};
use proto::bss::v1::{
    BootConfiguration, BootConfigurationResource, BootConfigurationSpec, BootConfigurationSpecPatch,
    NodeInterface, NodeResource, NodeSpec, NodeStatus, ResourceMetadata,
};
use proto::http::v1::{Change, ObjectMeta};
use proto::smd::v1::Component;
use proto::smd::v1::component::Arch;
use rpc::Error;
use state::State;

use crate::lookup::{self, Asked};

/// What boot-service says of its API.
pub(crate) const API_VERSION: &str = "v1";
/// The host that stands for every node, and another word for it.
const EVERY_NODE: [&str; 2] = ["default", "*"];
/// The profile that everything is in.
const PROFILE: &str = "default";

/// A boot configuration in its envelope.
pub(crate) fn shown(configuration: BootConfiguration) -> BootConfigurationResource {
    BootConfigurationResource {
        api_version: API_VERSION.to_owned(),
        kind: "BootConfiguration".to_owned(),
        metadata: Some(metadata(&configuration.name, configuration.meta.as_ref())),
        spec: Some(spec_of(&configuration)),
        meta: configuration.meta,
    }
}

/// Name and uid are the same here; the times are those of `meta`.
pub(crate) fn metadata(name: &str, meta: Option<&ObjectMeta>) -> ResourceMetadata {
    let time = |change: Option<&Change>| {
        change
            .map(|change| state::time_text(change.at_ms))
            .unwrap_or_default()
    };
    ResourceMetadata {
        name: name.to_owned(),
        uid: name.to_owned(),
        created_at: time(meta.and_then(|meta| meta.created.as_ref())),
        updated_at: time(meta.and_then(|meta| meta.modified.as_ref())),
    }
}

/// What a spec can say of a configuration.
pub(crate) fn spec_of(configuration: &BootConfiguration) -> BootConfigurationSpec {
    let mut hosts = configuration.hosts.clone();
    hosts.extend(configuration.is_default.then(|| EVERY_NODE[0].to_owned()));
    let nids = configuration.nids.iter();
    BootConfigurationSpec {
        hosts,
        macs: configuration.macs.clone(),
        nids: nids.filter_map(|nid| i32::try_from(*nid).ok()).collect(),
        groups: configuration.groups.clone(),
        profile: String::new(),
        kernel: configuration.kernel.clone(),
        initrd: configuration.initrd.clone(),
        params: configuration.params.clone(),
        priority: i32::try_from(state::bss::priority(configuration)).ok(),
        image: configuration.image.clone(),
    }
}

/// `configuration` as `spec` has it; what a spec cannot say stays.
///
/// # Errors
/// `Invalid` for a profile, and for numbers below zero.
pub(crate) fn with_spec(
    configuration: BootConfiguration,
    spec: BootConfigurationSpec,
) -> Result<BootConfiguration, Error> {
    if !spec.profile.is_empty() && spec.profile != PROFILE {
        let problem =
            format!("there are no profiles of boot configurations; leave it out, or write {PROFILE}");
        return Err(rpc::invalid("spec.profile", problem));
    }
    let is_every_node = |host: &String| EVERY_NODE.iter().any(|word| host.eq_ignore_ascii_case(word));
    let (every, hosts): (Vec<String>, Vec<String>) = spec.hosts.into_iter().partition(is_every_node);
    let nid =
        |nid: &i32| u64::try_from(*nid).map_err(|_| rpc::invalid("spec.nids", format!("{nid} is negative")));
    let priority = spec.priority.map(u32::try_from).transpose();
    let mut nids: Vec<u64> = spec.nids.iter().map(nid).collect::<Result<_, _>>()?;
    nids.extend(
        configuration
            .nids
            .iter()
            .filter(|nid| i32::try_from(**nid).is_err()),
    );
    Ok(BootConfiguration {
        hosts,
        is_default: !every.is_empty(),
        macs: spec.macs,
        nids,
        groups: spec.groups,
        kernel: spec.kernel,
        initrd: spec.initrd,
        params: spec.params,
        image: spec.image,
        priority: priority.map_err(|_| rpc::invalid("spec.priority", "it is negative"))?,
        ..configuration
    })
}

/// The spec after a merge patch.
pub(crate) fn patched(
    before: BootConfigurationSpec,
    patch: BootConfigurationSpecPatch,
) -> BootConfigurationSpec {
    fn list<T>(replace: bool, given: Vec<T>, before: Vec<T>) -> Vec<T> {
        if replace || !given.is_empty() {
            given
        } else {
            before
        }
    }
    BootConfigurationSpec {
        hosts: list(patch.replace_hosts, patch.hosts, before.hosts),
        macs: list(patch.replace_macs, patch.macs, before.macs),
        nids: list(patch.replace_nids, patch.nids, before.nids),
        groups: list(patch.replace_groups, patch.groups, before.groups),
        profile: patch.profile,
        kernel: patch.kernel.unwrap_or(before.kernel),
        initrd: patch.initrd.unwrap_or(before.initrd),
        params: patch.params.unwrap_or(before.params),
        priority: patch.priority.or(before.priority),
        image: patch.image.unwrap_or(before.image),
    }
}

/// SMD's nodes, sorted by xname.
pub(crate) fn nodes(state: &State) -> impl Iterator<Item = NodeResource> + '_ {
    state
        .smd
        .components()
        .filter_map(|component| node(state, component))
}

/// A node in its envelope; `None` for another component.
pub(crate) fn node(state: &State, component: &Component) -> Option<NodeResource> {
    let xname: Xname = component.id.parse().ok().filter(Xname::is_node)?;
    let interfaces = state.smd.interfaces_of(&xname);
    let interfaces: Vec<NodeInterface> = interfaces
        .map(|interface| NodeInterface {
            mac: interface.mac_address.clone(),
            ip: interface
                .ip_addresses
                .first()
                .map(|first| first.ip_address.clone())
                .unwrap_or_default(),
            r#type: interface.r#type.clone(),
        })
        .collect();
    let spec = NodeSpec {
        xname: component.id.clone(),
        nid: component.nid.unwrap_or_default(),
        boot_mac: interfaces
            .first()
            .map(|first| first.mac.clone())
            .unwrap_or_default(),
        role: component.role.clone(),
        sub_role: component.sub_role.clone(),
        hostname: state.hostname(&xname),
        interfaces,
        groups: state.smd.group_labels_of(&xname).map(str::to_owned).collect(),
    };
    let asked = Asked::Name(component.id.clone());
    let choice = lookup::choice_of(state, &asked, Some(component), Arch::Unspecified);
    let records = state.bss.boot_records(&xname);
    let phoned_home = records.iter().find(|record| record.phoned_home_at_ms > 0);
    let phoned_home = phoned_home.map(|record| state::time_text(record.phoned_home_at_ms));
    let power = NodeState::ALL
        .into_iter()
        .find(|power| *power as i32 == component.state);
    let status = NodeStatus {
        last_boot: phoned_home.unwrap_or_default(),
        boot_configuration: choice
            .map(|choice| choice.winner.source.name().to_owned())
            .unwrap_or_default(),
        state: power.map_or("", NodeState::as_str).to_owned(),
    };
    Some(NodeResource {
        api_version: API_VERSION.to_owned(),
        kind: "Node".to_owned(),
        metadata: Some(metadata(&component.id, component.meta.as_ref())),
        spec: Some(spec),
        status: Some(status),
        meta: component.meta.clone(),
    })
}
