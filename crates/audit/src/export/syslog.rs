//! Messages of RFC 5424: facility 13 (log audit), the line as JSON in their text.

use std::borrow::Cow;
use std::io;

use super::transport::Transport;
use super::{Line, SyslogTarget, Target};
use crate::record::{Record, line};

/// Facility "log audit" (RFC 5424, table 1).
const FACILITY: u8 = 13;
/// Severities (RFC 5424, table 2).
const WARNING: u8 = 4;
const NOTICE: u8 = 5;
/// Bytes of a host's name (RFC 5424, 6).
const HOST_BYTES_MAX: usize = 255;
/// Objects of a record that does not fit into a message: fewer and fewer of them, until it does.
const SHRINK_BY: usize = 2;
/// Every server takes messages of so many bytes (RFC 5424, 6.1).
const EVERYBODY_TAKES: usize = 480;
/// What the system says of a datagram that is too long for the way to a server (Linux).
const EMSGSIZE: i32 = 90;

pub(super) struct Syslog {
    transport: Transport,
    /// `HOSTNAME APP-NAME PROCID`.
    origin: String,
}

impl Syslog {
    pub(super) fn new(target: SyslogTarget, host: &str, member_id: u64) -> Syslog {
        let plain = host.chars().filter(char::is_ascii_graphic).take(HOST_BYTES_MAX);
        let host: String = plain.collect();
        let host = if host.is_empty() { "-" } else { host.as_str() };
        Syslog {
            transport: Transport::new(target),
            origin: format!("{host} chamois member-{member_id}"),
        }
    }

    /// The message of a line, of at most `bytes_max` bytes: objects that do not fit are left out, and said so. What is too long
    /// without any is cut, and no JSON any more; all of it is ASCII.
    fn message(&self, of: &Line, bytes_max: usize) -> Vec<u8> {
        match of {
            Line::Denial(denial) => {
                let mut message = self.framed(WARNING, &denial.time, "denial", &line(&**denial));
                message.truncate(bytes_max);
                message
            }
            Line::Record(record) => {
                let mut shown: Cow<'_, Record> = Cow::Borrowed(&**record);
                loop {
                    let mut message = self.of_record(&shown);
                    if message.len() <= bytes_max || shown.objects.is_empty() {
                        message.truncate(bytes_max);
                        return message;
                    }
                    let shorter = shown.to_mut();
                    let left = shorter.objects.len() / SHRINK_BY;
                    shorter.objects_left_out += (shorter.objects.len() - left) as u64;
                    shorter.objects.truncate(left);
                }
            }
        }
    }

    fn of_record(&self, record: &Record) -> Vec<u8> {
        let (severity, id) = match record.is_gap() {
            true => (WARNING, "gap"),
            false => (NOTICE, "audit"),
        };
        self.framed(severity, &record.time, id, &line(record))
    }

    /// `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID SD MSG`, without the end of the line.
    fn framed(&self, severity: u8, time: &str, id: &str, line: &[u8]) -> Vec<u8> {
        let priority = FACILITY * 8 + severity;
        let mut message = format!("<{priority}>1 {time} {} {id} - ", self.origin).into_bytes();
        message.extend_from_slice(line.trim_ascii_end());
        message
    }
}

impl Target for Syslog {
    fn send(&mut self, line: &Line) -> io::Result<()> {
        shortened(self.transport.bytes_max(), |bytes_max| {
            let message = self.message(line, bytes_max);
            self.transport.send(&message)
        })
    }
}

