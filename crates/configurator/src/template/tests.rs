//! What templates can do, what they cannot, and how they are told.

use proptest::prelude::*;

use super::*;
use crate::testing::*;

fn template(body: &str) -> Template {
    Template {
        name: "motd".to_owned(),
        path: "etc/motd".to_owned(),
        body: body.to_owned(),
        ..Template::default()
    }
}

fn rendered(body: &str) -> String {
    render_template(&template(body), &small(), None).unwrap().text(42)
}

fn problem(body: &str) -> String {
    render_template(&template(body), &small(), None)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_template_sees_the_view_by_its_names() {
    let body = "{{ header() }}\n{% for node in nodes %}\n{{ node.name }} {{ node.address or '-' }} {{ node.nid }}\n{% endfor %}\n";
    assert_eq!(
        rendered(body),
        "# chamois: cluster demo, revision 42, template motd; written by a program, changes are lost\n\
         de0001 10.97.2.1 1\nlogin1 - 3\nde0002 10.97.2.2 2\n"
    );
    assert_eq!(rendered("{{ header('//') }}")[..12], *"// chamois: ");
    assert_eq!(
        rendered("{{ revision }} {{ cluster }} {{ subnets[0].cidr }}\n"),
        "42 demo 10.97.0.0/16\n"
    );
    assert_eq!(
        rendered("{{ nodes[0].boot.params }} {{ nodes[0].boot_interface.mac }}"),
        "console=ttyS0 quiet 02:00:00:00:00:a1"
    );
}

#[test]
fn the_file_goes_to_the_templates_path() {
    let file = render_template(&template("a"), &small(), None).unwrap();
    assert_eq!((file.path.as_str(), file.body.as_str()), ("etc/motd", "a"));
}

#[test]
fn filters_know_nodesets_and_places() {
    for (body, expected) in [
        ("{{ nodes|fold }}", "de[0001-0002],login1"),
        ("{{ groups[0].members|fold }}", "x1000c0s[0,10]b0n0"),
        ("{{ 'de[0001-0003]!@blue'|expand|join(' ') }}", "de0003"),
        ("{{ '@*'|expand|length }}", "3"),
        (
            "{{ nodes|in_group('blue')|map(attribute='name')|join(',') }}",
            "de0001,de0002",
        ),
        ("{{ ['n10', 'n9']|natural_sort|join(',') }}", "n9,n10"),
        ("{{ (nodes|natural_sort('name')|last).name }}", "login1"),
        ("{{ '10.97.2.1'|reverse_name }}", "1.2.97.10.in-addr.arpa"),
        ("{{ 'x1000c3s2b1n0'|cabinet }}", "x1000"),
        ("{{ 'x1000c3s2b1n0'|chassis }}", "x1000c3"),
        ("{{ 'x1000c3s2b1n0'|slot }}", "x1000c3s2"),
        ("{{ 'x1000c3s2b1n0'|bmc }}", "x1000c3s2b1"),
        ("{{ 'x1000c3s2b1n0'|parent|parent }}", "x1000c3s2"),
        ("{{ 'x1000c3s2b1n0p0'|node }}", "x1000c3s2b1n0"),
    ] {
        assert_eq!(rendered(body), expected, "{body}");
    }
}

#[test]
fn filters_say_what_they_cannot_take() {
    for (body, expected) in [
        ("{{ 'de[1-'|expand }}", "de[1-"),
        ("{{ '@green'|expand }}", "there is no group green"),
        ("{{ 'here'|cabinet }}", "here"),
        ("{{ 'x1000'|node }}", "x1000 is in no Node"),
        ("{{ 's0'|parent }}", "nothing is above s0"),
        ("{{ 'here'|reverse_name }}", "\"here\" is no address"),
        ("{{ [1]|fold }}", "a list of names is needed, not of number"),
        ("{{ [1]|in_group('a') }}", "a list of nodes is needed"),
    ] {
        let problem = problem(body);
        assert!(
            problem.starts_with("template motd, line 1: ") && problem.contains(expected),
            "{body}: {problem}"
        );
    }
}

#[test]
fn an_undefined_name_is_told_with_its_line_and_the_nearest() {
    let text = problem("ok\n{% for node in nodes %}\n{{ node.xnam }}\n{% endfor %}\n");
    assert!(
        text.starts_with("template motd, line 3: undefined value"),
        "{text}"
    );
    assert!(
        text.contains("xnam") && text.ends_with("; did you mean `xname`?"),
        "{text}"
    );
    let text = problem("{{ nodse }}");
    assert!(
        text.contains("line 1") && text.ends_with("; did you mean `nodes`?"),
        "{text}"
    );
    let text = problem("{{ nodes|fodl }}");
    assert!(
        text.contains("line 1") && text.contains("did you mean `fold`?"),
        "{text}"
    );
}

#[test]
fn an_error_of_syntax_names_the_line() {
    for (body, line) in [("a\n{% for %}", 2), ("{{ a", 1), ("\n\n{% endif %}", 3)] {
        let refused = check_template(&template(body)).unwrap_err();
        assert!(
            matches!(&refused, Error::Template { line: Some(at), .. } if *at == line),
            "{body:?}: {refused}"
        );
    }
    check_template(&template(
        "{% for node in nodes %}{{ node.anything }}{% endfor %}",
    ))
    .unwrap();
}

/// No other template, no file: there is no loader, and the words for it are not part of the language.
#[test]
fn a_template_reaches_no_file() {
    for body in [
        "{% include '/etc/shadow' %}",
        "{% extends 'a' %}",
        "{% import '/etc/passwd' as a %}",
        "{{ open('/etc/shadow') }}",
    ] {
        let refused = render_template(&template(body), &small(), None);
        assert!(refused.is_err(), "{body}");
    }
}

#[test]
fn what_would_never_end_ends() {
    for body in [
        "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ 'x' * 9999999999 }}",
        "{% set ns = namespace(a='xxxxxxxx') %}{% for b in range(99) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}",
    ] {
        let text = problem(body);
        assert!(text.starts_with("template motd"), "{body}: {text}");
    }
}

/// What a filter does on the way to few names, or none, is counted.
#[test]
fn work_of_filters_is_bounded_even_if_nothing_comes_of_it() {
    let text = problem("{{ 'n[1-90000]!n[1-90000]'|expand|length }}");
    assert!(text.contains("it takes too long"), "{text}");
    let view = View::of(&large(1_000));
    let stopped = |fuel: u64, body: &str| {
        let mut environment = environment();
        template_filters::add(&mut environment, &view);
        environment.set_fuel(Some(fuel));
        let rendered = environment.render_str(body, context::of(&view));
        rendered.is_err_and(|error| error.kind() == minijinja::ErrorKind::OutOfFuel)
    };
    for (body, takes) in [
        ("{{ nodes|in_group('nobody')|length }}", 1_000),
        ("{{ '@*!@*'|expand|length }}", 32_000),
        ("{{ 'z*'|expand|length }}", 16_000),
        ("{{ 'z[1-100]*'|expand|length }}", 50_000),
        ("{{ nodes|natural_sort|length }}", 16_000),
        ("{{ nodes|fold|length }}", 16_000),
    ] {
        assert!(stopped(takes, body), "{body}");
        assert!(!stopped(takes * 4, body), "{body}");
    }
}

/// Each would take minutes, or all memory, if it were done before it is counted.
#[test]
fn work_of_hostile_filters_is_paid_before_it_is_done() {
    let view = View::of(&large(10_000));
    let refused = |body: &str| {
        let rendered = render_template(&template(body), &view, None);
        rendered.unwrap_err().to_string()
    };
    let out_of_fuel = "it takes too long, or too much memory";
    for (body, expected) in [
        ("{{ 'n[1-100000]*'|expand }}", out_of_fuel),
        ("{{ 'x[1-9000]*'|expand }}", out_of_fuel),
        ("{{ '*[0-999]*,*[0-999]?*'|expand }}", out_of_fuel),
        ("{{ 'n[1-1000000]'|expand }}", out_of_fuel),
        ("{{ 'a[0-999]b[0-999]'|expand }}", out_of_fuel),
        ("{{ ('@rack[0-99]!' * 20 ~ 'a')|expand }}", out_of_fuel),
        ("{{ ('@everyone,' * 900 ~ 'a')|expand }}", out_of_fuel),
        ("{{ ('z*,' * 900 ~ 'a')|expand }}", out_of_fuel),
        ("{{ ('a' * 60000 ~ '[1-1000]')|expand }}", out_of_fuel),
        (
            "{{ ('n[' ~ '0-99,' * 9000 ~ '7]')|expand }}{{ ('n[' ~ '0-99,' * 9000 ~ '7]')|expand }}{{ ('n[' ~ '0-99,' * 9000 ~ '7]')|expand }}",
            out_of_fuel,
        ),
        (
            "{% set long = 'a' * 60000 %}{% for i in range(9999) %}{{ long|expand|length }}{% endfor %}",
            out_of_fuel,
        ),
        ("{{ ('[0-999999]a' * 5000)|expand }}", "more than 1000000 names"),
        ("{{ 'a[0-9999]b[0-9999]'|expand }}", "more than 1000000 names"),
        ("{{ ('a' * 60000 ~ '[1-9999]')|expand }}", "longer than 64 MiB"),
        ("{{ ('a' * 70000)|expand }}", "longer than 65536 bytes"),
        ("{{ ['1a' * 9000 ~ '1', '1a' * 9000 ~ '2']|fold }}", out_of_fuel),
        (
            "{% set long = 'a' * 900000 %}{{ ([long] * 9000)|fold }}",
            out_of_fuel,
        ),
        (
            "{% set long = 'a' * 900000 %}{{ ([long] * 9000)|natural_sort }}",
            out_of_fuel,
        ),
        (
            "{{ ([{'all': nodes}] * 9000)|natural_sort('all') }}",
            "all is a sequence: sort by a text or a number",
        ),
    ] {
        let problem = refused(body);
        assert!(
            problem.starts_with("template motd, line 1: ") && problem.contains(expected),
            "{body}: {problem}"
        );
    }
}

/// What sites have written before may not be refused now.
#[test]
fn honest_nodesets_of_ten_thousand_nodes_are_no_trouble() {
    let view = View::of(&large(10_000));
    for (body, expected) in [
        ("{{ '@*'|expand|length }}", "10000"),
        ("{{ '@everyone!@rack[0-49]'|expand|length }}", "5000"),
        (
            "{{ 'la0[000-999]'|expand|length }} {{ 'la[1-2]0*'|expand|length }}",
            "1000 201",
        ),
        ("{{ 'la*'|expand|length }} {{ 'n?'|expand|length }}", "10000 0"),
        (
            "{{ nodes|natural_sort('nid')|length }} {{ nodes|natural_sort|length }}",
            "10000 10000",
        ),
        (
            "{% for group in groups %}{{ group.member_names|fold|length > 0 }}{% endfor %}",
            &"True".repeat(101),
        ),
    ] {
        let file = render_template(&template(body), &view, None);
        assert_eq!(
            file.unwrap().body.to_lowercase(),
            expected.to_lowercase(),
            "{body}"
        );
    }
}

#[test]
fn a_file_has_an_end() {
    let text = problem("{% for a in range(5000) %}{{ 'x' * 10000 }}{% endfor %}");
    assert!(
        text.contains("longer than") || text.contains("too much memory"),
        "{text}"
    );
}

#[test]
fn paths_stay_where_they_belong() {
    for path in [
        "",
        "/etc/shadow",
        "../a",
        "a/../b",
        "a//b",
        "a/",
        "./a",
        "a\nb",
        "a\\b",
        &"a".repeat(513),
    ] {
        let template = Template {
            path: path.to_owned(),
            ..template("a")
        };
        assert!(check_template(&template).is_err(), "{path:?}");
        assert!(render_template(&template, &small(), None).is_err(), "{path:?}");
    }
    for path in ["a", "etc/a.conf", "..a", "a b"] {
        check_template(&Template {
            path: path.to_owned(),
            ..template("a")
        })
        .unwrap();
    }
}

fn login(name: &str) -> Option<Login> {
    (name != "gone").then(|| Login {
        user: "root".to_owned(),
        password: format!("pass-of-{name}"),
    })
}

#[test]
fn a_secret_is_for_the_template_that_was_granted_it() {
    let body = "{{ secret('bmc').user }}:{{ secret('bmc').password }}";
    let granted = |secrets: &[&str], body: &str| Template {
        secrets: secrets.iter().map(|name| (*name).to_owned()).collect(),
        ..template(body)
    };
    let file = render_template(&granted(&["bmc"], body), &small(), Some(&login)).unwrap();
    assert_eq!(file.body, "root:pass-of-bmc");
    let text = |template: &Template, shown: bool| {
        let find: &dyn Fn(&str) -> Option<Login> = &login;
        render_template(template, &small(), shown.then_some(find))
            .unwrap_err()
            .to_string()
    };
    assert!(text(&granted(&["other"], body), true).contains("was not granted the secret \"bmc\""));
    assert!(text(&granted(&["bmc"], body), false).contains("is not shown here"));
    assert!(text(&granted(&["gone"], "{{ secret('gone') }}"), true).contains("there is no secret \"gone\""));
}

#[test]
fn no_password_is_in_an_error() {
    for body in [
        "{{ secret('bmc').password|cabinet }}",
        "{{ nodes[secret('bmc').password] }}",
        "{{ secret('bmc').password() }}",
        "{{ secret('bmc').password|reverse_name }}",
        "{{ secret('bmc').passwort }}",
    ] {
        let template = Template {
            secrets: vec!["bmc".to_owned()],
            ..template(body)
        };
        let text = render_template(&template, &small(), Some(&login))
            .unwrap_err()
            .to_string();
        assert!(!text.contains("pass-of"), "{body}: {text}");
    }
    assert!(!format!("{:?}", login("bmc")).contains("pass-of"));
}

/// The cluster takes templates and paths of just this length.
#[test]
fn a_template_is_as_long_as_the_cluster_takes_one() {
    let of = |body: usize, path: usize| Template {
        path: "p".repeat(path),
        ..template(&"b".repeat(body))
    };
    check_template(&of(64 * 1024, 512)).unwrap();
    for (body, path) in [(64 * 1024 + 1, 512), (64 * 1024, 513), (1, 0)] {
        assert!(check_template(&of(body, path)).is_err(), "{body} {path}");
    }
}

/// It is far below what a template may use up.
#[test]
fn ten_thousand_nodes_are_no_trouble() {
    let view = View::of(&large(10_000));
    let body = "{% for n in nodes %}{{ n.name }} {{ n.xname }} {{ n.nid }} {{ n.role }} {{ n.address }} \
                {% for i in n.interfaces %}{{ i.mac }}={{ i.addresses|join(',') }} {% endfor %};\n{% endfor %}{{ nodes|fold }}\n";
    let file = render_template(&template(body), &view, None).unwrap();
    assert_eq!(file.body.lines().count(), 10_001);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_it_panic(body in any::<String>()) {
        let _ = render_template(&template(&body), &View::default(), None);
    }

    /// Texts made of the words of the language come further than any text.
    #[test]
    fn no_words_make_it_panic(words in proptest::collection::vec(
        prop_oneof![
            Just("{{"), Just("}}"), Just("{%"), Just("%}"), Just("{#"), Just("#}"), Just("for"), Just("in"), Just("endfor"),
            Just("if"), Just("endif"), Just("else"), Just("nodes"), Just("node"), Just("."), Just("|"), Just("fold"), Just("expand"),
            Just("("), Just(")"), Just("["), Just("]"), Just("'x[0-3]'"), Just("-1"), Just("9e99"), Just("\n"), Just("set"), Just("="),
            Just("macro"), Just("endmacro"), Just("secret"), Just("cabinet"), Just("natural_sort"), Just("é"), Just(":"), Just("*"),
        ],
        0..24,
    )) {
        let body = words.join(" ");
        let _ = check_template(&template(&body));
        let _ = render_template(&template(&body), &View::default(), None);
    }
}
