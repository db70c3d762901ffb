//! What a cloud-init server has, as objects of ours, and what differs. File contents and free-form data may hold secrets:
//! of them it is only ever told that they differ.

use std::collections::{BTreeMap, BTreeSet};

use model::{GroupLabel, Xname};
use proto::cloud_init::v1::{ClusterDefaults, Group, GroupFile, InstanceInfo};
use serde_json::{Value, json};

use super::diff::{Change, Diff, Refused, Shown, changed_fields, quoted};
use super::source_http::CLOUD_INIT;
use super::url_hosts::{Hosts, Rewrite, rewritten};
use crate::error::{CliError, Kind};
use crate::hsm::HsmMessage;

/// Keys of the parts of a document, and names of the collections for people.
pub(super) const DEFAULTS: &str = "cluster-defaults";
pub(super) const GROUPS: &str = "groups";
pub(super) const INFOS: &str = "instance-info";

const DEFAULTS_MESSAGE: &str = "chamois.cloud_init.v1.ClusterDefaults";
const GROUP_MESSAGE: &str = "chamois.cloud_init.v1.Group";
const INFO_MESSAGE: &str = "chamois.cloud_init.v1.InstanceInfo";
/// The encoding that a file has if it does not say.
const PLAIN: &str = "plain";

/// What a server has; `None` for what was not asked or is not there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects {
    pub(crate) defaults: Option<ClusterDefaults>,
    pub(crate) groups: Vec<Group>,
    pub(crate) infos: Option<Vec<InstanceInfo>>,
    /// What could not be read, by collection.
    pub(super) refused: Vec<(&'static str, Refused)>,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) defaults: Diff<ClusterDefaults>,
    pub(super) groups: Diff<Group>,
    pub(super) infos: Diff<InstanceInfo>,
    /// Nodes that keep another instance-id than the source says.
    pub(super) kept_ids: usize,
    /// Secret groups that are not here yet, and of which the source shows no contents.
    pub(super) empty_secrets: usize,
}

impl Objects {
    /// From a document with the three parts; each may be missing, not all of them. An object that does not fit is kept as
    /// refused, so that all of them can be told.
    ///
    /// # Errors
    /// For what is no such document.
    pub(crate) fn read(origin: &str, document: &Value) -> Result<Self, CliError> {
        let parts = [DEFAULTS, GROUPS, INFOS];
        let known = document
            .as_object()
            .filter(|object| parts.iter().any(|part| object.contains_key(*part)));
        let Some(object) = known else {
            return Err(CLOUD_INIT.not_accepted(origin, "it has none of the keys of cloud-init's data"));
        };
        let mut objects = Self::default();
        if let Some(part) = object.get(DEFAULTS) {
            objects.add_defaults(origin, part)?;
        }
        if let Some(part) = object.get(GROUPS) {
            objects.add_groups(origin, part)?;
        }
        if let Some(part) = object.get(INFOS) {
            objects.add_infos(origin, part)?;
        }
        Ok(objects)
    }

    /// The same, of a source of which everything must be read.
    ///
    /// # Errors
    /// Naming all that does not fit.
    pub(crate) fn whole(self) -> Result<Self, CliError> {
        if self.refused.is_empty() {
            return Ok(self);
        }
        let refused = self.refused.iter();
        let problems = refused.map(|(part, of)| format!("{part} {}: {}", of.id, of.reason));
        let problems: Vec<String> = problems.collect();
        Err(CliError::new(
            Kind::Usage,
            format!("cloud-init's data cannot be read: {}", problems.join("; ")),
        ))
    }

    pub(crate) fn add_defaults(&mut self, origin: &str, part: &Value) -> Result<(), CliError> {
        if !part.is_null() && !part.is_object() {
            return Err(CLOUD_INIT.not_accepted(origin, format_args!("{DEFAULTS}: it is no object")));
        }
        if !part.is_null() {
            self.defaults = self.one(DEFAULTS, DEFAULTS, &HsmMessage::named(DEFAULTS_MESSAGE)?, part);
        }
        Ok(())
    }

