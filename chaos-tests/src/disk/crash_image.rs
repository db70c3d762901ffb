//! Every disk content that a power cut may leave behind.
//!
//! Up to the cut, all that a sync covers is kept. Of the rest any part may be: each sector on its
//! own (in the order of its writes), a file's growth in order, each change of a name on its own.
//! Directories themselves are taken for durable.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::operation::{FileId, Operation};
use crate::dice::Dice;

/// The files of a disk, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Content by path.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Image {
    /// The files below `root`, which may not hold anything else.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read_below(root: &Path) -> std::io::Result<Image> {
        let mut image = Image::default();
        let mut dirs = vec![root.to_path_buf()];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir)? {
                let path = entry?.path();
                if path.is_dir() {
                    dirs.push(path);
                } else if let Ok(name) = path.strip_prefix(root) {
                    image.files.insert(name.to_path_buf(), std::fs::read(&path)?);
                }
            }
        }
        Ok(image)
    }

    /// Writes the image below `root`, for programs that bring their own I/O.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_below(&self, root: &Path) -> std::io::Result<()> {
        for (path, bytes) in &self.files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(root))?;
            std::fs::write(path, bytes)?;
        }
        Ok(())
    }
}

/// How the unsynced part is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of it is gone.
    Everything,
    /// The disk kept the order: a prefix is there, its last write perhaps torn at any byte.
    Suffix,
    /// Any sectors of this many bytes below the synced length; growth in order.
    Sectors(usize),
    /// Any sectors, grown parts too: what is missing there reads as zeros.
    SectorsAnywhere(usize),
}

impl Loss {
    /// One of them.
    pub fn choose(dice: &mut Dice) -> Loss {
        let sector = if dice.chance(50) { 512 } else { 4096 };
        match dice.below(10) {
            0 => Loss::Everything,
            1..=3 => Loss::Suffix,
            4..=6 => Loss::Sectors(sector),
            _ => Loss::SectorsAnywhere(sector),
        }
    }
}

/// The disk after a power cut behind the `operations`, which began on the durable `start`. Files of
/// `start` are numbered from 1 in the order of their paths.
pub fn after_power_cut(start: &Image, operations: &[Operation], loss: Loss, dice: &mut Dice) -> Image {
    let mut disk = DurableAndPending::new(start);
    for operation in operations {
        disk.take(operation);
    }
    disk.lose(loss, dice)
}

#[derive(Default)]
struct DurableFile {
    bytes: Vec<u8>,
    pending: Vec<Operation>,
}

struct DurableAndPending {
    files: HashMap<FileId, DurableFile>,
    names: BTreeMap<PathBuf, FileId>,
    /// Names as the process sees them: a rename moves what is there.
    seen: BTreeMap<PathBuf, FileId>,
    /// Changes of names that no directory sync covers, with the file they are about.
    pending_names: Vec<(Operation, Option<FileId>)>,
    /// The order among all pending operations, for [`Loss::Suffix`].
    order: Vec<Pending>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pending {
    File(FileId),
    Name,
}

impl DurableAndPending {
    fn new(start: &Image) -> DurableAndPending {
        let names: BTreeMap<PathBuf, FileId> = start
            .files
            .keys()
            .zip(1..)
            .map(|(path, file)| (path.clone(), file))
            .collect();
        let file = |bytes: &Vec<u8>| DurableFile {
            bytes: bytes.clone(),
            pending: Vec::new(),
        };
        let files = start
            .files
            .values()
            .zip(1..)
            .map(|(bytes, id)| (id, file(bytes)))
            .collect();
        DurableAndPending {
            files,
            seen: names.clone(),
            names,
            pending_names: Vec::new(),
            order: Vec::new(),
        }
    }

    fn take(&mut self, operation: &Operation) {
        match operation {
            Operation::Write { file, .. } | Operation::SetLength { file, .. } => {
                self.files
                    .entry(*file)
                    .or_default()
                    .pending
                    .push(operation.clone());
                self.order.push(Pending::File(*file));
            }
            Operation::SyncFile { file } => {
                let synced = self.files.entry(*file).or_default();
                for operation in std::mem::take(&mut synced.pending) {
                    apply(&mut synced.bytes, &operation, usize::MAX);
                }
                self.order.retain(|pending| *pending != Pending::File(*file));
            }
            Operation::FailedSync { file } => {
                self.files.entry(*file).or_default().pending.clear();
                self.order.retain(|pending| *pending != Pending::File(*file));
            }
            Operation::Create { .. } | Operation::Rename { .. } | Operation::Unlink { .. } => {
                let subject = rename(&mut self.seen, operation, None);
                self.pending_names.push((operation.clone(), subject));
                self.order.push(Pending::Name);
            }
            Operation::SyncDir { dir } => self.sync_names(dir),
            Operation::Issued(_) | Operation::Acknowledged(_) => {}
        }
    }

