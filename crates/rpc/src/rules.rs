//! The rule of every method, read from the descriptor: nothing in Rust repeats what a .proto says.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use prost::Message;
use prost_reflect::{DescriptorPool, ExtensionDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use proto::google::api::HttpRule;
use proto::google::api::http_rule::Pattern;
use proto::http::v1::{Access, Consistency, MethodRule, Permission};

use crate::part_pages::PageFields;
use crate::permission_id::{self, PERMISSIONS_MAX, PermissionId, Permissions};
use crate::scoped_answer::{AnswerPlan, AnswerPlans};

/// Full name of our method option.
pub(crate) const METHOD_OPTION: &str = "chamois.http.v1.method";
/// Full name of the option that has a method's route.
const ROUTE_OPTION: &str = "google.api.http";
/// Full name of the message that has a field for each kind of stored objects.
pub(crate) const ROWS: &str = "chamois.raft.v1.SnapshotRow";
/// The field that a secret stands in wherever a request has one.
const PASSWORD: &str = "password";
/// Texts that open something, as OAuth names them; and the key that opens secrets.
const CREDENTIALS: [&str; 7] = [
    "client_secret",
    "refresh_token",
    "subject_token",
    "device_code",
    "code",
    "token",
    "kek",
];
/// As a flag: the message is secret.
const SECRET: &str = "secret";
/// Kinds that one answer is made of, at most.
const KINDS_MAX: usize = 4;

/// Rules of the two standard services that [`crate::add_standard_services`] adds; their protos are not ours.
const STANDARD: [(&str, Permission); 5] = [
    ("/grpc.health.v1.Health/Check", Permission::Public),
    ("/grpc.health.v1.Health/List", Permission::Public),
    ("/grpc.health.v1.Health/Watch", Permission::Public),
    (
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        Permission::Administrator,
    ),
    (
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        Permission::Administrator,
    ),
];

/// What those of the standard services need that are for administrators: they show the schema and nothing that is stored.
const STANDARD_NEEDS: &str = "cluster.read";

/// What the guard needs to know about one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Who may call it.
    pub permission: Permission,
    /// What policies must give to whom they are for; [`Rules::permission`] has its name.
    pub needs: PermissionId,
    /// Whether a read index comes before the handler.
    pub linearizable: bool,
    /// Whether callers from `anonymous-legacy-reads` may use it.
    pub legacy_anonymous_read: bool,
    /// What a read is made of: it has the ETag of their last change.
    pub made_of: Kinds,
    /// Whether its route names something that may not be there: only the handler knows whether there is an answer.
    pub names_one: bool,
    /// Whether its changes can be tried out instead of made.
    pub can_validate_only: bool,
    /// The caller sends a stream, so how long the call takes is up to the caller.
    pub client_streaming: bool,
    /// The answer is a stream: it ends when its caller's right does.
    pub server_streaming: bool,
    /// Whether callers with a part of the system get the answer as it is: it is about no component, or the handler asks by itself
    /// what they may see.
    pub shows_no_component: bool,
    /// Whether a call that names no deadline has the longest one.
    pub takes_long: bool,
    /// Of a method for whoever has proved to be somebody: whether tokens may call it that are limited to other permissions.
    pub for_limited_tokens: bool,
    /// Whether what a caller is given is asked for once more behind a read index, whatever he is content with: the method changes or
    /// gives what no entry of the log is judged for, or hands out everything.
    pub needs_fresh_right: bool,
    /// Whether a request may carry a password or be secret: no digest of it is remembered, because that would let guesses be tried. The
    /// handler says what the rest of the message is (`Author::asks`).
    pub has_password: bool,
}

/// Kinds of stored objects, by their field numbers in `chamois.raft.v1.SnapshotRow`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds([u32; KINDS_MAX]);

impl Kinds {
    /// Their numbers, in the order of the .proto file.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        self.0.into_iter().filter(|number| *number > 0)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self == Kinds::default()
    }

    /// # Errors
    /// What is wrong with the names.
    fn of_names(names: &[String], rows: Option<&MessageDescriptor>) -> Result<Kinds, String> {
        let mut kinds = Kinds::default();
        if names.len() > KINDS_MAX {
            return Err(format!("made_of: at most {KINDS_MAX} kinds are accepted"));
        }
        for (place, name) in kinds.0.iter_mut().zip(names) {
            let row = rows.and_then(|rows| rows.get_field_by_name(name));
            *place = row
                .ok_or_else(|| format!("made_of: no kind of row is named {name}"))?
                .number();
        }
        Ok(kinds)
    }
}

