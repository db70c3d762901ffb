//! What an action needs: a permission by its name, or that of a method or route, as the descriptor says it.

use prost_reflect::{DescriptorPool, ExtensionDescriptor, MethodDescriptor};
use proto::google::api::HttpRule;
use proto::google::api::http_rule::Pattern;
use proto::http::v1::Permission;
use rpc::{Error, Rules, RulesError, invalid};

/// Full name of the option that has a method's route.
const ROUTE_OPTION: &str = "google.api.http";
/// How paths of today's gateways begin, and what that stands for: as `gateway::Options::aliases` has it.
const PREFIXES: [(&str, &str); 3] = [
    ("/apis/smd/hsm/v2", "/hsm/v2"),
    ("/apis/bss/boot/v1", "/boot/v1"),
    ("/cloud-init-secure", "/cloud-init"),
];
/// Bytes of an action.
const ACTION_BYTES_MAX: usize = 1024;

/// Whom something is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Needed {
    /// Whoever is given this permission.
    Permission(String),
    /// Whoever has proved to be somebody.
    Identity,
    /// Everybody.
    Nothing,
    /// Members of the cluster, on their own port.
    Membership,
}

/// Every method and route.
#[derive(Clone, Debug)]
pub(crate) struct Actions {
    rules: Rules,
    routes: Vec<Route>,
}

/// One route of one method.
#[derive(Clone, Debug)]
struct Route {
    verb: &'static str,
    /// Of its path; a variable is `None`.
    segments: Vec<Option<String>>,
    /// `/package.Service/Method`.
    method: String,
}

impl Actions {
    /// # Errors
    /// A descriptor that does not decode.
    pub(crate) fn of(rules: &Rules) -> Result<Actions, RulesError> {
        let pool = DescriptorPool::decode(proto::DESCRIPTOR)?;
        let option = pool
            .get_extension_by_name(ROUTE_OPTION)
            .ok_or(RulesError::OptionMissing)?;
        let methods = pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>());
        Ok(Actions {
            rules: rules.clone(),
            routes: methods.flat_map(|method| routes_of(&method, &option)).collect(),
        })
    }

    /// # Errors
    /// `Invalid` for what is neither a permission nor a method nor a route.
    pub(crate) fn needed(&self, action: &str) -> Result<Needed, Error> {
        if action.len() > ACTION_BYTES_MAX {
            return Err(invalid(
                "action",
                format!("it has more than {ACTION_BYTES_MAX} bytes"),
            ));
        }
        let of_method = match action.split_once(' ') {
            Some((verb, path)) => self
                .method_of(verb, path)
                .and_then(|method| self.needed_by(method)),
            None => self.needed_by(action),
        };
        let by_name = || self.rules.permissions().find(|known| *known == action);
        match of_method.or_else(|| by_name().map(|name| Needed::Permission(name.to_owned()))) {
            Some(needed) => Ok(needed),
            None => Err(self.unknown()),
        }
    }

    fn needed_by(&self, method: &str) -> Option<Needed> {
        let rule = self.rules.get(method)?;
        Some(match rule.permission {
            Permission::Administrator | Permission::Node => {
                Needed::Permission(self.rules.permission(rule.needs).to_owned())
            }
            Permission::Identified => Needed::Identity,
            Permission::Public => Needed::Nothing,
            Permission::Member => Needed::Membership,
            Permission::Unspecified => return None,
        })
    }

    /// The method of a route: of several that fit, the one with the fewest variables.
    fn method_of(&self, verb: &str, path: &str) -> Option<&str> {
        let path = path.split('?').next().unwrap_or_default();
        let own = PREFIXES.iter().find_map(|(from, to)| {
            let rest = path.strip_prefix(*from)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{to}{rest}"))
        });
        let segments: Vec<&str> = own.as_deref().unwrap_or(path).split('/').collect();
        let fitting = self
            .routes
            .iter()
            .filter(|route| route.verb.eq_ignore_ascii_case(verb) && route.fits(&segments));
        let best = fitting.min_by_key(|route| route.segments.iter().filter(|part| part.is_none()).count());
        best.map(|route| route.method.as_str())
    }

    fn unknown(&self) -> Error {
        let all: Vec<&str> = self.rules.permissions().collect();
        let problem = format!(
            "write a method (/package.Service/Method), a route (GET /hsm/v2/State/Components), or one of {}",
            all.join(", ")
        );
        invalid("action", problem)
    }
}

impl Route {
    fn fits(&self, segments: &[&str]) -> bool {
        let mut pairs = self.segments.iter().zip(segments);
        self.segments.len() == segments.len()
            && pairs.all(|(part, given)| match part {
                Some(literal) => literal == given,
                None => !given.is_empty(),
            })
    }
}

