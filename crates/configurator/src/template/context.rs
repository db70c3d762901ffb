//! What templates find: the view by its own names, the revision, and the header of a file.

use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};
use proto::configurator::v1::Template;

use crate::file::{REVISION, header};
use crate::{Node, View};

/// A node, and what it takes more than a look to know.
#[derive(serde::Serialize)]
struct WithAddress<'a> {
    #[serde(flatten)]
    node: &'a Node,
    address: Option<std::net::IpAddr>,
    boot_interface: Option<&'a crate::Interface>,
}

pub(super) fn of(view: &View) -> Value {
    let nodes = view.nodes.iter().map(|node| WithAddress {
        node,
        address: node.address(),
        boot_interface: node.boot_interface(),
    });
    context! {
        cluster => view.cluster.as_str(),
        revision => REVISION.to_string(),
        nodes => Value::from(Serde(nodes.collect::<Vec<_>>())),
        bmcs => Value::from(Serde(&view.bmcs)),
        groups => Value::from(Serde(&view.groups)),
        partitions => Value::from(Serde(&view.partitions)),
        subnets => Value::from(Serde(&view.subnets)),
        others => Value::from(Serde(&view.others)),
    }
}

/// `header(sign)`: the line that says what made the file, of which state; without a sign behind `#`.
pub(super) fn add_header(environment: &mut Environment<'_>, template: &Template, view: &View) {
    let cluster = View {
        cluster: view.cluster.clone(),
        ..View::default()
    };
    let by = format!("template {}", template.name);
    environment.add_function("header", move |sign: Option<String>| {
        let line = header(sign.as_deref().unwrap_or("#"), &cluster, &by);
        line.trim_end().to_owned()
    });
}