/// Why the descriptor gives no rules: a mistake in a .proto file.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The bytes are not a descriptor set.
    #[error("the descriptor set does not decode")]
    Descriptor(#[from] prost_reflect::DescriptorError),
    /// `chamois/http/v1/http.proto` or `google/api/annotations.proto` is not part of it.
    #[error("the descriptor set lacks the option {METHOD_OPTION} or {ROUTE_OPTION}")]
    OptionMissing,
    /// A method without a rule. Denying it would hide the mistake until someone calls it.
    #[error("{method} has no permission: give it `option (chamois.http.v1.method) = {{ permission: … }}`")]
    NoPermission {
        /// `/package.Service/Method`.
        method: String,
    },
    /// More permissions than a role can hold.
    #[error(
        "the methods need {count} permissions, at most {PERMISSIONS_MAX} are possible: let some share an area"
    )]
    TooManyPermissions {
        /// How many there are.
        count: usize,
    },
    /// A rule that says what cannot be.
    #[error("{method}: {problem}")]
    Senseless {
        /// `/package.Service/Method`.
        method: String,
        /// What is wrong.
        problem: String,
    },
}

/// The rules of all methods by their path; cheap to clone.
#[derive(Clone, Debug)]
pub struct Rules(Arc<Read>);

/// What the descriptor says.
#[derive(Debug)]
struct Read {
    rules: HashMap<String, Rule>,
    permissions: Permissions,
    plans: AnswerPlans,
    pages: HashMap<String, PageFields>,
}

impl Rules {
    /// Reads the rules of every method of every service in an encoded `FileDescriptorSet`
    /// (`proto::DESCRIPTOR`), and adds those of health and reflection.
    ///
    /// # Errors
    /// If it does not decode, a method has no permission, or there are more than 128 permissions.
    pub fn from_descriptor(descriptor: &[u8]) -> Result<Self, RulesError> {
        let pool = DescriptorPool::decode(descriptor)?;
        let options = Options::of(&pool).ok_or(RulesError::OptionMissing)?;
        let (mut named, mut pages) = (Vec::new(), HashMap::new());
        for method in pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
        {
            let path = path_of(&method);
            let (rule, needs) = rule_of(&method, &options).map_err(|problem| match problem {
                Some(problem) => RulesError::Senseless {
                    method: path.clone(),
                    problem,
                },
                None => RulesError::NoPermission { method: path.clone() },
            })?;
            if let Some(fields) = PageFields::of(&method) {
                pages.insert(path.clone(), fields);
            }
            named.push((path, rule, needs));
        }
        for (path, permission) in STANDARD {
            named.push((
                path.to_owned(),
                standard_rule(permission),
                STANDARD_NEEDS.to_owned(),
            ));
        }
        let names = named.iter().map(|(_, _, needs)| needs.clone()).collect();
        let permissions = Permissions::of(names).map_err(|count| RulesError::TooManyPermissions { count })?;
        let numbered = named.into_iter().map(|(path, rule, needs)| {
            let needs = permissions.id(&needs).unwrap_or_default();
            (path, Rule { needs, ..rule })
        });
        Ok(Self(Arc::new(Read {
            rules: numbered.collect(),
            plans: AnswerPlans::of(&pool)?,
            pages,
            permissions,
        })))
    }

    /// What a permission is called, `<area>.<access>`.
    pub fn permission(&self, id: PermissionId) -> &str {
        self.0.permissions.name(id)
    }

