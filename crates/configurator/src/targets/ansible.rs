//! Ansible's inventory as YAML: nodes with what is known of them, groups of SMD, roles and partitions.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::quoting::yaml;
use crate::{Error, File, Node, OptionSpec, Options, Target, View, header};

const NAME: &str = "ansible";
/// Groups that Ansible has itself.
const RESERVED: [&str; 2] = ["all", "ungrouped"];

pub(crate) const TARGET: Target = Target {
    name: NAME,
    summary: "Ansible's inventory: nodes with address, xname, NID and role; groups, roles and partitions",
    reads: super::NAMES_AND_PARTITIONS,
    options: &[
        OptionSpec {
            name: "user",
            meaning: "ansible_user of all nodes; default: none",
        },
        OptionSpec {
            name: "by-name",
            meaning: "true: nodes are reached by their names, not by their addresses; default: false",
        },
    ],
    // without the variable a file that cannot be read is a warning
    checks: &[crate::Check {
        path: "",
        program: "env",
        args: &[
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=true",
            "ansible-inventory",
            "-i",
            "{file}",
            "--list",
        ],
    }],
    render,
};

/// What a group is called in the state, and the names of its nodes.
struct Members<'a> {
    of: String,
    names: Vec<&'a str>,
}

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let by_name = options.flag("by-name")?;
    let mut body = header("#", view, &format!("target {NAME}"));
    body.push_str("all:\n");
    if let Some(user) = options.get("user") {
        let _ = writeln!(body, "  vars:\n    ansible_user: {}", text(user));
    }
    body.push_str(if view.nodes.is_empty() {
        "  hosts: {}\n"
    } else {
        "  hosts:\n"
    });
    for node in &view.nodes {
        host(&mut body, node, by_name);
    }
    let groups = groups(view)?;
    body.push_str(if groups.is_empty() {
        "  children: {}\n"
    } else {
        "  children:\n"
    });
    for (group, members) in groups {
        let _ = writeln!(body, "    {}:", yaml(&group));
        body.push_str(if members.names.is_empty() {
            "      hosts: {}\n"
        } else {
            "      hosts:\n"
        });
        for name in members.names {
            let _ = writeln!(body, "        {}: {{}}", yaml(name));
        }
    }
    Ok(vec![File::new("ansible/inventory.yml", body)])
}

fn host(body: &mut String, node: &Node, by_name: bool) {
    let _ = writeln!(body, "    {}:", yaml(&node.name));
    let mut var = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(body, "      {name}: {}", text(value));
        }
    };
    let address = node.address().filter(|_| !by_name);
    var(
        "ansible_host",
        &address.map_or_else(String::new, |address| address.to_string()),
    );
    var("xname", &node.xname);
    var("role", &node.role);
    var("sub_role", &node.sub_role);
    var("arch", &node.arch);
    var("class", &node.class);
    var("bmc", node.bmc.as_deref().unwrap_or_default());
    var(
        "mac",
        node.boot_interface().map_or("", |interface| &interface.mac),
    );
    if let Some(nid) = node.nid {
        let _ = writeln!(body, "      nid: {nid}");
    }
    let _ = writeln!(body, "      enabled: {}", node.enabled);
}

/// Ansible takes the texts of variables for templates and would run what the inventory says: what looks like one is marked.
fn text(value: &str) -> String {
    match ["{{", "{%", "{#"].iter().any(|opening| value.contains(opening)) {
        true => format!("!unsafe {}", yaml(value)),
        false => yaml(value),
    }
}

/// By the name that Ansible takes.
fn groups(view: &View) -> Result<BTreeMap<String, Members<'_>>, Error> {
    let mut groups: BTreeMap<String, Members<'_>> = BTreeMap::new();
    let mut put = |prefix: &str, label: &str, names: Vec<_>| {
        let name = group_name(prefix, label);
        let of = format!("{prefix}{label}");
        match groups.insert(
            name.clone(),
            Members {
                of: of.clone(),
                names,
            },
        ) {
            Some(other) if other.of != of => {
                let problem = format!(
                    "{:?} and {of:?} would both be the group {name}: Ansible's groups have letters, digits and _",
                    other.of
                );
                Err(Error::not_possible(NAME, problem))
            }
            Some(_) | None => Ok(()),
        }
    };
    for group in &view.groups {
        put(
            "",
            &group.label,
            group.member_names.iter().map(String::as_str).collect(),
        )?;
    }
    for partition in &view.partitions {
        let names = partition.member_names.iter().map(String::as_str);
        put("partition_", &partition.label, names.collect())?;
    }
    for (prefix, of) in [
        ("role_", (|node| &node.role) as fn(&Node) -> &String),
        ("sub_role_", |node| &node.sub_role),
    ] {
        for (role, names) in by(view, of) {
            put(prefix, role, names)?;
        }
    }
    Ok(groups)
}

