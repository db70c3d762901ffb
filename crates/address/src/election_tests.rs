//! The election under simulated time: members that die, freeze, return and are cut off from each other.

use super::*;
use proptest::prelude::*;

const STEP: Duration = Duration::from_millis(10);
/// After the last fault, every reachable part must have one holder within this: the silence, the last
/// rank's wait, the time after a lost claim, and one exchange of adverts.
const SETTLED: Duration = Duration::from_millis(900 + 4 * 300 + 2000 + 1000 + 400);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Process {
    Running,
    Dead,
    Frozen,
}

/// Members on one network. An advert arrives one step after it was sent, if the two can reach each other then;
/// a frozen member's adverts wait for it, as they do in a socket's buffer.
struct World {
    now: Duration,
    elections: Vec<Election>,
    processes: Vec<Process>,
    /// Members with equal numbers reach each other.
    part: Vec<u8>,
    inbox: Vec<Vec<(u64, bool)>>,
    broken_helper: Vec<bool>,
    /// Who took the address, in order.
    takes: Vec<usize>,
    /// Who announced a held address once more, in order.
    announcements: Vec<usize>,
}

impl World {
    fn new(members: usize) -> World {
        World {
            now: Duration::ZERO,
            elections: (0..members).map(|id| Self::fresh(id, Duration::ZERO)).collect(),
            processes: vec![Process::Running; members],
            part: vec![0; members],
            inbox: vec![Vec::new(); members],
            broken_helper: vec![false; members],
            takes: Vec::new(),
            announcements: Vec::new(),
        }
    }

    fn fresh(id: usize, now: Duration) -> Election {
        Election::new("boot", id as u64, Timing::default(), now)
    }

    fn step(&mut self) {
        self.now += STEP;
        let inboxes: Vec<_> = self.inbox.iter_mut().map(std::mem::take).collect();
        for (id, adverts) in inboxes.into_iter().enumerate() {
            match self.processes[id] {
                Process::Dead => {}
                Process::Frozen => self.inbox[id] = adverts,
                Process::Running => {
                    for (from, holds) in adverts {
                        self.input(id, Input::Advert { from, holds });
                    }
                    self.input(id, Input::Tick);
                }
            }
        }
    }

    fn input(&mut self, id: usize, input: Input) {
        for output in self.elections[id].handle(self.now, input) {
            match output {
                Output::Take if self.broken_helper[id] => self.input(id, Input::ClaimLost),
                Output::Take => self.takes.push(id),
                Output::Release => {}
                Output::Announce => self.announcements.push(id),
                Output::Advertise { holds } => self.send(id, holds),
            }
        }
    }

