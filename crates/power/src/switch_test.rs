//! One node of a BMC that obeys, lies, answers late or not at all.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use jobs::Outcome;
use redfish::ResetType;

use crate::fake_bmc::{FakeBmc, Manner};
use crate::operation::Operation;
use crate::plan::{Grace, Power};
use crate::stagger::Stagger;
use crate::switch::{NOTHING_TO_DO, Node, Turn, switch, take_over};
use crate::times::tests::fast;

const SYSTEM: &str = "/redfish/v1/Systems/1";
const SHORT: Grace = Grace::Until(Duration::from_millis(60));

/// Whether something is so, by how many notes are in the log and how much the BMC was told.
type When = fn(usize, usize) -> bool;

/// What was written into the log, with how much the BMC had been told by then.
type Notes = Arc<Mutex<Vec<(String, usize)>>>;

/// One switching, and what it left behind.
struct Scene {
    fake: FakeBmc,
    notes: Notes,
    verified: Arc<Mutex<Vec<Power>>>,
    is_held: When,
    is_aborted: When,
    log_takes_it: bool,
    stagger: Stagger,
}

impl Scene {
    async fn new(power: &'static str) -> Scene {
        let fake = FakeBmc::start(1).await;
        fake.is(1, power);
        Scene {
            fake,
            notes: Arc::default(),
            verified: Arc::default(),
            is_held: |_, _| false,
            is_aborted: |_, _| false,
            log_takes_it: true,
            stagger: Stagger::new(Duration::ZERO),
        }
    }

    async fn behaving(power: &'static str, manner: Manner) -> Scene {
        let scene = Scene::new(power).await;
        scene.fake.behaves(1, manner);
        scene
    }

    async fn switch(&self, operation: Operation, grace: Grace) -> Outcome {
        self.run(operation, grace, None).await
    }

    async fn take_over(&self, operation: Operation, note: &str) -> Outcome {
        self.run(operation, SHORT, Some(note)).await
    }

    async fn run(&self, operation: Operation, grace: Grace, begun: Option<&str>) -> Outcome {
        let times = fast();
        let node = Node {
            operation,
            grace,
            system: SYSTEM,
            known_resets: &[],
        };
        let (notes, fake, log_takes_it) = (self.notes.clone(), self.fake.clone(), self.log_takes_it);
        let turn = Turn {
            times: &times,
            stagger: &self.stagger,
            begin: &move |note: String| -> BoxFuture<'static, Result<(), Outcome>> {
                notes.lock().unwrap().push((note, fake.told().len()));
                Box::pin(async move {
                    match log_takes_it {
                        true => Ok(()),
                        false => Err(Outcome::failed("the log is away", "")),
                    }
                })
            },
            hold: &|| self.is_so(self.is_held).then(|| "it is locked".to_owned()),
            is_aborted: &|| self.is_so(self.is_aborted),
            verified: &|power: Power| self.verified.lock().unwrap().push(power),
        };
        let mut link = self.fake.link();
        let outcome = match begun {
            Some(note) => take_over(&mut link, &node, note, &turn).await,
            None => switch(&mut link, &node, &turn).await,
        };
        link.close().await;
        outcome
    }

    fn is_so(&self, when: When) -> bool {
        when(self.notes().len(), self.told().len())
    }

    fn told(&self) -> Vec<String> {
        self.fake.told()
    }

    fn notes(&self) -> Vec<String> {
        self.notes
            .lock()
            .unwrap()
            .iter()
            .map(|(note, _)| note.clone())
            .collect()
    }

    fn verified(&self) -> Vec<Power> {
        self.verified.lock().unwrap().clone()
    }
}

fn reason(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Succeeded(reason) | Outcome::Skipped(reason) | Outcome::Unsupported(reason) => reason,
        Outcome::Failed { reason, .. } | Outcome::Unknown { reason, .. } => reason,
    }
}

fn succeeded(text: &str) -> Outcome {
    Outcome::Succeeded(text.to_owned())
}

