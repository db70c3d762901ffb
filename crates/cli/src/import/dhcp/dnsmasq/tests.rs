use proptest::prelude::*;

use super::super::testing::{assert_golden, drawn, mutated};
use super::*;

const SAMPLE: &str = include_str!("../samples/dnsmasq.conf");

fn read(text: &str) -> DhcpImport {
    super::read(&[Source::of("dnsmasq.conf", text)], &mut Files::none())
}

#[test]
fn the_configuration_of_a_grown_cluster_is_read() {
    assert_golden(&read(SAMPLE), include_str!("../samples/dnsmasq.golden"));
}

/// dnsmasq reads all files before it answers: a range may be in another one than its options.
#[test]
fn options_and_ranges_may_stand_in_any_order_and_file() {
    let first = Source::of(
        "a",
        "dhcp-option=3,10.0.0.254\ndhcp-option=6,10.0.0.53\ndomain=a.example",
    );
    let second = Source::of(
        "b",
        "dhcp-range=10.0.0.10,10.0.0.20,255.255.255.0,1h\ndomain=b.example,10.0.0.0/24",
    );
    let import = super::read(&[first, second], &mut Files::none());
    assert_eq!(
        drawn(&import),
        "  1 subnet 10.0.0.0/24 routers=10.0.0.254 dns=10.0.0.53 domain=b.example lease=3600 pool-lease=3600 \
         pool=10.0.0.10-10.0.0.20 strangers=address"
    );
}

/// Files, folders with their filters, and lists of hosts and options.
#[test]
fn what_is_included_is_read_as_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
    for folder in ["conf", "hosts"] {
        std::fs::create_dir(path(folder)).unwrap();
    }
    write("more.conf", "dhcp-host=02:00:00:00:00:01,a\n");
    write("conf/a.conf", "\ndhcp-host=02:00:00:00:00:02,b\n");
    write("conf/b.old", "dhcp-host=02:00:00:00:00:03,c\n");
    write("hosts/rack1", "# rack 1\n02:00:00:00:00:04,d\n");
    write("opts", "option:router,10.0.0.254\n");
    write(
        "d.conf",
        "conf-file=more.conf\nconf-dir=conf,*.conf\ndhcp-hostsdir=hosts\ndhcp-optsfile=opts\n\
         dhcp-range=10.0.0.0,static,255.255.255.0\ndhcp-hostsfile=none\nconf-dir=none",
    );
    let mut files = Files::new();
    let source = files.open(&path("d.conf")).unwrap();
    let import = super::read(&[source], &mut files);
    let hosts: Vec<&str> = import
        .reservations
        .iter()
        .map(|of| of.hostname.as_str())
        .collect();
    assert_eq!(hosts, ["a", "b", "d"]);
    assert!(import.reservations[2].at.to_string().ends_with("hosts/rack1:2"));
    assert_eq!(import.subnets[0].options.routers.len(), 1);
    let wrong: Vec<usize> = import.wrong.iter().map(|told| told.at.line).collect();
    assert_eq!(wrong, [6, 7], "{:?}", import.wrong);
}

/// A `#` is a comment behind a blank only, and never in quotes.
#[test]
fn comments_end_where_dnsmasq_ends_them() {
    for (line, expected) in [
        ("a=b # c", "a=b"),
        ("a=b#c", "a=b#c"),
        ("#a", ""),
        ("  a=\"b # c\" ", "a=b # c"),
        ("\t", ""),
    ] {
        assert_eq!(without_comment(line), expected, "{line}");
    }
}

proptest! {
    /// A file of somebody else's may hold anything.
    #[test]
    fn nothing_that_is_nearly_a_configuration_ends_the_program(
        changes in proptest::collection::vec((0..SAMPLE.len(), any::<u8>(), any::<u8>()), 1..12),
    ) {
        drawn(&read(&mutated(SAMPLE, &changes)));
    }

    #[test]
    fn nor_does_any_value(text in "(dhcp-range|dhcp-host|dhcp-option|domain|dhcp-ignore)=(\\PC|[,:0-9a-f]|tag:|set:|option:){0,40}") {
        read(&text);
    }
}