    fn send(&mut self, from: usize, holds: bool) {
        for to in 0..self.elections.len() {
            if to != from && self.part[to] == self.part[from] {
                self.inbox[to].push((from as u64, holds));
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    fn restart(&mut self, id: usize) {
        self.elections[id] = Self::fresh(id, self.now);
        self.inbox[id].clear();
        self.processes[id] = Process::Running;
    }

    fn holders(&self) -> Vec<usize> {
        let running = |id: &usize| self.processes[*id] == Process::Running && self.elections[*id].holds();
        (0..self.elections.len()).filter(running).collect()
    }

    fn standing_in(&self) -> Vec<usize> {
        let running =
            |id: &usize| self.processes[*id] == Process::Running && self.elections[*id].stands_in(self.now);
        (0..self.elections.len()).filter(running).collect()
    }

    fn only_holder(&self) -> usize {
        let holders = self.holders();
        assert_eq!(holders.len(), 1, "at {:?}: {holders:?}", self.now);
        holders[0]
    }
}

#[test]
fn a_fresh_cluster_has_one_holder_and_only_one_ever_took_it() {
    let mut world = World::new(3);
    world.run(SETTLED);
    assert_eq!(world.takes, vec![world.only_holder()]);
}

#[test]
fn a_lone_member_takes_the_address() {
    let mut world = World::new(1);
    world.run(ms(1000));
    assert_eq!(world.only_holder(), 0);
}

/// Nobody may take the address before it has listened long enough to know of a holder.
#[test]
fn nothing_is_taken_during_the_first_silence() {
    let mut world = World::new(3);
    world.run(ms(890));
    assert!(world.holders().is_empty());
}

#[test]
fn a_dead_holder_is_followed_by_exactly_one_other() {
    let mut world = World::new(3);
    world.run(SETTLED);
    let first = world.only_holder();
    world.processes[first] = Process::Dead;
    world.run(ms(900 + 300 + 200));
    let second = world.only_holder();
    assert_ne!(first, second);
    assert_eq!(world.takes, vec![first, second]);
}

/// Until the address has moved somebody must answer what needs no address: one member, and the one that will take it.
#[test]
fn one_member_stands_in_for_a_silent_holder_and_then_takes_its_place() {
    let mut world = World::new(3);
    world.run(SETTLED);
    let first = world.only_holder();
    assert!(world.standing_in().is_empty(), "while the holder is heard");
    world.processes[first] = Process::Dead;
    world.run(ms(450 - 200)); // the last advert may be an advert's pause old
    assert!(world.standing_in().is_empty(), "two lost adverts are no death");
    world.run(ms(300));
    let stand_in = world.standing_in();
    assert_eq!(stand_in.len(), 1);
    assert!(world.holders().is_empty(), "before anyone has taken the address");
    world.run(ms(900));
    assert_eq!(world.holders(), stand_in);
    assert!(world.standing_in().is_empty(), "it holds the address itself now");
}

/// The silence that a member missed while it was stopped is its own.
#[test]
fn a_frozen_member_stands_in_for_nobody_when_it_wakes() {
    let mut world = World::new(2);
    world.run(SETTLED);
    let bystander = 1 - world.only_holder();
    world.processes[bystander] = Process::Frozen;
    world.run(ms(5000));
    world.inbox[bystander].clear();
    world.processes[bystander] = Process::Running;
    world.step();
    assert!(world.standing_in().is_empty());
}

#[test]
fn who_left_or_has_just_started_stands_in_for_nobody() {
    let mut world = World::new(1);
    world.run(ms(490));
    assert!(world.standing_in().is_empty(), "it has not listened long enough");
    world.run(ms(20));
    assert_eq!(world.standing_in(), vec![0]);
    world.input(0, Input::Leave);
    assert!(world.standing_in().is_empty());
}

/// No preemption: a move costs every booting node a retry, so a return must cost nothing.
#[test]
fn a_returning_member_of_higher_rank_leaves_the_address_where_it_is() {
    let mut world = World::new(3);
    world.run(SETTLED);
    let best = world.only_holder();
    world.processes[best] = Process::Dead;
    world.run(SETTLED);
    let second = world.only_holder();
    world.restart(best);
    world.run(SETTLED * 4);
    assert_eq!(world.only_holder(), second);
    assert_eq!(world.takes, vec![best, second]);
}

/// A stopped holder's claim has lapsed; when it goes on it must not believe that it still holds the
/// address, whatever its rank.
#[test]
fn a_frozen_holder_gives_up_when_it_wakes() {
    let mut world = World::new(3);
    world.run(SETTLED);
    let best = world.only_holder();
    world.processes[best] = Process::Frozen;
    world.run(SETTLED);
    let second = world.only_holder();
    world.processes[best] = Process::Running;
    world.step();
    assert_eq!(world.only_holder(), second);
    world.run(SETTLED * 2);
    assert_eq!(world.only_holder(), second);
}

/// A frozen member that held nothing has heard nothing for a while: that is its own silence, not the holder's.
#[test]
fn a_frozen_bystander_takes_nothing_when_it_wakes() {
    let mut world = World::new(3);
    world.run(SETTLED);
    let holder = world.only_holder();
    let bystander = (holder + 1) % 3;
    world.processes[bystander] = Process::Frozen;
    world.run(ms(5000));
    world.inbox[bystander].clear(); // nothing was buffered either
    world.processes[bystander] = Process::Running;
    world.run(SETTLED);
    assert_eq!(world.takes, vec![holder]);
}

/// Short of the life of a claim a pause is only a busy machine.
#[test]
fn a_short_pause_moves_nothing() {
    let mut world = World::new(3);
    world.run(SETTLED);
    let holder = world.only_holder();
    for _ in 0..20 {
        world.processes[holder] = Process::Frozen;
        world.run(ms(500));
        world.processes[holder] = Process::Running;
        world.run(ms(500));
    }
    assert_eq!(world.takes, vec![holder]);
}

#[test]
fn two_parts_have_a_holder_each_and_the_higher_rank_keeps_it_after_the_heal() {
    let mut world = World::new(3);
    world.run(SETTLED);
    let best = world.only_holder();
    world.part[best] = 1;
    world.run(SETTLED);
    assert_eq!(world.holders().len(), 2, "each side serves its nodes");
    world.part[best] = 0;
    world.run(ms(500));
    assert_eq!(world.only_holder(), best);
    let mut announcers = world.announcements;
    announcers.dedup();
    assert_eq!(
        announcers,
        vec![best],
        "nodes that learned the other's MAC must learn the winner's"
    );
}

/// The other holder may also die before it gives up.
#[test]
fn a_contest_that_ends_by_death_is_announced_too() {
    let mut world = World::new(2);
    world.run(SETTLED);
    let best = world.only_holder();
    let other = 1 - best;
    world.elections[best].handle(
        world.now,
        Input::Advert {
            from: other as u64,
            holds: true,
        },
    );
    world.processes[other] = Process::Dead;
    world.inbox[best].clear();
    world.run(ms(900));
    assert_eq!(world.announcements, vec![], "not while the other may live");
    world.run(ms(200));
    assert_eq!(world.announcements, vec![best]);
}

/// A first in rank whose helper does not work must not keep the others from serving.
#[test]
fn a_member_that_cannot_claim_is_passed_over() {
    let mut world = World::new(3);
    let mut healthy = World::new(3);
    healthy.run(SETTLED);
    let best = healthy.only_holder();
    world.broken_helper[best] = true;
    world.run(ms(900 + 300 + 300));
    assert_ne!(world.only_holder(), best);
    let holder = world.only_holder();
    world.run(SETTLED * 3);
    assert_eq!(world.takes, vec![holder], "and it stays where it is");
}

/// A drained holder says so; the next one need not wait for silence.
#[test]
fn a_leaving_holder_is_followed_at_once() {
    let mut world = World::new(3);
    world.run(SETTLED);
    let first = world.only_holder();
    world.input(first, Input::Leave);
    assert!(!world.elections[first].holds());
    world.run(ms(400)); // less than the silence of a dead one
    let second = world.only_holder();
    assert_ne!(first, second);
    world.run(SETTLED * 2);
    assert_eq!(world.only_holder(), second);
    assert_eq!(world.takes, vec![first, second], "who left never takes it again");
}

/// Losing the claim is answered at once, in the order that keeps a late answer impossible.
#[test]
fn a_lost_claim_releases_first_and_then_tells_the_others() {
    let mut world = World::new(1);
    world.run(ms(1000));
    let outputs = world.elections[0].handle(world.now, Input::ClaimLost);
    assert_eq!(outputs, vec![Output::Release, Output::Advertise { holds: false }]);
    assert_eq!(
        world.elections[0].handle(world.now, Input::ClaimLost),
        vec![],
        "and only once"
    );
}

/// Networks spread over members: with one order for all, one member would carry every address.
#[test]
fn different_networks_have_different_first_members() {
    let first = |network: &str| (1..=3u64).max_by_key(|id| rank(network, *id)).unwrap();
    let firsts: std::collections::BTreeSet<u64> = (0..200).map(|i| first(&format!("net{i}"))).collect();
    assert_eq!(firsts.len(), 3);
}

#[derive(Clone, Debug)]
enum Fault {
    Kill(usize),
    Restart(usize),
    Freeze(usize),
    Thaw(usize),
    Cut(usize),
    Heal,
    BreakHelper(usize),
    Wait(u64),
}

fn fault(members: usize) -> impl Strategy<Value = Fault> {
    prop_oneof![
        (0..members).prop_map(Fault::Kill),
        (0..members).prop_map(Fault::Restart),
        (0..members).prop_map(Fault::Freeze),
        (0..members).prop_map(Fault::Thaw),
        (0..members).prop_map(Fault::Cut),
        Just(Fault::Heal),
        (0..members).prop_map(Fault::BreakHelper),
        (0..4000u64).prop_map(Fault::Wait),
    ]
}

fn inflict(world: &mut World, fault: &Fault) {
    match *fault {
        Fault::Kill(id) => world.processes[id] = Process::Dead,
        Fault::Restart(id) => {
            world.broken_helper[id] = false;
            world.restart(id);
        }
        Fault::Freeze(id) if world.processes[id] == Process::Running => world.processes[id] = Process::Frozen,
        Fault::Thaw(id) if world.processes[id] == Process::Frozen => world.processes[id] = Process::Running,
        Fault::Freeze(_) | Fault::Thaw(_) => {}
        Fault::Cut(id) => world.part[id] = 1 - world.part[id],
        Fault::Heal => world.part.fill(0),
        Fault::BreakHelper(id) if world.processes[id] == Process::Running => {
            world.broken_helper[id] = true;
            if world.elections[id].holds() {
                world.input(id, Input::ClaimLost);
            }
        }
        Fault::BreakHelper(_) => {}
        Fault::Wait(time) => world.run(ms(time)),
    }
    world.run(ms(50));
}

/// Members of one part that run and can claim.
fn able(world: &World, part: u8) -> Vec<usize> {
    let able = |id: &usize| {
        world.processes[*id] == Process::Running && world.part[*id] == part && !world.broken_helper[*id]
    };
    (0..world.elections.len()).filter(able).collect()
}

/// Members that mean to hold the address and cannot must not keep the one that can from it.
#[test]
fn broken_helpers_do_not_keep_the_address_from_the_member_whose_helper_works() {
    for able in 0..4 {
        let mut world = World::new(4);
        for broken in (0..4).filter(|id| *id != able) {
            inflict(&mut world, &Fault::BreakHelper(broken));
        }
        world.run(SETTLED);
        assert_eq!(world.holders(), [able]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever happened: once it stops happening, each part of the network that has a member able to
    /// hold the address has exactly one holder, and it stays the same one.
    #[test]
    fn exactly_one_holder_after_any_faults(members in 1usize..=5, faults in proptest::collection::vec(fault(5), 0..25)) {
        let mut world = World::new(members);
        for fault in &faults {
            let in_range = !matches!(fault, Fault::Kill(id) | Fault::Restart(id) | Fault::Freeze(id) | Fault::Thaw(id)
                | Fault::Cut(id) | Fault::BreakHelper(id) if *id >= members);
            if in_range {
                inflict(&mut world, fault);
            }
        }
        world.run(SETTLED);
        for part in [0, 1] {
            let able = able(&world, part);
            let holders: Vec<usize> = able.iter().copied().filter(|id| world.elections[*id].holds()).collect();
            prop_assert_eq!(holders.len(), able.len().min(1), "part {}: {:?} of {:?}", part, holders, able);
        }
        let (settled, takes) = (world.holders(), world.takes.clone());
        world.run(SETTLED);
        prop_assert_eq!(world.holders(), settled);
        prop_assert_eq!(&world.takes, &takes, "a settled address moved");
    }

    /// The returning member never preempts, whoever it is and however often it returns.
    #[test]
    fn returning_members_never_move_a_held_address(order in proptest::collection::vec(0usize..3, 1..12)) {
        let mut world = World::new(3);
        world.run(SETTLED);
        let holder = world.only_holder();
        for id in order.into_iter().filter(|id| *id != holder) {
            world.processes[id] = Process::Dead;
            world.run(ms(1500));
            world.restart(id);
            world.run(ms(1500));
        }
        prop_assert_eq!(world.takes, vec![holder]);
    }
}

/// So that an administrator can be told whom to ask.
#[test]
fn the_holder_is_known_by_its_id_to_those_that_hear_it() {
    let mut election = Election::new("boot", 0, Timing::default(), Duration::ZERO);
    let mut hear = |at, from, holds| {
        election.handle(ms(at), Input::Advert { from, holds });
        election.holder(ms(at))
    };
    assert_eq!(hear(1, 1, false), None);
    assert_eq!(hear(2, 2, true), Some(2));
    assert_eq!(hear(3, 1, true), Some(1), "of two the one that was heard last");
    assert_eq!(hear(4, 1, false), Some(2));
    let silence = Timing::default().live_for + ms(1);
    assert_eq!(election.holder(ms(2) + silence), None);
}
