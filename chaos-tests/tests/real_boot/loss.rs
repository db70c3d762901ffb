//! A guest boots while a fifth of all packets is lost on the bridge, between members as well: iPXE's DHCP, the first script by
//! TFTP, the node's own by HTTP, then what its system asks for: DHCP again, four documents, the phone-home.

use std::path::Path;
use std::time::{Duration, Instant};

use chaos_tests::bridge_filter::BridgeFilter;
use chaos_tests::members::{Members, MembersConfig};
use lab::machine::{Guest, Network};

use crate::{check_console, guest_image, newest_boot, power_on, seed};

const MAC: &str = "52:54:00:97:00:01";
const LOSS_PERCENT: u8 = 20;
/// iPXE sends a DHCPDISCOVER and a DHCPREQUEST four times each and gives up: at this loss three of a hundred boots end so,
/// whatever a server does. Then power is switched off and on, as a site does.
const POWER_CYCLES_MAX: u32 = 4;
/// What firmware and iPXE print then.
const GIVEN_UP: [&str; 4] = [
    "No more network devices",
    "Boot failed",
    "No bootable device",
    "PXE-E",
];
/// Bound of each part of a boot. Undisturbed, the longest takes a fifth of it on a busy machine.
const PART_AT_MOST: Duration = Duration::from_secs(240);
/// Pause between two looks, of which some ask the cluster.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Packets that must be lost, or nothing was tried.
const LOST_MIN: u64 = 20;

/// Who has given the network up.
struct GaveUp;

#[test]
fn privileged_a_guest_boots_while_a_fifth_of_all_packets_is_lost() {
    if !chaos_tests::privileged::is_wanted("a real boot with losses") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    guest_image().copy_to(&files).unwrap();
    let network = Network::create("l", 3).unwrap();
    network.add_tap("tap0").unwrap();
    let members = Members::start(&network, folder.path(), &files, &MembersConfig::default());
    let filter = BridgeFilter::new(&network, &["m1", "m2", "m3"]);
    seed(&members, MAC);
    members.wait_healthy();

    let started = Instant::now();
    let mut cycles = 1..=POWER_CYCLES_MAX;
    let (cycle, console) = cycles
        .find_map(|cycle| Some((cycle, boot(&network, folder.path(), &members, &filter).ok()?)))
        .unwrap_or_else(|| panic!("iPXE gave up {POWER_CYCLES_MAX} times"));
    let lost = filter.counted("lost");
    println!(
        "booted in {:.1} s, power on {cycle} times, {lost} packets lost",
        started.elapsed().as_secs_f64()
    );
    check_console(&console);
    assert!(lost >= LOST_MIN, "only {lost} packets were lost");
    filter.clear();
    members.wait_healthy();
}

/// One boot to its phone-home; its console. Nothing is lost while kernel and initramfs are under way: 17 MB by TCP would take
/// the better part of an hour, which says nothing of a member.
fn boot(
    network: &Network,
    folder: &Path,
    members: &Members,
    filter: &BridgeFilter,
) -> Result<String, GaveUp> {
    // of an earlier power cycle
    let scripts_before = scripts_sent(members);
    filter.lose(LOSS_PERCENT);
    let mut guest = power_on(network, folder, MAC);
    until(&mut guest, "a boot script", |_| {
        scripts_sent(members) > scripts_before
    })?;
    filter.clear();
    until(&mut guest, "its kernel", |console| console.contains("GUEST init"))?;
    filter.lose(LOSS_PERCENT);
    until(&mut guest, "its end", |console| console.contains("GUEST done"))?;
    Ok(guest.console())
}

/// How often the node was sent its script. What members see they tell each other every two seconds.
fn scripts_sent(members: &Members) -> usize {
    let boot = newest_boot(members, 1);
    let phases = boot["phases"].as_array().into_iter().flatten();
    phases.filter(|seen| seen["phase"] == "PHASE_SCRIPT").count()
}

fn until(guest: &mut Guest, what: &str, has_come: impl Fn(&str) -> bool) -> Result<(), GaveUp> {
    let started = Instant::now();
    loop {
        let console = guest.console();
        if has_come(&console) {
            return Ok(());
        }
        if GIVEN_UP.iter().any(|text| console.contains(text)) {
            println!("iPXE gave up before {what}");
            return Err(GaveUp);
        }
        let is_late = started.elapsed() > PART_AT_MOST;
        assert!(
            !is_late && !guest.is_off().unwrap(),
            "the guest did not come to {what}; its console:\n{console}"
        );
        std::thread::sleep(LOOK_EVERY);
    }
}
