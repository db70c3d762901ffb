//! `chamois export`: the inventory as JSON, as HSM shows it, boot parameters as BSS lists them, cloud-init's data, subnets and DHCP
//! policies; as `chamois import` reads them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::{CliError, Kind};
use crate::hsm::{Collection, HsmMessage, Ours};
use crate::import::dhcp::own::Objects;
use crate::import::{boot_entries, bss, cloud_init};
use crate::output;

/// A key that this cluster sets by its own clock: with it no two exports would be equal.
const OWN_CLOCK: &str = "LastUpdate";

/// `chamois export`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois export saved/                         a folder: Components.json, EthernetInterfaces.json, groups.json, …
  chamois export > dump.json                    all collections in one document
  chamois export | jq '.Components[].ID'
  chamois export --of bss > bss.json            boot parameters, for `chamois import bss`
  chamois export --of cloud-init > ci.json      cluster defaults, groups, instance-info, for `chamois import cloud-init`
  chamois export --of dhcp > dhcp.json          subnets and DHCP policies, for `chamois import dhcp`

Cloud-init's data come with the files of groups as they are, secrets and all. The inventory's JSON is that of HSM v2, sorted, so that two exports of the same inventory are the same bytes; `chamois import smd` reads
it back. It holds no passwords, and none of what only this cluster knows: who changed what and when. Hardware, component and
service endpoints, and subscriptions are not in it: a discovery finds the ones, subscribers subscribe again. Of
DHCP it is what administrators have said, and no lease. `chamois snapshot save` keeps everything.")]
pub struct ExportArgs {
    /// Folder to make, which must be new or empty, or - for standard output (the only one for bss, cloud-init and dhcp)
    #[arg(value_name = "DIR|-", default_value = "-")]
    pub to: PathBuf,
    /// What is exported
    #[arg(long, value_enum, default_value_t)]
    pub of: Of,
}

/// What is exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Of {
    /// The inventory.
    #[default]
    Smd,
    /// Boot parameters.
    Bss,
    /// What cloud-init tells the nodes.
    CloudInit,
    /// Subnets and DHCP policies.
    Dhcp,
}

/// The objects of one collection.
struct Exported {
    collection: Collection,
    objects: Vec<Value>,
}

pub(crate) async fn run(global: &GlobalArgs, args: ExportArgs) -> Result<(), CliError> {
    let to_folder = args.to != Path::new("-");
    if args.of != Of::Smd {
        return export_one(global, args.of, to_folder).await;
    }
    if to_folder {
        require_empty(&args.to)?;
    }
    let connection = connect::to_any(global)?;
    let exported = all_of(&Ours::read(&connection).await?)?;
    if !to_folder {
        return output::print(one_document(&exported).trim_end());
    }
    write_folder(&args.to, &exported)?;
    let count = |of: &Exported| (of.collection.name().to_owned(), Value::from(of.objects.len()));
    let objects: serde_json::Map<_, _> = exported.iter().map(count).collect();
    let value = json!({ "folder": args.to, "objects": objects });
    output::done_value(global, &value, || {
        let counted = exported
            .iter()
            .map(|of| format!("{} {}", of.objects.len(), of.collection.name()));
        let counted: Vec<String> = counted.collect();
        format!("{}: {}", args.to.display(), counted.join(", "))
    })
}

/// One document, to standard output.
async fn export_one(global: &GlobalArgs, of: Of, to_folder: bool) -> Result<(), CliError> {
    if to_folder {
        let text = "everything but the inventory goes to standard output";
        return Err(CliError::new(Kind::Usage, text).with_remedy("Redirect it into a file: > saved.json"));
    }
    let connection = connect::to_any(global)?;
    match of {
        Of::CloudInit => output::print(cloud_init::read_ours(&connection).await?.to_json()?),
        Of::Dhcp => {
            let parts = Objects::of_cluster(&connection).await?.to_json()?;
            output::print(object(parts.iter().map(|(part, all)| (*part, all.as_slice()))).trim_end())
        }
        Of::Smd | Of::Bss => {
            let entries = bss::read_ours(&connection).await?;
            output::print(array(&boot_entries::to_json(&entries)?))
        }
    }
}

fn all_of(ours: &Ours) -> Result<Vec<Exported>, CliError> {
    Ok(vec![
        exported(Collection::Components, &ours.components)?,
        exported(Collection::EthernetInterfaces, &ours.interfaces)?,
        exported(Collection::Groups, &ours.groups)?,
        exported(Collection::Partitions, &ours.partitions)?,
        exported(Collection::NodeMaps, &ours.node_maps)?,
        exported(Collection::PowerMaps, &ours.power_maps)?,
        exported(Collection::RedfishEndpoints, &ours.redfish_endpoints)?,
    ])
}

fn exported<M: prost::Message>(collection: Collection, messages: &[M]) -> Result<Exported, CliError> {
    let unknown = || {
        CliError::other(
            "cannot export",
            format_args!("{} have no form", collection.name()),
        )
    };
    let form = HsmMessage::named(collection.message().ok_or_else(unknown)?)?;
    let object = |message| {
        let mut object = form.write(message)?;
        if let Value::Object(keys) = &mut object {
            keys.remove(OWN_CLOCK);
        }
        Ok(object)
    };
    Ok(Exported {
        collection,
        objects: messages.iter().map(object).collect::<Result<_, CliError>>()?,
    })
}

