//! The file itself: a tar, compressed, for its owner alone.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::contents::Piece;

const OWNER_ONLY: u32 = 0o600;
/// zstd's own default: quick, and text becomes a tenth.
const LEVEL: i32 = 3;

/// Writes a new file; one that is there is left alone. `at_s` is the time that its entries bear, seconds since the Unix epoch.
///
/// # Errors
/// What the file system says; nothing is left behind then.
pub(super) fn write(out: &Path, pieces: &[Piece], at_s: u64) -> std::io::Result<()> {
    let file = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(OWNER_ONLY)
        .open(out)?;
    let written = into(file, pieces, at_s);
    if written.is_err() {
        // a part of it helps nobody
        let _ = std::fs::remove_file(out);
    }
    written
}

fn into(file: std::fs::File, pieces: &[Piece], at_s: u64) -> std::io::Result<()> {
    let compressed = zstd::Encoder::new(file, LEVEL)?;
    let mut archive = tar::Builder::new(compressed);
    for piece in pieces {
        let mut header = tar::Header::new_gnu();
        header.set_mode(OWNER_ONLY);
        header.set_mtime(at_s);
        header.set_size(u64::try_from(piece.text.len()).map_err(std::io::Error::other)?);
        archive.append_data(
            &mut header,
            Path::new("chamois-support").join(&piece.name),
            piece.text.as_bytes(),
        )?;
    }
    let mut file = archive.into_inner()?.finish()?;
    file.flush()?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn piece(name: &str, text: &str) -> Piece {
        Piece {
            name: name.into(),
            what: "",
            text: text.into(),
        }
    }

    #[test]
    fn what_is_put_in_comes_out_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("a.tar.zst");
        write(
            &out,
            &[piece("doctor.txt", "well"), piece("metrics/a.prom", "x 1\n")],
            7,
        )
        .unwrap();
        assert_eq!(
            std::fs::metadata(&out).unwrap().permissions().mode() & 0o777,
            OWNER_ONLY
        );
        let mut archive = tar::Archive::new(zstd::Decoder::new(std::fs::File::open(&out).unwrap()).unwrap());
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.push((entry.path().unwrap().display().to_string(), text));
        }
        let expected = [
            ("chamois-support/doctor.txt", "well"),
            ("chamois-support/metrics/a.prom", "x 1\n"),
        ];
        assert_eq!(
            found,
            expected.map(|(name, text)| (name.to_owned(), text.to_owned()))
        );
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("a");
        std::fs::write(&out, "mine").unwrap();
        assert_eq!(
            write(&out, &[], 0).unwrap_err().kind(),
            std::io::ErrorKind::AlreadyExists
        );
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "mine");
    }
}
