//! One node: what its BMC says, the steps from there, each written into the log before it is told and read back after it.

use futures::future::BoxFuture;
use jobs::Outcome;
use redfish::{Error, ResetType, SystemPower};

use crate::holds;
use crate::link::Link;
use crate::note::Note;
use crate::operation::Operation;
use crate::plan::{Goal, Grace, Plan, Power, Step, plan};
use crate::read_back::{Seen, Wish, read_back};
use crate::stagger::Stagger;
use crate::times::Times;

/// Begin of the reason of what was where it should be; transitions tell by it what is a success.
pub(crate) const NOTHING_TO_DO: &str = "nothing was to do: ";
/// What to do about a reset of which nobody knows whether it was done.
const UNKNOWN_REMEDY: &str = "look at the node; it is not told again until another transition is started";

/// What is to become of a node, and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) operation: Operation,
    pub(crate) grace: Grace,
    /// URI of its system.
    pub(crate) system: &'a str,
    /// Resets that the last crawl found, for a BMC that does not tell them with the power state.
    pub(crate) known_resets: &'a [String],
}

/// What a node's turn has of the transition that it is part of.
pub(crate) struct Turn<'a> {
    pub(crate) times: &'a Times,
    pub(crate) stagger: &'a Stagger,
    /// Writes a note into the log; it is there when this returns. The error is the outcome of the node.
    pub(crate) begin: &'a (dyn Fn(String) -> BoxFuture<'static, Result<(), Outcome>> + Send + Sync),
    /// Why the node may not be switched now.
    pub(crate) hold: &'a (dyn Fn() -> Option<String> + Send + Sync),
    pub(crate) is_aborted: &'a (dyn Fn() -> bool + Send + Sync),
    /// Told what was verified.
    pub(crate) verified: &'a (dyn Fn(Power) + Send + Sync),
}

/// Does what the operation means for the node.
pub(crate) async fn switch(link: &mut Link, node: &Node<'_>, turn: &Turn<'_>) -> Outcome {
    match in_turn(link, node, turn).await {
        Ok(done) => Outcome::Succeeded(done),
        Err(outcome) => outcome,
    }
}

/// What was done, or why it was not. A turn may be a long while away, so the BMC is asked again when it has come.
async fn in_turn(link: &mut Link, node: &Node<'_>, turn: &Turn<'_>) -> Result<String, Outcome> {
    let (mut said, mut steps) = ask(link, node, turn).await?;
    let first = steps.first().and_then(|step| step.reset);
    if let Some(reset) = first
        && turn.stagger.turn(reset).await
    {
        if (turn.is_aborted)() {
            let reason = "the transition was aborted before its turn came";
            return Err(Outcome::Skipped(reason.to_owned()));
        }
        (said, steps) = ask(link, node, turn).await?;
    }
    let mut switching = Switching {
        link,
        node,
        turn,
        said: &said,
        steps: steps.len(),
        has_told: false,
    };
    switching.all(&steps).await
}

/// What the BMC says now, and the steps from there; or the outcome, if there are none.
async fn ask(link: &mut Link, node: &Node<'_>, turn: &Turn<'_>) -> Result<(SystemPower, Vec<Step>), Outcome> {
    let said = link.power(node.system).await.map_err(|error| not_told(&error))?;
    let offered = match said.reset_types.as_slice() {
        [] => node.known_resets,
        offered => offered,
    };
    match plan(node.operation, Power::of(&said.state), offered, node.grace) {
        Plan::Steps(_) if said.reset_target.is_empty() => Err(Outcome::Unsupported(format!(
            "{} has no reset action",
            node.system
        ))),
        Plan::Steps(steps) => Ok((said, steps)),
        Plan::Nothing(goal) => {
            verified(turn, goal);
            Err(Outcome::Skipped(format!("{NOTHING_TO_DO}it is {}", said.state)))
        }
        Plan::Refused(reason) => Err(Outcome::failed(reason, "start another operation")),
        Plan::Unsupported(reason) => Err(Outcome::Unsupported(reason)),
    }
}

