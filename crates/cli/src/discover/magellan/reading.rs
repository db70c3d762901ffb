//! Reads BMCs from this host, as the cluster's crawls do: the same client, the same bounds.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use proto::smd::v1::RedfishEndpointPayload;
use redfish::{Address, Connector, Inventory, Limits, Trust};
use tokio_rustls::rustls::RootCertStore;

use super::Common;
use super::failures::Failure;
use super::login::Logins;
use super::naming::Named;
use crate::connect::read_ca;
use crate::error::{CliError, Kind};

/// Requests to all BMCs together, in flight.
pub(super) const REQUESTS_MAX: usize = 512;
/// BMCs at once.
const AT_ONCE: usize = 64;

/// Whose certificates are believed.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct TlsArgs {
    /// Believe any certificate. Default: the key that a BMC showed in the scan, or any of one that was not scanned
    #[arg(short, long, conflicts_with = "cacert")]
    insecure: bool,
    /// Believe only what these CAs have signed (PEM)
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
}

/// How BMCs are read.
pub(super) struct Reading {
    connector: Connector,
    logins: Logins,
    roots: Option<Arc<RootCertStore>>,
    insecure: bool,
    limits: Limits,
    at_once: usize,
}

/// A BMC that was read, whole or in part.
pub(super) type Read = (RedfishEndpointPayload, Address);

/// What was read of a BMC, and why that is not all.
type Outcome = (Option<Read>, Option<Failure>);

impl Reading {
    /// # Errors
    /// `Usage` for CAs that cannot be read.
    pub(super) fn new(common: &Common, tls: &TlsArgs, logins: Logins) -> Result<Reading, CliError> {
        let wait = Duration::from_secs(common.timeout.into());
        Ok(Reading {
            connector: Connector::system(REQUESTS_MAX),
            logins,
            roots: tls.cacert.as_deref().map(roots).transpose()?,
            insecure: tls.insecure,
            limits: Limits {
                connect: wait,
                answer: wait,
                ..Limits::default()
            },
            at_once: common.at_once(AT_ONCE),
        })
    }

    /// Reads all, so many at once; the answers are in the order of `bmcs`. One that fails holds up no other.
    pub(super) async fn read_all(&self, bmcs: &[Named]) -> (Vec<Read>, Vec<Failure>) {
        let bar = ProgressBar::new(bmcs.len() as u64);
        let style = ProgressStyle::with_template("{elapsed_precise} {bar:32} {pos}/{len} BMCs");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let one = |(place, bmc)| {
            let bar = &bar;
            async move {
                let read = self.read(bmc).await;
                bar.inc(1);
                (place, read)
            }
        };
        let all = stream::iter(bmcs.iter().enumerate())
            .map(one)
            .buffer_unordered(self.at_once);
        let mut all: Vec<(usize, Outcome)> = all.collect().await;
        bar.finish_and_clear();
        all.sort_by_key(|(place, _)| *place);
        let (read, failures): (Vec<_>, Vec<_>) = all.into_iter().map(|(_, outcome)| outcome).unzip();
        (
            read.into_iter().flatten().collect(),
            failures.into_iter().flatten().collect(),
        )
    }

    async fn read(&self, bmc: &Named) -> Outcome {
        let login = self.logins.at(&bmc.address);
        let user = login.as_ref().map(|login| login.user.clone()).unwrap_or_default();
        let trust = self.trust(&bmc.key_sha256);
        let crawled = discovery::crawl(&self.connector, &bmc.address, login, trust, &self.limits).await;
        match crawled {
            Ok(crawled) => {
                let payload = discovery::payload(&crawled.inventory, &bmc.xname, &bmc.address, &user);
                (
                    Some((payload, bmc.address.clone())),
                    partial(&bmc.address, &crawled.inventory),
                )
            }
            Err(error) => (None, Some(Failure::of(&bmc.address, &error))),
        }
    }

    fn trust(&self, key_sha256: &str) -> Trust {
        match (self.insecure, &self.roots, key_sha256) {
            (true, ..) => Trust::InsecureAny,
            (false, Some(roots), _) => Trust::Roots(Arc::clone(roots)),
            (false, None, "") => Trust::FirstUse,
            (false, None, key) => Trust::Pinned(key.to_owned()),
        }
    }
}

/// Half a tree is given, and told.
fn partial(address: &Address, inventory: &Inventory) -> Option<Failure> {
    let first = inventory.problems.first()?;
    Some(Failure {
        place: address.to_string(),
        word: "partial",
        reason: format!(
            "{} of its resources could not be read, the first is {}: {}",
            inventory.problems.len(),
            first.uri,
            first.problem
        ),
        remedy: "what could be read is written; read it again, and if it stays, update the BMC's firmware"
            .to_owned(),
    })
}

fn roots(path: &Path) -> Result<Arc<RootCertStore>, CliError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_ca(path)? {
        roots.add(certificate).map_err(|error| {
            CliError::new(
                Kind::Usage,
                format!("{} holds no CA's certificate: {error}", path.display()),
            )
        })?;
    }
    Ok(Arc::new(roots))
}

#[cfg(test)]
mod tests {
    use redfish::Problem;

    use super::*;

    fn common() -> Common {
        Common {
            cache: None,
            concurrency: -1,
            timeout: 1,
            access_token: None,
        }
    }

    fn reading(insecure: bool) -> Reading {
        let tls = TlsArgs {
            insecure,
            cacert: None,
        };
        Reading::new(&common(), &tls, Logins::default()).unwrap()
    }

    #[test]
    fn the_key_of_the_scan_is_believed_unless_any_is() {
        assert!(matches!(reading(false).trust("ab"), Trust::Pinned(key) if key == "ab"));
        assert!(matches!(reading(false).trust(""), Trust::FirstUse));
        assert!(matches!(reading(true).trust("ab"), Trust::InsecureAny));
        let none = TlsArgs {
            insecure: false,
            cacert: Some("/none/ca.pem".into()),
        };
        let error = Reading::new(&common(), &none, Logins::default()).err().unwrap();
        assert!(error.to_string().contains("/none/ca.pem"), "{error}");
    }

    /// Nobody listens on port 1 of loopback.
    #[tokio::test]
    async fn a_bmc_that_is_not_there_is_a_failure_with_a_remedy() {
        let bmc = |place: &str, xname: &str| Named {
            address: place.parse().unwrap(),
            xname: xname.parse().unwrap(),
            key_sha256: String::new(),
        };
        let bmcs = [bmc("127.0.0.1:1", "x0c0s0b0"), bmc("127.0.0.2:1", "x0c0s1b0")];
        let (read, failures) = reading(false).read_all(&bmcs).await;
        assert!(read.is_empty());
        let places: Vec<&str> = failures.iter().map(|failure| failure.place.as_str()).collect();
        assert_eq!(places, ["127.0.0.1:1", "127.0.0.2:1"]);
        assert!(
            failures.iter().all(|failure| !failure.remedy.is_empty()),
            "{failures:?}"
        );
    }

    #[test]
    fn half_a_tree_is_told_with_its_first_problem() {
        let address: Address = "10.0.0.1".parse().unwrap();
        assert_eq!(partial(&address, &Inventory::default()), None);
        let problem = Problem {
            uri: "/redfish/v1/Chassis/1".into(),
            problem: "503".into(),
        };
        let inventory = Inventory {
            problems: vec![problem.clone(), problem],
            ..Inventory::default()
        };
        let failure = partial(&address, &inventory).unwrap();
        assert_eq!(failure.word, "partial");
        assert!(failure.reason.starts_with("2 of its resources"), "{failure:?}");
    }
}
