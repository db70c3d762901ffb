//! Trees of our own making: a rack server, and blades with several systems behind one BMC. They resemble no vendor's more than
//! another's, and have everything that a crawler reads.

mod chassis;
mod manager;
mod root;
mod services;
mod system;

use model::MacAddr;
use serde_json::{Value, json};

use super::power::Power;
use super::tree::Tree;
use crate::rng::Rng;

/// A blade to be made: one BMC, several nodes.
#[derive(Clone, Debug)]
pub struct Blade {
    /// From which serial numbers and UUIDs are derived.
    pub seed: u64,
    /// The boot NIC of each node; there are as many nodes.
    pub macs: Vec<MacAddr>,
    /// Power of all nodes at the start.
    pub power: Power,
}

impl Tree {
    /// A rack server: one system, which is on. Servers of different seeds are different pieces of one model.
    pub fn rack_server(seed: u64) -> Tree {
        let plan = Plan {
            model: "Lab RS1",
            chassis: "RackMount",
            systems: vec![("1".to_owned(), mac(seed, 1))],
            power: Power::On,
            sockets: 2,
            modules: 16,
            drives: 4,
            supplies: 2,
            seed,
        };
        plan.make()
    }

    /// A blade with so many nodes, at most 127, all on.
    pub fn blade(nodes: usize) -> Tree {
        let macs = (1..).take(nodes).map(|number| mac(0, number)).collect();
        Tree::of_blade(&Blade {
            seed: 0,
            macs,
            power: Power::On,
        })
    }

    /// This blade.
    pub fn of_blade(blade: &Blade) -> Tree {
        let systems = blade.macs.iter().enumerate();
        let plan = Plan {
            model: "Lab BL2",
            chassis: "Blade",
            systems: systems
                .map(|(number, mac)| (format!("Node{number}"), *mac))
                .collect(),
            power: blade.power,
            sockets: 1,
            modules: 8,
            drives: 1,
            supplies: 1,
            seed: blade.seed,
        };
        plan.make()
    }
}

/// What is made.
struct Plan {
    model: &'static str,
    /// `ChassisType`.
    chassis: &'static str,
    /// Id and boot MAC of each system.
    systems: Vec<(String, MacAddr)>,
    power: Power,
    sockets: usize,
    /// Places for memory modules; the last of each system is empty.
    modules: usize,
    drives: usize,
    supplies: usize,
    seed: u64,
}

impl Plan {
    fn make(&self) -> Tree {
        let mut made = Made::default();
        root::add(&mut made, self);
        services::add(&mut made, self);
        manager::add(&mut made, self);
        chassis::add(&mut made, self);
        for place in 0..self.systems.len() {
            system::add(&mut made, self, place);
        }
        let ids = self.systems.iter().map(|(id, _)| id.as_str());
        made.collection("/redfish/v1/Systems", "ComputerSystem", ids);
        Tree::of(made.0).expect("its root has a version")
    }

    /// A serial number of its own for whatever is called so.
    fn serial(&self, what: &str) -> String {
        let hash = crc32fast::hash(format!("{}/{what}", self.model).as_bytes());
        let number = Rng::new(u64::from(hash) ^ self.seed.rotate_left(32)).next();
        format!("LAB{:08X}", number >> 32)
    }

    /// A UUID of its own for whatever is called so (version 4, in form).
    fn uuid(&self, what: &str) -> String {
        let hash = crc32fast::hash(format!("{}:{what}", self.model).as_bytes());
        let mut rng = Rng::new(u64::from(hash) ^ self.seed.rotate_left(32));
        let (a, b) = (rng.next(), rng.next());
        let (low, mid, high) = (a >> 32, a >> 16 & 0xffff, a & 0x0fff);
        let (variant, node) = (b >> 48 & 0x3fff | 0x8000, b & 0xffff_ffff_ffff);
        format!("{low:08x}-{mid:04x}-4{high:03x}-{variant:04x}-{node:012x}")
    }
}

/// Locally administered; `number` tells the NICs of one piece of hardware apart.
fn mac(seed: u64, number: u8) -> MacAddr {
    let [.., a, b, c, d] = Rng::new(seed).next().to_be_bytes();
    MacAddr([0x02, number, a, b, c, d])
}

/// The resources so far.
#[derive(Default)]
struct Made(Vec<(String, Value)>);

impl Made {
    /// A resource: `members`, and what every resource has.
    fn put(&mut self, uri: &str, kind: &str, name: &str, mut members: Value) {
        let id = uri.rsplit('/').next().unwrap_or_default();
        if let Some(all) = members.as_object_mut() {
            let schema = kind.split('.').next().unwrap_or_default();
            all.insert("@odata.id".to_owned(), json!(uri));
            all.insert("@odata.type".to_owned(), json!(format!("#{kind}.{schema}")));
            all.insert("Id".to_owned(), json!(id));
            all.insert("Name".to_owned(), json!(name));
        }
        self.0.push((uri.to_owned(), members));
    }

