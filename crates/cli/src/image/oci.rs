//! An OCI archive as the source of an image: an `oci-layout` in a tar, as `skopeo copy … oci-archive:x.tar`, `podman save
//! --format oci-archive` and `oras` make it.
//!
//! It is a stranger's: nothing in it is a path of this host, every blob is checked by its digest before anything is believed
//! of it, and everything has a bound. Extensions of tar are not interpreted, since what they say may be of any length; names
//! and sizes here need none (a blob above 8 GiB would: name its file with an option instead).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use model::Sha256;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::layers;
use super::parts::{Bytes, Choices, FOUND_MAX, Found, Parts, choose, shown};
use super::scratch::Scratch;
use crate::error::{CliError, Kind};

/// Entries of an archive.
const ENTRIES_MAX: usize = 100_000;
/// Bytes of an index or a manifest. Source: the distribution specification's limit for manifests.
const DOCUMENT_BYTES_MAX: u64 = 4 << 20;
/// Layers of an image.
const LAYERS_MAX: usize = 1024;
/// Indexes within indexes.
const INDEX_DEPTH_MAX: usize = 3;
/// Indexes that are read of one archive: one may name another many times.
const INDEXES_MAX: usize = 64;
/// Bytes read at a time.
const PIECE_BYTES: usize = 1 << 20;
/// The annotation that is an artifact's file name.
const TITLE: &str = "org.opencontainers.image.title";

/// Words of OCI for architectures, and iPXE's.
const ARCHITECTURES: [(&str, &str); 6] = [
    ("386", "i386"),
    ("amd64", "x86_64"),
    ("arm", "arm32"),
    ("arm64", "arm64"),
    ("riscv64", "riscv64"),
    ("loong64", "loong64"),
];

/// What an archive has for an image.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) parts: Parts,
    /// As iPXE says it; empty: the archive does not say.
    pub(super) arch: String,
}

/// What is in an archive; the bytes stay where they are.
#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    /// Offset and size of each blob, by its SHA-256.
    blobs: BTreeMap<Sha256, (u64, u64)>,
    index: Index,
}

#[derive(Debug, Deserialize)]
struct Layout {
    #[serde(rename = "imageLayoutVersion")]
    version: String,
}

#[derive(Debug, Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    layers: Vec<Descriptor>,
}

/// A blob as others name it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Descriptor {
    #[serde(default, rename = "mediaType")]
    media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Clone, Debug, Deserialize)]
struct Platform {
    architecture: String,
}

/// The parts that the archive at `path` has; what must be unpacked goes into the folder `into`.
///
/// # Errors
/// What is wrong with the archive; see [`choose`].
pub(super) fn contents(
    path: &Path,
    arch: &str,
    choices: &Choices,
    into: &Scratch,
) -> Result<Contents, CliError> {
    let archive = Archive::open(path)?;
    let (manifest, of_manifest) = archive.manifest(arch)?;
    let is_titled = |layer: &Descriptor| layer.annotations.contains_key(TITLE);
    let found = match manifest.layers.iter().any(is_titled) {
        true => archive.titled(&manifest.layers, choices)?,
        false => layers::extract(&archive, &manifest.layers, choices, into)?,
    };
    Ok(Contents {
        parts: choose(&path.display().to_string(), &found, choices)?,
        arch: of_manifest,
    })
}

impl Archive {
    /// Looks through the archive, which must lie on a disk.
    ///
    /// # Errors
    /// It is no OCI archive.
    fn open(path: &Path) -> Result<Self, CliError> {
        let refused = |error: std::io::Error| wrong(path, error);
        let mut file = File::open(path).map_err(refused)?;
        check_is_plain(path, &mut file)?;
        let (mut blobs, mut layout, mut index) = (BTreeMap::new(), None, None);
        let mut tar = tar::Archive::new(file);
        let entries = tar.entries_with_seek().map_err(refused)?.raw(true);
        for (count, entry) in entries.enumerate() {
            let mut entry = entry.map_err(refused)?;
            if count >= ENTRIES_MAX {
                return Err(wrong(
                    path,
                    format_args!("it has more than {ENTRIES_MAX} entries"),
                ));
            }
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            match name.trim_start_matches("./") {
                "oci-layout" => layout = Some(document(path, &name, &mut entry)?),
                "index.json" => index = Some(document(path, &name, &mut entry)?),
                other => {
                    let sha256 = other.strip_prefix("blobs/sha256/");
                    if let Some(Ok(sha256)) = sha256.map(str::parse::<Sha256>) {
                        blobs.insert(sha256, (entry.raw_file_position(), entry.size()));
                    }
                }
            }
        }
        match (layout, index) {
            (Some(Layout { version }), Some(index)) if version.starts_with("1.") => Ok(Self {
                path: path.to_owned(),
                blobs,
                index,
            }),
            (Some(Layout { version }), Some(_)) => {
                let version = shown(&version);
                Err(wrong(
                    path,
                    format_args!("its layout has the version {version}, 1.x is known"),
                ))
            }
            _ => Err(
                wrong(path, "it is no OCI archive: oci-layout or index.json is missing").with_remedy(
                    "`skopeo copy docker-archive:x.tar oci-archive:y.tar` makes one of Docker's.",
                ),
            ),
        }
    }

