//! Defaults/NodeMaps and sysinfo/powermaps: what of the source is new here and what differs.

use std::collections::BTreeMap;

use model::{InvalidValue, Xname, canonical_role, canonical_sub_role};
use proto::http::v1::ObjectMeta;
use proto::smd::v1::{NodeMap, PowerMap};

use super::claims::losers;
use super::diff::{Change, Diff, quoted};

/// What a map is named by, what it is without its history, and that.
trait Map: Clone + PartialEq {
    const COLLECTION: &'static str;
    fn id(&self) -> &str;
    fn meta(&mut self) -> &mut Option<ObjectMeta>;
    /// In normal form, under this id.
    fn normalised(&self, id: &Xname) -> Result<Self, String>;
}

impl Map for NodeMap {
    const COLLECTION: &'static str = "NodeMaps";

    fn id(&self) -> &str {
        &self.id
    }

    fn meta(&mut self) -> &mut Option<ObjectMeta> {
        &mut self.meta
    }

    fn normalised(&self, id: &Xname) -> Result<Self, String> {
        let (role, sub_role) = (&self.role, &self.sub_role);
        Ok(Self {
            id: id.to_string(),
            role: canonical_role(role).unwrap_or(role).to_owned(),
            sub_role: canonical_sub_role(sub_role).unwrap_or(sub_role).to_owned(),
            meta: None,
            ..self.clone()
        })
    }
}

impl Map for PowerMap {
    const COLLECTION: &'static str = "powermaps";

    fn id(&self) -> &str {
        &self.id
    }

    fn meta(&mut self) -> &mut Option<ObjectMeta> {
        &mut self.meta
    }

    fn normalised(&self, id: &Xname) -> Result<Self, String> {
        let supplies = self
            .powered_by
            .iter()
            .map(|id| xname(id).map(|id| id.to_string()));
        Ok(Self {
            id: id.to_string(),
            powered_by: supplies.collect::<Result<_, _>>()?,
            meta: None,
        })
    }
}

/// The NIDs that nodes are promised after the import.
pub(super) fn promised(ours: &[NodeMap], diff: &Diff<NodeMap>) -> BTreeMap<Xname, u64> {
    let changed = diff.change.iter().map(|change| &change.after);
    let all = ours.iter().chain(changed).chain(&diff.create);
    all.filter_map(|map| Some((map.id.parse().ok()?, map.nid)))
        .collect()
}

/// Compares; two maps with one NID are refused.
pub(super) fn node_maps(source: &[NodeMap], ours: &[NodeMap]) -> Diff<NodeMap> {
    let mut diff = Diff::default();
    let ours = by_id(ours);
    let mut accepted = accept(source, &mut diff);
    let nids = |maps: &BTreeMap<Xname, NodeMap>| {
        let nids = maps.iter().map(|(id, map)| (id.clone(), vec![map.nid]));
        nids.collect::<BTreeMap<_, _>>()
    };
    for (id, lost) in losers(&nids(&accepted), &nids(&ours)) {
        accepted.remove(&id);
        let reason = format!(
            "NID {} is that of {}, too; correct one of them",
            lost.key, lost.owner
        );
        diff.refuse(id.as_str(), reason);
    }
    compare(accepted, &ours, diff)
}

/// Compares.
pub(super) fn power_maps(source: &[PowerMap], ours: &[PowerMap]) -> Diff<PowerMap> {
    let mut diff = Diff::default();
    let accepted = accept(source, &mut diff);
    compare(accepted, &by_id(ours), diff)
}

fn by_id<M: Map>(ours: &[M]) -> BTreeMap<Xname, M> {
    let maps = ours.iter().filter_map(|map| {
        let id = xname(map.id()).ok()?;
        let mut normalised = map.normalised(&id).ok()?;
        *normalised.meta() = map.clone().meta().take();
        Some((id, normalised))
    });
    maps.collect()
}

fn accept<M: Map>(source: &[M], diff: &mut Diff<M>) -> BTreeMap<Xname, M> {
    let mut accepted = BTreeMap::new();
    for (place, given) in source.iter().enumerate() {
        let outcome = xname(given.id()).and_then(|id| match accepted.contains_key(&id) {
            true => Err(format!("there is a map of {id} before it")),
            false => Ok((given.normalised(&id)?, id)),
        });
        match outcome {
            Ok((map, id)) => {
                accepted.insert(id, map);
            }
            Err(problem) => diff.refuse(
                quoted(given.id()),
                format!("{}[{place}]: {problem}", M::COLLECTION),
            ),
        }
    }
    accepted
}

fn compare<M: Map>(accepted: BTreeMap<Xname, M>, ours: &BTreeMap<Xname, M>, mut diff: Diff<M>) -> Diff<M> {
    for (id, mut after) in accepted {
        if let Some(before) = ours.get(&id) {
            *after.meta() = before.clone().meta().take();
        }
        match ours.get(&id) {
            None => diff.create.push(after),
            Some(before) if *before == after => diff.same += 1,
            Some(before) => {
                let before = before.clone();
                diff.change.push(Change { before, after });
            }
        }
    }
    diff
}

fn xname(text: &str) -> Result<Xname, String> {
    text.parse().map_err(|problem: InvalidValue| problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node_map(id: &str, nid: u64) -> NodeMap {
        NodeMap {
            id: id.into(),
            nid,
            role: "Compute".into(),
            ..NodeMap::default()
        }
    }

    fn power_map(id: &str, powered_by: &[&str]) -> PowerMap {
        PowerMap {
            id: id.into(),
            powered_by: powered_by.iter().map(|id| (*id).to_owned()).collect(),
            meta: None,
        }
    }

    #[test]
    fn node_maps_are_compared_and_a_nid_of_two_is_refused() {
        let source = [
            NodeMap {
                role: "compute".into(),
                ..node_map("X0c0s00b0n0", 1)
            },
            node_map("x0c0s1b0n0", 9),
            node_map("x0c0s2b0n0", 3),
            node_map("x0c0s3b0n0", 3),
            node_map("nowhere", 4),
        ];
        let ours = [node_map("x0c0s0b0n0", 1), node_map("x0c0s1b0n0", 2)];
        let diff = node_maps(&source, &ours);
        assert_eq!((diff.same, diff.change.len(), diff.create.len()), (1, 1, 1));
        let reasons: Vec<_> = diff
            .refused
            .iter()
            .map(|refused| refused.reason.as_str())
            .collect();
        assert!(reasons[0].starts_with("NodeMaps[4]: "), "{reasons:?}");
        assert!(reasons[1].contains("NID 3 is that of x0c0s2b0n0"), "{reasons:?}");
    }

    #[test]
    fn power_maps_are_compared() {
        let source = [
            power_map("X0c0s0b0n0", &["X0m0p0v1"]),
            power_map("x0c0s1b0n0", &["x0m0p0v2"]),
            power_map("x0c0s1b0n0", &[]),
            power_map("x0c0s2b0n0", &["outlet"]),
        ];
        let diff = power_maps(&source, &[power_map("x0c0s0b0n0", &["x0m0p0v1"])]);
        assert_eq!((diff.same, diff.create.len(), diff.refused.len()), (1, 1, 2));
        assert!(
            diff.refused[0]
                .reason
                .starts_with("powermaps[2]: there is a map of x0c0s1b0n0")
        );
    }
}
