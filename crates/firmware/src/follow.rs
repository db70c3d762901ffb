//! A task of a BMC, until it ends or the time is over.

use std::time::Duration;

use redfish::{Error, TaskState};
use tokio::time::{Instant, sleep};

use crate::link::Link;
use crate::times::Times;

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    /// The BMC says that it is done; its last message.
    Succeeded(String),
    /// The BMC says that it failed; its last message.
    Failed(String),
    /// The BMC does not know it any more: it has restarted, or has tidied up.
    Gone,
    /// It did not end in time; how far it was.
    Late(String),
}

/// Looks at the task, however often the BMC does not answer meanwhile: it may be restarting.
pub(crate) async fn follow(link: &mut Link, task: &str, until: Instant, times: &Times) -> Followed {
    let mut pause = times.poll_first;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        sleep(left.min(pause)).await;
        let last = match link.task(task).await {
            Ok(task) => match task.state {
                TaskState::Succeeded => return Followed::Succeeded(task.message),
                TaskState::Failed => return Followed::Failed(task.message),
                TaskState::Running => progress(task.percent, &task.message),
            },
            Err(Error::Status { status: 404, .. }) => return Followed::Gone,
            Err(error) => error.to_string(),
        };
        if Instant::now() >= until {
            return Followed::Late(last);
        }
        pause = (pause * 2).min(times.poll_most);
    }
}

fn progress(percent: Option<u8>, message: &str) -> String {
    let percent = percent.map_or("an unknown part".to_owned(), |percent| format!("{percent} %"));
    match message {
        "" => format!("its task has done {percent}"),
        message => format!("its task has done {percent}: {message}"),
    }
}

/// Seconds of a request, or the default; the clock begins again when another member takes over.
pub(crate) fn deadline(seconds: u32) -> Duration {
    const DEFAULT_S: u32 = 3600;
    let seconds = if seconds == 0 { DEFAULT_S } else { seconds };
    Duration::from_secs(seconds.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_bmc::{FakeBmc, TaskStep, fast};

    const TASK: &str = "/redfish/v1/TaskService/Tasks/1";

    async fn followed(steps: &[TaskStep], at_most: Duration) -> Followed {
        let fake = FakeBmc::start().await;
        fake.task_goes(steps);
        fake.task_begins();
        follow(&mut fake.link(), TASK, Instant::now() + at_most, &fast()).await
    }

    #[tokio::test]
    async fn a_task_is_followed_to_its_end() {
        let second = Duration::from_secs(1);
        let well = [TaskStep::Running(10), TaskStep::Running(90), TaskStep::Done];
        assert_eq!(
            followed(&well, second).await,
            Followed::Succeeded("done".to_owned())
        );
        let badly = [TaskStep::Running(10), TaskStep::Failed];
        assert_eq!(
            followed(&badly, second).await,
            Followed::Failed("bad image".to_owned())
        );
    }

    #[tokio::test]
    async fn a_bmc_that_is_away_for_a_while_is_asked_again() {
        let steps = [TaskStep::Away, TaskStep::Away, TaskStep::Done];
        let followed = followed(&steps, Duration::from_secs(5)).await;
        assert_eq!(followed, Followed::Succeeded("done".to_owned()));
    }

    #[tokio::test]
    async fn a_task_that_nobody_knows_any_more_is_gone() {
        let steps = [TaskStep::Running(50), TaskStep::Forgotten];
        assert_eq!(followed(&steps, Duration::from_secs(5)).await, Followed::Gone);
    }

    #[tokio::test]
    async fn one_that_does_not_end_says_how_far_it_was() {
        let followed = followed(&[TaskStep::Running(40)], Duration::from_millis(40)).await;
        assert_eq!(
            followed,
            Followed::Late("its task has done 40 %: busy".to_owned())
        );
    }

    #[test]
    fn an_hour_is_the_deadline_unless_another_is_given() {
        assert_eq!(deadline(0), Duration::from_secs(3600));
        assert_eq!(deadline(60), Duration::from_secs(60));
    }

    #[test]
    fn progress_tells_what_there_is() {
        assert_eq!(progress(None, ""), "its task has done an unknown part");
        assert_eq!(progress(Some(3), ""), "its task has done 3 %");
    }
}
