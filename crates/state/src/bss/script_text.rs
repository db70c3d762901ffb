//! What may stand in a line of an iPXE script: words and URLs that can neither end a command nor begin one.

use model::Rejection;

use crate::bounds::{PARAMS_BYTES_MAX, URL_BYTES_MAX, check_text};

/// Schemes of URLs that iPXE fetches from.
const SCHEMES: [&str; 3] = ["http://", "https://", "tftp://"];
/// Where boot files are, at the service address of the node's network.
const FILES: &str = "/files/";
/// iPXE's settings that a script may name as `${…}`; those of one interface also as `${net0/…}`.
pub const SCRIPT_VARIABLES: [&str; 17] = [
    "asset",
    "buildarch",
    "dns",
    "domain",
    "filename",
    "gateway",
    "hostname",
    "ip",
    "mac",
    "manufacturer",
    "netmask",
    "next-server",
    "platform",
    "product",
    "serial",
    "user-class",
    "uuid",
];
/// How iPXE writes a setting: `${mac:hexhyp}`.
const FORMATS: [&str; 5] = ["hex", "hexhyp", "hexraw", "string", "uristring"];

/// Kernel parameters: one line, without what iPXE takes for the end of a command.
pub(crate) fn check_params(params: &str) -> Result<(), Rejection> {
    check_words("params", params, PARAMS_BYTES_MAX)?;
    check_variables("params", params)
}

/// A URL that iPXE fetches, or the path of a boot file.
pub(crate) fn check_url(field: &str, url: &str) -> Result<(), Rejection> {
    check_words(field, url, URL_BYTES_MAX)?;
    check_variables(field, url)?;
    if url.contains(char::is_whitespace) {
        return Err(Rejection::invalid(field, "it holds a blank; write %20 in a URL"));
    }
    if let Some(name) = url.strip_prefix(FILES) {
        return match name.parse::<model::BootFileName>() {
            Ok(_) => Ok(()),
            Err(problem) => Err(Rejection::invalid(field, problem)),
        };
    }
    let lower = url.to_ascii_lowercase();
    let rest = SCHEMES.iter().find_map(|scheme| lower.strip_prefix(scheme));
    let host = rest.map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    match host {
        Some(host) if is_host(host) => Ok(()),
        _ => Err(Rejection::invalid(
            field,
            format!(
                "`{url}` is no URL that nodes can fetch; write http://, https:// or tftp:// with a host, \
                 or {FILES}<name> for a boot file of the cluster"
            ),
        )),
    }
}

/// A name or an address, a variable too, with or without a port.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains([']', '}']) => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-._[]:${}/".contains(c);
    !host.is_empty() && host.chars().all(is_part) && port.is_none_or(is_port)
}

/// iPXE ends a command at the words `||`, `&&` and `;` and a line at a word that begins with `#`.
fn check_words(field: &str, text: &str, bytes_max: usize) -> Result<(), Rejection> {
    check_text(field, text, bytes_max)?;
    let ends = |word: &&str| matches!(*word, "||" | "&&" | ";") || word.starts_with('#');
    match text.split(char::is_whitespace).find(ends) {
        Some(word) => {
            let problem = format!("the word `{word}` has a meaning of its own in an iPXE script");
            Err(Rejection::invalid(field, problem))
        }
        None => Ok(()),
    }
}

/// iPXE puts nothing in the place of a setting that it does not know, and nobody is told.
fn check_variables(field: &str, text: &str) -> Result<(), Rejection> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("${") {
        let (name, behind) = after.split_once('}').unwrap_or((after, ""));
        if !after.contains('}') || !is_variable(name) {
            let problem = format!(
                "`${{{name}}}` is no variable that iPXE has; use one of {}, also as ${{net0/mac}} or ${{mac:hexhyp}}",
                SCRIPT_VARIABLES.join(", ")
            );
            return Err(Rejection::invalid(field, problem));
        }
        rest = behind;
    }
    Ok(())
}

fn is_variable(text: &str) -> bool {
    let (name, format) = text.split_once(':').unwrap_or((text, "string"));
    let setting = match name.split_once('/') {
        Some((interface, setting)) if is_interface(interface) => setting,
        Some(_) => return false,
        None => name,
    };
    SCRIPT_VARIABLES.contains(&setting) && FORMATS.contains(&format)
}

/// `net0`, or `netX`: the one that is in use.
fn is_interface(text: &str) -> bool {
    let number = text.strip_prefix("net").unwrap_or_default();
    number == "X" || (!number.is_empty() && number.len() <= 2 && number.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<(), String> {
        check_url("kernel", text).map_err(|rejection| rejection.to_string())
    }

    fn params(text: &str) -> Result<(), String> {
        check_params(text).map_err(|rejection| rejection.to_string())
    }

    #[test]
    fn urls_that_nodes_can_fetch_are_accepted() {
        for good in [
            "http://10.97.0.1:8081/files/k",
            "https://images.example/a/b?c=d&e=%20",
            "tftp://10.0.0.1/k",
            "HTTP://host/k",
            "http://[fd97::1]:80/k",
            "http://[fd97::1]/k",
            "http://${next-server}/k-${buildarch}",
            "/files/debian/vmlinuz",
        ] {
            assert_eq!(url(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_what_is_accepted() {
        for wrong in [
            "",
            "vmlinuz",
            "s3://bucket/k",
            "http://",
            "http:///k",
            "http://a b/k",
            "http://host:0/k",
            "http://host:99999/k",
            "http://ho\"st/k",
            "/etc/passwd",
            "/files/",
            "/files/../k",
            "ftp://host/k",
            "http://h/k\nreboot",
            "http://h/${unknown}",
            "http://h/\u{a0}",
        ] {
            assert!(url(wrong).is_err(), "{wrong:?}");
        }
        let text = url("vmlinuz").unwrap_err();
        assert!(
            text.starts_with("kernel: ") && text.contains("/files/<name>"),
            "{text}"
        );
    }

    /// What would start a command of the writer's own, or drop the one that is ours.
    #[test]
    fn no_word_ends_a_command() {
        for wrong in [
            "a || reboot",
            "a && reboot",
            "a ; reboot",
            "a #b",
            "#",
            "a\nreboot",
            "a\rb",
            "a\u{85}b",
        ] {
            assert!(params(wrong).is_err(), "{wrong:?}");
        }
        for good in ["", "console=ttyS0 a=||b c;d e#f", "ds=nocloud;s=http://x/"] {
            assert_eq!(params(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn variables_are_those_of_ipxe() {
        for good in [
            "${mac}",
            "x=${net0/mac:hexhyp} y=${netX/ip}",
            "${buildarch}${platform}",
            "$x {y}",
        ] {
            assert_eq!(params(good), Ok(()), "{good}");
        }
        for wrong in [
            "${}",
            "${macc}",
            "${mac",
            "${net/mac}",
            "${eth0/mac}",
            "${mac:bold}",
            "${${mac}}",
            "${SPIRE_JOIN_TOKEN}",
        ] {
            let text = params(wrong).unwrap_err();
            assert!(
                text.contains("buildarch") && text.contains("next-server"),
                "{text}"
            );
        }
    }
}
