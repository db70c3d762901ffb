//! Images in S3: `s3://bucket/key` becomes a URL that a node may fetch for a day, signed when the script is asked for
//! (AWS Signature Version 4, in the query).

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use proto::bss::v1::BootParametersEntry;
use rpc::Error;

/// Begins the URL of an object.
const SCHEME: &str = "s3://";
/// Parameters whose value BSS signs too; of others the administrator knows what reads them.
const PARAMETERS: [&str; 2] = ["metal.server=", "root=live:"];
/// Seconds for which a URL is good. Source: BSS `checkURL`.
const EXPIRES_S: u32 = 24 * 60 * 60;
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Characters of a bucket's name at most. Source: the rules of S3.
const BUCKET_LENGTH_MAX: usize = 63;

/// All that a query or a path needs encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same, but for what separates the parts of a key.
const RESERVED_IN_KEY: &AsciiSet = &RESERVED.remove(b'/');

/// Who signs, for which server.
#[derive(Clone)]
pub struct S3Signer {
    secure: bool,
    host: String,
    region: String,
    access_key: String,
    secret: String,
}

impl fmt::Debug for S3Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Signer")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl S3Signer {
    /// A signer for the server at `endpoint`, e.g. `https://s3.example:9000`; buckets are the first part of its paths.
    ///
    /// # Errors
    /// What is wrong with the endpoint.
    pub fn new(endpoint: &str, region: &str, access_key: &str, secret: &str) -> Result<S3Signer, String> {
        let accepted = "write http:// or https://, a host and maybe a port, e.g. https://s3.example:9000";
        let (scheme, host) = endpoint.trim_end_matches('/').split_once("://").ok_or(accepted)?;
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if !matches!(scheme, "http" | "https") || host.is_empty() || !host.chars().all(is_host) {
            return Err(accepted.to_owned());
        }
        Ok(S3Signer {
            secure: scheme == "https",
            host: host.to_owned(),
            region: region.to_owned(),
            access_key: access_key.to_owned(),
            secret: secret.to_owned(),
        })
    }

    /// The text with every object that [`objects`] finds signed at `at_ms`, milliseconds since the Unix epoch. What is no
    /// object stays as it is.
    pub(crate) fn sign_all(&self, text: &str, at_ms: u64) -> String {
        let mut signed = String::with_capacity(text.len());
        let mut done = 0;
        for (start, end) in objects(text) {
            if let Ok(object) = Object::parse(&text[start..end]) {
                signed.push_str(&text[done..start]);
                signed.push_str(&self.url(&object, at_ms));
                done = end;
            }
        }
        signed.push_str(&text[done..]);
        signed
    }

    fn url(&self, object: &Object, at_ms: u64) -> String {
        let path = format!("/{}{}", object.bucket, object.path());
        self.signed_url(&path, at_ms)
    }

    /// The URL of an encoded path, signed.
    fn signed_url(&self, path: &str, at_ms: u64) -> String {
        let time = basic_time(at_ms);
        let scope = format!("{}/{}/s3/aws4_request", &time[..8], self.region);
        let credential = format!("{}/{scope}", self.access_key);
        let query = format!(
            "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&X-Amz-Date={time}&X-Amz-Expires={EXPIRES_S}\
             &X-Amz-SignedHeaders=host",
            utf8_percent_encode(&credential, RESERVED)
        );
        let host = &self.host;
        let request = format!("GET\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
        let hash = hex(digest(&SHA256, request.as_bytes()).as_ref());
        let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{hash}");
        let signature = hex(mac(&self.key(&time[..8]), &to_sign).as_ref());
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{host}{path}?{query}&X-Amz-Signature={signature}")
    }

    /// The key of one day.
    fn key(&self, day: &str) -> hmac::Tag {
        let secret = format!("AWS4{}", self.secret);
        let start = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let of_day = hmac::sign(&start, day.as_bytes());
        [self.region.as_str(), "s3", "aws4_request"]
            .into_iter()
            .fold(of_day, |tag, part| mac(&tag, part))
    }
}

