//! No address is ever given to two clients: three real members, a thousand emulated clients that compete for a small pool,
//! an administrator who moves reservations meanwhile; members killed, frozen and cut off, a fifth of the packets lost, clocks
//! wrong. Every DHCPACK that a client took is judged.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod site;
mod tally;

use std::time::Duration;

use chaos_tests::dice::Dice;
use chaos_tests::faults::{ClockStep, Fault, Freeze, Kill, Loss, OneWay, Partition, Split};
use chaos_tests::never_twice::client::{Event, How};
use chaos_tests::never_twice::holdings::{History, Note};
use chaos_tests::privileged;

use site::{LEFT, People, RIGHT, Site};
use tally::Tally;

/// Short faults of one round: around an election, which takes 0.9 to 1.2 s.
const SHORT_FAULTS_PER_ROUND: usize = 10;
const SHORT_MS: (u64, u64) = (500, 2500);
/// Long ones: beyond the 10 s by which a member may misjudge the cluster's time.
const LONG_FAULTS_PER_ROUND: usize = 2;
const LONG_MS: (u64, u64) = (11_000, 15_000);
/// How long the cluster has between two faults, milliseconds.
const PAUSE_MS: (u64, u64) = (500, 2000);
/// What goes on after the last fault of a round: what was held back comes to its new owners.
const CALM: Duration = Duration::from_secs(15);
/// Leases begun, at least; the long tier asks for more.
const BINDINGS_MIN: u32 = 3000;
/// So often an address must come to another client, or nothing was tried. A round brings about a hundred.
const PASSED_ON_MIN: usize = 20;
/// A round brings far more; fewer are a fault of their own.
const BINDINGS_PER_ROUND_MIN: u64 = 1000;

const PEOPLE: People = People {
    nodes: 150,
    strangers: 850,
};

#[test]
fn no_address_is_given_twice() {
    if !privileged::is_wanted("no address is given twice") {
        return;
    }
    let wanted = u64::from(privileged::count_from("CHAMOIS_BINDINGS", BINDINGS_MIN));
    let seed = u64::from(privileged::count_from("CHAMOIS_SEED", 7));
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::start(folder.path(), "nt", PEOPLE, Dice::new(seed));
    let mut dice = Dice::new(seed);
    let (mut notes, mut tally) = (Vec::new(), Tally::default());
    let mut editor = site.editor(&mut dice);
    editor.fill();
    while tally.bindings < wanted {
        let before = tally.bindings;
        let editing = editor.start();
        let streets = site.switch_on(PEOPLE, &mut dice);
        let faults = go_wrong(&mut site, tally.rounds, &mut dice);
        std::thread::sleep(CALM);
        tally.add(&streets, faults.len());
        notes.extend(streets.into_iter().flat_map(|street| street.finish()));
        let changes;
        (editor, changes) = editing.finish();
        tally.changes += changes;
        let agreed = site.world.cluster.wait_until_agreed();
        let history = History::new(notes.clone());
        let (doubled, contrary): (_, Vec<String>) = (
            history.doubled(),
            editor.book().contrary(history.notes()).collect(),
        );
        println!("round {}: {tally}, state {}", tally.rounds, agreed.digest);
        assert!(doubled.is_empty(), "seed {seed}: {doubled:#?}\n{faults:#?}");
        assert!(contrary.is_empty(), "seed {seed}: {contrary:#?}\n{faults:#?}");
        assert!(
            tally.bindings >= before + BINDINGS_PER_ROUND_MIN,
            "{tally}: {faults:#?}"
        );
    }
    let history = History::new(notes);
    judge_can_fail(&history);
    assert!(
        history.passed_on() >= PASSED_ON_MIN,
        "only {} addresses came to others",
        history.passed_on()
    );
    assert!(
        tally.refusals > 0 && tally.changes > 10 && tally.stops > 10,
        "{tally}"
    );
    println!(
        "seed {seed}: {tally}; {} times an address came to another client, 0 addresses given twice",
        history.passed_on()
    );
}

/// Everything that goes wrong in one round; what was done.
fn go_wrong(site: &mut Site, round: usize, dice: &mut Dice) -> Vec<String> {
    let (mut of_processes, mut of_the_network) = (of_processes(), of_the_network());
    let mut done = Vec::new();
    for number in 0..SHORT_FAULTS_PER_ROUND {
        let number = round * SHORT_FAULTS_PER_ROUND + number;
        let process = number % of_processes.len();
        let network = number % of_the_network.len();
        let faults: Vec<&mut Box<dyn Fault>> = of_the_network[network]
            .iter_mut()
            .chain([&mut of_processes[process]])
            .collect();
        done.push(happen(site, faults, SHORT_MS, dice));
    }
    for number in 0..LONG_FAULTS_PER_ROUND {
        let mut long = lasting();
        let number = (round * LONG_FAULTS_PER_ROUND + number) % long.len();
        done.push(happen(
            site,
            long.swap_remove(number).iter_mut().collect(),
            LONG_MS,
            dice,
        ));
    }
    done
}

