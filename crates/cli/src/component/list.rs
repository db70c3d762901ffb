//! `chamois component list`: SMD's filters, as a table.

use clap::Args;
use proto::smd::v1::component::{Arch, Class, Flag, State};
use proto::smd::v1::component_service_client::ComponentServiceClient;
use proto::smd::v1::{Component, ListComponentsRequest};
use proto::watch::v1::object::Kind;

use super::words;
use crate::args::GlobalArgs;
use crate::connect::{self, ANSWER_BYTES_MAX};
use crate::error::CliError;
use crate::nodes;
use crate::output::{self, Changes, Shape, WatchArg, column, wide};

/// Filters: values of one option are alternatives, options add up, a leading `!` negates.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
Examples:
  chamois component list --type Node --state Ready
  chamois component list 'x1000c0s[0-7]b0n0' '@compute&@state:Off'
  chamois component list --role '!Compute' --enabled true
  chamois component list --group compute,login
  chamois component list --state Off -w           redrawn when something changes
  chamois component list --id x1000c0s0b0n0,x1000c0s0b0n1 -o json")]
pub struct ListArgs {
    /// Nodesets
    #[arg(value_name = "NODESET", value_parser = crate::nodes::text)]
    pub nodes: Vec<String>,
    /// Nodesets, too; a leading `!` negates
    #[arg(long, value_name = "NODESET")]
    pub id: Vec<String>,
    /// Types, e.g. Node, NodeBMC
    #[arg(long = "type", value_delimiter = ',', value_name = "TYPE", value_parser = words::type_filter)]
    pub types: Vec<String>,
    /// States, e.g. On, Ready
    #[arg(long, value_delimiter = ',', value_name = "STATE", value_parser = words::state_filter)]
    pub state: Vec<String>,
    /// Flags, e.g. OK, Alert
    #[arg(long, value_delimiter = ',', value_name = "FLAG", value_parser = words::flag_filter)]
    pub flag: Vec<String>,
    /// Roles, e.g. Compute
    #[arg(long, value_delimiter = ',', value_name = "ROLE")]
    pub role: Vec<String>,
    /// Sub-roles, e.g. Worker
    #[arg(long, value_delimiter = ',', value_name = "SUBROLE")]
    pub sub_role: Vec<String>,
    /// Node ids
    #[arg(long, value_delimiter = ',', value_name = "NID")]
    pub nid: Vec<String>,
    /// Only enabled (true) or disabled (false) ones
    #[arg(long, value_delimiter = ',', value_name = "BOOL")]
    pub enabled: Vec<String>,
    /// Architectures, e.g. X86, ARM
    #[arg(long, value_delimiter = ',', value_name = "ARCH", value_parser = words::arch_filter)]
    pub arch: Vec<String>,
    /// Classes, e.g. River, Mountain
    #[arg(long, value_delimiter = ',', value_name = "CLASS", value_parser = words::class_filter)]
    pub class: Vec<String>,
    /// Groups; NULL: in none
    #[arg(long, value_delimiter = ',', value_name = "LABEL")]
    pub group: Vec<String>,
    /// Whether to go on.
    #[command(flatten)]
    pub watch: WatchArg,
}

impl From<ListArgs> for ListComponentsRequest {
    fn from(args: ListArgs) -> Self {
        Self {
            id: args.id,
            r#type: args.types,
            state: args.state,
            flag: args.flag,
            role: args.role,
            sub_role: args.sub_role,
            nid: args.nid,
            enabled: args.enabled,
            arch: args.arch,
            class: args.class,
            group: args.group,
            ..Self::default()
        }
    }
}

pub(super) async fn run(global: &GlobalArgs, mut args: ListArgs) -> Result<(), CliError> {
    args.id.append(&mut args.nodes);
    args.id = nodes::filter(global, &args.id).await?;
    let connection = connect::to_any(global)?;
    let mut client = ComponentServiceClient::new(connection).max_decoding_message_size(ANSWER_BYTES_MAX);
    let watch = args.watch.watch;
    let request = ListComponentsRequest::from(args);
    if watch {
        let fetch = async || {
            Ok(client
                .list_components(request.clone())
                .await?
                .into_inner()
                .components)
        };
        return output::follow(
            global,
            Changes::Of(&[Kind::Component, Kind::Group]),
            &COMPONENTS,
            fetch,
        )
        .await;
    }
    let answer = client.list_components(request).await?.into_inner();
    output::list(
        global,
        ("chamois.smd.v1.ListComponentsResponse", &answer),
        &answer.components,
        &COMPONENTS,
    )
}