/// The rule of the whole crate: first the log, then the BMC, once.
#[tokio::test]
async fn each_reset_is_in_the_log_before_it_is_told_and_told_once() {
    let scene = Scene::new("On").await;
    let outcome = scene.switch(Operation::Init, SHORT).await;
    assert_eq!(outcome, succeeded("GracefulShutdown: Off, On: On"));
    assert_eq!(scene.told(), ["1 GracefulShutdown", "1 On"]);
    let notes = scene.notes.lock().unwrap().clone();
    let expected = [("GracefulShutdown 1/2".to_owned(), 0), ("On 2/2".to_owned(), 1)];
    assert_eq!(notes, expected, "each with as many resets as were told before");
    assert_eq!(scene.verified(), [Power::Off, Power::On]);
}

#[tokio::test]
async fn every_operation_ends_where_it_should() {
    for (operation, power, told, after) in [
        (Operation::On, "Off", vec!["1 On"], "On"),
        (Operation::Off, "On", vec!["1 GracefulShutdown"], "Off"),
        (Operation::SoftOff, "On", vec!["1 GracefulShutdown"], "Off"),
        (Operation::ForceOff, "On", vec!["1 ForceOff"], "Off"),
        (Operation::SoftRestart, "On", vec!["1 GracefulRestart"], "On"),
        (Operation::HardRestart, "On", vec!["1 ForceRestart"], "On"),
        (Operation::Init, "Off", vec!["1 On"], "On"),
    ] {
        let scene = Scene::new(power).await;
        let outcome = scene.switch(operation, SHORT).await;
        assert!(
            matches!(outcome, Outcome::Succeeded(_)),
            "{operation:?}: {outcome:?}"
        );
        assert_eq!(scene.told(), told, "{operation:?}");
        assert_eq!(scene.fake.power(1), after, "{operation:?}");
    }
}

#[tokio::test]
async fn what_is_there_already_is_told_nothing_and_verified() {
    for (operation, power, verified) in [
        (Operation::On, "On", Power::On),
        (Operation::Off, "Off", Power::Off),
        (Operation::ForceOff, "Off", Power::Off),
    ] {
        let scene = Scene::new(power).await;
        let outcome = scene.switch(operation, SHORT).await;
        assert_eq!(outcome, Outcome::Skipped(format!("{NOTHING_TO_DO}it is {power}")));
        assert!(scene.told().is_empty() && scene.notes().is_empty());
        assert_eq!(scene.verified(), [verified]);
    }
}

/// Found by tests on hardware elsewhere: a BMC that is busy answers after everybody has given up.
#[tokio::test]
async fn an_answer_that_comes_too_late_is_made_up_for_by_reading_back() {
    let scene = Scene::behaving("Off", Manner::AnswersLate).await;
    let outcome = scene.switch(Operation::On, SHORT).await;
    assert_eq!(outcome, succeeded("On without an answer, read back: On"));
    assert_eq!(scene.told(), ["1 On"]);
}

#[tokio::test]
async fn what_was_done_without_an_answer_is_a_success() {
    let scene = Scene::behaving("On", Manner::DoesWithoutAnswer).await;
    let outcome = scene.switch(Operation::ForceOff, SHORT).await;
    assert_eq!(outcome, succeeded("ForceOff without an answer, read back: Off"));
    assert_eq!(scene.told(), ["1 ForceOff"]);
    assert_eq!(scene.verified(), [Power::Off]);
}

/// Whoever would send it again could switch a node off that was switched on meanwhile.
#[tokio::test]
async fn what_was_not_done_and_not_answered_is_unknown_and_never_told_again() {
    let scene = Scene::behaving("On", Manner::BreaksOff).await;
    let outcome = scene.switch(Operation::ForceOff, SHORT).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    let reason = reason(&outcome);
    assert!(
        reason.starts_with("ForceOff was sent, and ") && reason.ends_with("it is On"),
        "{reason}"
    );
    assert_eq!(scene.told(), ["1 ForceOff"]);
    assert!(scene.verified().is_empty());
}

