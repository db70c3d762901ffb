//! Prometheus' `http_sd`: the same nodes as a JSON document, for a web server to hand out. It has no header: JSON knows no
//! comments.

use std::collections::BTreeMap;

use serde::Serialize;

use super::service_discovery::{OPTIONS, entries};
use crate::{Error, File, Options, Target, View};

const NAME: &str = "http-sd";

pub(crate) const TARGET: Target = Target {
    name: NAME,
    summary: "Prometheus' http_sd: nodes with xname, NID, role and groups as labels",
    reads: super::NAMES,
    options: OPTIONS,
    checks: &[],
    render,
};

#[derive(Serialize)]
struct TargetGroup<'a> {
    targets: [&'a str; 1],
    labels: BTreeMap<&'a str, &'a str>,
}

fn render(view: &View, options: &Options) -> Result<Vec<File>, Error> {
    let entries = entries(view, options)?;
    let groups = entries.iter().map(|entry| TargetGroup {
        targets: [&entry.target],
        labels: entry
            .labels
            .iter()
            .map(|(name, value)| (*name, value.as_ref()))
            .collect(),
    });
    let groups: Vec<TargetGroup<'_>> = groups.collect();
    let mut body = serde_json::to_string_pretty(&groups)
        .map_err(|problem| Error::not_possible(NAME, problem.to_string()))?;
    body.push('\n');
    Ok(vec![File::new("prometheus/http_sd.json", body)])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::View;
    use crate::testing::*;

    #[test]
    fn each_node_is_a_target_with_its_labels() {
        let text = body("http-sd", &small(), &[]);
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read.as_array().map(Vec::len), Some(2));
        let first = json!({
            "targets": ["10.97.2.1:9100"],
            "labels": {
                "cluster": "demo", "instance": "de0001", "xname": "x1000c0s0b0n0", "nid": "1", "role": "Compute",
                "arch": "X86", "class": "River", "groups": ",blue,",
            },
        });
        assert_eq!(read[0], first);
    }

    #[test]
    fn no_nodes_are_an_empty_list() {
        assert_eq!(body("http-sd", &View::default(), &[]), "[]\n");
    }
}
