//! `chamois demo --real`: one real guest (QEMU, iPXE, Linux) boots through three members, each in a network namespace
//! with its address helper; the member that it is using is killed twice meanwhile. Its console is shown live.

mod console;
mod members;
mod rootless;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lab::machine::{Firmware, Guest, GuestConfig, GuestImage, MachineError, Network, require_tool};

use self::console::Console;
use self::members::{Members, SERVICE_ADDRESS};
use super::state_dir::StateDir;
use crate::error::{CliError, Kind};
use crate::output;

/// The guest's card, and its place in the inventory.
const MAC: &str = "02:97:00:00:16:01";
const XNAME: &str = "x1000c0s0b0n0";
const ADDRESS: &str = "10.97.16.1";
/// A guest without KVM on a busy host needs half a minute; this is a bound, not an expectation.
const BOOT_MAX: Duration = Duration::from_secs(300);
/// How often the console is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// What stands on the console when the guest fetches its kernel, and when cloud-init's data has begun to come.
const IN_IPXE: &str = "/files/vmlinuz";
const IN_CLOUD_INIT: &str = "GUEST fetched network-config";
/// The last words of a guest that booted.
const BOOTED: &str = "GUEST done";
const PHONED_HOME: &str = "GUEST phoned home";

impl From<MachineError> for CliError {
    fn from(error: MachineError) -> Self {
        let text = match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        CliError::new(Kind::Other, text)
    }
}

/// Boots the guest; `interrupted` ends everything in order.
///
/// # Errors
/// A tool is missing, namespaces are not to be had, or the guest did not boot; the text says what to do.
pub(crate) async fn run(
    state_dir: Option<&Path>,
    interrupted: impl Future<Output = ()>,
) -> Result<(), CliError> {
    let stop = Arc::new(AtomicBool::new(false));
    let (named, stopped) = (state_dir.map(Path::to_owned), Arc::clone(&stop));
    // namespaces, QEMU and its console are waited for by blocking calls
    let mut show = tokio::task::spawn_blocking(move || show(named.as_deref(), &stopped));
    let ended = tokio::select! {
        ended = &mut show => ended,
        () = interrupted => {
            stop.store(true, Ordering::Relaxed);
            show.await
        }
    };
    ended.map_err(|error| CliError::other("the demo ended", error))?
}

/// What can be missing is looked for first, and the kernel fetched while this is still the user's own process.
fn show(state_dir: Option<&Path>, stop: &AtomicBool) -> Result<(), CliError> {
    for tool in ["qemu-system-x86_64", "ip", "nsenter", "curl"] {
        require_tool(tool)?;
    }
    let cache = cache_dir();
    tell(&format!(
        "the guest's kernel and initramfs are kept in {}",
        cache.display()
    ));
    let image = GuestImage::build(&cache)?;
    if !nix::unistd::geteuid().is_root() {
        match rootless::run_again(state_dir)? {}
    }
    let dir = StateDir::make(state_dir)?;
    let booted = boot(dir.path(), &image, stop);
    if booted.is_err() {
        eprintln!(
            "The members' data and logs, the guest's console: {}",
            dir.keep().display()
        );
    }
    booted
}

/// Kernel and initramfs outlive the demo: they are downloaded once.
fn cache_dir() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(home);
    base.unwrap_or_else(std::env::temp_dir).join("chamois/guest")
}

fn boot(dir: &Path, image: &GuestImage, stop: &AtomicBool) -> Result<(), CliError> {
    let network = Network::create("d", 3)?;
    network.add_tap("tap0")?;
    let files = dir.join("files");
    image.copy_to(&files)?;
    tell("starting 3 members, each in a network namespace with its address helper");
    let mut members = Members::start(&network, dir, &files, stop)?;
    members.seed(XNAME, MAC, ADDRESS)?;
    let config = GuestConfig {
        firmware: Firmware::BiosIpxe,
        mac: MAC.to_owned(),
        tap: "tap0".to_owned(),
        console: dir.join("console"),
    };
    tell(&format!("powering {XNAME} on (QEMU without KVM); its console:"));
    let guest = Guest::power_on(&network.bridge(), &config)?;
    let mut story = Story {
        members: &mut members,
        guest,
        console: Console::default(),
        began: Instant::now(),
        kills: Vec::new(),
        stop,
    };
    story.run()?;
    output::print(story.summary())
}

/// A boot, watched and disturbed.
struct Story<'a> {
    members: &'a mut Members,
    guest: Guest,
    console: Console,
    began: Instant,
    /// From each kill to the moment that another member had the address.
    kills: Vec<Duration>,
    stop: &'a AtomicBool,
}

impl Story<'_> {
    fn run(&mut self) -> Result<(), CliError> {
        self.until(&[IN_IPXE, "GUEST init"])?;
        self.kill_the_holder("while the guest fetched its kernel")?;
        self.until(&[IN_CLOUD_INIT])?;
        self.kill_the_holder("while the guest fetched its cloud-init data")?;
        self.until(&[BOOTED])?;
        if self.console.has(PHONED_HOME) {
            Ok(())
        } else {
            Err(CliError::new(
                Kind::Other,
                "the guest came to its end without phoning home",
            ))
        }
    }

    /// Shows the console until one of the texts is on it.
    fn until(&mut self, texts: &[&str]) -> Result<(), CliError> {
        loop {
            let off = self.guest.is_off()?;
            self.console.show(&self.guest.console());
            if texts.iter().any(|text| self.console.has(text)) {
                return Ok(());
            }
            let failed = if off {
                "the guest went off before"
            } else if self.began.elapsed() > BOOT_MAX {
                "the guest did not come so far in time"
            } else if self.stop.load(Ordering::Relaxed) {
                "interrupted before"
            } else {
                std::thread::sleep(LOOK);
                continue;
            };
            return Err(CliError::new(
                Kind::Other,
                format!("{failed}: {}", texts.join(" or ")),
            ));
        }
    }

    fn kill_the_holder(&mut self, when: &str) -> Result<(), CliError> {
        let holder = self.members.healthy()?;
        let at = Instant::now();
        self.members.kill(holder);
        tell(&format!(
            "killed member {holder}, which held {SERVICE_ADDRESS}, {when}"
        ));
        let heir = self.members.holder()?;
        self.kills.push(at.elapsed());
        tell(&format!(
            "member {heir} has taken {SERVICE_ADDRESS} over, after {} ms; starting member {holder} again",
            at.elapsed().as_millis()
        ));
        self.members.launch(holder)
    }

    fn summary(&self) -> String {
        let mut table = output::table(["RESULT", "PASS"]);
        let takeovers: Vec<String> = self
            .kills
            .iter()
            .map(|took| format!("{} ms", took.as_millis()))
            .collect();
        for (name, value) in [
            ("guest", format!("{XNAME} booted and phoned home")),
            (
                "seconds from power-on",
                format!("{:.1}", self.began.elapsed().as_secs_f64()),
            ),
            ("members killed under it", self.kills.len().to_string()),
            ("address taken over after", takeovers.join(", ")),
        ] {
            table.add_row([name.to_owned(), value]);
        }
        table.to_string()
    }
}

/// A line about what the demo does, told apart from the guest's own.
fn tell(text: &str) {
    use std::io::Write as _;
    // whoever reads it may stop doing so
    let _ = writeln!(std::io::stdout().lock(), "chamois: {text}");
}
