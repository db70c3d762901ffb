//! Power cuts of one member, a majority and all members of a real cluster, each member on a disk of its own: after
//! every cut the members start by themselves, agree, and have every write that was acknowledged.

mod plan;
mod room;

use chaos_tests::disk::broken_disk::DiskFault;
use chaos_tests::disk::power_cut::{FileSystem, enter_private_mounts};
use chaos_tests::privileged;

use plan::Plan;
use room::Room;

/// Cuts within which a disk whose sync does nothing must be found.
const CUTS_UNTIL_CAUGHT_MAX: u32 = 20;

/// The file systems take turns: half of the cuts each.
#[test]
fn a_cluster_survives_power_cuts() {
    if !privileged::is_wanted("power cuts of a cluster") {
        return;
    }
    enter_private_mounts().expect("own mounts need root");
    let cuts = privileged::count_from("CHAMOIS_CLUSTER_CUTS", 40);
    let seed = u64::from(privileged::count_from("CHAMOIS_SEED", 7));
    for (file_system, seed) in FileSystem::ALL.into_iter().zip(seed..) {
        let mut room = Room::new(file_system, seed);
        println!("{file_system:?}, seed {seed}");
        let plan = Plan::of(cuts / 2, seed);
        for (number, cut) in plan.cuts.iter().enumerate() {
            if let Err(problem) = room.lose_power(cut) {
                panic!("{file_system:?}, seed {seed}, cut {number} ({cut:?}): {problem}");
            }
        }
        println!("{file_system:?}, {}", room.report());
        room.check_what_was_exercised();
    }
}

/// The method's own test, with the same processes: every member's disk says "done" and does nothing.
#[test]
fn a_disk_whose_sync_does_nothing_is_caught() {
    if !privileged::is_wanted("power cuts of a cluster whose disks do not sync") {
        return;
    }
    enter_private_mounts().expect("own mounts need root");
    for file_system in FileSystem::ALL {
        let mut room = Room::new(file_system, 8);
        room.switch_on(DiskFault::NoSync);
        let plan = Plan::of(CUTS_UNTIL_CAUGHT_MAX, 8);
        let caught = plan.cuts.iter().zip(1..).find_map(|(cut, number)| {
            let problem = room.lose_power(cut).err()?;
            let first: Vec<&str> = problem.lines().take(2).collect();
            Some(format!("caught at cut {number} ({cut:?}): {}", first.join(" ")))
        });
        println!(
            "{file_system:?}, {}",
            caught.expect("a disk that never syncs was not found")
        );
    }
}