    /// An object of a part, under its name or its place there.
    fn one<M: prost::Message + Default>(
        &mut self,
        part: &'static str,
        id: &str,
        form: &HsmMessage,
        json: &Value,
    ) -> Option<M> {
        match form.read(json) {
            Ok(object) => Some(object),
            Err(problem) => {
                let reason = match problem.place.as_str() {
                    "" => problem.problem,
                    _ => problem.to_string(),
                };
                let id = id.to_owned();
                self.refused.push((part, Refused { id, reason }));
                None
            }
        }
    }

    /// A list of a part; what does not fit goes by its own name, as far as it has one, and its place.
    fn list<M: prost::Message + Default>(
        &mut self,
        origin: &str,
        (part, name_key): (&'static str, &str),
        message: &str,
        json: &Value,
    ) -> Result<Vec<M>, CliError> {
        let Value::Array(list) = json else {
            return Err(CLOUD_INIT.not_accepted(origin, format_args!("{part}: it is no list")));
        };
        let form = HsmMessage::named(message)?;
        let mut objects = Vec::with_capacity(list.len());
        for (at, item) in list.iter().enumerate() {
            let id = match item[name_key].as_str() {
                Some(name) => format!("{} [{at}]", quoted(name)),
                None => format!("[{at}]"),
            };
            objects.extend(self.one::<M>(part, &id, &form, item));
        }
        Ok(objects)
    }

    /// An object by name, as the server gives it, or a list.
    pub(crate) fn add_groups(&mut self, origin: &str, part: &Value) -> Result<(), CliError> {
        match part {
            Value::Null => {}
            Value::Object(by_name) => {
                let form = HsmMessage::named(GROUP_MESSAGE)?;
                for (name, group) in by_name {
                    let group = self.one(GROUPS, &quoted(name), &form, group);
                    self.groups.extend(group.map(|group: Group| Group {
                        name: name.clone(),
                        ..group
                    }));
                }
            }
            other => self.groups = self.list(origin, (GROUPS, "name"), GROUP_MESSAGE, other)?,
        }
        Ok(())
    }

    pub(crate) fn add_infos(&mut self, origin: &str, part: &Value) -> Result<(), CliError> {
        if !part.is_null() {
            self.infos = Some(self.list(origin, (INFOS, "id"), INFO_MESSAGE, part)?);
        }
        Ok(())
    }

    /// As [`Objects::read`] reads it back, files and all.
    ///
    /// # Errors
    /// If our protos have no such messages.
    pub(crate) fn to_json(&self) -> Result<Value, CliError> {
        let groups = HsmMessage::named(GROUP_MESSAGE)?;
        let infos = HsmMessage::named(INFO_MESSAGE)?;
        let by_name = self
            .groups
            .iter()
            .map(|group| Ok((group.name.clone(), groups.write(group)?)));
        let by_name: serde_json::Map<String, Value> = by_name.collect::<Result<_, CliError>>()?;
        let listed = self.infos.iter().flatten().map(|info| infos.write(info));
        Ok(json!({
            DEFAULTS: HsmMessage::named(DEFAULTS_MESSAGE)?.write(&self.defaults.clone().unwrap_or_default())?,
            GROUPS: by_name,
            INFOS: listed.collect::<Result<Vec<_>, _>>()?,
        }))
    }

    /// With the hosts of its URLs as `rules` say; those that stay are counted into `hosts`. Files are left as they are,
    /// byte for byte, and their hosts counted too.
    pub(super) fn rewritten(mut self, rules: &[Rewrite], hosts: &mut Hosts) -> Self {
        let base_url = self.defaults.as_mut().map(|defaults| &mut defaults.base_url);
        let infos = self.infos.iter_mut().flatten();
        let base_urls = base_url
            .into_iter()
            .chain(infos.map(|info| &mut info.cloud_init_base_url));
        for url in base_urls {
            hosts.add("base-url", url, rules);
            *url = rewritten(url, rules);
        }
        let files = self.groups.iter().filter_map(|group| group.file.as_ref());
        for file in files.filter(|file| file.encoding.is_empty() || file.encoding == PLAIN) {
            hosts.add("file", &file.content, &[]);
        }
        self
    }
}

impl Work {
    /// What the source has and the cluster has not, or otherwise.
    pub(super) fn of(given: Objects, ours: &Objects) -> Self {
        let mut work = Self::default();
        if let Some(given) = given.defaults {
            work.defaults = defaults(given, ours.defaults.clone());
        }
        work.groups = groups(given.groups, &ours.groups);
        let is_empty = |group: &&Group| group.secret && group.file.is_none() && group.meta_data.is_none();
        work.empty_secrets = work.groups.create.iter().filter(is_empty).count();
        if let Some(given) = given.infos {
            (work.infos, work.kept_ids) = infos(given, ours.infos.as_deref().unwrap_or_default());
        }
        for (part, refused) in given.refused {
            let of_part = match part {
                DEFAULTS => &mut work.defaults.refused,
                GROUPS => &mut work.groups.refused,
                _ => &mut work.infos.refused,
            };
            of_part.push(refused);
        }
        work
    }

