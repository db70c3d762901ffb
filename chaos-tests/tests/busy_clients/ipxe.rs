//! Debian's iPXE, the ROM of a card in QEMU: what it does with a server that is busy, for a script, a kernel and an initrd,
//! and that it understands how our scripts ask again.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bss::RetryDelay;
use bss::ipxe::{Image, Tries, boot};
use lab::machine::Process;

use crate::server::{Busy, Server};
use crate::table::{Attempts, Outcome, Row};
use crate::{FEW, NOBODY_PORT};

/// The host, as a guest on QEMU's own network sees it.
const HOST: &str = "10.0.2.2";
const ROM: &str = "/usr/lib/ipxe/qemu/efi-virtio.rom";
/// Firmware, iPXE's own start, and nine pauses of a second. A busy machine takes three times as long.
const RUN_AT_MOST: Duration = Duration::from_secs(180);
/// Each with the command that fetches it.
const FETCHES: [(&str, &str); 3] = [("script", "chain"), ("kernel", "kernel"), ("initrd", "initrd")];
/// A script that comes to its end.
const AT_ITS_END: &str = "#!ipxe\nexit\n";

/// One boot of the ROM, in which it fetches everything; the rows, and the order of all requests is checked.
pub(crate) fn rows(folder: &Path) -> Vec<Row> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let base = format!("http://{HOST}:{port}");
    let (plan, ours) = (plan(&base), ours(&base));
    let server = Server::start(listener, move |path| match path {
        "/plan" => plan.clone().into_bytes(),
        "/ours" => ours.clone().into_bytes(),
        path if path.ends_with("/script") || path.ends_with("/again") => AT_ITS_END.into(),
        _ => b"neither a kernel nor a script".to_vec(),
    });
    let guest = power_on(folder, &format!("#!ipxe\nchain {base}/plan\n"));
    let came_to_its_end = server.wait_for("GET /end", RUN_AT_MOST);
    let console = std::fs::read(folder.join("ipxe.log")).unwrap_or_default();
    drop(guest);
    if let Err(error) = came_to_its_end {
        panic!("{error}\n{}", String::from_utf8_lossy(&console));
    }
    assert_eq!(server.asked(), expected(), "every request, in its order");
    FETCHES.map(|(what, _)| row(&server, what)).to_vec()
}

fn row(server: &Server, what: &str) -> Row {
    let [told, alone] = Busy::BOTH.map(|busy| {
        let attempts = Attempts {
            requests: server.count(&format!("GET {}", busy.path(FEW, what))),
            served: server.count(&format!("GET /served{}", busy.path(FEW, what))) == 1,
        };
        Outcome::of(attempts, None)
    });
    assert_eq!(server.count(&format!("GET /failed/refused/{what}")), 1);
    Row::new(format!("iPXE, {what}"), [told, alone, Outcome::Fails])
}

/// Fetches everything there is, says after each whether it has it, and ends with a script of ours.
fn plan(base: &str) -> String {
    let mut plan = "#!ipxe\n".to_owned();
    let mut fetch = |command: &str, url: &str, name: &str| {
        let _ = writeln!(
            plan,
            "{command} {url} && imgfetch {base}/served{name} || imgfetch {base}/failed{name}\nimgfree"
        );
    };
    for (what, command) in FETCHES {
        for busy in Busy::BOTH {
            let path = busy.path(FEW, what);
            fetch(command, &format!("{base}{path}"), &path);
        }
        let nobody = format!("http://{HOST}:{NOBODY_PORT}/{what}");
        fetch(command, &nobody, &format!("/refused/{what}"));
    }
    let _ = writeln!(plan, "chain {base}/ours\nimgfetch {base}/end");
    plan
}

/// A boot script as BSS answers it, whose kernel and whose first question after that nobody has.
fn ours(base: &str) -> String {
    let kernel = format!("{base}{}", Busy::Alone.path(1, "our-kernel"));
    let image = Image {
        kernel: &kernel,
        ..Image::default()
    };
    let tries = Tries {
        retry: 0,
        boot_id: 0xB007,
    };
    let again = format!("{base}{}", Busy::Alone.path(1, "again"));
    boot(image, "quiet", RetryDelay::Growing, tries, &again)
}

fn expected() -> Vec<String> {
    let mut expected = vec!["GET /plan".to_owned()];
    for (what, _) in FETCHES {
        let (told, alone) = (Busy::Told.path(FEW, what), Busy::Alone.path(FEW, what));
        expected.extend((0..=FEW).map(|_| format!("GET {told}")));
        expected.extend([
            format!("GET /served{told}"),
            format!("GET {alone}"),
            format!("GET /failed{alone}"),
            format!("GET /failed/refused/{what}"),
        ]);
    }
    let (kernel, again) = (Busy::Alone.path(1, "our-kernel"), Busy::Alone.path(1, "again"));
    // twice: once in vain, and what it then has ends the script, `exit` and all
    expected.extend(["/ours", &kernel, &again, &again, "/end"].map(|path| format!("GET {path}")));
    expected
}

/// A guest on QEMU's own network, which needs no privilege and has DHCP and TFTP for the first script.
fn power_on(folder: &Path, first: &str) -> Process {
    assert!(
        Path::new(ROM).exists(),
        "{ROM} is missing: apt-get install --no-install-recommends ipxe-qemu"
    );
    let tftp = folder.join("tftp");
    std::fs::create_dir(&tftp).unwrap();
    std::fs::write(tftp.join("first.ipxe"), first).unwrap();
    let qemu = Command::new("qemu-system-x86_64")
        .args(["-machine", "pc,accel=tcg,graphics=off", "-m", "256"])
        .args(["-display", "none", "-nodefaults", "-no-reboot", "-boot", "n"])
        .arg("-netdev")
        .arg(format!("user,id=n0,tftp={},bootfile=first.ipxe", tftp.display()))
        .arg("-device")
        .arg(format!(
            "virtio-net-pci,netdev=n0,disable-legacy=on,romfile={ROM}"
        ))
        .arg("-serial")
        .arg(format!("file:{}", folder.join("ipxe.log").display()))
        .stdin(Stdio::null())
        .spawn()
        .expect("apt-get install --no-install-recommends qemu-system-x86");
    Process::new(qemu)
}
