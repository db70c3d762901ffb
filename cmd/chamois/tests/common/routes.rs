//! The routes that the descriptor gives methods (`google.api.http`), with what their own option says of them.

use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, ExtensionDescriptor, MethodDescriptor};
use proto::google::api::HttpRule;
use proto::google::api::http_rule::Pattern;
use proto::http::v1::{MethodRule, Permission};

/// One of a method's routes.
pub(crate) struct Route {
    pub(crate) verb: &'static str,
    /// Its path, with variables in braces.
    pub(crate) template: String,
    pub(crate) method: MethodDescriptor,
    rule: MethodRule,
}

/// Every route of every method.
pub(crate) fn routes() -> Vec<Route> {
    let pool = DescriptorPool::decode(proto::DESCRIPTOR).unwrap();
    let http = pool.get_extension_by_name("google.api.http").unwrap();
    let own = pool.get_extension_by_name("chamois.http.v1.method").unwrap();
    let mut routes = Vec::new();
    for service in pool.services() {
        for method in service.methods() {
            let options = method.options();
            if !options.has_extension(&http) {
                continue;
            }
            let bound: HttpRule = option(&options, &http);
            let rule: MethodRule = option(&options, &own);
            for binding in std::iter::once(&bound).chain(&bound.additional_bindings) {
                let (verb, template) = verb_and_template(binding);
                routes.push(Route {
                    verb,
                    template: template.to_owned(),
                    method: method.clone(),
                    rule: rule.clone(),
                });
            }
        }
    }
    routes
}

fn option<T: Message + Default>(options: &DynamicMessage, extension: &ExtensionDescriptor) -> T {
    let value = options.get_extension(extension);
    let message = value.as_message().unwrap();
    message.transcode_to().unwrap()
}

fn verb_and_template(binding: &HttpRule) -> (&'static str, &str) {
    let (verb, template) = match binding.pattern.as_ref().unwrap() {
        Pattern::Get(template) => ("GET", template),
        Pattern::Put(template) => ("PUT", template),
        Pattern::Post(template) => ("POST", template),
        Pattern::Delete(template) => ("DELETE", template),
        Pattern::Patch(template) => ("PATCH", template),
        Pattern::Custom(custom) => panic!("{custom:?}"),
    };
    (verb, template.as_str())
}

impl Route {
    /// How gRPC calls its method.
    pub(crate) fn grpc_path(&self) -> String {
        format!(
            "/{}/{}",
            self.method.parent_service().full_name(),
            self.method.name()
        )
    }

    /// Whether the node port has it.
    pub(crate) fn is_for_nodes(&self) -> bool {
        matches!(self.rule.permission(), Permission::Node | Permission::Public) && !self.rule.tls_only
    }

    /// `/a/{id}/b` with this in the place of its variables.
    pub(crate) fn path_of(&self, value: &str) -> String {
        let mut path = String::new();
        let mut rest = self.template.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            path += before;
            path += value;
            rest = after.split_once('}').unwrap().1;
        }
        path + rest
    }
}