    /// The same in words.
    pub(super) fn shown(&self) -> Result<[Shown; 3], CliError> {
        Ok([
            shown(DEFAULTS, DEFAULTS_MESSAGE, &self.defaults, |_| DEFAULTS)?,
            shown(GROUPS, GROUP_MESSAGE, &self.groups, |group| group.name.as_str())?,
            shown(INFOS, INFO_MESSAGE, &self.infos, |info| info.id.as_str())?,
        ])
    }
}

fn shown<M: prost::Message>(
    name: &'static str,
    message: &str,
    diff: &Diff<M>,
    id: impl Fn(&M) -> &str,
) -> Result<Shown, CliError> {
    let form = HsmMessage::named(message)?;
    let changed = diff.change.iter().map(|change| {
        let (before, after) = (form.write(&change.before)?, form.write(&change.after)?);
        Ok((
            id(&change.after).to_owned(),
            changed_fields(&before, &after, may_be_secret),
        ))
    });
    Ok(Shown {
        name,
        create: diff.create.iter().map(|object| id(object).to_owned()).collect(),
        change: changed.collect::<Result<_, CliError>>()?,
        same: diff.same,
        refused: diff.refused.clone(),
    })
}

/// Which of the defaults would change.
///
/// # Errors
/// If our protos have no such message.
pub(crate) fn defaults_that_differ(given: &Objects, ours: &Objects) -> Result<Vec<String>, CliError> {
    let given = Objects {
        defaults: given.defaults.clone(),
        ..Objects::default()
    };
    let work = Work::of(given, ours);
    let form = HsmMessage::named(DEFAULTS_MESSAGE)?;
    let created = work
        .defaults
        .create
        .iter()
        .map(|after| (ClusterDefaults::default(), after.clone()));
    let changed = work
        .defaults
        .change
        .iter()
        .map(|change| (change.before.clone(), change.after.clone()));
    let mut fields = Vec::new();
    for (before, after) in created.chain(changed) {
        fields.extend(changed_fields(
            &form.write(&before)?,
            &form.write(&after)?,
            may_be_secret,
        ));
    }
    Ok(fields)
}

/// What becomes of the instance-info of one node, field by field; a node keeps the instance-id that it has here.
///
/// # Errors
/// If our protos have no such message.
pub(crate) fn info_that_differs(
    before: Option<&InstanceInfo>,
    after: Option<&InstanceInfo>,
) -> Result<Vec<String>, CliError> {
    let form = HsmMessage::named(INFO_MESSAGE)?;
    let written = |info: Option<&InstanceInfo>| {
        form.write(&InstanceInfo {
            id: String::new(),
            instance_id: String::new(),
            meta: None,
            ..info.cloned().unwrap_or_default()
        })
    };
    Ok(changed_fields(&written(before)?, &written(after)?, may_be_secret))
}

/// Infos by node, under its name in our spelling.
pub(crate) fn infos_by_node(objects: &Objects) -> BTreeMap<String, &InstanceInfo> {
    let infos = objects.infos.iter().flatten();
    let named = infos.filter_map(|info| Some((info.id.parse::<Xname>().ok()?.to_string(), info)));
    named.collect()
}

/// Keys under which a site may keep what nobody should read on a terminal.
fn may_be_secret(key: &str) -> bool {
    matches!(key, "meta-data" | "file" | "public-keys")
}

/// What the source leaves empty stays as it is here.
fn defaults(given: ClusterDefaults, ours: Option<ClusterDefaults>) -> Diff<ClusterDefaults> {
    let mut diff = Diff::default();
    let before = ours.unwrap_or_default();
    let is_new = before.meta.is_none();
    let or = |given: String, before: &String| if given.is_empty() { before.clone() } else { given };
    let after = ClusterDefaults {
        cloud_provider: or(given.cloud_provider, &before.cloud_provider),
        region: or(given.region, &before.region),
        availability_zone: or(given.availability_zone, &before.availability_zone),
        cluster_name: or(given.cluster_name, &before.cluster_name),
        public_keys: if given.public_keys.is_empty() {
            before.public_keys.clone()
        } else {
            given.public_keys
        },
        base_url: or(given.base_url, &before.base_url),
        boot_subnet: or(given.boot_subnet, &before.boot_subnet),
        wg_subnet: or(given.wg_subnet, &before.wg_subnet),
        short_name: or(given.short_name, &before.short_name),
        nid_length: if given.nid_length == 0 {
            before.nid_length
        } else {
            given.nid_length
        },
        meta: before.meta.clone(),
    };
    if after == before {
        diff.same = 1;
    } else if is_new {
        diff.create.push(after);
    } else {
        diff.change.push(Change { before, after });
    }
    diff
}

fn groups(given: Vec<Group>, ours: &[Group]) -> Diff<Group> {
    let mut diff = Diff::default();
    let ours: BTreeMap<&str, &Group> = ours.iter().map(|group| (group.name.as_str(), group)).collect();
    let mut seen = BTreeSet::new();
    for group in given {
        let name = match group.name.parse::<GroupLabel>() {
            Ok(label) => String::from(label),
            Err(problem) => {
                diff.refuse(
                    quoted(&group.name),
                    problem.to_string().escape_debug().to_string(),
                );
                continue;
            }
        };
        if !seen.insert(name.clone()) {
            diff.refuse(name, "it is there twice, in different case");
            continue;
        }
        let after = Group {
            name,
            file: group
                .file
                .filter(|file| !file.content.is_empty())
                .map(with_encoding),
            meta_data: group.meta_data.filter(|data| !data.fields.is_empty()),
            meta: None,
            ..group
        };
        match ours.get(after.name.as_str()) {
            None => diff.create.push(after),
            Some(before) if is_same_group(before, &after) => diff.same += 1,
            Some(before) => diff.change.push(Change {
                before: (*before).clone(),
                after,
            }),
        }
    }
    diff
}

/// Whether the members of two groups are given the same.
pub(crate) fn is_same_group(one: &Group, other: &Group) -> bool {
    let file = |group: &Group| {
        group
            .file
            .clone()
            .filter(|file| !file.content.is_empty())
            .map(with_encoding)
    };
    let data = |group: &Group| group.meta_data.clone().filter(|data| !data.fields.is_empty());
    one.description == other.description && file(one) == file(other) && data(one) == data(other)
}

fn with_encoding(file: GroupFile) -> GroupFile {
    let encoding = if file.encoding.is_empty() {
        PLAIN.to_owned()
    } else {
        file.encoding
    };
    GroupFile { encoding, ..file }
}

/// And how many nodes keep another instance-id than they are given.
fn infos(given: Vec<InstanceInfo>, ours: &[InstanceInfo]) -> (Diff<InstanceInfo>, usize) {
    let mut diff = Diff::default();
    let mut kept_ids = 0;
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    let ours: BTreeMap<&str, &InstanceInfo> = ours.iter().map(|info| (info.id.as_str(), info)).collect();
    let mut seen = BTreeSet::new();
    for info in given {
        let id = match info.id.parse::<Xname>() {
            Ok(id) if id.is_node() => id.to_string(),
            _ => {
                diff.refuse(quoted(&info.id), "it is no node's xname");
                continue;
            }
        };
        if !seen.insert(id.clone()) {
            diff.refuse(id, "it is there twice");
            continue;
        }
        if !info.local_hostname.is_empty() {
            let other = by_name.insert(info.local_hostname.to_ascii_lowercase(), id.clone());
            if let Some(other) = other {
                diff.refuse(id, format!("local-hostname: it is that of {other}, too"));
                continue;
            }
        }
        let mut after = InstanceInfo {
            id,
            meta: None,
            ..info
        };
        match ours.get(after.id.as_str()) {
            None => diff.create.push(after),
            Some(before) => {
                if !before.instance_id.is_empty() && before.instance_id != after.instance_id {
                    kept_ids += usize::from(!after.instance_id.is_empty());
                    after.instance_id.clone_from(&before.instance_id);
                }
                let is_same = InstanceInfo {
                    meta: None,
                    ..(*before).clone()
                } == after;
                match is_same {
                    true => diff.same += 1,
                    false => diff.change.push(Change {
                        before: (*before).clone(),
                        after,
                    }),
                }
            }
        }
    }
    (diff, kept_ids)
}

#[cfg(test)]
mod tests {
    use proto::http::v1::ObjectMeta;

