//! How BMCs are logged in to: users here, passwords sealed, new ones never lost.

use model::Rejection;
use proto::cluster::v1::SealedSecret;
use proto::discovery::v1::BmcCredential;
use proto::discovery::v1::discovery_command::{
    DeleteCredential, KeepNextPassword, PutCredential, PutNextPassword,
};
use proto::smd::v1::smd_command::{DeleteRedfishEndpoints, PatchRedfishEndpoint};
use state::discovery::{credential_secret, next_password_name};

use crate::auth_support::sealed;
use crate::bmcs;
use crate::discoveries::blade;
use crate::firmware;
use crate::redfish_endpoints::{post, stored};
use crate::support::Log;

const BMC: &str = "x0c0s0b0";
const SCOPE: &str = "bmc:x0c0s0b0";

pub fn put(scope: &str, user: &str) -> PutCredential {
    PutCredential {
        credential: Some(BmcCredential {
            scope: scope.into(),
            user: user.into(),
            meta: None,
        }),
        password: Some(sealed(&credential_secret(scope))),
    }
}

pub fn delete(scope: &str) -> DeleteCredential {
    DeleteCredential { scope: scope.into() }
}

pub fn put_next(bmc: &str) -> PutNextPassword {
    PutNextPassword {
        xname: bmc.into(),
        password: Some(sealed(&format!("bmc-next/{bmc}"))),
    }
}

/// With another ciphertext than [`put`].
pub fn keep(bmc: &str) -> KeepNextPassword {
    let password = SealedSecret {
        ciphertext: vec![9; 64],
        ..sealed(&format!("bmc/{bmc}"))
    };
    KeepNextPassword {
        xname: bmc.into(),
        kept: true,
        user: "root".into(),
        password: Some(password),
    }
}

pub fn forget(bmc: &str) -> KeepNextPassword {
    KeepNextPassword {
        xname: bmc.into(),
        ..KeepNextPassword::default()
    }
}

fn has(log: &Log, secret: &str) -> bool {
    log.state.cluster.secret(secret).is_some()
}

fn user(log: &Log, scope: &str) -> Option<String> {
    let credential = log.state.discovery.credential(scope);
    credential.map(|credential| credential.user.clone())
}

#[test]
fn a_password_is_kept_under_the_name_of_its_scope() {
    for (scope, secret) in [
        ("default", "bmc-credential/default"),
        ("group:compute", "bmc-credential/group:compute"),
        ("address:10.1.0.7", "bmc-credential/address:10.1.0.7"),
        (SCOPE, "bmc/x0c0s0b0"),
    ] {
        let mut log = Log::latest();
        assert_eq!(credential_secret(scope), secret);
        assert_eq!(log.ok(put(scope, "root")).created, [scope]);
        assert!(has(&log, secret));
        let expected = BmcCredential {
            scope: scope.into(),
            user: "root".into(),
            meta: log.created(),
        };
        let stored = log.state.discovery.credential(scope).unwrap();
        assert_eq!(stored.as_ref(), &expected);
        assert_eq!(log.ok(put(scope, "admin")).updated, [scope]);
        assert_eq!(log.ok(delete(scope)).deleted, [scope]);
        assert!(!has(&log, secret));
        assert!(matches!(log.refused(delete(scope)), Rejection::NotFound { .. }));
    }
    assert_eq!(next_password_name(&BMC.parse().unwrap()), "bmc-next/x0c0s0b0");
}

#[test]
fn a_credential_without_its_own_password_is_refused() {
    let mut log = Log::latest();
    let without = |scope: &str| PutCredential {
        password: None,
        ..put(scope, "root")
    };
    assert_eq!(log.invalid(without("default")).0, "password");
    let other = PutCredential {
        password: Some(sealed("bmc-credential/group:a")),
        ..put("default", "root")
    };
    assert_eq!(log.invalid(other).0, "password");
    assert_eq!(log.invalid(put("default", "")).0, "user");
    assert_eq!(log.invalid(put("nowhere", "root")).0, "scope");
    assert_eq!(log.invalid(PutCredential::default()).0, "credential");
    log.ok(put("default", "root"));
    assert_eq!(
        log.ok(without("default")).updated,
        ["default"],
        "the password stays"
    );
}

