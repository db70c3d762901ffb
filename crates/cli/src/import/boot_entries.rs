//! Boot parameters of a BSS as entries of ours: one for each host, MAC and NID, in our spelling; and what differs.

use std::collections::BTreeMap;

use model::{MacAddr, Xname, canonical_role, script_url_problem, script_words_problem};
use proto::bss::v1::{BootParameters, CloudInit};
use proto::smd::v1::{Component, EthernetInterface};
use serde_json::Value;

use super::diff::{Change, Diff, Refused, quoted};
use super::source_http::BSS;
use super::url_hosts::{Hosts, Rewrite, rewritten};
use crate::error::CliError;
use crate::hsm::HsmMessage;

/// Boot parameters in the proto's words.
pub(crate) const MESSAGE: &str = "chamois.bss.v1.BootParameters";
/// Key of the entry for everything else.
const DEFAULT_KEY: &str = "Default";

/// Which node has a MAC, and which a NID.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    by_mac: BTreeMap<String, String>,
    by_nid: BTreeMap<u64, String>,
    macs: BTreeMap<String, Vec<String>>,
    nids: BTreeMap<String, u64>,
}

impl Nodes {
    /// From an inventory.
    pub(crate) fn of(components: &[Component], interfaces: &[EthernetInterface]) -> Self {
        let mut nodes = Self::default();
        let is_node = |id: &str| id.parse::<Xname>().is_ok_and(|id| id.is_node());
        for component in components.iter().filter(|component| is_node(&component.id)) {
            if let Some(nid) = component.nid {
                nodes.by_nid.insert(nid, component.id.clone());
                nodes.nids.insert(component.id.clone(), nid);
            }
            nodes.macs.entry(component.id.clone()).or_default();
        }
        for interface in interfaces {
            let Ok(mac) = interface.mac_address.parse::<MacAddr>() else {
                continue;
            };
            if let Some(macs) = nodes.macs.get_mut(&interface.component_id) {
                macs.push(mac.to_string());
                nodes
                    .by_mac
                    .insert(mac.to_string(), interface.component_id.clone());
            }
        }
        nodes
    }

    /// The other names under which a node's entry may stand: its MACs, then its NID.
    pub(crate) fn other_names(&self, node: &str) -> impl Iterator<Item = String> {
        let macs = self.macs.get(node).cloned().unwrap_or_default();
        let nid = self.nids.get(node).map(|nid| format!("nid{nid}"));
        macs.into_iter().chain(nid)
    }

    fn node_of(&self, key: &str) -> Option<&String> {
        let nid = key.strip_prefix("nid").and_then(|nid| nid.parse().ok());
        self.by_mac.get(key).or_else(|| self.by_nid.get(&nid?))
    }
}

/// What a source has.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Values by the key that the source has them under.
    pub(crate) entries: Vec<(String, BootParameters)>,
    pub(super) refused: Vec<Refused>,
    /// Images without hosts, which BSS lists before its entries.
    pub(crate) images: usize,
    /// Entries that have got the parameters of their image.
    pub(crate) with_image_params: usize,
}

/// The boot parameters of a document.
///
/// # Errors
/// For what is no list of them, naming the first that does not fit.
pub(crate) fn read(origin: &str, document: &Value) -> Result<Given, CliError> {
    let list = match document {
        Value::Object(object) => object.get("Params").unwrap_or(document),
        other => other,
    };
    let list = match list {
        Value::Array(list) => list.as_slice(),
        Value::Null => &[],
        _ => return Err(BSS.not_accepted(origin, "it is no list of boot parameters")),
    };
    let form = HsmMessage::named(MESSAGE)?;
    let mut items: Vec<BootParameters> = Vec::with_capacity(list.len());
    for (place, item) in list.iter().enumerate() {
        let item = form.read(item);
        items.push(item.map_err(|problem| BSS.not_accepted(origin, problem.within(&format!("[{place}]"))))?);
    }
    Ok(given(items))
}

