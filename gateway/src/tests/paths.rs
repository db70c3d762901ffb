//! A route is reached by its own path and by no other: every route of the table, with everything that is known to make two programs
//! read one path as two. Which permission is checked is the found route's (`guarded.rs`, and `rights` of the executable's tests).

use proptest::prelude::*;
use prost_reflect::DescriptorPool;

use super::{Fake, gateway, send};
use crate::path::{own, segments};
use crate::routes::{Found, Route, RouteTable};
use crate::{Alias, Options};

fn table() -> RouteTable {
    let pool = DescriptorPool::decode(proto::DESCRIPTOR).unwrap();
    RouteTable::new(&pool, |_| true).unwrap()
}

/// What a value of a variable looks like; none of them is a word of a route.
const VALUE: &str = "x1000c0s0b0n0";

/// The route's path with a value for each variable.
fn path_of(route: &Route) -> String {
    let fill = |segment: &str| match segment.starts_with('{') {
        true => VALUE.to_owned(),
        false => segment.to_owned(),
    };
    let filled: Vec<String> = route.template.split('/').map(fill).collect();
    filled.join("/")
}

/// As the port does it: the route of a path as it is written, or what is said instead.
fn resolve<'t>(table: &'t RouteTable, verb: &http::Method, path: &str) -> Result<&'t Route, &'static str> {
    let aliases: Vec<Alias> = Options::default().aliases;
    let path = own(path, &aliases);
    let segments = segments(&path).map_err(|_| "400")?;
    match table.find(verb, &segments) {
        Found::Route(route, _) => Ok(route),
        Found::OtherVerbs(_) => Err("405"),
        Found::Nothing => Err("404"),
    }
}

/// The judge, which knows neither decoding nor the table: the words of the template stand in the path, letter by letter.
fn is_written_as(template: &str, path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (words, written): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    let fits = |(word, written): (&&str, &&str)| match word.starts_with('{') {
        true => !written.is_empty() && *written != "." && *written != "..",
        false => word == written,
    };
    words.len() == written.len() && words.iter().zip(&written).all(fits)
}

/// How many words a template has before the first variable, and in all: the more, the more exactly it is meant.
fn words_first(template: &str) -> Vec<bool> {
    template
        .split('/')
        .map(|segment| !segment.starts_with('{'))
        .collect()
}

#[test]
fn every_route_is_reached_by_its_own_path() {
    let table = table();
    for route in table.routes() {
        let path = path_of(route);
        for written in [path.clone(), format!("{path}/")] {
            let found = resolve(&table, &route.verb, &written);
            let found = found.unwrap_or_else(|status| panic!("{} {written}: {status}", route.verb));
            assert_eq!(
                (found.template.as_str(), &found.grpc_path),
                (route.template.as_str(), &route.grpc_path),
                "{written}"
            );
        }
    }
    assert!(table.routes().len() > 150, "{} routes", table.routes().len());
}

/// Where two templates fit one path, the one with a word where the other has a variable is meant, from the left.
#[test]
fn where_two_routes_fit_the_one_with_more_words_is_meant() {
    let table = table();
    for route in table.routes() {
        let path = path_of(route);
        let fitting = table
            .routes()
            .iter()
            .filter(|other| other.verb == route.verb && is_written_as(&other.template, &path));
        let best = fitting.max_by_key(|other| words_first(&other.template)).unwrap();
        let found = resolve(&table, &route.verb, &path).unwrap();
        assert_eq!(found.template, best.template, "{path}");
    }
}

/// Each of these has let somebody past a gateway's rules somewhere.
#[tokio::test]
async fn known_attacks_reach_nothing() {
    const ATTACKS: [&str; 34] = [
        "//hsm/v2/groups/g",
        "/hsm//v2/groups/g",
        "/hsm/v2/groups//g",
        "/hsm/v2/groups/g//",
        "/./hsm/v2/groups/g",
        "/hsm/v2/./groups/g",
        "/hsm/v2/groups/g/.",
        "/hsm/v2/groups/g/..",
        "/hsm/v2/groups/x/../g",
        "/hsm/v2/groups/%2e%2e/g",
        "/hsm/v2/groups/.%2E/g",
        "/boot/v1/../../hsm/v2/groups/g",
        "/boot/v1/%2e%2e/%2e%2e/hsm/v2/groups/g",
        "/boot/v1/..%2f..%2fhsm/v2/groups/g",
        "/boot/v1/..;/..;/hsm/v2/groups/g",
        "/boot/v1/..%5c..%5chsm/v2/groups/g",
        "/hsm%2fv2%2fgroups%2fg",
        "/hsm/v2%2Fgroups/g",
        "/%68sm/v2/groups/g",
        "/hsm/%76%32/groups/g",
        "/hsm/v2/g%72oups/g",
        "/%2568sm/v2/groups/g",
        "/HSM/v2/groups/g",
        "/hsm/V2/groups/g",
        "/hsm/v2/Groups/g",
        "/hsm/v2/groups;a=b/g",
        "/hsm;/v2/groups/g",
        "/hsm/v2/groups/g/%00",
        "/hsm/v2/groups/g%0d%0aX-A:%20b",
        "/apis/smd/apis/smd/hsm/v2/groups/g",
        "/apis/bss/hsm/v2/groups/g",
        "/apis/smd/%68sm/v2/groups/g",
        "/apis/%73md/hsm/v2/groups/g",
        "/cloud-init-secure/../hsm/v2/groups/g",
    ];
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for path in ATTACKS {
        for verb in ["GET", "DELETE", "PATCH"] {
            let got = send(&gateway, verb, path, &[], "{}").await;
            assert!([400, 404].contains(&got.status), "{verb} {path}: {got:?}");
        }
        assert!(fake.take_asked().is_empty(), "{path}");
    }
    send(&gateway, "DELETE", "/hsm/v2/groups/g", &[], "").await;
    assert!(
        fake.one_asked().path.ends_with("/DeleteGroup"),
        "without a trick it is there"
    );
}