fn mac(key: &hmac::Tag, text: &str) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
    hmac::sign(&key, text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `20130524T000000Z`.
fn basic_time(at_ms: u64) -> String {
    let text = state::time_text(at_ms);
    let seconds = text.split('.').next().unwrap_or_default();
    let mut basic: String = seconds.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    basic.push('Z');
    basic
}

/// One object.
#[derive(Debug, PartialEq, Eq)]
struct Object {
    bucket: String,
    /// Decoded.
    key: String,
}

impl Object {
    /// `s3://bucket/key`, or `s3:///bucket/key`, as BSS takes it.
    fn parse(url: &str) -> Result<Object, &'static str> {
        let accepted = "write s3://bucket/key; a bucket has lower-case letters, digits, - and .";
        let rest = url.strip_prefix(SCHEME).ok_or(accepted)?;
        let (bucket, key) = rest.trim_start_matches('/').split_once('/').ok_or(accepted)?;
        let is_bucket = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        if bucket.is_empty() || bucket.len() > BUCKET_LENGTH_MAX || !bucket.chars().all(is_bucket) {
            return Err(accepted);
        }
        let key = percent_decode_str(key).decode_utf8().map_err(|_| accepted)?;
        let is_bad = |part: &str| part.is_empty() || part == "." || part == "..";
        if key.split('/').any(is_bad) || key.contains(['"', '\\']) || key.contains(char::is_control) {
            return Err("a key has no empty parts, no . or .. and neither \" nor \\ in it");
        }
        Ok(Object {
            bucket: bucket.to_owned(),
            key: key.into_owned(),
        })
    }

    fn path(&self) -> String {
        format!("/{}", utf8_percent_encode(&self.key, RESERVED_IN_KEY))
    }
}

/// Where the objects are in a script, its JSON or a list of parameters: words, or values of the parameters that BSS
/// signs. As byte positions.
fn objects(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let is_end = |c: char| c == ' ' || c == '\n' || c == '"';
    text.match_indices(SCHEME).filter_map(move |(start, _)| {
        let word = text[..start].rfind(is_end).map_or(0, |at| at + 1);
        let before = &text[word..start];
        let end = text[start..].find(is_end).map_or(text.len(), |at| start + at);
        (before.is_empty() || PARAMETERS.contains(&before)).then_some((start, end))
    })
}

/// Whether a script cannot be sent as it is.
pub(crate) fn needs_signer(script: &str) -> bool {
    objects(script).next().is_some()
}

