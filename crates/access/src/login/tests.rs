//! Logins from their begin to their tokens, with a provider that is told what to say.

use proto::auth::v1::TokenRequest;
use proto::auth::v1::auth_command::Change;
use proto::auth::v1::login_service_server::LoginService as _;
use serde_json::{Value, json};

use super::*;
use crate::oidc::testing::{ISSUER, Site, provider};

const HOST: &str = "m1:8443";

/// A cluster whose provider has logins.
struct Login {
    site: Site,
    logins: Logins,
    service: LoginService,
}

/// What a browser has got on its way to the provider.
struct Begun {
    state: String,
    nonce: String,
    cookie: String,
    query: Vec<(String, String)>,
}

impl Login {
    async fn new() -> Login {
        let login = Login::without_provider().await;
        login.site.put(provider()).await;
        login
    }

    async fn without_provider() -> Login {
        let site = Site::new().await;
        let key = new_login_key(&site.bed.sealer).unwrap();
        site.bed.propose(Change::PutAuthSecret(key)).await.unwrap();
        let logins = Logins::new(site.bed.checks.clone(), site.oidc.clone());
        let service = LoginService::new(logins.clone());
        Login {
            site,
            logins,
            service,
        }
    }

    async fn ask(&self, target: &str) -> Response<HttpBody> {
        let asked = LoginRequest {
            target: target.into(),
            host: HOST.into(),
            ..LoginRequest::default()
        };
        self.service.login(Request::new(asked)).await.unwrap()
    }

    async fn begin(&self) -> Begun {
        begun(&self.ask("").await, "302")
    }

    async fn approve(&self, user_code: &str, origin: &str) -> Response<HttpBody> {
        let asked = ApproveDeviceRequest {
            user_code: user_code.into(),
            host: HOST.into(),
            origin: origin.into(),
            ..ApproveDeviceRequest::default()
        };
        self.service.approve_device(Request::new(asked)).await.unwrap()
    }

    /// The provider says who has logged in, and the browser comes back.
    async fn come_back(&self, begun: &Begun, other: &Value) -> Response<HttpBody> {
        let mut claims = self.site.claims(&json!({"nonce": begun.nonce}));
        for (name, value) in other.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.site.idp.will_say(&claims);
        self.returned(back(begun)).await
    }

    async fn returned(&self, request: CallbackRequest) -> Response<HttpBody> {
        self.service.callback(Request::new(request)).await.unwrap()
    }

    fn begin_device(&self, scope: &str) -> super::device::Begun {
        let asked = BeginDeviceRequest {
            client_id: "cli".into(),
            scope: scope.into(),
            host: HOST.into(),
        };
        match self.logins.begin_device(None, &asked) {
            Ok(begun) => begun,
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn poll(&self, device_code: &str) -> Result<crate::oauth::TokenAnswer, &'static str> {
        let asked = TokenRequest {
            device_code: device_code.into(),
            ..TokenRequest::default()
        };
        poll(&self.logins, &asked).await.map_err(|error| error.code())
    }
}

fn back(begun: &Begun) -> CallbackRequest {
    CallbackRequest {
        code: "c0d3".into(),
        state: begun.state.clone(),
        iss: ISSUER.into(),
        cookie: format!("other=1; {}", begun.cookie),
        ..CallbackRequest::default()
    }
}

fn header<'a>(response: &'a Response<HttpBody>, name: &str) -> &'a str {
    let value = response.metadata().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

fn status(response: &Response<HttpBody>) -> &str {
    header(response, rpc::HTTP_STATUS)
}

fn html(response: &Response<HttpBody>) -> String {
    String::from_utf8(response.get_ref().data.clone()).unwrap()
}

fn begun(response: &Response<HttpBody>, expected: &str) -> Begun {
    assert_eq!(status(response), expected, "{}", html(response));
    let location = header(response, "http-header-location");
    let (endpoint, query) = location.split_once('?').unwrap();
    assert_eq!(endpoint, format!("{ISSUER}/auth"));
    let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let of = |wanted: &str| query.iter().find(|(name, _)| name == wanted).unwrap().1.clone();
    let cookie = header(response, "http-header-set-cookie");
    Begun {
        state: of("state"),
        nonce: of("nonce"),
        cookie: cookie.split(';').next().unwrap().to_owned(),
        query,
    }
}

