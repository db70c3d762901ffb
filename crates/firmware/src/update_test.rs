//! One BMC that has tasks or none, answers or not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use jobs::Outcome;
use proto::discovery::v1::FirmwareInventory;
use serde_json::json;
use tokio::time::Instant;

use crate::fake_bmc::{BMC, FakeBmc, Manner, TaskStep, bios, fast};
use crate::update::{TOLD, Turn, take_over, update};
use crate::versions::Versions;

const IMAGE: &str = "http://10.1.0.1/bios.bin";
const TASK: &str = "/redfish/v1/TaskService/Tasks/1";

struct Scene {
    fake: FakeBmc,
    /// What was written into the log, with how often the BMC had been told by then.
    notes: Arc<Mutex<Vec<(String, usize)>>>,
    read: Arc<Mutex<Vec<Versions>>>,
    ids: Vec<String>,
    at_most: Duration,
}

impl Scene {
    async fn new(manner: Manner) -> Scene {
        let fake = FakeBmc::start().await;
        fake.behaves(manner);
        Scene {
            fake,
            notes: Arc::default(),
            read: Arc::default(),
            ids: vec!["BIOS".to_owned()],
            at_most: Duration::from_secs(5),
        }
    }

    /// Of a BMC of which nothing is to be expected.
    async fn short(manner: Manner) -> Scene {
        Scene {
            at_most: Duration::from_millis(60),
            ..Scene::new(manner).await
        }
    }

    async fn update(&self) -> Outcome {
        self.run(None).await
    }

    async fn run(&self, begun: Option<&str>) -> Outcome {
        let inventory = FirmwareInventory {
            id: BMC.to_owned(),
            firmware: vec![bios("1.0")],
            ..FirmwareInventory::default()
        };
        let (notes, fake) = (self.notes.clone(), self.fake.clone());
        let turn = Turn {
            times: &fast(),
            until: Instant::now() + self.at_most,
            image_uri: IMAGE,
            ids: &self.ids,
            inventory: &inventory,
            begin: &move |note: String| -> BoxFuture<'static, Result<(), Outcome>> {
                notes.lock().unwrap().push((note, fake.told().len()));
                Box::pin(async { Ok(()) })
            },
            read: &|read: Versions| self.read.lock().unwrap().push(read),
        };
        let mut link = self.fake.link();
        let outcome = match begun {
            Some(note) => take_over(&mut link, &turn, note).await,
            None => update(&mut link, &turn).await,
        };
        link.close().await;
        outcome
    }

    fn notes(&self) -> Vec<(String, usize)> {
        self.notes.lock().unwrap().clone()
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

/// First the log, then the BMC, once; and the log knows the task, so that whoever takes over can follow it.
#[tokio::test]
async fn a_task_is_followed_and_the_versions_are_told() {
    let scene = Scene::new(Manner::Task).await;
    assert_eq!(scene.update().await, succeeded("BIOS 1.0 -> 1.1 (done)"));
    assert_eq!(scene.notes(), [(TOLD.to_owned(), 0), (TASK.to_owned(), 1)]);
    let told = scene.fake.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["ImageURI"], json!(IMAGE));
    assert_eq!(
        told[0]["Targets"],
        json!(["/redfish/v1/UpdateService/FirmwareInventory/BIOS"])
    );
    let expected = Versions::from([("BIOS".to_owned(), "1.1".to_owned())]);
    assert_eq!(*scene.read.lock().unwrap(), [expected]);
}

/// Somebody has updated it by hand since it was crawled. Whoever takes over judges by the inventory, which must not be that old.
#[tokio::test]
async fn versions_that_the_inventory_has_otherwise_are_told_before_the_bmc_is() {
    let scene = Scene::new(Manner::Task).await;
    scene.fake.is_at("0.9");
    assert_eq!(scene.update().await, succeeded("BIOS 0.9 -> 1.1 (done)"));
    let version = |version: &str| Versions::from([("BIOS".to_owned(), version.to_owned())]);
    assert_eq!(*scene.read.lock().unwrap(), [version("0.9"), version("1.1")]);
}

#[tokio::test]
async fn without_ids_the_bmc_finds_out_what_the_image_is_for() {
    let mut scene = Scene::new(Manner::Task).await;
    scene.ids.clear();
    assert_eq!(scene.update().await, succeeded("BIOS 1.0 -> 1.1 (done)"));
    assert!(scene.fake.told()[0].get("Targets").is_none());
}

