//! A node's documents, rendered from one state. What the node is served and what an administrator is shown of it
//! come from here alike, byte for byte.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use model::{BootContext, MacAddr, Xname};
use proto::cloud_init::v1::{ClusterDefaults, Group, InstanceInfo, Profile};
use proto::google::api::HttpBody;
use proto::smd::v1::Component;
use rpc::Error;
use serde_yaml_ng::Value;
use state::State;
use state::cloud_init::{file_bytes, instance_secret, variant_of_group};

use crate::meta_data::NodeFacts;
use crate::secrets::Opened;
use crate::{group_data, meta_data, network_config, user_data, vendor_data};

const YAML: &str = "application/x-yaml";
const CLOUD_CONFIG: &str = "text/cloud-config";
/// Key that stands in the meta-data in the place of what is secret and not shown.
const WITHHELD: &str = "withheld";
const TEXT: &str = "text/plain; charset=utf-8";

/// A node, and what its documents are rendered from.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// Decides everything below.
    pub(crate) state: &'a State,
    /// The node.
    pub(crate) xname: &'a Xname,
    /// Its component.
    pub(crate) component: &'a Component,
    /// MAC of the interface that it boots from.
    pub(crate) mac: Option<MacAddr>,
    /// Address that it asks from.
    pub(crate) address: Option<IpAddr>,
    /// `http://<service address>:<port>/cloud-init` of the network that it is on.
    pub(crate) service_url: String,
    /// The boot that asks; without one, URLs carry no context.
    pub(crate) boot_id: Option<u64>,
    /// The profile that applies to the node.
    pub(crate) profile: Option<Arc<Profile>>,
    /// What is secret, as far as it is open to who asks.
    pub(crate) opened: Opened,
}

/// A group as a node is shown it.
enum Shown<'a> {
    /// Of its profile.
    Variant(&'a Group),
    /// As it is set, or opened.
    Whole(Arc<Group>),
}

impl Deref for Shown<'_> {
    type Target = Group;

    fn deref(&self) -> &Group {
        match self {
            Shown::Variant(group) => group,
            Shown::Whole(group) => group,
        }
    }
}