/// That a node is On says nothing of whether it was restarted.
#[tokio::test]
async fn a_restart_without_an_answer_is_believed_only_with_a_proof() {
    let scene = Scene::behaving("On", Manner::DoesWithoutAnswer).await;
    let outcome = scene.switch(Operation::HardRestart, SHORT).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert!(
        reason(&outcome).ends_with("it is On, as it was before"),
        "{outcome:?}"
    );

    let scene = Scene::behaving("On", Manner::DoesWithoutAnswer).await;
    scene.fake.tells_reset_time(1);
    let outcome = scene.switch(Operation::HardRestart, SHORT).await;
    assert_eq!(
        outcome,
        succeeded("ForceRestart without an answer, read back: restarted")
    );
    assert_eq!(scene.notes(), ["ForceRestart 1/1 2026-11-30T12:00:00Z"]);

    let scene = Scene::behaving("On", Manner::BreaksOff).await;
    scene.fake.tells_reset_time(1);
    let outcome = scene.switch(Operation::HardRestart, SHORT).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
}

#[tokio::test]
async fn the_deadline_forces_what_does_not_shut_down() {
    let scene = Scene::behaving("On", Manner::IgnoresGrace).await;
    let outcome = scene.switch(Operation::Off, SHORT).await;
    assert_eq!(outcome, succeeded("GracefulShutdown in vain, then ForceOff: Off"));
    assert_eq!(scene.told(), ["1 GracefulShutdown", "1 ForceOff"]);
    assert_eq!(scene.notes(), ["GracefulShutdown 1/1", "ForceOff 1/1"]);
}

#[tokio::test]
async fn without_a_deadline_to_wait_for_force_comes_first() {
    let scene = Scene::behaving("On", Manner::IgnoresGrace).await;
    scene.switch(Operation::Off, Grace::AtOnce).await;
    assert_eq!(scene.told(), ["1 ForceOff"]);
}

#[tokio::test]
async fn soft_off_never_forces() {
    let scene = Scene::behaving("On", Manner::IgnoresGrace).await;
    let outcome = scene.switch(Operation::SoftOff, SHORT).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert_eq!(
        reason(&outcome),
        "the BMC accepted GracefulShutdown, and in time it is On"
    );
    assert_eq!(scene.told(), ["1 GracefulShutdown"]);
}

/// A BMC that refuses the graceful way would refuse it after the deadline, too.
#[tokio::test]
async fn a_graceful_shutdown_that_is_refused_is_forced_at_once() {
    let scene = Scene::behaving("On", Manner::Refuses("GracefulShutdown")).await;
    let outcome = scene
        .switch(Operation::Off, Grace::Until(Duration::from_secs(3600)))
        .await;
    assert_eq!(outcome, succeeded("GracefulShutdown in vain, then ForceOff: Off"));
}