fn access_token(html: &str) -> String {
    let (_, rest) = html.split_once("<code id=\"access_token\">").unwrap();
    rest.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_browser_is_sent_to_the_provider_with_all_that_binds_the_answer() {
    let login = Login::new().await;
    let response = login.ask("").await;
    let cookie = header(&response, "http-header-set-cookie").to_owned();
    for part in [
        "Secure",
        "HttpOnly",
        "SameSite=Lax",
        "Path=/oidc/callback",
        "Max-Age=600",
    ] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    let begun = begun(&response, "302");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "chamois"),
        ("redirect_uri", "https://m1:8443/oidc/callback"),
        ("scope", "openid"),
        ("code_challenge_method", "S256"),
    ] {
        assert!(
            begun.query.contains(&(name.into(), value.into())),
            "{name}: {:?}",
            begun.query
        );
    }
    let again = login.begin().await;
    assert!(begun.state != again.state && begun.nonce != again.nonce && begun.cookie != again.cookie);
}

#[tokio::test]
async fn whoever_comes_back_has_a_token_and_a_session_that_ends_with_it() {
    let login = Login::new().await;
    let begun = login.begin().await;
    let before = login.site.bed.store.state().applied_index();
    let response = login.come_back(&begun, &json!({"groups": ["hpc"]})).await;
    assert_eq!(status(&response), "200", "{}", html(&response));
    let token = access_token(&html(&response));
    let checked = login.site.bed.checks.checked(&token).unwrap().unwrap();
    assert_eq!(checked.principal.name, "user/ada");
    let state = login.site.bed.store.state();
    assert_eq!(state.applied_index(), before + 1, "one entry, after the login");
    let session = state.auth.session(&checked.principal.session_id).unwrap();
    assert_eq!(
        (session.groups.clone(), session.provider.as_str()),
        (vec!["hpc".to_owned()], "idp")
    );
    assert!(header(&response, "http-header-set-cookie").contains("Max-Age=0"));
}

/// The member that takes the callback knows nothing of the one that began.
#[tokio::test]
async fn another_member_may_take_the_callback() {
    let login = Login::new().await;
    let begun = login.begin().await;
    login
        .site
        .idp
        .will_say(&login.site.claims(&json!({"nonce": begun.nonce})));
    let other = Logins::new(login.site.bed.checks.clone(), login.site.oidc.clone());
    let response = LoginService::new(other)
        .callback(Request::new(back(&begun)))
        .await
        .unwrap();
    assert_eq!(status(&response), "200", "{}", html(&response));
    assert!(
        login
            .site
            .idp
            .last_form()
            .contains("redirect_uri=https%3A%2F%2Fm1%3A8443%2Foidc%2Fcallback")
    );
}

/// A login that somebody else has begun would make a browser act for somebody else.
#[tokio::test]
async fn a_callback_without_the_browsers_own_login_is_refused() {
    let login = Login::new().await;
    let (begun, other) = (login.begin().await, login.begin().await);
    let wrong = [
        CallbackRequest {
            cookie: String::new(),
            ..back(&begun)
        },
        CallbackRequest {
            cookie: other.cookie,
            ..back(&begun)
        },
        CallbackRequest {
            state: String::new(),
            ..back(&begun)
        },
        CallbackRequest {
            state: "x".into(),
            ..back(&begun)
        },
        CallbackRequest {
            state: format!("{}A", begun.state),
            ..back(&begun)
        },
        CallbackRequest {
            code: String::new(),
            ..back(&begun)
        },
    ];
    for request in wrong {
        let response = login.returned(request).await;
        assert_eq!(status(&response), "403");
        assert!(!html(&response).contains("c0d3"));
    }
    assert_eq!(
        login.site.idp.last_form(),
        "",
        "no code was shown to the provider"
    );
    login.site.pass_ms(super::ticket::LOGIN_MS);
    let late = login.come_back(&begun, &json!({})).await;
    assert!(html(&late).contains("10 minutes"), "{}", html(&late));
}