/// One entry for each name. Parameters that BSS keeps with an image are added where the image is booted, as its scripts
/// have them.
fn given(items: Vec<BootParameters>) -> Given {
    let mut given = Given::default();
    let is_image =
        |item: &BootParameters| item.hosts.is_empty() && item.macs.is_empty() && item.nids.is_empty();
    let (images, items): (Vec<_>, Vec<_>) = items.into_iter().partition(is_image);
    given.images = images.len();
    let mut kernels = BTreeMap::new();
    let mut initrds = BTreeMap::new();
    for image in images.into_iter().filter(|image| !image.params.is_empty()) {
        match (image.kernel.is_empty(), image.initrd.is_empty()) {
            (false, _) => kernels.insert(image.kernel, image.params),
            (true, false) => initrds.insert(image.initrd, image.params),
            (true, true) => None,
        };
    }
    for item in items {
        let BootParameters {
            hosts,
            macs,
            nids,
            mut params,
            kernel,
            initrd,
            cloud_init: data,
            ..
        } = item;
        let of_images = [kernels.get(&kernel), initrds.get(&initrd)];
        for more in of_images.into_iter().flatten() {
            params = format!("{params} {more}");
        }
        let has_more = of_images.iter().any(Option::is_some);
        let values = BootParameters {
            params: params.trim_matches(' ').to_owned(),
            kernel,
            initrd,
            cloud_init: cloud_init(data),
            ..BootParameters::default()
        };
        let nids = nids.iter().map(|nid| format!("nid{nid}"));
        for name in hosts.into_iter().chain(macs).chain(nids) {
            match problem(&name, &values) {
                Some(reason) => given.refused.push(Refused {
                    id: quoted(&name),
                    reason,
                }),
                None => {
                    given.with_image_params += usize::from(has_more);
                    given.entries.push((key(&name), values.clone()));
                }
            }
        }
    }
    given
}

/// What stands against an entry: what would not be taken here, either.
fn problem(name: &str, values: &BootParameters) -> Option<String> {
    let in_name = name.is_empty() || name.chars().any(|c| c.is_control() || c.is_whitespace());
    if in_name || name.strip_prefix("nid").is_some_and(|nid| nid.starts_with('-')) {
        return Some("it is no xname, MAC, NID or role".to_owned());
    }
    let fields = [
        ("params", script_words_problem(&values.params)),
        ("kernel", script_url_problem(&values.kernel)),
        ("initrd", script_url_problem(&values.initrd)),
    ];
    fields
        .into_iter()
        .find_map(|(field, problem)| Some(format!("{field}: {}", problem?.escape_debug())))
}

/// BSS shows cloud-init's data whether there are any or not.
fn cloud_init(given: Option<CloudInit>) -> Option<CloudInit> {
    let filled = |data: Option<prost_types::Struct>| data.filter(|data| !is_blank(data));
    let given = given?;
    let kept = CloudInit {
        meta_data: filled(given.meta_data),
        user_data: filled(given.user_data),
        phone_home: filled(given.phone_home),
    };
    (kept != CloudInit::default()).then_some(kept)
}

fn is_blank(data: &prost_types::Struct) -> bool {
    use prost_types::value::Kind;
    data.fields.values().all(|value| match &value.kind {
        None | Some(Kind::NullValue(_)) => true,
        Some(Kind::StringValue(text)) => text.is_empty(),
        Some(_) => false,
    })
}

/// A name in our spelling.
pub(crate) fn key(name: &str) -> String {
    if let Ok(mac) = name.parse::<MacAddr>() {
        return mac.to_string();
    }
    if let Ok(xname) = name.parse::<Xname>() {
        return xname.to_string();
    }
    if let Some(nid) = name.strip_prefix("nid").and_then(|nid| nid.parse::<u64>().ok()) {
        return format!("nid{nid}");
    }
    match canonical_role(name) {
        Some(role) => role.to_owned(),
        None if name.eq_ignore_ascii_case(DEFAULT_KEY) => DEFAULT_KEY.to_owned(),
        None => name.to_owned(),
    }
}

