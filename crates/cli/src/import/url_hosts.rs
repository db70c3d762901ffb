//! Hosts that URLs name: rewritten when a service moves, and counted, so that nobody finds out at the next boot.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde_json::{Value, json};

use crate::output;

/// Hosts that are listed for people; all of them are in the JSON.
const SHOWN_MAX: usize = 20;

/// `OLD=NEW`: a host, with or without a port, that URLs are to name instead of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    old: String,
    new: String,
}

impl FromStr for Rewrite {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let accepted = || {
            format!("`{text}` is not OLD=NEW, two hosts with or without a port, e.g. 10.1.0.1:9000=images")
        };
        let (old, new) = text.split_once('=').ok_or_else(accepted)?;
        let is_host = |host: &str| {
            let is_accepted =
                |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
            !host.is_empty() && host.chars().all(is_accepted)
        };
        if !is_host(old) || !is_host(new) {
            return Err(accepted());
        }
        Ok(Self {
            old: old.to_ascii_lowercase(),
            new: new.to_owned(),
        })
    }
}

/// The text with every URL's host as the first rule says that fits it.
pub(crate) fn rewritten(text: &str, rules: &[Rewrite]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (start, end) in authorities(text) {
        let found = text[start..end].to_ascii_lowercase();
        let Some(rule) = rule_of(&found, rules) else {
            continue;
        };
        out.push_str(&text[done..start]);
        out.push_str(&rule.new);
        // a rule that is for a host alone keeps the port, unless it names another
        if rule.old != found && split_port(&rule.new).1.is_none() {
            out.extend(split_port(&found).1.map(|port| format!(":{port}")));
        }
        done = end;
    }
    out.push_str(&text[done..]);
    out
}

fn rule_of<'r>(found: &str, rules: &'r [Rewrite]) -> Option<&'r Rewrite> {
    let host = split_port(found).0;
    rules.iter().find(|rule| rule.old == found || rule.old == host)
}

/// Hosts by field, and how many objects name each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hosts(BTreeMap<(&'static str, String), usize>);

impl Hosts {
    /// Counts the hosts of one object's field that no rule is for.
    pub(crate) fn add(&mut self, field: &'static str, text: &str, rules: &[Rewrite]) {
        let found = authorities(text).map(|(start, end)| text[start..end].to_ascii_lowercase());
        let found: BTreeSet<String> = found.filter(|host| rule_of(host, rules).is_none()).collect();
        for host in found {
            *self.0.entry((field, host)).or_default() += 1;
        }
    }

