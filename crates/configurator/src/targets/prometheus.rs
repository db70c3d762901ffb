//! Prometheus' `file_sd`: nodes and their labels, as YAML.

use std::fmt::Write;

use super::service_discovery::{OPTIONS, entries};
use crate::quoting::yaml;
use crate::{Error, File, Options, Target, View, header};

const NAME: &str = "prometheus";

pub(crate) const TARGET: Target = Target {
    name: NAME,
    summary: "Prometheus' file_sd: nodes with xname, NID, role and groups as labels",
    reads: super::NAMES,
    options: OPTIONS,
    checks: &[],
    render,
};

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let mut body = header("#", view, &format!("target {NAME}"));
    let entries = entries(view, options)?;
    if entries.is_empty() {
        body.push_str("[]\n");
    }
    for entry in entries {
        let _ = writeln!(body, "- targets: [{}]\n  labels:", yaml(&entry.target));
        for (name, value) in entry.labels {
            let _ = writeln!(body, "    {name}: {}", yaml(&value));
        }
    }
    Ok(vec![File::new("prometheus/nodes.yml", body)])
}

#[cfg(test)]
mod tests {
    use crate::View;
    use crate::testing::*;

    #[test]
    fn each_node_is_a_target_with_its_labels() {
        let text = body("prometheus", &small(), &[]);
        let first: Vec<&str> = text.lines().take(12).collect();
        let expected = [
            "# chamois: cluster demo, revision 42, target prometheus; written by a program, changes are lost",
            "- targets: [\"10.97.2.1:9100\"]",
            "  labels:",
            "    cluster: \"demo\"",
            "    instance: \"de0001\"",
            "    xname: \"x1000c0s0b0n0\"",
            "    nid: \"1\"",
            "    role: \"Compute\"",
            "    arch: \"X86\"",
            "    class: \"River\"",
            "    groups: \",blue,\"",
            "- targets: [\"10.97.2.2:9100\"]",
        ];
        assert_eq!(first, expected);
        let read: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
        assert_eq!(read.as_sequence().map(Vec::len), Some(2));
    }

    #[test]
    fn no_nodes_are_an_empty_list() {
        let text = body("prometheus", &View::default(), &[]);
        assert!(text.ends_with("\n[]\n"), "{text}");
    }
}
