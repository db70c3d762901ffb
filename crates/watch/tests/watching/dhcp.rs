//! What DHCP does to addresses is news: bound, given back, found in use, at an end; and so is a client that nobody knows.

use proto::dhcp::v1::dhcp_command::{Bind, BindLeases, Change as DhcpChange, DeleteLease, EndLease};
use proto::dhcp::v1::dhcp_command::{NoteUnknownClients, PutSubnet};
use proto::dhcp::v1::dhcp_lease::State as LeaseState;
use proto::dhcp::v1::{AddressPool, DhcpCommand, Subnet, UnknownClient, subnet};
use proto::raft::v1::entry::Command;
use proto::watch::v1::event::Change;
use proto::watch::v1::object::{Kind, Value};
use proto::watch::v1::{Event, WatchRequest};
use raft::Store;

use crate::support::{Client, from, service};

const MAC: &str = "02:09:09:09:09:01";

async fn change(store: &Store, change: DhcpChange) -> u64 {
    let command = Command::Dhcp(DhcpCommand { change: Some(change) });
    store.propose("user/admin", command, None).await.unwrap().revision
}

async fn bind(store: &Store, address: &str) -> u64 {
    let lease = Bind {
        address: address.into(),
        mac: MAC.into(),
        ..Bind::default()
    };
    let leases = vec![lease];
    change(store, DhcpChange::BindLeases(BindLeases { leases })).await
}

async fn end(store: &Store, address: &str, declined: bool) -> u64 {
    let end = EndLease {
        address: address.into(),
        mac: MAC.into(),
        declined,
        ..EndLease::default()
    };
    change(store, DhcpChange::EndLease(end)).await
}

async fn pool() -> Store {
    let store = Store::in_memory();
    let pool = AddressPool {
        first: "10.97.200.1".into(),
        last: "10.97.200.9".into(),
        excluded: Vec::new(),
    };
    let subnet = Subnet {
        network: "10.97.0.0/16".into(),
        pools: vec![pool],
        unknown_clients: subnet::UnknownClients::Address.into(),
        ..Subnet::default()
    };
    change(&store, DhcpChange::PutSubnet(PutSubnet { subnet: Some(subnet) })).await;
    store
}

/// Kind, key, change, and what the lease is after it.
fn news(event: &Event) -> (Kind, &str, Change, Option<LeaseState>) {
    let object = event.object.as_ref().unwrap();
    let state = match object.value.as_ref() {
        Some(Value::DhcpLease(lease)) => Some(lease.state()),
        _ => None,
    };
    (object.kind(), object.key.as_str(), event.change(), state)
}

/// An inventory, a firewall or a dashboard follows this instead of asking again and again.
#[tokio::test]
async fn leases_and_unknown_clients_are_told_as_they_come_and_go() {
    let store = pool().await;
    let kinds = [Kind::DhcpLease, Kind::UnknownClient];
    let request = WatchRequest {
        kinds: kinds.iter().map(|kind| (*kind).into()).collect(),
        ..from(store.state().applied_index())
    };
    let mut client = Client::begin(&service(&store), request).await.unwrap();
    let (first, second) = ("10.97.200.1", "10.97.200.2");
    let unknown = UnknownClient {
        mac: MAC.into(),
        network: "10.97.0.0/16".into(),
        ..UnknownClient::default()
    };
    let clients = vec![unknown];
    change(
        &store,
        DhcpChange::NoteUnknownClients(NoteUnknownClients { clients }),
    )
    .await;
    bind(&store, first).await;
    end(&store, first, false).await;
    bind(&store, second).await;
    end(&store, second, true).await;
    let delete = DeleteLease {
        address: first.into(),
        force: true,
    };
    let last = change(&store, DhcpChange::DeleteLease(delete)).await;

    let told = client.upto(last).await;
    let told: Vec<_> = told.iter().map(news).collect();
    let lease = |key, change, state| (Kind::DhcpLease, key, change, state);
    let expected = [
        (Kind::UnknownClient, MAC, Change::Created, None),
        lease(first, Change::Created, Some(LeaseState::Bound)),
        lease(first, Change::Updated, Some(LeaseState::Released)),
        lease(second, Change::Created, Some(LeaseState::Bound)),
        lease(second, Change::Updated, Some(LeaseState::Declined)),
        lease(first, Change::Deleted, Some(LeaseState::Released)),
    ];
    assert_eq!(told, expected);
}