    use super::*;

    /// As the routes of OpenCHAMI's server give them.
    fn document() -> Value {
        json!({
            "cluster-defaults": {"cloud_provider": "openchami", "region": "", "base-url": "http://172.16.0.254:8081/cloud-init",
                "public-keys": ["ssh-ed25519 AAAA a"], "short-name": "nid", "nid-length": 4},
            "groups": {
                "Compute": {"name": "Compute", "description": "all", "meta-data": {"password": "hunter2"}, "versions": {},
                    "file": {"content": "#cloud-config\nurl: http://old/x\n", "filename": "c.yaml", "encoding": ""}},
                "empty": {"name": "empty", "file": {"content": "", "filename": "", "encoding": "plain"}},
            },
            "instance-info": [{"id": "X0c0s00b0n0", "instance-id": "i-1", "local-hostname": "lh"}],
        })
    }

    fn given() -> Objects {
        Objects::read("x.json", &document()).unwrap()
    }

    /// What the cluster says after an import.
    fn stored(work: Work) -> Objects {
        let meta = Some(ObjectMeta::default());
        let defaults = work.defaults.create.into_iter().next();
        Objects {
            defaults: defaults.map(|defaults| ClusterDefaults {
                meta: meta.clone(),
                ..defaults
            }),
            groups: work
                .groups
                .create
                .into_iter()
                .map(|group| Group {
                    meta: meta.clone(),
                    ..group
                })
                .collect(),
            infos: Some(
                work.infos
                    .create
                    .into_iter()
                    .map(|info| InstanceInfo {
                        meta: meta.clone(),
                        ..info
                    })
                    .collect(),
            ),
            refused: Vec::new(),
        }
    }

