//! A file of 1 MiB over TFTP, a little more than the largest loader of a UEFI node: curl reads it from the holder of the
//! service address, and from tftp-hpa's server.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use bench::tftpd::Tftpd;
use bench::{Aim, BenchError, Machine, Rounds, Row, TftpClient};

use super::super::args::DhcpArgs;
use super::super::progress::Progress;
use super::super::servers::Servers;
use super::side::kea_address;
use crate::demo::{FILE_BYTES, KERNEL, Layout, TFTP_PORT, write_boot_files};
use crate::error::{CliError, Kind};

/// Transfers of a round, one after the other; the median counts.
const TRANSFERS: usize = 20;
/// A transfer is to take at most so many seconds.
const TRANSFER_AIM_S: f64 = 0.06;
/// The peer's port: one that no member has.
const TFTPD_PORT: u16 = 6970;

/// One server and how long its transfers took.
pub(super) struct Transfers {
    name: String,
    server: SocketAddrV4,
    /// Seconds of a transfer, the median of each round.
    seconds: Rounds,
}

impl Transfers {
    fn of(name: &str, address: Ipv4Addr, port: u16) -> Self {
        Self {
            name: name.to_owned(),
            server: SocketAddrV4::new(address, port),
            seconds: Rounds::default(),
        }
    }

    /// Whoever sends something else quickly must not be measured.
    async fn check(&self, client: &TftpClient, layout: &Layout) -> Result<(), CliError> {
        let fetched = layout.dir().join("fetched");
        client.fetch(self.server, KERNEL, &fetched).await?;
        let read = |path: &Path| {
            std::fs::read(path).map_err(|e| CliError::other("cannot read a file that was transferred", e))
        };
        if read(&fetched)? == read(&layout.loaders().join(KERNEL))? {
            return Ok(());
        }
        let text = format!("{} sends another file over TFTP than it has", self.name);
        Err(CliError::new(Kind::Other, text))
    }

    async fn measure_round(&mut self, client: &TftpClient) -> Result<(), CliError> {
        let all = client
            .seconds_of(self.server, KERNEL, FILE_BYTES as u64, TRANSFERS)
            .await?;
        let mut transfers = Rounds::default();
        all.into_iter().for_each(|seconds| transfers.add(seconds));
        if let Some(median) = transfers.median() {
            self.seconds.add(median);
        }
        Ok(())
    }
}

/// The layout with a folder of loaders that has the file beside those that members serve otherwise.
pub(super) fn with_file(layout: Layout) -> Result<Layout, CliError> {
    let folder = layout.dir().join("loaders");
    write_boot_files(&folder)?;
    copy_files(layout.loaders(), &folder).map_err(|e| CliError::other("cannot copy the boot loaders", e))?;
    Ok(layout.with_loaders(folder))
}

/// A host without loaders has none to copy.
fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Both sides in turn.
pub(super) async fn measure(
    servers: &Servers,
    client: &TftpClient,
    args: &DhcpArgs,
    progress: &Progress,
) -> Result<Vec<Transfers>, CliError> {
    let layout = servers.cluster.layout().clone();
    let tftpd = start_peer(&layout, progress).await?;
    let mut sides = vec![Transfers::of("Chamois", layout.service(), TFTP_PORT)];
    if let Some(tftpd) = &tftpd {
        sides.push(Transfers::of(tftpd.name(), kea_address(&layout), TFTPD_PORT));
    }
    for side in &sides {
        side.check(client, &layout).await?;
    }
    for round in 1..=args.common.rounds {
        for side in &mut sides {
            progress.begin(format_args!("{}, 1 MiB by TFTP, round {round}", side.name));
            side.measure_round(client).await?;
        }
    }
    if let Some(tftpd) = tftpd {
        tftpd.stop().await;
    }
    Ok(sides)
}

/// `None`, with a note, where tftp-hpa's server is not installed or cannot serve.
async fn start_peer(layout: &Layout, progress: &Progress) -> Result<Option<Tftpd>, CliError> {
    if !Tftpd::is_possible() {
        progress.note("transfers without a peer: in.tftpd serves only when root runs this");
        return Ok(None);
    }
    let address = SocketAddrV4::new(kea_address(layout), TFTPD_PORT);
    match Tftpd::start(address, layout.loaders(), layout.dir()).await {
        Ok(tftpd) => Ok(Some(tftpd)),
        Err(missing @ BenchError::Missing { .. }) => {
            progress.note(format_args!("transfers without a peer: {missing}"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn note_conditions(machine: &mut Machine, args: &DhcpArgs) {
    machine.note(format!(
        "1 MiB by TFTP: curl reads it in blocks of 1468 bytes from the holder of the service address, {TRANSFERS} times one \
         after the other in each of {} rounds, and tells how long each transfer took; the first was compared with the file",
        args.common.rounds
    ));
}

pub(super) fn rows(sides: &[Transfers]) -> Vec<Row> {
    let Some((ours, others)) = sides.split_first() else {
        return Vec::new();
    };
    let theirs = others.first();
    let peer = theirs.map(|side| side.name.as_str()).unwrap_or_default();
    let row = Row::less(
        "1 MiB by TFTP",
        "s",
        &ours.seconds,
        theirs.map(|side| &side.seconds),
    );
    row.map(|row| row.beside(peer).aiming(Aim::AtMost(TRANSFER_AIM_S)))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(name: &str, seconds: f64) -> Transfers {
        let mut side = Transfers::of(name, Ipv4Addr::LOCALHOST, 1);
        side.seconds.add(seconds);
        side
    }

    #[test]
    fn the_aim_is_our_own_time_whatever_the_peer_does() {
        for (ours, met) in [(0.06, true), (0.061, false)] {
            let rows = rows(&[side("Chamois", ours), side("tftp-hpa 5.2", 0.5)]);
            assert_eq!((rows[0].met, rows[0].peer), (Some(met), Some(0.5)));
            assert_eq!(rows[0].peer_name.as_deref(), Some("tftp-hpa 5.2"));
        }
        let alone = rows(&[side("Chamois", 0.01)]);
        assert_eq!((alone[0].met, alone[0].peer), (Some(true), None));
    }

    /// Nodes of the other measurements get what they would get without this one.
    #[test]
    fn the_folder_has_the_file_beside_the_loaders() {
        let dir = tempfile::tempdir().unwrap();
        let usual = dir.path().join("usual");
        std::fs::create_dir_all(usual.join("folder")).unwrap();
        std::fs::write(usual.join("snponly.efi"), b"MZ").unwrap();
        let net = lab::claim_loopback_net().unwrap();
        let layout = with_file(Layout::new(net, dir.path()).with_loaders(usual)).unwrap();
        assert_eq!(
            std::fs::read(layout.loaders().join("snponly.efi")).unwrap(),
            b"MZ"
        );
        let file = std::fs::metadata(layout.loaders().join(KERNEL)).unwrap();
        assert_eq!(file.len(), FILE_BYTES as u64);
        assert!(!layout.loaders().join("folder").exists());
    }

    #[test]
    fn a_host_without_loaders_has_the_file_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let net = lab::claim_loopback_net().unwrap();
        let layout = Layout::new(net, dir.path()).with_loaders(dir.path().join("none"));
        let layout = with_file(layout).unwrap();
        assert!(layout.loaders().join(KERNEL).is_file());
    }
}
