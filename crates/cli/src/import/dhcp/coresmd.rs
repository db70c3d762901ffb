//! The settings of coresmd and bootloop, `key=value` a line.

use model::Ipv4Net;
use proto::dhcp::v1::subnet::UnknownClients;

use super::found::{DhcpImport, FoundPool, Place};
use super::left_out::BOOT;
use super::options::address;
use super::rule::Rule;
use super::yaml_lines::Lines;

/// Lease time of bootloop where nothing is said, seconds.
const BOOTLOOP_LEASE_S: u32 = 300;

/// Settings in their order, comments taken out.
pub(super) struct Settings(Vec<Setting>);

struct Setting {
    at: Place,
    key: String,
    value: String,
}

impl Settings {
    /// The settings of a plugin that stands at `at`.
    pub(super) fn read(at: &Place, text: &str, lines: &mut Lines<'_>) -> Settings {
        let mut settings = Vec::new();
        let mut is_comment = false;
        for line in text.lines() {
            let at = lines.next_text(line).unwrap_or_else(|| at.clone());
            let kept = without_comments(line, &mut is_comment);
            // written on one line, several of them are separated by blanks
            for setting in words(&kept) {
                let (key, value) = setting.split_once('=').unwrap_or((&setting, ""));
                settings.push(Setting {
                    at: at.clone(),
                    key: key.trim().to_owned(),
                    value: value.trim().to_owned(),
                });
            }
        }
        Settings(settings)
    }
}

/// What coresmd says of all clients.
#[derive(Default)]
pub(super) struct Coresmd {
    pub(super) domain: Option<String>,
    pub(super) lease_time_s: Option<u32>,
}

/// Takes coresmd's settings: its rules go into `import`, patterns as rules behind them.
pub(super) fn coresmd(settings: &Settings, import: &mut DhcpImport) -> Coresmd {
    let mut found = Coresmd::default();
    let mut patterns = Vec::new();
    let mut otherwise = None;
    for Setting { at, key, value } in &settings.0 {
        let what = format!("{key}={value}");
        let bare = value.trim_matches(['"', '\'']);
        match key.as_str() {
            "domain" => {
                found.domain =
                    Some(bare.trim_start_matches('.').to_owned()).filter(|domain| !domain.is_empty())
            }
            "lease_time" => match seconds(bare) {
                Ok(seconds) => found.lease_time_s = Some(seconds),
                Err(why) => import.refuse(at, &what, why),
            },
            "rule" => {
                match Rule::read(at, value) {
                    Ok(rule) => {
                        if rule.has_log {
                            import.tell(at, &what, "the rule is imported without its `log`; `chamois dhcp explain` shows what fits");
                        }
                        import.rules.push(rule);
                    }
                    Err(why) => import.refuse(at, &what, why),
                }
            }
            "node_pattern" | "bmc_pattern" if bare.is_empty() => {}
            "node_pattern" => patterns.push(Rule::named(at, "Node", bare)),
            "bmc_pattern" => patterns.push(Rule::named(at, "NodeBMC", bare)),
            "hostname_by_type" => match bare.split_once(':') {
                Some((r#type, pattern)) => patterns.push(Rule::named(at, r#type, pattern)),
                None => import.refuse(at, &what, "write hostname_by_type=TYPE:PATTERN"),
            },
            "hostname_default" if bare.is_empty() => {}
            "hostname_default" => otherwise = Some(Rule::named(at, "", bare)),
            key => import.tell(at, &what, why_not(key)),
        }
    }
    import.rules.extend(patterns);
    import.rules.extend(otherwise);
    found
}

/// Takes bootloop's settings: its pools.
pub(super) fn bootloop(
    at: &Place,
    settings: &Settings,
    import: &mut DhcpImport,
) -> Vec<(Place, String, FoundPool)> {
    let mut lease_s = BOOTLOOP_LEASE_S;
    let (mut first, mut last) = (None, None);
    let mut given = Vec::new();
    for Setting { at, key, value } in &settings.0 {
        let what = format!("{key}={value}");
        let bare = value.trim_matches(['"', '\'']);
        match key.as_str() {
            "lease_time" => match seconds(bare) {
                Ok(seconds) => lease_s = seconds,
                Err(why) => import.refuse(at, &what, why),
            },
            "ipv4_start" => first = Some(bare.to_owned()),
            "ipv4_end" => last = Some(bare.to_owned()),
            "subnet_pool" => match subnet_pool(bare) {
                Ok((network, first, last)) => {
                    import.subnet(at, network);
                    given.push((at.clone(), what, first, last));
                }
                Err(why) => import.refuse(at, &what, why),
            },
            key => import.tell(at, &what, why_not(key)),
        }
    }
    match (first, last) {
        (Some(first), Some(last)) => given.push((at.clone(), format!("ipv4_start={first}"), first, last)),
        (None, None) => {}
        _ => import.refuse(
            at,
            "bootloop",
            "write ipv4_start and ipv4_end, or subnet_pool=CIDR,FIRST,LAST",
        ),
    }
    let mut pools = Vec::new();
    for (at, what, first, last) in given {
        match address(&first).and_then(|first| Ok(first..=address(&last)?)) {
            Ok(range) => {
                let (lease_time_s, unknown) = (Some(lease_s), UnknownClients::Boot);
                let pool = FoundPool {
                    range,
                    lease_time_s,
                    unknown,
                };
                pools.push((at, what, pool));
            }
            Err(why) => import.refuse(&at, &what, why),
        }
    }
    pools
}

/// Networks that rules name and nothing else has: nodes there are answered, so they are subnets.
pub(super) fn subnets_of_rules(import: &mut DhcpImport) {
    let named: Vec<(Place, Ipv4Net)> = import
        .rules
        .iter()
        .filter(|rule| !rule.ignore)
        .flat_map(|rule| rule.subnets.iter().map(|network| (rule.at.clone(), *network)))
        .collect();
    for (at, network) in named {
        if !import
            .subnets
            .iter()
            .any(|subnet| subnet.network.overlaps(&network))
        {
            import.subnet(&at, network);
        }
    }
}

/// `cidr,first,last`
fn subnet_pool(text: &str) -> Result<(Ipv4Net, String, String), String> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let [network, first, last] = parts[..] else {
        return Err("write subnet_pool=CIDR,FIRST,LAST".to_owned());
    };
    let network: Ipv4Net = network
        .parse()
        .map_err(|problem: model::InvalidValue| problem.to_string())?;
    Ok((network, first.to_owned(), last.to_owned()))
}

fn why_not(key: &str) -> &'static str {
    match key {
        "svc_base_uri" | "ca_cert" | "cache_valid" => {
            "members have the inventory themselves; `chamois import smd` brings it here"
        }
        "ipxe_base_uri" | "script_path" => BOOT,
        "single_port" | "tftp_dir" | "tftp_port" => {
            "members with the role tftp send loaders and the files of `chamois file put`"
        }
        "lease_file" => "leases of its pool are not imported: they last minutes, and their clients ask again",
        "rule_log" => "`chamois dhcp explain` shows which policy fits a client",
        _ => "it is no setting of coresmd or bootloop that is known here; remove it, or say what it is for",
    }
}