    /// Counts those of kernel parameters, what stands in `ds=` apart: it says which server cloud-init asks.
    pub(crate) fn add_params(&mut self, params: &str, rules: &[Rewrite]) {
        for word in params.split(' ') {
            let field = if word.starts_with("ds=") { "ds" } else { "params" };
            self.add(field, word, rules);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For people; begins with a line's end unless it is empty.
    pub(crate) fn render(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        let mut table = output::table(["FIELD", "HOST THAT STAYS", "TIMES"]);
        for ((field, host), times) in self.0.iter().take(SHOWN_MAX) {
            table.add_row([(*field).to_owned(), host.clone(), times.to_string()]);
        }
        let mut text = format!("\n{table}");
        if self.0.len() > SHOWN_MAX {
            text += &format!("\n… and {} more; -o json shows all", self.0.len() - SHOWN_MAX);
        }
        text
    }

    pub(crate) fn to_json(&self) -> Value {
        let hosts = self.0.iter();
        hosts
            .map(|((field, host), times)| json!({ "field": field, "host": host, "times": times }))
            .collect()
    }
}

/// Where hosts with their ports stand: after `://` and credentials, up to what ends them. As byte positions.
fn authorities(text: &str) -> impl Iterator<Item = (usize, usize)> {
    text.match_indices("://").filter_map(|(at, mark)| {
        let start = at + mark.len();
        let rest = &text[start..];
        let is_part =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']' | '@' | '%');
        let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        let credentials = rest[..end].rfind('@').map_or(0, |at| at + 1);
        let host = rest[credentials..end].trim_end_matches(':');
        (!host.is_empty()).then_some((start + credentials, start + credentials + host.len()))
    })
}

/// A host and its port; the colons of an IPv6 address are within brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            (host, Some(port))
        }
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Vec<Rewrite> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_host_is_rewritten_wherever_a_url_names_it() {
        let rules = rules(&["172.16.0.254=10.97.0.1", "s3.old:9000=images:80", "[fd00::1]=ip6"]);
        for (text, expected) in [
            ("http://172.16.0.254/k", "http://10.97.0.1/k"),
            ("http://172.16.0.254:9000/k", "http://10.97.0.1:9000/k"),
            (
                "http://S3.old:9000/k?a=http://s3.old/",
                "http://images:80/k?a=http://s3.old/",
            ),
            (
                "quiet root=live:http://172.16.0.254:9000/i ds=nocloud-net;s=http://172.16.0.254:8081/cloud-init",
                "quiet root=live:http://10.97.0.1:9000/i ds=nocloud-net;s=http://10.97.0.1:8081/cloud-init",
            ),
            ("http://[fd00::1]:80/k", "http://ip6:80/k"),
            ("http://user@172.16.0.254/k", "http://user@10.97.0.1/k"),
            ("http://172.16.0.2541/k", "http://172.16.0.2541/k"),
            ("ip=172.16.0.254 a", "ip=172.16.0.254 a"),
            ("", ""),
        ] {
            assert_eq!(rewritten(text, &rules), expected);
        }
    }

    /// Twice is once: an import is repeated with the same options.
    #[test]
    fn a_rewrite_that_names_a_port_wins_over_the_port_that_was_there() {
        let rules = rules(&["old=new:81"]);
        assert_eq!(
            rewritten("http://old:80/k http://old/k", &rules),
            "http://new:81/k http://new:81/k"
        );
        let once = rewritten("http://old/k", &rules);
        assert_eq!(rewritten(&once, &rules), once);
    }

    #[test]
    fn what_is_no_pair_of_hosts_is_refused_with_an_example() {
        for wrong in ["", "a", "=b", "a=", "http://a=b", "a=b/c", "a=b c", "a=b=c"] {
            let refused = wrong.parse::<Rewrite>().unwrap_err();
            assert!(refused.contains("OLD=NEW"), "{wrong}: {refused}");
        }
    }

    #[test]
    fn hosts_that_stay_are_counted_by_field_and_object() {
        let mut hosts = Hosts::default();
        let rules = rules(&["moved=new"]);
        hosts.add("kernel", "http://a:80/k", &rules);
        hosts.add(
            "kernel",
            "http://A:80/k2?x=http://a:80/&y=http://moved:9/",
            &rules,
        );
        hosts.add_params(
            "quiet root=live:http://b/i ds=nocloud;s=http://c:8081/ x=http://",
            &rules,
        );
        hosts.add("initrd", "no URL", &rules);
        assert_eq!(
            hosts.to_json(),
            json!([
                { "field": "ds", "host": "c:8081", "times": 1 },
                { "field": "kernel", "host": "a:80", "times": 2 },
                { "field": "params", "host": "b", "times": 1 },
            ])
        );
        let text = hosts.render();
        assert!(
            text.contains("HOST THAT STAYS") && text.contains("c:8081"),
            "{text}"
        );
        assert_eq!(Hosts::default().render(), "");
    }

    /// A host name comes from another system; a thousand of them would hide what matters.
    #[test]
    fn only_the_first_hosts_are_listed_for_people() {
        let mut hosts = Hosts::default();
        for number in 0..100 {
            hosts.add("kernel", &format!("http://h{number:03}/"), &[]);
        }
        let text = hosts.render();
        assert!(
            text.contains("… and 80 more") && text.lines().count() < 40,
            "{text}"
        );
        assert_eq!(hosts.to_json().as_array().unwrap().len(), 100);
        hosts.add("kernel", "http://a\u{1b}[2J/", &[]);
        assert!(!hosts.render().contains('\u{1b}'));
    }
}
