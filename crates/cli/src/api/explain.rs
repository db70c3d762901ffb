//! `chamois api explain`.

use clap::Args;
use openapi::{Catalogue, Method};
use prost_reflect::{EnumDescriptor, FieldDescriptor, MessageDescriptor, ServiceDescriptor};
use serde_json::Value;

use super::{catalogue, names, shown};
use crate::args::GlobalArgs;
use crate::error::{CliError, Kind};
use crate::output;

/// `chamois api explain`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  chamois api explain ListComponents                 a method: its routes, permission, request and answer
  chamois api explain smd.v1.Component               a message
  chamois api explain smd.v1.Component.State         a field, and its values
  chamois api explain GroupService                   a service
  chamois api explain /hsm/v2/groups                 what is behind a route

The last parts of a name are enough if only one thing is called so.")]
pub struct ExplainArgs {
    /// A service, method, message, enum, field or HTTP path
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// What a name can mean.
enum Thing<'c> {
    Method(&'c Method),
    Service(ServiceDescriptor),
    Message(MessageDescriptor),
    Enum(EnumDescriptor),
}

pub(super) fn run(global: &GlobalArgs, args: &ExplainArgs) -> Result<(), CliError> {
    let catalogue = catalogue()?;
    let explained = explain(&catalogue, &args.name)?;
    let pages: Vec<String> = explained.iter().map(shown::page).collect();
    let value = match explained.len() {
        1 => explained.into_iter().next().unwrap_or_default(),
        _ => Value::Array(explained),
    };
    output::object_value(global, &value, &args.name, || pages.join("\n\n"))
}

/// The page of the one thing of this name, or those of all methods behind the route.
fn explain(catalogue: &Catalogue, name: &str) -> Result<Vec<Value>, CliError> {
    let behind = behind_route(catalogue, name);
    if !behind.is_empty() {
        return Ok(behind);
    }
    let things = things(catalogue);
    let all = things.iter().map(|(name, thing)| (name.as_str(), thing));
    let field = field(catalogue, name).map(|field| shown::field(catalogue, &field));
    match names::find("name in the API", name, all) {
        // a field and the enum of its values may have one name
        Ok(thing) => Ok(field.into_iter().chain([thing.explained(catalogue)]).collect()),
        Err(error) if error.kind() == Kind::NotFound => field.map(|field| vec![field]).ok_or(error),
        Err(error) => Err(error),
    }
}

impl Thing<'_> {
    fn explained(&self, catalogue: &Catalogue) -> Value {
        match self {
            Thing::Method(method) => shown::method(catalogue, method),
            Thing::Service(service) => shown::service(catalogue, service),
            Thing::Message(message) => shown::message(catalogue, message),
            Thing::Enum(of) => shown::enumeration(catalogue, of),
        }
    }
}

fn things(catalogue: &Catalogue) -> Vec<(String, Thing<'_>)> {
    let pool = catalogue.pool();
    let methods = catalogue.methods().iter();
    let methods = methods.map(|method| (method.name().to_owned(), Thing::Method(method)));
    let services = pool.services();
    let services = services.map(|service| (service.full_name().to_owned(), Thing::Service(service)));
    let messages = pool.all_messages().filter(|message| !message.is_map_entry());
    let messages = messages.map(|message| (message.full_name().to_owned(), Thing::Message(message)));
    let enums = pool.all_enums();
    let enums = enums.map(|of| (of.full_name().to_owned(), Thing::Enum(of)));
    methods.chain(services).chain(messages).chain(enums).collect()
}

/// The methods whose route this is: as the .proto writes it, or with any names of variables.
fn behind_route(catalogue: &Catalogue, path: &str) -> Vec<Value> {
    let wanted = shape(path);
    let is_it = |method: &&Method| {
        method
            .routes()
            .iter()
            .any(|route| shape(&route.template) == wanted)
    };
    let methods = catalogue.methods().iter().filter(is_it);
    methods.map(|method| shown::method(catalogue, method)).collect()
}

fn shape(path: &str) -> Vec<&str> {
    let segments = path.trim_end_matches('/').split('/');
    segments
        .map(|segment| if segment.starts_with('{') { "{}" } else { segment })
        .collect()
}

/// `Component.State`: a message, and one of its fields by either of its names in any case.
fn field(catalogue: &Catalogue, name: &str) -> Option<FieldDescriptor> {
    let (message, field) = name.rsplit_once('.')?;
    let messages: Vec<MessageDescriptor> = catalogue.pool().all_messages().collect();
    let all = messages.iter().map(|message| (message.full_name(), message));
    let message = names::find("message", message, all).ok()?;
    message
        .fields()
        .find(|own| own.json_name().eq_ignore_ascii_case(field) || own.name().eq_ignore_ascii_case(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(name: &str) -> Result<Vec<Value>, CliError> {
        explain(&catalogue().unwrap(), name)
    }

    #[test]
    fn everything_is_found_by_its_last_parts() {
        for (name, kind, full) in [
            (
                "ListComponents",
                "method",
                "chamois.smd.v1.ComponentService.ListComponents",
            ),
            (
                "smd.v1.ComponentService",
                "service",
                "chamois.smd.v1.ComponentService",
            ),
            ("smd.v1.Component", "message", "chamois.smd.v1.Component"),
            ("http.v1.Access", "enum", "chamois.http.v1.Access"),
            ("chamois.smd.v1.Component.nid", "field", "NID"),
            ("smd.v1.Component.NID", "field", "NID"),
        ] {
            let [one] = &explained(name).unwrap()[..] else {
                panic!("{name}");
            };
            assert_eq!(
                (&one["kind"], &one["name"]),
                (&kind.into(), &full.into()),
                "{name}"
            );
        }
    }

    #[test]
    fn a_field_is_shown_with_the_enum_that_is_called_so() {
        let all = explained("smd.v1.Component.State").unwrap();
        let kinds: Vec<&str> = all.iter().map(|one| one["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["field", "enum"]);
        let pages: Vec<String> = all.iter().map(shown::page).collect();
        assert!(pages[1].contains("Ready"), "{pages:?}");
    }

    #[test]
    fn a_route_shows_every_method_behind_it() {
        let all = explained("/hsm/v2/State/Components").unwrap();
        let names: Vec<&str> = all.iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert!(names.len() >= 2, "{names:?}");
        assert!(
            names.iter().all(|name| name.contains("ComponentService")),
            "{names:?}"
        );
        assert!(explained("/hsm/v2/State/Components/{xname}").unwrap().len() > 1);
    }

    #[test]
    fn what_is_not_there_is_answered_with_what_is() {
        let error = explained("ListComponnents").unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.to_string().contains("ListComponents"), "{error}");
        assert_eq!(explained("Component.Colour").unwrap_err().kind(), Kind::NotFound);
    }
}