#[tokio::test]
async fn what_is_refused_fails_with_what_the_bmc_said() {
    let scene = Scene::behaving("Off", Manner::Refuses("On")).await;
    let outcome = scene.switch(Operation::On, SHORT).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(
        reason(&outcome).contains("400") && reason(&outcome).ends_with("it is Off"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn an_endless_wait_ends_when_the_transition_is_aborted() {
    let mut scene = Scene::behaving("On", Manner::IgnoresGrace).await;
    scene.is_aborted = |_, told| told > 0;
    let outcome = scene.switch(Operation::Off, Grace::Endless).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert_eq!(scene.told(), ["1 GracefulShutdown"]);
}

/// An abort in the middle of an Init must not leave the node off.
#[tokio::test]
async fn what_was_begun_is_finished_though_the_transition_is_aborted() {
    let mut scene = Scene::new("On").await;
    scene.is_aborted = |_, told| told > 0;
    let outcome = scene.switch(Operation::Init, SHORT).await;
    assert!(matches!(outcome, Outcome::Succeeded(_)), "{outcome:?}");
    assert_eq!(scene.fake.power(1), "On");
}

/// Without a majority a note waits for long, and whoever aborted meanwhile was told that nothing more is begun.
#[tokio::test]
async fn an_abort_that_the_log_has_before_the_note_is_honoured() {
    let mut scene = Scene::new("On").await;
    scene.is_aborted = |notes, _| notes > 0;
    let outcome = scene.switch(Operation::ForceOff, SHORT).await;
    assert!(matches!(outcome, Outcome::Skipped(_)), "{outcome:?}");
    assert!(scene.told().is_empty());
}

#[tokio::test]
async fn a_lock_that_the_log_has_before_the_note_is_honoured() {
    let mut scene = Scene::new("On").await;
    scene.is_held = |notes, _| notes > 0;
    let outcome = scene.switch(Operation::ForceOff, SHORT).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert_eq!(reason(&outcome), "it is locked");
    assert!(scene.told().is_empty());
}

/// That force was not allowed any more says nothing of the shutdown that was sent.
#[tokio::test]
async fn what_was_not_answered_stays_unknown_though_it_may_not_be_forced() {
    let mut scene = Scene::behaving("On", Manner::BreaksOff).await;
    scene.is_held = |_, told| told > 0;
    let outcome = scene.switch(Operation::Off, SHORT).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    let reason = reason(&outcome);
    assert!(
        reason.starts_with("GracefulShutdown was sent, and ") && reason.ends_with("then it is locked"),
        "{reason}"
    );
    assert_eq!(scene.told(), ["1 GracefulShutdown"]);
}

#[tokio::test]
async fn a_node_that_is_locked_is_told_nothing() {
    let mut scene = Scene::new("On").await;
    scene.is_held = |_, _| true;
    let outcome = scene.switch(Operation::ForceOff, SHORT).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert_eq!(reason(&outcome), "it is locked");
    assert!(scene.told().is_empty() && scene.notes().is_empty());
}

#[tokio::test]
async fn a_lock_that_comes_between_two_steps_holds_the_second() {
    let mut scene = Scene::new("On").await;
    scene.is_held = |_, told| told > 0;
    let outcome = scene.switch(Operation::Init, SHORT).await;
    assert_eq!(reason(&outcome), "it is locked");
    assert_eq!(scene.told(), ["1 GracefulShutdown"]);
}

#[tokio::test]
async fn what_the_log_does_not_take_is_not_told() {
    let mut scene = Scene::new("On").await;
    scene.log_takes_it = false;
    let outcome = scene.switch(Operation::ForceOff, SHORT).await;
    assert_eq!(reason(&outcome), "the log is away");
    assert!(scene.told().is_empty());
}

#[tokio::test]
async fn what_the_bmc_cannot_do_is_unsupported_and_a_restart_of_what_is_off_fails() {
    let scene = Scene::new("On").await;
    scene.fake.offers(1, &["On", "ForceOff"]);
    let outcome = scene.switch(Operation::SoftOff, SHORT).await;
    assert!(matches!(outcome, Outcome::Unsupported(_)), "{outcome:?}");
    let scene = Scene::new("Off").await;
    let outcome = scene.switch(Operation::SoftRestart, SHORT).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(scene.told().is_empty());
}

#[tokio::test]
async fn a_bmc_that_is_not_there_fails_with_a_remedy_and_nothing_in_the_log() {
    let mut scene = Scene::new("On").await;
    scene.fake.address = "127.0.0.1:1".parse().unwrap();
    let outcome = scene.switch(Operation::Off, SHORT).await;
    match outcome {
        Outcome::Failed { remedy, .. } => assert!(!remedy.is_empty()),
        other => panic!("{other:?}"),
    }
    assert!(scene.notes().is_empty());
}

/// A member that takes over tells no BMC anything: it looks.
#[tokio::test]
async fn what_another_member_began_is_only_read_back() {
    for (operation, note, power) in [
        (Operation::Off, "GracefulShutdown 1/1", "Off"),
        (Operation::Off, "ForceOff 1/1", "Off"),
        (Operation::On, "On 1/1", "On"),
        (Operation::Init, "On 2/2", "On"),
    ] {
        let scene = Scene::new(power).await;
        let outcome = scene.take_over(operation, note).await;
        assert!(matches!(outcome, Outcome::Succeeded(_)), "{note}: {outcome:?}");
        assert!(reason(&outcome).contains("another member"), "{outcome:?}");
        assert!(scene.told().is_empty() && scene.notes().is_empty());
        assert_eq!(scene.verified().len(), 1);
    }
}

#[tokio::test]
async fn what_does_not_show_after_a_takeover_is_unknown_and_not_repeated() {
    for (operation, note, power) in [
        (Operation::Off, "GracefulShutdown 1/1", "On"),
        (Operation::On, "On 1/1", "Off"),
        (Operation::HardRestart, "ForceRestart 1/1", "On"),
        // the first of two steps: what is On was perhaps never off
        (Operation::Init, "GracefulShutdown 1/2", "On"),
        (Operation::Init, "GracefulShutdown 1/2", "Off"),
        (Operation::Off, "", "Off"),
        (Operation::Off, "written by a later version", "Off"),
    ] {
        let scene = Scene::new(power).await;
        let outcome = scene.take_over(operation, note).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{note}: {outcome:?}");
        assert!(
            reason(&outcome).contains(&format!("it is {power}")),
            "{outcome:?}"
        );
        assert!(scene.told().is_empty() && scene.notes().is_empty());
        assert!(scene.verified().is_empty());
    }
}

#[tokio::test]
async fn a_restart_is_proved_after_a_takeover_by_when_it_was() {
    let scene = Scene::new("On").await;
    scene.fake.tells_reset_time(1);
    let before = "ForceRestart 1/1 2026-11-30T11:00:00Z";
    let outcome = scene.take_over(Operation::HardRestart, before).await;
    assert!(matches!(outcome, Outcome::Succeeded(_)), "{outcome:?}");
    let same = "ForceRestart 1/1 2026-11-30T12:00:00Z";
    let outcome = scene.take_over(Operation::HardRestart, same).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_shutdown_that_takes_its_time_is_waited_for_after_a_takeover() {
    let scene = Scene::new("On").await;
    let fake = scene.fake.clone();
    let going_off = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(25)).await;
        fake.is(1, "Off");
    });
    let outcome = scene.take_over(Operation::Off, "GracefulShutdown 1/1").await;
    going_off.await.unwrap();
    assert!(matches!(outcome, Outcome::Succeeded(_)), "{outcome:?}");
}

/// One node of the same transition has just been switched on, so that the next has to wait.
async fn staggered(power: &'static str) -> Scene {
    let mut scene = Scene::new(power).await;
    scene.stagger = Stagger::new(Duration::from_millis(80));
    scene.stagger.turn(ResetType::On).await;
    scene
}

/// What was asked before a long wait says nothing of what is told after it.
#[tokio::test]
async fn a_node_whose_turn_comes_late_is_asked_again() {
    let scene = staggered("Off").await;
    let fake = scene.fake.clone();
    let meanwhile = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(40)).await;
        fake.is(1, "On");
    });
    let outcome = scene.switch(Operation::On, SHORT).await;
    meanwhile.await.unwrap();
    assert_eq!(outcome, Outcome::Skipped(format!("{NOTHING_TO_DO}it is On")));
    assert!(scene.told().is_empty());
}

#[tokio::test]
async fn a_node_whose_turn_comes_after_an_abort_is_not_begun() {
    let mut scene = staggered("Off").await;
    scene.is_aborted = |_, _| true;
    let outcome = scene.switch(Operation::On, SHORT).await;
    assert!(matches!(outcome, Outcome::Skipped(_)), "{outcome:?}");
    assert!(scene.told().is_empty() && scene.notes().is_empty());
}