/// What came of a node whose BMC was told something by a member that is gone: it is only read back.
pub(crate) async fn take_over(link: &mut Link, node: &Node<'_>, note: &str, turn: &Turn<'_>) -> Outcome {
    let told = note.parse::<Note>().ok().filter(Note::is_last);
    let goal = told.as_ref().map(|note| note.goal(node.operation));
    let wish = Wish {
        goal: goal.unwrap_or(Goal::Restarted),
        is_answered: false,
        reset_time: told.as_ref().map_or("", |note| note.reset_time.as_str()),
        wait: match &told {
            Some(note) => {
                let goal = note.goal(node.operation);
                turn.times.wait(Some(note.reset), goal, node.grace)
            }
            // What is left of its steps is told by nobody, so there is nothing to wait for.
            None => Some(turn.times.poll_first),
        },
    };
    let seen = read_back(link, node.system, &wish, turn.times, turn.is_aborted).await;
    match (seen, goal) {
        (Seen::Reached, Some(goal)) => {
            verified(turn, goal);
            let step = note.split(' ').next().unwrap_or_default();
            Outcome::Succeeded(format!(
                "{step} by another member, which is gone; read back: {}",
                goal_text(goal)
            ))
        }
        (Seen::Reached, None) => unknown(note, "it is On"),
        (Seen::NotReached(last), _) => unknown(note, &last),
    }
}

fn unknown(note: &str, last: &str) -> Outcome {
    let told = match note {
        "" => "something".to_owned(),
        note => match note.parse::<Note>() {
            Ok(note) => format!("{}, step {} of {}", note.reset.as_str(), note.step, note.steps),
            Err(()) => note.to_owned(),
        },
    };
    let reason = format!("another member, which is gone, may have told it {told}; {last}");
    Outcome::unknown(reason, UNKNOWN_REMEDY)
}

/// Nothing was sent.
fn not_told(error: &Error) -> Outcome {
    Outcome::failed(error.to_string(), error.remedy())
}

fn verified(turn: &Turn<'_>, goal: Goal) {
    match goal {
        Goal::On | Goal::Restarted => (turn.verified)(Power::On),
        Goal::Off => (turn.verified)(Power::Off),
    }
}

fn goal_text(goal: Goal) -> &'static str {
    match goal {
        Goal::On => "On",
        Goal::Off => "Off",
        Goal::Restarted => "restarted",
    }
}

/// What the BMC said to a reset.
enum Told {
    /// It was not told anything: it is on its way already.
    Nothing,
    Accepted(ResetType),
    /// No answer, or one that says nothing of what became of it.
    Silent(ResetType, Error),
    /// It said no, or nothing was sent.
    Refused(ResetType, Error),
}

struct Switching<'s, 'a> {
    link: &'s mut Link,
    node: &'s Node<'s>,
    turn: &'s Turn<'a>,
    said: &'s SystemPower,
    steps: usize,
    has_told: bool,
}

impl Switching<'_, '_> {
    /// What was done, or the outcome of the first step that did not reach its goal.
    async fn all(&mut self, steps: &[Step]) -> Result<String, Outcome> {
        let mut done = Vec::new();
        for (place, step) in steps.iter().enumerate() {
            done.push(Box::pin(self.step(place, step)).await?);
            verified(self.turn, step.goal);
        }
        Ok(done.join(", "))
    }

    async fn step(&mut self, place: usize, step: &Step) -> Result<String, Outcome> {
        let (told, seen) = self.tell_and_look(place, step.reset, step.goal).await?;
        let Some(last) = not_reached(seen) else {
            return Ok(done(&told, step.goal));
        };
        let Some(force) = step.forced else {
            return Err(not_done(&told, &last));
        };
        let forced = self.tell_and_look(place, Some(force), step.goal).await;
        let (forced, seen) = forced.map_err(|outcome| not_forced(&told, outcome))?;
        match not_reached(seen) {
            None => {
                let first = match &step.reset {
                    Some(reset) => reset.as_str(),
                    None => "waited",
                };
                Ok(format!("{first} in vain, then {}", done(&forced, step.goal)))
            }
            Some(last) => {
                let outcome = not_done(&forced, &last);
                Err(match forced {
                    Told::Refused(..) => not_forced(&told, outcome),
                    Told::Nothing | Told::Accepted(_) | Told::Silent(..) => outcome,
                })
            }
        }
    }

