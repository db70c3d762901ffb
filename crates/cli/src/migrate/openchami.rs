//! `chamois migrate openchami --diff`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use model::{MacAddr, Xname};
use proto::bss::v1::GetBootScriptRequest;
use proto::bss::v1::boot_script_service_client::BootScriptServiceClient;
use proto::smd::v1::{Component, EthernetInterface, Group};
use rpc::client::ExactlyOnce;
use serde_json::{Value, json};

use super::compare::{NodeChange, Side, compare, data_by_node};
use super::old_scripts::{OldScripts, Script};
use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::hsm::{Collection, Ours, parse};
use crate::import::boot_entries::Nodes;
use crate::import::cloud_init_objects::{Objects, defaults_that_differ, info_that_differs, infos_by_node};
use crate::import::common::bar;
use crate::import::diff::quoted;
use crate::import::source::{Named, Source};
use crate::import::{bss, cloud_init};
use crate::output;

/// Scripts that are asked for at once.
const SCRIPTS_AT_ONCE: usize = 32;
/// Nodes that are listed for people; all of them are in the JSON.
const NODES_SHOWN_MAX: usize = 20;

/// `chamois migrate openchami`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois migrate openchami --url https://gateway.example:8443 --source-ca ca.pem --source-token-file token --diff
  chamois migrate openchami --smd http://10.1.0.1:27779 --bss http://10.1.0.1:27778 --cloud-init http://10.1.0.1:27777 --diff
  chamois migrate openchami --smd saved/ --bss bss.json --cloud-init ci.json --diff -o json

Reads the old system and compares, node by node, what it gives a node with what this cluster would give it now: NID, role, MACs,
kernel, initrd, kernel parameters, cloud-init's groups and instance-info (which OpenCHAMI's server does not give: save what was
put there in a file, as for `chamois import cloud-init`). It writes nothing, here or there, and asks the old BSS for no script.
What a node gets there is worked out from the lists as BSS does it with etcd: xname, MAC or NID, role, Default. What both add
to a command line by themselves (xname=, nid=, ds=, …) is not compared, unless parameters there have it. Run it after
`chamois import smd`, `bss` and `cloud-init`: what is left is what changes for the nodes.")]
pub struct OpenchamiArgs {
    /// URL of the old system's gateway: its SMD is at /hsm/v2, BSS at /boot/v1, cloud-init at /cloud-init
    #[arg(long, value_name = "URL", required_unless_present_all = ["smd", "bss"])]
    pub url: Option<String>,
    /// The SMD, if it is elsewhere: a URL, or what was saved of it
    #[arg(long, value_name = "URL|PATH")]
    pub smd: Option<String>,
    /// The BSS, if it is elsewhere: a URL, or what was saved of it
    #[arg(long, value_name = "URL|PATH")]
    pub bss: Option<String>,
    /// The cloud-init server, if it is elsewhere: a URL, or what was saved of it
    #[arg(long, value_name = "URL|PATH")]
    pub cloud_init: Option<String>,
    /// Show the difference; nothing else can be done yet
    #[arg(long, required = true)]
    pub diff: bool,
    /// File with a bearer token of the old system
    #[arg(long, value_name = "FILE")]
    pub source_token_file: Option<PathBuf>,
    /// Certificate that signs the old system's (PEM)
    #[arg(long, value_name = "FILE")]
    pub source_ca: Option<PathBuf>,
}

/// What the old system has.
struct Old {
    components: Vec<Component>,
    interfaces: Vec<EthernetInterface>,
    groups: Vec<Group>,
    scripts: OldScripts,
    /// `None`: no cloud-init server was named.
    cloud_init: Option<Objects>,
}

/// What changes of a node when its instance-info does.
const INSTANCE_INFO: &str = "instance-info";

/// The difference as a whole.
struct Difference {
    nodes: Vec<NodeChange>,
    /// Of cloud-init's defaults, which every node gets.
    defaults: Vec<String>,
}

pub(super) async fn run(global: &GlobalArgs, args: OpenchamiArgs) -> Result<(), CliError> {
    let connection = connect::to_any(global)?;
    let progress = bar(3);
    let old = read(&args, |what| {
        progress.set_message(format!("reading {what}"));
        progress.inc(1);
    });
    let old = old.await.inspect_err(|_| progress.finish_and_clear())?;
    progress.finish_and_clear();
    let difference = difference(&old, &connection).await?;
    output::done_value(global, &difference.to_json(), || difference.render())
}

impl OpenchamiArgs {
    /// Where a service is.
    fn place(&self, own: Option<&String>, path: &str) -> Option<String> {
        let at_gateway = self
            .url
            .as_ref()
            .map(|url| format!("{}{path}", url.trim_end_matches('/')));
        own.cloned().or(at_gateway)
    }