    fn sync_names(&mut self, dir: &Path) {
        let (synced, rest) = std::mem::take(&mut self.pending_names)
            .into_iter()
            .partition(|(operation, _)| operation.changed_dir() == Some(dir));
        self.pending_names = rest;
        let synced: Vec<(Operation, Option<FileId>)> = synced;
        for (operation, subject) in synced {
            rename(&mut self.names, &operation, subject);
        }
        // names are rare: their place in the order is forgotten and given again behind the rest
        self.order.retain(|pending| *pending != Pending::Name);
        self.order
            .extend(self.pending_names.iter().map(|_| Pending::Name));
    }

    fn lose(mut self, loss: Loss, dice: &mut Dice) -> Image {
        match loss {
            Loss::Everything => {}
            Loss::Suffix => self.keep_prefix(dice),
            Loss::Sectors(sector) => self.keep_sectors(sector, false, dice),
            Loss::SectorsAnywhere(sector) => self.keep_sectors(sector, true, dice),
        }
        let files = self.names.iter().map(|(path, file)| {
            let bytes = self
                .files
                .get(file)
                .map(|file| file.bytes.clone())
                .unwrap_or_default();
            (path.clone(), bytes)
        });
        Image {
            files: files.collect(),
        }
    }

    fn keep_prefix(&mut self, dice: &mut Dice) {
        let kept = dice.place(self.order.len() + 1);
        let mut names = std::mem::take(&mut self.pending_names).into_iter();
        let mut taken: HashMap<FileId, usize> = HashMap::new();
        for (position, pending) in self.order[..kept].iter().enumerate() {
            match pending {
                Pending::Name => {
                    if let Some((operation, subject)) = names.next() {
                        rename(&mut self.names, &operation, subject);
                    }
                }
                Pending::File(id) => {
                    let file = self.files.entry(*id).or_default();
                    let next = taken.entry(*id).or_default();
                    let torn = position + 1 == kept && dice.chance(50);
                    let length = if torn {
                        dice.place(length_of(&file.pending[*next]) + 1)
                    } else {
                        usize::MAX
                    };
                    apply(&mut file.bytes, &file.pending[*next], length);
                    *next += 1;
                }
            }
        }
    }

    fn keep_sectors(&mut self, sector: usize, anywhere: bool, dice: &mut Dice) {
        let mut ids: Vec<FileId> = self.files.keys().copied().collect();
        ids.sort_unstable(); // the same seed, the same image
        for id in ids {
            if let Some(file) = self.files.get_mut(&id).filter(|file| !file.pending.is_empty()) {
                file.bytes = some_sectors(file, sector, anywhere, dice);
            }
        }
        for (operation, subject) in std::mem::take(&mut self.pending_names) {
            if dice.chance(50) {
                rename(&mut self.names, &operation, subject);
            }
        }
    }
}

/// One of the contents a file can have when each sector stopped somewhere in its own history.
fn some_sectors(file: &DurableFile, sector: usize, anywhere: bool, dice: &mut Dice) -> Vec<u8> {
    let count = file.pending.len();
    let grown = dice.place(count + 1); // the length is that after so many operations
    let mut length = file.bytes.clone();
    for operation in &file.pending[..grown] {
        apply(&mut length, operation, usize::MAX);
    }
    let mut image = file.bytes.clone();
    image.resize(length.len(), 0);
    let kept_percent = [10, 50, 90][dice.place(3)];
    for (number, part) in image.chunks_mut(sector).enumerate() {
        let start = number * sector;
        let in_place = start < file.bytes.len() || anywhere;
        let until = match in_place {
            true if dice.chance(kept_percent) => count - dice.place(2).min(count),
            true => dice.place(count + 1),
            false => grown,
        };
        for operation in &file.pending[..until] {
            apply_to_part(part, start, operation);
        }
    }
    image
}

fn length_of(operation: &Operation) -> usize {
    match operation {
        Operation::Write { data, .. } => data.len(),
        _ => 0,
    }
}

/// Applies a write, or its first `at_most` bytes, or a new length.
pub(super) fn apply(bytes: &mut Vec<u8>, operation: &Operation, at_most: usize) {
    match operation {
        Operation::Write { offset, data, .. } => {
            let data = &data[..data.len().min(at_most)];
            let end = *offset as usize + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset as usize..end].copy_from_slice(data);
        }
        Operation::SetLength { length, .. } => bytes.resize(*length as usize, 0),
        _ => {}
    }
}

/// Applies to the sector that begins at byte `start` what falls into it.
fn apply_to_part(part: &mut [u8], start: usize, operation: &Operation) {
    match operation {
        Operation::Write { offset, data, .. } => {
            let offset = *offset as usize;
            let (from, to) = (offset.max(start), (offset + data.len()).min(start + part.len()));
            if from < to {
                part[from - start..to - start].copy_from_slice(&data[from - offset..to - offset]);
            }
        }
        Operation::SetLength { length, .. } => {
            let cut = (*length as usize).clamp(start, start + part.len());
            part[cut - start..].fill(0);
        }
        _ => {}
    }
}

