//! What can be declared: each kind with the methods that read and write it. A new kind is a row of the table.

use model::{Xname, nearest};
use openapi::Catalogue;
use prost_reflect::MessageDescriptor;
use serde_json::{Map, Value, json};

use crate::error::{CliError, Kind as Class};

/// A kind of object.
#[derive(Debug)]
pub(super) struct Kind {
    /// As documents name it.
    pub(super) name: &'static str,
    /// Full name of the message that `spec` is.
    pub(super) message: &'static str,
    /// What `metadata.name` is of it.
    pub(super) key: Key,
    /// Fields that the cluster gives, or that are not for a file, by their names in JSON: never shown, and refused.
    pub(super) given: &'static [&'static str],
    /// Method that lists all of them, and the field of its answer.
    pub(super) list: (&'static str, &'static str),
    /// Method that shows one whole, and the field that names it, where lists leave something out.
    pub(super) one: Option<(&'static str, &'static str)>,
    /// How one is written.
    pub(super) write: Write,
    /// How one is deleted.
    pub(super) delete: Delete,
}

/// Where the name of an object is in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// In this field, by its name in JSON.
    Field(&'static str),
    /// In this field, and it is an xname.
    Xname(&'static str),
    /// In this field, in lower case.
    Lower(&'static str),
    /// BSS's key: a host, a MAC or `nid<N>`.
    Boot,
    /// There is one only, called so.
    Only(&'static str),
}

/// How objects of a kind are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// One request replaces the whole object, or makes it.
    Put {
        method: &'static str,
        /// Field that names it, beside the object.
        name: Option<&'static str>,
        /// Field that the object is.
        body: &'static str,
        /// Whether the method takes the revision that was seen.
        conditional: bool,
    },
    /// SMD's components: `written.rs` knows.
    Components,
    /// SMD's groups.
    Groups,
    /// Boot parameters, all in one request.
    BootParameters,
    /// The cluster's defaults of cloud-init.
    Defaults,
}

/// The method that deletes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delete {
    pub(super) method: &'static str,
    /// Field that names it; empty: none, or the object itself.
    pub(super) name: &'static str,
    /// Whether the method takes the revision that was seen.
    pub(super) conditional: bool,
}

const fn put(
    method: &'static str,
    name: Option<&'static str>,
    body: &'static str,
    conditional: bool,
) -> Write {
    Write::Put {
        method,
        name,
        body,
        conditional,
    }
}

const fn delete(method: &'static str, name: &'static str, conditional: bool) -> Delete {
    Delete {
        method,
        name,
        conditional,
    }
}

/// In the order in which they are made: what others name comes first. They are deleted the other way round.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "Role",
        message: "chamois.auth.v1.Role",
        key: Key::Field("name"),
        given: &["meta"],
        list: ("chamois.auth.v1.PolicyService.ListRoles", "roles"),
        one: None,
        write: put("chamois.auth.v1.PolicyService.PutRole", None, "role", false),
        delete: delete("chamois.auth.v1.PolicyService.DeleteRole", "name", false),
    },
    Kind {
        name: "Component",
        message: "chamois.smd.v1.Component",
        key: Key::Xname("ID"),
        given: &["Type", "meta", "Locked", "ReservationDisabled"],
        list: ("chamois.smd.v1.ComponentService.ListComponents", "Components"),
        one: None,
        write: Write::Components,
        delete: delete("chamois.smd.v1.ComponentService.DeleteComponent", "id", true),
    },
    Kind {
        name: "Group",
        message: "chamois.smd.v1.Group",
        key: Key::Lower("label"),
        given: &["meta"],
        list: ("chamois.smd.v1.GroupService.ListGroups", "groups"),
        one: None,
        write: Write::Groups,
        delete: delete("chamois.smd.v1.GroupService.DeleteGroup", "label", true),
    },
    Kind {
        name: "Subnet",
        message: "chamois.dhcp.v1.Subnet",
        key: Key::Field("network"),
        given: &["meta", "longestLeaseTimeS"],
        list: ("chamois.dhcp.v1.SubnetService.ListSubnets", "subnets"),
        one: None,
        write: put("chamois.dhcp.v1.SubnetService.PutSubnet", None, "subnet", false),
        delete: delete("chamois.dhcp.v1.SubnetService.DeleteSubnet", "network", false),
    },
    Kind {
        name: "DhcpPolicy",
        message: "chamois.dhcp.v1.DhcpPolicy",
        key: Key::Field("name"),
        given: &["meta"],
        list: ("chamois.dhcp.v1.DhcpPolicyService.ListDhcpPolicies", "policies"),
        one: None,
        write: put(
            "chamois.dhcp.v1.DhcpPolicyService.PutDhcpPolicy",
            None,
            "policy",
            false,
        ),
        delete: delete(
            "chamois.dhcp.v1.DhcpPolicyService.DeleteDhcpPolicy",
            "name",
            false,
        ),
    },
    Kind {
        name: "CloudInitDefaults",
        message: "chamois.cloud_init.v1.ClusterDefaults",
        key: Key::Only("cluster"),
        given: &["meta"],
        list: (
            "chamois.cloud_init.v1.ClusterDefaultsService.GetClusterDefaults",
            "",
        ),
        one: None,
        write: Write::Defaults,
        delete: delete(
            "chamois.cloud_init.v1.ClusterDefaultsService.DeleteClusterDefaults",
            "",
            true,
        ),
    },
    Kind {
        name: "CloudInitGroup",
        message: "chamois.cloud_init.v1.Group",
        key: Key::Lower("name"),
        given: &["meta", "sealed", "secret"],
        list: ("chamois.cloud_init.v1.GroupService.ListGroups", "groups"),
        one: None,
        write: put(
            "chamois.cloud_init.v1.GroupService.PutGroup",
            Some("name"),
            "group",
            true,
        ),
        delete: delete("chamois.cloud_init.v1.GroupService.DeleteGroup", "name", true),
    },
    Kind {
        name: "InstanceInfo",
        message: "chamois.cloud_init.v1.InstanceInfo",
        key: Key::Xname("id"),
        given: &["meta", "instance-id", "secret"],
        list: (
            "chamois.cloud_init.v1.InstanceInfoService.ListInstanceInfo",
            "items",
        ),
        one: None,
        write: put(
            "chamois.cloud_init.v1.InstanceInfoService.PutInstanceInfo",
            Some("id"),
            "info",
            true,
        ),
        delete: delete(
            "chamois.cloud_init.v1.InstanceInfoService.DeleteInstanceInfo",
            "id",
            true,
        ),
    },
    Kind {
        name: "BootParameters",
        message: "chamois.bss.v1.BootParameters",
        key: Key::Boot,
        given: &["meta", "ifRevision", "hosts", "macs", "nids"],
        list: ("chamois.bss.v1.BootParametersService.ListBootParameters", "items"),
        one: None,
        write: Write::BootParameters,
        delete: delete(
            "chamois.bss.v1.BootParametersService.DeleteBootParameters",
            "",
            true,
        ),
    },
    Kind {
        name: "BootConfiguration",
        message: "chamois.bss.v1.BootConfiguration",
        key: Key::Field("name"),
        given: &["meta"],
        list: (
            "chamois.bss.v1.BootConfigurationService.ListBootConfigurations",
            "configurations",
        ),
        one: None,
        write: put(
            "chamois.bss.v1.BootConfigurationService.ReplaceBootConfiguration",
            Some("name"),
            "configuration",
            true,
        ),
        delete: delete(
            "chamois.bss.v1.BootConfigurationService.DeleteBootConfiguration",
            "name",
            true,
        ),
    },
    Kind {
        name: "Profile",
        message: "chamois.cloud_init.v1.Profile",
        key: Key::Lower("name"),
        given: &["meta", "expiresAtMs", "expiresAt"],
        list: ("chamois.cloud_init.v1.ProfileService.ListProfiles", "profiles"),
        one: None,
        write: put(
            "chamois.cloud_init.v1.ProfileService.PutProfile",
            Some("name"),
            "profile",
            true,
        ),
        delete: delete("chamois.cloud_init.v1.ProfileService.DeleteProfile", "name", true),
    },
    Kind {
        name: "Template",
        message: "chamois.configurator.v1.Template",
        key: Key::Field("name"),
        given: &["meta", "secrets"],
        list: (
            "chamois.configurator.v1.TemplateService.ListTemplates",
            "templates",
        ),
        one: Some(("chamois.configurator.v1.TemplateService.GetTemplate", "name")),
        write: put(
            "chamois.configurator.v1.TemplateService.PutTemplate",
            None,
            "template",
            true,
        ),
        delete: delete(
            "chamois.configurator.v1.TemplateService.DeleteTemplate",
            "name",
            true,
        ),
    },
    Kind {
        name: "Policy",
        message: "chamois.auth.v1.Policy",
        key: Key::Field("name"),
        given: &["meta"],
        list: ("chamois.auth.v1.PolicyService.ListPolicies", "policies"),
        one: None,
        write: put("chamois.auth.v1.PolicyService.PutPolicy", None, "policy", false),
        delete: delete("chamois.auth.v1.PolicyService.DeletePolicy", "name", false),
    },
];

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kind {}