/// Sends with ever fewer bytes as long as the system says that they are too many.
///
/// # Errors
/// `InvalidInput` if they are too many whatever one does; else what `send` says.
fn shortened(mut bytes_max: usize, mut send: impl FnMut(usize) -> io::Result<()>) -> io::Result<()> {
    loop {
        match send(bytes_max) {
            Err(error) if error.raw_os_error() == Some(EMSGSIZE) => {
                if bytes_max <= EVERYBODY_TAKES {
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
                }
                bytes_max = (bytes_max / SHRINK_BY).max(EVERYBODY_TAKES);
            }
            sent => return sent,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::sync::Arc;

    use super::*;
    use crate::record::Denial;
    use crate::record::tests::record;

    fn syslog(host: &str) -> Syslog {
        Syslog::new(SyslogTarget::Unix("/none".into()), host, 2)
    }

    fn text(syslog: &Syslog, line: &Line, bytes_max: usize) -> String {
        String::from_utf8(syslog.message(line, bytes_max)).unwrap()
    }

    #[test]
    fn a_message_is_as_rfc_5424_wants_it() {
        let written = record(3, "user/ada", "gpu");
        let message = text(&syslog("admin1"), &Line::Record(Arc::new(written.clone())), 8192);
        let head = "<109>1 1970-01-01T00:00:03.000Z admin1 chamois member-2 audit - ";
        let json = message.strip_prefix(head).unwrap_or_else(|| panic!("{message}"));
        assert_eq!(serde_json::from_str::<Record>(json).unwrap(), written);
        let denial = Denial {
            time: "1970-01-01T00:00:03.000Z".into(),
            ..Denial::default()
        };
        let message = text(&syslog("admin1"), &Line::Denial(Arc::new(denial)), 8192);
        assert!(
            message.starts_with("<108>1 ") && message.contains(" denial - {"),
            "{message}"
        );
        let gap = Record::of_start(1, 9, 3000);
        let message = text(&syslog("admin1"), &Line::Record(Arc::new(gap)), 8192);
        assert!(
            message.starts_with("<108>1 ") && message.contains(" gap - {"),
            "{message}"
        );
    }

    /// A name of the host that has spaces would move all that follows it.
    #[test]
    fn the_header_stays_whole_whatever_names_are() {
        let line = Line::Record(Arc::new(record(3, "user/\n<1>1 forged", "x\0y")));
        let long = "h".repeat(300);
        for (host, shown) in [
            ("", "-"),
            ("a b\nc", "abc"),
            ("ä", "-"),
            (long.as_str(), &long[..255]),
        ] {
            let message = text(&syslog(host), &line, 8192);
            let words: Vec<&str> = message.splitn(8, ' ').collect();
            assert_eq!(
                (words[2], words[4], words[6]),
                (shown, "member-2", "-"),
                "{message}"
            );
            assert!(
                message.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
                "{message}"
            );
        }
    }

    #[test]
    fn a_long_record_is_shortened_and_still_json() {
        let mut long = record(3, "user/ada", "gpu");
        long.objects = vec![long.objects[0].clone(); 10_000];
        let message = text(&syslog("admin1"), &Line::Record(Arc::new(long)), 8192);
        assert!(message.len() <= 8192, "{}", message.len());
        let json = &message[message.find('{').unwrap()..];
        let shown: Record = serde_json::from_str(json).unwrap();
        assert_eq!(shown.objects.len() as u64 + shown.objects_left_out, 10_000);
        assert!(shown.objects.len() > 10);
    }

    /// What cannot be shortened in order is cut: a server may drop a datagram that is longer than it takes.
    #[test]
    fn denials_and_long_names_fit_as_well() {
        let denial = Denial {
            time: "1970-01-01T00:00:03.000Z".into(),
            reason: "r".repeat(2000),
            ..Denial::default()
        };
        let mut named = record(3, "user/ada", "gpu");
        named.policies = vec!["p".repeat(500); 20];
        for line in [Line::Denial(Arc::new(denial)), Line::Record(Arc::new(named))] {
            for bytes_max in [480, 1024] {
                let message = text(&syslog("admin1"), &line, bytes_max);
                assert!(message.len() <= bytes_max, "{}", message.len());
                assert!(message.contains(" admin1 chamois member-2 "), "{message}");
            }
        }
    }

    /// A tunnel on the way, or another MTU.
    #[test]
    fn a_message_that_is_too_long_for_the_way_is_sent_shorter_or_left_out() {
        let of_way = |takes: usize| {
            let mut tried = Vec::new();
            let sent = shortened(8192, |bytes| {
                tried.push(bytes);
                match bytes <= takes {
                    true => Ok(()),
                    false => Err(io::Error::from_raw_os_error(EMSGSIZE)),
                }
            });
            (sent.map_err(|error| error.kind()), tried)
        };
        assert_eq!(of_way(8192), (Ok(()), vec![8192]));
        assert_eq!(of_way(1500), (Ok(()), vec![8192, 4096, 2048, 1024]));
        let (sent, tried) = of_way(0);
        assert_eq!(
            (sent, tried.last()),
            (Err(io::ErrorKind::InvalidInput), Some(&480))
        );
    }

    #[test]
    fn other_errors_are_those_of_the_system() {
        let refused = shortened(8192, |_| Err(io::ErrorKind::ConnectionRefused.into()));
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_socket_of_this_host_gets_one_datagram_for_each_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut syslog = Syslog::new(SyslogTarget::Unix(path.clone()), "admin1", 2);
        let line = Line::Record(Arc::new(record(3, "user/ada", "gpu")));
        syslog.send(&line).unwrap_err();
        let socket = UnixDatagram::bind(&path).unwrap();
        syslog.send(&line).unwrap();
        let mut buffer = [0; 8192];
        let length = socket.recv(&mut buffer).unwrap();
        assert!(buffer[..length].starts_with(b"<109>1 "));
        drop(socket);
        std::fs::remove_file(&path).unwrap();
        syslog.send(&line).unwrap_err();
        let socket = UnixDatagram::bind(&path).unwrap();
        syslog.send(&line).unwrap();
        assert!(
            socket.recv(&mut buffer).unwrap() > 0,
            "a syslog that was started anew"
        );
    }
}
