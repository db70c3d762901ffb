//! ClusterShell's `groups.d/*.yaml`: SMD's groups, roles, subroles and partitions as sources of groups, folded.

use std::collections::BTreeMap;
use std::fmt::Write;

use model::fold_names;

use crate::quoting::yaml;
use crate::{Error, File, Group, Node, OptionSpec, Options, Target, View, header};

const NAME: &str = "clustershell";
/// The group that `@*` means.
const ALL: &str = "all";

pub(crate) const TARGET: Target = Target {
    name: NAME,
    summary: "ClusterShell's groups.d: groups, roles and partitions, folded",
    reads: super::NAMES_AND_PARTITIONS,
    options: &[OptionSpec {
        name: "source",
        meaning: "source that SMD's groups are in, as in `@chamois:blue`; default: chamois",
    }],
    checks: &[],
    render,
};

/// Names of nodes by group.
type Groups<'a> = BTreeMap<&'a str, Vec<&'a str>>;

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let source = options.or("source", "chamois");
    check("the source", source)?;
    let mut body = header("#", view, &format!("target {NAME}"));
    let mut groups = members(&view.groups);
    let all = view.nodes.iter().map(|node| node.name.as_str());
    groups.insert(ALL, all.collect());
    put(&mut body, source, &groups)?;
    put(&mut body, "role", &by(view, |node| &node.role))?;
    put(&mut body, "subrole", &by(view, |node| &node.sub_role))?;
    put(&mut body, "partition", &members(&view.partitions))?;
    Ok(vec![File::new("clustershell/chamois.yaml", body)])
}

fn members(groups: &[Group]) -> Groups<'_> {
    let pairs = groups.iter().map(|group| {
        let names = group.member_names.iter().map(String::as_str);
        (group.label.as_str(), names.collect())
    });
    pairs.collect()
}

fn by(view: &View, of: fn(&Node) -> &String) -> Groups<'_> {
    let mut groups = Groups::new();
    for node in view.nodes.iter().filter(|node| !of(node).is_empty()) {
        groups.entry(of(node)).or_default().push(&node.name);
    }
    groups
}

/// A source without groups is left out: ClusterShell takes an empty one for an error.
fn put(body: &mut String, source: &str, groups: &Groups<'_>) -> Result<(), Error> {
    if groups.is_empty() {
        return Ok(());
    }
    let _ = writeln!(body, "{source}:");
    for (label, names) in groups {
        check("the group", label)?;
        let _ = writeln!(body, "  {}: {}", yaml(label), yaml(&fold_names(names)));
    }
    Ok(())
}

/// Signs of the nodeset's own syntax would end the name where it is used.
fn check(what: &str, name: &str) -> Result<(), Error> {
    let accepted = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if name.is_empty() || !name.chars().all(accepted) {
        let problem = format!(
            "{what} {name:?} cannot be written in a nodeset; ClusterShell takes letters, digits and -_.:"
        );
        return Err(Error::not_possible(NAME, problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::View;
    use crate::testing::*;

    #[test]
    fn groups_roles_and_partitions_are_sources_of_folded_groups() {
        assert_eq!(
            body("clustershell", &small(), &[]),
            "# chamois: cluster demo, revision 42, target clustershell; written by a program, changes are lost\n\
             chamois:\n  \
               \"all\": \"de[0001-0002],login1\"\n  \
               \"blue\": \"de[0001-0002]\"\n  \
               \"login-nodes\": \"login1\"\n\
             role:\n  \
               \"Application\": \"login1\"\n  \
               \"Compute\": \"de[0001-0002]\"\n\
             partition:\n  \
               \"p1\": \"de0001\"\n"
        );
    }

    #[test]
    fn it_is_yaml_of_texts() {
        let text = body("clustershell", &small(), &[("source", "hpc")]);
        let read: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
        assert_eq!(read["hpc"]["blue"].as_str(), Some("de[0001-0002]"));
    }

    #[test]
    fn a_name_that_no_nodeset_can_say_is_refused_with_it() {
        let mut inventory = small_inventory();
        put_node(&mut inventory, "x1c0s0b0n0", Some(9), "a,b");
        let refused = files("clustershell", &View::of(&inventory), &[]).unwrap_err();
        assert!(
            refused
                .to_string()
                .starts_with("target clustershell: the group \"a,b\" cannot"),
            "{refused}"
        );
        assert!(files("clustershell", &small(), &[("source", "a b")]).is_err());
    }
}