fn happen(
    site: &mut Site,
    mut faults: Vec<&mut Box<dyn Fault>>,
    last_ms: (u64, u64),
    dice: &mut Dice,
) -> String {
    let at_ms = site.now_ms();
    let said: Vec<String> = faults
        .iter_mut()
        .map(|fault| fault.begin(&mut site.world, dice))
        .collect();
    sleep(last_ms, dice);
    // the last first: who is killed or frozen within a cut comes back into it
    faults
        .iter_mut()
        .rev()
        .for_each(|fault| fault.end(&mut site.world));
    let until_ms = site.now_ms();
    sleep(PAUSE_MS, dice);
    format!("{at_ms} to {until_ms}: {}", said.join(" and "))
}

fn of_processes() -> Vec<Box<dyn Fault>> {
    vec![
        Box::new(Kill::some(1)),
        Box::<Freeze>::default(),
        Box::<ClockStep>::default(),
        Box::new(Kill::some(2)),
        Box::new(Kill::some(3)),
    ]
}

fn of_the_network() -> Vec<Option<Box<dyn Fault>>> {
    vec![
        None,
        Some(Box::new(Split::between(&[LEFT], &[RIGHT]))),
        Some(Box::new(Loss::of(20))),
        Some(Box::<OneWay>::default()),
    ]
}

fn lasting() -> Vec<Vec<Box<dyn Fault>>> {
    vec![
        vec![Box::new(Split::between(&[LEFT], &[RIGHT]))],
        vec![Box::<Freeze>::default()],
        vec![Box::new(Kill::some(3))],
        vec![
            Box::new(Split::between(&[RIGHT], &[LEFT])),
            Box::new(Kill::some(1)),
        ],
        vec![Box::<Partition>::default(), Box::<Freeze>::default()],
        vec![Box::new(Loss::of(20))],
        vec![Box::<ClockStep>::default(), Box::new(Kill::some(3))],
    ]
}

fn sleep((least, most): (u64, u64), dice: &mut Dice) {
    std::thread::sleep(Duration::from_millis(least + dice.below(most - least + 1)));
}

/// The method's own test: one address of this very run given to somebody else as well, for a moment, is found.
fn judge_can_fail(history: &History) {
    let uses = history.uses();
    let one = uses
        .iter()
        .find(|one| one.until_ms > one.from_ms + 10)
        .expect("uses");
    let forged = Note {
        at_ms: one.from_ms + 5,
        client: [2; 6],
        event: Event::Acked {
            address: one.address,
            until_ms: one.from_ms + 6,
            how: How::Selecting,
        },
    };
    let notes = [history.notes(), &[forged]].concat();
    assert_eq!(History::new(notes).doubled().len(), 1);
}

/// Reference section 9: the leader is cut off with half of the clients. Nodes are answered there, strangers hear nothing new,
/// nobody is refused; the majority goes on; after it no address was given twice.
#[test]
fn a_minority_gives_nothing_new_and_refuses_nobody() {
    if !privileged::is_wanted("a minority of DHCP servers") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let people = People {
        nodes: 60,
        strangers: 200,
    };
    let mut dice = Dice::new(3);
    let mut site = Site::start(folder.path(), "nm", people, dice.clone());
    let mut editor = site.editor(&mut dice);
    editor.fill();
    let streets = site.switch_on(people, &mut dice);
    std::thread::sleep(Duration::from_secs(8));
    let leader = site.world.cluster.leader();
    Split::between(&[LEFT], &[RIGHT]).alone(&site.world, leader);
    // it finds out, and what it has granted before is over in half of a lease at most
    std::thread::sleep(Duration::from_secs(6));
    let (since, refused) = (site.now_ms(), site.refusals_of(leader));
    std::thread::sleep(Duration::from_secs(25));
    let (until, refused) = (site.now_ms(), site.refusals_of(leader) - refused);
    site.world.filter.clear();
    std::thread::sleep(Duration::from_secs(10));
    let notes: Vec<Note> = streets.into_iter().flat_map(|street| street.finish()).collect();
    site.world.cluster.wait_until_agreed();

    let history = History::new(notes);
    let doubled = history.doubled();
    assert!(doubled.is_empty(), "{doubled:#?}");
    assert_eq!(refused, 0, "a member without a majority said what is not so");
    let meanwhile = tally::told_between(&history, since, until);
    let (nodes, majority) = (meanwhile.nodes_on_the_left.len(), meanwhile.new_on_the_right);
    println!(
        "cut off: {nodes} nodes bound, nothing new for strangers; beside it {majority} leases of the pool begun"
    );
    assert_eq!(meanwhile.new_on_the_left, [], "a lease that nobody has committed");
    assert!(nodes >= 10, "only {nodes} known nodes were answered");
    assert!(
        majority >= 20,
        "only {majority} strangers were answered by the majority"
    );
}
