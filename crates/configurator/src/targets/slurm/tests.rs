use super::*;
use crate::{Group, REVISION};

fn node(xname: &str, name: &str) -> Node {
    Node {
        xname: xname.to_owned(),
        name: name.to_owned(),
        role: "Compute".to_owned(),
        enabled: true,
        interfaces: vec![crate::Interface {
            addresses: vec!["10.1.0.1".parse().unwrap()],
            ..crate::Interface::default()
        }],
        ..Node::default()
    }
}

fn group(label: &str, members: &[&str]) -> Group {
    Group {
        label: label.to_owned(),
        member_names: members.iter().map(|name| (*name).to_owned()).collect(),
        ..Group::default()
    }
}

/// Four nodes in two cabinets and one that is none of Slurm's; the last is disabled.
fn view() -> View {
    let mut nodes = vec![
        node("x1000c0s0b0n0", "nid0001"),
        node("x1000c0s1b0n0", "nid0002"),
        node("x1000c1s0b0n0", "nid0003"),
        node("x1001c0s0b0n0", "nid0004"),
        node("x3000c0s0b0n0", "login1"),
    ];
    nodes[1].groups = vec!["fat".to_owned(), "gpu".to_owned()];
    nodes[2].groups = vec!["gpu".to_owned()];
    nodes[3].enabled = false;
    nodes[4].role = "Application".to_owned();
    View {
        nodes,
        groups: vec![
            group("empty", &[]),
            group("fat", &["nid0002"]),
            group("gpu", &["nid0002", "nid0003", "login1"]),
        ],
        partitions: vec![group("p1", &["nid0001", "nid0002"]), group("p2", &[])],
        ..View::default()
    }
}

fn files(values: &[(&str, &str)]) -> Result<Vec<File>, Error> {
    crate::testing::files("slurm", &view(), values)
}

/// Lines of nodes.conf behind the header.
fn nodes_conf(values: &[(&str, &str)]) -> String {
    let files = files(values).unwrap();
    let (head, rest) = files[0].body.split_once('\n').unwrap();
    assert!(
        head.starts_with("# chamois: ") && head.contains(REVISION),
        "{head}"
    );
    rest.to_owned()
}

fn refused(values: &[(&str, &str)]) -> String {
    files(values).unwrap_err().to_string()
}

#[test]
fn nodes_with_equal_parameters_share_a_line() {
    assert_eq!(
        nodes_conf(&[]),
        "NodeName=nid[0001-0003] State=UNKNOWN\n\
         NodeName=nid0004 State=DRAIN Reason=\"disabled in Chamois\"\n\
         PartitionName=batch Nodes=nid[0001-0004] Default=YES State=UP\n"
    );
}

#[test]
fn a_groups_parameters_are_before_those_of_all() {
    let text = nodes_conf(&[
        ("parameters", "CPUs=64 RealMemory=256000"),
        ("group-parameters", "gpu: CPUs=128 Gres=gpu:4; fat: CPUs=8"),
        ("features", "true"),
        ("partitions", "none"),
    ]);
    assert_eq!(
        text,
        "NodeName=nid0001 CPUs=64 RealMemory=256000 State=UNKNOWN\n\
         NodeName=nid0002 CPUs=128 Gres=gpu:4 Feature=fat,gpu State=UNKNOWN\n\
         NodeName=nid0003 CPUs=128 Gres=gpu:4 Feature=gpu State=UNKNOWN\n\
         NodeName=nid0004 CPUs=64 RealMemory=256000 State=DRAIN Reason=\"disabled in Chamois\"\n"
    );
}

#[test]
fn partitions_are_smds_or_groups() {
    let text = nodes_conf(&[("partitions", "partitions"), ("default-partition", "p1")]);
    let lines: Vec<&str> = text.lines().skip(2).collect();
    assert_eq!(
        lines,
        [
            "PartitionName=p1 Nodes=nid[0001-0002] Default=YES State=UP",
            "PartitionName=p2 State=UP"
        ]
    );
    let text = nodes_conf(&[("partitions", "groups"), ("partition-parameters", "MaxTime=1-0")]);
    let lines: Vec<&str> = text.lines().skip(2).collect();
    assert_eq!(
        lines,
        [
            "PartitionName=fat Nodes=nid0002 Default=YES MaxTime=1-0",
            "PartitionName=gpu Nodes=nid[0002-0003] MaxTime=1-0"
        ],
        "no node of another role, no group without nodes"
    );
    let text = nodes_conf(&[("partitions", "groups"), ("partition-groups", "empty")]);
    assert!(
        text.ends_with("PartitionName=empty Default=YES State=UP\n"),
        "one that was asked for is there: {text}"
    );
}

#[test]
fn the_tree_has_chassis_cabinets_and_a_top() {
    let files = files(&[("top-switch", "core")]).unwrap();
    let (_, tree) = files[1].body.split_once('\n').unwrap();
    assert_eq!(
        tree,
        "SwitchName=x1000c0 Nodes=nid[0001-0002]\n\
         SwitchName=x1000c1 Nodes=nid0003\n\
         SwitchName=x1001c0 Nodes=nid0004\n\
         SwitchName=x1000 Switches=x1000c[0-1]\n\
         SwitchName=x1001 Switches=x1001c0\n\
         SwitchName=core Switches=x[1000-1001]\n"
    );
    assert_eq!(self::files(&[("topology", "none")]).unwrap().len(), 1);
}

#[test]
fn roles_say_which_nodes_slurm_has_and_each_may_have_its_address() {
    let text = nodes_conf(&[("roles", "application, management"), ("addresses", "true")]);
    assert!(
        text.starts_with("NodeName=login1 NodeAddr=10.1.0.1 State=UNKNOWN\n"),
        "{text}"
    );
}

/// slurmctld asks for each node's address when it starts, several times, and waits in between.
#[test]
fn a_node_without_address_is_one_of_the_future() {
    let mut view = view();
    view.nodes[1].interfaces.clear();
    let options = Options::new([("addresses".to_owned(), "true".to_owned())]);
    let files = crate::render(&TARGET, &view, &options).unwrap();
    assert!(
        files[0].body.contains("NodeName=nid0002 State=FUTURE\n"),
        "{}",
        files[0].body
    );
    let files = crate::render(&TARGET, &view, &Options::default()).unwrap();
    assert!(
        files[0].body.contains("NodeName=nid[0001,0003] State=UNKNOWN\n"),
        "{}",
        files[0].body
    );
}

#[test]
fn what_slurm_cannot_take_is_named() {
    assert!(refused(&[("topology", "ring")]).starts_with("option topology: `ring`"));
    assert!(refused(&[("partitions", "some")]).starts_with("option partitions: `some`"));
    assert!(refused(&[("partitions", "groups"), ("partition-groups", "nope")]).contains("no group `nope`"));
    assert!(refused(&[("group-parameters", "gpu CPUs=1")]).contains("LABEL: PARAMETERS"));
    assert!(refused(&[("parameters", "CPUs=1\nNodeName=evil")]).contains("on one line"));
    assert!(refused(&[("default-partition", "Default")]).contains("a word of Slurm's"));
    let view = View {
        nodes: vec![node("x1c0s0b0n0", "default")],
        ..View::default()
    };
    let text = crate::render(&TARGET, &view, &Options::default())
        .unwrap_err()
        .to_string();
    assert!(text.contains("x1c0s0b0n0 is called `default`"), "{text}");
}