/// An object a line: lines can be compared and counted.
fn array(objects: &[Value]) -> String {
    let mut text = "[".to_owned();
    for (place, object) in objects.iter().enumerate() {
        let separator = if place == 0 { "" } else { "," };
        let _infallible = write!(text, "{separator}\n{object}");
    }
    text + if objects.is_empty() { "]" } else { "\n]" }
}

/// All collections in one object.
fn one_document(exported: &[Exported]) -> String {
    let parts = exported.iter();
    object(parts.map(|of| (of.collection.name(), of.objects.as_slice())))
}

/// Lists by name in one object.
fn object<'a>(parts: impl Iterator<Item = (&'a str, &'a [Value])>) -> String {
    let wrapped = parts.map(|(name, objects)| format!("\"{name}\":{}", array(objects)));
    let wrapped: Vec<String> = wrapped.collect();
    format!("{{{}}}\n", wrapped.join(",\n"))
}

/// A collection as its route gives it: HSM wraps components and gives the others bare.
fn own_document(exported: &Exported) -> String {
    match exported.collection {
        Collection::EthernetInterfaces
        | Collection::Groups
        | Collection::Partitions
        | Collection::PowerMaps => array(&exported.objects) + "\n",
        _ => one_document(std::slice::from_ref(exported)),
    }
}

fn require_empty(folder: &Path) -> Result<(), CliError> {
    let is_free = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if is_free {
        return Ok(());
    }
    let text = format!(
        "{} is there and is no empty folder; nothing is overwritten",
        folder.display()
    );
    Err(CliError::new(Kind::Conflict, text).with_remedy("Name another folder, or move it away."))
}

/// Under another name until it is whole: whoever sees the folder sees all of it.
fn write_folder(folder: &Path, exported: &[Exported]) -> Result<(), CliError> {
    let failed = |path: &Path, error: std::io::Error| {
        CliError::other(&format!("cannot write {}", path.display()), error)
    };
    let whole: PathBuf = folder.components().collect(); // without a slash at the end
    let mut name = whole.clone().into_os_string();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = PathBuf::from(name);
    let written = || -> Result<(), CliError> {
        std::fs::create_dir_all(&partial).map_err(|error| failed(&partial, error))?;
        for of in exported {
            let file = partial.join(format!("{}.json", of.collection.name()));
            std::fs::write(&file, own_document(of)).map_err(|error| failed(&file, error))?;
        }
        std::fs::rename(&partial, &whole).map_err(|error| failed(&whole, error))
    };
    written().inspect_err(|_| {
        let _ = std::fs::remove_dir_all(&partial); // made above; best effort: the error that matters is at hand
    })
}

#[cfg(test)]
mod tests {
    use proto::http::v1::ObjectMeta;
    use proto::smd::v1::{Component, EthernetInterface, Group};

    use super::*;
    use crate::hsm::{find_in, parse};

    fn ours() -> Ours {
        let component = |id: &str| Component {
            id: id.into(),
            nid: Some(7),
            meta: Some(ObjectMeta::default()),
            ..Component::default()
        };
        Ours {
            components: vec![component("x0c0s0b0n0"), component("x0c0s1b0n0")],
            interfaces: vec![EthernetInterface {
                id: "0200000000a1".into(),
                last_update: "2026-11-29T10:00:00.000Z".into(),
                ..EthernetInterface::default()
            }],
            groups: vec![Group {
                label: "compute".into(),
                ..Group::default()
            }],
            ..Ours::default()
        }
    }

    /// Who changed what and when is this cluster's own.
    #[test]
    fn an_export_is_what_hsm_shows_without_times() {
        let text = one_document(&all_of(&ours()).unwrap());
        let value = parse(text.as_bytes()).unwrap();
        assert_eq!(value["Components"][1], json!({ "ID": "x0c0s1b0n0", "NID": 7 }));
        assert!(value["EthernetInterfaces"][0].get(OWN_CLOCK).is_none());
        assert!(!text.contains("meta") && text.lines().count() > 4, "{text}");
        let found = find_in("x", "", value).unwrap();
        assert_eq!(found.len(), 7, "an import finds every collection");
    }

    #[test]
    fn every_file_of_a_folder_is_found_by_an_import() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("saved");
        require_empty(&folder).unwrap();
        let exported = all_of(&ours()).unwrap();
        write_folder(&folder.join(""), &exported).unwrap();
        for of in &exported {
            let name = of.collection.name();
            let text = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
            let found = find_in("x", name, parse(&text).unwrap()).unwrap();
            assert_eq!(
                (found[0].collection, &found[0].objects),
                (of.collection, &of.objects)
            );
        }
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            1,
            "no partial folder is left"
        );
        let again = require_empty(&folder).unwrap_err();
        assert_eq!(again.kind(), Kind::Conflict);
    }

    #[test]
    fn an_empty_collection_is_an_empty_array() {
        assert_eq!(array(&[]), "[]");
        assert_eq!(array(&[json!(1), json!(2)]), "[\n1,\n2\n]");
    }
}
