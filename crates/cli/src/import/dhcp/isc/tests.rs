use proptest::prelude::*;

use super::super::testing::{assert_golden, drawn, mutated};
use super::*;

const SAMPLE: &str = include_str!("../samples/dhcpd.conf");

fn read(text: &str) -> Result<DhcpImport, String> {
    super::read(&Source::of("dhcpd.conf", text), &mut Files::none())
}

#[test]
fn the_configuration_of_a_grown_cluster_is_read() {
    assert_golden(&read(SAMPLE).unwrap(), include_str!("../samples/dhcpd.golden"));
}

/// dhcpd looks options up when it answers: an outer scope may say them below.
#[test]
fn a_scope_holds_wherever_its_statements_stand() {
    let import = read(
        "group { subnet 10.0.0.0 netmask 255.0.0.0 { range 10.0.0.1 10.0.0.9; deny unknown-clients; } option domain-name \"late\"; }
         default-lease-time 60;",
    )
    .unwrap();
    assert_eq!(
        drawn(&import),
        "  1 subnet 10.0.0.0/8 domain=late lease=60 pool-lease=60 pool=10.0.0.1-10.0.0.9 strangers=ignore"
    );
}

/// What dhcpd gives to some clients only must not be open to all here.
#[test]
fn a_pool_for_some_clients_is_not_opened_to_all() {
    for restriction in [
        "allow members of \"a\"",
        "deny members of \"a\"",
        "deny known-clients",
        "deny all clients",
    ] {
        let text =
            format!("subnet 10.0.0.0 netmask 255.0.0.0 {{ pool {{ {restriction}; range 10.0.0.1; }} }}");
        let import = read(&text).unwrap();
        assert!(import.subnets[0].pools.is_empty(), "{restriction}");
        assert_eq!(
            import.not_understood.len(),
            2,
            "{restriction}: {:?}",
            import.not_understood
        );
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, line, why) in [
        (
            "\nsubnet 10.0.0.0 255.0.0.0 {}",
            2,
            "write subnet ADDRESS netmask MASK",
        ),
        (
            "option routers gw.example;",
            1,
            "`gw.example` is not an IPv4 address",
        ),
        ("\n\noption option-3 x;", 3, "`x` is not an IPv4 address"),
        ("default-lease-time forever;", 1, "`forever` is not a number"),
        (
            "subnet 10.0.0.0 netmask 255.0.0.0 {\nrange 10.0.0.1 10.0.0.2 10.0.0.3; }",
            2,
            "write range FIRST LAST",
        ),
        (
            "subnet 10.0.0.0 netmask 255.0.0.0 {\nrange 11.0.0.1; }",
            2,
            "no subnet of the configuration has 11.0.0.1",
        ),
        ("host a {\n}", 1, "it has no `hardware ethernet`"),
    ] {
        let import = read(text).unwrap();
        let told = &import.wrong[0];
        assert!(
            told.at.line == line && told.why.starts_with(why),
            "{text}: {told:?}"
        );
    }
    assert!(read("subnet {").unwrap_err().starts_with("dhcpd.conf:1: "));
}

proptest! {
    /// A file of somebody else's may hold anything.
    #[test]
    fn nothing_that_is_nearly_a_configuration_ends_the_program(
        changes in proptest::collection::vec((0..SAMPLE.len(), any::<u8>(), any::<u8>()), 1..12),
    ) {
        let _ = read(&mutated(SAMPLE, &changes)).map(|import| drawn(&import));
    }

    #[test]
    fn nor_does_any_text(text in "(\\PC|[{};\"\\\\#\n ]|subnet|netmask|range|host|pool|option){0,80}") {
        let _ = read(&text);
    }
}
