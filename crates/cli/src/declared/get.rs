//! `chamois get`: objects as the documents that apply reads.

use clap::Args;
use model::nearest;
use serde_json::{Value, json};

use super::cluster::Live;
use super::kinds::{self, Kind};
use super::present::{self, Objects};
use super::text;
use crate::api;
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind as Class};
use crate::output::{self, Format};

/// `chamois get`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois get BootConfiguration compute > compute.yaml
  chamois get groups > groups.yaml
  chamois get component x1000c0s0b0n0 -o json

Secret data are shown to nobody, so groups of cloud-init that are secret are not among these, nor are the roles that every version has.")]
pub struct GetArgs {
    /// Role, Component, Group, Subnet, DhcpPolicy, CloudInitDefaults, CloudInitGroup, InstanceInfo, BootParameters,
    /// BootConfiguration, Profile, Template or Policy
    #[arg(value_name = "KIND")]
    pub kind: String,
    /// Only this one; without it all of them
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

pub(crate) async fn run(global: &GlobalArgs, args: &GetArgs) -> Result<(), CliError> {
    let kind = kinds::find(&args.kind)?;
    let catalogue = api::catalogue()?;
    let cluster = Live::new(global, &catalogue)?;
    let mut objects = present::read(&cluster, &catalogue, kind).await?;
    if let Some(name) = &args.name {
        let name = one(kind, name, &objects)?;
        objects.retain(|own, _| *own == name);
    }
    if global.output == Format::Name {
        let names: Vec<String> = objects.into_keys().collect();
        return output::print_lines(&names);
    }
    if matches!(global.output, Format::Json | Format::Jsonl) {
        let document = |(name, object): (&String, &present::Present)| json!({ "kind": kind.name, "metadata": { "name": name }, "spec": object.spec });
        let mut documents: Vec<Value> = objects.iter().map(document).collect();
        if global.output == Format::Jsonl {
            let lines: Vec<String> = documents.iter().map(Value::to_string).collect();
            return output::print_lines(&lines);
        }
        return output::print(output::value_document(
            global.output,
            &match (&args.name, documents.len()) {
                (Some(_), 1) => documents.swap_remove(0),
                _ => Value::Array(documents),
            },
        ));
    }
    let documents = objects
        .iter()
        .map(|(name, object)| text::document(kind, name, &object.spec));
    let documents = documents.collect::<Result<Vec<_>, _>>()?;
    match documents.is_empty() {
        true => Ok(()),
        false => output::print(documents.join("---\n").trim_end()),
    }
}

/// The name as the cluster writes it, of an object that is there.
///
/// # Errors
/// `NotFound` with the nearest that is.
pub(super) fn one(kind: &Kind, name: &str, objects: &Objects) -> Result<String, CliError> {
    let canonical = kind.canonical(name);
    let canonical = canonical.map_err(|problem| CliError::new(Class::Usage, format!("{name}: {problem}")))?;
    if objects.contains_key(&canonical) {
        return Ok(canonical);
    }
    let error = CliError::new(Class::NotFound, format!("there is no {} {name}", kind.name));
    Err(
        error.with_remedy(match nearest(&canonical, objects.keys().map(String::as_str)) {
            Some(meant) => format!("Is it {meant}?"),
            None => format!("`chamois get {}` shows those that there are.", kind.name),
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_answered_with_the_nearest() {
        let kind = kinds::find("groups").unwrap();
        let present = present::Present {
            spec: serde_json::Map::new(),
            modified: 1,
            created: 1,
        };
        let objects: Objects = [("compute".to_owned(), present)].into();
        assert_eq!(one(kind, "Compute", &objects).unwrap(), "compute");
        let error = one(kind, "comptue", &objects).unwrap_err();
        assert_eq!(error.kind(), Class::NotFound);
        assert!(error.to_string().contains("Is it compute?"), "{error}");
        let error = one(kinds::find("component").unwrap(), "rack", &objects).unwrap_err();
        assert_eq!(error.kind(), Class::Usage);
    }

    #[test]
    fn kinds_are_found_in_any_writing() {
        for name in [
            "BootConfiguration",
            "boot-configuration",
            "bootconfigurations",
            "boot_configuration",
        ] {
            assert_eq!(kinds::find(name).unwrap().name, "BootConfiguration");
        }
        assert_eq!(kinds::find("policies").unwrap().name, "Policy");
        assert_eq!(kinds::find("dhcp-policies").unwrap().name, "DhcpPolicy");
        let error = kinds::find("Compnent").unwrap_err().to_string();
        assert!(error.contains("Is it Component?"), "{error}");
        assert!(kinds::find("zebra").unwrap_err().to_string().contains("Template"));
    }
}
