//! What was probably meant by a name that the cluster does not know: the nearest of those that there are.

use std::time::Duration;

use model::nearest;
use serde_json::{Map, Value, json};

use crate::api::catalogue;
use crate::args::GlobalArgs;
use crate::declared::{Cluster, How, Live};
use crate::error::{CliError, Missing};

/// Whoever has mistyped a name waits no longer than this for a better one.
const AT_MOST: Duration = Duration::from_secs(2);

/// Kinds as the cluster's errors name them, the method that lists all of them, and where in a row of the list the name is;
/// nowhere: what rows are called by.
const LISTED: &[(&str, &str, &str)] = &[
    ("BMC", "chamois.discovery.v1.BmcService.ListBmcs", "xname"),
    (
        "DHCP policy",
        "chamois.dhcp.v1.DhcpPolicyService.ListDhcpPolicies",
        "name",
    ),
    (
        "OIDC provider",
        "chamois.auth.v1.OidcProviderService.ListOidcProviders",
        "name",
    ),
    (
        "boot configuration",
        "chamois.bss.v1.BootConfigurationService.ListBootConfigurations",
        "name",
    ),
    (
        "boot file",
        "chamois.boot_file.v1.BootFileService.ListBootFiles",
        "file/name",
    ),
    (
        "boot parameters",
        "chamois.bss.v1.BootParametersService.ListBootParameters",
        "hosts",
    ),
    (
        "boot rollout",
        "chamois.bss.v1.BootRolloutService.ListBootRollouts",
        "name",
    ),
    (
        "cloud-init group",
        "chamois.cloud_init.v1.GroupService.ListGroups",
        "",
    ),
    (
        "component",
        "chamois.smd.v1.ComponentService.ListComponents",
        "ID",
    ),
    (
        "component ethernet interface",
        "chamois.smd.v1.EthernetInterfaceService.ListEthernetInterfaces",
        "ID",
    ),
    ("group", "chamois.smd.v1.GroupService.ListGroups", "label"),
    ("image", "chamois.boot_file.v1.ImageService.ListImages", "name"),
    ("policy", "chamois.auth.v1.PolicyService.ListPolicies", "name"),
    (
        "profile",
        "chamois.cloud_init.v1.ProfileService.ListProfiles",
        "name",
    ),
    (
        "redfish endpoint",
        "chamois.smd.v1.RedfishEndpointService.ListRedfishEndpoints",
        "ID",
    ),
    ("role", "chamois.auth.v1.PolicyService.ListRoles", "name"),
    ("subnet", "chamois.dhcp.v1.SubnetService.ListSubnets", "network"),
    (
        "template",
        "chamois.configurator.v1.TemplateService.ListTemplates",
        "name",
    ),
    ("xname", "chamois.smd.v1.ComponentService.ListComponents", "ID"),
];

/// The error of a name that does not exist, with the nearest that does; any other error, and that one too where nothing is near or
/// who asks may not see what there is, as it was.
pub(crate) async fn with_nearest(global: &GlobalArgs, error: CliError) -> CliError {
    let Some(missing) = error.missing() else {
        return error;
    };
    let asking = async {
        let catalogue = catalogue().ok()?;
        let cluster = Live::new(global, &catalogue).ok()?;
        meant(&cluster, missing).await
    };
    match tokio::time::timeout(AT_MOST, asking).await {
        Ok(Some(meant)) => error.with_remedy(format!("Is it {meant}?")),
        _ => error,
    }
}

async fn meant(cluster: &impl Cluster, missing: &Missing) -> Option<String> {
    let mut listed = LISTED.iter();
    let (_, method, place) = listed.find(|(kind, ..)| *kind == missing.kind)?;
    let answer = cluster.call(method, json!({}), How::Made).await.ok()?;
    let names = names(&answer.json, place);
    nearest(&missing.id, names.iter().map(String::as_str)).map(str::to_owned)
}