/// Applies a change of names. `subject` is the file that a rename moved when it was made; it is
/// looked up, and returned, when not given.
pub(super) fn rename(
    names: &mut BTreeMap<PathBuf, FileId>,
    operation: &Operation,
    subject: Option<FileId>,
) -> Option<FileId> {
    match operation {
        Operation::Create { path, file } => {
            names.insert(path.clone(), *file);
            Some(*file)
        }
        Operation::Rename { from, to } => {
            let moved = subject.or_else(|| names.get(from).copied());
            names.remove(from);
            if let Some(moved) = moved {
                names.insert(to.clone(), moved);
            }
            moved
        }
        Operation::Unlink { path } => {
            // a later file of the same name, made durable before, is not the one removed here
            let gone = names
                .get(path)
                .copied()
                .filter(|found| subject.is_none_or(|subject| subject == *found));
            if gone.is_some() {
                names.remove(path);
            }
            gone
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn path(name: &str) -> PathBuf {
        Path::new("/dir").join(name)
    }

    fn create(name: &str, file: FileId) -> Operation {
        Operation::Create {
            path: path(name),
            file,
        }
    }

    fn write(file: FileId, offset: u64, byte: u8, length: usize) -> Operation {
        Operation::Write {
            file,
            offset,
            data: vec![byte; length],
        }
    }

    fn sync_dir() -> Operation {
        Operation::SyncDir { dir: "/dir".into() }
    }

    /// All different images of one moment, over many throws.
    fn images(start: &Image, operations: &[Operation]) -> BTreeSet<Vec<(PathBuf, Vec<u8>)>> {
        let mut dice = Dice::new(1);
        let image = |_| {
            let loss = Loss::choose(&mut dice);
            after_power_cut(start, operations, loss, &mut dice)
                .files
                .into_iter()
                .collect()
        };
        (0..400).map(image).collect()
    }

    fn start_with(bytes: Vec<u8>) -> Image {
        Image {
            files: [(path("a"), bytes)].into(),
        }
    }

    #[test]
    fn what_is_synced_is_always_there() {
        let synced = Operation::SyncFile { file: 1 };
        let found = images(
            &Image::default(),
            &[create("a", 1), write(1, 0, 7, 3000), synced, sync_dir()],
        );
        assert_eq!(found, [vec![(path("a"), vec![7; 3000])]].into());
    }

    /// Without a sync of the directory the file may be nameless, without its own it may have no bytes.
    #[test]
    fn a_name_and_its_bytes_are_lost_independently() {
        let found = images(&Image::default(), &[create("a", 1), write(1, 0, 7, 512)]);
        for expected in [vec![], vec![(path("a"), vec![])], vec![(path("a"), vec![7; 512])]] {
            assert!(found.contains(&expected), "{expected:?} of {}", found.len());
        }
        assert!(
            found.iter().flatten().any(|(_, bytes)| bytes.len() % 512 != 0),
            "a write torn at any byte"
        );
    }

    /// Every combination of the four sectors of an overwritten file, and nothing else in a sector.
    #[test]
    fn overwritten_sectors_are_lost_one_by_one() {
        let found = images(&start_with(vec![1; 2048]), &[write(1, 0, 2, 2048)]);
        let mut combinations = BTreeSet::new();
        for image in &found {
            let sectors: Vec<u8> = image[0].1.chunks(512).map(|sector| sector[0]).collect();
            if image[0]
                .1
                .chunks(512)
                .all(|sector| sector.iter().all(|byte| *byte == sector[0]))
            {
                combinations.insert(sectors);
            }
        }
        assert_eq!(combinations.len(), 16, "{combinations:?}");
    }

    /// A sector keeps its own order: the second write of it never without the first.
    #[test]
    fn a_later_write_never_comes_without_an_earlier_one_of_the_same_sector() {
        let found = images(
            &start_with(vec![1; 512]),
            &[write(1, 0, 2, 100), write(1, 100, 3, 100)],
        );
        assert!(
            found
                .iter()
                .all(|image| image[0].1[150] != 3 || image[0].1[50] == 2)
        );
        assert!(found.len() > 2);
    }

    #[test]
    fn a_failed_sync_loses_what_it_was_asked_to_keep() {
        let failed = Operation::FailedSync { file: 1 };
        let found = images(&start_with(vec![1; 512]), &[write(1, 0, 2, 512), failed]);
        assert_eq!(found, [vec![(path("a"), vec![1; 512])]].into());
    }

    #[test]
    fn a_removal_and_a_rename_are_undone_or_done() {
        let unlinked = images(&start_with(vec![1]), &[Operation::Unlink { path: path("a") }]);
        assert_eq!(unlinked, [vec![], vec![(path("a"), vec![1])]].into());
        let rename = Operation::Rename {
            from: path("a"),
            to: path("b"),
        };
        let renamed = images(&start_with(vec![1]), std::slice::from_ref(&rename));
        assert_eq!(
            renamed,
            [vec![(path("b"), vec![1])], vec![(path("a"), vec![1])]].into()
        );
        let synced = images(&start_with(vec![1]), &[rename, sync_dir()]);
        assert_eq!(synced, [vec![(path("b"), vec![1])]].into());
    }
}