/// RFC 9207: the answer of another provider.
#[tokio::test]
async fn another_issuers_answer_is_refused() {
    let login = Login::new().await;
    for iss in ["https://evil.example.org", ""] {
        let begun = login.begin().await;
        let response = login
            .returned(CallbackRequest {
                iss: iss.into(),
                ..back(&begun)
            })
            .await;
        assert_eq!(status(&response), "403");
        assert!(html(&response).contains("another issuer"), "{}", html(&response));
    }
    assert_eq!(login.site.idp.last_form(), "");
}

#[tokio::test]
async fn what_the_provider_says_is_shown_and_does_not_run() {
    let login = Login::new().await;
    let begun = login.begin().await;
    let response = login
        .returned(CallbackRequest {
            error: "access_denied".into(),
            error_description: "<script>x</script>".into(),
            ..back(&begun)
        })
        .await;
    assert_eq!(status(&response), "403");
    let html = html(&response);
    assert!(
        html.contains("access_denied") && !html.contains("<script"),
        "{html}"
    );
}

/// Whose answer it is nobody could say: a provider that is in league with somebody would get the other one's codes.
#[tokio::test]
async fn of_several_providers_each_says_whose_its_answers_are() {
    let login = Login::new().await;
    login.site.idp.promises_iss(false);
    let begun = login.begin().await;
    let other = OidcProvider {
        name: "other".into(),
        issuer: "https://other.example.org".into(),
        ..provider()
    };
    login.site.put(other).await;
    let without = CallbackRequest {
        iss: String::new(),
        ..back(&begun)
    };
    let refused = login.returned(without).await;
    assert!(html(&refused).contains("another issuer"), "{}", html(&refused));
    let asked = LoginRequest {
        provider: "idp".into(),
        host: HOST.into(),
        ..LoginRequest::default()
    };
    let response = login.service.login(Request::new(asked)).await.unwrap();
    assert_eq!(status(&response), "400", "{}", html(&response));
    assert!(html(&response).contains("RFC 9207"), "{}", html(&response));
}

/// Whoever has a cookie and a state of his own makes up codes, and the provider would be asked about each.
#[tokio::test]
async fn a_network_that_makes_up_codes_is_not_passed_on() {
    let login = Login::new().await;
    let begun = login.begin().await;
    login.site.idp.will_refuse();
    for _ in 0..super::callback::FAILED_A_MINUTE_MAX {
        assert_eq!(status(&login.returned(back(&begun)).await), "403");
    }
    let asked = login.site.idp.asked().len();
    let refused = login.returned(back(&begun)).await;
    assert_eq!(status(&refused), "503", "{}", html(&refused));
    assert_eq!(login.site.idp.asked().len(), asked, "the provider is left alone");
    let peer = Some("10.0.0.1:1".parse().unwrap());
    let other = login.logins.returned(peer, back(&begun)).await;
    assert!(matches!(other, Err(Error::Unauthenticated { .. })), "others are");
}

/// A provider that is gone gives nobody tokens, whoever has said yes before.
#[tokio::test]
async fn a_yes_ends_with_its_provider() {
    let login = Login::new().await;
    let device = login.begin_device("");
    let begun = begun(&login.approve(&device.user_code, "https://m1:8443").await, "303");
    assert_eq!(status(&login.come_back(&begun, &json!({})).await), "200");
    let without = OidcProvider {
        logins: false,
        ..provider()
    };
    login.site.put(without).await;
    assert_eq!(login.poll(&device.device_code).await.err(), Some("invalid_grant"));
}

/// What waits in the state is bounded for each, so that nobody fills it.
#[tokio::test]
async fn a_person_says_yes_to_five_devices_at_once() {
    let login = Login::new().await;
    for expected in ["200", "200", "200", "200", "200", "403"] {
        let device = login.begin_device("");
        let begun = begun(&login.approve(&device.user_code, "https://m1:8443").await, "303");
        let response = login.come_back(&begun, &json!({})).await;
        assert_eq!(status(&response), expected, "{}", html(&response));
    }
}