/// A row per component.
const COMPONENTS: Shape<Component> = Shape {
    message: "chamois.smd.v1.Component",
    key: |component| component.id.clone(),
    columns: &[
        column("ID", |component| component.id.clone()),
        column("TYPE", |component| component.r#type.clone()),
        column("STATE", state),
        column("FLAG", flag),
        column("ENABLED", |component| {
            component
                .enabled
                .map(|enabled| enabled.to_string())
                .unwrap_or_default()
        }),
        column("ROLE", |component| component.role.clone()),
        column("SUBROLE", |component| component.sub_role.clone()),
        column("NID", |component| {
            component.nid.map(|nid| nid.to_string()).unwrap_or_default()
        }),
        wide("ARCH", arch),
        wide("CLASS", class),
    ],
};

pub(super) fn state(component: &Component) -> String {
    word(
        State::try_from(component.state).ok().map(|v| v.as_str_name()),
        "STATE_",
    )
}

pub(super) fn flag(component: &Component) -> String {
    word(
        Flag::try_from(component.flag).ok().map(|v| v.as_str_name()),
        "FLAG_",
    )
}

pub(super) fn arch(component: &Component) -> String {
    word(
        Arch::try_from(component.arch).ok().map(|v| v.as_str_name()),
        "ARCH_",
    )
}

pub(super) fn class(component: &Component) -> String {
    word(
        Class::try_from(component.class).ok().map(|v| v.as_str_name()),
        "CLASS_",
    )
}

/// `STATE_READY` as `Ready`; absent values are empty, ones from a newer member are `?`. Short words are
/// SMD's abbreviations and stay in capitals: `OK`, `X86`, `ARM`.
fn word(name: Option<&str>, prefix: &str) -> String {
    let Some(name) = name else { return "?".to_owned() };
    match name.trim_start_matches(prefix) {
        "UNSPECIFIED" => String::new(),
        short if short.len() <= 3 && short != "OFF" => short.replace("ON", "On"),
        long => long[..1].to_owned() + &long[1..].to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table shows SMD's own words, so that what is read can be typed as a filter.
    #[test]
    fn enum_names_become_smds_words() {
        for (name, prefix, expected) in [
            ("STATE_READY", "STATE_", "Ready"),
            ("STATE_ON", "STATE_", "On"),
            ("STATE_OFF", "STATE_", "Off"),
            ("FLAG_OK", "FLAG_", "OK"),
            ("ARCH_X86", "ARCH_", "X86"),
            ("ARCH_ARM", "ARCH_", "ARM"),
            ("CLASS_RIVER", "CLASS_", "River"),
            ("STATE_UNSPECIFIED", "STATE_", ""),
        ] {
            assert_eq!(word(Some(name), prefix), expected, "{name}");
        }
        assert_eq!(
            word(None, "STATE_"),
            "?",
            "a value of a newer member is not hidden"
        );
    }

    #[test]
    fn a_component_is_one_row() {
        let component = Component {
            id: "x1000c0s0b0n0".into(),
            r#type: "Node".into(),
            state: State::Ready.into(),
            nid: Some(7),
            ..Default::default()
        };
        let text = output::plain(&[component], &COMPONENTS);
        let row = text.lines().find(|line| line.contains("x1000c0s0b0n0")).unwrap();
        for word in ["Node", "Ready", "7"] {
            assert!(row.contains(word), "{row}");
        }
    }

    #[test]
    fn every_filter_reaches_the_request() {
        let one = |text: &str| vec![text.to_owned()];
        let request = ListComponentsRequest::from(ListArgs {
            nodes: Vec::new(),
            id: one("a"),
            types: one("b"),
            state: one("c"),
            flag: one("d"),
            role: one("e"),
            sub_role: one("f"),
            nid: one("g"),
            enabled: one("h"),
            arch: one("i"),
            class: one("j"),
            group: one("k"),
            watch: WatchArg::default(),
        });
        let sent = [
            request.id,
            request.r#type,
            request.state,
            request.flag,
            request.role,
            request.sub_role,
            request.nid,
            request.enabled,
            request.arch,
            request.class,
            request.group,
        ];
        assert_eq!(sent.concat().join(""), "abcdefghijk");
    }
}