    /// Credentials go to URLs only.
    fn named<'a>(&'a self, source: &'a str) -> Named<'a> {
        let is_url = source.contains("://");
        Named {
            source,
            token_file: self.source_token_file.as_deref().filter(|_| is_url),
            ca: self
                .source_ca
                .as_deref()
                .filter(|_| source.starts_with("https://")),
        }
    }
}

async fn read(args: &OpenchamiArgs, step: impl Fn(&str)) -> Result<Old, CliError> {
    let missing = |what: &str| {
        CliError::new(Kind::Usage, format!("no {what} is named")).with_remedy("Name the gateway with --url.")
    };
    let smd = args
        .place(args.smd.as_ref(), "/hsm/v2")
        .ok_or_else(|| missing("SMD"))?;
    step("the SMD");
    let mut source = Source::read(&args.named(&smd), |_| {}).await?;
    let components: Vec<Component> = source.objects(Collection::Components)?.unwrap_or_default();
    let bss = args
        .place(args.bss.as_ref(), "/boot/v1")
        .ok_or_else(|| missing("BSS"))?;
    step("the BSS");
    let scripts = OldScripts::of(bss::read_source(&args.named(&bss)).await?);
    let cloud_init = match args.place(args.cloud_init.as_ref(), "/cloud-init") {
        Some(place) => {
            step("the cloud-init server");
            Some(cloud_init::read_source(&args.named(&place)).await?.whole()?)
        }
        None => None,
    };
    Ok(Old {
        components: components.into_iter().filter_map(normalised).collect(),
        interfaces: source
            .objects(Collection::EthernetInterfaces)?
            .unwrap_or_default(),
        groups: source.objects(Collection::Groups)?.unwrap_or_default(),
        scripts,
        cloud_init,
    })
}

/// A node under its name in our spelling; `None` for what is no node.
fn normalised(component: Component) -> Option<Component> {
    let id: Xname = component.id.parse().ok()?;
    id.is_node().then(|| Component {
        id: id.to_string(),
        ..component
    })
}

async fn difference(old: &Old, connection: &ExactlyOnce) -> Result<Difference, CliError> {
    let ours = Ours::read(connection).await?;
    let our_cloud_init = cloud_init::read_ours(connection).await?;
    let known: BTreeMap<&str, &Component> =
        ours.components.iter().map(|one| (one.id.as_str(), one)).collect();
    let asked = old
        .components
        .iter()
        .filter(|component| known.contains_key(component.id.as_str()));
    let scripts = our_scripts(connection, asked.map(|component| component.id.clone()).collect()).await?;
    let nodes = Nodes::of(&old.components, &old.interfaces);
    let no_data = Objects::default();
    let old_data = old.cloud_init.as_ref().unwrap_or(&no_data);
    let (old_groups, our_groups) = match &old.cloud_init {
        Some(_) => (
            data_by_node(&old.groups, &old_data.groups),
            data_by_node(&ours.groups, &our_cloud_init.groups),
        ),
        None => Default::default(),
    };
    let (old_macs, our_macs) = (macs_by_node(&old.interfaces), macs_by_node(&ours.interfaces));
    let infos = InfoChanges::of(old_data, &our_cloud_init)?;
    let changes = old.components.iter().map(|component| {
        let id = component.id.as_str();
        let before = Side {
            component,
            macs: old_macs.get(id).cloned().unwrap_or_default(),
            script: old.scripts.of_node(component, &nodes),
            groups: old_groups.get(id).cloned().unwrap_or_default(),
        };
        let after = known.get(id).map(|component| Side {
            component,
            macs: our_macs.get(id).cloned().unwrap_or_default(),
            script: scripts.get(id).cloned().flatten(),
            groups: our_groups.get(id).cloned().unwrap_or_default(),
        });
        infos.added_to(compare(&before, after.as_ref()))
    });
    Ok(Difference {
        nodes: changes.collect(),
        defaults: defaults_that_differ(old_data, &our_cloud_init)?,
    })
}

/// What changes of the instance-info of nodes.
struct InfoChanges(BTreeMap<String, Vec<String>>);

impl InfoChanges {
    /// None, if the old system does not say: OpenCHAMI's server does not give what was put there, a file may.
    fn of(old: &Objects, ours: &Objects) -> Result<Self, CliError> {
        if old.infos.is_none() {
            return Ok(Self(BTreeMap::new()));
        }
        let (old, ours) = (infos_by_node(old), infos_by_node(ours));
        let nodes: BTreeSet<&String> = old.keys().chain(ours.keys()).collect();
        let changes = nodes.into_iter().map(|node| {
            let fields = info_that_differs(old.get(node).copied(), ours.get(node).copied())?;
            Ok((node.clone(), fields))
        });
        changes.collect::<Result<_, CliError>>().map(Self)
    }