    fn to_do(work: &Work) -> Vec<(usize, usize, usize)> {
        let counts = |shown: &Shown| (shown.create.len(), shown.change.len(), shown.same);
        work.shown().unwrap().iter().map(counts).collect()
    }

    #[test]
    fn the_same_again_changes_nothing() {
        let first = Work::of(given(), &Objects::default());
        assert_eq!(to_do(&first), [(1, 0, 0), (2, 0, 0), (1, 0, 0)]);
        assert_eq!(
            first.groups.create[0].name, "compute",
            "labels of SMD are lower case"
        );
        assert_eq!(first.infos.create[0].id, "x0c0s0b0n0");
        let ours = stored(first);
        assert_eq!(
            to_do(&Work::of(given(), &ours)),
            [(0, 0, 1), (0, 0, 2), (0, 0, 1)]
        );
    }

    /// What goes out comes in again, and changes nothing.
    #[test]
    fn an_export_is_read_back_as_it_was() {
        let ours = stored(Work::of(given(), &Objects::default()));
        let again = Objects::read("x", &ours.to_json().unwrap()).unwrap();
        assert_eq!(to_do(&Work::of(again, &ours)), [(0, 0, 1), (0, 0, 2), (0, 0, 1)]);
    }

    /// Passwords stand in group files and meta-data; a diff is kept in terminals and logs.
    #[test]
    fn nothing_that_may_be_secret_is_shown() {
        let mut ours = stored(Work::of(given(), &Objects::default()));
        ours.groups[0].meta_data = None;
        ours.groups[0].file = None;
        ours.defaults.as_mut().unwrap().public_keys.clear();
        ours.defaults.as_mut().unwrap().short_name = "n".into();
        let work = Work::of(given(), &ours);
        let shown = work.shown().unwrap();
        assert_eq!(
            shown[0].change[0].1,
            ["public-keys: differs", "short-name: n -> nid"]
        );
        assert_eq!(shown[1].change[0].1, ["file: differs", "meta-data: differs"]);
        assert!(!format!("{shown:?}").contains("hunter2"));
    }