/// The key of what is shown by us: one name an entry.
pub(crate) fn key_of(shown: &BootParameters) -> String {
    let nid = shown.nids.first().map(|nid| format!("nid{nid}"));
    let named = shown.hosts.first().or(shown.macs.first());
    named.cloned().or(nid).unwrap_or_default()
}

/// Entries as BSS lists them, which [`read`] reads back.
///
/// # Errors
/// If our protos have no such message.
pub(crate) fn to_json(entries: &[BootParameters]) -> Result<Vec<Value>, CliError> {
    let form = HsmMessage::named(MESSAGE)?;
    entries.iter().map(|entry| form.write(entry)).collect()
}

/// In which order BSS looks for the entry of a node.
fn precedence(name: &str) -> u8 {
    if name.parse::<Xname>().is_ok() {
        0
    } else if name.parse::<MacAddr>().is_ok() {
        1
    } else {
        2
    }
}

/// What the source has and the cluster has not, with `rules` applied; hosts that stay are counted into `hosts`.
pub(super) fn diff(
    given: Given,
    ours: Vec<BootParameters>,
    nodes: &Nodes,
    rules: &[Rewrite],
    hosts: &mut Hosts,
) -> Diff<BootParameters> {
    let mut diff = Diff {
        refused: given.refused,
        ..Diff::default()
    };
    let ours: BTreeMap<String, BootParameters> =
        ours.into_iter().map(|entry| (key_of(&entry), entry)).collect();
    let mut wanted: BTreeMap<String, (String, BootParameters)> = BTreeMap::new();
    let mut entries = given.entries;
    // of the names of one node BSS boots by the xname before all others, then by a MAC, then by the NID
    entries.sort_by_key(|(name, _)| precedence(name));
    for (name, mut values) in entries {
        hosts.add("kernel", &values.kernel, rules);
        hosts.add("initrd", &values.initrd, rules);
        hosts.add_params(&values.params, rules);
        for text in [&mut values.params, &mut values.kernel, &mut values.initrd] {
            *text = rewritten(text, rules);
        }
        let home = home(&name, nodes, &ours);
        match wanted.get(&home) {
            Some((other, there)) if *there != values => diff.refuse(
                quoted(&name),
                format!(
                    "it is {home} here, as {} is, which has other values",
                    quoted(other)
                ),
            ),
            Some(_) => {}
            None => {
                wanted.insert(home, (name, values));
            }
        }
    }
    for (key, (_, values)) in wanted {
        let after = named(&key, values);
        match ours.get(&key) {
            None => diff.create.push(after),
            Some(before) if is_same(before, &after) => diff.same += 1,
            Some(before) => diff.change.push(Change {
                before: before.clone(),
                after,
            }),
        }
    }
    diff
}

/// Where the cluster has the entry of a name, or would put it: MACs and NIDs that it knows mean their node.
fn home(name: &str, nodes: &Nodes, ours: &BTreeMap<String, BootParameters>) -> String {
    let Some(node) = nodes.node_of(name) else {
        return name.to_owned();
    };
    let named = [node.clone(), name.to_owned()]
        .into_iter()
        .chain(nodes.other_names(node));
    named
        .into_iter()
        .find(|key| ours.contains_key(key))
        .unwrap_or_else(|| node.clone())
}

fn is_same(before: &BootParameters, after: &BootParameters) -> bool {
    before.params == after.params
        && before.kernel == after.kernel
        && before.initrd == after.initrd
        && cloud_init(before.cloud_init.clone()) == after.cloud_init
}

/// Values under a key, as a request names it.
fn named(key: &str, values: BootParameters) -> BootParameters {
    let nid = key.strip_prefix("nid").and_then(|nid| nid.parse().ok());
    match (key.parse::<MacAddr>(), nid) {
        (Ok(mac), _) => BootParameters {
            macs: vec![mac.to_string()],
            ..values
        },
        (Err(_), Some(nid)) => BootParameters {
            nids: vec![nid],
            ..values
        },
        (Err(_), None) => BootParameters {
            hosts: vec![key.to_owned()],
            ..values
        },
    }
}

