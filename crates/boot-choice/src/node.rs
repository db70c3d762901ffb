//! A node as selectors see it.

use model::Xname;
use proto::smd::v1::Component;
use proto::smd::v1::component::{Arch, State};

use crate::nid_key;

/// What selectors look at of a node.
#[derive(Clone, Debug, Default)]
pub struct BootNode<'a> {
    /// Its own names, as boot parameters are keyed: xname, MACs, `nid<N>`, and what it was asked for by.
    pub names: Vec<String>,
    /// Its xname, if SMD knows it.
    pub xname: Option<Xname>,
    /// Labels of its groups.
    pub groups: Vec<&'a str>,
    /// Its role; may be empty.
    pub role: &'a str,
    /// Its subrole; may be empty.
    pub sub_role: &'a str,
    /// Its architecture; `Unspecified` when nobody knows.
    pub arch: Arch,
    /// It is taken for a node of every architecture at once: to find out whether that matters.
    pub(crate) is_of_any_arch: bool,
}

impl<'a> BootNode<'a> {
    /// The node that was asked for as `asked` (a key of boot parameters), of which SMD knows nothing. `said` is the architecture
    /// that it claims.
    pub fn unknown(asked: &str, said: Arch) -> BootNode<'a> {
        BootNode {
            names: vec![asked.to_owned()],
            arch: said,
            ..BootNode::default()
        }
    }

    /// The same with what SMD knows of it: its component, the MACs of its interfaces, the labels of its groups. The inventory's
    /// architecture counts where there is one.
    pub fn known(
        asked: &str,
        said: Arch,
        component: &'a Component,
        macs: impl IntoIterator<Item = String>,
        groups: impl IntoIterator<Item = &'a str>,
    ) -> BootNode<'a> {
        let mut names = vec![asked.to_owned(), component.id.clone()];
        names.extend(component.nid.map(nid_key));
        names.extend(macs);
        names.sort_unstable();
        names.dedup();
        let arch = match component.arch() {
            known @ (Arch::X86 | Arch::Arm | Arch::Other) => known,
            Arch::Unspecified | Arch::Unknown => said,
        };
        BootNode {
            names,
            xname: component.id.parse().ok(),
            groups: groups.into_iter().collect(),
            role: &component.role,
            sub_role: &component.sub_role,
            arch,
            is_of_any_arch: false,
        }
    }
}

/// Whether a component is a node that can ask for a script: one whose place is empty is not there.
pub fn is_there(component: &Component) -> bool {
    let is_node = component.id.parse::<Xname>().is_ok_and(|id| id.is_node());
    is_node && component.state() != State::Empty
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(arch: Arch) -> Component {
        Component {
            id: "x0c0s0b0n0".into(),
            nid: Some(7),
            arch: arch.into(),
            ..Component::default()
        }
    }

    #[test]
    fn each_own_name_is_there_once() {
        let component = component(Arch::X86);
        let macs = ["02:00:00:00:00:01".to_owned()];
        let node = BootNode::known(&component.id, Arch::Arm, &component, macs, ["gpu"]);
        assert_eq!(node.names, ["02:00:00:00:00:01", "nid7", "x0c0s0b0n0"]);
        assert_eq!((node.arch, node.groups), (Arch::X86, vec!["gpu"]));
    }

    /// The inventory knows best; what a node says counts where the inventory has nothing.
    #[test]
    fn a_claim_counts_where_the_inventory_has_nothing() {
        for nothing in [Arch::Unspecified, Arch::Unknown] {
            let component = component(nothing);
            let arch = |said| BootNode::known("nid7", said, &component, [], []).arch;
            assert_eq!(arch(Arch::Arm), Arch::Arm);
            assert_eq!(arch(Arch::Unspecified), Arch::Unspecified);
        }
        assert_eq!(BootNode::unknown("nid7", Arch::Arm).arch, Arch::Arm);
    }

    #[test]
    fn an_empty_place_and_what_is_no_node_are_not_there() {
        let mut node = component(Arch::X86);
        assert!(is_there(&node));
        node.set_state(State::Empty);
        assert!(!is_there(&node));
        node.set_state(State::Ready);
        node.id = "x0c0s0b0".into();
        assert!(!is_there(&node));
    }
}