/// SMD has both, too, and whoever changes one place means the other.
#[test]
fn a_bmc_and_its_redfish_endpoint_have_one_user() {
    let mut log = Log::latest();
    log.ok(post(vec![blade(0)]));
    log.ok(put(SCOPE, "admin"));
    assert_eq!(stored(&log, BMC).user, "admin");
    log.ok(PatchRedfishEndpoint {
        id: BMC.into(),
        user: Some("ops".into()),
        ..PatchRedfishEndpoint::default()
    });
    assert_eq!(user(&log, SCOPE).as_deref(), Some("ops"));
    log.ok(put("default", "other"));
    assert_eq!(stored(&log, BMC).user, "ops");
}

#[test]
fn what_a_deleted_endpoint_was_known_by_goes_with_it() {
    let mut log = Log::latest();
    log.ok(post(vec![blade(0), blade(1)]));
    for slot in 0..2 {
        let bmc = format!("x0c0s{slot}b0");
        log.ok(put(&format!("bmc:{bmc}"), "root"));
        log.ok(firmware::put(vec![firmware::inventory(&bmc)]));
        log.ok(bmcs::put(vec![bmcs::seen(
            &format!("10.1.0.{slot}:443"),
            "ab",
            &bmc,
        )]));
    }
    log.ok(put("default", "root"));
    log.ok(DeleteRedfishEndpoints {
        ids: vec![BMC.into()],
        ..DeleteRedfishEndpoints::default()
    });
    assert!(!has(&log, "bmc/x0c0s0b0") && has(&log, "bmc/x0c0s1b0"));
    let scopes: Vec<&str> = log
        .state
        .discovery
        .credentials()
        .map(|credential| credential.scope.as_str())
        .collect();
    assert_eq!(scopes, ["bmc:x0c0s1b0", "default"]);
    let firmwares: Vec<&str> = log
        .state
        .discovery
        .firmwares()
        .map(|firmware| firmware.id.as_str())
        .collect();
    assert_eq!(firmwares, ["x0c0s1b0"]);
    assert_eq!(
        log.state.discovery.bmcs().count(),
        2,
        "what was found was found, whatever SMD has of it"
    );
}

#[test]
fn the_next_password_becomes_the_password_or_goes() {
    let mut log = Log::latest();
    log.ok(put(SCOPE, "admin"));
    assert_eq!(log.ok(put_next(BMC)).created, [BMC]);
    assert_eq!(log.ok(keep(BMC)).updated, [BMC]);
    assert!(!has(&log, "bmc-next/x0c0s0b0"));
    let password = log.state.cluster.secret("bmc/x0c0s0b0").unwrap();
    assert_eq!(password.ciphertext, [9; 64]);
    assert_eq!(user(&log, SCOPE).as_deref(), Some("root"));
    log.ok(put_next(BMC));
    log.ok(forget(BMC));
    assert!(!has(&log, "bmc-next/x0c0s0b0"));
    assert_eq!(log.state.cluster.secret("bmc/x0c0s0b0"), Some(password));
    for over in [keep(BMC), forget(BMC)] {
        assert!(matches!(log.refused(over), Rejection::NotFound { .. }));
    }
}

/// The BMC may have taken it: whoever put another one over it would lock everybody out.
#[test]
fn a_next_password_is_never_replaced() {
    let mut log = Log::latest();
    log.ok(put_next(BMC));
    let again = log.refused(put_next(BMC));
    assert!(matches!(&again, Rejection::Conflict { .. }), "{again}");
    let unsealed = PutNextPassword {
        password: None,
        ..put_next("x0c0s1b0")
    };
    assert_eq!(log.invalid(unsealed).0, "password");
    let other = PutNextPassword {
        password: Some(sealed("bmc/x0c0s1b0")),
        ..put_next("x0c0s1b0")
    };
    assert_eq!(log.invalid(other).0, "password");
    assert_eq!(log.invalid(put_next("x0c0s1b0n0")).0, "xname");
}

#[test]
fn what_is_kept_is_checked_before_anything_goes() {
    let mut log = Log::latest();
    log.ok(put_next(BMC));
    let nobody = KeepNextPassword {
        user: String::new(),
        ..keep(BMC)
    };
    assert_eq!(log.invalid(nobody).0, "user");
    let nothing = KeepNextPassword {
        password: None,
        ..keep(BMC)
    };
    assert_eq!(log.invalid(nothing).0, "password");
    let still_next = KeepNextPassword {
        password: Some(sealed("bmc-next/x0c0s0b0")),
        ..keep(BMC)
    };
    assert_eq!(log.invalid(still_next).0, "password");
    assert!(has(&log, "bmc-next/x0c0s0b0") && !has(&log, "bmc/x0c0s0b0"));
}
