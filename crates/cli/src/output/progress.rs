//! Something that moves on standard error while a command waits for more than a second.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::args::GlobalArgs;

/// Before this nobody wonders.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it moves.
const TICK: Duration = Duration::from_millis(100);

/// What is shown, and whether anything still may be.
enum Shown {
    /// Nothing was written yet.
    Nothing,
    Spinner(ProgressBar),
    /// The answer has begun: it must not be written over.
    Over,
}

static SHOWN: Mutex<Shown> = Mutex::new(Shown::Nothing);

/// Does the work, and shows after a second that it goes on: only on a terminal, and not if silence was asked for.
pub(crate) async fn while_waiting<T>(global: &GlobalArgs, work: impl Future<Output = T>) -> T {
    if global.quiet || !std::io::stderr().is_terminal() {
        return work.await;
    }
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(PATIENCE) => begin(),
    }
    let done = work.await;
    end();
    done
}

fn begin() {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*shown, Shown::Nothing) {
        let style = ProgressStyle::with_template("{spinner} waiting for the cluster, {elapsed}");
        let spinner = ProgressBar::new_spinner();
        spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        spinner.enable_steady_tick(TICK);
        *shown = Shown::Spinner(spinner);
    }
}

/// Takes it away for good: something else is written now.
pub(crate) fn end() {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Shown::Spinner(spinner) = std::mem::replace(&mut *shown, Shown::Over) {
        spinner.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tests' standard error is no terminal, or silence is asked for: either way nothing may be shown.
    #[tokio::test]
    async fn what_takes_long_in_silence_shows_nothing() {
        let global = GlobalArgs {
            quiet: true,
            ..GlobalArgs::default()
        };
        let long = async {
            tokio::time::sleep(PATIENCE + TICK).await;
            7
        };
        assert_eq!(while_waiting(&global, long).await, 7);
        let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(!matches!(*shown, Shown::Spinner(_)));
    }
}
