//! What of the state a caller may see: kinds of objects whose area he may read, and of those what is in his part of the system.
//! Asked for anew with every message, because groups and policies change while a watch goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proto::watch::v1::object::Kind;
use rpc::{Error, Part, Rights, area_of_kind};
use state::{Event, Object, RowKind};

use crate::wire;

/// What whoever watches must be given.
pub(crate) const OWN: &str = "watch.read";

/// What a caller may see now.
#[derive(Clone, Debug)]
pub(crate) enum Sight {
    Everything,
    /// By area; one that is not there is not seen. An object must be in all of an area's parts: that of watching, and that of
    /// reading the area itself. None: all objects of the area.
    Areas(BTreeMap<&'static str, Vec<Arc<dyn Part>>>),
}

impl Sight {
    /// # Errors
    /// `Denied` for who may not watch, `Unauthenticated` for who was revoked, `NotReady` on a member that cannot say.
    pub(crate) fn of(rights: &Rights) -> Result<Sight, Error> {
        Sight::by(rights, OWN)
    }

    /// What is seen by a method that is not watching; `own` is its permission.
    ///
    /// # Errors
    /// As [`Sight::of`].
    pub(crate) fn by(rights: &Rights, own: &str) -> Result<Sight, Error> {
        if rights.are_unlimited() {
            return Ok(Sight::Everything);
        }
        let own = rights.to(own)?;
        let watched = RowKind::ALL
            .into_iter()
            .filter(|kind| wire::kind(*kind) != Kind::Unspecified);
        let areas: BTreeSet<&'static str> = watched.filter_map(area).collect();
        let mut seen = BTreeMap::new();
        for area in areas {
            match rights.to(&read(area)) {
                Ok(scope) => {
                    let parts = [&own, &scope]
                        .into_iter()
                        .filter_map(|scope| scope.part().cloned());
                    seen.insert(area, parts.collect());
                }
                Err(Error::Denied { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Sight::Areas(seen))
    }

    /// Whether an object is seen.
    pub(crate) fn shows(&self, object: &Object) -> bool {
        let is_in = |part: &dyn Part| match (object.component(), object) {
            (Some(id), _) => part.has_component(id),
            (None, Object::CloudInitGroup(group)) => part.has_group(&group.name),
            (None, _) => false,
        };
        self.all_parts(object.kind(), |part| {
            is_in(part) && part.has_kind(object.kind() as u32)
        })
    }

    /// An event of log index `revision` as it is seen: what leaves the part with it is deleted for this caller, and what enters it
    /// is created.
    pub(crate) fn event(&self, revision: u64, event: &Event) -> Option<proto::watch::v1::Event> {
        let seen = |object: &&Object| self.shows(object);
        wire::event(revision, event.before().filter(seen), event.after().filter(seen))
    }

    /// Whether the objects before and after an event are seen, as far as there are any.
    pub(crate) fn shows_whole(&self, event: &Event) -> bool {
        let mut objects = event.before().into_iter().chain(event.after());
        objects.all(|object| self.shows(object))
    }

    /// # Errors
    /// `Denied` for a kind whose area the caller may not read.
    pub(crate) fn check_kind(&self, kind: RowKind) -> Result<(), Error> {
        match self.all_parts(kind, |part| part.has_kind(kind as u32)) {
            true => Ok(()),
            false => Err(denied(kind)),
        }
    }

    /// # Errors
    /// `Denied` for an object, known by its id alone, that the caller may not see: whether it is there or not.
    pub(crate) fn check_id(&self, kind: RowKind, id: &str) -> Result<(), Error> {
        let is_in = |part: &dyn Part| match kind {
            RowKind::BootParameters | RowKind::Instance | RowKind::InstanceInfo => part.has_component(id),
            RowKind::CloudInitGroup => part.has_group(id),
            _ => false,
        };
        match self.all_parts(kind, is_in) {
            true => Ok(()),
            false => Err(denied(kind)),
        }
    }

    fn all_parts(&self, kind: RowKind, has: impl Fn(&dyn Part) -> bool) -> bool {
        match self {
            Sight::Everything => true,
            Sight::Areas(areas) => {
                let parts = area(kind).and_then(|area| areas.get(area));
                parts.is_some_and(|parts| parts.iter().all(|part| has(&**part)))
            }
        }
    }
}

fn area(kind: RowKind) -> Option<&'static str> {
    area_of_kind(kind as u32)
}

fn read(area: &str) -> String {
    format!("{area}.read")
}

fn denied(kind: RowKind) -> Error {
    let permission = area(kind).map_or_else(|| OWN.to_owned(), read);
    Error::Denied {
        reason: format!("{permission} is needed for what this request names"),
    }
}
