//! Inventory to view. Every look-up is by a map: the work grows with the number of objects.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use model::Xname;
use proto::smd::v1::{Component, RedfishEndpoint};

use super::boots::boot_of;
use super::collections::{groups, groups_of, interfaces, mac, partitions, subnets};
use super::places::Places;
use super::words::{arch_word, class_word, flag_word, one_line, state_word};
use super::{Bmc, Interface, Node, Other, View, first_address};
use crate::host_name::{HostNames, Whom};
use crate::{Inventory, natural_order};

pub(super) fn view(inventory: &Inventory) -> View {
    let subnets = subnets(inventory);
    let groups_of = groups_of(inventory);
    let components = components(inventory);
    let mut building = Building {
        inventory,
        places: Places::of(&subnets),
        names: HostNames::new(inventory, &groups_of),
        groups_of: &groups_of,
        components: &components,
        interfaces: interfaces(inventory),
    };
    let mut nodes = building.nodes();
    let mut bmcs = building.bmcs();
    let mut others = building.others();
    drop(building);
    nodes.sort_by(|one, other| natural_order(&one.xname, &other.xname));
    bmcs.sort_by(|one, other| natural_order(&one.xname, &other.xname));
    others.sort_by(|one, other| natural_order(&one.xname, &other.xname));
    put_behind(&mut nodes, &mut bmcs);
    let pairs = nodes.iter().map(|node| (node.xname.as_str(), node.name.as_str()));
    let names: HashMap<&str, &str> = pairs.collect();
    View {
        cluster: one_line(&inventory.cluster),
        groups: groups(inventory, &names),
        partitions: partitions(inventory, &names),
        nodes,
        bmcs,
        subnets,
        others,
        revision: inventory.revision(),
    }
}

/// Those whose id can be read.
fn components(inventory: &Inventory) -> BTreeMap<Xname, &Component> {
    let all = inventory.components.values();
    all.filter_map(|component| Some((component.id.parse().ok()?, component)))
        .collect()
}

/// What nodes, controllers and the rest are made of; interfaces are taken out as their owners are met.
struct Building<'a> {
    inventory: &'a Inventory,
    places: Places<'a>,
    names: HostNames<'a>,
    groups_of: &'a HashMap<&'a str, Vec<String>>,
    components: &'a BTreeMap<Xname, &'a Component>,
    interfaces: BTreeMap<Xname, Vec<Interface>>,
}

