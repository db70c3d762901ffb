//! A list that may be long has pages. Which have none is written down here, with what keeps them short.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FieldDescriptorProto, MethodDescriptorProto};

use crate::files;

/// Lists without pages: `<package>.<method>`, and why. The numbers are those of `state::bounds`.
const WITHOUT_PAGES: &[(&str, &str)] = &[
    ("auth.ListAuthorities", "8 at most"),
    ("auth.ListOidcProviders", "16 at most"),
    ("auth.ListPolicies", "1,024 at most"),
    ("auth.ListRoles", "128 at most, and the shipped ones"),
    (
        "auth.ListSigningKeys",
        "a few: one rotation a month, and they are gone after 90 days",
    ),
    (
        "boot_file.ListBootFiles",
        "each is a file on disk; 10,000 at most",
    ),
    ("boot_file.ListImages", "1,000 at most"),
    (
        "boot_file.ListImageStatuses",
        "1,000 at most, and the members are asked once for all",
    ),
    (
        "bss.ListBmcResources",
        "OpenCHAMI's envelope has no pages; `ListRedfishEndpoints` has",
    ),
    (
        "bss.ListBootConfigurationResources",
        "OpenCHAMI's envelope has no pages; `ListBootConfigurations` has",
    ),
    ("bss.ListBootRecords", "8 of one node"),
    ("bss.ListBootRollouts", "100 at most"),
    (
        "bss.ListEndpointAccesses",
        "BSS has no pages; `ListBootStatus` has, and says more",
    ),
    (
        "bss.ListHosts",
        "BSS has no pages; `ListComponents` and `ListEthernetInterfaces` have",
    ),
    (
        "bss.ListNodeResources",
        "OpenCHAMI's envelope has no pages; `ListComponents` has",
    ),
    (
        "cloud_init.ListGroups",
        "OpenCHAMI answers with a map; 8 MiB at most",
    ),
    ("cloud_init.ListProfiles", "128 at most"),
    ("cluster.ListKeks", "between members: a few keys"),
    (
        "configurator.ListTargets",
        "what this version can make; a few dozen",
    ),
    ("configurator.ListTemplates", "500 at most, without their bodies"),
    (
        "console.ListConsoles",
        "conman takes the whole list; filtered by nodesets",
    ),
    (
        "console.ListRemoteConsoles",
        "OpenCHAMI's remote-console has no pages",
    ),
    (
        "dhcp.ListDhcpPolicies",
        "256 at most, and their order is their meaning",
    ),
    ("dhcp.ListDhcpServers", "what is seen on a few networks"),
    (
        "dhcp.ListObservedAnswers",
        "what one member remembers, for a person",
    ),
    ("dhcp.ListSubnets", "4,096 at most"),
    (
        "discovery.ListBmcCredentials",
        "one for all, and those that differ",
    ),
    (
        "discovery.ListXnameRules",
        "their order, by priority, is their meaning",
    ),
    ("power.ListPowerStatus", "PCS has no pages; filtered by xnames"),
    ("power.ListTransitions", "PCS has no pages; 1,000 jobs at most"),
    ("smd.ListDiscoveryStatus", "one"),
    (
        "smd.ListGroupLabels",
        "HSM answers with a bare list of labels; `ListGroups` has pages",
    ),
    ("smd.ListGroupMembers", "part of a group, which is one object"),
    ("smd.ListIpAddresses", "64 of one interface"),
    (
        "smd.ListLockStatus",
        "HSM has no pages; `ListComponents` has, and shows locks",
    ),
    (
        "smd.ListPartitionMembers",
        "part of a partition, which is one object",
    ),
    (
        "smd.ListPartitionNames",
        "HSM answers with a bare list of names; `ListPartitions` has pages",
    ),
    ("smd.ListScnSubscriptions", "256 at most"),
];

/// Every message of ours by its full name, `.chamois.…`.
fn messages() -> BTreeMap<String, &'static DescriptorProto> {
    let named = files().flat_map(|file| {
        let package = file.package();
        let messages = file.message_type.iter();
        messages.map(move |message| (format!(".{package}.{}", message.name()), message))
    });
    named.collect()
}

fn field<'a>(message: &'a DescriptorProto, name: &str) -> Option<&'a FieldDescriptorProto> {
    message.field.iter().find(|field| field.name() == name)
}

/// How a page is asked for and where the next one is told, as every list has it.
fn has_pages(request: &DescriptorProto, answer: &DescriptorProto) -> bool {
    let is = |field: Option<&FieldDescriptorProto>, number: i32, r#type: Type| {
        field.is_some_and(|field| field.number() == number && field.r#type() == r#type)
    };
    is(field(request, "page_size"), 100, Type::Uint32)
        && is(field(request, "page_token"), 101, Type::String)
        && is(field(answer, "next_page_token"), 103, Type::String)
}

/// Lists with pages, and those without; `<package>.<method>`.
fn lists() -> (BTreeSet<String>, BTreeSet<String>) {
    let messages = messages();
    let methods = files().flat_map(|file| {
        let area = file.package().split('.').nth(1).unwrap_or_default();
        let methods = file.service.iter().flat_map(|service| &service.method);
        methods.map(move |method| (area, method))
    });
    let unary = methods.filter(|(_, method)| method.name().starts_with("List") && !method.server_streaming());
    let (with, without): (Vec<_>, Vec<_>) = unary.partition(|(_, method)| {
        let (request, answer) = (messages[method.input_type()], messages[method.output_type()]);
        has_pages(request, answer)
    });
    let names = |methods: Vec<(&str, &MethodDescriptorProto)>| -> BTreeSet<String> {
        let names = methods.iter();
        names
            .map(|(area, method)| format!("{area}.{}", method.name()))
            .collect()
    };
    (names(with), names(without))
}

#[test]
fn a_list_has_pages_or_a_reason() {
    let (with, without) = lists();
    assert!(with.contains("smd.ListComponents") && with.len() > 20, "{with:?}");
    let excused: BTreeSet<String> = WITHOUT_PAGES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let without_reason: Vec<_> = without.difference(&excused).collect();
    assert!(
        without_reason.is_empty(),
        "give them page_size (100), page_token (101) and next_page_token (103): {without_reason:?}"
    );
}

/// An exception outlives neither its list nor its reason.
#[test]
fn no_exception_is_left_over() {
    let (_, without) = lists();
    let left_over = WITHOUT_PAGES.iter().filter(|(name, _)| !without.contains(*name));
    assert_eq!(left_over.count(), 0);
    assert!(WITHOUT_PAGES.iter().all(|(_, reason)| !reason.is_empty()));
}

#[test]
fn pages_are_told_by_type_and_number() {
    let of = |name: &str, number: i32, r#type: Type| DescriptorProto {
        field: vec![FieldDescriptorProto {
            name: Some(name.to_owned()),
            number: Some(number),
            r#type: Some(r#type.into()),
            ..FieldDescriptorProto::default()
        }],
        ..DescriptorProto::default()
    };
    let mut request = of("page_size", 100, Type::Uint32);
    let answer = of("next_page_token", 103, Type::String);
    assert!(!has_pages(&request, &answer));
    request.field.extend(of("page_token", 101, Type::String).field);
    assert!(has_pages(&request, &answer));
    assert!(!has_pages(&request, &of("next_page_token", 3, Type::String)));
    assert!(!has_pages(&request, &of("next_page_token", 103, Type::Bytes)));
}
