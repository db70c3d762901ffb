//! Which members lose their power, and in the middle of what.

use std::collections::BTreeSet;

use chaos_tests::cluster::MEMBERS;
use chaos_tests::dice::Dice;

/// Acknowledgements between two cuts, at most.
const ACKNOWLEDGED_MAX: u64 = 300;
/// Chance that the power goes again while the members start.
const AGAIN_PERCENT: u64 = 25;

/// What is going on when the power goes, beside writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// After so many more acknowledgements.
    Acknowledged(u64),
    /// A member that loses its power is writing a snapshot file.
    Snapshot,
    /// A member that loses its power has just purged entries from its log.
    Purge,
    /// The membership is being changed, and the leadership handed over, all the time.
    Membership,
}

/// One power cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Who loses it, all at once.
    pub(crate) victims: BTreeSet<u64>,
    /// When.
    pub(crate) moment: Moment,
    /// Percent chance that the power goes again while they start.
    pub(crate) again: u64,
}

/// The cuts of a run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) cuts: Vec<Cut>,
}

impl Plan {
    /// Of four cuts, one is of all members, one of a majority and two of one member; of five, one meets a snapshot,
    /// one a purge and one changes of the membership. Twenty cuts have every combination.
    pub(crate) fn of(count: u32, seed: u64) -> Plan {
        let mut dice = Dice::new(seed);
        let cuts = (0..count).map(|number| {
            let victims = match number % 4 {
                0 => MEMBERS,
                2 => MEMBERS / 2 + 1,
                _ => 1,
            };
            Cut {
                victims: choose(victims, &mut dice),
                moment: match number % 5 {
                    1 => Moment::Snapshot,
                    3 => Moment::Purge,
                    4 => Moment::Membership,
                    _ => Moment::Acknowledged(1 + dice.below(ACKNOWLEDGED_MAX)),
                },
                again: AGAIN_PERCENT,
            }
        });
        Plan { cuts: cuts.collect() }
    }
}

fn choose(count: u64, dice: &mut Dice) -> BTreeSet<u64> {
    let mut left: Vec<u64> = (1..=MEMBERS).collect();
    (0..count)
        .map(|_| left.swap_remove(dice.place(left.len())))
        .collect()
}

#[test]
fn a_plan_has_every_kind_of_cut_and_is_the_same_for_a_seed() {
    let plan = Plan::of(20, 7);
    let kind = |cut: &Cut| {
        let moment = match cut.moment {
            Moment::Acknowledged(_) => 0,
            Moment::Snapshot => 1,
            Moment::Purge => 2,
            Moment::Membership => 3,
        };
        (cut.victims.len(), moment)
    };
    let kinds: BTreeSet<(usize, u8)> = plan.cuts.iter().map(kind).collect();
    assert_eq!(kinds.len(), 12, "{kinds:?}");
    let of_all = plan.cuts.iter().filter(|cut| cut.victims.len() == 3).count();
    assert_eq!(of_all, 5);
    assert_eq!(plan.cuts, Plan::of(20, 7).cuts);
    assert_ne!(plan.cuts, Plan::of(20, 8).cuts);
    let single = |cut: &&Cut| cut.victims.len() == 1;
    let alone: BTreeSet<_> = plan
        .cuts
        .iter()
        .filter(single)
        .flat_map(|cut| &cut.victims)
        .collect();
    assert_eq!(alone.len(), 3, "each member loses its power alone");
}
