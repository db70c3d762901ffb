//! `chamois policy` against a real member.

use crate::callers::{OTHER, OWN, Site};
use crate::common::text;

const POLICIES: &str = "
- {name: root, role: admin, principals: [group/root]}
- {name: own-operators, role: operator, principals: [user/ada, group/ops], groups: [own]}
";

#[test]
fn policies_are_listed_explained_tested_and_deleted() {
    let site = Site::start(POLICIES);
    let ask = |words: &[&str]| site.single.ask(words);
    let (code, out, err) = ask(&["policy", "list"]);
    assert!(
        code == 0 && out.contains("own-operators") && out.contains("groups own"),
        "{out}{err}"
    );
    assert!(out.contains("anonymous-legacy-reads"), "{out}");
    let (_, out, _) = ask(&["policy", "show", "own-operators", "-o", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["principals"][0], "group/ops");

    let (code, out, _) = ask(&["policy", "check", "user/ada", "bss.write", OWN]);
    assert!(code == 0 && out.contains("by own-operators"), "{out}");
    let (code, out, err) = ask(&["policy", "check", "user/ada", "bss.write", OTHER]);
    assert!(
        code == 5 && out.contains("denied") && err.contains("policy explain"),
        "{out}{err}"
    );
    let (code, out, _) = ask(&["policy", "explain", "user/ada", "bss.write", OTHER]);
    assert!(code == 0 && out.contains("it holds in groups own"), "{out}");
    let (code, _, err) = ask(&["policy", "check", "user/ada", "bss.fly"]);
    assert!(code == 2 && err.contains("action: "), "{err}");

    let file = site.single.dir.path().join("expected.yaml");
    let expect = |object: &str| {
        format!("[{{principal: user/ada, action: smd.write, object: {object}, expect: allow}}]")
    };
    std::fs::write(&file, expect(OWN)).unwrap();
    let (code, out, err) = ask(&["policy", "test", text(&file)]);
    assert!(code == 0 && out.contains("1 expectations"), "{out}{err}");
    std::fs::write(&file, expect(OTHER)).unwrap();
    let (code, _, err) = ask(&["policy", "test", text(&file)]);
    assert!(
        code == 1 && err.contains(&format!("number 1: user/ada smd.write {OTHER}: denied")),
        "{err}"
    );

    let (code, out, _) = ask(&["policy", "delete", "own-operators"]);
    assert!(code == 0 && out.contains("deleted own-operators"), "{out}");
    assert_eq!(ask(&["policy", "delete", "own-operators"]).0, 3);
}

#[test]
fn roles_are_put_listed_and_deleted_when_nobody_has_them() {
    let site = Site::start(POLICIES);
    let ask = |words: &[&str]| site.single.ask(words);
    let (code, out, err) = ask(&["policy", "role", "put", "firmware", "smd.read", "smd.write"]);
    assert!(code == 0 && out.contains("smd.read, smd.write"), "{out}{err}");
    let (_, out, _) = ask(&["policy", "role", "list"]);
    assert!(out.contains("viewer") && out.contains("firmware"), "{out}");
    let (code, _, err) = ask(&["policy", "role", "put", "viewer", "*.*"]);
    assert!(code == 2 && err.contains("shipped"), "{err}");
    site.put_policies("{name: fw, role: firmware, principals: [user/bob]}");
    let (code, _, err) = ask(&["policy", "role", "delete", "firmware"]);
    assert!(code == 4 && err.contains("policy fw"), "{err}");
    assert_eq!(ask(&["policy", "delete", "fw"]).0, 0);
    assert_eq!(ask(&["policy", "role", "delete", "firmware"]).0, 0);
}
