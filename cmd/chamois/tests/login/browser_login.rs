//! Code and PKCE, with a browser that keeps its cookies.

use crate::access_tokens;
use crate::browser::{Browser, begun, get};
use crate::common::http::get as get_as_node;
use crate::idp::Idp;
use crate::site::{Site, json};

/// Where a page shows the access token.
fn token_of(page: &str) -> String {
    let (_, rest) = page
        .split_once("id=\"access_token\">")
        .unwrap_or_else(|| panic!("no token: {page}"));
    rest.split('<').next().unwrap().to_owned()
}

/// From the first click to a right that comes from a group of the provider, at other members each time.
#[test]
fn a_person_logs_in_and_any_member_takes_the_callback() {
    let site = Site::start(3);
    let Some(idp) = Idp::start("a_person_logs_in_and_any_member_takes_the_callback", &site) else {
        return;
    };
    idp.put(&site, &["--scope", "profile"]);
    site.give("hpc", "viewer", "group/ada-group");
    let mut browser = Browser::new();
    let redirect = begun(&site, 1, "/login?target=/ui");
    for part in ["code_challenge_method=S256", "nonce=", "state=", "scope=openid"] {
        assert!(
            redirect.header("location").unwrap().contains(part),
            "{redirect:?}"
        );
    }
    let back = browser.log_in(&idp, &redirect, "ada");

    // somebody else's browser, as in login CSRF, and this one without its cookie
    let stranger = begun(&site, 1, "/oauth2/authorize");
    let strangers = stranger.header("set-cookie").unwrap().split(';').next().unwrap();
    for cookie in ["", "__Secure-chamois-login=x", strangers] {
        let refused = get(&site, 2, &back, cookie);
        assert_eq!(refused.status, 403, "{cookie}: {refused:?}");
    }
    let page = get(&site, 2, &back, &browser.own_cookie);
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(
        page.body.contains("user/ada") && page.body.contains("href=\"/ui\""),
        "{}",
        page.body
    );
    let token = token_of(&page.body);
    for id in site.ids() {
        assert_eq!(site.final_status(id, &token), 200, "member {id}");
    }

    // a code is good once, at whichever member
    for id in site.ids() {
        let again = get(&site, id, &back, &browser.own_cookie);
        assert_eq!(again.status, 403, "{again:?}");
    }
    let sessions = site
        .administrator
        .send(site.ip(1), "GET", "/chamois/v1/sessions", "");
    assert_eq!(
        json(&sessions)["sessions"].as_array().unwrap().len(),
        1,
        "{sessions:?}"
    );

    // somebody who has logged in and is in no group that a policy names
    let redirect = begun(&site, 3, "/login");
    let mut other = Browser::new();
    let back = other.log_in(&idp, &redirect, "bob");
    let page = get(&site, 3, &back, &other.own_cookie);
    assert_eq!(site.final_status(1, &token_of(&page.body)), 403);
}

/// A user's certificate is an administrator's until there are policies: whoever the provider lets in must not get one.
#[test]
fn a_login_becomes_no_certificate_before_there_are_policies() {
    let site = Site::start(1);
    let Some(idp) = Idp::start("a_login_becomes_no_certificate_before_there_are_policies", &site) else {
        return;
    };
    let by_sub = ["--user-claim", "sub"];
    let accepted = ["--accept-access-tokens-for", "openchami"];
    idp.put(&site, &[by_sub, accepted].concat());
    let mut browser = Browser::new();
    let back = browser.log_in(&idp, &begun(&site, 1, "/login"), "ada");
    let page = get(&site, 1, &back, &browser.own_cookie);
    assert_eq!(page.status, 200, "{page:?}");
    for token in [token_of(&page.body), access_tokens::token_of(&idp)] {
        let bearer = site.bearing(&token);
        assert_eq!(site.final_status(1, &token), 403, "there is no policy");
        for principal in ["", "user/sub-ada", "user/root", "service/cron"] {
            let asked = serde_json::json!({"principal": principal, "public_key": "AAAA"}).to_string();
            let refused = bearer.send(site.ip(1), "POST", "/chamois/v1/certificates", &asked);
            assert_eq!(refused.status, 403, "{principal}: {refused:?}");
        }
    }
}

/// What would take a person, or his code, to somebody else.
#[test]
fn nothing_leads_elsewhere_and_nothing_is_on_the_port_of_nodes() {
    let site = Site::start(1);
    let Some(idp) = Idp::start(
        "nothing_leads_elsewhere_and_nothing_is_on_the_port_of_nodes",
        &site,
    ) else {
        return;
    };
    idp.put(&site, &[]);
    begun(&site, 1, "/login");
    for target in [
        "//evil.example.org",
        "/%5Cevil.example.org",
        "https://evil.example.org",
        "javascript:alert(1)",
    ] {
        let answer = get(&site, 1, &format!("/login?target={target}"), "");
        assert_eq!(
            (answer.status, answer.header("location")),
            (400, None),
            "{target}: {answer:?}"
        );
    }
    for path in [
        "/oidc/callback",
        "/oidc/callback?code=x&state=y",
        "/oidc/callback?error=%3Cscript%3E",
    ] {
        let answer = get(&site, 1, path, "");
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(!answer.body.contains("<script"), "{answer:?}");
    }
    site.until("nodes are answered", || site.single.answers_nodes());
    for path in [
        "/login",
        "/oauth2/authorize",
        "/oidc/callback",
        "/device",
        "/keys",
    ] {
        assert_eq!(get_as_node(site.single.http(), path).status, 404, "{path}");
    }
    let log = site.members[0].as_ref().unwrap().log();
    assert!(!log.contains("code=x"), "codes are in no log");
}

/// The provider stops and comes back: nobody gets in meanwhile, and everybody does afterwards.
#[test]
fn without_the_provider_nobody_logs_in_and_the_cluster_goes_on() {
    let site = Site::start(1);
    let Some(mut idp) = Idp::start(
        "without_the_provider_nobody_logs_in_and_the_cluster_goes_on",
        &site,
    ) else {
        return;
    };
    let (_, secret) = site.api_token("service/cron", &["smd.read"]);
    site.give("cron", "viewer", "service/cron");
    idp.stop();
    idp.put(&site, &[]);
    site.until("the login key", || {
        get(&site, 1, "/login", "").body.contains("does not answer")
    });
    let closed = get(&site, 1, "/login", "");
    assert_eq!(
        (closed.status, closed.retry_after()),
        (503, Some(5)),
        "{closed:?}"
    );
    assert_eq!(
        site.final_status(1, &secret),
        200,
        "tokens of machines need no provider"
    );
    idp.run();
    // it is asked again ten seconds after the last time
    let redirect = begun(&site, 1, "/login");
    let mut browser = Browser::new();
    let back = browser.log_in(&idp, &redirect, "ada");
    assert_eq!(get(&site, 1, &back, &browser.own_cookie).status, 200);
    // and once more while a person is on his way
    let redirect = begun(&site, 1, "/login");
    let back = browser.log_in(&idp, &redirect, "ada");
    idp.stop();
    let unsure = get(&site, 1, &back, &browser.own_cookie);
    assert_eq!(unsure.status, 503, "{unsure:?}");
}
