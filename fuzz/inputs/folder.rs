//! A small folder of boot files, a loader, and what lies outside the folder: what `/files/` and `/loaders/` are asked
//! about, over the real look-up of crates/boot-files.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use boot_files::{BootFiles, Found, Options, Roster};
use bytes::Bytes;
use gateway::{AskedFile, FileSource, FoundFile, OpenedFile};
use raft::Store;
use tonic::Status;

/// Bytes of no file that may be served.
const SECRET: &[u8] = b"what is outside the folder";
/// All that may be served from the folder, by relative path.
const FILES: [(&str, &[u8]); 3] = [
    ("a", b"a kernel"),
    ("sub/b", b"an initial RAM disk"),
    ("empty", b""),
];
/// Names that begin so have their bytes on another member only.
const ELSEWHERE: &str = "far";
/// That member's HTTP port.
pub(crate) const OTHER_MEMBER: &str = "http://10.97.1.2:8081";
const LOADER: (&str, &[u8]) = ("snponly.efi", b"MZ a loader");

pub(crate) fn loaders() -> BTreeMap<String, Bytes> {
    BTreeMap::from([(LOADER.0.to_owned(), Bytes::from_static(LOADER.1))])
}

/// The folder's files; they must be made within the runtime.
pub(crate) fn boot_files(store: &Store) -> gateway::BootFiles {
    let folder = make().expect("the folder can be written");
    let alone = || Roster {
        own_is_voter: true,
        others: Vec::new(),
    };
    let files = BootFiles::open(&folder, 1, store.clone(), Arc::new(alone), Options::leaving(0))
        .expect("the folder can be opened");
    gateway::BootFiles {
        prefix: "/files/".to_owned(),
        source: Arc::new(Source(files)),
    }
}

/// Whether `body` is the whole of something that may be served.
pub(crate) fn is_served(body: &[u8]) -> bool {
    served().any(|content| content == body)
}

/// Whether `body` is that part, `bytes FIRST-LAST/SIZE`, of something that may be served.
pub(crate) fn is_served_part(part: &str, body: &[u8]) -> bool {
    let numbers: Vec<usize> = part
        .split([' ', '-', '/'])
        .filter_map(|number| number.parse().ok())
        .collect();
    let [first, last, size] = numbers[..] else {
        return false;
    };
    served().any(|content| content.len() == size && content.get(first..=last) == Some(body))
}

fn served() -> impl Iterator<Item = &'static [u8]> {
    FILES.iter().map(|(_, content)| *content).chain([LOADER.1])
}

/// The files, a secret beside their folder, and a link to it from the inside.
fn make() -> std::io::Result<PathBuf> {
    // tests are given a folder for this, fuzz targets are not
    let target = option_env!("CARGO_TARGET_TMPDIR").unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/target"));
    let around = Path::new(target).join("node-http");
    let folder = around.join("files");
    std::fs::create_dir_all(folder.join("sub"))?;
    std::fs::write(around.join("secret"), SECRET)?;
    for (name, content) in FILES {
        std::fs::write(folder.join(name), content)?;
    }
    for (link, to) in [("out", "../secret"), ("absolute", "/etc/hostname"), ("up", "..")] {
        match symlink(to, folder.join(link)) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(folder)
}

struct Source(BootFiles);

impl FileSource for Source {
    fn find<'a>(
        &'a self,
        asked: AskedFile<'a>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<FoundFile, Status>> + Send + 'a>> {
        Box::pin(async move {
            if asked.name.starts_with(ELSEWHERE) && !asked.is_redirected {
                return Ok(FoundFile::At(OTHER_MEMBER.to_owned()));
            }
            match self.0.find(asked.name).await? {
                Found::Here(opened) => Ok(FoundFile::Here(OpenedFile {
                    file: opened.file,
                    meta: opened.meta,
                    sha256: opened.sha256.map(|sha256| sha256.0),
                    version: opened.version,
                })),
                Found::At(_) => Err(boot_files::elsewhere(asked.name).into()),
            }
        })
    }
}
