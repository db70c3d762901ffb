//! The tree of switches, as xnames tell where nodes are: one for each chassis, above them one for each cabinet, and one on top.

use std::fmt::Write as _;

use super::host_list::host_list;
use crate::lines::line;
use crate::natural_order;
use crate::{Error, Node, Options};

pub(super) fn lines(nodes: &[&Node], options: &Options) -> Result<String, Error> {
    let mut places: Vec<(&str, &str, &str)> = nodes
        .iter()
        .map(|node| {
            let (cabinet, chassis) = place(&node.xname);
            (cabinet, chassis, node.name.as_str())
        })
        .collect();
    places.sort_by(|one, other| natural_order(one.1, other.1).then_with(|| natural_order(one.2, other.2)));
    let mut text = String::new();
    for chassis in places.chunk_by(|one, next| one.1 == next.1) {
        let names = chassis.iter().map(|(_, _, name)| *name);
        let _ = writeln!(text, "SwitchName={} Nodes={}", chassis[0].1, host_list(names));
    }
    let mut cabinets = Vec::new();
    for cabinet in places.chunk_by(|one, next| one.0 == next.0) {
        let switches = host_list(cabinet.iter().map(|(_, chassis, _)| *chassis));
        let _ = writeln!(text, "SwitchName={} Switches={switches}", cabinet[0].0);
        cabinets.push(cabinet[0].0);
    }
    if cabinets.len() > 1 {
        let top = line(options, "top-switch", "fabric")?;
        let _ = writeln!(text, "SwitchName={top} Switches={}", host_list(cabinets));
    }
    Ok(text)
}

/// Cabinet and chassis of an xname, `x1000` and `x1000c0`. A virtual node has what its hypervisor's name begins with, too.
fn place(xname: &str) -> (&str, &str) {
    let digits = |from: usize| {
        let rest = xname.get(from..).unwrap_or_default();
        from + rest.bytes().take_while(u8::is_ascii_digit).count()
    };
    let cabinet = digits(1);
    let chassis = digits(cabinet + 1);
    (
        &xname[..cabinet.min(xname.len())],
        &xname[..chassis.min(xname.len())],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_xname_says_where_a_node_is() {
        assert_eq!(place("x1000c0s7b0n1"), ("x1000", "x1000c0"));
        assert_eq!(place("x1c11s0b0n0v3"), ("x1", "x1c11"));
        assert_eq!(place("x1"), ("x1", "x1"));
        assert_eq!(place(""), ("", ""));
    }
}
