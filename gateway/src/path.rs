//! The path of a request as the route table reads it. What a proxy in front, or a client's library, may read as another path is no
//! path here: a route is reached by one way to write it.

use std::borrow::Cow;

use crate::options::Alias;
use crate::request::{BadRequest, decode, invalid};

/// The path that is looked up: with what stands for its beginning, and without one trailing slash.
pub(crate) fn own<'p>(path: &'p str, aliases: &[Alias]) -> Cow<'p, str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let rest_of = |alias: &Alias| {
        let rest = path.strip_prefix(alias.from.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then(|| format!("{}{rest}", alias.to))
    };
    match aliases.iter().find_map(rest_of) {
        Some(renamed) => Cow::Owned(renamed),
        None => Cow::Borrowed(path),
    }
}

/// The decoded segments of a path.
///
/// # Errors
/// A segment `.` or `..`, however it is written; a character that is encoded though nothing needs it (RFC 3986, 2.3: normalising
/// takes the encoding away, so that such a path is two); those of [`decode`].
pub(crate) fn segments(path: &str) -> Result<Vec<Cow<'_, str>>, BadRequest> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split('/').map(segment).collect()
}

fn segment(written: &str) -> Result<Cow<'_, str>, BadRequest> {
    let decoded = decode(written)?;
    if let Some(plain) = needlessly_encoded(written) {
        let problem = format!("{written:?}: {plain:?} is not accepted encoded in a path; write it as it is");
        return Err(invalid(problem));
    }
    if matches!(decoded.as_ref(), "." | "..") {
        return Err(invalid(
            "the path has a segment . or ..; write the path that is meant",
        ));
    }
    Ok(decoded)
}

/// The first unreserved character that stands there as `%XX`. What is behind each `%` has been looked at.
fn needlessly_encoded(written: &str) -> Option<char> {
    let encoded = written.split('%').skip(1);
    let bytes = encoded.filter_map(|behind| u8::from_str_radix(behind.get(..2)?, 16).ok());
    bytes.map(char::from).find(|character| is_unreserved(*character))
}

/// RFC 3986, 2.3.
fn is_unreserved(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    fn owned(path: &str) -> String {
        own(path, &Options::default().aliases).into_owned()
    }

    #[test]
    fn an_alias_stands_for_the_beginning_of_a_path_once() {
        for (path, expected) in [
            ("/apis/smd/hsm/v2/State/Components", "/hsm/v2/State/Components"),
            ("/apis/smd/hsm/v2", "/hsm/v2"),
            ("/apis/bss/boot/v1/hosts/", "/boot/v1/hosts"),
            ("/cloud-init-secure/meta-data", "/cloud-init/meta-data"),
            ("/cloud-init/meta-data", "/cloud-init/meta-data"),
        ] {
            assert_eq!(owned(path), expected);
        }
        for other in [
            "/apis/smd/hsm/v22/x",
            "/apis/smd/boot/v1/hosts",
            "/apis/bss/hsm/v2/groups",
            "/apis/smd/apis/smd/hsm/v2/groups",
            "/APIS/smd/hsm/v2/groups",
            "/apis//smd/hsm/v2/groups",
            "/cloud-init-secured/meta-data",
            "/x/apis/smd/hsm/v2/groups",
        ] {
            assert_eq!(owned(other), other, "it is nobody's other name");
        }
    }

    #[test]
    fn one_trailing_slash_is_none() {
        assert_eq!(
            (owned("/a/"), owned("/a//"), owned("/")),
            ("/a".into(), "/a/".into(), String::new())
        );
    }

    #[test]
    fn what_needs_it_is_decoded() {
        let path = "/a/10.0.0.0%2F24/02%3a00/x%20y/caf%C3%A9/a%25b";
        assert_eq!(
            segments(path).unwrap(),
            ["a", "10.0.0.0/24", "02:00", "x y", "café", "a%b"]
        );
        assert_eq!(segments("/a//b").unwrap(), ["a", "", "b"], "which no route has");
    }

    #[test]
    fn a_path_that_may_be_read_as_another_is_refused() {
        for path in [
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/a/%2e/b",
            "/a/%2E%2e/b",
            "/a/.%2e/b",
            "/%61/b",
            "/a/x%2Db",
            "/a/%7e",
            "/a/%5F",
        ] {
            assert!(segments(path).is_err(), "{path}");
        }
        let detail = segments("/hsm/%76%32").unwrap_err().detail();
        assert!(
            detail.contains("'v'") && detail.contains("write it as it is"),
            "{detail}"
        );
        for dots in ["/a/...", "/a/..b", "/a/b.c"] {
            segments(dots).unwrap();
        }
    }

    /// `%25` is the percent sign itself: what is behind it stays as it is written.
    #[test]
    fn what_is_encoded_twice_is_decoded_once() {
        assert_eq!(segments("/a/%252e%252e").unwrap(), ["a", "%2e%2e"]);
        assert_eq!(segments("/%2568sm").unwrap(), ["%68sm"]);
    }

    #[test]
    fn what_cannot_be_decoded_is_refused() {
        for path in [
            "/a/%",
            "/a/%4",
            "/a/%zz",
            "/a/%00",
            "/a/%0d%0a",
            "/a/%ff",
            "/a/é%",
        ] {
            assert!(segments(path).is_err(), "{path}");
        }
    }
}
