//! Every method of the descriptor, over gRPC and as a route, by everybody: no identity, the wrong role, the right role, and the
//! right role on the wrong group. Generated: a method that somebody adds is in it.

use std::collections::BTreeMap;

use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor, Value};
use proto::http::v1::Permission;
use rpc::{Rule, Rules};
use tonic::Code;

use crate::callers::{Caller, OTHER, SECRET, Site};
use crate::common::http::get;

const POLICIES: &str = "
- {name: right, role: admin, principals: [user/right, service/right, node/x1c0s0b0n0]}
- {name: wrong, role: nothing, principals: [user/wrong]}
- {name: elsewhere, role: admin, principals: [user/elsewhere], groups: [elsewhere]}
";

/// Routes that are asked at once.
const WORKERS: usize = 4;

/// Verb, path, and who may ask it.
type Route = (&'static str, String, Rule);

/// What names something in requests.
const NAMES: [&str; 16] = [
    "id",
    "ids",
    "xname",
    "xnames",
    "node",
    "nodes",
    "host",
    "hosts",
    "name",
    "names",
    "label",
    "labels",
    "component_id",
    "component_ids",
    "key",
    "keys",
];
/// Messages within messages that are filled in.
const DEPTH_MAX: usize = 4;

/// A read that may be as old as what this member has applied.
const LOCAL: [(&str, &str); 1] = [(rpc::CONSISTENCY, rpc::CONSISTENCY_LOCAL)];
/// Where clients of OpenCHAMI's gateway find services, and what begins so without it.
const PREFIXES: [(&str, &str); 2] = [("/apis/smd", "/hsm/v2/"), ("/apis/bss", "/boot/v1/")];

/// Everybody.
struct Callers {
    stranger: Caller,
    wrong: Caller,
    right: Caller,
    /// The same rights, by everything else that proves somebody.
    also_right: Vec<(&'static str, Caller)>,
    elsewhere: Caller,
}

impl Callers {
    fn of(site: &Site) -> Callers {
        let (code, _, err) = site
            .single
            .ask(&["policy", "role", "put", "nothing", "nothing.read"]);
        assert_eq!(code, 0, "{err}");
        let [api, access] = site.bearers("service/right");
        Callers {
            also_right: vec![
                ("an API token", api),
                ("an access token", access),
                ("a service's certificate", site.service("right")),
                ("a node's certificate", site.node()),
            ],
            stranger: site.stranger(),
            wrong: site.user("wrong"),
            right: site.user("right"),
            elsewhere: site.user("elsewhere"),
        }
    }
}

/// Whom a method lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    WhoeverIsGivenIt,
    WhoeverHasAnIdentity,
    Everybody,
    Nobody,
}

fn of(rule: Rule) -> For {
    match rule.permission {
        Permission::Administrator | Permission::Node => For::WhoeverIsGivenIt,
        Permission::Identified => For::WhoeverHasAnIdentity,
        Permission::Public => For::Everybody,
        // members have a port of their own
        Permission::Member | Permission::Unspecified => For::Nobody,
    }
}

/// By whoever decides about rights; a handler may refuse what it is shown by itself, e.g. a join token that is none.
fn is_refused(code: Code, text: &str) -> bool {
    let by_rights = [" is needed", " is for "]
        .iter()
        .any(|words| text.contains(words));
    matches!(code, Code::Unauthenticated | Code::PermissionDenied) && by_rights
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_is_given_to_whom_policies_give_it_and_to_nobody_else() {
    let site = Site::start(POLICIES);
    let (callers, rules) = (
        Callers::of(&site),
        Rules::from_descriptor(proto::DESCRIPTOR).unwrap(),
    );
    let methods: BTreeMap<&str, Rule> = rules.iter().collect();
    let (before, pool) = (site.others(), DescriptorPool::decode(proto::DESCRIPTOR).unwrap());
    for (path, rule) in &methods {
        strangers_are_refused(&callers, path, *rule).await;
        roles_decide(&callers, &rules, path, *rule).await;
        whatever_proves_somebody_lets_him_in(&callers, path, *rule).await;
        let named = asking_for_the_other(&pool, path);
        nothing_of_others_is_shown(&callers.elsewhere, path, *rule, named).await;
    }
    assert_eq!(site.others(), before, "nobody has changed what is not his");
    assert!(methods.len() > 250, "{} methods", methods.len());
}

async fn strangers_are_refused(callers: &Callers, path: &str, rule: Rule) {
    let (code, text) = callers.stranger.code(path, Vec::new(), &[]).await;
    match of(rule) {
        For::Everybody => assert!(!is_refused(code, &text), "{path} by a stranger: {code:?} {text}"),
        _ => assert_eq!(code, Code::Unauthenticated, "{path} by a stranger: {text}"),
    }
}

async fn roles_decide(callers: &Callers, rules: &Rules, path: &str, rule: Rule) {
    let (wrong, text) = callers.wrong.code(path, Vec::new(), &[]).await;
    let (right, said) = callers.right.code(path, Vec::new(), tried_out(rule)).await;
    match of(rule) {
        For::WhoeverIsGivenIt => {
            assert_eq!(wrong, Code::PermissionDenied, "{path} by the wrong role: {text}");
            let permission = rules.permission(rule.needs);
            assert!(
                text.starts_with(&format!("{permission} is needed")),
                "{path}: {text}"
            );
            assert!(
                !is_refused(right, &said),
                "{path} by the right role: {right:?} {said}"
            );
        }
        For::WhoeverHasAnIdentity | For::Everybody => {
            assert!(
                !is_refused(wrong, &text),
                "{path} by the wrong role: {wrong:?} {text}"
            );
            assert!(
                !is_refused(right, &said),
                "{path} by the right role: {right:?} {said}"
            );
        }
        For::Nobody => {
            assert_eq!(
                (wrong, right),
                (Code::PermissionDenied, Code::PermissionDenied),
                "{path}"
            );
        }
    }
}

/// Where it can be, nothing is changed.
fn tried_out(rule: Rule) -> &'static [(&'static str, &'static str)] {
    match rule.can_validate_only {
        true => &[(rpc::VALIDATE_ONLY, "true")],
        false => &[],
    }
}

/// Policies ask for a name, and not for what has proved it.
async fn whatever_proves_somebody_lets_him_in(callers: &Callers, path: &str, rule: Rule) {
    if of(rule) != For::WhoeverIsGivenIt {
        return;
    }
    let asked = callers.also_right.iter().map(|(by, caller)| async move {
        let (code, said) = caller.code(path, Vec::new(), tried_out(rule)).await;
        assert!(!is_refused(code, &said), "{path} by {by}: {code:?} {said}");
    });
    futures::future::join_all(asked).await;
}

/// Somebody with the same role elsewhere learns nothing and changes nothing, whether he asks for all or for one by its name.
async fn nothing_of_others_is_shown(elsewhere: &Caller, path: &str, rule: Rule, named: Option<Vec<u8>>) {
    let mut code = Code::Ok;
    // a member that is content with its own state is asked no less
    for metadata in [&LOCAL[..0], &LOCAL[..]] {
        let shown;
        (code, shown) = elsewhere.code(path, Vec::new(), metadata).await;
        assert!(
            !shown.contains(SECRET) && !shown.contains(OTHER),
            "{path}: {code:?} {shown}"
        );
    }
    if of(rule) == For::Nobody {
        assert_eq!(code, Code::PermissionDenied, "{path}");
    }
    let Some(named) = named else {
        return;
    };
    let (code, shown) = elsewhere.code(path, named, &[]).await;
    assert!(
        !shown.contains(SECRET),
        "{path} names the other: {code:?} {shown}"
    );
    let is_write = rule.can_validate_only && of(rule) == For::WhoeverIsGivenIt;
    assert!(
        !(is_write && code == Code::Ok),
        "{path} has changed something: {shown}"
    );
}

/// A request that has the other node wherever something is named; `None` for methods whose protos are not ours.
fn asking_for_the_other(pool: &DescriptorPool, path: &str) -> Option<Vec<u8>> {
    let (service, method) = path.trim_start_matches('/').split_once('/').unwrap();
    let service = pool.get_service_by_name(service)?;
    let method = service.methods().find(|found| found.name() == method)?;
    Some(filled(&method.input(), DEPTH_MAX).encode_to_vec())
}

fn filled(descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields().filter(|field| !field.is_map()) {
        let value = match field.kind() {
            Kind::String if NAMES.contains(&field.name()) => Value::String(OTHER.to_owned()),
            Kind::Message(inner) if depth > 0 && inner.full_name().starts_with("chamois.") => {
                Value::Message(filled(&inner, depth - 1))
            }
            _ => continue,
        };
        let value = match field.is_list() {
            true => Value::List(vec![value]),
            false => value,
        };
        message.set_field(&field, value);
    }
    message
}

#[test]
fn every_route_is_given_to_whom_policies_give_it_and_to_nobody_else() {
    let site = Site::start(POLICIES);
    let callers = Callers::of(&site);
    let before = site.others();
    let routes = routes();
    // most of a request is its handshake, and on the other side another process
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (site, callers, own) = (&site, &callers, routes.iter().skip(worker).step_by(WORKERS));
            scope.spawn(move || own.for_each(|route| check_route(site, callers, route)));
        }
    });
    assert_eq!(site.others(), before, "nobody has changed what is not his");
    assert!(routes.len() > 150, "{} routes", routes.len());
    for (path, status) in [("/livez", 200), ("/readyz", 200), ("/nowhere", 404)] {
        assert_eq!(callers.stranger.http("GET", path, "").status, status, "{path}");
    }
}