impl View<'_> {
    /// NoCloud's `network-config`; `None` if the node has no Ethernet interface.
    pub(crate) fn network_config(&self) -> Option<HttpBody> {
        let nics = network_config::nics(self.state, self.xname, self.mac?);
        Some(body(YAML, network_config::render(&nics)))
    }

    /// NoCloud's `meta-data`.
    pub(crate) fn meta_data(&self, instance_id: &str) -> Result<HttpBody, Error> {
        let (defaults, info) = self.effective();
        let base_url = self.base_url(&defaults, &info);
        let instance = self.opened.instance.as_ref().or(info.meta_data.as_ref());
        let instance = instance.into_iter().flat_map(group_data::fields_of);
        let is_sealed = self.state.cluster.secret(&instance_secret(self.xname)).is_some();
        let is_withheld = info.secret && is_sealed && self.opened.instance.is_none();
        let facts = NodeFacts {
            xname: self.xname,
            nid: self.component.nid,
            role: &self.component.role,
            sub_role: &self.component.sub_role,
            instance_id,
            local_hostname: &self.state.hostname(self.xname),
            address: self.address,
            cluster_name: self.state.cluster_name(),
            base_url: &base_url,
            info: &info,
            defaults: &defaults,
            groups: self.labels().map(|label| self.shown(label)).collect(),
            instance: instance.chain(self.withheld(is_withheld)).collect(),
        };
        Ok(body(YAML, yaml(meta_data::render(&facts))?))
    }

    /// NoCloud's `user-data`.
    pub(crate) fn user_data(&self) -> HttpBody {
        body(CLOUD_CONFIG, user_data::render().to_owned())
    }

    /// NoCloud's `vendor-data`: where to phone home, and the files of the node's groups; secret ones only below a token, and
    /// only at the service address, whatever else URLs begin with.
    pub(crate) fn vendor_data(&self) -> Result<HttpBody, Error> {
        let (defaults, info) = self.effective();
        let base = self.boot_url(&self.base_url(&defaults, &info));
        let token = self.opened.token.as_ref();
        let below_token = token.map(|token| format!("{}/t/{token}", self.boot_url(&self.service_url)));
        let url = |label: &str| {
            let group = self.group(label).filter(|group| group.file.is_some())?;
            let base = match group.secret {
                true => below_token.as_ref()?,
                false => &base,
            };
            Some(format!("{base}/{label}.yaml"))
        };
        let files: Vec<String> = self.labels().filter_map(url).collect();
        let phone_home = format!("{base}/phone-home/{}", self.xname);
        let text = yaml(vendor_data::render(&phone_home, &files))?;
        Ok(body(if files.is_empty() { CLOUD_CONFIG } else { TEXT }, text))
    }

    /// The file of a group that the node is a member of; `None` if it is no member, or there is no file.
    pub(crate) fn group_data(&self, label: &str) -> Option<HttpBody> {
        if !self.is_member_of(label) {
            return None;
        }
        let group = self.group(label)?;
        if group.secret && !self.opened.groups.contains_key(label) {
            return None;
        }
        let data = file_bytes(group.file.as_ref()?)?;
        let content_type = match data.starts_with(b"#cloud-config") {
            true => CLOUD_CONFIG,
            false => TEXT,
        };
        Some(HttpBody {
            content_type: content_type.to_owned(),
            data,
            extensions: Vec::new(),
        })
    }

    /// Labels of the node's groups that have a file for it, secret ones among them.
    pub(crate) fn with_file(&self) -> impl Iterator<Item = &str> {
        let has_file = |label: &&str| self.group(label).is_some_and(|group| group.file.is_some());
        self.labels().filter(has_file)
    }

    /// Whether SMD has the node in the group.
    pub(crate) fn is_member_of(&self, label: &str) -> bool {
        self.labels().any(|member_of| member_of == label)
    }

    /// Whether the node's variant of the group is secret.
    pub(crate) fn is_secret(&self, label: &str) -> bool {
        self.group(label).is_some_and(|group| group.secret)
    }

    /// A group in the meta-data.
    fn shown(&self, label: &str) -> (String, BTreeMap<String, Value>) {
        let group = self.group(label);
        let is_withheld = group.as_ref().is_some_and(|group| has_sealed_meta_data(group))
            && !self.opened.groups.contains_key(label);
        let (label, mut fields) = group_data::shown(label, group.as_deref());
        fields.extend(self.withheld(is_withheld));
        (label, fields)
    }

    /// What stands in the place of a part that is secret and not shown.
    fn withheld(&self, is_withheld: bool) -> Option<(String, Value)> {
        let why = self.opened.withheld.as_deref().filter(|_| is_withheld)?;
        Some((WITHHELD.to_owned(), Value::from(why)))
    }

    /// What a group gives this node: the profile's variant, what is opened of a secret one, or what is set.
    fn group(&self, label: &str) -> Option<Shown<'_>> {
        let profile = self.profile.as_ref();
        if let Some(variant) = profile.and_then(|profile| variant_of_group(profile, label)) {
            return Some(Shown::Variant(variant));
        }
        let opened = self.opened.groups.get(label).cloned();
        opened
            .or_else(|| self.state.cloud_init.group(label))
            .map(Shown::Whole)
    }

    fn effective(&self) -> (Arc<ClusterDefaults>, Arc<InstanceInfo>) {
        self.state
            .cloud_init
            .effective(self.xname, self.profile.as_deref())
    }

    fn labels(&self) -> impl Iterator<Item = &str> {
        self.state.smd.group_labels_of(self.xname)
    }

    /// What the URLs in the documents begin with: the node's own, the cluster's, or the service address.
    fn base_url(&self, defaults: &ClusterDefaults, info: &InstanceInfo) -> String {
        let set = [&info.cloud_init_base_url, &defaults.base_url];
        let set = set.into_iter().find(|url| !url.is_empty());
        set.unwrap_or(&self.service_url).trim_end_matches('/').to_owned()
    }

    /// The base URL with the boot's context, so that what is fetched from it is never older than this document.
    fn boot_url(&self, base: &str) -> String {
        match self.boot_id {
            Some(boot_id) => {
                let revision = self.state.applied_index();
                format!("{base}/b/{}", BootContext { revision, boot_id })
            }
            None => base.to_owned(),
        }
    }
}

fn has_sealed_meta_data(group: &Group) -> bool {
    group.secret && group.sealed.iter().any(|part| part == "meta-data")
}

/// The group that `<group>.yaml` names.
///
/// # Errors
/// `NotFound` for any other document: nothing else is served below `/cloud-init/`.
pub(crate) fn label_of(file: &str) -> Result<&str, Error> {
    file.strip_suffix(".yaml")
        .filter(|label| !label.is_empty())
        .ok_or_else(|| Error::NotFound {
            kind: "document".to_owned(),
            id: format!(
                "{file}; there are network-config, meta-data, user-data, vendor-data and <group>.yaml"
            ),
        })
}

/// What a member of a group without a file is given.
pub(crate) fn no_settings() -> HttpBody {
    body(CLOUD_CONFIG, user_data::render().to_owned())
}

/// The answer for a secret file to whoever holds no token.
pub(crate) fn is_secret(label: &str) -> Error {
    Error::Denied {
        reason: format!(
            "{label}.yaml is secret: a node is given it below the token of its boot, which is in the ds= of its boot script"
        ),
    }
}

/// The answer for a group that the node is not in, said after a read index only.
pub(crate) fn not_a_member(xname: &Xname, label: &str) -> Error {
    Error::NotFound {
        kind: format!("group of {xname}"),
        id: format!("{label}; SMD's groups say who is a member"),
    }
}

fn body(content_type: &str, text: String) -> HttpBody {
    HttpBody {
        content_type: content_type.to_owned(),
        data: text.into_bytes(),
        extensions: Vec::new(),
    }
}

fn yaml(rendered: serde_yaml_ng::Result<String>) -> Result<String, Error> {
    rendered.map_err(|error| Error::Internal(format!("the document could not be written as YAML: {error}")))
}
