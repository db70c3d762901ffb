//! Boot files of the size that makes a transfer last: what a member's death can interrupt.

use std::path::Path;

use lab::FileDigest;

use crate::error::CliError;

/// Names under `/files/`.
pub(crate) const KERNEL: &str = "vmlinuz";
pub(crate) const INITRD: &str = "initrd";
/// Bytes of each file.
pub(crate) const FILE_BYTES: usize = 1 << 20;

/// Different content, so that one is never taken for the other.
const KERNEL_SEED: u32 = 1;
const INITRD_SEED: u32 = 2;

/// What every node must get as its kernel.
pub(crate) fn kernel() -> FileDigest {
    FileDigest::of(&content(KERNEL_SEED))
}

/// What every node must get as its initial RAM disk.
pub(crate) fn initrd() -> FileDigest {
    FileDigest::of(&content(INITRD_SEED))
}

/// Writes kernel and initial RAM disk into a member's boot files directory.
pub(crate) fn write(dir: &Path) -> Result<(), CliError> {
    std::fs::create_dir_all(dir).map_err(|e| CliError::other("cannot make the boot files", e))?;
    for (name, seed) in [(KERNEL, KERNEL_SEED), (INITRD, INITRD_SEED)] {
        std::fs::write(dir.join(name), content(seed))
            .map_err(|e| CliError::other("cannot make the boot files", e))?;
    }
    Ok(())
}

/// Bytes that differ between files and along the file (a 32-bit xorshift), so that a wrong range shows.
fn content(seed: u32) -> Vec<u8> {
    let mut word = 0x9E37_79B9 ^ seed;
    let mut bytes = Vec::with_capacity(FILE_BYTES);
    while bytes.len() < FILE_BYTES {
        word ^= word << 13;
        word ^= word >> 17;
        word ^= word << 5;
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_have_a_mebibyte_and_differ() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path()).unwrap();
        let read = |name| std::fs::read(dir.path().join(name)).unwrap();
        assert_eq!((read(KERNEL).len(), read(INITRD).len()), (FILE_BYTES, FILE_BYTES));
        assert_ne!(read(KERNEL), read(INITRD));
        assert_eq!(
            (FileDigest::of(&read(KERNEL)), FileDigest::of(&read(INITRD))),
            (kernel(), initrd())
        );
    }
}
