//! `chamois login` as people use it, with a browser on another machine.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::browser::{Browser, begun, get};
use crate::common::{CHAMOIS, outcome, text};
use crate::idp::Idp;
use crate::site::{Site, json};

/// A user of the command line without any token but that of his login.
struct User<'s> {
    site: &'s Site,
    cache: PathBuf,
}

impl User<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(CHAMOIS);
        command
            .args(args)
            .args(["--endpoints", &format!("{}:7441", self.site.ip(1))])
            .args(["--ca", text(&self.site.identities().join("ca.pem"))])
            .env_remove("CHAMOIS_TOKEN")
            .env_remove("CHAMOIS_TOKEN_FILE")
            .env_remove("CHAMOIS_CLIENT_CERTIFICATE")
            .env("XDG_CACHE_HOME", &self.cache)
            .stdin(Stdio::null());
        command
    }

    fn ask(&self, args: &[&str]) -> (i32, String, String) {
        let output: Output = self.command(args).output().unwrap();
        outcome(&output)
    }

    /// The file that the login is kept in.
    fn kept(&self) -> Option<PathBuf> {
        let folder = std::fs::read_dir(self.cache.join("chamois")).ok()?;
        let mut paths = folder.map(|entry| entry.unwrap().path());
        paths.find(|path| path.extension().is_some_and(|end| end == "json"))
    }

    fn login(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.kept().unwrap()).unwrap()).unwrap()
    }

    fn write(&self, login: &Value) {
        std::fs::write(self.kept().unwrap(), login.to_string()).unwrap();
    }
}

/// The browser's part: the page, its form, the provider, and back.
fn approve(site: &Site, idp: &Idp, user_code: &str, name: &str) {
    let page = get(site, 1, &format!("/device?user_code={user_code}"), "");
    assert!(page.status == 200 && page.body.contains(user_code), "{page:?}");
    let form = serde_json::json!({ "user_code": user_code }).to_string();
    let own = format!("Origin: https://{}:8443\r\n", site.ip(1));
    for origin in ["", "Origin: https://evil.example.org\r\n", "Origin: null\r\n"] {
        let refused = site
            .as_nobody()
            .send_with(site.ip(1), "POST", "/device", origin, &form);
        assert_eq!(refused.status, 403, "{origin}: {refused:?}");
    }
    let redirect = site
        .as_nobody()
        .send_with(site.ip(1), "POST", "/device", &own, &form);
    assert_eq!(redirect.status, 303, "{redirect:?}");
    let mut browser = Browser::new();
    let back = browser.log_in(idp, &redirect, name);
    let done = get(site, 1, &back, &browser.own_cookie);
    assert!(
        done.status == 200 && done.body.contains(&format!("user/{name}")),
        "{done:?}"
    );
}

