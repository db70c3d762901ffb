//! What ochami's configuration says, as contexts of ours, and what has no counterpart. Pure: text in, contexts out.
//!
//! Source: ochami-config(5) of OpenCHAMI/ochami 0.10: `clusters[].name`, `clusters[].cluster.uri` (formerly `api-uri`, `base-uri`).

use std::collections::BTreeMap;

use serde_yaml_ng::Value;

use crate::contexts::{ContextFields, name};
use crate::duration;
use crate::output::Format;

/// Port of a member's gRPC API unless its configuration says otherwise.
const API_PORT: u16 = 7441;
/// Keys of a cluster that name where the services are.
const URIS: [&str; 3] = ["uri", "api-uri", "base-uri"];

/// What was made of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// By name.
    pub(super) contexts: BTreeMap<String, ContextFields>,
    /// ochami's default cluster.
    pub(super) current: Option<String>,
    /// Sentences about what was left out, and why.
    pub(super) left_out: Vec<String>,
}

/// Reads one file's text.
///
/// # Errors
/// What is no configuration of ochami.
pub(super) fn taken(text: &str) -> Result<Taken, String> {
    let root: Value = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
    let Value::Mapping(root) = root else {
        return Err("this is no configuration of ochami: there are no keys".to_owned());
    };
    let mut taken = Taken::default();
    let (mut output, mut timeout) = (None, None);
    for (key, value) in &root {
        let key = key.as_str().unwrap_or_default();
        match (key, value.as_str()) {
            ("clusters", _) => {}
            ("default-cluster", Some(name)) => taken.current = Some(name.to_owned()),
            ("timeout", Some(text)) if duration::parse(text).is_ok() => timeout = Some(text.to_owned()),
            ("default-output-format", Some("yaml")) => output = Some(Format::Yaml),
            ("default-output-format", Some(_)) => output = Some(Format::Json),
            ("log", _) => taken.leave_out(
                "log",
                "--log and --log-format, or CHAMOIS_LOG, say what is logged",
            ),
            ("default-input-format", _) => {
                taken.leave_out(key, "files say by themselves whether they are JSON or YAML");
            }
            (key, _) => taken.leave_out(key, "there is no counterpart"),
        }
    }
    for cluster in root
        .get("clusters")
        .and_then(Value::as_sequence)
        .into_iter()
        .flatten()
    {
        taken.take(cluster, output, timeout.as_deref());
    }
    match &taken.current {
        Some(current) if !taken.contexts.contains_key(current) => {
            let current = current.clone();
            taken.current = None;
            taken.leave_out("default-cluster", &format!("{current:?} is none of the clusters"));
        }
        _ => {}
    }
    Ok(taken)
}

impl Taken {
    fn leave_out(&mut self, key: &str, why: &str) {
        self.left_out.push(format!("{key}: {why}"));
    }

    fn take(&mut self, cluster: &Value, output: Option<Format>, timeout: Option<&str>) {
        let said = cluster.get("name").and_then(Value::as_str).unwrap_or_default();
        let name = match name(said) {
            Ok(name) => name,
            Err(problem) => return self.leave_out(&format!("clusters {said:?}"), &problem),
        };
        let of = |key: &str| format!("clusters {name}: {key}");
        let (mut endpoints, mut unknown) = (Vec::new(), Vec::new());
        for (key, value) in cluster
            .get("cluster")
            .and_then(Value::as_mapping)
            .into_iter()
            .flatten()
        {
            match (key.as_str().unwrap_or_default(), value.as_str()) {
                (key, Some(uri)) if URIS.contains(&key) => match host(uri) {
                    Some(host) => endpoints.push(format!("{host}:{API_PORT}")),
                    None => unknown.push((of(key), format!("{uri} names no host"))),
                },
                ("enable-auth", _) => unknown.push((
                    of("enable-auth"),
                    "every call says who makes it; `chamois login` or --token-file".to_owned(),
                )),
                (key, _) => {
                    unknown.push((of(key), "all services of a member are behind one port".to_owned()))
                }
            }
        }
        for (key, why) in unknown {
            self.leave_out(&key, &why);
        }
        endpoints.dedup();
        if endpoints.is_empty() {
            return self.leave_out(&format!("clusters {name}"), "no uri says where it is");
        }
        let fields = ContextFields {
            endpoints,
            output,
            timeout: timeout.map(str::to_owned),
            ..ContextFields::default()
        };
        self.contexts.insert(name, fields);
    }
}

/// The host of a URI, in brackets if it is an IPv6 address.
fn host(uri: &str) -> Option<String> {
    let uri: http::Uri = uri.parse().ok()?;
    let host = uri.host().filter(|host| !host.is_empty())?;
    Some(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "
log: {format: rfc3339, level: warning}
timeout: 30s
default-cluster: foobar
default-output-format: yaml
clusters:
  - name: foobar
    cluster:
      uri: https://foobar.openchami.cluster:8443
      enable-auth: true
      smd: {uri: /hsm/v2}
  - name: old
    cluster: {api-uri: 'https://[fd00::1]:8443'}
  - name: nowhere
    cluster: {bss: {uri: /boot/v1}}
";

    #[test]
    fn a_cluster_is_a_context_with_the_port_of_ours() {
        let taken = taken(CONFIG).unwrap();
        assert_eq!(taken.current.as_deref(), Some("foobar"));
        let foobar = &taken.contexts["foobar"];
        assert_eq!(foobar.endpoints, ["foobar.openchami.cluster:7441"]);
        assert_eq!(
            (foobar.output, foobar.timeout.as_deref()),
            (Some(Format::Yaml), Some("30s"))
        );
        assert_eq!(taken.contexts["old"].endpoints, ["[fd00::1]:7441"]);
        assert!(!taken.contexts.contains_key("nowhere"));
    }

    /// Nothing vanishes without a word.
    #[test]
    fn what_has_no_counterpart_is_said() {
        let left_out = taken(CONFIG).unwrap().left_out.join("\n");
        for part in [
            "log:",
            "foobar: enable-auth",
            "foobar: smd",
            "clusters nowhere: no uri",
        ] {
            assert!(left_out.contains(part), "{part}: {left_out}");
        }
        let other = taken("clusters: []\ncolour: blue\ndefault-cluster: x\n").unwrap();
        assert!(
            other.left_out.iter().any(|line| line.starts_with("colour")),
            "{other:?}"
        );
        assert!(
            other
                .left_out
                .iter()
                .any(|line| line.contains("none of the clusters")),
            "{other:?}"
        );
        assert_eq!(other.current, None);
    }

    #[test]
    fn what_is_no_configuration_is_refused_or_empty_and_never_a_panic() {
        for text in ["", "7", "[1]", "a: [", "\u{0}"] {
            assert!(taken(text).is_err(), "{text:?}");
        }
        for text in ["clusters: 7", "clusters: [7, {name: 3}, {name: a, cluster: 3}]"] {
            assert!(taken(text).unwrap().contexts.is_empty(), "{text}");
        }
    }
}
