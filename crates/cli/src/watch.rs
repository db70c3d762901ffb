//! `chamois watch`: the state and its changes as they happen, whichever members come and go.

use clap::Args;
use model::{GroupLabel, Xname};
use proto::watch::v1::event::Change;
use proto::watch::v1::object::Kind;
use proto::watch::v1::{Event, Object, WatchRequest};
use rpc::client::{Follow, Told};
use serde_json::{Value, json};

use crate::args::GlobalArgs;
use crate::connect;
use crate::error::CliError;
use crate::output;

/// `chamois watch`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois watch                                  everything as it is, then every change
  chamois watch --kind component,group           only components and groups
  chamois watch --xname x1000c0 --json           what is in a chassis, one JSON object a line
  chamois watch --group compute                  a group and what is of its members
  chamois watch --from 4711                      only what was changed after revision 4711

Lines are REVISION CHANGE KIND KEY; CHANGE is `state` for what is there already. It goes on until it is ended: when its
member stops, at another one where it was; when that is too far back, with the state again, after a line `begins`.")]
pub struct WatchArgs {
    /// Kinds of objects
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND")]
    pub kind: Vec<KindArg>,
    /// Components, and everything below them: x1000c0s0b0n0 is a node, x1000c0 a chassis
    #[arg(long, value_delimiter = ',', value_name = "XNAME", value_parser = crate::group::xname)]
    pub xname: Vec<Xname>,
    /// The group with this label, and what is of its members
    #[arg(long, value_name = "LABEL", value_parser = crate::group::label)]
    pub group: Option<GroupLabel>,
    /// Last revision that was seen; 0: the state first
    #[arg(long, value_name = "REVISION", default_value_t = 0)]
    pub from: u64,
    /// One JSON object a line, with the object as it is after the change (the same as `-o json`)
    #[arg(long)]
    pub json: bool,
}

/// A kind as it is typed and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[allow(missing_docs)] // the names say it
pub enum KindArg {
    Component,
    EthernetInterface,
    Group,
    RedfishEndpoint,
    ComponentEndpoint,
    ServiceEndpoint,
    Partition,
    NodeMap,
    BootParameters,
    BootRecord,
    BootConfiguration,
    Instance,
    ClusterDefaults,
    CloudInitGroup,
    InstanceInfo,
    Profile,
    Subnet,
    DhcpLease,
    HeldAddress,
    UnknownClient,
    DhcpPolicy,
    BootFile,
    Image,
    PowerMap,
    Role,
    Policy,
    Bmc,
    XnameRule,
    BmcCredential,
    FirmwareInventory,
    Job,
    JobTarget,
}

impl KindArg {
    fn wire(self) -> Kind {
        match self {
            KindArg::Component => Kind::Component,
            KindArg::EthernetInterface => Kind::EthernetInterface,
            KindArg::Group => Kind::Group,
            KindArg::RedfishEndpoint => Kind::RedfishEndpoint,
            KindArg::ComponentEndpoint => Kind::ComponentEndpoint,
            KindArg::ServiceEndpoint => Kind::ServiceEndpoint,
            KindArg::Partition => Kind::Partition,
            KindArg::NodeMap => Kind::NodeMap,
            KindArg::BootParameters => Kind::BootParameters,
            KindArg::BootRecord => Kind::BootRecord,
            KindArg::BootConfiguration => Kind::BootConfiguration,
            KindArg::Instance => Kind::Instance,
            KindArg::ClusterDefaults => Kind::ClusterDefaults,
            KindArg::CloudInitGroup => Kind::CloudInitGroup,
            KindArg::InstanceInfo => Kind::InstanceInfo,
            KindArg::Profile => Kind::Profile,
            KindArg::Subnet => Kind::Subnet,
            KindArg::DhcpLease => Kind::DhcpLease,
            KindArg::HeldAddress => Kind::HeldAddress,
            KindArg::UnknownClient => Kind::UnknownClient,
            KindArg::DhcpPolicy => Kind::DhcpPolicy,
            KindArg::BootFile => Kind::BootFile,
            KindArg::Image => Kind::Image,
            KindArg::PowerMap => Kind::PowerMap,
            KindArg::Role => Kind::Role,
            KindArg::Policy => Kind::Policy,
            KindArg::Bmc => Kind::Bmc,
            KindArg::XnameRule => Kind::XnameRule,
            KindArg::BmcCredential => Kind::BmcCredential,
            KindArg::FirmwareInventory => Kind::FirmwareInventory,
            KindArg::Job => Kind::Job,
            KindArg::JobTarget => Kind::JobTarget,
        }
    }
}

pub(crate) async fn run(global: &GlobalArgs, args: WatchArgs) -> Result<(), CliError> {
    let as_json = args.json || global.output.is_document();
    let request = WatchRequest {
        from_revision: args.from,
        kinds: args.kind.iter().map(|kind| kind.wire().into()).collect(),
        xnames: args.xname.iter().map(Xname::to_string).collect(),
        group: args.group.map(String::from).unwrap_or_default(),
        ..WatchRequest::default()
    };
    let mut follow = Follow::new(connect::without_repeats(global)?, request);
    loop {
        for line in lines(follow.next().await?) {
            let more = match as_json {
                true => output::print_line(line.json()?)?,
                false => output::print_line(line.text())?,
            };
            if !more {
                return Ok(()); // nobody reads any more
            }
        }
    }
}