    /// What is empty in the source is nothing that somebody set.
    #[test]
    fn defaults_that_the_source_leaves_empty_stay() {
        let mut ours = stored(Work::of(given(), &Objects::default()));
        ours.defaults.as_mut().unwrap().region = "west".into();
        assert_eq!(to_do(&Work::of(given(), &ours))[0], (0, 0, 1));
    }

    /// What a move changes for one node; its instance-id is no part of it.
    #[test]
    fn the_info_of_a_node_is_compared_field_by_field() {
        let old = given();
        let old = infos_by_node(&old);
        let info = old["x0c0s0b0n0"];
        let ours = InstanceInfo {
            instance_id: "i-2".into(),
            id: "x0c0s0b0n0".into(),
            ..info.clone()
        };
        assert_eq!(info_that_differs(Some(info), Some(&ours)).unwrap(), [""; 0]);
        let other = InstanceInfo {
            local_hostname: "other".into(),
            public_keys: vec!["ssh-ed25519 AAAA".into()],
            ..ours
        };
        let told = info_that_differs(Some(info), Some(&other)).unwrap();
        assert_eq!(told, ["local-hostname: lh -> other", "public-keys: differs"]);
        let gone = info_that_differs(Some(info), None).unwrap();
        assert!(gone[0].starts_with("local-hostname: lh -> "), "{gone:?}");
    }

    /// A node's instance-id never changes: cloud-init would take it for a new machine.
    #[test]
    fn a_node_keeps_the_instance_id_that_it_has() {
        let mut ours = stored(Work::of(given(), &Objects::default()));
        ours.infos.as_mut().unwrap()[0].instance_id = "i-2".into();
        let work = Work::of(given(), &ours);
        assert_eq!((to_do(&work)[2], work.kept_ids), ((0, 0, 1), 1));
    }

    #[test]
    fn what_could_not_be_stored_is_refused_one_by_one() {
        let document = json!({
            "groups": {"a b": {}, "UP": {}, "up": {}, "x\u{1b}": {}},
            "instance-info": [{"id": "x0"}, {"id": "x0c0s0b0n0"}, {"id": "x0c0s0b0n0"}],
        });
        let work = Work::of(Objects::read("x", &document).unwrap(), &Objects::default());
        assert_eq!((work.groups.refused.len(), work.groups.create.len()), (3, 1));
        assert_eq!((work.infos.refused.len(), work.infos.create.len()), (2, 1));
        assert!(
            work.groups
                .refused
                .iter()
                .all(|refused| !refused.id.contains('\u{1b}'))
        );
    }

