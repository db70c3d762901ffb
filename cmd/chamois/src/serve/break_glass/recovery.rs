//! What the next start is asked to go on alone by: a file beside the data directory, because that is moved away meanwhile. It counts
//! for a quarter of an hour and in this boot of the host: nobody may forget it and lose writes by a start months later. It is gone
//! when the recovery is done, or has failed.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cli::RecoverArgs;
use serde::{Deserialize, Serialize};

use super::PRIVATE;
use crate::serve::ServeError;
use crate::serve::config::Config;
use crate::serve::identity::since_epoch_ms;

/// How long it counts; `chamois break-glass recover` tells it.
const COUNTS_FOR: Duration = Duration::from_secs(15 * 60);
/// What names this boot of the host.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// That somebody has asked, and when.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    /// By the host's clock, milliseconds since the Unix epoch.
    asked_at_ms: u64,
    boot_id: String,
    /// The term that this member was in, for whoever reads the log.
    term: u64,
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.with_extension("recover-at-start")
}

/// Asks the next start. What could not be written whole is taken back.
///
/// # Errors
/// What the system said; there is no file then.
pub(super) fn ask(data_dir: &Path, term: u64) -> io::Result<()> {
    let marker = Marker {
        asked_at_ms: since_epoch_ms(),
        boot_id: boot_id(),
        term,
    };
    if marker.boot_id.is_empty() {
        return Err(io::Error::other(format!("{BOOT_ID} cannot be read")));
    }
    let written = write(data_dir, &serde_json::to_vec(&marker)?);
    if written.is_err() {
        withdraw(data_dir)?;
    }
    written
}

fn write(data_dir: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(PRIVATE)
        .open(path(data_dir))?;
    file.write_all(content)?;
    file.sync_all()?;
    sync_folder_of(data_dir)
}

fn sync_folder_of(data_dir: &Path) -> io::Result<()> {
    let parent = data_dir.parent().filter(|parent| *parent != Path::new(""));
    fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Nobody asks any more.
///
/// # Errors
/// What the system said, but for a file that is not there.
pub(super) fn withdraw(data_dir: &Path) -> io::Result<()> {
    match fs::remove_file(path(data_dir)) {
        Ok(()) => sync_folder_of(data_dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether somebody asks whose word counts; any other file is taken away, and a warning says why.
///
/// # Errors
/// What the system said.
pub(super) fn is_asked(data_dir: &Path) -> io::Result<bool> {
    let content = match fs::read(path(data_dir)) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match judged(&content, since_epoch_ms(), &boot_id()) {
        Ok(marker) => {
            tracing::warn!(
                term = marker.term,
                "break-glass: the last run was asked to go on alone"
            );
            Ok(true)
        }
        Err(reason) => {
            tracing::warn!(
                file = %path(data_dir).display(), reason,
                "a request to go on alone does not count and is taken away; ask again if it is still meant"
            );
            withdraw(data_dir)?;
            Ok(false)
        }
    }
}

fn judged(content: &[u8], now_ms: u64, boot_id: &str) -> Result<Marker, &'static str> {
    let marker: Marker = serde_json::from_slice(content).map_err(|_| "it is damaged")?;
    if boot_id.is_empty() || marker.boot_id != boot_id {
        return Err("it is of another boot of this host");
    }
    let age_ms = now_ms.checked_sub(marker.asked_at_ms);
    match age_ms.is_some_and(|age_ms| u128::from(age_ms) <= COUNTS_FOR.as_millis()) {
        true => Ok(marker),
        false => Err("it is older than 15 minutes, or the clock was set"),
    }
}

fn boot_id() -> String {
    fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned()
}

/// Before the store is opened: goes on alone if root has asked the last run for it.
///
/// # Errors
/// As `chamois recover`, and the next start is as if nobody had asked; a recovery that was cut off in the middle, with what to do.
pub(in crate::serve) fn recover_if_asked(config_file: &Path, config: &Config) -> Result<(), ServeError> {
    let data_dir = &config.data_dir;
    if is_asked(data_dir).map_err(ServeError::Store)? {
        let recovered = crate::recover::recover(&RecoverArgs {
            config: config_file.to_owned(),
            accept_lost_writes: true,
        });
        // not before: a power cut while data are moved must not leave a start with none
        withdraw(data_dir).map_err(ServeError::Store)?;
        recovered?;
    }
    require_whole(data_dir).map_err(ServeError::Store)
}

/// That no recovery was cut off while data were moved: an empty start would be a member without a past. A service manager may have made
/// the folder anew.
fn require_whole(data_dir: &Path) -> io::Result<()> {
    let aside = data_dir.with_extension("before-recovery");
    if !fs::exists(&aside)? {
        return Ok(());
    }
    let is_empty = match fs::read_dir(data_dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(error),
    };
    match is_empty {
        false => Ok(()),
        true => Err(io::Error::other(format!(
            "{} is empty and {} is there: a recovery was cut off; finish it with `chamois recover --accept-lost-writes`, or, to begin \
             with nothing, move the second one away",
            data_dir.display(),
            aside.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn asked(minutes_ago: u64, boot_id: &str) -> Vec<u8> {
        let marker = Marker {
            asked_at_ms: NOW_MS - minutes_ago * 60_000,
            boot_id: boot_id.to_owned(),
            term: 7,
        };
        serde_json::to_vec(&marker).unwrap()
    }

    /// A start months later, or after the power came back, loses nothing because somebody once asked.
    #[test]
    fn what_is_old_or_of_another_boot_does_not_count() {
        for (content, counts) in [
            (asked(0, "this"), true),
            (asked(15, "this"), true),
            (asked(16, "this"), false),
            (asked(0, "other"), false),
            (asked(0, ""), false),
            (b"".to_vec(), false),
            (b"{}".to_vec(), false),
        ] {
            let text = String::from_utf8(content.clone()).unwrap();
            assert_eq!(judged(&content, NOW_MS, "this").is_ok(), counts, "{text}");
        }
        let later = asked(0, "this");
        assert!(
            judged(&later, NOW_MS - 1, "this").is_err(),
            "the clock was set back"
        );
        assert!(
            judged(&asked(0, ""), NOW_MS, "").is_err(),
            "nobody knows which boot it is"
        );
    }

    #[test]
    fn it_lies_beside_the_data_until_it_is_withdrawn() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data-1");
        assert!(!is_asked(&data).unwrap());
        ask(&data, 7).unwrap();
        let file = dir.path().join("data-1.recover-at-start");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, PRIVATE);
        // asking for it uses nothing up
        assert!(is_asked(&data).unwrap() && is_asked(&data).unwrap());
        withdraw(&data).unwrap();
        withdraw(&data).unwrap();
        assert!(!is_asked(&data).unwrap());
        fs::write(&file, asked(16, &boot_id())).unwrap();
        assert!(!is_asked(&data).unwrap());
        assert!(!file.exists(), "what does not count is taken away");
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        ask(&dir.path().join("none/data"), 7).unwrap_err();
        assert!(!dir.path().join("none").exists());
    }

    /// The power went while data were moved: a start with nothing would be a member that has forgotten everything.
    #[test]
    fn half_a_recovery_does_not_start_empty() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        require_whole(&data).unwrap();
        fs::create_dir(dir.path().join("data.before-recovery")).unwrap();
        let refused = require_whole(&data).unwrap_err().to_string();
        assert!(refused.contains("chamois recover"), "{refused}");
        fs::create_dir(&data).unwrap();
        require_whole(&data).unwrap_err();
        fs::write(data.join("store.json"), "{}").unwrap();
        require_whole(&data).unwrap();
    }
}
