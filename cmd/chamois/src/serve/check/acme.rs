//! `[api.acme]`: what a CA would refuse, or could not reach.

use super::Problems;
use crate::serve::acme::binding;
use crate::serve::config::Config;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    let Some(acme) = &config.api.acme else {
        return;
    };
    if !acme.directory.starts_with("https://") {
        problems.add(
            "api.acme.directory",
            format_args!(
                "`{}` is not the URL of a CA's directory; accepted is e.g. `https://acme-v02.api.letsencrypt.org/directory`",
                acme.directory
            ),
        );
    }
    if acme.names.is_empty() {
        problems.add(
            "api.acme.names",
            "empty; name what clients dial, e.g. [\"smd.hpc.example.org\"]",
        );
    }
    if !acme.agree_to_terms {
        let problem = "false; a CA gives certificates only to who agrees to its terms of service: read them and write true, or remove \
                       [api.acme]";
        problems.add("api.acme.agree-to-terms", problem);
    }
    if acme.contact.as_ref().is_some_and(|contact| !is_address(contact)) {
        problems.add(
            "api.acme.contact",
            "not a mail address; accepted is e.g. `ops@hpc.example.org`",
        );
    }
    if config.api.https_certificate.is_some() {
        let problem =
            "a certificate comes from files (`api.https-certificate`) or by ACME; remove one of the two";
        problems.add("api.acme", problem);
    }
    if let Err(problem) = binding::load(acme) {
        problems.add("api.acme", problem);
    }
}

/// As far as it may stand in a URL as it is (RFC 8555, 7.3: one address, no header fields).
fn is_address(contact: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@.-_+".contains(&byte);
    let halves = contact.split_once('@');
    let is_whole =
        halves.is_some_and(|(who, host)| !who.is_empty() && !host.is_empty() && !host.contains('@'));
    is_whole && contact.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn a_contact_is_one_mail_address() {
        assert!(is_address("ops+tls@hpc.example.org"));
        for wrong in [
            "",
            "ops",
            "@example",
            "ops@",
            "a@b@c",
            "mailto:a@b",
            "a@b?to=c",
            "a@b,c@d",
        ] {
            assert!(!is_address(wrong), "{wrong}");
        }
    }
}
