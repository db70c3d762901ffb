use std::sync::Mutex;

use auth::pki::{CertificateAuthority, new_member_key};
use rpc::Principal;

use super::*;
use crate::token_testing::{FakeAuthority, request_of, rights, token_of, user};

/// A cluster with a CA that signs.
async fn service(authority: FakeAuthority) -> CertificateService {
    rpc::tls::install_crypto_provider();
    let (store, sealer) = (Store::in_memory(), Sealer::generate().unwrap());
    let first = CertificateAuthority::generate("demo", std::time::SystemTime::now()).unwrap();
    let stop = async {
        while store.state().auth.authorities().next().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (of_task, ca_pem) = (store.clone(), first.certificate_pem().to_owned());
    crate::authorities::look_after_authorities(of_task, sealer.clone(), ca_pem, stop).await;
    let log = CertificateLog::new(|_, _| {});
    let service = CertificateService::new(store, sealer, rights(authority), log);
    let made = service
        .add(request_of(&user("root"), AddAuthorityRequest::default()))
        .await
        .unwrap();
    let activate = ActivateAuthorityRequest {
        id: made.id,
        urgent: true,
    };
    let active = service
        .activate(request_of(&user("root"), activate))
        .await
        .unwrap();
    assert!(active.signs);
    service
}

fn asked(principal: &str, names: &[&str]) -> IssueCertificateRequest {
    IssueCertificateRequest {
        principal: principal.into(),
        public_key: new_member_key().unwrap().1,
        valid_for_s: 600,
        names: names.iter().map(ToString::to_string).collect(),
    }
}

/// Whoever may do everything.
fn everything() -> FakeAuthority {
    let rules = rpc::Rules::from_descriptor(proto::DESCRIPTOR).unwrap();
    FakeAuthority::everything(&rules.permissions().collect::<Vec<_>>())
}

/// A service by its certificate, which is good for these hosts.
fn by_certificate(name: &str, hosts: &[&str]) -> Identity {
    Identity::Known(Arc::new(Principal {
        name: name.to_owned(),
        certificate_sha256: vec![7; 32],
        host_names: hosts.iter().map(ToString::to_string).collect(),
        ..Principal::default()
    }))
}

#[tokio::test]
async fn everybody_renews_his_own_and_an_administrator_makes_others() {
    let plain = service(FakeAuthority::nobody()).await;
    let ada = user("ada");
    assert_eq!(plain.admit(&ada, &asked("", &[])).unwrap(), "user/ada");
    assert_eq!(plain.admit(&ada, &asked("user/ada", &[])).unwrap(), "user/ada");
    let denied = plain.admit(&ada, &asked("user/bob", &[])).unwrap_err();
    assert_eq!(
        denied.to_string(),
        "auth.admin is needed for what this request names"
    );
    let admin = service(everything()).await;
    assert!(
        admin
            .admit(&ada, &asked("service/cron", &["cron.example"]))
            .is_ok()
    );
    let part = service(FakeAuthority::part(&["auth.admin"])).await;
    assert!(part.admit(&ada, &asked("service/cron", &[])).is_err());
}

/// Whoever could choose a name could answer in place of another one.
#[tokio::test]
async fn a_service_keeps_its_hosts_and_gets_no_others() {
    let plain = service(FakeAuthority::nobody()).await;
    let web = by_certificate("service/web", &["web.example", "10.0.0.9"]);
    for (hosts, expected) in [
        (&[][..], true),
        (&["web.example"], true),
        (&["10.0.0.9", "web.example"], true),
        (&["api.example"], false),
        (&["web.example", "api.example"], false),
    ] {
        let admitted = plain.admit(&web, &asked("", hosts)).is_ok();
        assert_eq!(admitted, expected, "{hosts:?}");
    }
}

/// Ten minutes, or what a provider gives to anybody, must not become a day that renews itself: neither a token without limits nor one
/// that was given for a certificate is one.
#[tokio::test]
async fn a_token_gets_no_certificate_of_its_own() {
    let plain = service(FakeAuthority::nobody()).await;
    let for_a_certificate = Identity::Known(Arc::new(Principal {
        certificate_sha256: vec![7; 32],
        ..known(&token_of("user/ada", None)).unwrap().clone()
    }));
    for token in [token_of("user/ada", None), for_a_certificate] {
        for principal in ["", "user/ada", "service/cron"] {
            let refused = plain.admit(&token, &asked(principal, &[])).unwrap_err();
            assert!(
                matches!(refused, Error::Denied { .. }),
                "{principal}: {refused:?}"
            );
        }
    }
}

/// Whoever looks after tokens is not for that reason whoever he likes.
#[tokio::test]
async fn a_certificate_of_others_needs_all_that_it_may_give() {
    let of_auth = service(FakeAuthority::everything(&[
        "auth.admin",
        "auth.read",
        "auth.write",
    ]))
    .await;
    let refused = of_auth.admit(&user("ada"), &asked("user/root", &[])).unwrap_err();
    assert!(matches!(refused, Error::Denied { .. }), "{refused:?}");
    assert!(of_auth.admit(&user("ada"), &asked("", &[])).is_ok());
}

/// Whoever was given somebody's name is found again: by whom, which, and for whom.
#[tokio::test]
async fn what_is_signed_for_others_is_written_down() {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let written = Arc::clone(&lines);
    let log = CertificateLog::new(move |by, what| written.lock().unwrap().push(format!("{by}: {what}")));
    let admin = CertificateService {
        log,
        ..service(everything()).await
    };
    admin.log_signed(&user("ada"), "d1ge57", "service/cron");
    assert_eq!(
        *lines.lock().unwrap(),
        ["user/ada: certificate d1ge57 for service/cron"]
    );
    let web = by_certificate("service/web", &["web.example"]);
    for (caller, principal, hosts, is_renewal) in [
        (&web, "service/web", &["web.example"][..], true),
        (&web, "service/web", &["api.example"], false),
        (&web, "service/cron", &[], false),
        (&token_of("service/web", None), "service/web", &[], false),
    ] {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        assert_eq!(
            is_own(caller, principal) && renews(caller, &hosts),
            is_renewal,
            "{principal} {hosts:?}"
        );
    }
}

/// A login that was ended while the request waited gives nothing.
#[tokio::test]
async fn what_has_ended_gets_no_certificate() {
    let admin = service(everything()).await;
    let ended = Identity::Known(Arc::new(Principal {
        session_id: "0123456789abcdef".to_owned(),
        ..known(&token_of("user/ada", None)).unwrap().clone()
    }));
    let refused = admin.admit(&ended, &asked("", &[])).unwrap_err();
    assert!(matches!(refused, Error::Unauthenticated { .. }), "{refused:?}");
}

/// A token that leaks must not become a day of everything.
#[tokio::test]
async fn a_token_for_less_gets_no_certificate() {
    let admin = service(everything()).await;
    let narrow = token_of("user/ada", Some(&["smd.read", "auth.admin"]));
    for principal in ["", "user/ada", "service/cron"] {
        let refused = admin.admit(&narrow, &asked(principal, &[])).unwrap_err();
        assert!(
            matches!(refused, Error::Denied { .. }),
            "{principal}: {refused:?}"
        );
    }
    assert!(admin.admit(&token_of("user/ada", None), &asked("", &[])).is_ok());
}

#[tokio::test]
async fn the_cluster_s_own_key_is_nobody_and_names_whom_it_makes_one_for() {
    let plain = service(FakeAuthority::nobody()).await;
    let offline = Identity::Token {
        subject: "admin".into(),
    };
    let refused = plain.admit(&offline, &asked("", &[])).unwrap_err();
    assert!(refused.to_string().starts_with("principal: "), "{refused}");
    assert!(plain.admit(&offline, &asked("service/cron", &[])).is_ok());
}

#[test]
fn only_what_certificates_can_name_is_a_principal() {
    for (principal, uri) in [
        ("user/ada", "spiffe://demo/user/ada"),
        ("service/coresmd", "spiffe://demo/svc/coresmd"),
        ("node/x0c0s0b0n0", "spiffe://demo/node/x0c0s0b0n0"),
    ] {
        assert_eq!(name_of("demo", principal).unwrap().to_string(), uri);
    }
    for wrong in [
        "member/1",
        "token/admin",
        "group/hpc",
        "svc/x",
        "user/",
        "user/A b",
        "user/../member/1",
        "service/a/b",
        "node/x00c0s0b0n0",
        "ada",
    ] {
        let refused = name_of("demo", wrong).unwrap_err().to_string();
        assert!(refused.starts_with("principal: "), "{wrong}: {refused}");
    }
}

#[test]
fn hosts_of_members_are_members_and_others_must_be_hosts() {
    let members = ["10.97.1.1".to_owned(), "admin1.example".to_owned()];
    let check = |host: &str| check_hosts(&[host.to_owned()], &members);
    for accepted in ["web.example", "10.0.0.9", "fd00::9"] {
        check(accepted).unwrap();
    }
    for refused in ["10.97.1.1", "Admin1.Example", "a b", "", "*.example", "a/b"] {
        assert!(check(refused).is_err(), "{refused}");
    }
    let many = vec!["a.example".to_owned(); HOSTS_MAX + 1];
    assert!(check_hosts(&many, &[]).is_err());
}

#[test]
fn validity_is_a_day_at_most() {
    assert_eq!(valid_for(0).unwrap(), LEAF_VALID_FOR_MAX);
    assert_eq!(valid_for(300).unwrap(), Duration::from_secs(300));
    for wrong in [1, 299, 86_401, u32::MAX] {
        let refused = valid_for(wrong).unwrap_err().to_string();
        assert!(refused.contains("86400"), "{refused}");
    }
}

#[tokio::test]
async fn cas_are_listed_without_their_keys_and_removed_but_for_the_one_that_signs() {
    let admin = service(FakeAuthority::nobody()).await;
    let listed = || {
        let state = admin.store.state();
        let all: Vec<AuthorityInfo> = state
            .auth
            .authorities()
            .map(|authority| info(authority))
            .collect();
        all
    };
    assert_eq!(listed().len(), 2);
    let remove = async |id: String| {
        let request = request_of(&user("root"), RemoveAuthorityRequest { id });
        admin.remove(request).await
    };
    for authority in listed() {
        let removed = remove(authority.id).await;
        assert_eq!(removed.is_err(), authority.signs, "{removed:?}");
    }
    assert_eq!(listed().len(), 1);
}