    /// The permissions that methods need, sorted; a [`PermissionId`] is a place among them.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        self.0.permissions.iter()
    }

    /// How the answer of the method at `path` is cut to a part of the system; `None`: it cannot be.
    pub(crate) fn plan(&self, path: &str) -> Option<&AnswerPlan> {
        self.0.plans.plan(path)
    }

    /// Where the pages of the method at `path` are named; `None`: it has none.
    pub(crate) fn pages(&self, path: &str) -> Option<PageFields> {
        self.0.pages.get(path).copied()
    }

    /// Kinds of stored objects that the method at `path` may show whole.
    pub(crate) fn kinds_shown(&self, path: &str) -> &[u32] {
        self.0.plans.kinds(path)
    }

    /// The rule of `/package.Service/Method`; `None` for a path that no service has.
    pub fn get(&self, path: &str) -> Option<Rule> {
        self.0.rules.get(path).copied()
    }

    /// Names of the services that the API port has, sorted: those of ours with a method that others than members may
    /// call.
    pub fn api_services(&self) -> Vec<String> {
        let ours = self.0.rules.iter().filter(|(path, rule)| {
            let is_standard = STANDARD.iter().any(|(standard, _)| standard == path);
            !is_standard && rule.permission != Permission::Member
        });
        let names = ours.filter_map(|(path, _)| path.trim_start_matches('/').split('/').next());
        names
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// Every path with its rule, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Rule)> {
        self.0.rules.iter().map(|(path, rule)| (path.as_str(), *rule))
    }
}

/// What rules are read with.
struct Options {
    method: ExtensionDescriptor,
    route: ExtensionDescriptor,
    rows: Option<MessageDescriptor>,
}

impl Options {
    fn of(pool: &DescriptorPool) -> Option<Options> {
        Some(Options {
            method: pool.get_extension_by_name(METHOD_OPTION)?,
            route: pool.get_extension_by_name(ROUTE_OPTION)?,
            rows: pool.get_message_by_name(ROWS),
        })
    }
}

