//! Where BMCs fetch an image.

use model::BootFileName;

/// What stands before the name of a boot file.
const FILE: &str = "file:";
/// Schemes of SimpleUpdate that BMCs have. Source: DSP2046, `TransferProtocol`; those that need a login are left out.
const SCHEMES: [&str; 5] = ["http", "https", "tftp", "nfs", "ftp"];
/// Bytes of a URI.
const URI_BYTES_MAX: usize = 2048;

/// An image, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Image {
    /// The same URI for every BMC.
    Uri(String),
    /// A boot file of this cluster, which is fetched from the network that the BMC is on.
    File(BootFileName),
}

impl Image {
    /// # Errors
    /// What is wrong with it, and what is accepted. No text of a user or password is repeated.
    pub(crate) fn parse(text: &str) -> Result<Image, String> {
        if text.len() > URI_BYTES_MAX {
            return Err(format!(
                "it has {} bytes; write {URI_BYTES_MAX} at most",
                text.len()
            ));
        }
        if let Some(name) = text.strip_prefix(FILE) {
            let name: Result<BootFileName, _> = name.parse();
            return name.map(Image::File).map_err(|problem| problem.to_string());
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it holds blanks or what is not ASCII; write them as %XX".to_owned());
        }
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        if !SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
            let known = SCHEMES.join(", ");
            return Err(format!(
                "write a URL of a scheme that BMCs fetch by ({known}), or {FILE}<name> for a boot file of this cluster"
            ));
        }
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.contains('@') {
            return Err(
                "it holds a user; the job shows it to others, so serve the image without a login".to_owned(),
            );
        }
        if host.is_empty() || path.is_empty() {
            return Err("it names no file on a host; write e.g. http://10.1.0.1/bios.bin".to_owned());
        }
        Ok(Image::Uri(text.to_owned()))
    }

    /// What a BMC is told; `base` is the URL of the nodes' port on its network.
    ///
    /// # Errors
    /// Why there is no URL.
    pub(crate) fn uri(&self, base: Option<&str>) -> Result<String, String> {
        match (self, base) {
            (Image::Uri(uri), _) => Ok(uri.clone()),
            (Image::File(name), Some(base)) => Ok(format!("{base}/files/{}", encoded(name.as_str()))),
            (Image::File(name), None) => Err(format!(
                "this member serves no network from which BMCs could fetch {FILE}{name}"
            )),
        }
    }
}

/// A path as it stands in a URL: RFC 3986's unreserved characters and slashes as they are.
fn encoded(path: &str) -> String {
    let mut url = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                url.push(char::from(byte));
            }
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_what_bmcs_fetch_by_are_taken_as_they_are() {
        for uri in [
            "http://10.1.0.1/bios.bin",
            "HTTPS://images.example:8443/a/b.bin?x=1",
            "tftp://[fd00::1]/bmc.ima",
            "nfs://10.1.0.1/export/bmc.ima",
            "ftp://10.1.0.1/bmc.ima",
        ] {
            assert_eq!(Image::parse(uri), Ok(Image::Uri(uri.to_owned())));
            assert_eq!(Image::parse(uri).unwrap().uri(None).unwrap(), uri);
        }
    }

    #[test]
    fn what_no_bmc_can_fetch_is_refused_with_what_is_accepted() {
        let long = format!("http://10.1.0.1/{}", "a".repeat(URI_BYTES_MAX));
        for (wrong, told) in [
            ("", "http, https, tftp, nfs, ftp"),
            ("bios.bin", "http, https, tftp, nfs, ftp"),
            ("/root/bios.bin", "file:<name>"),
            ("scp://10.1.0.1/bios.bin", "http, https, tftp, nfs, ftp"),
            ("http://10.1.0.1", "names no file"),
            ("http://10.1.0.1/", "names no file"),
            ("http:///bios.bin", "names no file"),
            ("http://10.1.0.1/a b", "blanks"),
            ("http://10.1.0.1/a\nb", "blanks"),
            (long.as_str(), "2048 at most"),
        ] {
            let problem = Image::parse(wrong).unwrap_err();
            assert!(problem.contains(told), "{wrong}: {problem}");
        }
    }

    /// The job is shown, and stands in the log.
    #[test]
    fn a_url_with_a_password_is_refused_and_not_repeated() {
        let problem = Image::parse("http://root:secret@10.1.0.1/bios.bin").unwrap_err();
        assert!(
            problem.contains("user") && !problem.contains("secret"),
            "{problem}"
        );
    }

    #[test]
    fn a_boot_file_is_fetched_from_the_network_of_the_bmc() {
        let image = Image::parse("file:bios-1.2.bin").unwrap();
        let uri = image.uri(Some("http://10.97.0.1:8081")).unwrap();
        assert_eq!(uri, "http://10.97.0.1:8081/files/bios-1.2.bin");
        assert!(image.uri(None).unwrap_err().contains("file:bios-1.2.bin"));
        let odd = Image::parse("file:a b/ü%2e.bin").unwrap();
        let uri = odd.uri(Some("http://10.97.0.1:8081")).unwrap();
        assert_eq!(uri, "http://10.97.0.1:8081/files/a%20b/%C3%BC%252e.bin");
        assert!(Image::parse("file:").is_err());
        assert!(Image::parse("file:../etc/passwd").is_err());
    }
}
