//! A large boot file to many clients at once, beside nginx with the same file: bytes a second, and what they cost.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::{SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use bench::nginx::{self, Nginx};
use bench::{Aim, BenchError, Machine, Meter, Report, Rounds, Row, download, resident_bytes};
use model::BootFileName;
use proto::boot_file::v1::ListBootFilesRequest;
use proto::boot_file::v1::boot_file_service_client::BootFileServiceClient;
use tokio::task::JoinSet;

use super::args::ImageArgs;
use super::figures::{mib, one};
use super::progress::Progress;
use super::servers::{MEMBERS, Servers};
use crate::demo::{HTTP_PORT, Layout};
use crate::error::{CliError, Kind};
use crate::file::{LocalFile, upload};

/// What is aimed at: so much of nginx's bytes a second.
const RATIO_AIM: f64 = 0.9;
/// Where nginx listens.
const NGINX_PORT: u16 = 8088;
/// The boot file's name.
const NAME: &str = "bench/root.squashfs";
/// The members have it on one disk three times over after this.
const REPLICATED_MAX: Duration = Duration::from_secs(300);
/// All clients of one load have it after this.
const LOAD_MAX: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(200);
/// Bytes written at a time.
const PIECE_BYTES: usize = 1 << 20;

/// One server with the file.
struct Side {
    name: String,
    server: SocketAddr,
    path: String,
    meter: Meter,
    /// By number of clients.
    figures: Vec<Figures>,
}

#[derive(Clone, Default)]
struct Figures {
    mib_per_s: Rounds,
    cpu_ms_per_gib: Rounds,
    errors: u64,
}

pub(crate) async fn measure(args: &ImageArgs) -> Result<Report, CliError> {
    let mut machine = Machine::read();
    let progress = Progress::new(args.rounds as usize);
    progress.begin(format_args!("starting {MEMBERS} members"));
    let mut servers = Servers::start(args.place.state_dir.as_deref()).await?;
    let layout = servers.cluster.layout().clone();
    progress.begin(format_args!("a file of {} MiB to {MEMBERS} members", args.mib));
    let (holder, stored) = put(&mut servers, u64::from(args.mib) << 20).await?;
    let mut nginx = start_nginx(&layout, &stored, &progress).await?;
    let mut sides = vec![Side::new(
        "Chamois",
        SocketAddrV4::new(layout.service(), HTTP_PORT).into(),
        format!("/files/{NAME}"),
        servers.meter()?,
        args,
    )];
    if let Some(nginx) = &mut nginx {
        let meter = nginx.meter()?;
        sides.push(Side::new(
            nginx.name(),
            nginx_address(&layout),
            nginx::PATH.to_owned(),
            meter,
            args,
        ));
    }
    for side in &sides {
        progress.begin(format_args!("{}: one download, checked", side.name));
        side.check(&layout, &stored).await?;
    }
    for round in 1..=args.rounds {
        measure_round(&mut sides, &layout, &stored, args, round, &progress).await?;
        progress.end(format_args!("round {round} is over"));
    }
    progress.finish();
    let memory = memory_of(&servers, holder)?;
    if let Some(nginx) = nginx {
        nginx.stop().await;
    }
    servers.stop().await?;
    note_conditions(&mut machine, args);
    let mut results: Vec<Row> = (0..args.clients.len())
        .flat_map(|at| rows(&sides, args, at))
        .collect();
    results.extend(Row::less("memory of the serving member", "MiB", &memory, None));
    Ok(Report {
        bench: "image",
        machine,
        results,
    })
}

fn note_conditions(machine: &mut Machine, args: &ImageArgs) {
    machine.note(format!(
        "{MEMBERS} members on loopback, of which the holder of the service address serves; nginx serves that member's own copy, \
         so both read the same pages"
    ));
    machine.note(format!(
        "every client downloads {} MiB once and discards what it reads; {} rounds, the sides in turn; clients and servers share \
         the host",
        args.mib, args.rounds
    ));
}

/// A boot file on every member's disk.
struct Stored {
    bytes: u64,
    sha256: String,
    /// The copy of the member that serves.
    path: PathBuf,
}

