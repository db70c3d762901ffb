//! What a change of a node in boot-service's envelope is made of: steps of SMD and Cloud-Init, one entry. Pure.

use std::collections::{BTreeMap, BTreeSet};

use model::{MacAddr, Xname};
use proto::bss::v1::bss_command::{Step, Together, step};
use proto::bss::v1::{NodeInterface, NodeSpec, NodeSpecPatch};
use proto::cloud_init::v1::cloud_init_command::PutInstanceInfo;
use proto::cloud_init::v1::{CloudInitCommand, InstanceInfo, cloud_init_command};
use proto::http::v1::ObjectMeta;
use proto::smd::v1::smd_command::{
    AddGroupMember, Change, ComponentNid, CreateComponents, CreateEthernetInterfaces, DeleteComponents,
    DeleteEthernetInterfaces, PatchComponents, RemoveGroupMember, SetNids,
};
use proto::smd::v1::{Component, EthernetInterface, IpAddressMapping, SmdCommand, component};
use rpc::Error;
use state::State;

/// Word for the kind in errors.
const KIND: &str = "node";

/// What a request says of a node; what is absent stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    nid: Option<u64>,
    boot_mac: Option<String>,
    role: Option<String>,
    sub_role: Option<String>,
    hostname: Option<String>,
    interfaces: Option<Vec<NodeInterface>>,
    groups: Option<Vec<String>>,
}

impl Wanted {
    /// A whole spec: its lists are meant as they stand, numbers and texts only where they say something.
    pub(crate) fn of_spec(spec: NodeSpec) -> Wanted {
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        Wanted {
            nid: Some(spec.nid).filter(|nid| *nid > 0),
            boot_mac: text(spec.boot_mac),
            role: text(spec.role),
            sub_role: text(spec.sub_role),
            hostname: text(spec.hostname),
            interfaces: Some(spec.interfaces),
            groups: Some(spec.groups),
        }
    }

    /// A merge patch.
    pub(crate) fn of_patch(patch: NodeSpecPatch) -> Wanted {
        fn list<T>(replace: bool, given: Vec<T>) -> Option<Vec<T>> {
            Some(given).filter(|given| replace || !given.is_empty())
        }
        Wanted {
            nid: patch.nid,
            boot_mac: patch.boot_mac.filter(|mac| !mac.is_empty()),
            role: patch.role,
            sub_role: patch.sub_role,
            hostname: patch.hostname.filter(|name| !name.is_empty()),
            interfaces: list(patch.replace_interfaces, patch.interfaces),
            groups: list(patch.replace_groups, patch.groups),
        }
    }
}

/// The steps that make a new node. Whether it is new the log decides: a repeat of a request that was carried out is recognised
/// there. Everything that was looked at must be as it was.
///
/// # Errors
/// `AlreadyExists` for a MAC of another node; `Invalid` with the field.
pub(crate) fn create(state: &State, node: &Xname, wanted: Wanted) -> Result<Together, Error> {
    let component = Component {
        id: node.to_string(),
        nid: wanted.nid,
        role: wanted.role.clone().unwrap_or_default(),
        sub_role: wanted.sub_role.clone().unwrap_or_default(),
        // nobody has looked yet
        state: component::State::Unknown.into(),
        enabled: Some(true),
        ..Component::default()
    };
    let create = CreateComponents {
        components: vec![component],
        if_revisions: vec![0],
        ..CreateComponents::default()
    };
    let mut steps = vec![smd(Change::CreateComponents(create))];
    steps.extend(around(state, node, wanted)?);
    Ok(Together { steps })
}

