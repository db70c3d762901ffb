//! `chamois explain`: fields of what can be declared, and of everything else in the API.

use clap::Args;

use crate::api::explain as api;
use crate::args::GlobalArgs;
use crate::declared;
use crate::error::CliError;

/// `chamois explain`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois explain BootConfiguration             what a document of this kind has in its spec
  chamois explain BootConfiguration.hosts       one field
  chamois explain component.State               a field, and its values

Other names are those of `chamois api explain`. Needs no cluster.")]
pub struct ExplainArgs {
    /// A kind that can be declared, with or without a field
    #[arg(value_name = "RESOURCE[.FIELD]")]
    pub name: String,
}

pub(crate) fn run(global: &GlobalArgs, args: &ExplainArgs) -> Result<(), CliError> {
    let name = full_name(&args.name);
    api::run(global, &api::ExplainArgs { name })
}

/// A kind gives way to its message.
fn full_name(name: &str) -> String {
    let (kind, field) = match name.split_once('.') {
        Some((kind, field)) => (kind, Some(field)),
        None => (name, None),
    };
    match (declared::message_of(kind), field) {
        (None, _) => name.to_owned(),
        (Some(message), None) => message.to_owned(),
        (Some(message), Some(field)) => format!("{message}.{field}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_its_message_and_everything_else_is_of_the_api() {
        for (name, full) in [
            ("component", "chamois.smd.v1.Component"),
            (
                "boot-configuration.hosts",
                "chamois.bss.v1.BootConfiguration.hosts",
            ),
            (
                "CloudInitGroup.meta-data",
                "chamois.cloud_init.v1.Group.meta-data",
            ),
            ("smd.v1.Component", "smd.v1.Component"),
            ("ListComponents", "ListComponents"),
            ("/hsm/v2/groups", "/hsm/v2/groups"),
        ] {
            assert_eq!(full_name(name), full);
        }
    }
}
