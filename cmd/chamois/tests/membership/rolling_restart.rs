//! One member after the other is stopped and started, as an upgrade does it.

use std::time::Duration;

use crate::grown::Grown;
use crate::load::Load;

/// The leader hands over before it stops and what it has taken it finishes: every write succeeds at its only attempt.
#[test]
fn a_rolling_restart_fails_no_write() {
    let mut cluster = Grown::init();
    for slot in [2, 3] {
        cluster.join(slot, &[]);
    }
    cluster.until("three voters", |cluster| cluster.voters() == [1, 2, 3]);
    let load = Load::start(&cluster, 1);
    let mut handed_over = 0;
    for slot in [1, 2, 3] {
        let safe = cluster.ask(&["cluster", "failover-safe", "--wait", "30"]);
        assert_eq!(safe.0, 0, "{safe:?}");
        let led = cluster.leader() == slot;
        let mut member = cluster.running.remove(&slot).unwrap();
        member.terminate();
        assert_eq!(member.exit_code(Duration::from_secs(30)), Some(0));
        let said = member.log().contains("leadership is handed over");
        assert!(said || !led, "{}", member.log());
        handed_over += usize::from(led);
        drop(member);
        cluster.start(slot);
        cluster.until("all three to answer", |cluster| {
            cluster.ask(&["cluster", "failover-safe", "--wait", "5"]).0 == 0
        });
    }
    let so_far = load.count();
    assert!(so_far > 0);
    cluster.until("writes after the last restart", |_| load.count() > so_far + 5);
    assert!(handed_over > 0, "none of them led when it was stopped");
    let written = load.stop();
    let there = cluster.groups();
    assert!(written.groups.iter().all(|group| there.contains(group)));
}