#[cfg(test)]
mod tests {
    use proto::http::v1::ObjectMeta;
    use serde_json::json;

    use super::*;

    const MAC: &str = "02:00:00:00:00:01";

    fn nodes() -> Nodes {
        let component = Component {
            id: "x0c0s0b0n0".into(),
            nid: Some(1),
            ..Component::default()
        };
        let interface = EthernetInterface {
            mac_address: MAC.into(),
            component_id: "x0c0s0b0n0".into(),
            ..EthernetInterface::default()
        };
        Nodes::of(&[component], &[interface])
    }

    fn keys(given: &Given) -> Vec<&str> {
        given.entries.iter().map(|(key, _)| key.as_str()).collect()
    }

    fn compare(document: &Value, ours: Vec<BootParameters>) -> Diff<BootParameters> {
        let given = read("x.json", document).unwrap();
        diff(given, ours, &nodes(), &[], &mut Hosts::default())
    }

    /// What BSS answers with etcd behind it: images first, then hosts, with empty cloud-init data.
    #[test]
    fn a_list_of_bss_is_read_entry_by_entry() {
        let nothing =
            json!({"meta-data": null, "user-data": null, "phone-home": {"pub_key_dsa": "", "fqdn": ""}});
        let document = json!([
            {"params": "more", "kernel": "http://i/k", "cloud-init": nothing},
            {"initrd": "http://i/i", "cloud-init": nothing},
            {"params": "of nobody"},
            {"hosts": ["X0c0s00b0n0", "compute", "default", "Unknown-x86_64"], "params": "a", "kernel": "http://i/k",
             "initrd": "http://i/i", "cloud-init": nothing, "bogus": 1},
            {"macs": ["02-00-00-00-00-09"], "nids": [77], "params": "b",
             "cloud-init": {"meta-data": {"k": "v"}, "user-data": {}, "phone-home": {}}},
        ]);
        let given = read("x.json", &document).unwrap();
        assert_eq!(
            keys(&given),
            [
                "x0c0s0b0n0",
                "Compute",
                "Default",
                "Unknown-x86_64",
                "02:00:00:00:00:09",
                "nid77"
            ]
        );
        assert_eq!((given.images, given.refused.len()), (3, 0));
        assert_eq!(
            given.entries[0].1.params, "a more",
            "BSS adds what is kept with the image"
        );
        assert_eq!(given.entries[0].1.cloud_init, None);
        let data = given.entries[4].1.cloud_init.as_ref().unwrap();
        assert!(data.meta_data.is_some() && data.user_data.is_none() && data.phone_home.is_none());
        let dumped = read(
            "x.json",
            &json!({"Components": [], "Params": [{"hosts": ["Default"]}]}),
        )
        .unwrap();
        assert_eq!(keys(&dumped), ["Default"]);
        assert!(keys(&read("x.json", &json!({"Params": null})).unwrap()).is_empty());
    }

    #[test]
    fn an_export_is_read_back_as_it_was() {
        let named = |key: &str| BootParameters {
            params: "a".into(),
            meta: Some(ObjectMeta::default()),
            ..named(key, BootParameters::default())
        };
        let ours = vec![named("Default"), named("nid7"), named("02:00:00:00:00:09")];
        let document = json!(to_json(&ours).unwrap());
        assert!(!document.to_string().contains("meta"), "{document}");
        let again = compare(&document, ours);
        assert_eq!((again.same, again.create.len(), again.change.len()), (3, 0, 0));
    }

    #[test]
    fn what_is_no_list_of_boot_parameters_says_what_is_accepted() {
        for (document, problem) in [
            (json!({"Components": []}), "no list of boot parameters"),
            (json!("x"), "no list of boot parameters"),
            (json!([{"hosts": ["a"]}, 7]), "[1]: it is a number"),
            (json!([{"nids": ["6"]}]), "[0].nids[0]: it is a string"),
        ] {
            let error = read("x.json", &document).unwrap_err().to_string();
            for needed in ["x.json", problem, "/boot/v1/bootparameters"] {
                assert!(error.contains(needed), "{needed}\n{error}");
            }
        }
    }

