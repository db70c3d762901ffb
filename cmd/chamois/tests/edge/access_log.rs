//! One line a request, with whoever the token speaks for.

use serde_json::Value;

use crate::common::Single;
use crate::common::http::Administrator;

/// Lines of the log with target `access`.
fn lines(log: &str) -> Vec<Value> {
    let all = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    all.filter(|line| line["target"] == "access")
        .map(|line| line["fields"].clone())
        .collect()
}

#[test]
fn each_request_has_a_line_with_its_principal_and_no_token() {
    let single = Single::prepare();
    single.configure_api(1, "access-log = true\n");
    let mut member = single.start();
    let administrator = Administrator::new(&single.identities());
    let path = "/hsm/v2/State/Components";
    let asked = format!("{path}?type=Node");
    let answer = administrator.send_with(single.own(), "GET", &asked, "X-Request-Id: edge-1\r\n", "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let refused = crate::common::http::send_over(
        &crate::common::http::tls(&[single.ca()], None),
        single.own().into(),
        "GET",
        path,
        "Authorization: Bearer forged\r\n",
        "",
    );
    assert_eq!(refused.status, 401);
    member.until("both are in the log", || lines(&member_log(&single)).len() >= 2);
    let log = member.log();
    let found = lines(&log);
    let of = |status: u16| found.iter().find(|line| line["status"] == status).unwrap();
    let good = of(200);
    assert_eq!(good["verb"], "GET");
    assert_eq!(good["path"], path, "without its query");
    assert_eq!(good["request_id"], "edge-1");
    assert_eq!(good["bytes"], answer.body.len());
    let principal = good["principal"].as_str().unwrap();
    assert!(principal.contains("admin"), "{principal}");
    assert_eq!(of(401)["principal"], "anonymous");
    assert!(!log.contains(&single.token()), "{log}");
}

fn member_log(single: &Single) -> String {
    std::fs::read_to_string(single.dir.path().join("log-1")).unwrap_or_default()
}

/// Nobody who has not asked for it gets a log that grows with every request.
#[test]
fn there_is_none_unless_it_is_asked_for() {
    let single = Single::prepare();
    let mut member = single.start();
    let administrator = Administrator::new(&single.identities());
    let answer = administrator.send(single.own(), "GET", "/hsm/v2/State/Components", "");
    assert_eq!(answer.status, 200);
    member.terminate();
    assert_eq!(member.exit_code(std::time::Duration::from_secs(20)), Some(0));
    assert!(lines(&member.log()).is_empty());
}