    /// No system shows what is secret: such a group comes in empty, and the report must say so.
    #[test]
    fn secret_groups_without_their_contents_are_counted() {
        let document = json!({"groups": {
            "munge": {"secret": true, "file": {"filename": "m.yaml", "encoding": "plain"}, "sealed": ["file"]},
            "compute": {"description": "all"},
        }});
        let objects = Objects::read("x", &document).unwrap();
        assert_eq!(Work::of(objects.clone(), &Objects::default()).empty_secrets, 1);
        let ours = stored(Work::of(objects.clone(), &Objects::default()));
        assert_eq!(Work::of(objects, &ours).empty_secrets, 0);
    }

    /// One object that nobody can read must not hide the others.
    #[test]
    fn every_object_that_cannot_be_read_is_told_with_its_field() {
        let document = json!({
            "cluster-defaults": {"nid-length": "4"},
            "groups": {"a": 7, "b": {"file": {"content": 1}}, "c": {}},
            "instance-info": [{"id": "x0c0s0b0n0", "hostname": 7}, {"id": 7}, {"id": "x0c0s1b0n0"}],
        });
        let objects = Objects::read("x", &document).unwrap();
        let error = objects.clone().whole().unwrap_err().to_string();
        let work = Work::of(objects, &Objects::default());
        assert_eq!((work.groups.create.len(), work.infos.create.len()), (1, 1));
        let shown = work.shown().unwrap();
        let refused: Vec<(&str, &str)> = shown
            .iter()
            .flat_map(|part| &part.refused)
            .map(|of| (of.id.as_str(), of.reason.as_str()))
            .collect();
        let ids: Vec<&str> = refused.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, ["cluster-defaults", "a", "b", "x0c0s0b0n0 [0]", "[1]"]);
        for (place, field) in [
            (0, "nid-length: "),
            (2, "file.content: "),
            (3, "hostname: "),
            (4, "id: "),
        ] {
            assert!(refused[place].1.starts_with(field), "{refused:?}");
        }
        for (id, reason) in refused {
            assert!(error.contains(&format!("{id}: {reason}")), "{error}");
        }
    }

    /// The cluster would take the first and refuse the second, when half is stored.
    #[test]
    fn a_host_name_that_two_nodes_are_given_is_refused_before_anything_is_stored() {
        let document = json!({"instance-info": [
            {"id": "x0c0s0b0n0", "local-hostname": "lh"},
            {"id": "x0c0s1b0n0", "local-hostname": "LH"},
        ]});
        let work = Work::of(Objects::read("x", &document).unwrap(), &Objects::default());
        assert_eq!((work.infos.create.len(), work.infos.refused.len()), (1, 1));
        assert!(work.infos.refused[0].reason.contains("that of x0c0s0b0n0"));
    }

    #[test]
    fn what_is_no_cloud_init_data_says_what_is_accepted() {
        for (document, problem) in [
            (json!([]), "none of the keys"),
            (json!({"a": 1}), "none of the keys"),
            (json!({"groups": 7}), "groups: it is no list"),
            (json!({"instance-info": {}}), "instance-info: it is no list"),
        ] {
            let error = Objects::read("x.json", &document).unwrap_err().to_string();
            assert!(
                error.contains(problem) && error.contains("x.json"),
                "{problem}\n{error}"
            );
        }
        assert!(
            Objects::read("x", &json!({"groups": null}))
                .unwrap()
                .groups
                .is_empty()
        );
    }

    #[test]
    fn base_urls_are_rewritten_and_hosts_in_files_are_told() {
        let mut hosts = Hosts::default();
        let rules = [
            "172.16.0.254=10.97.0.1".parse().unwrap(),
            "old=new".parse().unwrap(),
        ];
        let objects = given().rewritten(&rules, &mut hosts);
        assert_eq!(
            objects.defaults.unwrap().base_url,
            "http://10.97.0.1:8081/cloud-init"
        );
        assert_eq!(
            hosts.to_json(),
            json!([{"field": "file", "host": "old", "times": 1}])
        );
        let file = objects
            .groups
            .iter()
            .find_map(|group| group.file.as_ref())
            .unwrap();
        assert!(
            file.content.contains("http://old/x"),
            "files are left as they are"
        );
    }
}
