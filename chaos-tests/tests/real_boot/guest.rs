//! A real guest: QEMU with the iPXE ROM of Debian, its console in a file; and what goes over the wire meanwhile.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

use crate::network::{Process, bridge_namespace, inside, succeed};

pub(crate) const GUEST_MAC: &str = "52:54:00:97:00:01";

/// Kernel and initramfs, made once per target folder.
pub(crate) fn build(folder: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("real-boot/build-guest.sh");
    succeed(Command::new("bash").arg(script).arg(folder));
}

/// The running guest.
pub(crate) struct Guest {
    console: PathBuf,
    _qemu: Process,
}

impl Guest {
    pub(crate) fn power_on(console: PathBuf) -> Guest {
        let qemu = inside(&bridge_namespace(), "qemu-system-x86_64")
            .args(["-machine", "pc,accel=tcg,graphics=off", "-m", "512", "-display", "none", "-no-reboot", "-boot", "n"])
            .args(["-netdev", "tap,id=n0,ifname=tap0,script=no,downscript=no", "-device"])
            .arg(format!(
                "virtio-net-pci,netdev=n0,mac={GUEST_MAC},disable-legacy=on,romfile=/usr/lib/ipxe/qemu/efi-virtio.rom"
            ))
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("qemu-system-x86_64 must be installed");
        Guest {
            console,
            _qemu: Process(qemu),
        }
    }

    /// What stands on the console so far.
    pub(crate) fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.console).unwrap_or_default()).into_owned()
    }
}

/// DHCP replies on the bridge, as tcpdump prints them: one line with the frame's source first.
pub(crate) struct DhcpReplies {
    lines: BufReader<ChildStdout>,
    _tcpdump: Process,
}

impl DhcpReplies {
    pub(crate) fn watch(errors: &Path) -> DhcpReplies {
        let mut tcpdump = inside(&bridge_namespace(), "tcpdump")
            .args([
                "-l",
                "-n",
                "-e",
                "-i",
                "br0",
                "--immediate-mode",
                "udp src port 67",
            ])
            .stdout(Stdio::piped())
            .stderr(File::create(errors).unwrap())
            .spawn()
            .expect("tcpdump must be installed");
        let lines = BufReader::new(tcpdump.stdout.take().expect("piped"));
        let watching = || {
            fs::read_to_string(errors)
                .ok()
                .filter(|text| text.contains("listening on"))
        };
        crate::members::wait("tcpdump to listen", watching);
        DhcpReplies {
            lines,
            _tcpdump: Process(tcpdump),
        }
    }

    /// Waits for the next reply and gives the MAC that the frame came from.
    pub(crate) fn next_source(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        // 12:00:00.000000 02:97:00:00:01:01 > 52:54:00:97:00:01, ethertype IPv4 …
        line.split_whitespace()
            .nth(1)
            .unwrap_or_else(|| panic!("not a frame: {line:?}"))
            .to_owned()
    }
}
