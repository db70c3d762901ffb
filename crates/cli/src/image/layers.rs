//! Layers of a root file system: what lies in its `/boot`. Streams, one layer after the other; only files that may become a
//! part are written, each under a number.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::PathBuf;

use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};

use super::oci::{Archive, Descriptor, wrong};
use super::parts::{Bytes, Choices, FOUND_MAX, Found, Role, shown};
use super::scratch::Scratch;
use crate::error::CliError;

/// How a gzip stream begins.
pub(super) const GZIP: [u8; 2] = [0x1f, 0x8b];
/// How a zstd frame begins.
pub(super) const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Bytes of all layers, unpacked: a bomb ends here.
const UNPACKED_BYTES_MAX: u64 = 64 << 30;
/// Entries of all layers.
const ENTRIES_MAX: usize = 5_000_000;
/// Bytes of one file: what a boot file may have.
const FILE_BYTES_MAX: u64 = 16 << 30;
/// The name that takes a file of a lower layer away begins so.
const WHITEOUT: &str = ".wh.";
/// The name that takes away whatever lower layers have in a folder.
const OPAQUE: &str = ".wh..wh..opq";

/// Files that may become parts, by their path in the root file system.
type ByPath = BTreeMap<String, Bytes>;

/// What has been read so far, of all layers.
struct Limits {
    bytes_left: u64,
    entries_left: usize,
    /// How many files were written.
    written: usize,
    /// Those of them that are there.
    files: BTreeSet<PathBuf>,
}

impl Limits {
    /// Removes what an upper layer has in another way, or not at all: it takes room and is nobody's.
    fn keep_only(&mut self, found: &ByPath) -> io::Result<()> {
        let kept: BTreeSet<PathBuf> = found.values().map(|bytes| bytes.path.clone()).collect();
        for gone in self.files.difference(&kept) {
            std::fs::remove_file(gone)?;
        }
        self.files = kept;
        Ok(())
    }
}

/// The kernels and initial RAM disks of `/boot`, and what an option names; as the uppermost layer has them.
///
/// # Errors
/// A layer that is not what its digest says, is cut, is too large, or has a path that leads out of it.
pub(super) fn extract(
    archive: &Archive,
    layers: &[Descriptor],
    choices: &Choices,
    into: &Scratch,
) -> Result<Vec<Found>, CliError> {
    let mut limits = Limits {
        bytes_left: UNPACKED_BYTES_MAX,
        entries_left: ENTRIES_MAX,
        written: 0,
        files: BTreeSet::new(),
    };
    let progress = ProgressBar::new(layers.iter().map(|layer| layer.size).sum());
    if let Ok(style) = ProgressStyle::with_template("layers {bar:40} {bytes}/{total_bytes} {bytes_per_sec}") {
        progress.set_style(style);
    }
    let mut lower = ByPath::new();
    for layer in layers {
        let (offset, size) = archive.checked(layer)?;
        let bytes = progress.wrap_read(archive.read_at(offset, size)?);
        let refused = |error: io::Error| {
            wrong(
                archive.path(),
                format_args!("layer {}: {error}", shown(&layer.digest)),
            )
        };
        let mut reader = Bounded {
            inner: unpacked(bytes).map_err(refused)?,
            left: limits.bytes_left,
        };
        lower = read_layer(&mut reader, lower, choices, into, &mut limits).map_err(refused)?;
        limits.bytes_left = reader.left;
        limits.keep_only(&lower).map_err(refused)?;
    }
    progress.finish_and_clear();
    let found = lower.into_iter();
    Ok(found.map(|(name, bytes)| Found { name, bytes }).collect())
}

/// By how it begins, not by what is said of it.
fn unpacked(mut bytes: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut magic = Vec::new();
    bytes.by_ref().take(ZSTD.len() as u64).read_to_end(&mut magic)?;
    let (is_gzip, is_zstd) = (magic.starts_with(&GZIP), magic.starts_with(&ZSTD));
    let whole = io::Cursor::new(magic).chain(bytes);
    Ok(match (is_gzip, is_zstd) {
        (true, _) => Box::new(MultiGzDecoder::new(whole)),
        (_, true) => Box::new(zstd::Decoder::new(whole)?),
        _ => Box::new(whole),
    })
}

/// `lower` with the changes of one layer.
fn read_layer(
    reader: &mut impl Read,
    mut lower: ByPath,
    choices: &Choices,
    into: &Scratch,
    limits: &mut Limits,
) -> io::Result<ByPath> {
    let mut own = ByPath::new();
    let mut tar = tar::Archive::new(reader);
    for entry in tar.entries()?.raw(true) {
        let mut entry = entry?;
        limits.entries_left = limits.entries_left.checked_sub(1).ok_or_else(too_many)?;
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions()
        {
            continue;
        }
        let Some(path) = path_of(&entry.path_bytes())? else {
            continue;
        };
        if take_away(&mut lower, &path) {
            continue;
        }
        // a link in the place of a file: it is never followed, and the file is not there any more
        own.remove(&path);
        if kind.is_file() && is_wanted(&path, choices) {
            own.insert(path, write(&mut entry, into, limits)?);
        }
    }
    // whatever stands behind the end of the archive belongs to the layer's digest, and to nothing else
    lower.extend(own);
    Ok(lower)
}