/// Refuses what could not be signed later: a node would be sent a URL that iPXE does not know.
///
/// # Errors
/// `Invalid` with the field, and what is missing.
pub(crate) fn check(signer: Option<&S3Signer>, values: &BootParametersEntry) -> Result<(), Error> {
    let fields = [
        ("kernel", &values.kernel),
        ("initrd", &values.initrd),
        ("params", &values.params),
    ];
    for (field, text) in fields {
        for (start, end) in objects(text) {
            let problem = match (signer, Object::parse(&text[start..end])) {
                (_, Err(problem)) => problem,
                (Some(_), Ok(_)) => continue,
                (None, Ok(_)) => {
                    "it is at s3://, and this member has no credentials to sign with; give all members a [bss.s3]"
                }
            };
            return Err(rpc::invalid(field, problem));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2013-05-24T00:00:00Z, of AWS's example.
    const EXAMPLE_MS: u64 = 1_369_353_600_000;
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn signer(endpoint: &str) -> S3Signer {
        S3Signer::new(endpoint, "us-east-1", "AKIAIOSFODNN7EXAMPLE", SECRET).unwrap()
    }

    /// "Authenticating Requests: Using Query Parameters" of the documentation of Amazon S3.
    #[test]
    fn the_signature_is_that_of_awss_example() {
        let url = signer("https://examplebucket.s3.amazonaws.com").signed_url("/test.txt", EXAMPLE_MS);
        assert_eq!(
            url,
            "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }

    #[test]
    fn the_secret_is_in_no_debug_output() {
        let shown = format!("{:?}", signer("https://s3.example:9000"));
        assert!(shown.contains("s3.example:9000"), "{shown}");
        assert!(!shown.contains(SECRET) && !shown.contains("AKIA"), "{shown}");
    }

    #[test]
    fn an_endpoint_is_a_scheme_and_a_host() {
        for wrong in [
            "",
            "s3.example",
            "ftp://x",
            "https://",
            "https://x/path",
            "https://u:p@x",
            "https://a b",
        ] {
            assert!(S3Signer::new(wrong, "r", "a", "s").is_err(), "{wrong}");
        }
        assert_eq!(signer("http://[fd00::1]:9000/").host, "[fd00::1]:9000");
    }

    /// Kernel, initrd and the two parameters, in a script and in its JSON; nothing else.
    #[test]
    fn what_bss_signs_is_signed_wherever_it_stands() {
        let signer = signer("http://s3:9000");
        for text in [
            "kernel --name kernel {} a",
            "initrd --name initrd {} || goto boot_retry\n",
            "quiet metal.server={} b",
            "root=live:{}",
            r#""path":"{}"}"#,
        ] {
            let signed = signer.sign_all(
                &text.replace("{}", "s3://images/a b/k".replace(' ', "%20").as_str()),
                EXAMPLE_MS,
            );
            let (before, after) = text.split_once("{}").unwrap();
            let url = signed
                .strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after))
                .unwrap();
            assert!(
                url.starts_with("http://s3:9000/images/a%20b/k?X-Amz-Algorithm="),
                "{url}"
            );
            assert!(!url.contains(' ') && !url.contains('"'), "{url}");
        }
        for other in [
            "x=s3://images/k",
            "root=live:http://x/s3://images/k",
            "kernel s3://IMAGES/k",
            "s3://images",
            "s3://images/../k",
        ] {
            assert_eq!(signer.sign_all(other, EXAMPLE_MS), other);
        }
    }

    #[test]
    fn two_objects_are_signed_and_what_is_between_them_stays() {
        let signed = signer("http://s3").sign_all("s3://a/k metal.server=s3://b/i x", EXAMPLE_MS);
        let words: Vec<&str> = signed.split(' ').collect();
        assert!(words[0].starts_with("http://s3/a/k?"), "{signed}");
        assert!(words[1].starts_with("metal.server=http://s3/b/i?"), "{signed}");
        assert_eq!((words.len(), words[2]), (3, "x"), "{signed}");
    }

    /// A script is made once and asked for often: the signature's day begins with the call.
    #[test]
    fn the_time_is_that_of_the_call() {
        let signer = signer("http://s3");
        let at = |ms| signer.sign_all("s3://a/k", ms);
        assert!(at(EXAMPLE_MS + 1000).contains("X-Amz-Date=20130524T000001Z"));
        assert_ne!(at(EXAMPLE_MS), at(EXAMPLE_MS + 1000));
    }

    #[test]
    fn what_could_not_be_signed_is_refused_at_the_write() {
        let values = |kernel: &str, params: &str| BootParametersEntry {
            kernel: kernel.to_owned(),
            params: params.to_owned(),
            ..BootParametersEntry::default()
        };
        let signer = signer("http://s3");
        let refused = |signer, values| check(signer, &values).unwrap_err().to_string();
        let none = refused(None, values("s3://a/k", ""));
        assert!(
            none.starts_with("kernel: ") && none.contains("[bss.s3]"),
            "{none}"
        );
        let none = refused(None, values("", "quiet root=live:s3://a/k"));
        assert!(none.starts_with("params: "), "{none}");
        let wrong = refused(Some(&signer), values("s3://a", ""));
        assert!(wrong.contains("s3://bucket/key"), "{wrong}");
        for fine in [
            values("s3://a/k", "metal.server=s3://a/i"),
            values("http://i/k", "x=s3://y"),
        ] {
            check(Some(&signer), &fine).unwrap();
        }
        check(None, &values("http://i/k", "x=s3://y")).unwrap();
    }
}
