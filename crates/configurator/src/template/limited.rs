//! Where a file is written to, as long as it is not too long.

use std::io::{Error, Write};

/// Bytes up to a bound.
pub(super) struct Limited {
    bytes: Vec<u8>,
    bytes_max: usize,
    is_full: bool,
}

impl Limited {
    pub(super) fn new(bytes_max: usize) -> Limited {
        Limited {
            bytes: Vec::new(),
            bytes_max,
            is_full: false,
        }
    }

    /// Whether there was more.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Write for Limited {
    fn write(&mut self, more: &[u8]) -> Result<usize, Error> {
        if self.bytes.len() + more.len() > self.bytes_max {
            self.is_full = true;
            return Err(Error::other("the file is too long"));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_full_with_the_first_byte_beyond() {
        let mut limited = Limited::new(3);
        limited.write_all(b"abc").unwrap();
        assert!(!limited.is_full());
        assert!(limited.write_all(b"d").is_err() && limited.is_full());
        assert_eq!(limited.into_bytes(), b"abc");
    }
}