/// Everything that a day with it has: login, work, renewal, a stolen file, logout.
#[test]
fn a_login_on_the_command_line_is_kept_renewed_and_ended() {
    let site = Site::start(1);
    let Some(idp) = Idp::start("a_login_on_the_command_line_is_kept_renewed_and_ended", &site) else {
        return;
    };
    idp.put(&site, &[]);
    site.give("hpc", "viewer", "group/everybody");
    begun(&site, 1, "/login");
    let user = User {
        site: &site,
        cache: site.single.dir.path().join("cache"),
    };
    let components = ["component", "list"];
    assert_eq!(user.ask(&components).0, 5, "without a login");

    let mut child = user
        .command(&["login"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let (_, user_code) = line.split_once("user_code=").unwrap_or_else(|| panic!("{line}"));
    let user_code = user_code.split_whitespace().next().unwrap();
    assert!(
        line.contains(&format!("https://{}:8443/device", site.ip(1))),
        "{line}"
    );
    approve(&site, &idp, user_code, "ada");
    let status = child.wait().unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(status.success(), "{rest}");

    let mode = std::fs::metadata(user.kept().unwrap())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(user.ask(&components).0, 0, "{:?}", user.ask(&components));
    let (code, _, err) = user.ask(&["group", "create", "mine", "x0c0s0b0n0"]);
    assert_eq!(code, 5, "a viewer changes nothing: {err}");

    // the access token has ended: the next command replaces it, and the refresh token with it
    let first = user.login();
    let mut ended = first.clone();
    ended["expires_at_s"] = 0.into();
    user.write(&ended);
    assert_eq!(user.ask(&components).0, 0, "{:?}", user.ask(&components));
    let second = user.login();
    assert!(
        second["refresh_token"] != first["refresh_token"] && second["access_token"] != first["access_token"]
    );

    // a login is for this cluster only: it lies under its CA
    let sessions = site
        .administrator
        .send(site.ip(1), "GET", "/chamois/v1/sessions", "");
    let sessions = json(&sessions);
    assert_eq!(sessions["sessions"][0]["principal"], "user/ada", "{sessions}");

    let (code, out, err) = user.ask(&["logout"]);
    assert_eq!((code, out.trim()), (0, "logged out"), "{err}");
    assert!(user.kept().is_none());
    assert_eq!(user.ask(&components).0, 5);
    let token = second["access_token"].as_str().unwrap();
    assert_eq!(
        site.final_status(1, token),
        401,
        "ended everywhere, and not only forgotten here"
    );
}

/// The device's half as any program speaks it.
#[test]
fn a_device_waits_and_is_told_how() {
    let site = Site::start(1);
    let Some(idp) = Idp::start("a_device_waits_and_is_told_how", &site) else {
        return;
    };
    idp.put(&site, &[]);
    begun(&site, 1, "/login");
    let post = |path: &str, body: Value| site.as_nobody().send(site.ip(1), "POST", path, &body.to_string());
    let device = post(
        "/oauth2/device_authorization",
        serde_json::json!({"client_id": "test", "scope": "smd.read"}),
    );
    assert_eq!(device.status, 200, "{device:?}");
    let device = json(&device);
    let poll = || {
        let asked = serde_json::json!({
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "client_id": "test",
            "device_code": device["device_code"],
        });
        post("/oauth2/token", asked)
    };
    for expected in &["authorization_pending", "slow_down"] {
        let answer = poll();
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(json(&answer)["error"], *expected, "{answer:?}");
    }
    approve(&site, &idp, device["user_code"].as_str().unwrap(), "bob");
    let mut answer = poll();
    site.until("tokens", || {
        if answer.status != 200 {
            std::thread::sleep(std::time::Duration::from_secs(1));
            answer = poll();
        }
        answer.status == 200
    });
    let tokens = json(&answer);
    assert_eq!(tokens["scope"], "smd.read");
    assert_eq!(tokens["expires_in"], 600);
    // the same device code is good for nothing more, and the refresh token once
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(poll().status, 400);
    let renew = || {
        let asked =
            serde_json::json!({"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]});
        post("/oauth2/token", asked).status
    };
    assert_eq!((renew(), renew()), (200, 400));
}

/// The member that has shown the code may be down by the time that somebody says yes.
#[test]
fn a_device_is_answered_by_whichever_member_it_asks() {
    let site = Site::start(3);
    let Some(idp) = Idp::start("a_device_is_answered_by_whichever_member_it_asks", &site) else {
        return;
    };
    idp.put(&site, &[]);
    site.give("hpc", "viewer", "group/everybody");
    begun(&site, 1, "/login");
    let post = |id: u64, path: &str, body: Value| {
        let nobody = site.as_nobody();
        nobody.send(site.ip(id), "POST", path, &body.to_string())
    };
    let device = post(
        2,
        "/oauth2/device_authorization",
        serde_json::json!({"client_id": "test"}),
    );
    let device = json(&device);
    approve(&site, &idp, device["user_code"].as_str().unwrap(), "ada");
    let mut answer = None;
    site.until("tokens of another member", || {
        let asked = serde_json::json!({
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": device["device_code"],
        });
        let polled = post(3, "/oauth2/token", asked);
        let is_there = polled.status == 200;
        answer = Some(polled);
        is_there
    });
    let tokens = json(&answer.unwrap());
    let token = tokens["access_token"].as_str().unwrap();
    for id in site.ids() {
        assert_eq!(site.final_status(id, token), 200, "member {id}");
    }
}
