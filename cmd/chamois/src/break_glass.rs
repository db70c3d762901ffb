//! `chamois break-glass`: asks the member on this host on its socket, which only root and the service's own user may use.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cli::{BreakGlassCommand, Format, GlassArgs, GlassExportArgs, GlobalArgs};
use raft::another_cluster::{self, Inspected};

use crate::serve::break_glass::{Answer, Ask, SOCKET};
use crate::serve::config::{Config, ConfigError};

/// Until a member says something: an export begins at once, however long it takes.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Bytes of an answer's line.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// For the owner alone.
const PRIVATE: u32 = 0o600;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum GlassError {
    /// The configuration does not say where the socket is.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nobody answers, or this user may not ask.
    #[error(
        "cannot ask the member on {}: is it running, and are you root or the user that runs it? A member that is stopped \
         goes on alone by `chamois recover`", socket.display()
    )]
    Socket {
        /// Where it should be.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The member says why not.
    #[error("the member refuses: {0}")]
    Refused(String),
    /// What came back is no answer: another version, or a member that was killed.
    #[error("the member's answer is none")]
    Answer(#[source] io::Error),
    /// The file could not be made.
    #[error("{}", file.display())]
    File {
        /// Which one.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Asks, and prints the answer.
///
/// # Errors
/// See [`GlassError`].
pub fn run(global: &GlobalArgs, command: &BreakGlassCommand) -> Result<(), GlassError> {
    match command {
        BreakGlassCommand::Status(args) => status(global, args),
        BreakGlassCommand::Export(args) => export(args),
        BreakGlassCommand::Recover(args) => recover(&args.member),
        BreakGlassCommand::Token(args) => token(global, args),
    }
}

/// Sends a question; the answer, and what follows it.
fn ask(config: &Config, ask: Ask) -> Result<(Answer, BufReader<UnixStream>), GlassError> {
    let socket = config.data_dir.join(SOCKET);
    let unreachable = |source| GlassError::Socket {
        socket: socket.clone(),
        source,
    };
    let mut stream = UnixStream::connect(&socket).map_err(unreachable)?;
    stream
        .set_read_timeout(Some(ANSWER_MAX))
        .map_err(GlassError::Answer)?;
    let question = serde_json::to_string(&ask).map_err(|error| GlassError::Answer(error.into()))?;
    // a member that refuses may have closed before it has read; what it has said is read below
    let sent = writeln!(stream, "{question}");
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let read = stream.by_ref().take(LINE_BYTES_MAX).read_line(&mut line);
    read.map_err(GlassError::Answer)?;
    if line.is_empty() {
        sent.map_err(GlassError::Answer)?;
    }
    match serde_json::from_str(&line).map_err(|error| GlassError::Answer(error.into()))? {
        Answer::Refused(why) => Err(GlassError::Refused(why)),
        answer => Ok((answer, stream)),
    }
}

/// An answer to another question.
fn unexpected(answer: &Answer) -> GlassError {
    let kind = match answer {
        Answer::Refused(_) => "a refusal",
        Answer::Status(_) => "a status",
        Answer::Export => "a file",
        Answer::Token { .. } => "a token",
        Answer::Recover => "a recovery",
    };
    GlassError::Answer(io::Error::other(format!("{kind} is not what was asked for")))
}

fn status(global: &GlobalArgs, args: &GlassArgs) -> Result<(), GlassError> {
    let config = Config::load(&args.config)?;
    match ask(&config, Ask::Status)?.0 {
        Answer::Status(status) => {
            println!("{}", shown(global.output, &status));
            Ok(())
        }
        other => Err(unexpected(&other)),
    }
}

fn shown(format: Format, status: &serde_json::Value) -> String {
    if format.is_document() {
        return cli::value_document(format, status);
    }
    let text = |key: &str| match &status[key] {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut lines = vec![
        format!("member {} of cluster `{}`", text("member"), text("cluster")),
        match status["has_majority"] == true {
            true => format!("member {} leads", text("leader")),
            false => "no majority: nothing can be written".to_owned(),
        },
        format!(
            "term {}, applied {}, last in the log {}, feature level {}",
            text("term"),
            text("applied_index"),
            text("last_log_index"),
            text("feature_level")
        ),
    ];
    for member in status["members"].as_array().into_iter().flatten() {
        let kind = if member["voter"] == true {
            "voter"
        } else {
            "learner"
        };
        let address = member["api_address"].as_str().unwrap_or_default();
        lines.push(format!("member {}: {kind} at {address}", member["id"]));
    }
    lines.join("\n")
}

fn token(global: &GlobalArgs, args: &GlassArgs) -> Result<(), GlassError> {
    let config = Config::load(&args.config)?;
    match ask(&config, Ask::Token)?.0 {
        Answer::Token {
            subject,
            token,
            valid_for_s,
        } => {
            let endpoint = endpoint(&config);
            let text = match global.output.is_document() {
                true => {
                    let value = serde_json::json!({
                        "subject": subject, "token": token, "valid_for_s": valid_for_s, "endpoint": endpoint,
                    });
                    cli::value_document(global.output, &value)
                }
                false => format!(
                    "# administrator `token/{subject}` of this member alone, for {} minutes\n\
                     export CHAMOIS_TOKEN={token}\nexport CHAMOIS_ENDPOINTS={endpoint}\nexport CHAMOIS_CA={}",
                    valid_for_s / 60,
                    config.identity_dir.join("ca.pem").display()
                ),
            };
            println!("{text}");
            Ok(())
        }
        other => Err(unexpected(&other)),
    }
}

/// Where the token is good.
fn endpoint(config: &Config) -> String {
    let listen = config.api.grpc_listen;
    match listen.ip().is_unspecified() {
        true => format!("localhost:{}", listen.port()),
        false => listen.to_string(),
    }
}

fn recover(args: &GlassArgs) -> Result<(), GlassError> {
    let config = Config::load(&args.config)?;
    match ask(&config, Ask::Recover)?.0 {
        Answer::Recover => {
            println!(
                "member {} stops now, and goes on alone when you start it again within 15 minutes:\n  \
                 systemctl start chamois, or chamois serve --config {}\nThe other members must NEVER start again with their old data.",
                config.member.id,
                args.config.display()
            );
            Ok(())
        }
        other => Err(unexpected(&other)),
    }
}

fn export(args: &GlassExportArgs) -> Result<(), GlassError> {
    let failed = |file: &Path, source| GlassError::File {
        file: file.to_owned(),
        source,
    };
    if args.file.exists() {
        let exists = io::Error::new(io::ErrorKind::AlreadyExists, "it exists; nothing is overwritten");
        return Err(failed(&args.file, exists));
    }
    let config = Config::load(&args.member.config)?;
    let (answer, mut content) = ask(&config, Ask::Export)?;
    if answer != Answer::Export {
        return Err(unexpected(&answer));
    }
    let partial = cli::partial_of(&args.file);
    let taken = take(&partial, &mut content, &args.file);
    let (bytes, found) = taken.map_err(|error| {
        // best effort: the error that matters is at hand
        let _ = std::fs::remove_file(&partial);
        failed(&args.file, error)
    })?;
    println!(
        "{}: {bytes} bytes, cluster `{}` at revision {}",
        args.file.display(),
        found.state.cluster_name(),
        found.index
    );
    Ok(())
}

/// Every byte is checked before the file gets its name: a member that was killed meanwhile has sent a part.
fn take(partial: &Path, content: &mut impl io::Read, file: &Path) -> io::Result<(u64, Inspected)> {
    let bytes = write(partial, content)?;
    let found = another_cluster::inspect(partial)?;
    std::fs::rename(partial, file)?;
    Ok((bytes, found))
}

/// Into no file that is there: somebody else may have put it, and may read it.
fn write(partial: &Path, content: &mut impl io::Read) -> io::Result<u64> {
    let mut file = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(partial)?;
    let bytes = io::copy(content, &mut file)?;
    file.sync_all()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever breaks the glass reads this at three in the morning.
    #[test]
    fn a_status_says_first_whether_anything_can_be_written() {
        let status = serde_json::json!({
            "cluster": "prod", "member": 2, "leader": 2, "has_majority": false, "term": 7, "applied_index": 41, "last_log_index": 42,
            "feature_level": 6,
            "members": [{"id": 1, "voter": true, "api_address": "10.97.1.1:7441"}, {"id": 4, "voter": false, "api_address": "x:1"}],
        });
        let text = shown(Format::Table, &status);
        for part in [
            "member 2 of cluster `prod`",
            "no majority: nothing can be written",
            "applied 41, last in the log 42",
            "member 1: voter at 10.97.1.1:7441",
            "member 4: learner",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let json: serde_json::Value = serde_json::from_str(&shown(Format::Json, &status)).unwrap();
        assert_eq!(json, status);
    }

    #[test]
    fn a_part_of_a_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let partial = dir.path().join("x.partial");
        let bytes = write(&partial, &mut &b"12345"[..]).unwrap();
        let mode = std::fs::metadata(&partial).unwrap().permissions().mode();
        assert_eq!((bytes, mode & 0o777), (5, PRIVATE));
        write(&partial, &mut &b"1"[..]).unwrap_err();
    }

    /// A socket that is not there is the usual case of a member that does not run.
    #[test]
    fn a_member_that_does_not_run_is_said_with_what_to_do() {
        let text = include_str!("../../../deploy/examples/member-1.toml")
            .replace("/var/lib/chamois/data", "/nonexistent/data");
        let config = Config::parse(&text, Path::new("member-1.toml")).unwrap();
        let error = ask(&config, Ask::Status).err().unwrap().to_string();
        assert!(
            error.contains("/nonexistent/data/break-glass.sock") && error.contains("chamois recover"),
            "{error}"
        );
        assert_eq!(endpoint(&config), "10.97.1.1:7441");
    }
}
