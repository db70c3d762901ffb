//! URIs of resources, brought into one spelling, so that each resource is asked for once; what leads elsewhere is refused.

use crate::{Address, Error};

/// Key of the service root.
pub(crate) const ROOT: &str = "/redfish/v1";

/// Longest URI that is asked for, bytes.
const LENGTH_MAX: usize = 2048;

/// `uri` as a path on the BMC at `address`: absolute URLs of the same host lose scheme and host, fragments and slashes at the end
/// are cut, what must be encoded is. Case is kept: some BMCs tell it apart.
///
/// # Errors
/// [`Error::Limit`] if it is too long, [`Error::Broken`] if it names another host, holds `..` or control characters, or is no path.
pub(crate) fn normalise(address: &Address, uri: &str) -> Result<String, Error> {
    if uri.len() > LENGTH_MAX {
        return Err(Error::Limit {
            what: "a link".to_owned(),
            problem: format!("its URI has {} bytes, more than {LENGTH_MAX}", uri.len()),
        });
    }
    path_of(address, uri.trim()).map_err(|problem| Error::Broken {
        what: format!("GET {}", uri.escape_default()),
        problem: problem.to_owned(),
    })
}

/// As it is sent: the root with the slash that the standard wants.
pub(crate) fn sent(key: &str) -> &str {
    match key {
        ROOT => "/redfish/v1/",
        key => key,
    }
}

fn path_of(address: &Address, uri: &str) -> Result<String, &'static str> {
    let path = match uri.split_once("://") {
        // a `://` further behind, in a query, is no scheme
        Some((scheme, rest)) if !scheme.contains(['/', '?', '#']) => of_same_host(address, scheme, rest)?,
        _ => uri,
    };
    let path = path.split('#').next().unwrap_or_default();
    if !path.starts_with('/') {
        return Err("it is no absolute path");
    }
    if path.starts_with("//") {
        return Err("it leads to another host");
    }
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let mut normal = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        if is_dots(segment) {
            return Err("it holds a segment of dots");
        }
        normal.push('/');
        push_encoded(&mut normal, segment)?;
    }
    if normal.is_empty() {
        normal.push('/');
    }
    if let Some(query) = query {
        normal.push('?');
        push_encoded(&mut normal, query)?;
    }
    Ok(normal)
}

fn of_same_host<'a>(address: &Address, scheme: &str, rest: &'a str) -> Result<&'a str, &'static str> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let same = format!("{scheme}://{authority}")
        .parse::<Address>()
        .is_ok_and(|other| other == *address);
    match (same, path) {
        (false, _) => Err("it leads to another host"),
        (true, "") => Ok("/"),
        (true, path) => Ok(path),
    }
}

/// `.` and `..`, also encoded.
fn is_dots(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

fn push_encoded(into: &mut String, text: &str) -> Result<(), &'static str> {
    let bytes = text.as_bytes();
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            0..=0x1f | 0x7f | b'\\' => return Err("it holds a control character or a backslash"),
            b'%' => {
                let digits = bytes.get(place + 1..place + 3);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err("a percent sign in it starts no encoded byte");
                }
                into.push('%');
            }
            b' ' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                into.push_str(&format!("%{byte:02X}"));
            }
            byte => into.push(char::from(*byte)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(uri: &str) -> Result<String, Error> {
        normalise(&"10.0.0.1".parse().unwrap(), uri)
    }

    #[test]
    fn one_resource_has_one_spelling() {
        for (uri, expected) in [
            ("/redfish/v1/", ROOT),
            ("/redfish/v1", ROOT),
            ("/redfish//v1///", ROOT),
            (
                "/redfish/v1/Chassis/1/Power#/PowerControl/0",
                "/redfish/v1/Chassis/1/Power",
            ),
            ("https://10.0.0.1/redfish/v1/Systems/", "/redfish/v1/Systems"),
            ("https://10.0.0.1:443/redfish/v1/Systems", "/redfish/v1/Systems"),
            ("/redfish/v1/systems/1/bios/", "/redfish/v1/systems/1/bios"),
            ("/redfish/v1/Fw/BIOS v2", "/redfish/v1/Fw/BIOS%20v2"),
            ("/redfish/v1/Fw/BIOS%20v2", "/redfish/v1/Fw/BIOS%20v2"),
            ("/redfish/v1/Fw/ü", "/redfish/v1/Fw/%C3%BC"),
            ("/redfish/v1/Fw?$skip=50", "/redfish/v1/Fw?$skip=50"),
            ("https://10.0.0.1", "/"),
        ] {
            assert_eq!(normal(uri).unwrap(), expected, "{uri}");
        }
        assert_eq!(sent(ROOT), "/redfish/v1/");
    }

    /// A credential is sent with every request: none may go anywhere else.
    #[test]
    fn what_leads_to_another_host_is_refused() {
        for uri in [
            "https://10.0.0.2/redfish/v1",
            "http://10.0.0.1/redfish/v1",
            "https://10.0.0.1:8443/redfish/v1",
            "https://10.0.0.1@evil.example/redfish/v1",
            "https://evil.example/10.0.0.1",
            "//evil.example/redfish/v1",
            "gopher://10.0.0.1/",
        ] {
            let error = normal(uri).unwrap_err();
            assert!(error.to_string().contains("another host"), "{uri}: {error}");
        }
    }

    #[test]
    fn dots_controls_and_half_encodings_are_refused() {
        for uri in [
            "",
            "Systems",
            "/redfish/v1/../../etc",
            "/redfish/v1/%2e%2E/x",
            "/redfish/./v1",
            "/redfish/v1/a\r\nHost: b",
            "/redfish/v1\\Systems",
            "/redfish/v1/%",
            "/redfish/v1/%zz",
        ] {
            assert!(matches!(normal(uri), Err(Error::Broken { .. })), "{uri}");
        }
        let long = format!("/{}", "a".repeat(LENGTH_MAX));
        assert!(matches!(normal(&long), Err(Error::Limit { .. })));
    }
}