    async fn tell_and_look(
        &mut self,
        place: usize,
        reset: Option<ResetType>,
        goal: Goal,
    ) -> Result<(Told, Seen), Outcome> {
        let mut reset_time = String::new();
        let told = match reset {
            Some(reset) => {
                if place > 0 {
                    self.turn.stagger.turn(reset).await;
                }
                if goal == Goal::Restarted {
                    reset_time = self.link.reset_time(self.node.system).await.unwrap_or_default();
                }
                self.tell(place, reset, &reset_time).await?
            }
            None => Told::Nothing,
        };
        let times = self.turn.times;
        let wait = match &told {
            // It may be there already, which is why it refuses.
            Told::Refused(..) => Some(times.poll_first),
            Told::Nothing | Told::Accepted(_) | Told::Silent(..) => times.wait(reset, goal, self.node.grace),
        };
        let wish = Wish {
            goal,
            is_answered: matches!(told, Told::Accepted(_)),
            reset_time: &reset_time,
            wait,
        };
        let seen = read_back(self.link, self.node.system, &wish, times, self.turn.is_aborted).await;
        Ok((told, seen))
    }

    /// Once, and not before the log says so.
    async fn tell(&mut self, place: usize, reset: ResetType, reset_time: &str) -> Result<Told, Outcome> {
        self.check_not_held()?;
        let note = Note::new(reset, place, self.steps, reset_time);
        (self.turn.begin)(note.to_string()).await?;
        // the log may have been away for long: what it took before the note counts, too
        self.check_not_held()?;
        if !self.has_told && (self.turn.is_aborted)() {
            let reason = "the transition was aborted before it was told anything";
            return Err(Outcome::Skipped(reason.to_owned()));
        }
        self.has_told = true;
        Ok(match self.link.reset(&self.said.reset_target, reset).await {
            Ok(()) => Told::Accepted(reset),
            Err(error) if error.is_outcome_unknown() => Told::Silent(reset, error),
            Err(error) => Told::Refused(reset, error),
        })
    }

    fn check_not_held(&self) -> Result<(), Outcome> {
        match (self.turn.hold)() {
            Some(reason) => Err(Outcome::failed(reason, holds::REMEDY)),
            None => Ok(()),
        }
    }
}

/// Why force did not come about. Whether the reset before it is done still, nobody knows if there was no answer to it.
fn not_forced(first: &Told, outcome: Outcome) -> Outcome {
    match (first, outcome) {
        (Told::Silent(reset, error), Outcome::Failed { reason, .. } | Outcome::Skipped(reason)) => {
            let reason = format!("{} was sent, and {error}; then {reason}", reset.as_str());
            Outcome::unknown(reason, UNKNOWN_REMEDY)
        }
        (_, outcome) => outcome,
    }
}

fn not_reached(seen: Seen) -> Option<String> {
    match seen {
        Seen::Reached => None,
        Seen::NotReached(last) => Some(last),
    }
}

fn done(told: &Told, goal: Goal) -> String {
    let goal = goal_text(goal);
    match told {
        Told::Nothing => goal.to_owned(),
        Told::Accepted(reset) => format!("{}: {goal}", reset.as_str()),
        Told::Silent(reset, _) => format!("{} without an answer, read back: {goal}", reset.as_str()),
        Told::Refused(reset, _) => format!("{} was refused, read back: {goal}", reset.as_str()),
    }
}

/// Why a step's goal was not reached, and what nobody knows.
fn not_done(told: &Told, last: &str) -> Outcome {
    match told {
        Told::Nothing => Outcome::failed(
            format!("it was on its way already and did not get there; {last}"),
            "look at its BMC, or start an operation that forces it",
        ),
        Told::Accepted(reset) => Outcome::failed(
            format!("the BMC accepted {}, and in time {last}", reset.as_str()),
            "look at its console; Force-Off and Hard-Restart ask no operating system",
        ),
        Told::Silent(reset, error) => {
            let reason = format!("{} was sent, and {error}; {last}", reset.as_str());
            Outcome::unknown(reason, UNKNOWN_REMEDY)
        }
        Told::Refused(reset, error) => {
            let reason = format!("{} was not done: {error}; {last}", reset.as_str());
            Outcome::failed(reason, error.remedy())
        }
    }
}