/// A query, a fragment and parameters are no part of the path.
#[tokio::test]
async fn what_follows_the_path_does_not_change_the_route() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    for uri in [
        "/hsm/v2/groups/g?/../partitions/p",
        "/hsm/v2/groups/g?path=/hsm/v2/partitions/p",
        "/hsm/v2/groups/g/?",
    ] {
        send(&gateway, "GET", uri, &[], "").await;
        assert!(fake.one_asked().path.ends_with("/GetGroup"), "{uri}");
    }
    let got = send(&gateway, "GET", "/hsm/v2/groups/g;/../../partitions/p", &[], "").await;
    assert_eq!(got.status, 400, "{got:?}");
}

/// A value may need its encoding: a subnet, a MAC. It is one value, and never more of the path.
#[tokio::test]
async fn an_encoded_slash_is_part_of_a_value() {
    let fake = Fake::new();
    let gateway = gateway(&fake, Options::default());
    send(&gateway, "GET", "/hsm/v2/groups/a%2Fmembers", &[], "").await;
    let asked = fake.one_asked();
    assert!(asked.path.ends_with("/GetGroup"), "{}", asked.path);
    assert!(asked.message.ends_with(b"a/members"), "{:?}", asked.message);
}

/// One change to a path, at a place in it.
#[derive(Clone, Copy, Debug)]
enum Trick {
    Case,
    Encode,
    EncodeTwice,
    Slash,
    EncodedSlash,
    Backslash,
    Dot,
    DotDot,
    Parameter,
    Nul,
    Space,
    Drop,
    Swap,
    Alias,
}

const TRICKS: [Trick; 14] = [
    Trick::Case,
    Trick::Encode,
    Trick::EncodeTwice,
    Trick::Slash,
    Trick::EncodedSlash,
    Trick::Backslash,
    Trick::Dot,
    Trick::DotDot,
    Trick::Parameter,
    Trick::Nul,
    Trick::Space,
    Trick::Drop,
    Trick::Swap,
    Trick::Alias,
];

impl Trick {
    fn play(self, path: &str, place: usize) -> String {
        let at = place % path.len();
        let (before, here, behind) = (&path[..at], &path[at..=at], &path[at + 1..]);
        let byte = path.as_bytes()[at];
        let slashes: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        let slash = slashes[place % slashes.len()];
        let (left, right) = path.split_at(slash);
        match self {
            Trick::Case if byte.is_ascii_uppercase() => {
                format!("{before}{}{behind}", here.to_ascii_lowercase())
            }
            Trick::Case => format!("{before}{}{behind}", here.to_ascii_uppercase()),
            Trick::Encode => format!("{before}%{byte:02x}{behind}"),
            Trick::EncodeTwice => format!("{before}%25{byte:02X}{behind}"),
            Trick::Slash => format!("{left}/{right}"),
            Trick::EncodedSlash => format!("{left}%2F{}", &right[1..]),
            Trick::Backslash => format!("{left}%5C{}", &right[1..]),
            Trick::Dot => format!("{left}/.{right}"),
            Trick::DotDot => format!("{left}/x/..{right}"),
            Trick::Parameter => format!("{left};a=b{right}"),
            Trick::Nul => format!("{left}%00{right}"),
            Trick::Space => format!("{left}%20{right}"),
            Trick::Drop => format!("{before}{behind}"),
            Trick::Swap => format!("{right}{left}"),
            Trick::Alias => format!("/apis/smd{path}"),
        }
    }
}

/// `/apis/smd/hsm/v2…` and the like are the one other way to write some paths.
fn without_alias(path: &str) -> String {
    let renamed = [
        ("/apis/smd/hsm/v2", "/hsm/v2"),
        ("/apis/bss/boot/v1", "/boot/v1"),
        ("/cloud-init-secure", "/cloud-init"),
    ];
    let found = renamed.iter().find_map(|(from, to)| {
        let rest = path.strip_prefix(from)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| format!("{to}{rest}"))
    });
    found.unwrap_or_else(|| path.to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Up to three tricks with any route's path: what is found is written in the path, letter by letter, or nothing is found.
    #[test]
    fn no_trick_leads_to_a_route_that_is_not_written_there(
        start in any::<prop::sample::Index>(),
        tricks in prop::collection::vec((prop::sample::select(TRICKS.to_vec()), any::<u16>()), 1..4),
        verb in prop::sample::select(vec!["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ) {
        thread_local! {
            static TABLE: RouteTable = table();
        }
        TABLE.with(|table| {
            let route = start.get(table.routes());
            let mut path = path_of(route);
            for (trick, place) in tricks {
                // one that made it empty has ended it
                if path.contains('/') && path.is_ascii() {
                    path = trick.play(&path, usize::from(place));
                }
            }
            // whatever a client sends, hyper gives no other path
            if !path.starts_with('/') {
                return Ok(());
            }
            let verb = http::Method::from_bytes(verb.as_bytes()).unwrap();
            for verb in [&verb, &route.verb] {
                if let Ok(found) = resolve(table, verb, &path) {
                    let written = without_alias(path.strip_suffix('/').unwrap_or(&path));
                    prop_assert!(
                        is_written_as(&found.template, &format!("{written}/")),
                        "{path} is no way to write {}", found.template
                    );
                }
            }
            Ok(())
        })?;
    }
}