/// What stands at `place` in the rows of a list, whatever its answer calls them.
fn names(answer: &Value, place: &str) -> Vec<String> {
    let fields = answer.as_object().into_iter().flat_map(Map::values);
    if place.is_empty() {
        return fields
            .filter_map(Value::as_object)
            .flat_map(Map::keys)
            .cloned()
            .collect();
    }
    let place = format!("/{place}");
    let rows = fields.filter_map(Value::as_array).flatten();
    let values = rows.filter_map(|row| row.pointer(&place));
    let texts = values.flat_map(|value| match value {
        Value::Array(several) => several.iter().collect(),
        one => vec![one],
    });
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use prost_reflect::{Kind, MessageDescriptor};
    use tonic::Status;

    use super::*;
    use crate::declared::Answer;

    fn has(message: &MessageDescriptor, place: &str) -> bool {
        let (own, below) = place.split_once('/').unwrap_or((place, ""));
        message
            .fields()
            .any(|field| match (field.json_name() == own, field.kind()) {
                (true, Kind::Message(inner)) => has(&inner, below),
                (is_it, _) => is_it && below.is_empty(),
            })
    }

    /// A list of a newer version must not make this silent without anybody noticing.
    #[test]
    fn every_kind_has_a_method_whose_rows_have_the_key() {
        let catalogue = catalogue().unwrap();
        for (kind, method, place) in LISTED {
            let mut methods = catalogue.methods().iter();
            let method = methods.find(|one| one.name() == *method);
            let method = method.unwrap_or_else(|| panic!("{kind}: there is no such method"));
            let has_key = method
                .descriptor()
                .output()
                .fields()
                .any(|field| match field.kind() {
                    Kind::Message(_) if place.is_empty() => field.is_map(),
                    Kind::Message(row) => field.is_list() && has(&row, place),
                    _ => false,
                });
            assert!(has_key, "{kind}: no rows of {} have {place}", method.name());
        }
        assert!(LISTED.is_sorted());
    }

    /// A cluster with one list.
    struct OneList(Result<Value, Status>);

    impl Cluster for OneList {
        async fn call(&self, _method: &str, _request: Value, _how: How) -> Result<Answer, Status> {
            let json = self.0.clone()?;
            Ok(Answer {
                json,
                ..Answer::default()
            })
        }
    }

    fn missing(kind: &str, id: &str) -> Missing {
        Missing {
            kind: kind.to_owned(),
            id: id.to_owned(),
        }
    }

    #[tokio::test]
    async fn the_nearest_that_there_is_is_meant() {
        let groups = json!({ "groups": [{ "label": "compute" }, { "label": "login" }] });
        let cluster = OneList(Ok(groups));
        let found = meant(&cluster, &missing("group", "comptue")).await;
        assert_eq!(found.as_deref(), Some("compute"));
        assert_eq!(meant(&cluster, &missing("group", "storage")).await, None);
        assert_eq!(meant(&cluster, &missing("job", "comptue")).await, None);
        let named = OneList(Ok(json!({ "groups": { "compute": {}, "login": {} } })));
        let found = meant(&named, &missing("cloud-init group", "logn")).await;
        assert_eq!(found.as_deref(), Some("login"));
        let hosts = OneList(Ok(
            json!({ "items": [{ "hosts": ["x0c0s0b0n0", "x0c0s0b0n1"] }] }),
        ));
        let found = meant(&hosts, &missing("boot parameters", "x0c0s0b0n11")).await;
        assert_eq!(found.as_deref(), Some("x0c0s0b0n1"));
    }

    /// Who may not list is told what he asked for does not exist, and nothing else.
    #[tokio::test]
    async fn a_list_that_is_refused_changes_nothing() {
        let cluster = OneList(Err(Status::permission_denied("no")));
        assert_eq!(meant(&cluster, &missing("group", "comptue")).await, None);
        let error = CliError::from(Status::unavailable("nobody"));
        let same = with_nearest(&GlobalArgs::default(), error).await;
        assert!(same.to_string().starts_with("nobody"), "{same}");
    }
}