/// One route, by everybody.
fn check_route(site: &Site, callers: &Callers, (verb, path, rule): &Route) {
    match of(*rule) {
        For::WhoeverIsGivenIt => {
            is_answered_with(&callers.stranger, verb, path, 401);
            is_answered_with(&callers.wrong, verb, path, 403);
        }
        For::WhoeverHasAnIdentity => is_answered_with(&callers.stranger, verb, path, 401),
        For::Everybody | For::Nobody => {}
    }
    for body in bodies(verb) {
        if of(*rule) == For::WhoeverIsGivenIt {
            let right = callers.right.http(verb, &changing_nothing(verb, path), body);
            assert!(![401, 403].contains(&right.status), "{verb} {path}: {right:?}");
        }
        let elsewhere = callers.elsewhere.http(verb, path, body);
        assert!(!elsewhere.body.contains(SECRET), "{verb} {path}: {elsewhere:?}");
    }
    if *verb == "GET" {
        by_other_ways(site, callers, path, *rule);
    }
}

/// What may change something is tried out, or refused because it cannot be.
fn changing_nothing(verb: &str, path: &str) -> String {
    match verb {
        "GET" => path.to_owned(),
        _ => format!("{path}?validate_only=true"),
    }
}

/// A read by the names of OpenCHAMI's gateway, as of what this member has applied, by a token, and on the port of nodes.
fn by_other_ways(site: &Site, callers: &Callers, path: &str, rule: Rule) {
    let names = PREFIXES
        .iter()
        .filter(|(_, begin)| path.starts_with(begin))
        .map(|(prefix, _)| format!("{prefix}{path}"));
    for name in names {
        if of(rule) == For::WhoeverIsGivenIt {
            let stranger = callers.stranger.http("GET", &name, "");
            assert_eq!(stranger.status, 401, "{name}: {stranger:?}");
        }
        let elsewhere = callers.elsewhere.http("GET", &name, "");
        assert!(!elsewhere.body.contains(SECRET), "{name}: {elsewhere:?}");
    }
    let local = format!("{}: {}\r\n", rpc::CONSISTENCY, rpc::CONSISTENCY_LOCAL);
    let elsewhere = callers.elsewhere.http_with("GET", path, &local, "");
    assert!(!elsewhere.body.contains(SECRET), "{path}, local: {elsewhere:?}");
    if of(rule) == For::WhoeverIsGivenIt {
        let (by, caller) = &callers.also_right[0];
        let right = caller.http("GET", path, "");
        assert!(![401, 403].contains(&right.status), "{path} by {by}: {right:?}");
    }
    if rule.permission == Permission::Administrator {
        let on_node_port = get(site.single.http(), path);
        assert!(
            on_node_port.status >= 400 && !on_node_port.body.contains(SECRET),
            "{path} on the port of nodes: {on_node_port:?}"
        );
    }
}