/// `/package.Service/Method`.
pub(crate) fn path_of(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// The rule of a method, and what it needs.
///
/// # Errors
/// What is wrong with the rule; `None` if there is no permission.
fn rule_of(method: &MethodDescriptor, options: &Options) -> Result<(Rule, String), Option<String>> {
    let rule: MethodRule = option(method, &options.method).ok_or(None)?;
    let permission = match rule.permission() {
        Permission::Unspecified => return Err(None),
        named => named,
    };
    check_senses(method, &rule).map_err(Some)?;
    let needs = permission_id::name_of(method.parent_service().package_name(), &rule);
    let read = Rule {
        permission,
        needs: PermissionId::default(),
        made_of: Kinds::of_names(&rule.made_of, options.rows.as_ref())?,
        names_one: option(method, &options.route).is_some_and(|route| names_one(&route)),
        can_validate_only: rule.can_validate_only,
        linearizable: rule.consistency() == Consistency::Linearizable,
        legacy_anonymous_read: rule.legacy_anonymous_read,
        client_streaming: method.is_client_streaming(),
        server_streaming: method.is_server_streaming(),
        shows_no_component: rule.shows_no_component,
        takes_long: rule.takes_long || method.is_client_streaming(),
        for_limited_tokens: rule.for_limited_tokens,
        needs_fresh_right: needs_fresh_right(method, &rule),
        has_password: has_password(&method.input(), &mut BTreeSet::new()),
    };
    Ok((read, needs))
}

/// # Errors
/// What cannot be meant.
fn check_senses(method: &MethodDescriptor, rule: &MethodRule) -> Result<(), String> {
    let is_made = !rule.made_of.is_empty();
    let is_for_identities = rule.permission() == Permission::Identified;
    let problem = if (method.is_client_streaming() || method.is_server_streaming())
        && (rule.can_validate_only || is_made)
    {
        "a stream has no ETag and cannot validate only"
    } else if is_for_identities && is_made {
        // it is kept by the question, and shows each caller what is his own
        "an answer that differs by who asks is made of no kinds: leave out `made_of`"
    } else if rule.for_limited_tokens && !is_for_identities {
        "`for_limited_tokens` is for methods with PERMISSION_IDENTIFIED"
    } else {
        return Ok(());
    };
    Err(problem.to_owned())
}

/// What changes nothing but by entries of the log is judged there, and a read waits for a read index by itself. What may hand out
/// everything is asked for even where the caller is content with less.
fn needs_fresh_right(method: &MethodDescriptor, rule: &MethodRule) -> bool {
    let is_by_identity = matches!(
        rule.permission(),
        Permission::Administrator | Permission::Node | Permission::Identified
    );
    let is_change = rule.consistency() == Consistency::Unspecified
        && !rule.can_validate_only
        && !method.is_server_streaming();
    let is_of_everything = rule.access() == Access::Admin && rule.consistency() != Consistency::Unspecified;
    is_by_identity && (is_change || is_of_everything)
}

pub(crate) fn option<M: Message + Default>(
    method: &MethodDescriptor,
    option: &ExtensionDescriptor,
) -> Option<M> {
    let options = method.options();
    options.get_extension(option).as_message()?.transcode_to().ok()
}

/// Whether a GET has a variable in its path.
fn names_one(route: &HttpRule) -> bool {
    matches!(&route.pattern, Some(Pattern::Get(path)) if path.contains('{'))
}

/// Whether a message or one within it has a password, or may be secret.
fn has_password(message: &MessageDescriptor, seen: &mut BTreeSet<String>) -> bool {
    if !seen.insert(message.full_name().to_owned()) {
        return false;
    }
    let flag = message.get_field_by_name(SECRET);
    let is_text = |name: &&str| {
        let field = message.get_field_by_name(name);
        field.is_some_and(|field| matches!(field.kind(), Kind::String))
    };
    message.get_field_by_name(PASSWORD).is_some()
        || CREDENTIALS.iter().any(is_text)
        || flag.is_some_and(|field| matches!(field.kind(), Kind::Bool))
        || message
            .fields()
            .filter_map(|field| field.kind().as_message().cloned())
            .any(|inner| has_password(&inner, seen))
}

fn standard_rule(permission: Permission) -> Rule {
    Rule {
        permission,
        needs: PermissionId::default(),
        linearizable: false,
        legacy_anonymous_read: false,
        made_of: Kinds::default(),
        names_one: false,
        can_validate_only: false,
        client_streaming: false,
        // health's `Watch` is for everyone, and reflection has no end that a right could have
        server_streaming: false,
        shows_no_component: true,
        takes_long: false,
        for_limited_tokens: false,
        needs_fresh_right: false,
        has_password: false,
    }
}

#[cfg(test)]
mod tests {
    use prost_types::FileDescriptorSet;

    use super::*;

    /// A method that someone adds without saying who may call it must not reach a release.
    #[test]
    fn every_method_of_every_service_has_a_permission() {
        let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
        let declared = FileDescriptorSet::decode(proto::DESCRIPTOR).unwrap();
        let mut count = 0;
        for file in &declared.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    let rule = rules.get(&path).unwrap_or_else(|| panic!("{path} has no rule"));
                    assert_ne!(rule.permission, Permission::Unspecified, "{path}");
                    count += 1;
                }
            }
        }
        assert!(count > 30, "only {count} methods were looked at");
        assert_eq!(rules.iter().count(), count + STANDARD.len());
    }

    /// Whoever adds a method that takes a password must find it here.
    #[test]
    fn methods_that_take_a_password_are_known() {
        let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
        let with: BTreeSet<&str> = rules
            .iter()
            .filter(|(_, rule)| rule.has_password)
            .filter_map(|(path, _)| path.rsplit('/').next())
            .collect();
        // `Propose` is between members; what it carries is sealed
        let expected = [
            "Callback",
            "CreateGroup",
            "CreateRedfishEndpoints",
            // a node's boot token is in the address of its data
            "GetGroupData",
            "GetMetaData",
            "GetNetworkConfig",
            "GetUserData",
            "GetVendorData",
            "Introspect",
            "KeepKek",
            "PatchRedfishEndpoint",
            "Propose",
            "PutBmcCredential",
            "PutGroup",
            "PutInstanceInfo",
            "PutOidcProvider",
            "PutProfile",
            "Revoke",
            "RotateKek",
            "Token",
            "UpdateRedfishEndpoint",
        ];
        assert_eq!(with, BTreeSet::from(expected));
    }

    /// The same descriptor without its options: the error names the method and the remedy.
    #[test]
    fn a_method_without_a_permission_is_refused_by_name() {
        let stripped = without_method_options("chamois.cluster.v1");
        let error = Rules::from_descriptor(&stripped).unwrap_err().to_string();
        assert!(
            error.starts_with("/chamois.cluster.v1.ClusterService/GetStatus has no permission"),
            "{error}"
        );
    }

    #[test]
    fn options_arrive_as_the_proto_files_say_them() {
        let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
        let list = rules
            .get("/chamois.smd.v1.ComponentService/ListComponents")
            .unwrap();
        assert_eq!(
            list,
            Rule {
                permission: Permission::Administrator,
                needs: list.needs,
                linearizable: true,
                legacy_anonymous_read: true,
                made_of: Kinds([10, 12, 18, 0]),
                names_one: false,
                can_validate_only: false,
                client_streaming: false,
                server_streaming: false,
                shows_no_component: false,
                takes_long: false,
                for_limited_tokens: false,
                needs_fresh_right: false,
                has_password: false,
            }
        );
        assert_eq!(rules.permission(list.needs), "smd.read");
        assert_eq!(list.made_of.numbers().collect::<Vec<_>>(), [10, 12, 18]);
        let create = rules
            .get("/chamois.smd.v1.ComponentService/CreateComponents")
            .unwrap();
        assert!(create.can_validate_only && create.made_of.is_empty());
        let membership = rules
            .get("/chamois.smd.v1.MembershipService/GetMembership")
            .unwrap();
        assert!(membership.names_one && !membership.made_of.is_empty());
        let script = rules
            .get("/chamois.bss.v1.BootScriptService/GetBootScript")
            .unwrap();
        assert_eq!(
            (script.permission, script.linearizable),
            (Permission::Node, false)
        );
        let install = rules.get("/chamois.raft.v1.PeerService/InstallSnapshot").unwrap();
        assert!(install.client_streaming && install.takes_long);
        let verify = rules
            .get("/chamois.boot_file.v1.ImageService/VerifyImage")
            .unwrap();
        assert!(verify.takes_long && !verify.client_streaming);
        assert_eq!(rules.get("/chamois.smd.v1.ComponentService/DropEverything"), None);
    }

    /// What roles can name. Whoever adds one thinks of who should have it.
    #[test]
    fn permissions_of_every_method() {
        let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
        let expected = [
            "audit.read",
            "auth.admin",
            "auth.read",
            "auth.write",
            "bmc-credential.read",
            "bmc-credential.write",
            "boot-file.read",
            "boot-file.write",
            "bss.read",
            "bss.write",
            "cloud-init.read",
            "cloud-init.write",
            "cluster.admin",
            "cluster.read",
            "cluster.write",
            "configurator-secret.read",
            "configurator-secret.write",
            "configurator.read",
            "configurator.write",
            "console.read",
            "console.write",
            "dhcp.read",
            "dhcp.write",
            "discovery.read",
            "discovery.write",
            "firmware.write",
            "power.read",
            "power.write",
            "raft.write",
            "smd.read",
            "smd.write",
            "watch.read",
        ];
        assert_eq!(rules.permissions().collect::<Vec<_>>(), expected);
        for (path, needed) in [
            ("/chamois.smd.v1.ComponentService/DeleteComponents", "smd.write"),
            ("/chamois.smd.v1.LockService/QueryLockStatus", "smd.read"),
            ("/chamois.watch.v1.WatchService/Watch", "watch.read"),
            ("/chamois.watch.v1.HistoryService/Rollback", "bss.write"),
            (
                "/chamois.cluster.v1.SnapshotService/SaveSnapshot",
                "cluster.admin",
            ),
            (
                "/chamois.cluster.v1.MemberService/CreateJoinToken",
                "cluster.admin",
            ),
            ("/chamois.cluster.v1.MetricsService/GetMetrics", "cluster.read"),
            (
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                "cluster.read",
            ),
            (
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                "cluster.read",
            ),
        ] {
            let rule = rules.get(path).unwrap_or_else(|| panic!("{path} has no rule"));
            assert_eq!(rules.permission(rule.needs), needed, "{path}");
        }
    }

    /// What an entry of the log is judged for is not asked for twice, nor what shows the schema.
    #[test]
    fn what_no_entry_is_judged_for_needs_a_right_that_is_fresh() {
        let rules = Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
        for (path, is_fresh) in [
            ("/chamois.cluster.v1.SnapshotService/SaveSnapshot", true),
            ("/chamois.cluster.v1.MemberService/CreateJoinToken", true),
            ("/chamois.cluster.v1.MemberService/RemoveMember", true),
            ("/chamois.auth.v1.TokenService/RotateSigningKey", true),
            ("/chamois.smd.v1.ComponentService/CreateComponents", false),
            ("/chamois.smd.v1.ComponentService/ListComponents", false),
            ("/chamois.watch.v1.WatchService/Watch", false),
            ("/chamois.bss.v1.BootScriptService/GetBootScript", false),
            ("/chamois.auth.v1.PolicyService/PutPolicy", false),
            // what is given for one's own, and begins anew: a token or a certificate of who was revoked a moment ago
            ("/chamois.auth.v1.OauthService/Exchange", true),
            ("/chamois.auth.v1.CertificateService/IssueCertificate", true),
            ("/chamois.auth.v1.TokenService/CreateApiToken", true),
            ("/chamois.auth.v1.OauthService/Token", false),
            ("/chamois.raft.v1.PeerService/Propose", false),
        ] {
            let rule = rules.get(path).unwrap_or_else(|| panic!("{path} has no rule"));
            assert_eq!(rule.needs_fresh_right, is_fresh, "{path}");
        }
    }

    /// An answer that is kept would be given to somebody else, whose it is not.
    #[test]
    fn a_rule_that_cannot_be_is_refused_at_the_start() {
        let pool = DescriptorPool::decode(proto::DESCRIPTOR).unwrap();
        let service = pool.get_service_by_name("chamois.auth.v1.TokenService").unwrap();
        let method = service
            .methods()
            .find(|method| method.name() == "ListApiTokens")
            .unwrap();
        let rule = |permission: Permission| MethodRule {
            permission: permission.into(),
            ..MethodRule::default()
        };
        let made = |permission| MethodRule {
            made_of: vec!["api_token".to_owned()],
            ..rule(permission)
        };
        let problem = check_senses(&method, &made(Permission::Identified)).unwrap_err();
        assert!(problem.contains("made_of"), "{problem}");
        check_senses(&method, &made(Permission::Administrator)).unwrap();
        let limited = |permission| MethodRule {
            for_limited_tokens: true,
            ..rule(permission)
        };
        check_senses(&method, &limited(Permission::Identified)).unwrap();
        check_senses(&method, &limited(Permission::Administrator)).unwrap_err();
    }

    /// A misspelt kind would be an ETag that never changes.
    #[test]
    fn a_kind_that_no_row_has_is_refused() {
        let pool = DescriptorPool::decode(proto::DESCRIPTOR).unwrap();
        let rows = pool.get_message_by_name(ROWS).unwrap();
        let read = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Kinds::of_names(&names, Some(&rows))
        };
        assert_eq!(read(&["ethernet_interface"]), Ok(Kinds([11, 0, 0, 0])));
        assert!(read(&["components"]).unwrap_err().contains("components"));
        assert!(read(&["component"; 5]).is_err());
    }

    #[test]
    fn bytes_that_are_no_descriptor_are_an_error() {
        assert!(matches!(
            Rules::from_descriptor(&[0xff; 16]),
            Err(RulesError::Descriptor(_))
        ));
        assert!(matches!(
            Rules::from_descriptor(&[]),
            Err(RulesError::OptionMissing)
        ));
    }

    /// The descriptor set with the method options of one package removed.
    fn without_method_options(package: &str) -> Vec<u8> {
        // prost-types drops unknown options when it decodes, so only the one file goes through it.
        let pool = DescriptorPool::decode(proto::DESCRIPTOR).unwrap();
        let mut out = Vec::new();
        for file in pool.files() {
            let bytes = if file.package_name() == package {
                let stripped =
                    prost_types::FileDescriptorProto::decode(file.encode_to_vec().as_slice()).unwrap();
                stripped.encode_to_vec()
            } else {
                file.encode_to_vec()
            };
            prost::encoding::bytes::encode(1, &bytes, &mut out);
        }
        out
    }
}
