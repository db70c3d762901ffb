//! Certificates that have ended or soon do, or that have not the name they are dialled by: those that the ports present, and those in
//! files of this host.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures::future::join_all;
use rpc::tls::validity;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::around::Around;
use super::finding::{Finding, Severity};
use super::ports::HTTPS_PORT;
use super::presented::{self, Presented};
use crate::utc;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// What lives longer is replaced by hand, which takes somebody's time: it is told so long before.
const BY_HAND_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);
/// A short one renews itself at half of its life: what has less than so much of it left was not renewed.
const NOT_RENEWED_PARTS: u32 = 4;
/// Lives up to here are those that renew themselves (a member's for the API has 90 days).
const RENEWS_ITSELF: Duration = Duration::from_secs(100 * 24 * 3600);

pub(super) async fn check(around: &Around) -> Vec<Finding> {
    let now = SystemTime::now();
    let mut found: Vec<Finding> = files(around)
        .iter()
        .flat_map(|file| file_findings(file, now))
        .collect();
    let Ok(target) = &around.target else {
        return found;
    };
    let ports = ports(around);
    let looks = ports.iter().map(async |address| {
        let seen = presented::by(address, target.ca()).await;
        // that nobody answers there is said by the ports' own check
        seen.ok().map(|presented| port_finding(address, &presented, now))
    });
    found.extend(join_all(looks).await.into_iter().flatten());
    match found.is_empty() {
        true => vec![Finding::note("certificates", "none could be looked at")],
        false => found,
    }
}

fn ports(around: &Around) -> BTreeSet<String> {
    let endpoints = around
        .members
        .iter()
        .map(|member| member.endpoint.trim_start_matches("https://").to_owned());
    let mut ports: BTreeSet<String> = endpoints.collect();
    let https = ports
        .iter()
        .filter_map(|address| Some(format!("{}:{HTTPS_PORT}", address.rsplit_once(':')?.0)));
    ports.extend(https.collect::<Vec<_>>());
    ports
}

fn files(around: &Around) -> BTreeSet<PathBuf> {
    let mut files: BTreeSet<PathBuf> = [&around.ca_file, &around.client_certificate]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    if let Some(config) = around.host.config() {
        files.extend(config.site_certificates.iter().cloned());
        let identity = config
            .identity_dir
            .iter()
            .flat_map(|dir| ["ca.pem", "member.pem"].map(|name| dir.join(name)));
        files.extend(identity);
    }
    files
}

fn file_findings(file: &Path, now: SystemTime) -> Vec<Finding> {
    let about = file.display().to_string();
    let pem = match std::fs::read(file) {
        Ok(pem) => pem,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return vec![Finding::note(
                about,
                "may not be read by this user: not looked at",
            )];
        }
        Err(error) => {
            let remedy =
                "Name another file, or put this one back: `chamois serve --check` says what a member needs.";
            return vec![Finding::error(about, format!("cannot be read: {error}"), remedy)];
        }
    };
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .filter_map(Result::ok)
        .collect();
    if certificates.is_empty() {
        return vec![Finding::error(
            about,
            "holds no certificate",
            "It must be PEM, with a CERTIFICATE block.",
        )];
    }
    certificates
        .iter()
        .map(|certificate| life(&about, certificate, now))
        .collect()
}

fn port_finding(address: &str, presented: &Presented, now: SystemTime) -> Finding {
    let finding = life(address, &presented.certificate, now);
    match &presented.verified {
        Ok(()) => finding,
        // an end that is over says more than that a client refuses it; one that is near does not
        Err(_) if finding.severity == Severity::Error => finding,
        Err(problem) => Finding::error(
            address,
            format!("presents a certificate that clients refuse: {problem}"),
            "Dial it by a name that is in its certificate, add the name (`api.names` and restart it), or trust the CA that signed it.",
        ),
    }
}