/// A BIOS is written now and runs from the next restart on.
#[tokio::test]
async fn versions_that_stay_are_told_and_no_failure() {
    let scene = Scene::new(Manner::Task).await;
    scene.fake.becomes("1.0");
    let outcome = scene.update().await;
    assert!(matches!(outcome, Outcome::Succeeded(_)), "{outcome:?}");
    assert!(reason(&outcome).contains("next restart"), "{outcome:?}");
}

#[tokio::test]
async fn a_task_that_fails_is_a_failure_with_what_the_bmc_said() {
    let scene = Scene::new(Manner::Task).await;
    scene.fake.task_goes(&[TaskStep::Running(10), TaskStep::Failed]);
    let outcome = scene.update().await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert_eq!(reason(&outcome), "its task failed: bad image");
    assert!(scene.read.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_task_that_does_not_end_is_unknown_with_how_far_it_was() {
    let scene = Scene::short(Manner::Task).await;
    scene.fake.task_goes(&[TaskStep::Running(40)]);
    let outcome = scene.update().await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert!(reason(&outcome).contains("40 %"), "{outcome:?}");
}

/// A BMC that updates itself restarts, and its tasks are gone.
#[tokio::test]
async fn a_task_that_is_gone_is_judged_by_the_versions() {
    let scene = Scene::new(Manner::Task).await;
    scene
        .fake
        .task_goes(&[TaskStep::Running(90), TaskStep::Away, TaskStep::Done]);
    assert_eq!(scene.update().await, succeeded("BIOS 1.0 -> 1.1 (done)"));

    let scene = Scene::short(Manner::Task).await;
    scene
        .fake
        .task_goes(&[TaskStep::Running(90), TaskStep::Forgotten]);
    let outcome = scene.update().await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert!(
        reason(&outcome).starts_with("it does not know its task any more"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_bmc_without_tasks_is_judged_by_the_versions() {
    let scene = Scene::new(Manner::NoTask).await;
    assert_eq!(scene.update().await, succeeded("BIOS 1.0 -> 1.1"));
    let scene = Scene::short(Manner::NoTask).await;
    scene.fake.becomes("1.0");
    let outcome = scene.update().await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
}

#[tokio::test]
async fn what_got_no_answer_is_read_back_and_never_told_again() {
    let scene = Scene::new(Manner::DoesWithoutAnswer).await;
    assert_eq!(scene.update().await, succeeded("BIOS 1.0 -> 1.1"));
    assert_eq!(scene.fake.told().len(), 1);

    let scene = Scene::short(Manner::BreaksOff).await;
    let outcome = scene.update().await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(scene.fake.told().len(), 1);
}

#[tokio::test]
async fn what_is_refused_or_not_offered_says_so() {
    let scene = Scene::new(Manner::Refuses).await;
    let outcome = scene.update().await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(reason(&outcome).contains("400"), "{outcome:?}");

    let scene = Scene::new(Manner::HasNone).await;
    assert!(matches!(scene.update().await, Outcome::Unsupported(_)));
    assert!(scene.fake.told().is_empty() && scene.notes().is_empty());
}

#[tokio::test]
async fn a_bmc_that_is_not_there_fails_with_nothing_in_the_log() {
    let mut scene = Scene::new(Manner::Task).await;
    scene.fake.address = "127.0.0.1:1".parse().unwrap();
    assert!(matches!(scene.update().await, Outcome::Failed { .. }));
    assert!(scene.notes().is_empty());
}

/// A member that takes over goes on looking at the task and tells the BMC nothing.
#[tokio::test]
async fn a_task_of_a_member_that_is_gone_is_followed_further() {
    let scene = Scene::new(Manner::Task).await;
    scene.fake.task_begins();
    assert_eq!(scene.run(Some(TASK)).await, succeeded("BIOS 1.0 -> 1.1 (done)"));
    assert!(scene.fake.told().is_empty() && scene.notes().is_empty());
}

#[tokio::test]
async fn what_was_perhaps_told_before_a_takeover_is_judged_by_the_versions() {
    for note in ["", TOLD] {
        let scene = Scene::short(Manner::Task).await;
        let outcome = scene.run(Some(note)).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
        assert!(reason(&outcome).contains("another member"), "{outcome:?}");
        assert!(scene.fake.told().is_empty());
    }
}
