//! Negotiation: what the client asked for, what it gets (RFC 2348, 2349, 7440). Pure.

use std::time::Duration;

/// Block size without the option, bytes (RFC 1350).
const BLKSIZE_DEFAULT: u16 = 512;
/// Smallest block size of RFC 2348.
const BLKSIZE_MIN: u64 = 8;
/// Largest block that fits an Ethernet frame without fragments: 1500 − 20 (IP) − 8 (UDP) − 4 (TFTP).
pub(crate) const BLKSIZE_MAX: u64 = 1468;
/// Most blocks in flight; more brings nothing on a LAN and overflows the buffers of ROMs.
pub(crate) const WINDOWSIZE_MAX: u64 = 16;
/// Wait before a retransmission when the client does not say.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(1);
/// Longest wait a client may ask for, seconds; RFC 2349 allows 255, which would hold a slot for minutes.
const TIMEOUT_MAX_S: u64 = 10;

/// The options of a request, as far as this server knows them; a value out of its RFC's range is as if absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Bytes a block.
    pub(crate) blksize: Option<u64>,
    /// Whether the size of the file is asked for.
    pub(crate) tsize: bool,
    /// Seconds before a retransmission.
    pub(crate) timeout_s: Option<u64>,
    /// Blocks sent before an acknowledgement.
    pub(crate) windowsize: Option<u64>,
}

impl Wanted {
    /// Takes note of one option; unknown ones are ignored, as RFC 2347 says.
    pub(crate) fn note(&mut self, key: &str, value: &str) {
        let number = value.parse::<u64>().ok();
        let within = |min: u64, max: u64| number.filter(|n| (min..=max).contains(n));
        if key.eq_ignore_ascii_case("blksize") {
            self.blksize = within(BLKSIZE_MIN, 65_464);
        } else if key.eq_ignore_ascii_case("tsize") {
            self.tsize = number.is_some();
        } else if key.eq_ignore_ascii_case("timeout") {
            self.timeout_s = within(1, 255);
        } else if key.eq_ignore_ascii_case("windowsize") {
            self.windowsize = within(1, 65_535);
        }
    }

    /// What the client gets of it for a file of `size` bytes.
    pub(crate) fn grant(self, size: u64) -> Granted {
        let blksize = self.blksize.map(|n| n.min(BLKSIZE_MAX));
        let windowsize = self.windowsize.map(|n| n.min(WINDOWSIZE_MAX));
        // RFC 2349: the server repeats the time-out or leaves it out; it may not change it.
        let timeout_s = self.timeout_s.filter(|&n| n <= TIMEOUT_MAX_S);
        Granted {
            blksize,
            windowsize,
            timeout_s,
            tsize: self.tsize.then_some(size),
        }
    }
}

/// The options that go into the OACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    blksize: Option<u64>,
    tsize: Option<u64>,
    timeout_s: Option<u64>,
    windowsize: Option<u64>,
}

impl Granted {
    /// The same, one block at a time.
    pub(crate) fn without_window(self) -> Granted {
        Granted {
            windowsize: None,
            ..self
        }
    }

    /// What a transfer has that another member began: its OACK is long sent.
    pub(crate) fn carried_on(blksize: usize) -> Granted {
        Granted {
            blksize: Some(blksize as u64),
            tsize: None,
            timeout_s: None,
            windowsize: None,
        }
    }

    /// Bytes a block.
    pub(crate) fn blksize(&self) -> usize {
        self.blksize.map_or(usize::from(BLKSIZE_DEFAULT), |n| n as usize)
    }

    /// Blocks sent before an acknowledgement.
    pub(crate) fn windowsize(&self) -> u64 {
        self.windowsize.unwrap_or(1)
    }

    /// Wait before a retransmission.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout_s.map_or(TIMEOUT_DEFAULT, Duration::from_secs)
    }

    /// The options by name; none: no OACK is sent and the transfer begins with data.
    pub(crate) fn each(self) -> impl Iterator<Item = (&'static str, u64)> {
        let named = [
            ("tsize", self.tsize),
            ("blksize", self.blksize),
            ("timeout", self.timeout_s),
            ("windowsize", self.windowsize),
        ];
        named.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(options: &[(&str, &str)]) -> Wanted {
        let mut wanted = Wanted::default();
        for (key, value) in options {
            wanted.note(key, value);
        }
        wanted
    }

    #[test]
    fn without_options_nothing_is_granted_and_the_defaults_hold() {
        let granted = Wanted::default().grant(7);
        assert_eq!(granted.each().count(), 0);
        assert_eq!((granted.blksize(), granted.windowsize()), (512, 1));
        assert_eq!(granted.timeout(), Duration::from_secs(1));
    }

    #[test]
    fn large_blocks_and_windows_are_clamped_to_what_fits_an_ethernet() {
        let granted = wanted(&[("BLKSIZE", "65464"), ("windowsize", "64"), ("tsize", "0")]).grant(74_213);
        let options: Vec<_> = granted.each().collect();
        assert_eq!(
            options,
            [("tsize", 74_213), ("blksize", 1468), ("windowsize", 16)]
        );
    }

    #[test]
    fn small_legal_values_are_granted_as_they_are() {
        let granted = wanted(&[("blksize", "8"), ("windowsize", "1"), ("timeout", "3")]).grant(0);
        assert_eq!((granted.blksize(), granted.windowsize()), (8, 1));
        assert_eq!(granted.timeout(), Duration::from_secs(3));
    }

    /// A block size of 0 would never end, one of 7 is below the RFC; rubbish is ignored like an unknown option.
    #[test]
    fn values_out_of_range_are_as_if_not_asked_for() {
        let odd = [
            ("blksize", "0"),
            ("blksize", "7"),
            ("blksize", "-1"),
            ("blksize", "x"),
            ("windowsize", "0"),
        ];
        for (key, value) in odd {
            let granted = wanted(&[(key, value)]).grant(1);
            assert_eq!(granted.each().count(), 0, "{key}={value}");
        }
        assert_eq!(
            wanted(&[("timeout", "255")]).grant(1).each().count(),
            0,
            "a slot is not held for minutes"
        );
        assert_eq!(wanted(&[("multicast", "")]).grant(1).each().count(), 0);
    }
}