    /// A collection of what is called so below it.
    fn collection<'a>(&mut self, uri: &str, kind: &str, ids: impl IntoIterator<Item = &'a str>) {
        let members: Vec<Value> = ids.into_iter().map(|id| link(&format!("{uri}/{id}"))).collect();
        let value = json!({
            "@odata.id": uri,
            "@odata.type": format!("#{kind}Collection.{kind}Collection"),
            "Name": format!("{kind} collection"),
            "Members@odata.count": members.len(),
            "Members": members,
        });
        self.0.push((uri.to_owned(), value));
    }

    /// A collection with its members, each made from its place, from 0.
    fn listed(&mut self, uri: &str, kind: &str, ids: &[String], make: impl Fn(usize) -> (String, Value)) {
        let schema = kind.split('.').next().unwrap_or_default();
        self.collection(uri, schema, ids.iter().map(String::as_str));
        for (place, id) in ids.iter().enumerate() {
            let (name, members) = make(place);
            self.put(&format!("{uri}/{id}"), kind, &name, members);
        }
    }
}

fn link(uri: &str) -> Value {
    json!({"@odata.id": uri})
}

fn healthy() -> Value {
    json!({"State": "Enabled", "Health": "OK"})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// URIs of all links in `value`, of actions too.
    fn links(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match value {
                        Value::String(uri) if name == "@odata.id" => drop(found.insert(uri.clone())),
                        _ => links(value, found),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| links(value, found)),
            _ => {}
        }
    }

    /// Whatever a tree names can be read, and everything in it can be found from its root.
    #[test]
    fn every_link_leads_somewhere_and_nothing_is_left_over() {
        for tree in [Tree::rack_server(7), Tree::blade(4)] {
            let mut reached = BTreeSet::from(["/redfish/v1".to_owned()]);
            let mut queue: Vec<String> = reached.iter().cloned().collect();
            while let Some(uri) = queue.pop() {
                let value = tree
                    .get(&uri)
                    .unwrap_or_else(|| panic!("{uri} is named, and is not there"));
                let mut found = BTreeSet::new();
                links(value, &mut found);
                let resources = found.into_iter().filter(|uri| !uri.contains('#'));
                queue.extend(resources.filter(|uri| reached.insert(uri.clone())));
            }
            let all: BTreeSet<String> = tree.uris().map(str::to_owned).collect();
            assert_eq!(
                all.difference(&reached).collect::<Vec<_>>(),
                Vec::<&String>::new()
            );
        }
    }

    #[test]
    fn systems_have_what_a_crawler_reads() {
        let tree = Tree::blade(2);
        assert_eq!(
            tree.systems().collect::<Vec<_>>(),
            ["/redfish/v1/Systems/Node0", "/redfish/v1/Systems/Node1"]
        );
        for part in [
            "Processors",
            "Memory",
            "Storage",
            "EthernetInterfaces",
            "SecureBoot",
            "Bios",
        ] {
            assert!(
                tree.get(&format!("/redfish/v1/Systems/Node1/{part}")).is_some(),
                "{part}"
            );
        }
        let places = tree.places();
        assert!(places.expands && places.simple_update.is_some() && places.event_stream.is_some());
        assert_eq!(places.accounts.len(), 1);
    }

    #[test]
    fn another_seed_is_another_piece_of_the_same_model() {
        let (one, two) = (Tree::rack_server(1), Tree::rack_server(2));
        assert_eq!(one.uris().collect::<Vec<_>>(), two.uris().collect::<Vec<_>>());
        for name in ["UUID", "SerialNumber"] {
            let of = |tree: &Tree| tree.get("/redfish/v1/Systems/1").unwrap()[name].clone();
            assert_ne!(of(&one), of(&two), "{name}");
            assert_eq!(of(&one), of(&Tree::rack_server(1)), "{name}");
        }
        let nic = "/redfish/v1/Systems/1/EthernetInterfaces/1";
        assert_ne!(
            one.get(nic).unwrap()["MACAddress"],
            two.get(nic).unwrap()["MACAddress"]
        );
    }

    #[test]
    fn a_blade_boots_from_the_nics_that_were_asked_for() {
        let macs = vec![MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2])];
        let blade = Blade {
            seed: 5,
            macs: macs.clone(),
            power: Power::Off,
        };
        let tree = Tree::of_blade(&blade);
        for (place, mac) in macs.iter().enumerate() {
            let system = tree.get(&format!("/redfish/v1/Systems/Node{place}")).unwrap();
            assert_eq!(system["PowerState"], "Off");
            let nic = format!("/redfish/v1/Systems/Node{place}/EthernetInterfaces/1");
            assert_eq!(tree.get(&nic).unwrap()["MACAddress"], mac.to_string());
        }
    }
}