/// The kind that is called so: `BootConfiguration`, `boot-configuration`, `bootconfigurations`.
///
/// # Errors
/// `Usage` naming the nearest, or all.
pub(super) fn find(name: &str) -> Result<&'static Kind, CliError> {
    let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
    let wanted = plain(name);
    let singular = wanted.strip_suffix("ies").map(|stem| format!("{stem}y"));
    let singular = singular.or_else(|| wanted.strip_suffix('s').map(str::to_owned));
    let is_it = |kind: &&Kind| {
        let own = plain(kind.name);
        own == wanted || singular.as_ref() == Some(&own)
    };
    KINDS.iter().find(is_it).ok_or_else(|| {
        let error = CliError::new(Class::Usage, format!("there is no kind {name}"));
        let names = || KINDS.iter().map(|kind| kind.name);
        error.with_remedy(match nearest(name, names()) {
            Some(meant) => format!("Is it {meant}?"),
            None => format!("Kinds are {}.", names().collect::<Vec<_>>().join(", ")),
        })
    })
}

impl Kind {
    /// What `spec` is.
    ///
    /// # Errors
    /// When this version has no such message.
    pub(super) fn descriptor(&self, catalogue: &Catalogue) -> Result<MessageDescriptor, CliError> {
        let found = catalogue.pool().get_message_by_name(self.message);
        found.ok_or_else(|| CliError::other("cannot read the API's own description", self.message))
    }

