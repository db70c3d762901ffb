//! What members saw of boots: whatever order they tell it in, the same boots with the same phases.

use model::{Rejection, Xname};
use proptest::prelude::*;
use proto::bss::v1::boot_phase::Phase;
use proto::bss::v1::bss_command::{BootSeen, RecordBootPhases};
use proto::bss::v1::{BootPhase, BootRecord};
use state::bounds::{
    ATTEMPTS_PER_PHASE_MAX, BOOT_PHASE_AHEAD_MS_MAX, BOOTS_SEEN_PER_COMMAND_MAX, PHASES_PER_BOOT_MAX,
};
use state::cluster::FEATURE_LEVEL_BOOT;

use crate::boot_records;
use crate::support::{Log, START_MS};

const NODE: &str = "x0c0s0b0n0";
const SECOND: u64 = 1000;
/// A day before the log: what is told of is over.
const BEGAN_MS: u64 = START_MS - DAY * SECOND;
/// In seconds.
const DAY: u64 = 24 * 60 * 60;

fn attempt(phase: Phase, at_ms: u64) -> BootPhase {
    BootPhase {
        phase: phase.into(),
        at_ms,
        bytes: 7,
        revision: 3,
        member: 2,
        told: false,
    }
}

/// At seconds after `BEGAN_MS`.
fn seen(node: &str, boot_id: &str, attempts: &[(Phase, u64)]) -> RecordBootPhases {
    let phases = attempts
        .iter()
        .map(|(phase, second)| attempt(*phase, BEGAN_MS + second * SECOND));
    RecordBootPhases {
        boots: vec![BootSeen {
            node: node.into(),
            boot_id: boot_id.into(),
            phases: phases.collect(),
        }],
    }
}

fn records(log: &Log) -> Vec<std::sync::Arc<BootRecord>> {
    log.state.bss.boot_records(&NODE.parse().unwrap())
}

/// Boot ids and phases with their seconds, newest boot first.
fn boots(log: &Log) -> Vec<(String, Vec<(Phase, u64)>)> {
    let phases = |record: &BootRecord| {
        let seconds = |attempt: &BootPhase| (attempt.phase(), (attempt.at_ms - BEGAN_MS) / SECOND);
        record.phases.iter().map(seconds).collect()
    };
    records(log)
        .iter()
        .map(|record| (record.boot_id.clone(), phases(record)))
        .collect()
}

#[test]
fn what_was_seen_of_a_boot_is_one_record_from_the_offer_to_the_phone_home() {
    let mut log = Log::latest();
    log.ok(seen(NODE, "", &[(Phase::Offered, 0), (Phase::Acknowledged, 1)]));
    let created = log.created();
    assert_eq!(
        boots(&log),
        [("".into(), vec![(Phase::Offered, 0), (Phase::Acknowledged, 1)])]
    );
    log.ok(seen(NODE, "b1", &[(Phase::Script, 5)]));
    log.ok(seen(NODE, "", &[(Phase::Kernel, 6), (Phase::Initrd, 8)]));
    log.ok(seen(NODE, "b1", &[(Phase::MetaData, 30)]));
    log.ok(boot_records::command(boot_records::record(NODE, "b1")));
    let all = [
        (Phase::Offered, 0),
        (Phase::Acknowledged, 1),
        (Phase::Script, 5),
        (Phase::Kernel, 6),
        (Phase::Initrd, 8),
        (Phase::MetaData, 30),
    ];
    assert_eq!(boots(&log), [("b1".into(), all.to_vec())]);
    let record = &records(&log)[0];
    assert_eq!(record.phoned_home_at_ms, log.now_ms);
    let meta = record.meta.as_ref().unwrap();
    assert_eq!(
        meta.created,
        created.unwrap().created,
        "the script adopted the record"
    );
    assert_eq!(meta.modified, Some(log.last_change()));
    let told: Vec<bool> = record.phases.iter().map(|attempt| attempt.told).collect();
    assert_eq!(told, [false, false, true, false, false, true]);
    assert_eq!((record.phases[0].bytes, record.phases[0].member), (7, 2));
}

