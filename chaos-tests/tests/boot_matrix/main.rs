//! Compute nodes boot by four firmware paths while the member whose address they use dies, in each phase of the
//! boot and in three ways. Real firmware (QEMU), real members, one namespace each; two clusters side by side.
//!
//! `CHAMOIS_BOOT_CELLS=all` runs every cell, unset a dozen; `CHAMOIS_BOOT_TABLE=file` keeps the table;
//! `UPDATE_GOLDEN=1` writes what undisturbed boots say by DHCP (`golden/`).
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod boot;
mod captured;
mod cell;
mod checks;
mod dhcp_message;
mod disguise;
mod editor;
mod frame;
mod golden;
mod held_back;
mod lane;
mod phase;
mod report;
mod stale_holder;
mod wire;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use boot::{Boot, Failure};
use cell::{Cell, Plan};
use lab::machine::{Firmware, GuestImage};
use lane::Lane;
use report::{Lost, Results};

/// File that the table is written to.
const TABLE: &str = "CHAMOIS_BOOT_TABLE";
/// Guests at once, each with a cluster and a network of its own.
const LANES: [&str; 2] = ["a", "b"];
/// Boots of a cell until the member dies within its phase.
const TRIES: usize = 4;

/// What router advertisements spare iPXE at least, seconds. Without one it waits some 15 s.
const SPARED_AT_LEAST_S: f64 = 5.0;

const ADVERTISED: &str = "router-advertisements = true";

/// No cell may lose its guest: each boots to its phone-home, from its own and never older data. Only where UEFI's own
/// HTTP client is cut off it may give up, which the table shows.
#[test]
fn privileged_guests_boot_while_the_member_they_use_dies() {
    if !chaos_tests::privileged::is_wanted("the matrix of boots and faults") {
        return;
    }
    let (folder, image) = (tempfile::tempdir().unwrap(), guest_image());
    let boots: Mutex<VecDeque<Cell>> = Mutex::new(Plan::from_environment().boots().into());
    let results: Mutex<Results> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for tag in LANES {
            let (folder, image, boots, results) = (folder.path().join(tag), &image, &boots, &results);
            scope.spawn(move || {
                let mut lane = Lane::start(tag, &folder, image, ADVERTISED);
                lane.check_prober();
                while let Some(cell) = next(boots) {
                    let boot = boot_cell(&mut lane, cell);
                    results.lock().unwrap().push((cell, boot));
                }
            });
        }
    });
    conclude(&results.into_inner().unwrap());
}

fn next(boots: &Mutex<VecDeque<Cell>>) -> Option<Cell> {
    boots.lock().unwrap().pop_front()
}

fn boot_cell(lane: &mut Lane, cell: Cell) -> Result<Boot, Lost> {
    for _ in 0..TRIES {
        match boot::run(lane, cell) {
            Ok(boot) => {
                println!("{cell}: {:.1} s ({})", boot.time.as_secs_f64(), boot.timeline);
                return Ok(boot);
            }
            Err(Failure::Missed) => {
                println!("{cell}: nothing was tried; again")
            }
            Err(Failure::FirmwareGaveUp) => {
                println!("{cell}: the firmware gave up its HTTP boot");
                return Err(Lost::InFirmware);
            }
            Err(Failure::Wrong(error)) => {
                println!("{cell}: FAILED: {error}\n{}", lane.logs());
                return Err(Lost::Wrong(error));
            }
        }
    }
    Err(Lost::Wrong(format!("the phase was missed {TRIES} times")))
}

fn conclude(results: &Results) {
    let table = report::table(results);
    println!("\n{table}");
    if let Some(file) = std::env::var_os(TABLE) {
        std::fs::write(PathBuf::from(file), &table).unwrap();
    }
    let mut failed = report::failed(results);
    failed.extend(golden::differences(results));
    assert!(
        failed.is_empty(),
        "{} failures:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

/// iPXE waits for a Router Advertisement before it uses the address that it has; a network that advertises "no
/// router" spares it that.
#[test]
fn privileged_router_advertisements_let_ipxe_go_on() {
    if !chaos_tests::privileged::is_wanted("router advertisements for iPXE") {
        return;
    }
    let (folder, image) = (tempfile::tempdir().unwrap(), guest_image());
    let without = ("c", "", folder.path().join("c"));
    let with = ("d", ADVERTISED, folder.path().join("d"));
    let [without, with] = std::thread::scope(|scope| {
        [without, with]
            .map(|(tag, lines, folder)| {
                let image = &image;
                scope.spawn(move || {
                    let mut lane = Lane::start(tag, &folder, image, lines);
                    let cell = Cell {
                        firmware: Firmware::BiosIpxe,
                        fault: None,
                    };
                    boot_cell(&mut lane, cell).unwrap()
                })
            })
            .map(|lane| lane.join().unwrap())
    });
    assert_eq!(without.router_adverts, 0, "nobody asked for them");
    assert!(with.router_adverts > 0, "none came to the guest");
    let seconds = |boot: &Boot| boot.script_after.expect("it asked for a script").as_secs_f64();
    let (without, with) = (seconds(&without), seconds(&with));
    println!(
        "power on to the first request of a script: {without:.1} s without router advertisements, {with:.1} s with them"
    );
    assert!(
        with + SPARED_AT_LEAST_S <= without,
        "router advertisements spared iPXE no wait: {with:.1} s with them, {without:.1} s without"
    );
}

/// The padding of the initramfs differs from run to run, so it is made once per target folder.
fn guest_image() -> GuestImage {
    GuestImage::build(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest")).unwrap()
}
