//! Where syslog messages go, as a configuration names it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where syslog messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogTarget {
    /// Datagrams to a socket of this host, e.g. `unix:/dev/log`.
    Unix(PathBuf),
    /// Datagrams to `host:port` (RFC 5426), e.g. `udp:10.0.0.5:514`.
    Udp(String),
    /// A stream to `host:port`, each message with its length (RFC 6587), e.g. `tcp:10.0.0.5:601`.
    Tcp(String),
}

/// A text that names no target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoTarget(String);

impl fmt::Display for NoTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` names no place for syslog messages; accepted is e.g. `unix:/dev/log`, `udp:10.0.0.5:514` or `tcp:10.0.0.5:601`",
            self.0
        )
    }
}

impl std::error::Error for NoTarget {}

impl FromStr for SyslogTarget {
    type Err = NoTarget;

    fn from_str(text: &str) -> Result<Self, NoTarget> {
        let refused = || NoTarget(text.to_owned());
        let (kind, place) = text.split_once(':').ok_or_else(refused)?;
        match kind {
            "unix" if place.starts_with('/') => Ok(Self::Unix(place.into())),
            "udp" if is_host_and_port(place) => Ok(Self::Udp(place.to_owned())),
            "tcp" if is_host_and_port(place) => Ok(Self::Tcp(place.to_owned())),
            _ => Err(refused()),
        }
    }
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_bare_ipv6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    !host.is_empty() && !is_bare_ipv6 && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_a_kind_and_a_place() {
        for (text, expected) in [
            ("unix:/dev/log", SyslogTarget::Unix("/dev/log".into())),
            ("udp:10.0.0.5:514", SyslogTarget::Udp("10.0.0.5:514".into())),
            ("udp:[fd00::5]:514", SyslogTarget::Udp("[fd00::5]:514".into())),
            (
                "tcp:logs.example:601",
                SyslogTarget::Tcp("logs.example:601".into()),
            ),
        ] {
            assert_eq!(text.parse(), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_target_is_answered_with_those_that_are() {
        for wrong in [
            "",
            "/dev/log",
            "unix:",
            "unix:dev/log",
            "udp:10.0.0.5",
            "udp::514",
            "tcp:10.0.0.5:0",
            "tcp:10.0.0.5:65536",
            "tls:10.0.0.5:6514",
            "udp:fd00::5:514",
        ] {
            let error = wrong.parse::<SyslogTarget>().unwrap_err().to_string();
            assert!(
                error.contains("unix:/dev/log") && error.contains(wrong),
                "{wrong}: {error}"
            );
        }
    }
}