    /// BSS stores what would become a command of the script; it must not come over, nor onto a terminal.
    #[test]
    fn hostile_values_are_refused_entry_by_entry() {
        let document = json!([
            {"hosts": ["x0c0s0b0n0"], "params": "quiet\nreboot"},
            {"hosts": ["x0c0s1b0n0"], "kernel": "http://i/k || reboot"},
            {"hosts": ["x0c0s2b0n0"], "initrd": "http://i/a b"},
            {"hosts": ["a\u{1b}[2J"], "params": "a"},
            {"nids": [-1], "params": "a"},
            {"hosts": ["Default"], "params": "fine"},
        ]);
        let diff = compare(&document, Vec::new());
        assert_eq!((diff.create.len(), diff.refused.len()), (1, 5));
        for refused in &diff.refused {
            assert!(
                !refused.id.contains('\u{1b}') && !refused.reason.contains('\n'),
                "{refused:?}"
            );
        }
        assert!(diff.refused[0].reason.starts_with("params: "), "{diff:?}");
    }

    /// The same import again changes nothing, however the node is named there and here.
    #[test]
    fn a_node_is_found_under_every_name_it_has() {
        let document = json!([{"macs": [MAC], "params": "a"}]);
        let first = compare(&document, Vec::new());
        assert_eq!(first.create[0].hosts, ["x0c0s0b0n0"]);
        for stored in [
            BootParameters {
                hosts: vec!["x0c0s0b0n0".into()],
                ..Default::default()
            },
            BootParameters {
                macs: vec![MAC.into()],
                ..Default::default()
            },
            BootParameters {
                nids: vec![1],
                ..Default::default()
            },
        ] {
            let ours = BootParameters {
                params: "a".into(),
                meta: Some(ObjectMeta::default()),
                ..stored
            };
            let again = compare(&document, vec![ours.clone()]);
            assert_eq!(
                (again.same, again.create.len(), again.change.len()),
                (1, 0, 0),
                "{ours:?}"
            );
            let other = compare(&json!([{"nids": [1], "params": "b"}]), vec![ours.clone()]);
            assert_eq!(key_of(&other.change[0].after), key_of(&ours));
        }
    }

    #[test]
    fn one_node_with_two_sets_of_values_is_refused_and_both_names_are_told() {
        let document = json!([{"hosts": ["x0c0s0b0n0"], "params": "a"}, {"macs": [MAC], "params": "b"}]);
        let diff = compare(&document, Vec::new());
        assert_eq!((diff.create.len(), diff.refused.len()), (1, 1));
        assert_eq!(diff.refused[0].id, MAC);
        assert!(diff.refused[0].reason.contains("x0c0s0b0n0"), "{diff:?}");
        let same = json!([{"hosts": ["x0c0s0b0n0"], "params": "a"}, {"nids": [1], "params": "a"}]);
        let diff = compare(&same, Vec::new());
        assert_eq!((diff.create.len(), diff.refused.len()), (1, 0));
    }

    #[test]
    fn hosts_are_rewritten_first_and_those_that_stay_are_counted() {
        let document = json!([{"hosts": ["Default"], "kernel": "http://old/k", "initrd": "http://other/i",
            "params": "ds=nocloud;s=http://old:8081/ root=live:http://third/r"}]);
        let given = read("x.json", &document).unwrap();
        let mut hosts = Hosts::default();
        let rules = ["old=new".parse().unwrap()];
        let diff = diff(given, Vec::new(), &nodes(), &rules, &mut hosts);
        assert_eq!(diff.create[0].kernel, "http://new/k");
        let told = hosts.to_json();
        let fields: Vec<_> = told
            .as_array()
            .unwrap()
            .iter()
            .map(|host| (host["field"].clone(), host["host"].clone()))
            .collect();
        assert_eq!(
            fields,
            [("initrd", "other"), ("params", "third")].map(|(field, host)| (json!(field), json!(host)))
        );
    }
}