    fn added_to(&self, mut node: NodeChange) -> NodeChange {
        let fields = self.0.get(&node.node).filter(|_| node.is_here);
        let fields = fields.into_iter().flatten();
        node.changes
            .extend(fields.map(|field| (INSTANCE_INFO, field.clone())));
        node
    }
}

/// MACs of each component, sorted.
fn macs_by_node(interfaces: &[EthernetInterface]) -> BTreeMap<String, Vec<String>> {
    let mut macs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for interface in interfaces {
        let owner: Result<Xname, _> = interface.component_id.parse();
        let mac: Result<MacAddr, _> = interface.mac_address.parse();
        if let (Ok(owner), Ok(mac)) = (owner, mac) {
            macs.entry(owner.to_string()).or_default().push(mac.to_string());
        }
    }
    macs.values_mut().for_each(|macs| macs.sort());
    macs
}

/// The scripts that this cluster has for nodes now.
async fn our_scripts(
    connection: &ExactlyOnce,
    nodes: Vec<String>,
) -> Result<BTreeMap<String, Option<Script>>, CliError> {
    let progress = bar(nodes.len());
    progress.set_message("asking for scripts");
    let scripts = stream::iter(nodes)
        .map(|node| our_script(connection.clone(), node))
        .buffer_unordered(SCRIPTS_AT_ONCE)
        .inspect(|_| progress.inc(1))
        .try_collect()
        .await;
    progress.finish_and_clear();
    scripts
}

async fn our_script(connection: ExactlyOnce, node: String) -> Result<(String, Option<Script>), CliError> {
    let request = GetBootScriptRequest {
        name: node.clone(),
        json: "1".to_owned(),
        ..GetBootScriptRequest::default()
    };
    let answer = BootScriptServiceClient::new(connection)
        .get_boot_script(request)
        .await?;
    let script = read_script(&answer.into_inner().data)
        .ok_or_else(|| CliError::other(&node, "the cluster's script is none"))?;
    Ok((node, Some(script).filter(|script| !script.kernel.is_empty())))
}

/// A script as BSS's JSON; its command line begins with the kernel's name.
fn read_script(text: &[u8]) -> Option<Script> {
    let json = parse(text).ok()?;
    let path = |part: &str| json[part]["path"].as_str().map(str::to_owned);
    let mut words = json["params"]
        .as_str()?
        .split(' ')
        .filter(|word| !word.is_empty());
    words.next()?;
    Some(Script {
        kernel: path("kernel")?,
        initrd: path("initrd")?,
        words: words.map(str::to_owned).collect(),
    })
}

impl Difference {
    fn away(&self) -> usize {
        self.nodes.iter().filter(|node| !node.is_here).count()
    }

    fn changed(&self) -> impl Iterator<Item = &NodeChange> {
        self.nodes.iter().filter(|node| !node.changes.is_empty())
    }

    /// How many nodes each thing changes for.
    fn by_kind(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for node in self.changed() {
            let kinds: BTreeSet<_> = node.changes.iter().map(|(what, _)| *what).collect();
            for kind in kinds {
                *counts.entry(kind).or_default() += 1;
            }
        }
        counts
    }

    fn render(&self) -> String {
        let changed = self.changed().count();
        let same = self.nodes.len() - changed - self.away();
        let mut table = output::table(["NODES", "UNCHANGED", "CHANGED", "NOT HERE"]);
        table.add_row([self.nodes.len(), same, changed, self.away()].map(|count| count.to_string()));
        let mut text = table.to_string();
        for (what, nodes) in self.by_kind() {
            text += &format!("\n{what}: changes for {nodes}");
        }
        if !self.defaults.is_empty() {
            text += &format!(
                "\ncloud-init's defaults, for every node: {}",
                self.defaults.join("; ")
            );
        }
        let lines = self
            .nodes
            .iter()
            .filter(|node| !node.is_here || !node.changes.is_empty());
        let mut left_out = 0;
        for (place, node) in lines.enumerate() {
            if place >= NODES_SHOWN_MAX {
                left_out += 1;
                continue;
            }
            text += &match node.is_here {
                false => format!("\n  - {}: not here", quoted(&node.node)),
                true => {
                    let changes = node.changes.iter().map(|(what, text)| format!("{what}: {text}"));
                    format!(
                        "\n  ~ {}: {}",
                        quoted(&node.node),
                        changes.collect::<Vec<_>>().join("; ")
                    )
                }
            };
        }
        if left_out > 0 {
            text += &format!("\n  … and {left_out} more; -o json shows all");
        }
        text
    }