/// The member that answered DHCP may tell of it after the one that answered the script.
#[test]
fn a_late_batch_opens_no_boot_and_turns_no_phase_back() {
    let mut log = Log::latest();
    log.ok(seen(NODE, "b1", &[(Phase::Script, 5), (Phase::UserData, 30)]));
    log.ok(seen(NODE, "", &[(Phase::Offered, 0), (Phase::Loader, 2)]));
    log.ok(seen(NODE, "b1", &[(Phase::MetaData, 29)]));
    let all = [
        (Phase::Offered, 0),
        (Phase::Loader, 2),
        (Phase::Script, 5),
        (Phase::MetaData, 29),
        (Phase::UserData, 30),
    ];
    assert_eq!(boots(&log), [("b1".into(), all.to_vec())]);
}

#[test]
fn what_comes_after_a_script_is_the_next_boot() {
    let mut log = Log::latest();
    log.ok(seen(NODE, "b1", &[(Phase::Script, 5)]));
    log.ok(seen(NODE, "", &[(Phase::Offered, 60)]));
    assert_eq!(
        boots(&log),
        [
            ("".into(), vec![(Phase::Offered, 60)]),
            ("b1".into(), vec![(Phase::Script, 5)])
        ]
    );
    log.ok(seen(NODE, "b2", &[(Phase::Script, 65)]));
    assert_eq!(
        boots(&log)[0],
        ("b2".into(), vec![(Phase::Offered, 60), (Phase::Script, 65)])
    );
}

/// Both offers are told before either script: they look like one boot until the first script is known.
#[test]
fn a_script_that_is_told_late_takes_its_offers_back() {
    let mut log = Log::latest();
    log.ok(seen(NODE, "", &[(Phase::Offered, 0), (Phase::Offered, 100)]));
    log.ok(seen(NODE, "b2", &[(Phase::Script, 105)]));
    assert_eq!(boots(&log).len(), 1);
    log.ok(seen(NODE, "b1", &[(Phase::Script, 5)]));
    assert_eq!(
        boots(&log),
        [
            ("b2".into(), vec![(Phase::Offered, 100), (Phase::Script, 105)]),
            ("b1".into(), vec![(Phase::Offered, 0), (Phase::Script, 5)])
        ]
    );
}

#[test]
fn a_script_adopts_what_came_within_ten_minutes() {
    let mut log = Log::latest();
    log.ok(seen(NODE, "", &[(Phase::Offered, 0)]));
    log.ok(seen(NODE, "b1", &[(Phase::Script, 10 * 60 + 1)]));
    assert_eq!(boots(&log).len(), 2, "the node was off in between");
    log.ok(seen(NODE, "", &[(Phase::Offered, 5 * 60)]));
    assert_eq!(boots(&log).len(), 1, "it was not");
}

#[test]
fn the_phone_home_of_a_boot_without_an_id_is_the_newest_boots_that_is_under_way() {
    let mut log = Log::latest();
    log.ok(seen(NODE, "b1", &[(Phase::Script, 5)]));
    log.ok(boot_records::command(boot_records::record(NODE, "")));
    assert_eq!(boots(&log).len(), 1);
    assert_eq!(records(&log)[0].phoned_home_at_ms, log.now_ms);
    log.ok(boot_records::command(boot_records::record(NODE, "")));
    assert_eq!(boots(&log).len(), 2, "that boot has come home already");
    // what is not the next script's is no boot's that is over
    log.ok(seen(NODE, "", &[(Phase::Offered, DAY + 60)]));
    assert_eq!(boots(&log)[0], ("".into(), vec![(Phase::Offered, DAY + 60)]));
    assert_eq!(boots(&log).len(), 3);
}

#[test]
fn what_a_record_keeps_is_bounded() {
    let mut log = Log::latest();
    for second in 0..100 {
        log.ok(seen(NODE, "b1", &[(Phase::Script, second)]));
    }
    let kept: Vec<u64> = boots(&log)[0].1.iter().map(|(_, second)| *second).collect();
    assert_eq!(kept, [0, 1, 2, 3, 4, 5, 6, 99]);
    assert_eq!(kept.len(), ATTEMPTS_PER_PHASE_MAX);
    for boot in 0..20 {
        log.ok(seen(NODE, &format!("c{boot}"), &[(Phase::Script, 200 + boot)]));
    }
    let ids: Vec<String> = boots(&log).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["c19", "c18", "c17", "c16", "c15", "c14", "c13", "c12"]);
    log.ok(seen(NODE, "old", &[(Phase::Script, 150)]));
    assert_eq!(boots(&log).len(), 8);
    assert!(
        boots(&log).iter().all(|(id, _)| id != "old"),
        "older than all that are kept"
    );
}

