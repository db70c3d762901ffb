//! etcd's own counters, from its metrics port.

use std::net::SocketAddr;
use std::ops::{Add, Sub};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::BenchError;

/// One page, connection included.
const PAGE_MAX: Duration = Duration::from_secs(5);
/// Longest page, bytes.
const PAGE_BYTES_MAX: u64 = 4 << 20;

/// What members have counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Syncs of the write-ahead log.
    pub log_syncs: u64,
    /// Changes of the leader that were seen; a new cluster begins with one a member.
    pub leader_changes: u64,
}

impl Add for Counts {
    type Output = Counts;

    fn add(self, other: Counts) -> Counts {
        Counts {
            log_syncs: self.log_syncs + other.log_syncs,
            leader_changes: self.leader_changes + other.leader_changes,
        }
    }
}

impl Sub for Counts {
    type Output = Counts;

    fn sub(self, before: Counts) -> Counts {
        Counts {
            log_syncs: self.log_syncs.saturating_sub(before.log_syncs),
            leader_changes: self.leader_changes.saturating_sub(before.leader_changes),
        }
    }
}

pub(super) async fn read(from: SocketAddr) -> Result<Counts, BenchError> {
    let page = tokio::time::timeout(PAGE_MAX, fetch(from)).await;
    let page = page.map_err(|_| BenchError::TimedOut {
        what: format!("the metrics of etcd at {from}"),
        seconds: PAGE_MAX.as_secs(),
    })?;
    let page = page.map_err(BenchError::step(format!(
        "cannot read the metrics of etcd at {from}"
    )))?;
    Counts::parse(&page)
}

/// HTTP/1.0, so that the end of the connection is the end of the page.
async fn fetch(from: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(from).await?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
    let mut page = String::new();
    stream.take(PAGE_BYTES_MAX).read_to_string(&mut page).await?;
    Ok(page)
}

impl Counts {
    fn parse(page: &str) -> Result<Counts, BenchError> {
        let value = |name: &str| {
            let line = page
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let value = line.and_then(|value| value.trim().parse::<f64>().ok());
            value.map(|value| value as u64).ok_or_else(|| BenchError::Output {
                program: "etcd",
                problem: format!("no {name} in its metrics"),
            })
        };
        Ok(Counts {
            log_syncs: value("etcd_disk_wal_fsync_duration_seconds_count")?,
            leader_changes: value("etcd_server_leader_changes_seen_total")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const PAGE: &str = "\
# HELP etcd_disk_wal_fsync_duration_seconds The latency distributions of fsync called by WAL.
etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.001\"} 3
etcd_disk_wal_fsync_duration_seconds_count 12
etcd_server_leader_changes_seen_total 1
";

    #[test]
    fn counts_are_read_and_added_up() {
        let counts = Counts::parse(PAGE).unwrap();
        assert_eq!((counts.log_syncs, counts.leader_changes), (12, 1));
        assert_eq!((counts + counts - counts), counts);
        let text = Counts::parse("nothing").unwrap_err().to_string();
        assert!(
            text.contains("etcd_disk_wal_fsync_duration_seconds_count"),
            "{text}"
        );
    }

    /// Prometheus writes large counts as 1.2e+06.
    #[test]
    fn a_large_count_is_read() {
        let page = PAGE.replace(" 12\n", " 1.25e+06\n");
        assert_eq!(Counts::parse(&page).unwrap().log_syncs, 1_250_000);
    }

    #[tokio::test]
    async fn a_page_is_fetched_to_its_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; b"GET /metrics HTTP/1.0\r\n\r\n".len()];
            stream.read_exact(&mut request).await.unwrap();
            let page = format!("HTTP/1.0 200 OK\r\n\r\n{PAGE}");
            stream.write_all(page.as_bytes()).await.unwrap();
        });
        assert_eq!(read(address).await.unwrap().log_syncs, 12);
    }
}