impl Building<'_> {
    /// In the order of texts: of two nodes of one name the first is called so, as in DNS.
    fn nodes(&mut self) -> Vec<Node> {
        let nodes = self.components.iter().filter(|(xname, _)| xname.is_node());
        nodes
            .map(|(xname, component)| self.node(xname, component))
            .collect()
    }

    fn node(&mut self, xname: &Xname, component: &Component) -> Node {
        let interfaces = self.interfaces.remove(xname).unwrap_or_default();
        let whom = whom(xname, Some(component), &interfaces, &self.places);
        let groups = self.groups_of.get(xname.as_str()).cloned().unwrap_or_default();
        Node {
            name: self.names.of_node(&whom),
            nid: component.nid,
            state: state_word(component.state()).to_owned(),
            flag: flag_word(component.flag()).to_owned(),
            role: one_line(&component.role),
            sub_role: one_line(&component.sub_role),
            arch: arch_word(component.arch()).to_owned(),
            class: class_word(component.class()).to_owned(),
            enabled: component.enabled.unwrap_or(true),
            groups: groups.iter().map(|label| one_line(label)).collect(),
            boot: boot_of(&self.inventory.boot, xname, component, &interfaces, &groups),
            bmc: None,
            interfaces,
            xname: xname.to_string(),
        }
    }

    /// Whoever has an endpoint, and the components and interfaces of controllers.
    fn bmcs(&mut self) -> Vec<Bmc> {
        let endpoints = &self.inventory.endpoints;
        let with_endpoint = endpoints.keys().filter_map(|xname| xname.parse::<Xname>().ok());
        let known = self.components.keys().chain(self.interfaces.keys());
        let controllers = known.filter(|xname| xname.hms_type().is_controller());
        let all = with_endpoint.chain(controllers.cloned());
        // a node with an endpoint of its own stays a node
        let all: BTreeSet<Xname> = all.filter(|xname| !xname.is_node()).collect();
        all.iter().map(|xname| self.bmc(xname)).collect()
    }

    fn bmc(&mut self, xname: &Xname) -> Bmc {
        let none = RedfishEndpoint::default();
        let endpoint = self.inventory.endpoints.get(xname.as_str()).unwrap_or(&none);
        let component = self.inventory.components.get(xname.as_str());
        let interfaces = self.interfaces.remove(xname).unwrap_or_default();
        let whom = whom(xname, component, &interfaces, &self.places);
        let said = [&endpoint.ip_address, &endpoint.fqdn];
        let address = said.into_iter().find_map(|text| text.parse::<IpAddr>().ok());
        let mut macs = interfaces.iter().map(|interface| interface.mac.clone());
        let mac = mac(&endpoint.mac_addr).or_else(|| macs.find(|mac| !mac.is_empty()));
        Bmc {
            name: self.names.of_other(&whom, &[&endpoint.fqdn, &endpoint.hostname]),
            kind: xname.hms_type().as_str().to_owned(),
            address: address.or_else(|| first_address(&interfaces)),
            mac,
            user: one_line(&endpoint.user),
            nodes: Vec::new(),
            interfaces,
            xname: xname.to_string(),
        }
    }

    /// Whoever is left.
    fn others(&mut self) -> Vec<Other> {
        let left = std::mem::take(&mut self.interfaces).into_iter();
        left.map(|(xname, interfaces)| self.other(&xname, interfaces))
            .collect()
    }

    fn other(&mut self, xname: &Xname, interfaces: Vec<Interface>) -> Other {
        let component = self.inventory.components.get(xname.as_str());
        let whom = whom(xname, component, &interfaces, &self.places);
        let name = match xname.is_node() {
            true => self.names.of_node(&whom),
            false => self.names.of_other(&whom, &[]),
        };
        Other {
            name,
            kind: xname.hms_type().as_str().to_owned(),
            interfaces,
            xname: xname.to_string(),
        }
    }
}

fn whom<'w>(
    xname: &'w Xname,
    component: Option<&'w Component>,
    interfaces: &[Interface],
    places: &Places<'w>,
) -> Whom<'w> {
    let addresses = || interfaces.iter().flat_map(|interface| &interface.addresses);
    let mut v4 = addresses().filter_map(|address| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    });
    let mut domains = addresses().map(|address| places.domain(*address));
    Whom {
        xname,
        component,
        place: v4.next(),
        domain: domains.find(|domain| !domain.is_empty()).unwrap_or_default(),
    }
}

/// Tells each node its controller, and each controller its nodes.
fn put_behind(nodes: &mut [Node], bmcs: &mut [Bmc]) {
    let places = bmcs.iter().enumerate().map(|(at, bmc)| (bmc.xname.clone(), at));
    let places: HashMap<String, usize> = places.collect();
    for node in nodes {
        let mut above = std::iter::successors(above(&node.xname), |place| above(place));
        if let Some((place, at)) = above.find_map(|place| Some((place, *places.get(place)?))) {
            bmcs[at].nodes.push(node.xname.clone());
            node.bmc = Some(place.to_owned());
        }
    }
}

/// The place one level up, as a text: what is not known there is nobody's.
fn above(xname: &str) -> Option<&str> {
    let without_number = xname.trim_end_matches(|c: char| c.is_ascii_digit());
    let above = without_number.trim_end_matches(|c: char| c.is_ascii_lowercase());
    (!above.is_empty() && above.len() < xname.len()).then_some(above)
}
