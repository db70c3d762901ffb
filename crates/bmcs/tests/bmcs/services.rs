//! BMCs, rules and firmware as people see and change them.

use bmcs::{BmcService, FirmwareInventoryService, XnameRuleService};
use proto::discovery::v1::bmc_service_server::BmcService as _;
use proto::discovery::v1::discovery_command::{Change, PutBmcs};
use proto::discovery::v1::firmware_inventory_service_server::FirmwareInventoryService as _;
use proto::discovery::v1::xname_rule_service_server::XnameRuleService as _;
use proto::discovery::v1::{
    AssignXnameRequest, Bmc, DeleteBmcRequest, DeleteXnameRuleRequest, DiscoveryCommand, ExplicitXname,
    GetBmcRequest, GetFirmwareRequest, ListBmcsRequest, ListFirmwareRequest, ListXnameRulesRequest,
    PutXnameRuleRequest, TrustKeyRequest, XnameRule, xname_rule,
};
use proto::raft::v1::entry::Command;
use raft::Store;
use tonic::Code;

use crate::common::{OTHER_UUID, Site, UUID, admin, crawled};

async fn with_bmcs(count: u8) -> (Store, BmcService) {
    let store = Store::in_memory();
    let bmcs = (1..=count).map(|host| Bmc {
        address: format!("10.1.0.{host}:443"),
        service: "redfish".to_owned(),
        key_sha256: format!("{host:064x}"),
        ..Bmc::default()
    });
    let change = Some(Change::PutBmcs(PutBmcs { bmcs: bmcs.collect() }));
    let command = Command::Discovery(DiscoveryCommand { change });
    store.propose("cluster/discovery", command, None).await.unwrap();
    let service = BmcService::new(store.clone());
    (store, service)
}

#[tokio::test]
async fn bmcs_are_listed_page_by_page_and_filtered() {
    let (_, service) = with_bmcs(5).await;
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListBmcsRequest {
            page_size: 2,
            page_token,
            ..ListBmcsRequest::default()
        };
        let listed = service.list_bmcs(admin(request)).await.unwrap().into_inner();
        seen.extend(listed.bmcs.into_iter().map(|bmc| bmc.address));
        page_token = listed.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(
        seen,
        (1..=5)
            .map(|host| format!("10.1.0.{host}:443"))
            .collect::<Vec<_>>()
    );
    let assign = |xname: &str| AssignXnameRequest {
        address: "10.1.0.3".to_owned(),
        xname: xname.to_owned(),
    };
    service.assign_xname(admin(assign("x1000c0s0b0"))).await.unwrap();
    let unassigned = ListBmcsRequest {
        unassigned: true,
        ..ListBmcsRequest::default()
    };
    let unassigned = service
        .list_bmcs(admin(unassigned))
        .await
        .unwrap()
        .into_inner()
        .bmcs;
    assert_eq!(unassigned.len(), 4);
    let failed = ListBmcsRequest {
        crawl_status: "tls".to_owned(),
        ..ListBmcsRequest::default()
    };
    assert!(
        service
            .list_bmcs(admin(failed))
            .await
            .unwrap()
            .into_inner()
            .bmcs
            .is_empty()
    );
}