fn by(view: &View, of: fn(&Node) -> &String) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in view.nodes.iter().filter(|node| !of(node).is_empty()) {
        groups.entry(of(node)).or_default().push(&node.name);
    }
    groups
}

/// Letters, digits and `_`, none of Ansible's own: `login-nodes` is `login_nodes`, `all` is `group_all`.
fn group_name(prefix: &str, label: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = prefix.chars().chain(label.chars()).map(letter).collect();
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    match begins_well && !RESERVED.contains(&name.as_str()) {
        true => name,
        false => format!("group_{name}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_yaml_ng::Value;

    use super::*;
    use crate::testing::*;

    #[test]
    fn nodes_have_variables_and_groups_have_nodes() {
        assert_eq!(
            body("ansible", &small(), &[("user", "root")]),
            r#"# chamois: cluster demo, revision 42, target ansible; written by a program, changes are lost
all:
  vars:
    ansible_user: "root"
  hosts:
    "de0001":
      ansible_host: "10.97.2.1"
      xname: "x1000c0s0b0n0"
      role: "Compute"
      arch: "X86"
      class: "River"
      bmc: "x1000c0s0b0"
      mac: "02:00:00:00:00:a1"
      nid: 1
      enabled: true
    "login1":
      xname: "x1000c0s0b1n0"
      role: "Application"
      arch: "X86"
      class: "River"
      nid: 3
      enabled: true
    "de0002":
      ansible_host: "10.97.2.2"
      xname: "x1000c0s10b0n0"
      role: "Compute"
      arch: "X86"
      class: "River"
      bmc: "x1000c0s10b0"
      mac: "02:00:00:00:00:a2"
      nid: 2
      enabled: true
  children:
    "blue":
      hosts:
        "de0001": {}
        "de0002": {}
    "login_nodes":
      hosts:
        "login1": {}
    "partition_p1":
      hosts:
        "de0001": {}
    "role_Application":
      hosts:
        "login1": {}
    "role_Compute":
      hosts:
        "de0001": {}
        "de0002": {}
"#
        );
    }

    #[test]
    fn names_of_groups_are_made_fit() {
        for (label, name) in [
            ("all", "group_all"),
            ("ungrouped", "group_ungrouped"),
            ("7up", "group_7up"),
            ("a.b:c-d", "a_b_c_d"),
            ("é\n", "__"),
            ("", "group_"),
        ] {
            assert_eq!(group_name("", label), name, "{label:?}");
        }
        assert_eq!(group_name("role_", "7up"), "role_7up");
    }

    /// A role that somebody may set must not run a program where the inventory is read.
    #[test]
    fn what_looks_like_a_template_is_none() {
        let mut inventory = small_inventory();
        for role in ["{{ lookup('pipe', 'id') }}", "{% x %}", "{# x #}"] {
            put_node(&mut inventory, "x1000c0s0b0n0", Some(1), role);
            let text = body("ansible", &View::of(&inventory), &[]);
            assert!(text.contains(&format!("role: !unsafe \"{role}\"\n")), "{text}");
        }
    }

    #[test]
    fn two_groups_of_one_name_are_refused_with_both() {
        let mut inventory = small_inventory();
        put_group(&mut inventory, "login.nodes", &[]);
        let refused = files("ansible", &View::of(&inventory), &[])
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("\"login-nodes\" and \"login.nodes\" would both be the group login_nodes"),
            "{refused}"
        );
    }

    #[test]
    fn free_text_stays_text() {
        let mut inventory = small_inventory();
        put_node(
            &mut inventory,
            "x1000c0s0b0n0",
            Some(1),
            "\"{{ lookup('pipe', 'id') }}\" # no",
        );
        let view = View::of(&inventory);
        let read: Value = serde_yaml_ng::from_str(&body("ansible", &view, &[])).unwrap();
        let role = read["all"]["hosts"]["de0001"]["role"].as_str();
        assert_eq!(role, Some("\"{{ lookup('pipe', 'id') }}\" # no"));
        let empty: Value = serde_yaml_ng::from_str(&body("ansible", &View::default(), &[])).unwrap();
        assert!(empty["all"]["hosts"].as_mapping().unwrap().is_empty());
    }
}
