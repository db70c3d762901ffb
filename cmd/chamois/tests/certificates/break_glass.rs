//! Root on a member's host, with a majority and without one.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::http::send_over;
use crate::common::{CHAMOIS, chamois, outcome, text};
use crate::site::{COMPONENTS, Site};

fn config(site: &Site, id: u64) -> String {
    text(&site.path(&format!("member-{id}.toml"))).to_owned()
}

fn glass(site: &Site, id: u64, args: &[&str]) -> (i32, String, String) {
    let config = config(site, id);
    let mut all = vec!["break-glass"];
    all.extend(args);
    all.extend(["--config", &config]);
    outcome(&chamois(&all))
}

fn token(site: &Site, id: u64) -> String {
    let (code, out, err) = glass(site, id, &["token", "-o", "json"]);
    assert_eq!(code, 0, "{err}");
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["valid_for_s"], 900);
    answer["token"].as_str().unwrap().to_owned()
}

fn status(site: &Site, id: u64, token: &str, headers: &str) -> u16 {
    let headers = format!("Authorization: Bearer {token}\r\n{headers}");
    let tls = site.https(None);
    send_over(&tls, site.ip(id), "GET", COMPONENTS, &headers, "").status
}

#[test]
fn with_a_majority_root_reads_exports_and_becomes_an_administrator_of_one_member() {
    let site = Site::start(3);
    let (code, out, err) = glass(&site, 1, &["status"]);
    assert!(
        code == 0 && out.contains("member 1 of cluster `test`"),
        "{out}{err}"
    );
    let file = site.path("all.snap");
    let (code, out, err) = glass(&site, 1, &["export", text(&file)]);
    assert!(code == 0 && out.contains("cluster `test`"), "{out}{err}");
    let (code, out, err) = outcome(&chamois(&["snapshot", "inspect", text(&file)]));
    assert!(code == 0 && out.contains("cluster `test`"), "{out}{err}");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let (code, _, err) = glass(&site, 1, &["export", text(&file)]);
    assert!(code == 1 && err.contains("all.snap"), "{err}");
    let token = token(&site, 1);
    assert_eq!(status(&site, 1, &token, ""), 200);
    assert_eq!(
        status(&site, 2, &token, ""),
        401,
        "another member knows nothing of it"
    );
    let (code, _, err) = glass(&site, 1, &["recover", "--accept-lost-writes"]);
    assert!(code == 1 && err.contains("there is a majority"), "{err}");
    let log = site.members[0].as_ref().unwrap().log();
    for asked in ["Status", "Export", "Token", "Recover"] {
        let line = log
            .lines()
            .find(|line| line.contains("break-glass") && line.contains(asked));
        assert!(
            line.is_some_and(|line| line.contains("WARN")),
            "{asked} is not in the log"
        );
    }
    assert!(!log.contains(&token), "the token is in no log");
    let denied = || {
        let (code, out, err) = site.ask(&["audit", "--denied", "-o", "json"]);
        assert_eq!(code, 0, "{err}");
        out
    };
    site.until("each use is in the member's log of refused calls", || {
        let lines = denied();
        let uses = ["status", "export", "token", "recover"];
        uses.iter()
            .all(|what| lines.contains(&format!("break-glass/{what}")))
    });
    assert!(!denied().contains(&token));
}

/// No majority, and so no leader, no key that signs and no provider: what is left must do.
#[test]
fn without_a_majority_root_still_reads_and_lets_the_member_go_on_alone() {
    let mut site = Site::start(3);
    let before = site.administrator().send(site.ip(1), "GET", COMPONENTS, "");
    assert_eq!(before.status, 200);
    (site.members[1], site.members[2]) = (None, None);
    site.until("no majority", || {
        glass(&site, 1, &["status"]).1.contains("no majority")
    });
    let token = token(&site, 1);
    let local = format!("{}: {}\r\n", rpc::CONSISTENCY, rpc::CONSISTENCY_LOCAL);
    assert_eq!(status(&site, 1, &token, &local), 200);
    let file = site.path("lone.snap");
    let (code, _, err) = glass(&site, 1, &["export", text(&file)]);
    assert_eq!(code, 0, "{err}");
    site.until("it is let go", || {
        glass(&site, 1, &["recover", "--accept-lost-writes"]).0 == 0
    });
    let code = site.members[0]
        .as_mut()
        .unwrap()
        .exit_code(Duration::from_secs(60));
    assert_eq!(code, Some(0), "it has stopped as by SIGTERM");
    site.members[0] = Some(site.single.spawn_member(1));
    site.until("it leads alone", || {
        let (code, out, _) = site.ask(&["cluster", "status", "-o", "json"]);
        code == 0 && out.contains("\"leader\"")
    });
    assert!(site.path("data-1.before-recovery").is_dir());
    assert_eq!(status(&site, 1, &token, ""), 401, "it ended with the process");
}

/// The power went while the old data were moved aside, and the service manager has made the folder anew.
#[test]
fn half_a_recovery_is_no_empty_start_and_can_be_finished() {
    let mut site = Site::start(1);
    site.members[0] = None;
    let data = site.path("data-1");
    std::fs::rename(&data, site.path("data-1.before-recovery")).unwrap();
    std::fs::create_dir(&data).unwrap();
    let mut member = site.single.spawn_member(1);
    let code = member.exit_code(Duration::from_secs(60));
    let log = member.log();
    assert!(code.is_some_and(|code| code != 0), "{code:?}: {log}");
    assert!(log.contains("chamois recover --accept-lost-writes"), "{log}");
    let config = config(&site, 1);
    let finished = chamois(&["recover", "--accept-lost-writes", "--config", &config]);
    let (code, _, err) = outcome(&finished);
    assert_eq!(code, 0, "{err}");
    site.members[0] = Some(site.single.spawn_member(1));
    site.until("it leads alone", || {
        let (code, out, _) = site.ask(&["cluster", "status", "-o", "json"]);
        code == 0 && out.contains("\"leader\"")
    });
}

/// Who may reach the socket is not yet who may ask.
#[test]
fn another_user_is_refused_by_the_kernels_word() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not root: nobody else can be had");
        return;
    }
    let site = Site::start(1);
    let open = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let executable = site.path("chamois");
    std::fs::copy(CHAMOIS, &executable).unwrap();
    for (name, mode) in [
        ("", 0o755),
        ("chamois", 0o755),
        ("data-1", 0o755),
        ("member-1.toml", 0o644),
        ("data-1/break-glass.sock", 0o666),
    ] {
        open(&site.path(name), mode);
    }
    let config = config(&site, 1);
    for verb in [&["status"][..], &["token"], &["recover", "--accept-lost-writes"]] {
        let output = Command::new(&executable)
            .arg("break-glass")
            .args(verb)
            .args(["--config", &config])
            .uid(65_534)
            .gid(65_534)
            .output()
            .unwrap();
        let (code, out, err) = outcome(&output);
        assert!(
            code == 1 && err.contains("user 65534 may not") && out.is_empty(),
            "{verb:?}: {code} {out}{err}"
        );
    }
}
