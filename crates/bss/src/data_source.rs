//! Where a script sends cloud-init: the `ds=` of the kernel's command line, below the token of the boot where there is one.

use std::fmt;
use std::net::IpAddr;

use auth::{Boot, BootTokens};
use model::{MacAddr, NodeUrls, Xname};
use proto::smd::v1::Component;
use state::State;
use state::cloud_init::BOOT_TOKEN_KEY;

use crate::lookup::Asked;

/// How long a token is good for its first use, milliseconds: what loading the largest image may take.
const TOKEN_VALID_FOR_MS: u64 = 60 * 60 * 1000;
/// Keys of the NoCloud data source for its URL.
const URL_KEYS: [&str; 2] = ["s=", "seedfrom="];
/// Path of Cloud-Init on the nodes' port.
const SERVICE_PATH: &str = "/cloud-init";

/// The token of one boot. It is in no debug output.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// The token for who asks at `peer` for the script of `component`; `None` unless `peer` holds the address of the interface
    /// that is asked for, and where the cluster has nothing secret. A member that cannot open the key gives none: what is secret
    /// must then be fetched after a script of another member.
    pub(crate) fn of(
        tokens: &BootTokens,
        state: &State,
        (component, asked): (&Component, &Asked),
        peer: IpAddr,
        (boot_id, now_ms): (u64, u64),
    ) -> Option<Token> {
        let key = state.cluster.secret(BOOT_TOKEN_KEY)?;
        let peer = peer.to_canonical();
        let interface = state.smd.interface_by_ip(peer)?;
        let mac: MacAddr = interface.mac_address.parse().ok()?;
        let is_asked = match asked {
            Asked::Mac(asked) => *asked == mac,
            Asked::Name(_) | Asked::Nid(_) => true,
        };
        let owner: Xname = interface.component_id.parse().ok()?;
        if !is_asked || owner.as_str() != component.id {
            return None;
        }
        let boot = Boot {
            xname: owner.as_str(),
            mac: mac.0,
            address: peer,
            boot_id,
        };
        match tokens.mint(&key, &boot, now_ms.saturating_add(TOKEN_VALID_FOR_MS)) {
            Ok(token) => Some(Token(token)),
            Err(error) => {
                tracing::error!(%error, node = %owner, "this member makes no boot tokens");
                None
            }
        }
    }
}

/// The URL of the cloud-init data of a boot, with its trailing slash; `context` names the boot.
pub(crate) fn url(base_url: &str, context: &impl fmt::Display, token: Option<&Token>) -> String {
    match token {
        Some(Token(token)) => format!("{base_url}{SERVICE_PATH}/b/{context}/t/{token}/"),
        None => format!("{base_url}{SERVICE_PATH}/b/{context}/"),
    }
}

/// The parameters with `url` in every `ds=` that an administrator has pointed at this service.
pub(crate) fn with_own(params: &str, urls: &NodeUrls, url: &str) -> String {
    let words = params.split(' ').map(|word| match own_part(word, urls) {
        Some(part) => word.replacen(part, url, 1),
        None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether a `ds=` of the parameters points elsewhere, so that it can be given no token.
pub(crate) fn points_elsewhere(params: &str, urls: &NodeUrls) -> bool {
    let mut words = params.split(' ');
    words.any(|word| url_of(word).is_some() && own_part(word, urls).is_none())
}

/// The URL in a word, if it is that of this service.
fn own_part<'a>(word: &'a str, urls: &NodeUrls) -> Option<&'a str> {
    let url = url_of(word)?;
    let mut bases = urls.bases();
    bases
        .any(|base| {
            let path = url
                .strip_prefix(base)
                .and_then(|rest| rest.strip_prefix(SERVICE_PATH));
            matches!(path, Some("" | "/"))
        })
        .then_some(url)
}

/// The URL that a word `ds=nocloud…;s=URL` names, with or without quotes.
fn url_of(word: &str) -> Option<&str> {
    let value = word.trim_matches('"').strip_prefix("ds=")?.trim_matches('"');
    let mut parts = value.split(';').skip(1);
    parts.find_map(|part| URL_KEYS.iter().find_map(|key| part.strip_prefix(key)))
}

#[cfg(test)]
mod tests {
    use model::NodeNetwork;

    use super::*;

    const BASE: &str = "http://10.97.0.1:8081";
    const URL: &str = "http://10.97.0.1:8081/cloud-init/b/7-1/t/k/";

    fn urls() -> NodeUrls {
        NodeUrls::new(vec![NodeNetwork {
            base: BASE.to_owned(),
            addresses: Vec::new(),
            subnets: Vec::new(),
        }])
    }

    #[test]
    fn the_token_goes_into_the_url_of_this_service_only() {
        for (word, becomes) in [
            (
                "ds=nocloud-net;s=http://10.97.0.1:8081/cloud-init",
                format!("ds=nocloud-net;s={URL}"),
            ),
            (
                "ds=nocloud;h=a;s=http://10.97.0.1:8081/cloud-init/;i=b",
                format!("ds=nocloud;h=a;s={URL};i=b"),
            ),
            (
                "ds=\"nocloud;seedfrom=http://10.97.0.1:8081/cloud-init/\"",
                format!("ds=\"nocloud;seedfrom={URL}\""),
            ),
        ] {
            let params = format!("quiet {word}  ro");
            assert_eq!(with_own(&params, &urls(), URL), format!("quiet {becomes}  ro"));
            assert!(!points_elsewhere(&params, &urls()), "{word}");
        }
        for elsewhere in [
            "ds=nocloud;s=http://10.97.0.1:80811/cloud-init/",
            "ds=nocloud;s=http://10.97.0.10:8081/cloud-init/",
            "ds=nocloud;s=http://10.97.0.1:8081/cloud-init.evil/",
            "ds=nocloud;s=http://10.97.0.1:8081/cloud-init/b/7-1/",
            "ds=nocloud;s=http://elsewhere/cloud-init/",
        ] {
            assert_eq!(with_own(elsewhere, &urls(), URL), elsewhere);
            assert!(points_elsewhere(elsewhere, &urls()), "{elsewhere}");
        }
        for none in [
            "quiet",
            "ds=nocloud",
            "ds=ec2",
            "xds=nocloud;s=http://elsewhere/",
            "",
        ] {
            assert_eq!(with_own(none, &urls(), URL), none);
            assert!(!points_elsewhere(none, &urls()), "{none}");
        }
    }

    #[test]
    fn the_url_names_boot_and_token() {
        let token = Token("k".to_owned());
        assert_eq!(url(BASE, &"7-1", Some(&token)), URL);
        assert_eq!(url(BASE, &"7-1", None), "http://10.97.0.1:8081/cloud-init/b/7-1/");
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
