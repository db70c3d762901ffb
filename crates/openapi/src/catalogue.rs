//! Every method with what its .proto says of it.

use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumValueDescriptor, ExtensionDescriptor, FieldDescriptor,
    MethodDescriptor, Value,
};
use proto::google::api::HttpRule;
use proto::google::api::http_rule::Pattern;
use proto::http::v1::{Consistency, FieldRule, MethodRule, Permission};
use rpc::Rules;

use crate::Error;
use crate::comments::Comments;

const ROUTE: &str = "google.api.http";
const METHOD: &str = "chamois.http.v1.method";
const FIELD: &str = "chamois.http.v1.field";
const LEGACY_NAME: &str = "chamois.http.v1.legacy_name";

/// All of the API, as its descriptor has it.
#[derive(Debug)]
pub struct Catalogue {
    pool: DescriptorPool,
    comments: Comments,
    field_rule: ExtensionDescriptor,
    legacy_name: ExtensionDescriptor,
    methods: Vec<Method>,
}

/// One method.
#[derive(Clone, Debug)]
pub struct Method {
    descriptor: MethodDescriptor,
    rule: MethodRule,
    permission: String,
    routes: Vec<Route>,
}

/// One way to call a method over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `GET`.
    pub verb: String,
    /// `/hsm/v2/State/Components/{id}`.
    pub template: String,
    /// The request's field that the body is, `*` for the whole request, empty for no body.
    pub body: String,
    /// The answer's field that is shown; empty: the whole answer.
    pub response_body: String,
}

impl Catalogue {
    /// Reads an encoded `FileDescriptorSet`; with comments if it is `proto::DOCUMENTED_DESCRIPTOR`.
    ///
    /// # Errors
    /// If it does not decode, lacks our options, or a method has no rule.
    pub fn new(descriptor: &[u8]) -> Result<Self, Error> {
        let pool = DescriptorPool::decode(descriptor)?;
        let rules = Rules::from_descriptor(descriptor)?;
        let extension = |name: &'static str| {
            let found = pool.get_extension_by_name(name);
            found.ok_or(Error::OptionMissing { name })
        };
        let (route, method) = (extension(ROUTE)?, extension(METHOD)?);
        let (field_rule, legacy_name) = (extension(FIELD)?, extension(LEGACY_NAME)?);
        let descriptors = pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>());
        let methods = descriptors
            .map(|descriptor| Method::new(descriptor, &rules, &route, &method))
            .collect();
        Ok(Self {
            comments: Comments::of(&pool),
            pool,
            field_rule,
            legacy_name,
            methods,
        })
    }

    /// Every method, in the order of the files.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// What messages and methods are found in by name.
    pub fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// What the files say of them.
    pub fn comments(&self) -> &Comments {
        &self.comments
    }

    /// How a field shows in JSON over HTTP.
    pub fn field_rule(&self, field: &FieldDescriptor) -> FieldRule {
        option(&field.options(), &self.field_rule).unwrap_or_default()
    }

    /// What the value of an enum is called in JSON over HTTP; `None` for the one that means "absent".
    pub fn name_in_json(&self, value: &EnumValueDescriptor) -> Option<String> {
        let options = value.options();
        let legacy = options
            .has_extension(&self.legacy_name)
            .then(|| options.get_extension(&self.legacy_name).into_owned());
        let legacy = legacy.as_ref().and_then(Value::as_str).map(str::to_owned);
        legacy.or_else(|| (value.number() != 0).then(|| value.name().to_owned()))
    }
}

impl Method {
    fn new(
        descriptor: MethodDescriptor,
        rules: &Rules,
        route: &ExtensionDescriptor,
        rule: &ExtensionDescriptor,
    ) -> Self {
        let options = descriptor.options();
        let binding: Option<HttpRule> = option(&options, route);
        let bindings = binding.iter().flat_map(|binding| {
            let more = &binding.additional_bindings;
            std::iter::once(binding).chain(more)
        });
        let needs = rules.get(&grpc_path(&descriptor)).map(|rule| rule.needs);
        Self {
            routes: bindings.filter_map(Route::of).collect(),
            rule: option(&options, rule).unwrap_or_default(),
            permission: needs.map_or("", |needs| rules.permission(needs)).to_owned(),
            descriptor,
        }
    }

    /// What it is in the descriptor.
    pub fn descriptor(&self) -> &MethodDescriptor {
        &self.descriptor
    }

    /// `chamois.smd.v1.ComponentService.GetComponent`.
    pub fn name(&self) -> &str {
        self.descriptor.full_name()
    }

    /// `/chamois.smd.v1.ComponentService/GetComponent`.
    pub fn grpc_path(&self) -> String {
        grpc_path(&self.descriptor)
    }