    /// The one manifest for `arch`, if that is given, with its architecture.
    fn manifest(&self, arch: &str) -> Result<(Manifest, String), CliError> {
        let mut all = Vec::new();
        let mut indexes_left = INDEXES_MAX;
        self.collect(&self.index, INDEX_DEPTH_MAX, &mut indexes_left, &mut all)?;
        let arch_of = |descriptor: &Descriptor| {
            let platform = descriptor
                .platform
                .as_ref()
                .map(|platform| platform.architecture.as_str());
            platform.map(|oci| {
                let known = ARCHITECTURES.iter().find(|(word, _)| *word == oci);
                known.map_or_else(|| shown(oci), |(_, ipxe)| (*ipxe).to_owned())
            })
        };
        let fits = |descriptor: &&Descriptor| {
            let own = arch_of(descriptor);
            // "unknown" is what build tools call attestations
            own.as_deref() != Some("unknown") && (arch.is_empty() || own.is_none_or(|own| own == arch))
        };
        let fitting: Vec<&Descriptor> = all.iter().filter(fits).collect();
        match fitting.as_slice() {
            [one] => {
                let manifest: Manifest = self.document(one)?;
                if manifest.layers.len() > LAYERS_MAX {
                    return Err(wrong(
                        &self.path,
                        format_args!("it has more than {LAYERS_MAX} layers"),
                    ));
                }
                let known = arch_of(one).filter(|own| ARCHITECTURES.iter().any(|(_, ipxe)| ipxe == own));
                Ok((manifest, known.unwrap_or_default()))
            }
            several => {
                let has: Vec<String> = all.iter().filter_map(arch_of).collect();
                let text = format!(
                    "{}: {} of its manifests are for this image; one is needed",
                    self.path.display(),
                    several.len()
                );
                let remedy = format!("Choose with --arch; it has: {}", has.join(", "));
                Err(CliError::new(Kind::Usage, text).with_remedy(remedy))
            }
        }
    }

    /// Manifests of an index and of the indexes in it; so many of those may be read.
    fn collect(
        &self,
        index: &Index,
        depth: usize,
        indexes_left: &mut usize,
        all: &mut Vec<Descriptor>,
    ) -> Result<(), CliError> {
        for descriptor in &index.manifests {
            let is_index = ["index.v1+json", "manifest.list.v2+json"]
                .iter()
                .any(|kind| descriptor.media_type.ends_with(kind));
            if !is_index {
                all.push(descriptor.clone());
            } else if depth > 0 {
                let too_many = || wrong(&self.path, format_args!("it has more than {INDEXES_MAX} indexes"));
                *indexes_left = indexes_left.checked_sub(1).ok_or_else(too_many)?;
                let inner = self.document(descriptor)?;
                self.collect(&inner, depth - 1, indexes_left, all)?;
            }
            if all.len() > FOUND_MAX {
                return Err(wrong(
                    &self.path,
                    format_args!("it has more than {FOUND_MAX} manifests"),
                ));
            }
        }
        Ok(())
    }

    /// Blobs that are files of these titles. The title is a word to choose by; nothing is written under it.
    fn titled(&self, layers: &[Descriptor], choices: &Choices) -> Result<Vec<Found>, CliError> {
        let mut found = Vec::new();
        for layer in layers {
            let Some(title) = layer.annotations.get(TITLE).filter(|title| choices.admit(title)) else {
                continue;
            };
            if found.len() == FOUND_MAX {
                return Err(wrong(
                    &self.path,
                    format_args!("more than {FOUND_MAX} of its files may be parts"),
                ));
            }
            let (offset, size) = self.checked(layer)?;
            found.push(Found {
                name: title.clone(),
                bytes: Bytes {
                    path: self.path.clone(),
                    offset,
                    size: Some(size),
                },
            });
        }
        Ok(found)
    }