/// A duration of Go: `1h30m`, `300s`. Parts of a second are dropped.
///
/// # Errors
/// What is accepted.
pub(super) fn seconds(text: &str) -> Result<u32, String> {
    let wrong = || {
        format!(
            "`{}` is no duration; write e.g. 30s, 5m, 1h or 1h30m",
            crate::import::diff::quoted(text)
        )
    };
    let mut rest = text.trim();
    let mut milliseconds: u64 = 0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let count: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let after = &rest[digits..];
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let unit_ms = match &after[..end] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        let part = count.checked_mul(unit_ms).ok_or_else(wrong)?;
        milliseconds = milliseconds.checked_add(part).ok_or_else(wrong)?;
        rest = &after[end..];
    }
    u32::try_from(milliseconds / 1000).map_err(|_| wrong())
}

/// Without `/* … */`, which may go over several lines.
fn without_comments(line: &str, is_comment: &mut bool) -> String {
    let (mut kept, mut rest) = (String::new(), line);
    loop {
        let (mark, goes_on) = match *is_comment {
            true => ("*/", false),
            false => ("/*", true),
        };
        let Some((before, after)) = rest.split_once(mark) else {
            if !*is_comment {
                kept.push_str(rest);
            }
            return kept;
        };
        if !*is_comment {
            kept.push_str(before);
            kept.push(' ');
        }
        *is_comment = goes_on;
        rest = after;
    }
}

/// Settings of a line: cut at blanks that are not quoted, if what follows is a setting again.
fn words(line: &str) -> Vec<String> {
    let mut settings: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let is_setting = word.split_once('=').is_some_and(|(key, _)| {
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
        match settings.last_mut() {
            Some(before) if !is_setting => {
                before.push(' ');
                before.push_str(word);
            }
            _ => settings.push(word.to_owned()),
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go_are_read() {
        for (text, expected) in [
            ("30s", 30),
            ("5m", 300),
            ("1h30m", 5400),
            ("1500ms", 1),
            (" 24h ", 86_400),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "5",
            "m",
            "5x",
            "-5m",
            "99999999999999999999h",
            "999999999h",
            "18446744073709551615h",
        ] {
            assert!(seconds(wrong).unwrap_err().contains("is no duration"), "{wrong}");
        }
    }

    #[test]
    fn comments_of_c_are_taken_out_over_lines_too() {
        let mut is_comment = false;
        let kept: Vec<String> = ["a=1 /* x */ b=2 /* y", "c=3", "*/ d=4"]
            .iter()
            .map(|line| without_comments(line, &mut is_comment).trim().to_owned())
            .collect();
        assert_eq!(kept, ["a=1   b=2", "", "d=4"]);
    }

    /// The old form has all of them on one line; a rule may have blanks in it.
    #[test]
    fn several_settings_may_stand_on_one_line() {
        assert_eq!(words("a=1 b=\"x y\" c"), ["a=1", "b=\"x y\" c"]);
        assert_eq!(
            words("rule=type:Node , hostname:a"),
            ["rule=type:Node , hostname:a"]
        );
        assert!(words("  ").is_empty());
    }
}