/// A path within the root file system; `None` for the root itself and for what is no text.
///
/// # Errors
/// One that leads out of it: whoever makes such an archive means harm.
fn path_of(bytes: &[u8]) -> io::Result<Option<String>> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Ok(None);
    };
    if text.split('/').any(|part| part == "..") {
        return Err(io::Error::other(format!(
            "the path {} leads out of it",
            shown(text)
        )));
    }
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

/// Takes away what this entry of a layer says is gone from the lower ones; whether it is a whiteout, which is no file.
fn take_away(lower: &mut ByPath, path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let within = |path: &str, folder: &str| {
        folder.is_empty()
            || path
                .strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    if name == OPAQUE {
        lower.retain(|path, _| !within(path, folder));
        return true;
    }
    let (gone, is_whiteout) = match name.strip_prefix(WHITEOUT) {
        Some(name) if folder.is_empty() => (name.to_owned(), true),
        Some(name) => (format!("{folder}/{name}"), true),
        None => (path.to_owned(), false),
    };
    // a folder stays a folder, with what is in it, when a layer has it again
    lower.retain(|path, _| *path != gone && !(is_whiteout && within(path, &gone)));
    is_whiteout
}

fn is_wanted(path: &str, choices: &Choices) -> bool {
    let in_boot = path.strip_prefix("boot/").is_some_and(|name| !name.contains('/'));
    let path = choices.signed(path);
    let is_named = Role::ALL.into_iter().any(|role| choices.of(role) == Some(path));
    is_named || in_boot && Role::of(path).is_some()
}

fn write(entry: &mut tar::Entry<'_, impl Read>, into: &Scratch, limits: &mut Limits) -> io::Result<Bytes> {
    if entry.size() > FILE_BYTES_MAX || limits.written == FOUND_MAX {
        return Err(too_many());
    }
    let (mut file, path) = into.create(&limits.written.to_string(), entry.size())?;
    limits.written += 1;
    limits.files.insert(path.clone());
    let copied = io::copy(entry, &mut file)?;
    if copied != entry.size() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Bytes::of_file(path))
}

fn too_many() -> io::Error {
    io::Error::other("it has more in it than any root file system")
}

/// A reader that fails instead of giving more than it may.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(too_many)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_of_the_root_file_system() {
        let path = |text: &str| path_of(text.as_bytes()).unwrap();
        for text in [
            "boot/vmlinuz",
            "./boot/vmlinuz",
            "/boot/vmlinuz",
            "boot//vmlinuz",
            "boot/./vmlinuz/",
        ] {
            assert_eq!(path(text).as_deref(), Some("boot/vmlinuz"), "{text}");
        }
        assert_eq!(path("./"), None);
        assert_eq!(path_of(b"boot/\xff").unwrap(), None);
        for text in ["../x", "boot/../../etc/passwd", "a/..", "/.."] {
            let error = path_of(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("leads out of it"), "{error}");
        }
    }

    #[test]
    fn only_what_lies_in_boot_or_is_named_is_wanted() {
        let choices = Choices {
            root_fs: Some("LiveOS/squashfs.img".into()),
            ..Choices::default()
        };
        for path in [
            "boot/vmlinuz-6.1",
            "boot/initrd.img",
            "boot/Image",
            "LiveOS/squashfs.img",
        ] {
            assert!(is_wanted(path, &choices), "{path}");
        }
        for path in [
            "vmlinuz",
            "boot/grub/vmlinuz",
            "boot/config",
            "usr/boot/vmlinuz",
            "etc/passwd",
        ] {
            assert!(!is_wanted(path, &choices), "{path}");
        }
    }

    #[test]
    fn an_upper_layer_takes_away() {
        let lower = || -> ByPath {
            let bytes = || Bytes::of_file("/x".into());
            ["boot/a", "boot/b", "bootx"]
                .map(|path| (path.to_owned(), bytes()))
                .into()
        };
        for (entry, is_whiteout, left) in [
            ("boot/.wh.a", true, &["boot/b", "bootx"][..]),
            ("boot/.wh..wh..opq", true, &["bootx"]),
            (".wh.boot", true, &["bootx"]),
            (".wh..wh..opq", true, &[]),
            ("boot/a", false, &["boot/b", "bootx"]),
            ("boot", false, &["boot/a", "boot/b", "bootx"]),
        ] {
            let mut lower = lower();
            assert_eq!(take_away(&mut lower, entry), is_whiteout, "{entry}");
            assert!(lower.keys().eq(left), "{entry}: {:?}", lower.keys());
        }
    }

    #[test]
    fn a_bomb_ends_at_its_bound() {
        let mut reader = Bounded {
            inner: io::repeat(0),
            left: 1000,
        };
        let mut taken = Vec::new();
        assert!(reader.read_to_end(&mut taken).is_err());
        assert!(taken.len() <= 1000, "{}", taken.len());
    }
}