    /// Its option `chamois.http.v1.method`.
    pub fn rule(&self) -> &MethodRule {
        &self.rule
    }

    /// The permission that roles give, e.g. `smd.read`.
    pub fn permission(&self) -> &str {
        &self.permission
    }

    /// Ways to call it over HTTP; none for what is for gRPC alone.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Who may call it, in one word.
    pub fn caller(&self) -> &'static str {
        match self.rule.permission() {
            Permission::Unspecified => "nobody",
            Permission::Administrator => "administrator",
            Permission::Node => "node",
            Permission::Member => "member",
            Permission::Public => "anyone",
            Permission::Identified => "identified",
        }
    }

    /// How fresh its answer is, in one word; `None` for a write.
    pub fn consistency(&self) -> Option<&'static str> {
        match self.rule.consistency() {
            Consistency::Unspecified => None,
            Consistency::Linearizable => Some("linearizable"),
            Consistency::Local => Some("local"),
        }
    }
}

impl Route {
    fn of(binding: &HttpRule) -> Option<Self> {
        let (verb, template) = match binding.pattern.as_ref()? {
            Pattern::Get(path) => ("GET", path),
            Pattern::Put(path) => ("PUT", path),
            Pattern::Post(path) => ("POST", path),
            Pattern::Delete(path) => ("DELETE", path),
            Pattern::Patch(path) => ("PATCH", path),
            Pattern::Custom(custom) => (custom.kind.as_str(), &custom.path),
        };
        Some(Self {
            verb: verb.to_owned(),
            template: template.clone(),
            body: binding.body.clone(),
            response_body: binding.response_body.clone(),
        })
    }

    /// Names of the path's variables, in its order.
    pub fn variables(&self) -> Vec<&str> {
        let segments = self.template.split('/');
        segments
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .collect()
    }
}

fn grpc_path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// The option `extension` among `options`.
fn option<M: prost::Message + Default>(
    options: &DynamicMessage,
    extension: &ExtensionDescriptor,
) -> Option<M> {
    if !options.has_extension(extension) {
        return None;
    }
    options.get_extension(extension).as_message()?.transcode_to().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::new(proto::DOCUMENTED_DESCRIPTOR).unwrap()
    }

    fn method<'c>(catalogue: &'c Catalogue, name: &str) -> &'c Method {
        let found = catalogue
            .methods()
            .iter()
            .find(|method| method.name().ends_with(name));
        found.unwrap_or_else(|| panic!("no {name}"))
    }

    /// What is shown of a method is what the guard and the gateway go by.
    #[test]
    fn a_method_is_told_with_route_and_permission() {
        let catalogue = catalogue();
        let get = method(&catalogue, ".ComponentService.GetComponent");
        assert_eq!(get.permission(), "smd.read");
        assert_eq!(get.caller(), "administrator");
        assert_eq!(get.consistency(), Some("linearizable"));
        assert!(
            get.grpc_path().ends_with("ComponentService/GetComponent"),
            "{}",
            get.grpc_path()
        );
        let [route] = get.routes() else {
            panic!("{:?}", get.routes());
        };
        assert_eq!((route.verb.as_str(), route.body.as_str()), ("GET", ""));
        assert_eq!(route.variables().len(), 1, "{route:?}");
    }

    #[test]
    fn additional_bindings_are_routes_too() {
        let catalogue = catalogue();
        let token = method(&catalogue, ".OauthService.Token");
        let templates: Vec<&str> = token
            .routes()
            .iter()
            .map(|route| route.template.as_str())
            .collect();
        assert!(
            templates.contains(&"/oauth/token") && templates.contains(&"/token"),
            "{templates:?}"
        );
    }

    #[test]
    fn every_method_has_a_permission_and_a_caller() {
        let catalogue = catalogue();
        assert!(catalogue.methods().len() > 200);
        for method in catalogue.methods() {
            assert!(method.permission().contains('.'), "{}", method.name());
            assert_ne!(method.caller(), "nobody", "{}", method.name());
        }
        let names: BTreeSet<&str> = catalogue.methods().iter().map(Method::name).collect();
        assert_eq!(names.len(), catalogue.methods().len(), "a name is one method's");
    }

    #[test]
    fn values_of_enums_have_the_names_of_the_old_api() {
        let catalogue = catalogue();
        let enums = catalogue.pool().all_enums();
        let names: BTreeSet<String> = enums
            .flat_map(|of| of.values().collect::<Vec<_>>())
            .filter_map(|value| catalogue.name_in_json(&value))
            .collect();
        for name in ["Ready", "Standby", "On", "Off", "PERMISSION_ADMINISTRATOR"] {
            assert!(names.contains(name), "{name}");
        }
        assert!(!names.contains("PERMISSION_UNSPECIFIED"));
    }
}
