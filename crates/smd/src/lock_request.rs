//! What the bodies of HSM's locks share: which components are meant, and whether all or what can be done is done.

use std::collections::BTreeSet;

use model::Xname;
use prost_types::Timestamp;
use proto::raft::v1::outcome::Refusal;
use proto::smd::v1::{Component, ListComponentsRequest, LockFailure, LockRequest};
use raft::Store;
use rpc::Error;
use state::State;

use crate::component_filter::ComponentFilter;

/// HSM's `ProcessingModel` in any case; `rigid` unless given.
///
/// # Errors
/// `Invalid` with HSM's text and what is accepted.
pub(crate) fn is_flexible(model: &str) -> Result<bool, Error> {
    match model.to_ascii_lowercase().as_str() {
        "" | "rigid" => Ok(false),
        "flexible" => Ok(true),
        _ => Err(rpc::invalid(
            "Invalid Processing Model",
            "write rigid or flexible",
        )),
    }
}

/// Minutes of a service's reservation.
///
/// # Errors
/// `Invalid` with HSM's texts.
pub(crate) fn minutes(duration: i32) -> Result<u32, Error> {
    match u32::try_from(duration) {
        Ok(minutes @ 1..=state::bounds::RESERVATION_MINUTES_MAX) => Ok(minutes),
        Ok(1..) => Err(rpc::invalid(
            "Invalid Reservation Duration",
            "write 1 to 15 minutes",
        )),
        Ok(0) | Err(_) => Err(rpc::invalid(
            "ReservationDuration must be greater than 0",
            "write 1 to 15 minutes",
        )),
    }
}

/// The components that a request means: those that it names, or those that its filter admits after a read index. Those
/// that it names and that do not exist are among them, so that the answer can say so.
///
/// # Errors
/// `Invalid` with HSM's texts for a value that is none, and if nothing is meant; `NoQuorum` for a filter.
pub(crate) async fn meant(store: &Store, request: &LockRequest) -> Result<Vec<String>, Error> {
    let selection = Selection::parse(request)?;
    if let Some(names) = selection.names_alone() {
        return Ok(names);
    }
    store.linearize().await?;
    let state = store.state();
    let mut ids = selection.admitted(&state);
    ids.extend(selection.missing(&state));
    match ids.is_empty() {
        true => Err(nothing_meant()),
        false => Ok(ids),
    }
}

/// HSM's answer to a filter that admits nothing.
pub(crate) fn nothing_meant() -> Error {
    rpc::invalid("Component not found", "no component is as the request wants it")
}

/// Names, and what else components must be like.
pub(crate) struct Selection {
    /// In the order given, each once.
    names: Vec<Xname>,
    filter: ComponentFilter,
    /// The filter admits everything.
    is_open: bool,
}

impl Selection {
    pub(crate) fn parse(request: &LockRequest) -> Result<Selection, Error> {
        let (unwanted, wanted): (Vec<&String>, Vec<&String>) =
            request.component_ids.iter().partition(|id| id.starts_with('!'));
        let mut seen = BTreeSet::new();
        let mut names = Vec::with_capacity(wanted.len());
        for text in wanted {
            let id: Xname = text
                .parse()
                .map_err(|problem| rpc::invalid("ComponentIDs", problem))?;
            if seen.insert(id.clone()) {
                names.push(id);
            }
        }
        let rest = filter_of(request, unwanted.into_iter().cloned().collect());
        Ok(Selection {
            names,
            filter: ComponentFilter::parse(&rest)?,
            is_open: rest == ListComponentsRequest::default(),
        })
    }

    /// The names, if they are all that is asked for: whether they exist is `state`'s to say.
    fn names_alone(&self) -> Option<Vec<String>> {
        let alone = self.is_open && !self.names.is_empty();
        alone.then(|| self.names.iter().map(Xname::to_string).collect())
    }

    /// Those that there are, in the order of the names, or sorted.
    pub(crate) fn admitted(&self, state: &State) -> Vec<String> {
        let admits = |component: &Component| self.filter.admits_in(state, component);
        if self.names.is_empty() {
            let all = state.smd.components().filter(|component| admits(component));
            return all.map(|component| component.id.clone()).collect();
        }
        let named = self.names.iter().filter_map(|id| state.smd.component(id));
        let wanted = named.filter(|component| admits(component));
        wanted.map(|component| component.id.clone()).collect()
    }

    /// Names of nothing.
    pub(crate) fn missing(&self, state: &State) -> Vec<String> {
        let missing = self.names.iter().filter(|id| state.smd.component(id).is_none());
        missing.map(Xname::to_string).collect()
    }
}

/// The filters are those of State/Components.
fn filter_of(request: &LockRequest, id: Vec<String>) -> ListComponentsRequest {
    let request = request.clone();
    ListComponentsRequest {
        id,
        nid: request.nid,
        r#type: request.r#type,
        state: request.state,
        flag: request.flag,
        enabled: request.enabled,
        software_status: request.software_status,
        role: request.role,
        sub_role: request.sub_role,
        subtype: request.subtype,
        arch: request.arch,
        class: request.class,
        group: request.group,
        partition: request.partition,
        locked: request.locked,
        reservation_disabled: request.reservation_disabled,
        ..ListComponentsRequest::default()
    }
}

pub(crate) fn failures(refused: Vec<Refusal>) -> Vec<LockFailure> {
    let failure = |Refusal { id, reason }| LockFailure { id, reason };
    refused.into_iter().map(failure).collect()
}

/// Cluster time as RFC 3339; empty for 0, which is no time.
pub(crate) fn time_text(time_ms: u64) -> String {
    let seconds = i64::try_from(time_ms / 1000).unwrap_or(i64::MAX);
    match time_ms {
        0 => String::new(),
        _ => Timestamp {
            seconds,
            nanos: i32::try_from(time_ms % 1000 * 1_000_000).unwrap_or(0),
        }
        .to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_and_minutes_are_those_of_hsm() {
        for (text, flexible) in [("", false), ("Rigid", false), ("FLEXIBLE", true)] {
            assert_eq!(is_flexible(text).unwrap(), flexible, "{text}");
        }
        let refused = is_flexible("loose").unwrap_err().to_string();
        assert_eq!(refused, "Invalid Processing Model: write rigid or flexible");
        assert_eq!((minutes(1).unwrap(), minutes(15).unwrap()), (1, 15));
        for (wrong, begin) in [
            (0, "ReservationDuration must be greater than 0"),
            (-1, "ReservationDuration must be greater than 0"),
            (16, "Invalid Reservation Duration"),
        ] {
            assert!(
                minutes(wrong).unwrap_err().to_string().starts_with(begin),
                "{wrong}"
            );
        }
    }

    #[test]
    fn times_are_read_by_every_client_and_none_is_empty() {
        assert_eq!(time_text(0), "");
        assert_eq!(time_text(1_764_056_144_123), "2025-11-25T07:35:44.123Z");
        assert_eq!(time_text(1_764_056_144_000), "2025-11-25T07:35:44Z");
    }
}
