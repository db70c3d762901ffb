//! Why something cannot be done to a component that is locked, reserved or not there: SMD's words, and its two models.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{Rejection, Xname};
use proto::raft::v1::outcome::Refusal;
use proto::smd::v1::ComponentReservation;

use crate::bounds::check_ids;
use crate::rfc3339;

/// What stands in the way.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Obstacle {
    /// There is no such component, or no such reservation under the key that is given.
    NotFound,
    Locked,
    Unlocked,
    /// Nobody may reserve it.
    Disabled,
    Reserved(Arc<ComponentReservation>),
}

impl Obstacle {
    /// SMD's word in a list of failures.
    fn reason(&self) -> &'static str {
        match self {
            Obstacle::NotFound => "NotFound",
            Obstacle::Locked => "Locked",
            Obstacle::Unlocked => "Unlocked",
            Obstacle::Disabled => "Disabled",
            Obstacle::Reserved(_) => "Reserved",
        }
    }

    /// SMD's text, and which component it is about.
    fn rejection(&self, id: &Xname) -> Rejection {
        let text = match self {
            Obstacle::NotFound => "Component not found",
            Obstacle::Locked => "Component is Locked",
            Obstacle::Unlocked => "Component is Unlocked",
            Obstacle::Disabled => "Component reservations are disabled",
            Obstacle::Reserved(reservation) => {
                let problem = format!("{id}, {}", holder(reservation));
                return Rejection::invalid("Component is Reserved", problem);
            }
        };
        Rejection::invalid(text, id)
    }
}

/// By whom it is reserved, and until when.
pub(super) fn holder(reservation: &ComponentReservation) -> String {
    let created = reservation.meta.as_ref().and_then(|meta| meta.created.as_ref());
    let principal = created.map_or("somebody", |change| change.principal.as_str());
    match reservation.expires_at_ms {
        0 => format!("by {principal}"),
        until => format!("by {principal} until {}", rfc3339::format(until)),
    }
}

/// Those that nothing stands in the way of, and the others with the reason.
pub(super) struct Sifted<T> {
    pub(super) able: Vec<T>,
    pub(super) refused: Vec<Refusal>,
}

/// Rigid: the first that something stands in the way of refuses all. Flexible: it is set aside.
pub(super) fn sift<T>(
    items: Vec<T>,
    flexible: bool,
    id_of: impl Fn(&T) -> &Xname,
    obstacle: impl Fn(&T) -> Option<Obstacle>,
) -> Result<Sifted<T>, Rejection> {
    let mut sifted = Sifted {
        able: Vec::with_capacity(items.len()),
        refused: Vec::new(),
    };
    for item in items {
        match obstacle(&item) {
            None => sifted.able.push(item),
            Some(obstacle) if flexible => sifted.refused.push(Refusal {
                id: id_of(&item).to_string(),
                reason: obstacle.reason().to_owned(),
            }),
            Some(obstacle) => return Err(obstacle.rejection(id_of(&item))),
        }
    }
    Ok(sifted)
}

/// The components that are named, in the order given, each once; one at least.
pub(super) fn named(field: &str, given: &[String]) -> Result<Vec<Xname>, Rejection> {
    check_ids(field, given.len())?;
    let mut seen = BTreeSet::new();
    let mut ids = Vec::with_capacity(given.len());
    for text in given {
        let id: Xname = text.parse().map_err(|e| Rejection::invalid(field, e))?;
        if seen.insert(id.clone()) {
            ids.push(id);
        }
    }
    Ok(ids)
}