/// The member that is asked for the tokens knows nothing of the one that the device began at.
#[tokio::test]
async fn another_member_may_be_polled() {
    let login = Login::new().await;
    let device = login.begin_device("");
    let begun = begun(&login.approve(&device.user_code, "https://m1:8443").await, "303");
    login.come_back(&begun, &json!({})).await;
    let other = Logins::new(login.site.bed.checks.clone(), login.site.oidc.clone());
    let asked = TokenRequest {
        device_code: device.device_code.clone(),
        ..TokenRequest::default()
    };
    assert!(poll(&other, &asked).await.is_ok());
}

/// The ID token of another login of the same person.
#[tokio::test]
async fn an_id_token_of_another_login_is_refused() {
    let login = Login::new().await;
    let (begun, other) = (login.begin().await, login.begin().await);
    let response = login.come_back(&begun, &json!({"nonce": other.nonce})).await;
    assert!(html(&response).contains("nonce"), "{}", html(&response));
}

#[tokio::test]
async fn a_code_that_was_used_is_used() {
    let login = Login::new().await;
    let begun = login.begin().await;
    login.come_back(&begun, &json!({})).await;
    login.site.idp.will_refuse();
    let again = login.returned(back(&begun)).await;
    assert_eq!(status(&again), "403");
    assert!(html(&again).contains("used before"), "{}", html(&again));
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_afterwards() {
    let login = Login::new().await;
    for wrong in ["//evil", "/\\evil", "https://evil"] {
        assert_eq!(status(&login.ask(wrong).await), "400", "{wrong}");
    }
    let begun = begun(&login.ask("/ui").await, "302");
    let response = login.come_back(&begun, &json!({})).await;
    assert!(
        html(&response).contains("<a href=\"/ui\">"),
        "{}",
        html(&response)
    );
}

#[tokio::test]
async fn without_a_provider_it_is_said_how_to_have_one() {
    let login = Login::without_provider().await;
    let response = login.ask("").await;
    assert_eq!(status(&response), "400");
    assert!(
        html(&response).contains("chamois oidc put"),
        "{}",
        html(&response)
    );
    let asked = BeginDeviceRequest {
        client_id: "cli".into(),
        host: HOST.into(),
        ..BeginDeviceRequest::default()
    };
    assert!(login.logins.begin_device(None, &asked).is_err());
}

#[tokio::test]
async fn a_provider_that_is_down_lets_nobody_in_and_says_when_to_come_again() {
    let login = Login::new().await;
    login.site.idp.is_down(true);
    let response = login.ask("").await;
    assert_eq!(status(&response), "503");
    assert_eq!(header(&response, "http-header-retry-after"), "5");
}

#[tokio::test]
async fn a_device_has_its_tokens_when_somebody_said_yes() {
    let login = Login::new().await;
    let device = login.begin_device("smd.read");
    assert_eq!(device.verification_uri, "https://m1:8443/device");
    assert_eq!(
        login.poll(&device.device_code).await.err(),
        Some("authorization_pending")
    );
    let before = login.site.bed.store.state().applied_index();
    let begun = begun(&login.approve(&device.user_code, "https://m1:8443").await, "303");
    assert_eq!(
        login.site.bed.store.state().applied_index(),
        before,
        "nothing is written before a login"
    );
    let response = login.come_back(&begun, &json!({"groups": ["hpc"]})).await;
    assert!(html(&response).contains("user/ada"), "{}", html(&response));
    login.site.pass_ms(super::device::POLL_PAUSE_MS);
    let answer = login
        .poll(&device.device_code)
        .await
        .unwrap_or_else(|code| panic!("{code}"));
    assert_eq!(answer.scope.as_deref(), Some("smd.read"));
    assert!(answer.refresh_token.unwrap().starts_with("chr_"));
    let checked = login
        .site
        .bed
        .checks
        .checked(&answer.access_token)
        .unwrap()
        .unwrap();
    assert_eq!(checked.principal.name, "user/ada");
    login.site.pass_ms(super::device::POLL_PAUSE_MS);
    assert_eq!(
        login.poll(&device.device_code).await.err(),
        Some("invalid_grant"),
        "once"
    );
}

#[tokio::test]
async fn a_code_that_was_approved_is_not_approved_again() {
    let login = Login::new().await;
    let device = login.begin_device("");
    for (expected, text) in [("200", "logged in as"), ("403", "approved already")] {
        let begun = begun(&login.approve(&device.user_code, "https://m1:8443").await, "303");
        let response = login.come_back(&begun, &json!({})).await;
        assert_eq!(status(&response), expected);
        assert!(html(&response).contains(text), "{}", html(&response));
    }
}

#[tokio::test]
async fn polls_that_come_too_fast_or_too_late_are_told() {
    let login = Login::new().await;
    let (device, other) = (login.begin_device(""), login.begin_device(""));
    assert_ne!(device.user_code, other.user_code);
    assert_eq!(
        login.poll(&device.device_code).await.err(),
        Some("authorization_pending")
    );
    assert_eq!(login.poll(&device.device_code).await.err(), Some("slow_down"));
    assert_eq!(
        login.poll(&other.device_code).await.err(),
        Some("authorization_pending"),
        "each by itself"
    );
    for unknown in ["", "x", &device.user_code] {
        assert_eq!(login.poll(unknown).await.err(), Some("invalid_grant"));
    }
    login.site.pass_ms(super::ticket::LOGIN_MS);
    assert_eq!(login.poll(&device.device_code).await.err(), Some("expired_token"));
}

/// Another site's form, sent by whoever visits it, would say yes to that site's device.
#[tokio::test]
async fn another_site_says_yes_to_nothing() {
    let login = Login::new().await;
    let device = login.begin_device("");
    for origin in ["", "null", "https://evil"] {
        let response = login.approve(&device.user_code, origin).await;
        assert_eq!(status(&response), "403", "{origin}");
    }
    assert_eq!(
        status(&login.approve("not a code", "https://m1:8443").await),
        "400"
    );
}

#[tokio::test]
async fn an_address_begins_twenty_logins_a_minute() {
    let login = Login::new().await;
    for _ in 0..super::device::BEGINS_A_MINUTE_MAX {
        login.begin_device("");
    }
    let asked = BeginDeviceRequest {
        client_id: "cli".into(),
        host: HOST.into(),
        ..BeginDeviceRequest::default()
    };
    assert_eq!(
        login
            .logins
            .begin_device(None, &asked)
            .err()
            .map(|error| error.code()),
        Some("slow_down")
    );
    let other = Some("10.0.0.1:1".parse().unwrap());
    assert!(login.logins.begin_device(other, &asked).is_ok());
}

#[tokio::test]
async fn a_device_asks_for_what_there_is() {
    let login = Login::new().await;
    let asked = |client_id: &str, scope: &str, host: &str| BeginDeviceRequest {
        client_id: client_id.into(),
        scope: scope.into(),
        host: host.into(),
    };
    for (wrong, code) in [
        (asked("", "", HOST), "invalid_request"),
        (asked("a b", "", HOST), "invalid_request"),
        (asked("cli", "", "a/b"), "invalid_request"),
        (asked("cli", "admin", HOST), "invalid_scope"),
    ] {
        let error = login.logins.begin_device(None, &wrong).err().unwrap();
        assert_eq!(error.code(), code, "{wrong:?}");
    }
}

#[tokio::test]
async fn the_form_shows_the_code_that_the_device_shows() {
    let login = Login::new().await;
    let device = login.begin_device("");
    let asked = GetDevicePageRequest {
        user_code: device.user_code.clone(),
    };
    let page = html(&login.service.get_device_page(Request::new(asked)).await.unwrap());
    assert!(page.contains(&device.user_code), "{page}");
}
