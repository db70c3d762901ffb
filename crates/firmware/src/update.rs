//! One BMC: told once, its task followed, its versions read before and after.

use futures::future::BoxFuture;
use jobs::Outcome;
use proto::discovery::v1::{Firmware, FirmwareInventory};
use redfish::Error;
use tokio::time::{Instant, sleep};

use crate::follow::{Followed, follow};
use crate::link::Link;
use crate::times::Times;
use crate::versions::{self, Versions};

/// Note of a BMC that is about to be told; afterwards the note is the URI of its task.
pub(crate) const TOLD: &str = "told";
/// What to do about an update of which nobody knows what came of it.
const UNKNOWN_REMEDY: &str =
    "crawl the BMC and look at its firmware and tasks; it is not told again until another update is started";

/// What one BMC's update has of the rollout that it is part of.
pub(crate) struct Turn<'a> {
    pub(crate) times: &'a Times,
    /// When waiting ends.
    pub(crate) until: Instant,
    pub(crate) image_uri: &'a str,
    /// Ids that it is for; none: the BMC finds out.
    pub(crate) ids: &'a [String],
    /// What the last crawl found.
    pub(crate) inventory: &'a FirmwareInventory,
    /// Writes a note into the log; it is there when this returns. The error is the outcome of the BMC.
    pub(crate) begin: &'a (dyn Fn(String) -> BoxFuture<'static, Result<(), Outcome>> + Send + Sync),
    /// Told the versions that were read after an update, and those before it that the inventory has otherwise.
    pub(crate) read: &'a (dyn Fn(Versions) + Send + Sync),
}

/// How far telling came.
enum Told {
    /// This task.
    Task(String),
    /// It was told, and has named no task; why not.
    NoTask(String),
}

/// Tells the BMC, and sees it through.
pub(crate) async fn update(link: &mut Link, turn: &Turn<'_>) -> Outcome {
    let firmware = versions::meant(turn.inventory, turn.ids);
    let target = match link.simple_update_target().await {
        Ok(target) if target.is_empty() => {
            return Outcome::Unsupported("its update service has no SimpleUpdate".to_owned());
        }
        Ok(target) => target,
        Err(error) => return not_told(&error),
    };
    let before = match versions::read(link, &firmware).await {
        Ok(before) => before,
        Err(error) => return not_told(&error),
    };
    // whoever takes over knows the inventory only: what is old in it would look like a success
    if !versions::changes(&versions::known(&firmware), &before).is_empty() {
        (turn.read)(before.clone());
    }
    let told = match tell(link, turn, &target, &firmware).await {
        Ok(told) => told,
        Err(outcome) => return outcome,
    };
    see_through(link, turn, &firmware, before, told).await
}

/// Goes on where another member stopped, which is gone. The BMC is told nothing.
pub(crate) async fn take_over(link: &mut Link, turn: &Turn<'_>, note: &str) -> Outcome {
    let firmware = versions::meant(turn.inventory, turn.ids);
    let before = versions::known(&firmware);
    let told = match note {
        "" | TOLD => Told::NoTask("another member, which is gone, may have told it".to_owned()),
        task => Told::Task(task.to_owned()),
    };
    see_through(link, turn, &firmware, before, told).await
}

/// Once, and not before the log says so.
async fn tell(
    link: &mut Link,
    turn: &Turn<'_>,
    target: &str,
    firmware: &[&Firmware],
) -> Result<Told, Outcome> {
    let uris: Vec<String> = match turn.ids {
        [] => Vec::new(),
        _ => firmware.iter().map(|one| one.uri.clone()).collect(),
    };
    (turn.begin)(TOLD.to_owned()).await?;
    match link.update(target, turn.image_uri, &uris).await {
        Ok(task) if task.is_empty() => Ok(Told::NoTask("it named no task".to_owned())),
        Ok(task) => {
            (turn.begin)(task.clone()).await?;
            Ok(Told::Task(task))
        }
        Err(error) if error.is_outcome_unknown() => Ok(Told::NoTask(error.to_string())),
        Err(error) => Err(not_told(&error)),
    }
}

async fn see_through(
    link: &mut Link,
    turn: &Turn<'_>,
    firmware: &[&Firmware],
    before: Versions,
    told: Told,
) -> Outcome {
    let followed = match &told {
        Told::Task(task) => follow(link, task, turn.until, turn.times).await,
        Told::NoTask(_) => Followed::Gone,
    };
    match followed {
        Followed::Succeeded(message) => {
            let until = turn.until.min(Instant::now() + turn.times.settle);
            let after = read_once(link, firmware, until, turn.times).await;
            done(turn, &before, after, &message)
        }
        Followed::Failed(message) => Outcome::failed(
            match message.as_str() {
                "" => "its task failed, and it does not say why".to_owned(),
                why => format!("its task failed: {why}"),
            },
            "check that the image is for this hardware and that the BMC reaches its URI",
        ),
        Followed::Late(last) => Outcome::unknown(format!("it is not done in time; {last}"), UNKNOWN_REMEDY),
        Followed::Gone => match changed(link, firmware, &before, turn).await {
            Some(after) => done(turn, &before, Ok(after), ""),
            None => {
                let why = match told {
                    Told::Task(_) => "it does not know its task any more".to_owned(),
                    Told::NoTask(why) => why,
                };
                Outcome::unknown(
                    format!("{why}, and its versions are as they were"),
                    UNKNOWN_REMEDY,
                )
            }
        },
    }
}

fn done(turn: &Turn<'_>, before: &Versions, after: Result<Versions, Error>, message: &str) -> Outcome {
    let found = match after {
        Ok(after) => {
            let changes = versions::changes(before, &after);
            (turn.read)(after);
            match changes.as_str() {
                "" => "done, and its versions are as they were: it may take them with its next restart"
                    .to_owned(),
                changes => changes.to_owned(),
            }
        }
        Err(error) => format!("done, and it does not tell its versions since: {error}"),
    };
    match message {
        "" => Outcome::Succeeded(found),
        message => Outcome::Succeeded(format!("{found} ({message})")),
    }
}

/// A BMC that restarts after its update is asked until it answers.
async fn read_once(
    link: &mut Link,
    firmware: &[&Firmware],
    until: Instant,
    times: &Times,
) -> Result<Versions, Error> {
    let mut pause = times.poll_first;
    loop {
        match versions::read(link, firmware).await {
            Ok(read) => return Ok(read),
            Err(error) if Instant::now() >= until => return Err(error),
            Err(_) => sleep(pause).await,
        }
        pause = (pause * 2).min(times.poll_most);
    }
}

/// The versions, as soon as they are others than before: all that tells of an update without a task. `None`: not in time, or
/// there is nothing to look at.
async fn changed(
    link: &mut Link,
    firmware: &[&Firmware],
    before: &Versions,
    turn: &Turn<'_>,
) -> Option<Versions> {
    if firmware.is_empty() {
        return None;
    }
    let mut pause = turn.times.poll_first;
    loop {
        let left = turn.until.saturating_duration_since(Instant::now());
        sleep(left.min(pause)).await;
        if let Ok(read) = versions::read(link, firmware).await
            && !versions::changes(before, &read).is_empty()
        {
            return Some(read);
        }
        if Instant::now() >= turn.until {
            return None;
        }
        pause = (pause * 2).min(turn.times.poll_most);
    }
}

/// Nothing was begun by it.
fn not_told(error: &Error) -> Outcome {
    match error {
        Error::Unsupported(what) => Outcome::Unsupported(what.clone()),
        error => Outcome::failed(error.to_string(), error.remedy()),
    }
}