fn routes_of(method: &MethodDescriptor, option: &ExtensionDescriptor) -> Vec<Route> {
    let name = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let options = method.options();
    let value = options.get_extension(option);
    let rule: Option<HttpRule> = value.as_message().and_then(|rule| rule.transcode_to().ok());
    let Some(rule) = rule else {
        return Vec::new();
    };
    let bindings = std::iter::once(&rule).chain(&rule.additional_bindings);
    let bound = bindings.filter_map(|binding| verb_and_path(binding.pattern.as_ref()?));
    bound
        .map(|(verb, path)| Route {
            verb,
            segments: path.split('/').map(literal).collect(),
            method: name.clone(),
        })
        .collect()
}

fn verb_and_path(pattern: &Pattern) -> Option<(&'static str, &str)> {
    match pattern {
        Pattern::Get(path) => Some(("GET", path.as_str())),
        Pattern::Put(path) => Some(("PUT", path.as_str())),
        Pattern::Post(path) => Some(("POST", path.as_str())),
        Pattern::Delete(path) => Some(("DELETE", path.as_str())),
        Pattern::Patch(path) => Some(("PATCH", path.as_str())),
        Pattern::Custom(_) => None,
    }
}

/// `None` for a variable, which is one whole segment.
fn literal(segment: &str) -> Option<String> {
    match segment.starts_with('{') {
        true => None,
        false => Some(segment.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions() -> Actions {
        Actions::of(&Rules::from_descriptor(proto::DESCRIPTOR).unwrap()).unwrap()
    }

    fn permission(name: &str) -> Needed {
        Needed::Permission(name.to_owned())
    }

    #[test]
    fn methods_routes_and_permissions_are_actions() {
        let actions = actions();
        for (action, needed) in [
            ("bss.write", permission("bss.write")),
            (
                "/chamois.smd.v1.ComponentService/ListComponents",
                permission("smd.read"),
            ),
            ("GET /hsm/v2/State/Components", permission("smd.read")),
            (
                "get /apis/smd/hsm/v2/State/Components?type=Node",
                permission("smd.read"),
            ),
            ("GET /apis/bss/boot/v1/bootparameters", permission("bss.read")),
            (
                "GET /cloud-init-secure/admin/groups",
                permission("cloud-init.read"),
            ),
            (
                "DELETE /hsm/v2/State/Components/x1000c0s0b0n0",
                permission("smd.write"),
            ),
            (
                "/chamois.auth.v1.PolicyService/PutPolicy",
                permission("auth.admin"),
            ),
            ("/chamois.auth.v1.PolicyService/CheckAccess", Needed::Identity),
            ("/grpc.health.v1.Health/Check", Needed::Nothing),
            (
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                permission("cluster.read"),
            ),
        ] {
            assert_eq!(actions.needed(action).unwrap(), needed, "{action}");
        }
    }

    /// What the peer port has is for members, whatever a policy says.
    #[test]
    fn what_members_do_with_each_other_needs_membership() {
        let actions = actions();
        let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
        let of_members: Vec<&str> = rules
            .iter()
            .filter(|(_, rule)| rule.permission == Permission::Member)
            .map(|(path, _)| path)
            .collect();
        assert!(!of_members.is_empty());
        for path in of_members {
            assert_eq!(actions.needed(path).unwrap(), Needed::Membership, "{path}");
        }
    }

    #[test]
    fn an_unknown_action_is_told_which_there_are() {
        let actions = actions();
        let long = "a".repeat(ACTION_BYTES_MAX + 1);
        for unknown in [
            "",
            "smd.fly",
            "GET /nowhere",
            "GET",
            "/a.B/C",
            "FLY /hsm/v2/State/Components",
            "GET /apis/bss/hsm/v2/State/Components",
            "GET /cloud-init-secured/admin/groups",
            &long,
        ] {
            let refused = actions.needed(unknown).unwrap_err().to_string();
            assert!(refused.starts_with("action: "), "{unknown}: {refused}");
        }
        let refused = actions.needed("smd.fly").unwrap_err().to_string();
        assert!(
            refused.contains("bss.write") && refused.contains("GET /hsm/v2"),
            "{refused}"
        );
    }

    /// A route that could not be asked about would be missing in everybody's tests of his policies.
    #[test]
    fn every_route_is_found_by_its_own_path() {
        let actions = actions();
        assert!(actions.routes.len() > 100, "{} routes", actions.routes.len());
        for route in &actions.routes {
            let parts = route.segments.iter().map(|part| part.as_deref().unwrap_or("x0"));
            let path = parts.collect::<Vec<_>>().join("/");
            let found = actions.method_of(route.verb, &path).unwrap();
            let needed = actions.needed_by(found).unwrap();
            assert_eq!(
                Some(needed),
                actions.needed_by(&route.method),
                "{} {path}",
                route.verb
            );
        }
    }
}