/// What is not even JSON of the right form is said before anybody asks who it is from: of these bodies one is.
fn bodies(verb: &str) -> &'static [&'static str] {
    match verb {
        "GET" => &[""],
        _ => &["{}", "[]"],
    }
}

fn is_answered_with(caller: &Caller, verb: &str, path: &str, expected: u16) {
    let answers = bodies(verb)
        .iter()
        .map(|body| caller.http(verb, path, body).status);
    let statuses: Vec<u16> = answers.collect();
    assert!(
        statuses.iter().all(|status| *status >= 400),
        "{verb} {path}: {statuses:?}"
    );
    assert!(
        statuses.contains(&expected),
        "{verb} {path}: {statuses:?}, not {expected}"
    );
}

/// Verb, path with the other node in the place of its variables, and the method's rule.
fn routes() -> Vec<Route> {
    let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    let all = crate::common::routes::routes();
    let with_rule = all.iter().map(|route| {
        let path = filled_in(&route.template, &route.method.input());
        (route.verb, path, rules.get(&route.grpc_path()).unwrap())
    });
    with_rule.collect()
}

fn filled_in(template: &str, input: &MessageDescriptor) -> String {
    let fill = |segment| match str::strip_prefix(segment, "{") {
        None => segment,
        Some(variable) if is_number(variable, input) => "4711",
        Some(_) => OTHER,
    };
    template.split('/').map(fill).collect::<Vec<_>>().join("/")
}

/// Whether a path's variable, as `member_id}` or `name=**}`, is of a field that takes nothing but numbers.
fn is_number(variable: &str, input: &MessageDescriptor) -> bool {
    let name = variable.trim_end_matches('}').split('=').next().unwrap();
    let field = input.get_field_by_name(name);
    field.is_some_and(|field| {
        matches!(
            field.kind(),
            Kind::Uint32 | Kind::Uint64 | Kind::Int32 | Kind::Int64
        )
    })
}