/// The steps that make an existing node what is wanted, if its component is at `if_revision` still.
///
/// # Errors
/// `NotFound`; `Invalid` with the field.
pub(crate) fn change(
    state: &State,
    node: &Xname,
    wanted: Wanted,
    if_revision: Option<u64>,
) -> Result<Together, Error> {
    let before = existing(state, node)?;
    // always there, for the precondition: without new values it sets what is set already
    let patch = PatchComponents {
        ids: vec![node.to_string()],
        enabled: Some(before.enabled.unwrap_or(true)),
        role: wanted.role.clone(),
        sub_role: wanted.sub_role.clone(),
        if_revision,
        ..PatchComponents::default()
    };
    let mut steps = vec![smd(Change::PatchComponents(patch))];
    if let Some(nid) = wanted.nid.filter(|nid| before.nid != Some(*nid)) {
        let component = ComponentNid {
            id: node.to_string(),
            nid,
        };
        steps.push(smd(Change::SetNids(SetNids {
            components: vec![component],
            if_revision: None,
        })));
    }
    steps.extend(around(state, node, wanted)?);
    Ok(Together { steps })
}

/// The steps that take a node away, and its interfaces with it.
pub(crate) fn delete(state: &State, node: &Xname, if_revision: Option<u64>) -> Together {
    let interfaces: BTreeSet<String> = state.smd.interfaces_of(node).map(|own| own.id.clone()).collect();
    let component = DeleteComponents {
        ids: vec![node.to_string()],
        all: false,
        if_revision,
    };
    let mut steps = delete_interfaces(interfaces);
    steps.push(smd(Change::DeleteComponents(component)));
    Together { steps }
}

fn existing(state: &State, node: &Xname) -> Result<std::sync::Arc<Component>, Error> {
    state.smd.component(node).ok_or_else(|| Error::NotFound {
        kind: KIND.to_owned(),
        id: node.to_string(),
    })
}

/// What is no part of the component itself: its interfaces, its groups and its name.
fn around(state: &State, node: &Xname, wanted: Wanted) -> Result<Vec<Step>, Error> {
    let mut steps = interfaces(state, node, wanted.interfaces, wanted.boot_mac)?;
    steps.extend(groups(state, node, wanted.groups));
    steps.extend(hostname(state, node, wanted.hostname));
    Ok(steps)
}

/// Deletes come first, so that an address may move from one interface of the node to another.
fn interfaces(
    state: &State,
    node: &Xname,
    given: Option<Vec<NodeInterface>>,
    boot_mac: Option<String>,
) -> Result<Vec<Step>, Error> {
    let replaces = given.is_some();
    let mut after = BTreeMap::new();
    for (place, interface) in given.unwrap_or_default().iter().enumerate() {
        let field = format!("spec.interfaces[{place}].mac");
        let (mac, interface) = stored_as(state, node, &field, interface)?;
        if after.insert(mac, interface).is_some() {
            return Err(rpc::invalid(&field, format!("{mac} is given twice")));
        }
    }
    if let Some(text) = boot_mac {
        let asked = NodeInterface {
            ip: first_address(state, &text),
            mac: text,
            ..NodeInterface::default()
        };
        let (mac, interface) = stored_as(state, node, "spec.bootMac", &asked)?;
        let is_there = state.smd.interfaces_of(node).any(|own| own.id == mac.id());
        if !after.contains_key(&mac) && (replaces || !is_there) {
            after.insert(mac, interface);
        }
    }
    let kept: BTreeSet<String> = after.keys().map(MacAddr::id).collect();
    let gone = state.smd.interfaces_of(node).map(|own| own.id.clone());
    let gone = gone.filter(|id| replaces && !kept.contains(id)).collect();
    let mut steps = delete_interfaces(gone);
    if !after.is_empty() {
        let revision = |mac: &MacAddr| {
            state
                .smd
                .interface(mac)
                .map_or(0, |seen| revision(seen.meta.as_ref()))
        };
        steps.push(smd(Change::CreateEthernetInterfaces(CreateEthernetInterfaces {
            if_revisions: after.keys().map(revision).collect(),
            interfaces: after.into_values().collect(),
            replace: true,
        })));
    }
    Ok(steps)
}

/// What it has already: a MAC alone says nothing of its address.
fn first_address(state: &State, mac: &str) -> String {
    let stored = mac.parse().ok().and_then(|mac| state.smd.interface(&mac));
    let first = stored.and_then(|stored| stored.ip_addresses.first().cloned());
    first.map(|first| first.ip_address).unwrap_or_default()
}