#[test]
fn the_last_access_is_that_of_any_boot() {
    let mut log = Log::latest();
    let node: Xname = NODE.parse().unwrap();
    assert_eq!(log.state.bss.last_access(&node, Phase::Script), None);
    log.ok(seen(NODE, "b1", &[(Phase::Script, 5), (Phase::Script, 9)]));
    log.ok(seen(NODE, "b2", &[(Phase::Script, 7)]));
    let last = |log: &Log, phase| log.state.bss.last_access(&node, phase);
    assert_eq!(last(&log, Phase::Script), Some(BEGAN_MS + 9 * SECOND));
    assert_eq!(last(&log, Phase::UserData), None);
    assert_eq!(last(&log, Phase::PhonedHome), None);
    log.ok(boot_records::command(boot_records::record(NODE, "b1")));
    assert_eq!(last(&log, Phase::PhonedHome), Some(log.now_ms));
}

#[test]
fn what_is_told_wrongly_is_refused_whole() {
    let one = |node: &str, boot_id: &str, phase: i32, at_ms: u64| RecordBootPhases {
        boots: vec![BootSeen {
            node: node.into(),
            boot_id: boot_id.into(),
            phases: vec![BootPhase {
                phase,
                at_ms,
                ..Default::default()
            }],
        }],
    };
    let offered = i32::from(Phase::Offered);
    let twice = RecordBootPhases {
        boots: [NODE, "X0c0s0b0n0"]
            .iter()
            .flat_map(|node| seen(node, "", &[(Phase::Offered, 1)]).boots)
            .collect(),
    };
    let boots = |count| RecordBootPhases {
        boots: (0..count)
            .flat_map(|slot| seen(&format!("x0c0s{slot}b0n0"), "", &[(Phase::Offered, 1)]).boots)
            .collect(),
    };
    let phases = |count| {
        let attempts: Vec<_> = (0..count).map(|second| (Phase::Offered, second)).collect();
        seen(NODE, "", &attempts)
    };
    let mut log = Log::latest();
    let ahead = log.now_ms + BOOT_PHASE_AHEAD_MS_MAX;
    let cases = [
        (one("x0c0s0b0", "", offered, 1), "boots.node"),
        (one(NODE, "a\nb", offered, 1), "boots.boot_id"),
        (one(NODE, &"b".repeat(256), offered, 1), "boots.boot_id"),
        (one(NODE, "", 0, 1), "boots.phases"),
        (one(NODE, "", 99, 1), "boots.phases"),
        (one(NODE, "b", Phase::PhonedHome.into(), 1), "boots.phases"),
        (one(NODE, "", Phase::Script.into(), 1), "boots.phases"),
        (one(NODE, "", offered, 0), "boots.phases"),
        (one(NODE, "", offered, ahead + 1), "boots.phases"),
        (seen(NODE, "", &[]), "boots.phases"),
        (
            phases(u64::try_from(PHASES_PER_BOOT_MAX).unwrap() + 1),
            "boots.phases",
        ),
        (twice, "boots.node"),
        (boots(BOOTS_SEEN_PER_COMMAND_MAX + 1), "boots"),
    ];
    for (command, field) in cases {
        assert_eq!(log.invalid(command).0, field);
    }
    log.ok(one(NODE, "", offered, ahead));
    log.ok(boots(BOOTS_SEEN_PER_COMMAND_MAX));
    let by_a_node = BootRecord {
        phases: vec![attempt(Phase::Offered, START_MS)],
        ..boot_records::record(NODE, "b")
    };
    assert_eq!(log.invalid(boot_records::command(by_a_node)).0, "phases");
}

/// A member of an older version would stop at what it does not know.
#[test]
fn phases_need_the_level_of_the_boot_path() {
    let mut log = Log::new();
    let refused = log.refused(seen(NODE, "b1", &[(Phase::Script, 0)]));
    assert!(
        matches!(
            refused,
            Rejection::FeatureLevel {
                needed: FEATURE_LEVEL_BOOT,
                ..
            }
        ),
        "{refused}"
    );
    let with_phases = BootRecord {
        phases: vec![attempt(Phase::Offered, START_MS)],
        ..boot_records::record(NODE, "b")
    };
    let refused = log.refused(boot_records::command(with_phases));
    assert!(matches!(refused, Rejection::FeatureLevel { .. }), "{refused}");
}

