//! What old clients do not ask for, of real members over HTTPS: conditions, pages, fields, compression, trials, history,
//! locks that are enforced.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as expected"
)]

mod common;

use std::net::TcpStream;

use common::http::{Administrator, Answer};
use common::{Member, Single};
use serde_json::Value;

const LIST: &str = "/hsm/v2/State/Components";
const NODE: &str = "/hsm/v2/State/Components/x0c0s0b0n0";
const HISTORY: &str = "/chamois/v1/history/component/x0c0s0b0n0";
/// Enough that its list is worth compressing.
const NODES: usize = 60;

struct Site {
    single: Single,
    administrator: Administrator,
}

impl Site {
    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        self.administrator
            .send_with(self.single.own(), method, path, headers, body)
    }

    fn get(&self, path: &str) -> (Answer, Value) {
        let answer = self.ask("GET", path, "", "");
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = serde_json::from_str(&answer.body).unwrap();
        (answer, json)
    }
}

fn create() -> String {
    let nodes =
        (0..NODES).map(|slot| serde_json::json!({"ID": format!("x0c0s{slot}b0n0"), "State": "Ready"}));
    serde_json::json!({ "Components": nodes.collect::<Vec<_>>() }).to_string()
}

#[test]
fn a_real_member_answers_new_clients_better() {
    let single = Single::prepare();
    let _member = single.start();
    let site = Site {
        administrator: Administrator::new(&single.dir.path().join("identities")),
        single,
    };
    // without a word of it, as ever
    assert_eq!(site.ask("POST", LIST, "", &create()).status, 204);
    let (list, json) = site.get(LIST);
    assert_eq!(json["Components"].as_array().unwrap().len(), NODES);
    let seen = list.header("etag").unwrap().to_owned();

    // conditions: unchanged, stale, current
    let if_seen = format!("If-None-Match: {seen}\r\n");
    let unchanged = site.ask("GET", LIST, &if_seen, "");
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
    let (node, _) = site.get(NODE);
    let etag = node.header("etag").unwrap().to_owned();
    let if_match = format!("If-Match: {etag}\r\n");
    let state = format!("{NODE}/StateData");
    let trial = site.ask(
        "PATCH",
        &format!("{state}?validate_only=true"),
        &if_match,
        r#"{"State":"Off"}"#,
    );
    assert_eq!(trial.status, 200, "{trial:?}");
    let told: Value = serde_json::from_str(&trial.body).unwrap();
    assert_eq!(
        (&told["validate_only"], &told["status"]),
        (&Value::from(true), &Value::from(204))
    );
    let change = &told["changes"][0];
    assert_eq!(
        (&change["change"], &change["id"]),
        (&"updated".into(), &"x0c0s0b0n0".into())
    );
    assert_eq!(
        change["fields"],
        serde_json::json!([{"field": "State", "before": "Ready", "after": "Off"}])
    );
    assert_eq!(
        site.ask("GET", LIST, &if_seen, "").status,
        304,
        "a trial changes nothing"
    );
    assert_eq!(
        site.ask("PATCH", &state, &if_match, r#"{"State":"Off"}"#).status,
        204
    );
    let stale = site.ask("PATCH", &state, &if_match, r#"{"State":"Ready","Force":true}"#);
    let (node, json) = site.get(NODE);
    let current = node.header("etag").unwrap();
    assert_eq!((stale.status, stale.header("etag")), (412, Some(current)));
    assert_eq!(json["State"], "Off");
    assert_eq!(site.ask("GET", LIST, &if_seen, "").status, 200);

    // pages and fields
    let (mut path, mut ids) = (format!("{LIST}?page_size=25&fields=ID"), Vec::new());
    loop {
        let (page, json) = site.get(&path);
        let page_ids = json["Components"].as_array().unwrap().iter();
        ids.extend(page_ids.map(|one| {
            assert_eq!(one.as_object().unwrap().len(), 1, "{one}");
            one["ID"].as_str().unwrap().to_owned()
        }));
        match page.header("chamois-next-page-token") {
            Some(token) => path = format!("{LIST}?page_size=25&fields=ID&page_token={token}"),
            None => break,
        }
    }
    let (_, whole) = site.get(LIST);
    let whole = whole["Components"].as_array().unwrap().iter();
    assert!(
        whole
            .map(|one| one["ID"].as_str().unwrap())
            .eq(ids.iter().map(String::as_str))
    );

    // compression
    let zipped = site.ask("GET", LIST, "Accept-Encoding: gzip\r\n", "");
    assert_eq!(
        (zipped.status, zipped.header("content-encoding")),
        (200, Some("gzip"))
    );

    // who did what
    let (_, history) = site.get(HISTORY);
    let changes = history["changes"].as_array().unwrap();
    let told: Vec<_> = changes
        .iter()
        .map(|change| change["change"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["updated", "created"]);
    assert_eq!(changes[0]["principal"], "token/admin");
    assert_eq!(changes[0]["fields"][0]["after"], "Off");
    let revision = changes[0]["revision"].as_u64().unwrap();
    assert!(current.ends_with(&format!("-{revision}\"")), "{current}");
}

/// One member of three enforces locks, which need not be the one that leads; all come to the same outcome.
#[test]
fn locks_are_enforced_by_the_member_that_is_asked() {
    let single = Single::prepare_one_of(3);
    let config = std::fs::read_to_string(single.config()).unwrap();
    let config = config.replace("[api]\n", "[api]\nenforce-locks = true\n");
    std::fs::write(single.config(), config).unwrap();
    let mut members: Vec<Member> = (1..=3).map(|id| single.spawn_member(id)).collect();
    let answers = |member| TcpStream::connect((single.net.member_address(member), 8443)).is_ok();
    members[0].until("every member", || (1..=3).all(answers));
    let administrator = Administrator::new(&single.dir.path().join("identities"));
    let ask = |member, method: &str, path: &str, headers: &str, body: &str| {
        let address = single.net.member_address(member);
        administrator.send_with(address, method, path, headers, body)
    };
    members[0].until("a leader", || ask(2, "POST", LIST, "", &create()).status == 204);
    // locks wait for the feature level that all members know
    let lock = r#"{"ComponentIDs":["x0c0s0b0n0"]}"#;
    members[0].until("a lock", || {
        ask(2, "POST", "/hsm/v2/locks/lock", "", lock).status == 200
    });
    let reserve = r#"{"ComponentIDs":["x0c0s1b0n0"],"ReservationDuration":5}"#;
    let mut reserved = Value::Null;
    members[0].until("a reservation", || {
        let answer = ask(3, "POST", "/hsm/v2/locks/service/reservations", "", reserve);
        reserved = serde_json::from_str(&answer.body).unwrap();
        answer.status == 200
    });
    let key = reserved["Success"][0]["DeputyKey"]
        .as_str()
        .unwrap_or_else(|| panic!("{reserved}"));
    let with_key = format!("Chamois-Reservation-Key: {key}\r\n");

    let (locked, reserved) = (NODE, "/hsm/v2/State/Components/x0c0s1b0n0");
    let disable = |member, node: &str, headers: &str| {
        ask(
            member,
            "PATCH",
            &format!("{node}/Enabled"),
            headers,
            r#"{"Enabled":false}"#,
        )
    };
    for (node, says) in [
        (locked, "x0c0s0b0n0 is locked"),
        (reserved, "x0c0s1b0n0 is reserved by "),
    ] {
        for refused in [disable(1, node, ""), ask(1, "DELETE", node, "", "")] {
            assert!(
                refused.status == 409 && refused.body.contains(says),
                "{refused:?}"
            );
        }
        let observed = ask(1, "PATCH", &format!("{node}/StateData"), "", r#"{"State":"Off"}"#);
        assert_eq!(observed.status, 204, "{observed:?}");
    }
    assert_eq!(disable(1, locked, &with_key).status, 409);
    assert_eq!(disable(1, reserved, &with_key).status, 204);
    assert_eq!(
        disable(2, locked, "").status,
        204,
        "advice, where nobody has asked for more"
    );
    assert_eq!(ask(3, "DELETE", locked, "", "").status, 200);
    let gone: Vec<u16> = (1..=3)
        .map(|member| ask(member, "GET", locked, "", "").status)
        .collect();
    assert_eq!(gone, [404; 3]);
    let logs: String = members.iter().map(Member::log).collect();
    assert!(!logs.contains(key), "a key is in a log");
}