/// One line of the answer.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    revision: Option<u64>,
    change: &'static str,
    object: Option<Object>,
}

/// The lines of what was told. Progress is shown to programs only, who want to know where they would go on.
fn lines(told: Told) -> Vec<Line> {
    let mark = |revision, change| {
        vec![Line {
            revision,
            change,
            object: None,
        }]
    };
    let state = |object| Line {
        revision: None,
        change: "state",
        object: Some(object),
    };
    match told {
        Told::Begins => mark(None, "begins"),
        Told::Rows(objects) => objects.into_iter().map(state).collect(),
        Told::StateEnds(revision) => mark(Some(revision), "state-ends"),
        Told::Events(events) => events.into_iter().map(changed).collect(),
        Told::Progress(revision) => mark(Some(revision), "progress"),
    }
}

fn changed(event: Event) -> Line {
    Line {
        revision: Some(event.revision),
        change: match event.change() {
            Change::Unspecified => "changed",
            Change::Created => "created",
            Change::Updated => "updated",
            Change::Deleted => "deleted",
        },
        object: event.object,
    }
}

impl Line {
    /// `None` for what people need not see.
    fn text(&self) -> Option<String> {
        if self.change == "progress" {
            return None;
        }
        let revision = self
            .revision
            .map_or_else(|| "-".to_owned(), |revision| revision.to_string());
        let object = self
            .object
            .as_ref()
            .map(|object| format!(" {:<18} {}", kind(object), object.key));
        let line = format!("{revision:>8} {:<10}{}", self.change, object.unwrap_or_default());
        Some(line.trim_end().to_owned())
    }

    fn json(&self) -> Result<Option<String>, CliError> {
        let mut line = json!({ "revision": self.revision, "change": self.change });
        if let Some(object) = &self.object {
            line["kind"] = kind(object).into();
            line["key"] = object.key.as_str().into();
            line["object"] = value(object)?;
        }
        Ok(Some(line.to_string()))
    }
}

/// The object itself, with the key names of the HTTP API.
fn value(object: &Object) -> Result<Value, CliError> {
    let whole = output::to_value("chamois.watch.v1.Object", object)?;
    let Value::Object(fields) = whole else {
        return Ok(Value::Null);
    };
    let is_value = |name: &str| name != "kind" && name != "key";
    let value = fields.into_iter().find(|(name, _)| is_value(name));
    Ok(value.map_or(Value::Null, |(_, value)| value))
}

/// A kind as it is typed: `KIND_BOOT_FILE` is `boot-file`.
fn kind(object: &Object) -> String {
    let name = object.kind().as_str_name().trim_start_matches("KIND_");
    name.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use proto::smd::v1::Component;
    use proto::watch::v1::object;

    use super::*;

    fn event(change: Change) -> Event {
        let component = Component {
            id: "x0c0s0b0n0".into(),
            state: proto::smd::v1::component::State::Ready.into(),
            ..Component::default()
        };
        Event {
            revision: 42,
            change: change.into(),
            object: Some(Object {
                kind: Kind::Component.into(),
                key: "x0c0s0b0n0".into(),
                value: Some(object::Value::Component(component)),
            }),
        }
    }

    /// What is shown can be typed.
    #[test]
    fn every_kind_has_the_name_that_selects_it() {
        for arg in KindArg::value_variants() {
            let object = Object {
                kind: arg.wire().into(),
                ..Object::default()
            };
            assert_eq!(KindArg::from_str(&kind(&object), false).as_ref(), Ok(arg));
        }
    }

    #[test]
    fn a_change_is_one_line_of_four_words() {
        let told = Told::Events(vec![event(Change::Created), event(Change::Deleted)]);
        let text: Vec<String> = lines(told).iter().filter_map(Line::text).collect();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&text[0]), ["42", "created", "component", "x0c0s0b0n0"]);
        assert_eq!(words(&text[1]), ["42", "deleted", "component", "x0c0s0b0n0"]);
    }

    /// A program must learn where it would go on, even when nothing happens; people need not.
    #[test]
    fn marks_have_a_revision_and_progress_is_for_programs() {
        let progress = &lines(Told::Progress(7))[0];
        assert_eq!(progress.text(), None);
        let value: Value = serde_json::from_str(&progress.json().unwrap().unwrap()).unwrap();
        assert_eq!(
            (&value["revision"], &value["change"]),
            (&json!(7), &json!("progress"))
        );
        assert_eq!(lines(Told::Begins)[0].text().unwrap().trim(), "- begins");
        assert_eq!(
            lines(Told::StateEnds(9))[0].text().unwrap().trim(),
            "9 state-ends"
        );
    }

    #[test]
    fn json_has_the_object_with_the_key_names_of_the_api() {
        let line = changed(event(Change::Updated)).json().unwrap().unwrap();
        assert!(!line.contains('\n'), "{line}");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["kind"], "component");
        assert_eq!(value["object"]["ID"], "x0c0s0b0n0");
        assert_eq!(value["revision"], 42);
    }
}
