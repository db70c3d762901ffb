//! What the terminal does with what is typed: changed while one of these lives, and as before when it drops.

use std::io::Result;

use nix::sys::termios::{self, LocalFlags, SetArg, Termios};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell adds to the number of the signal that ended a process.
const ENDED_BY_SIGNAL: i32 = 128;

/// Nothing that is typed is shown.
pub(crate) struct Quiet {
    _before: Before,
}

/// Every key is passed on as it is, Ctrl-C too.
pub(crate) struct Raw {
    _before: Before,
}

impl Quiet {
    /// From then on Ctrl-C ends this process with the terminal as before: a shell that shows nothing would be left else. Within a runtime.
    ///
    /// # Errors
    /// If standard input is no terminal.
    pub(crate) fn begin() -> Result<Quiet> {
        let change = |settings: &mut Termios| settings.local_flags.remove(LocalFlags::ECHO);
        let before = Before::change(change)?;
        let (settings, mut ends) = (before.0.clone(), Ends::listen()?);
        // it is not stopped when this drops: the signals do not end the process by themselves any more
        tokio::spawn(async move {
            let number = ends.received().await;
            put_back(&settings);
            std::process::exit(ENDED_BY_SIGNAL + number);
        });
        Ok(Quiet { _before: before })
    }
}

impl Raw {
    /// # Errors
    /// If standard input is no terminal.
    pub(crate) fn begin() -> Result<Raw> {
        Ok(Raw {
            _before: Before::change(termios::cfmakeraw)?,
        })
    }
}

/// What is put back.
struct Before(Termios);

impl Before {
    fn change(with: impl FnOnce(&mut Termios)) -> Result<Before> {
        let before = termios::tcgetattr(std::io::stdin())?;
        let mut settings = before.clone();
        with(&mut settings);
        termios::tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &settings)?;
        Ok(Before(before))
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        put_back(&self.0);
    }
}

fn put_back(settings: &Termios) {
    // without a terminal there is nothing to put back
    let _ = termios::tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, settings);
}

/// The signals that end this process; heard, so that the terminal is as before.
pub(crate) struct Ends {
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Ends {
    /// # Errors
    /// What the system says against it.
    pub(crate) fn listen() -> Result<Ends> {
        Ok(Ends {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The number of the next of them.
    pub(crate) async fn received(&mut self) -> i32 {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.quit.recv() => SignalKind::quit(),
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.hang_up.recv() => SignalKind::hangup(),
        };
        kind.as_raw_value()
    }
}

#[cfg(test)]
mod tests {
    use std::io::IsTerminal as _;

    use super::*;

    /// A raw terminal sends none by its keys, but `kill` does.
    #[tokio::test]
    async fn whatever_ends_this_process_is_heard_before_it_does() {
        use nix::sys::signal::{Signal as Number, raise};
        let mut ends = Ends::listen().unwrap();
        for number in [Number::SIGINT, Number::SIGQUIT, Number::SIGTERM, Number::SIGHUP] {
            raise(number).unwrap();
            assert_eq!(ends.received().await, number as i32);
        }
    }

    /// A script's input is left alone.
    #[test]
    fn what_is_no_terminal_is_not_changed() {
        if !std::io::stdin().is_terminal() {
            assert!(Quiet::begin().is_err());
            assert!(Raw::begin().is_err());
        }
    }
}