#[tokio::test]
async fn an_xname_that_another_bmc_has_is_refused_and_both_are_named() {
    let (_, service) = with_bmcs(2).await;
    let assign = |address: &str, xname: &str| AssignXnameRequest {
        address: address.to_owned(),
        xname: xname.to_owned(),
    };
    service
        .assign_xname(admin(assign("10.1.0.1:443", "x1000c0s0b0")))
        .await
        .unwrap();
    let taken = service
        .assign_xname(admin(assign("10.1.0.2:443", "x1000c0s0b0")))
        .await
        .unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    let text = taken.message();
    assert!(
        text.contains("10.1.0.1:443") && text.contains("10.1.0.2:443"),
        "{text}"
    );
    let no_controller = service
        .assign_xname(admin(assign("10.1.0.2:443", "x1000c0s0b0n0")))
        .await
        .unwrap_err();
    assert_eq!(no_controller.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_bmc_is_forgotten_with_its_key() {
    let (store, service) = with_bmcs(2).await;
    let address = "10.1.0.1:443".to_owned();
    let trust = TrustKeyRequest {
        address: address.clone(),
        key_sha256: String::new(),
    };
    let same = service.trust_key(admin(trust)).await.unwrap_err();
    assert_eq!(same.code(), Code::FailedPrecondition);
    let delete = DeleteBmcRequest {
        address: address.clone(),
    };
    service.delete_bmc(admin(delete)).await.unwrap();
    assert!(store.state().discovery.bmc(&address).is_none());
    let gone = service
        .get_bmc(admin(GetBmcRequest { address }))
        .await
        .unwrap_err();
    assert_eq!(
        (gone.code(), gone.message()),
        (Code::NotFound, "no such BMC: 10.1.0.1:443")
    );
}

fn rule(name: &str, priority: u32, uuid: &str) -> PutXnameRuleRequest {
    let explicit = ExplicitXname {
        uuid: uuid.to_owned(),
        xname: "x1000c0s0b0".to_owned(),
        ..ExplicitXname::default()
    };
    let rule = XnameRule {
        name: name.to_owned(),
        priority: Some(priority),
        rule: Some(xname_rule::Rule::Explicit(explicit)),
        ..XnameRule::default()
    };
    PutXnameRuleRequest {
        rule: Some(rule),
        if_revision: None,
    }
}

#[tokio::test]
async fn rules_are_shown_as_they_are_looked_at_and_wrong_ones_refused() {
    let store = Store::in_memory();
    let service = XnameRuleService::new(store.clone());
    service
        .put_xname_rule(admin(rule("late", 10, UUID)))
        .await
        .unwrap();
    let stored = service
        .put_xname_rule(admin(rule("early", 900, OTHER_UUID)))
        .await
        .unwrap();
    assert!(stored.into_inner().meta.is_some());
    let list = || async {
        let listed = service.list_xname_rules(admin(ListXnameRulesRequest {})).await;
        let rules = listed.unwrap().into_inner().rules.into_iter();
        rules.map(|rule| rule.name).collect::<Vec<_>>()
    };
    assert_eq!(list().await, ["early", "late"]);
    let by_nothing = service
        .put_xname_rule(admin(rule("none", 10, "")))
        .await
        .unwrap_err();
    assert_eq!(by_nothing.code(), Code::InvalidArgument);
    let missing = service
        .put_xname_rule(admin(PutXnameRuleRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(missing.message(), "rule: it is missing");
    let delete = DeleteXnameRuleRequest {
        name: "early".to_owned(),
    };
    service.delete_xname_rule(admin(delete)).await.unwrap();
    assert_eq!(list().await, ["late"]);
}

#[tokio::test]
async fn firmware_is_that_of_the_last_crawl() {
    let (site, _bmc, _working): (Site, _, _) = crawled().await;
    let service = FirmwareInventoryService::new(site.store.clone());
    let get = |id: &str| GetFirmwareRequest { id: id.to_owned() };
    let one = service
        .get_firmware(admin(get("x1000c0s0b0")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(one.systems[0].id, "x1000c0s0b0n0");
    let list = |id: &[&str]| ListFirmwareRequest {
        id: id.iter().map(|text| (*text).to_owned()).collect(),
        ..ListFirmwareRequest::default()
    };
    let all = service
        .list_firmware(admin(list(&[])))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(all.inventories.len(), 1);
    let none = service
        .list_firmware(admin(list(&["x2000"])))
        .await
        .unwrap()
        .into_inner();
    assert!(none.inventories.is_empty());
    let missing = service.get_firmware(admin(get("x1000c0s1b0"))).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}
