//! What the tests of SMD's services share.
#![allow(dead_code, missing_docs, unreachable_pub)]

use proto::smd::v1::{Component, component};
use raft::Store;
use rpc::{Caller, Identity};
use tonic::Request;

/// A request of the administrator.
pub fn admin<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let identity = Identity::User {
        name: "admin".to_owned(),
    };
    request.extensions_mut().insert(Caller {
        identity,
        peer: None,
        local: None,
    });
    request
}

pub fn node(id: &str, state: component::State) -> Component {
    Component {
        id: id.to_owned(),
        state: state.into(),
        ..Component::default()
    }
}

/// The same state on a member that has lost the others.
pub fn cut_off(store: &Store) -> Store {
    Store::in_memory_without_majority(store.state().as_ref().clone())
}