/// Commands for random logs; some are refused.
pub fn random_seen(node: impl Strategy<Value = String>) -> impl Strategy<Value = RecordBootPhases> {
    let boot_id = prop_oneof![2 => Just(String::new()), 3 => (0..4_u8).prop_map(|boot| format!("b{boot}"))];
    let phases = proptest::collection::vec((0..12_i32, 0..36_000_u64), 1..4);
    let boot = (node, boot_id, phases).prop_map(|(node, boot_id, attempts)| {
        let attempt = |(phase, second): (i32, u64)| BootPhase {
            phase,
            at_ms: BEGAN_MS + second * SECOND,
            member: 1 + second % 3,
            ..Default::default()
        };
        BootSeen {
            node,
            boot_id,
            phases: attempts.into_iter().map(attempt).collect(),
        }
    });
    proptest::collection::vec(boot, 1..3).prop_map(|boots| RecordBootPhases { boots })
}

/// One boot as members see it: its id where it got a script, and each attempt, loose or told.
fn told_batches(
    number: usize,
    began: u64,
    has_script: bool,
    again: bool,
    split: usize,
) -> Vec<RecordBootPhases> {
    let id = format!("b{number}");
    let mut loose = vec![(Phase::Offered, began), (Phase::Acknowledged, began + 1)];
    if again {
        loose.push((Phase::Offered, began + 7));
    }
    let mut told = Vec::new();
    if has_script {
        told.extend([(Phase::Script, began + 10), (Phase::MetaData, began + 40)]);
        loose.extend([(Phase::Kernel, began + 12), (Phase::Initrd, began + 14)]);
        if again {
            told.push((Phase::Script, began + 11));
        }
    }
    let (first, second) = loose.split_at(split.min(loose.len() - 1));
    let mut batches = Vec::new();
    for (boot_id, part) in [("", first), ("", second), (id.as_str(), &told[..])] {
        if !part.is_empty() {
            batches.push(seen(NODE, boot_id, part));
        }
    }
    batches
}

proptest! {
    /// Boots some seconds or many minutes apart, told by several members in any order, some of it twice.
    #[test]
    fn the_order_of_batches_and_repeats_change_no_phase(
        plan in proptest::collection::vec((16..1500_u64, any::<bool>(), any::<bool>(), 0..4_usize), 1..5),
        order in any::<u64>(),
        repeated in proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let (mut began, mut batches) = (0, Vec::new());
        for (number, (pause, has_script, again, split)) in plan.into_iter().enumerate() {
            began += pause;
            batches.extend(told_batches(number, began, has_script, again, split));
        }
        let mut in_order = Log::latest();
        let mut in_disorder = in_order.clone();
        for batch in &batches {
            in_order.ok(batch.clone());
        }
        let repeats: Vec<_> = repeated.iter().map(|index| index.get(&batches).clone()).collect();
        batches.extend(repeats);
        let mut random = order;
        for place in (1..batches.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            batches.swap(place, usize::try_from(random >> 33).unwrap() % (place + 1));
        }
        for batch in batches {
            in_disorder.ok(batch);
        }
        prop_assert_eq!(boots(&in_disorder), boots(&in_order));
    }

    /// Whatever is told, records stay bounded, sorted and whole, and what is told twice changes nothing.
    #[test]
    fn random_batches_keep_records_bounded(
        batches in proptest::collection::vec(random_seen(Just(NODE.to_owned())), 1..30),
    ) {
        let mut log = Log::latest();
        for mut batch in batches {
            // an entry makes one record of a node, so what it tells is not hours apart
            if let [BootSeen { boot_id, phases, .. }] = &mut batch.boots[..]
                && boot_id.is_empty()
            {
                phases.truncate(1);
            }
            log.apply(batch.clone());
            let before = boots(&log);
            prop_assert!(before.len() <= 8);
            for record in records(&log) {
                prop_assert_eq!(&state::bss::kept_phases(record.phases.clone()), &record.phases);
                prop_assert!(!record.phases.is_empty());
            }
            // where none has made room, so that its attempts are not another boot's by now
            if before.len() < 8 {
                log.apply(batch);
                prop_assert_eq!(boots(&log), before);
            }
        }
    }
}