/// What is left of a certificate's life.
fn life(about: &str, certificate: &CertificateDer<'_>, now: SystemTime) -> Finding {
    let Some((begins, ends)) = validity(certificate) else {
        return Finding::error(about, "is no certificate", "Put it back from where it came.");
    };
    let until = utc::timestamp(utc::unix_ms(ends));
    let Ok(left) = ends.duration_since(now) else {
        return Finding::error(
            about,
            format!("has ended at {until}"),
            renew(ends.duration_since(begins)),
        );
    };
    if begins > now {
        let from = utc::timestamp(utc::unix_ms(begins));
        return Finding::error(
            about,
            format!("is good only from {from} on"),
            "Look at this host's clock: see `clocks` above.",
        );
    }
    let whole = ends.duration_since(begins).unwrap_or_default();
    let is_late = match whole <= RENEWS_ITSELF {
        true => left < whole / NOT_RENEWED_PARTS,
        false => left < BY_HAND_BEFORE,
    };
    match is_late {
        true => Finding::warning(about, format!("ends at {until}"), renew(Ok(whole))),
        false => Finding::ok(
            about,
            format!("is good until {until}, {} days", left.as_secs() / DAY.as_secs()),
        ),
    }
}

fn renew(whole: Result<Duration, std::time::SystemTimeError>) -> &'static str {
    match whole.unwrap_or_default() <= RENEWS_ITSELF {
        true => {
            "It renews itself while a majority can be reached: look for `certificate` in its log, or `chamois certificate renew FILE`."
        }
        false => {
            "`chamois certificate rotate-ca` replaces a CA and with it the members' certificates; a site's own comes from its CA."
        }
    }
}

#[cfg(test)]
mod tests {
    use auth::pki::CertificateAuthority;

    use super::super::around::with;
    use super::super::host::{Host, HostConfig};
    use super::*;

    /// A user's certificate lives a day.
    fn issued(ago: Duration) -> CertificateDer<'static> {
        let at = SystemTime::now() - ago;
        let ca = CertificateAuthority::generate("demo", at).unwrap();
        let issued = ca.issue_user("ada", at).unwrap();
        CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap()
    }

    fn judged(ago: Duration) -> Finding {
        life("ada.pem", &issued(ago), SystemTime::now())
    }

    #[test]
    fn a_fresh_one_is_well_one_that_was_not_renewed_is_late_and_one_that_ended_is_an_error() {
        assert_eq!(judged(Duration::ZERO).severity, Severity::Ok);
        let late = judged(Duration::from_secs(23 * 3600));
        assert_eq!(late.severity, Severity::Warning);
        assert!(late.remedy.contains("renew"), "{late:?}");
        let over = judged(2 * DAY);
        assert_eq!(over.severity, Severity::Error);
        assert!(over.what.contains("has ended at"), "{over:?}");
    }

    #[test]
    fn one_that_is_not_good_yet_points_at_the_clock() {
        let found = life("a", &issued(Duration::ZERO), SystemTime::now() - 2 * DAY);
        assert!(
            found.severity == Severity::Error && found.remedy.contains("clock"),
            "{found:?}"
        );
    }

    #[test]
    fn one_that_clients_refuse_for_its_name_is_an_error() {
        let presented = Presented {
            certificate: issued(Duration::ZERO),
            verified: Err("not valid for name \"admin1\"".into()),
        };
        let found = port_finding("admin1:7441", &presented, SystemTime::now());
        assert_eq!(found.severity, Severity::Error);
        assert!(
            found.what.contains("admin1") && found.remedy.contains("api.names"),
            "{found:?}"
        );
        let refused = |ago: Duration| Presented {
            certificate: issued(ago),
            verified: Err("not valid for name \"admin1\"".into()),
        };
        let late = port_finding(
            "admin1:7441",
            &refused(Duration::from_secs(23 * 3600)),
            SystemTime::now(),
        );
        assert_eq!(
            late.severity,
            Severity::Error,
            "that it ends soon hides nothing: {late:?}"
        );
        let over = port_finding("admin1:7441", &refused(2 * DAY), SystemTime::now());
        assert!(over.what.contains("has ended at"), "{over:?}");
    }

    #[tokio::test]
    async fn the_files_of_a_members_host_are_looked_at_without_any_member() {
        let dir = tempfile::tempdir().unwrap();
        let ca = CertificateAuthority::generate("demo", SystemTime::now()).unwrap();
        std::fs::write(dir.path().join("ca.pem"), ca.certificate_pem()).unwrap();
        std::fs::write(dir.path().join("member.pem"), "no certificate").unwrap();
        let mut around = with(Vec::new());
        around.host = Host::Member(Box::new(HostConfig {
            identity_dir: Some(dir.path().to_owned()),
            ..HostConfig::default()
        }));
        let found = check(&around).await;
        let of = |name: &str| found.iter().find(|f| f.subject.ends_with(name)).unwrap().severity;
        assert_eq!((of("ca.pem"), of("member.pem")), (Severity::Ok, Severity::Error));
    }
}
