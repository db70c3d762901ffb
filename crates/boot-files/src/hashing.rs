//! Computing a SHA-256 along the way.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use aws_lc_rs::digest;
use model::Sha256;

/// Bytes read at a time.
const PIECE_BYTES: usize = 1 << 20;
/// Pause after each of them: this member's log may be on the same disk.
const LEISURE: Duration = Duration::from_millis(1);

/// A SHA-256 of what has been seen so far.
pub(crate) struct Hashing(digest::Context);

impl Hashing {
    pub(crate) fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Sha256 {
        let digest = self.0.finish();
        Sha256(digest.as_ref().try_into().expect("a SHA-256 has 32 bytes"))
    }
}

/// The SHA-256 of the first `size` bytes of a file, with pauses: whoever asks has time.
///
/// # Errors
/// It cannot be read, or is shorter.
pub(crate) fn of_file(file: &File, size: u64) -> io::Result<Sha256> {
    let (mut hashing, mut piece, mut at) = (Hashing::new(), vec![0; PIECE_BYTES], 0);
    while at < size {
        let count = usize::try_from(size - at).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        file.read_exact_at(&mut piece[..count], at)?;
        hashing.update(&piece[..count]);
        at += count as u64;
        std::thread::sleep(LEISURE);
    }
    Ok(hashing.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2: the digests of "abc" and of a million times "a".
    #[test]
    fn digests_are_those_of_the_standard() {
        let dir = tempfile::tempdir().unwrap();
        let file = |content: &[u8]| {
            let path = dir.path().join("x");
            std::fs::write(&path, content).unwrap();
            File::open(path).unwrap()
        };
        let abc = of_file(&file(b"abc"), 3).unwrap().to_string();
        assert_eq!(
            abc,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let million = of_file(&file(&vec![b'a'; 1_000_000]), 1_000_000)
            .unwrap()
            .to_string();
        assert_eq!(
            million,
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        );
        let long = vec![7; 2 * PIECE_BYTES + 5];
        let mut hashing = Hashing::new();
        long.chunks(999).for_each(|part| hashing.update(part));
        assert_eq!(
            of_file(&file(&long), long.len() as u64).unwrap(),
            hashing.finish()
        );
        assert!(
            of_file(&file(b"abc"), 4).is_err(),
            "shorter than it was said to be"
        );
    }
}
