//! Real members, callers that read and write registers through all of them, faults of processes and of the network at
//! once; and after each round of faults every invariant.

use std::time::Duration;

use chaos_tests::bridge_filter::BridgeFilter;
use chaos_tests::checker::{History, Verdict, judge};
use chaos_tests::cluster::{Cluster, MEMBERS, Place, Registers, Settings, Writers, registers};
use chaos_tests::dice::Dice;
use chaos_tests::faults::{self, World};
use chaos_tests::invariants::{self, Evidence};
use chaos_tests::members::wait;
use chaos_tests::privileged;
use chaos_tests::stepped_clock::SteppedClock;
use lab::machine::Network;

/// Faults of one round, each with its pause: every fault of processes meets every state of the network.
const FAULTS_PER_ROUND: usize = 20;
/// How long a fault lasts, milliseconds: around an election, which takes 0.9 to 1.2 s.
const FAULT_MS: (u64, u64) = (500, 2500);
/// How long the cluster has between two faults, milliseconds.
const PAUSE_MS: (u64, u64) = (300, 1500);
/// A snapshot file every few hundred writes: members that were away need one.
const SNAPSHOT_ENTRIES: u64 = 300;

/// A cluster in namespaces on a network of its own.
fn world(folder: &std::path::Path, tag: &str) -> World {
    let network = Network::create(tag, MEMBERS).expect("namespaces");
    let filter = BridgeFilter::new(&network, &[]);
    let clock = SteppedClock::compile(folder);
    let settings = Settings {
        snapshot_entries: Some(SNAPSHOT_ENTRIES),
        environment: clock.environment(),
        ..Settings::default()
    };
    World {
        cluster: Cluster::start(Place::Namespaces(network), folder, settings),
        filter,
        clock,
    }
}

#[test]
fn registers_stay_linearizable_through_faults() {
    if !privileged::is_wanted("chaos on real members") {
        return;
    }
    let rounds = privileged::count_from("CHAMOIS_CHAOS_ROUNDS", 1);
    let seed = u64::from(privileged::count_from("CHAMOIS_SEED", 7));
    let folder = tempfile::tempdir().expect("a folder");
    let mut world = world(folder.path(), "cx");
    let mut dice = Dice::new(seed);
    let (mut answered, mut open, mut injected) = (0, 0, 0);
    for round in 0..u64::from(rounds) {
        let first_term = world.cluster.wait_until_agreed().term;
        let run = Run::of(&mut world, round, &mut dice);
        let (of_round, left_open) = run.history.counts();
        (answered, open, injected) = (answered + of_round, open + left_open, injected + run.faults.len());
        let term = world.cluster.status(1).map_or(0, |status| status.term);
        let problems = run.broken;
        assert!(
            problems.is_empty(),
            "seed {seed}, round {round}: {problems:#?}\n{:#?}",
            run.faults
        );
        assert!(term > first_term, "nothing shook the leader");
        assert!(
            of_round > 20 * FAULTS_PER_ROUND,
            "only {of_round} operations were answered"
        );
    }
    println!(
        "seed {seed}: {injected} faults, {answered} operations judged, {open} writes left open, 0 anomalies"
    );
}

/// One round: what was done, what callers saw, what does not hold.
struct Run {
    faults: Vec<String>,
    history: std::sync::Arc<History>,
    broken: Vec<String>,
}

impl Run {
    fn of(world: &mut World, round: u64, dice: &mut Dice) -> Run {
        let callers = Registers::start(&world.cluster, round, dice.bits());
        let writers = Writers::start(&world.cluster, round, dice.bits());
        let (mut of_processes, mut of_the_network) = (faults::of_processes(), faults::of_the_network());
        let mut done = Vec::new();
        for number in 0..FAULTS_PER_ROUND {
            let at = number % of_processes.len();
            let process = &mut of_processes[at];
            let at = number % of_the_network.len();
            let network = &mut of_the_network[at];
            let mut said = Vec::new();
            if let Some(network) = network {
                said.push(network.begin(world, dice));
            }
            said.push(process.begin(world, dice));
            sleep(FAULT_MS, dice);
            process.end(world);
            if let Some(network) = network {
                network.end(world);
            }
            done.push(said.join(" and "));
            sleep(PAUSE_MS, dice);
        }
        writers.pause(&world.cluster);
        world.cluster.wait_until_agreed();
        let history = callers.finish(&world.cluster);
        let ledger = writers.ledger().clone();
        let broken = invariants::broken(&mut Evidence {
            cluster: &mut world.cluster,
            history: &history,
            ledger: &ledger,
        });
        Run {
            faults: done,
            history,
            broken,
        }
    }
}

fn sleep((least, most): (u64, u64), dice: &mut Dice) {
    std::thread::sleep(Duration::from_millis(least + dice.below(most - least + 1)));
}

/// The method's own test: a member that is cut off answers local reads, which are not linearizable, and the checker says
/// so. Its linearizable reads are not answered.
#[test]
fn a_stale_read_is_found() {
    if !privileged::is_wanted("a stale read on real members") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let world = world(folder.path(), "cs");
    let (cluster, history, register) = (&world.cluster, History::default(), "x2000c2s0b0n0");
    let leader = cluster.leader();
    let others: Vec<u64> = (1..=MEMBERS).filter(|id| *id != leader).collect();
    let (of_leader, of_others) = (cluster.caller(&[leader]), cluster.caller(&others));
    let run = |work| cluster.runtime().block_on(work);
    assert!(run(
        Box::pin(registers::write(&history, &of_leader, register, 1)) as Work<'_>
    ));
    let ports: Vec<String> = others.iter().map(|id| format!("m{id}")).collect();
    let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
    world.filter.cut(&[&format!("m{leader}")], &ports);
    let mut value = 1;
    wait("a write beside the leader that was cut off", || {
        value += 1;
        run(Box::pin(registers::write(&history, &of_others, register, value))).then_some(())
    });

    assert!(
        !run(Box::pin(registers::read(&history, &of_leader, register))),
        "a linearizable read"
    );
    assert_eq!(judge(&history.registers()[register]), Verdict::Linearizable);
    assert!(
        run(Box::pin(registers::read_local(&history, &of_leader, register))),
        "a local read"
    );
    let verdict = judge(&history.registers()[register]);
    println!("{verdict:?}");
    assert!(matches!(verdict, Verdict::NotLinearizable(_)), "{verdict:?}");
}

type Work<'a> = std::pin::Pin<Box<dyn Future<Output = bool> + 'a>>;
