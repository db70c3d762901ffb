//! Verification: what a BMC says after it was told something.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::link::Link;
use crate::plan::{Goal, Power};
use crate::times::Times;

/// What must be seen, and what there is to go by.
#[derive(Clone, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) goal: Goal,
    /// The BMC has said that it does it.
    pub(crate) is_answered: bool,
    /// `LastResetTime` before; empty: the BMC has none.
    pub(crate) reset_time: &'a str,
    /// `None`: without end, or rather until the transition is aborted.
    pub(crate) wait: Option<Duration>,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// What was wished for.
    Reached,
    /// Not in time; what the BMC said last, or why it says nothing.
    NotReached(String),
}

/// Looks until the wish is fulfilled or the time is over, and once at least.
pub(crate) async fn read_back(
    link: &mut Link,
    system: &str,
    wish: &Wish<'_>,
    times: &Times,
    is_aborted: &(dyn Fn() -> bool + Send + Sync),
) -> Seen {
    let until = wish.wait.map(|wait| Instant::now() + wait);
    let mut pause = times.poll_first;
    let mut has_left = false;
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        sleep(left.map_or(pause, |left| left.min(pause))).await;
        let last = match look(link, system, wish, &mut has_left).await {
            Look::Fulfilled => return Seen::Reached,
            Look::Other(last) => last,
        };
        let is_over = match until {
            Some(until) => Instant::now() >= until,
            None => is_aborted(),
        };
        if is_over {
            return Seen::NotReached(last);
        }
        pause = (pause * 2).min(times.poll_most);
    }
}

enum Look {
    Fulfilled,
    Other(String),
}

async fn look(link: &mut Link, system: &str, wish: &Wish<'_>, has_left: &mut bool) -> Look {
    let said = match link.power(system).await {
        Ok(power) => power.state,
        Err(error) => return Look::Other(format!("it does not say what it is: {error}")),
    };
    let power = Power::of(&said);
    let is_fulfilled = match wish.goal {
        Goal::On => power == Power::On,
        Goal::Off => power == Power::Off,
        Goal::Restarted => {
            *has_left |= matches!(power, Power::Off | Power::PoweringOff | Power::PoweringOn);
            power == Power::On && (wish.is_answered || *has_left || was_reset(link, system, wish).await)
        }
    };
    match (is_fulfilled, said.as_str()) {
        (true, _) => Look::Fulfilled,
        (false, "") => Look::Other("it does not say whether it is on".to_owned()),
        (false, "On") if wish.goal == Goal::Restarted => Look::Other("it is On, as it was before".to_owned()),
        (false, said) => Look::Other(format!("it is {said}")),
    }
}

/// Whether the BMC says that the system was reset since: the only proof of a restart that nobody saw.
async fn was_reset(link: &mut Link, system: &str, wish: &Wish<'_>) -> bool {
    if wish.reset_time.is_empty() {
        return false;
    }
    match link.reset_time(system).await {
        Ok(time) => !time.is_empty() && time != wish.reset_time,
        Err(_) => false,
    }
}