fn revision(meta: Option<&ObjectMeta>) -> u64 {
    let modified = meta.and_then(|meta| meta.modified.as_ref());
    modified.map_or(0, |modified| modified.revision)
}

fn delete_interfaces(ids: BTreeSet<String>) -> Vec<Step> {
    let delete = DeleteEthernetInterfaces {
        ids: ids.into_iter().collect(),
        ..DeleteEthernetInterfaces::default()
    };
    let step = Some(delete).filter(|delete| !delete.ids.is_empty());
    step.map(|delete| smd(Change::DeleteEthernetInterfaces(delete)))
        .into_iter()
        .collect()
}

/// An interface as SMD stores it. The envelope knows one address: it takes the place of the first, the others stay.
fn stored_as(
    state: &State,
    node: &Xname,
    field: &str,
    given: &NodeInterface,
) -> Result<(MacAddr, EthernetInterface), Error> {
    let mac: MacAddr = given.mac.parse().map_err(|error| rpc::invalid(field, error))?;
    let before = state.smd.interface(&mac);
    let before = before.map_or_else(EthernetInterface::default, |before| before.as_ref().clone());
    if !before.component_id.is_empty() && before.component_id != node.as_str() {
        return Err(Error::AlreadyExists {
            kind: "MAC".to_owned(),
            id: mac.to_string(),
            detail: format!(
                "it is an interface of {}, and was meant for {node}",
                before.component_id
            ),
        });
    }
    let mut addresses = before.ip_addresses;
    match (given.ip.is_empty(), addresses.first_mut()) {
        (true, None) => {}
        (true, Some(_)) => drop(addresses.remove(0)),
        (false, Some(first)) => first.ip_address.clone_from(&given.ip),
        (false, None) => addresses.push(IpAddressMapping {
            ip_address: given.ip.clone(),
            network: String::new(),
        }),
    }
    let interface = EthernetInterface {
        mac_address: mac.to_string(),
        description: before.description,
        component_id: node.to_string(),
        ip_addresses: addresses,
        ..EthernetInterface::default()
    };
    Ok((mac, interface))
}

fn groups(state: &State, node: &Xname, wanted: Option<Vec<String>>) -> Vec<Step> {
    let Some(wanted) = wanted else {
        return Vec::new();
    };
    let ids = || vec![node.to_string()];
    let now: BTreeSet<&str> = state.smd.group_labels_of(node).collect();
    let wanted: BTreeSet<String> = wanted.iter().map(|label| label.to_ascii_lowercase()).collect();
    let left = now.iter().filter(|label| !wanted.contains(**label));
    let left = left.map(|label| {
        smd(Change::RemoveGroupMember(RemoveGroupMember {
            label: (*label).to_owned(),
            ids: ids(),
            if_revision: None,
        }))
    });
    let joined = wanted.iter().filter(|label| !now.contains(label.as_str()));
    let joined = joined.map(|label| {
        smd(Change::AddGroupMember(AddGroupMember {
            label: label.clone(),
            ids: ids(),
            if_revision: None,
        }))
    });
    left.chain(joined).collect()
}

/// A name of its own, where the node is not called so anyway.
fn hostname(state: &State, node: &Xname, wanted: Option<String>) -> Option<Step> {
    let name = wanted?;
    let is_new = state.smd.component(node).is_none();
    if !is_new && state.hostname(node).eq_ignore_ascii_case(&name) {
        return None;
    }
    let before = state.cloud_init.instance_info(node);
    let before = before.map_or_else(InstanceInfo::default, |before| before.as_ref().clone());
    let put = PutInstanceInfo {
        if_revision: Some(revision(before.meta.as_ref())),
        info: Some(InstanceInfo {
            id: node.to_string(),
            local_hostname: name,
            meta: None,
            ..before
        }),
        ..PutInstanceInfo::default()
    };
    Some(Step {
        change: Some(step::Change::CloudInit(CloudInitCommand {
            change: Some(cloud_init_command::Change::PutInstanceInfo(put)),
        })),
    })
}

fn smd(change: Change) -> Step {
    Step {
        change: Some(step::Change::Smd(SmdCommand { change: Some(change) })),
    }
}
