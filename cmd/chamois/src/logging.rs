//! The log: to standard error, for people or as JSON lines.

mod json_lines;

use cli::LogFormat;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::json_lines::JsonLines;

/// The member whose log it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its id.
    pub member: u64,
    /// Name of its cluster.
    pub cluster: String,
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is not one.
    #[error("--log: `{filter}` is not a filter; accepted is e.g. `info` or `warn,raft=debug`")]
    Filter {
        /// What was given.
        filter: String,
        /// What the parser said.
        source: ParseError,
    },
    /// A second log in one process.
    #[error("the log is set up already")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Sets up the log of this process; `origin` says which member it is, if it is one.
///
/// # Errors
/// See [`LoggingError`].
pub fn init(filter: &str, format: LogFormat, origin: Option<Origin>) -> Result<(), LoggingError> {
    let parsed = parse(filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(false).finish().try_init()?,
        LogFormat::Json => builder
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines { origin })
            .finish()
            .try_init()?,
    }
    Ok(())
}

fn parse(filter: &str) -> Result<EnvFilter, LoggingError> {
    EnvFilter::try_new(filter).map_err(|source| LoggingError::Filter {
        filter: filter.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_levels_by_target() {
        for accepted in ["info", "warn,raft=debug", "off"] {
            assert!(parse(accepted).is_ok(), "{accepted}");
        }
        let text = parse("raft=loud").unwrap_err().to_string();
        assert!(
            text.contains("raft=loud") && text.contains("warn,raft=debug"),
            "{text}"
        );
    }
}
