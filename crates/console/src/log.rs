//! Where it is written down who has used which console: no entry of the log says so.

use std::fmt;
use std::sync::Arc;

/// By whom, what became of it (`opened`, `ended`), and what more there is to say.
type Written = dyn Fn(&str, &str, &str) + Send + Sync;

/// Told of each console that is opened and ended.
#[derive(Clone)]
pub struct ConsoleLog(Arc<Written>);

impl ConsoleLog {
    /// `written` gets the principal, `opened` or `ended`, and the node with the reason; it must not block.
    pub fn new(written: impl Fn(&str, &str, &str) + Send + Sync + 'static) -> ConsoleLog {
        ConsoleLog(Arc::new(written))
    }

    pub(crate) fn opened(&self, by: &str, node: &str, read_only: bool) {
        let how = if read_only { " (read-only)" } else { "" };
        tracing::info!(node, by, read_only, "a console was opened");
        (self.0)(by, "opened", &format!("console of {node}{how}"));
    }

    pub(crate) fn ended(&self, by: &str, node: &str, why: &str) {
        tracing::info!(node, by, why, "a console has ended");
        (self.0)(by, "ended", &format!("console of {node}: {why}"));
    }
}

impl fmt::Debug for ConsoleLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleLog").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn who_opened_which_console_how_and_why_it_ended_is_told() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&told);
        let log = ConsoleLog::new(move |by, what, more| {
            written.lock().unwrap().push(format!("{by} {what} {more}"));
        });
        log.opened("user/ada", "x0c0s0b0n0", true);
        log.ended("user/ada", "x0c0s0b0n0", "the client went");
        assert_eq!(
            *told.lock().unwrap(),
            [
                "user/ada opened console of x0c0s0b0n0 (read-only)",
                "user/ada ended console of x0c0s0b0n0: the client went"
            ]
        );
    }
}
