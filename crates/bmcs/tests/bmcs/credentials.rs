//! Passwords of BMCs: sealed, shown to nobody, and the nearest one is used.

use bmcs::BmcCredentialService;
use proto::discovery::v1::bmc_credential_service_server::BmcCredentialService as _;
use proto::discovery::v1::{DeleteBmcCredentialRequest, ListBmcCredentialsRequest, PutBmcCredentialRequest};
use proto::smd::v1::smd_command::{Change, CreateGroup};
use proto::smd::v1::{Group, GroupMembers, SmdCommand};
use redfish::Login;
use tonic::Code;

use crate::common::{Site, USER, admin, crawled};

/// What is looked for.
const CANARY: &str = "c4n4ry-in-a-BMC";

fn has_canary(bytes: &[u8]) -> bool {
    bytes
        .windows(CANARY.len())
        .any(|window| window == CANARY.as_bytes())
}

#[tokio::test]
async fn a_password_is_found_nowhere_and_opens_with_the_key() {
    let site = Site::new();
    let service = BmcCredentialService::new(site.bmcs.clone());
    let put = PutBmcCredentialRequest {
        scope: "default".to_owned(),
        user: USER.to_owned(),
        password: CANARY.to_owned(),
    };
    let answer = service.put_bmc_credential(admin(put)).await.unwrap();
    let mut seen = format!("{answer:?}").into_bytes();
    let list = service
        .list_bmc_credentials(admin(ListBmcCredentialsRequest {}))
        .await
        .unwrap();
    seen.extend(format!("{list:?} {:?}", site.bmcs).into_bytes());
    seen.extend(
        site.store
            .state()
            .rows()
            .flat_map(|row| format!("{row:?}").into_bytes()),
    );
    assert!(!has_canary(&seen));
    assert_eq!(list.into_inner().credentials[0].user, USER);
    assert_eq!(site.password("bmc-credential/default").as_deref(), Some(CANARY));
}

#[tokio::test]
async fn no_password_and_no_scope_are_refused() {
    let site = Site::new();
    let service = BmcCredentialService::new(site.bmcs.clone());
    for (scope, password, field) in [("default", "", "password: "), ("everybody", "x", "scope: ")] {
        let put = PutBmcCredentialRequest {
            scope: scope.to_owned(),
            user: USER.to_owned(),
            password: password.to_owned(),
        };
        let refused = service.put_bmc_credential(admin(put)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{}", refused.message());
    }
}

fn login(site: &Site, address: &str) -> Option<Login> {
    let (bmc, address) = ("x1000c0s0b0".parse().unwrap(), address.parse().unwrap());
    site.bmcs.login_for(&bmc, &address).unwrap()
}

fn password(site: &Site, address: &str) -> String {
    login(site, address).unwrap().password.expose().to_owned()
}

async fn group(site: &Site, label: &str, member: &str) {
    let group = Group {
        label: label.to_owned(),
        members: Some(GroupMembers {
            ids: vec![member.to_owned()],
        }),
        ..Group::default()
    };
    let change = Some(Change::CreateGroup(CreateGroup { group: Some(group) }));
    let command = proto::raft::v1::entry::Command::Smd(SmdCommand { change });
    site.store.propose("user/admin", command, None).await.unwrap();
}

/// From the farthest to the nearest: each new one is preferred.
#[tokio::test]
async fn the_nearest_credential_is_the_one_that_is_used() {
    let (site, bmc, _working) = crawled().await;
    let address = bmc.address();
    assert_eq!(password(&site, &address), "first-password");
    site.credential("group:racks", "of the group").await;
    group(&site, "racks", "x1000c0s0b0n0").await;
    assert_eq!(password(&site, &address), "of the group");
    site.credential("address:127.0.0.1", "of the address").await;
    assert_eq!(password(&site, &address), "of the address");
    site.credential("bmc:x1000c0s0b0", "of the BMC").await;
    assert_eq!(password(&site, &address), "of the BMC");
    assert_eq!(site.password("bmc/x1000c0s0b0").as_deref(), Some("of the BMC"));
    let service = BmcCredentialService::new(site.bmcs.clone());
    let delete = DeleteBmcCredentialRequest {
        scope: "bmc:x1000c0s0b0".to_owned(),
    };
    service.delete_bmc_credential(admin(delete)).await.unwrap();
    assert_eq!(password(&site, &address), "of the address");
}

#[tokio::test]
async fn without_any_there_is_no_login() {
    assert!(login(&Site::new(), "10.1.0.7").is_none());
}