    /// Where a blob is, after its bytes were read and are those of its digest.
    ///
    /// # Errors
    /// It is missing, has another size, is cut or not what its digest says.
    pub(super) fn checked(&self, descriptor: &Descriptor) -> Result<(u64, u64), CliError> {
        let (name, offset, size) = self.located(descriptor)?;
        let mut rest = self.read_at(offset, size)?;
        let (mut context, mut piece, mut read) =
            (digest::Context::new(&digest::SHA256), vec![0; PIECE_BYTES], 0_u64);
        loop {
            match rest.read(&mut piece).map_err(|error| wrong(&self.path, error))? {
                0 => break,
                count => {
                    context.update(&piece[..count]);
                    read += count as u64;
                }
            }
        }
        if read < size {
            return Err(wrong(&self.path, format_args!("it ends within the blob {name}")));
        }
        if context.finish().as_ref() != name.0 {
            return Err(wrong(
                &self.path,
                format_args!("the blob {name} is not what its digest says"),
            ));
        }
        Ok((offset, size))
    }

    fn located(&self, descriptor: &Descriptor) -> Result<(Sha256, u64, u64), CliError> {
        let name = shown(&descriptor.digest);
        let sha256 = descriptor
            .digest
            .strip_prefix("sha256:")
            .map(str::parse::<Sha256>);
        let Some(Ok(sha256)) = sha256 else {
            return Err(wrong(
                &self.path,
                format_args!("{name} is no SHA-256 digest; no other is known"),
            ));
        };
        let Some((offset, size)) = self.blobs.get(&sha256) else {
            return Err(wrong(&self.path, format_args!("the blob {name} is missing")));
        };
        if *size != descriptor.size {
            let problem = format_args!("the blob {name} has {size} bytes instead of {}", descriptor.size);
            return Err(wrong(&self.path, problem));
        }
        Ok((sha256, *offset, *size))
    }

    /// The bytes from an offset on.
    pub(super) fn read_at(&self, offset: u64, size: u64) -> Result<impl Read + use<>, CliError> {
        let open = || -> std::io::Result<_> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(offset))?;
            Ok(file.take(size))
        };
        open().map_err(|error| wrong(&self.path, error))
    }

    /// An index or a manifest, checked by its digest.
    fn document<T: DeserializeOwned>(&self, descriptor: &Descriptor) -> Result<T, CliError> {
        if descriptor.size > DOCUMENT_BYTES_MAX {
            let problem = format_args!(
                "{} has {} bytes, which is no manifest",
                shown(&descriptor.digest),
                descriptor.size
            );
            return Err(wrong(&self.path, problem));
        }
        let (offset, size) = self.checked(descriptor)?;
        document(&self.path, &descriptor.digest, &mut self.read_at(offset, size)?)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// A document of JSON, up to its bound.
fn document<T: DeserializeOwned>(path: &Path, name: &str, bytes: &mut impl Read) -> Result<T, CliError> {
    let mut text = Vec::new();
    let read = bytes.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut text);
    let read = read.map_err(|error| wrong(path, error))?;
    if read as u64 > DOCUMENT_BYTES_MAX {
        return Err(wrong(
            path,
            format_args!("{} has more than {DOCUMENT_BYTES_MAX} bytes", shown(name)),
        ));
    }
    serde_json::from_slice(&text).map_err(|error| wrong(path, format_args!("{}: {error}", shown(name))))
}

/// A compressed archive has no offsets.
fn check_is_plain(path: &Path, file: &mut File) -> Result<(), CliError> {
    let mut magic = [0; 4];
    let read = file.read(&mut magic).and_then(|_| file.seek(SeekFrom::Start(0)));
    read.map_err(|error| wrong(path, error))?;
    if magic.starts_with(&layers::GZIP) || magic == layers::ZSTD {
        return Err(wrong(path, "it is compressed").with_remedy("Unpack it with gunzip or unzstd first."));
    }
    Ok(())
}

/// Something is wrong with the archive.
pub(super) fn wrong(path: &Path, problem: impl std::fmt::Display) -> CliError {
    CliError::new(Kind::Usage, format!("{}: {problem}", path.display()))
}

#[cfg(test)]
mod tests;