    fn to_json(&self) -> Value {
        json!({
            "nodes": self.nodes.len(),
            "changed": self.changed().count(),
            "notHere": self.away(),
            "changes": self.by_kind(),
            "defaults": self.defaults,
            "differences": self
                .nodes
                .iter()
                .filter(|node| !node.is_here || !node.changes.is_empty())
                .map(NodeChange::to_json)
                .collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: usize, is_here: bool, changes: &[(&'static str, &str)]) -> NodeChange {
        NodeChange {
            node: format!("x0c0s{number}b0n0"),
            is_here,
            changes: changes
                .iter()
                .map(|(what, text)| (*what, (*text).to_owned()))
                .collect(),
        }
    }

    fn args(url: Option<&str>, bss: Option<&str>) -> OpenchamiArgs {
        OpenchamiArgs {
            url: url.map(str::to_owned),
            smd: None,
            bss: bss.map(str::to_owned),
            cloud_init: None,
            diff: true,
            source_token_file: Some("token".into()),
            source_ca: Some("ca".into()),
        }
    }

    #[test]
    fn counts_come_first_and_then_the_first_nodes() {
        let mut nodes = vec![node(0, true, &[]), node(1, false, &[])];
        nodes
            .extend((2..102).map(|number| node(number, true, &[("kernel", "a -> b"), ("params", "with c")])));
        let difference = Difference {
            nodes,
            defaults: vec!["region: a -> b".into()],
        };
        let text = difference.render();
        for needed in [
            "kernel: changes for 100",
            "- x0c0s1b0n0: not here",
            "~ x0c0s2b0n0: kernel: a -> b; params: with c",
            "for every node: region: a -> b",
            "… and 81 more",
        ] {
            assert!(text.contains(needed), "{needed}\n{text}");
        }
        let json = difference.to_json();
        assert_eq!(
            (&json["nodes"], &json["changed"], &json["notHere"]),
            (&json!(102), &json!(100), &json!(1))
        );
        assert_eq!(json["differences"].as_array().unwrap().len(), 101);
    }

    #[test]
    fn services_are_at_the_gateway_unless_they_are_named() {
        let both = args(Some("https://gw:8443/"), Some("bss.json"));
        assert_eq!(
            both.place(both.smd.as_ref(), "/hsm/v2").as_deref(),
            Some("https://gw:8443/hsm/v2")
        );
        assert_eq!(
            both.place(both.bss.as_ref(), "/boot/v1").as_deref(),
            Some("bss.json")
        );
        assert_eq!(args(None, None).place(None, "/hsm/v2"), None);
        let file = both.named("bss.json");
        assert!(file.token_file.is_none() && file.ca.is_none());
        let url = both.named("https://gw");
        assert!(url.token_file.is_some() && url.ca.is_some());
    }

    /// What a source does not give is not compared: nothing of it would be known to change.
    #[test]
    fn instance_info_is_compared_where_the_old_system_gives_it() {
        let objects = |infos| Objects::read("x", &json!({ "instance-info": infos })).unwrap();
        let old = objects(json!([
            {"id": "X0c0s0b0n0", "local-hostname": "a"},
            {"id": "x0c0s1b0n0", "local-hostname": "b"},
        ]));
        let ours = objects(json!([{"id": "x0c0s0b0n0", "local-hostname": "a"}]));
        let changes = InfoChanges::of(&old, &ours).unwrap();
        assert!(changes.added_to(node(0, true, &[])).changes.is_empty());
        let told = changes.added_to(node(1, true, &[])).changes;
        assert_eq!(told[0].0, "instance-info");
        assert!(told[0].1.starts_with("local-hostname: b -> "), "{told:?}");
        assert!(
            changes.added_to(node(1, false, &[])).changes.is_empty(),
            "it is not here at all"
        );
        let silent = Objects::read("x", &json!({ "groups": {} })).unwrap();
        let changes = InfoChanges::of(&silent, &old).unwrap();
        assert!(changes.added_to(node(1, true, &[])).changes.is_empty());
    }

    #[test]
    fn the_cluster_s_json_is_read_as_a_script() {
        let text = br#"{"params":"kernel initrd=initrd a b","kernel":{"path":"k"},"initrd":{"path":"i"}}"#;
        let script = read_script(text).unwrap();
        assert_eq!((script.kernel.as_str(), script.initrd.as_str()), ("k", "i"));
        assert_eq!(script.words, ["initrd=initrd", "a", "b"]);
        for wrong in [
            &b"{}"[..],
            b"[]",
            b"",
            br#"{"params":"kernel","kernel":{"path":1}}"#,
        ] {
            assert!(read_script(wrong).is_none());
        }
    }
}