/// Makes the file, puts it at the member that serves and waits until all have it: replication is not what is measured.
async fn put(servers: &mut Servers, bytes: u64) -> Result<(u64, Stored), CliError> {
    let holder = servers.cluster.holder(REPLICATED_MAX).await?;
    let layout = servers.cluster.layout().clone();
    let source = layout.dir().join("to-put");
    let to = source.clone();
    tokio::task::spawn_blocking(move || write(&to, bytes))
        .await
        .map_err(|e| CliError::other("cannot write the file", e))?
        .map_err(|e| CliError::other("cannot write the file", e))?;
    let endpoint = layout.on_member(holder, crate::demo::GRPC_PORT).to_string();
    let connection = servers.cluster.target().connect_one(&endpoint)?;
    let file = LocalFile::read(source.clone()).await?;
    let sha256 = file.sha256.to_string();
    let name: BootFileName = NAME
        .parse()
        .map_err(|e: model::InvalidValue| CliError::other("the file's name", e))?;
    upload(connection.for_upload(), &name, file).await?;
    std::fs::remove_file(&source).map_err(|e| CliError::other("cannot remove the file", e))?;
    until_everywhere(servers, &endpoint).await?;
    let path = layout.member_dir(holder).join("files/.content").join(&sha256);
    Ok((holder, Stored { bytes, sha256, path }))
}