    /// Where it stands in the order of making.
    pub(super) fn rank(&self) -> usize {
        KINDS.iter().position(|kind| kind == self).unwrap_or(KINDS.len())
    }

    /// Whether errors of the cluster call objects of this kind by `word`.
    pub(super) fn is_called(&self, word: &str) -> bool {
        let name = match word {
            "role" => "Role",
            "policy" => "Policy",
            "component" => "Component",
            "group" => "Group",
            "subnet" => "Subnet",
            "profile" => "Profile",
            "instance-info" => "InstanceInfo",
            _ => return false,
        };
        self.name == name
    }

    /// The name as the cluster writes it.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub(super) fn canonical(&self, name: &str) -> Result<String, String> {
        match self.key {
            Key::Field(_) => Ok(name.to_owned()),
            Key::Lower(_) => Ok(name.to_ascii_lowercase()),
            Key::Xname(_) => match name.parse::<Xname>() {
                Ok(xname) => Ok(xname.to_string()),
                Err(problem) => Err(problem.to_string()),
            },
            Key::Boot if is_mac(name) => Ok(name.to_ascii_lowercase()),
            Key::Boot => Ok(name
                .parse::<Xname>()
                .map_or_else(|_no_xname| name.to_owned(), |xname| xname.to_string())),
            Key::Only(only) if name == only => Ok(only.to_owned()),
            Key::Only(only) => Err(format!("there is one only, and it is called {only}")),
        }
    }

    /// The name of a stored object; `None`: it is none that can be declared.
    pub(super) fn name_of(&self, object: &Map<String, Value>) -> Option<String> {
        let text = |field: &str| object.get(field)?.as_str().map(str::to_owned);
        let first = |field: &str| object.get(field)?.as_array()?.first().cloned();
        match self.key {
            Key::Field(field) | Key::Xname(field) | Key::Lower(field) => text(field),
            Key::Only(only) => Some(only.to_owned()),
            Key::Boot => first("hosts")
                .or_else(|| first("macs"))
                .and_then(|host| host.as_str().map(str::to_owned))
                .or_else(|| first("nids").map(|nid| format!("nid{nid}"))),
        }
    }

    /// Writes the name into an object that is sent.
    pub(super) fn put_name(&self, name: &str, object: &mut Map<String, Value>) {
        match self.key {
            Key::Field(field) | Key::Xname(field) | Key::Lower(field) => {
                object.insert(field.to_owned(), json!(name));
            }
            Key::Only(_) => {}
            Key::Boot => {
                let nid = name.strip_prefix("nid").and_then(|nid| nid.parse::<u64>().ok());
                let (field, value) = match nid {
                    Some(nid) => ("nids", json!([nid])),
                    None if is_mac(name) => ("macs", json!([name])),
                    None => ("hosts", json!([name])),
                };
                object.insert(field.to_owned(), value);
            }
        }
    }

    /// The field that has the name; it is not part of `spec`.
    pub(super) fn key_field(&self) -> Option<&'static str> {
        match self.key {
            Key::Field(field) | Key::Xname(field) | Key::Lower(field) => Some(field),
            Key::Boot | Key::Only(_) => None,
        }
    }
}

fn is_mac(name: &str) -> bool {
    let parts: Vec<&str> = name.split(':').collect();
    parts.len() == 6
        && parts
            .iter()
            .all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