async fn until_everywhere(servers: &Servers, endpoint: &str) -> Result<(), CliError> {
    let mut client = BootFileServiceClient::new(servers.cluster.target().connect_one(endpoint)?);
    let deadline = Instant::now() + REPLICATED_MAX;
    loop {
        let files = client
            .list_boot_files(ListBootFilesRequest {})
            .await?
            .into_inner()
            .files;
        if files.iter().any(|listed| listed.members.len() as u64 == MEMBERS) {
            return Ok(());
        }
        if Instant::now() > deadline {
            let seconds = REPLICATED_MAX.as_secs();
            let what = "the file to be on every member".to_owned();
            return Err(BenchError::TimedOut { what, seconds }.into());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Bytes that differ along the file (a 64-bit xorshift), so that a wrong piece shows.
fn write(path: &Path, bytes: u64) -> std::io::Result<()> {
    let mut file = BufWriter::with_capacity(PIECE_BYTES, File::create_new(path)?);
    let mut word = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..bytes / 8 {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        file.write_all(&word.to_le_bytes())?;
    }
    file.flush()
}

fn nginx_address(layout: &Layout) -> SocketAddr {
    SocketAddrV4::new(layout.relay(), NGINX_PORT).into()
}

async fn start_nginx(
    layout: &Layout,
    stored: &Stored,
    progress: &Progress,
) -> Result<Option<Nginx>, CliError> {
    match Nginx::start(nginx_address(layout), &stored.path, layout.dir()).await {
        Ok(nginx) => Ok(Some(nginx)),
        Err(missing @ BenchError::Missing { .. }) => {
            progress.note(format_args!("without a peer: {missing}"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

async fn measure_round(
    sides: &mut [Side],
    layout: &Layout,
    stored: &Stored,
    args: &ImageArgs,
    round: u32,
    progress: &Progress,
) -> Result<(), CliError> {
    let mut order: Vec<usize> = (0..sides.len()).collect();
    if round.is_multiple_of(2) {
        order.reverse();
    }
    for (at, clients) in args.clients.iter().enumerate() {
        for side in &order {
            let side = &mut sides[*side];
            progress.begin(format_args!("{}, {clients} clients, round {round}", side.name));
            let line = side.load(layout, stored, at, *clients).await?;
            progress.note(line);
        }
    }
    Ok(())
}

fn memory_of(servers: &Servers, holder: u64) -> Result<Rounds, CliError> {
    let processes = servers.cluster.processes();
    let serving = processes.iter().find(|(id, _)| *id == holder);
    let (_, pid) = serving.ok_or_else(|| CliError::new(Kind::Other, "the serving member has ended"))?;
    let mut memory = Rounds::default();
    memory.add(mib(resident_bytes(*pid)?));
    Ok(memory)
}

impl Side {
    fn new(name: &str, server: SocketAddr, path: String, meter: Meter, args: &ImageArgs) -> Self {
        Self {
            name: name.to_owned(),
            server,
            path,
            meter,
            figures: vec![Figures::default(); args.clients.len()],
        }
    }

    /// One download whose bytes are looked at.
    async fn check(&self, layout: &Layout, stored: &Stored) -> Result<(), CliError> {
        let mut context = digest::Context::new(&digest::SHA256);
        let from = SocketAddrV4::new(layout.node(0), 0).into();
        let seen = |piece: &[u8]| context.update(piece);
        let done = download(from, self.server, &self.path, stored.bytes, seen).await;
        done.map_err(|e| CliError::other(&format!("{}: the download", self.name), e))?;
        let found: String = context
            .finish()
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if found != stored.sha256 {
            let text = format!("{} sent other bytes than the file's", self.name);
            return Err(CliError::new(Kind::Other, text));
        }
        Ok(())
    }

    /// All clients at once; a line for people.
    async fn load(
        &mut self,
        layout: &Layout,
        stored: &Stored,
        at: usize,
        clients: u32,
    ) -> Result<String, CliError> {
        let before = self.meter.read()?;
        let started = Instant::now();
        let mut downloads = JoinSet::new();
        for client in 0..clients {
            let from = SocketAddrV4::new(layout.node(client), 0).into();
            let (server, path, bytes) = (self.server, self.path.clone(), stored.bytes);
            downloads.spawn(async move {
                let download = download(from, server, &path, bytes, |_| ());
                tokio::time::timeout(LOAD_MAX, download).await
            });
        }
        let (mut whole, mut first_error) = (0_u64, None);
        while let Some(ended) = downloads.join_next().await {
            match ended {
                Ok(Ok(Ok(()))) => whole += 1,
                Ok(Ok(Err(error))) => first_error = first_error.or(Some(error.to_string())),
                Ok(Err(_)) => first_error = first_error.or(Some("no end in time".to_owned())),
                Err(panic) => first_error = first_error.or(Some(panic.to_string())),
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        let cost = self.meter.read()?.since(before);
        let moved_mib = mib(stored.bytes) * whole as f64;
        let figures = &mut self.figures[at];
        figures.errors += u64::from(clients) - whole;
        if whole > 0 {
            figures.mib_per_s.add(moved_mib / seconds);
            figures
                .cpu_ms_per_gib
                .add(cost.cpu.as_secs_f64() * 1000.0 / (moved_mib / 1024.0));
        }
        let error = first_error.map(|error| format!(", the first error: {error}"));
        Ok(format!(
            "{}: {clients} clients, {:.0} MiB/s, {} errors{}",
            self.name,
            moved_mib / seconds,
            u64::from(clients) - whole,
            error.unwrap_or_default()
        ))
    }
}

/// Rows of the `at`-th number of clients; the first side is ours.
fn rows(sides: &[Side], args: &ImageArgs, at: usize) -> Vec<Row> {
    let (Some(clients), Some(ours)) = (args.clients.get(at), sides.first()) else {
        return Vec::new();
    };
    let theirs = sides.get(1);
    let peer = theirs.map_or("", |side| side.name.as_str());
    let (ours, theirs) = (&ours.figures[at], theirs.map(|side| &side.figures[at]));
    let name = |what: &str| format!("{what}, {clients} clients");
    let rate = Row::more(
        name(&format!("{} MiB to each", args.mib)),
        "MiB/s",
        &ours.mib_per_s,
        theirs.map(|theirs| &theirs.mib_per_s),
    );
    let cpu = Row::less(
        name("CPU of the servers per GiB"),
        "ms",
        &ours.cpu_ms_per_gib,
        theirs.map(|theirs| &theirs.cpu_ms_per_gib),
    );
    let errors = Row::less(
        name("errors"),
        "",
        &one(ours.errors),
        theirs.map(|theirs| one(theirs.errors)).as_ref(),
    );
    [
        rate.map(|row| row.beside(peer).aiming(Aim::RatioAtLeast(RATIO_AIM))),
        cpu.map(|row| row.beside(peer)),
        errors.map(|row| row.beside(peer).aiming(Aim::Zero)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::args::Place;
    use super::*;

    fn args() -> ImageArgs {
        ImageArgs {
            mib: 1,
            clients: vec![4],
            rounds: 1,
            place: Place {
                json: true,
                state_dir: None,
            },
        }
    }

    fn side(mib_per_s: f64) -> Side {
        let server = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut side = Side::new("nginx 1.22", server, nginx::PATH.into(), Meter::new([]), &args());
        side.figures[0].mib_per_s.add(mib_per_s);
        side
    }

    #[test]
    fn the_aim_is_a_share_of_nginxs_rate() {
        for (ours, met) in [(900.0, Some(true)), (890.0, Some(false))] {
            let rows = rows(&[side(ours), side(1000.0)], &args(), 0);
            assert_eq!(
                (rows[0].met, rows[0].peer_name.as_deref()),
                (met, Some("nginx 1.22"))
            );
            assert_eq!(
                rows[1].name, "errors, 4 clients",
                "CPU was not measured and is no row"
            );
        }
        let alone = rows(&[side(900.0)], &args(), 0);
        assert_eq!((alone[0].peer, alone[0].met), (None, None));
    }

    #[test]
    fn the_file_has_its_length_and_differs_along_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        write(&path, 1 << 16).unwrap();
        let bytes = std::fs::read(path).unwrap();
        assert_eq!(bytes.len(), 1 << 16);
        let words: std::collections::BTreeSet<&[u8]> = bytes.chunks(8).collect();
        assert_eq!(words.len(), bytes.len() / 8);
    }
}
