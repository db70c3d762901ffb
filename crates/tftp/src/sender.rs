//! The sending side of one transfer, without a socket or a clock: which block goes next, and what an
//! acknowledgement means (RFC 1350; windows as RFC 7440). Block numbers are 16 bits on the wire and roll over
//! to 0, so files above 32 MB at 512 bytes work with every client that does the same.

use bytes::Bytes;

/// What an acknowledgement brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// A repetition, or a block never sent. Not answered: else each delay would double the traffic for the
    /// rest of the transfer (the "sorcerer's apprentice" of RFC 1123 section 4.2.3.1).
    Nothing,
    /// There is more to send.
    Advanced,
    /// The last block has arrived.
    Done,
}

/// A file on its way, cut into blocks that are numbered from 1.
#[derive(Debug)]
pub(crate) struct Sender {
    data: Bytes,
    blksize: usize,
    window: u64,
    /// Blocks in all; the last one is shorter than `blksize`, if need be empty.
    blocks: u64,
    /// Blocks the client has.
    acked: u64,
    /// Blocks sent since the last rewind, counted from the start of the file.
    sent: u64,
}

impl Sender {
    /// Begins with block 1. `blksize` and `window` are at least 1, as `Granted` makes them.
    pub(crate) fn new(data: Bytes, blksize: usize, window: u64) -> Sender {
        let blocks = (data.len() / blksize) as u64 + 1;
        Sender {
            data,
            blksize,
            window,
            blocks,
            acked: 0,
            sent: 0,
        }
    }

    /// Goes on behind block `acked`, which the client has; `None` if there is nothing behind it.
    pub(crate) fn behind(data: Bytes, blksize: usize, acked: u16) -> Option<Sender> {
        let mut sender = Sender::new(data, blksize, 1);
        (sender.acked, sender.sent) = (acked.into(), acked.into());
        (sender.acked < sender.blocks).then_some(sender)
    }

    /// The whole file.
    pub(crate) fn file(&self) -> &Bytes {
        &self.data
    }

    /// The next block that may be sent now, with its number on the wire; `None` until an acknowledgement
    /// opens the window.
    pub(crate) fn next_block(&mut self) -> Option<(u16, &[u8])> {
        if self.sent == self.blocks || self.sent == self.acked + self.window {
            return None;
        }
        let start = self.sent as usize * self.blksize;
        let end = (start + self.blksize).min(self.data.len());
        self.sent += 1;
        Some((self.sent as u16, &self.data[start..end]))
    }

    /// Takes an acknowledgement. One in the middle of a window says that the blocks after it are lost: they
    /// are sent again.
    pub(crate) fn acknowledge(&mut self, block: u16) -> Progress {
        let ahead = u64::from(block.wrapping_sub(self.acked as u16));
        if ahead == 0 || ahead > self.sent - self.acked {
            return Progress::Nothing;
        }
        self.acked += ahead;
        self.sent = self.acked;
        if self.acked == self.blocks {
            Progress::Done
        } else {
            Progress::Advanced
        }
    }

    /// After a time-out: everything unacknowledged is due again.
    pub(crate) fn rewind(&mut self) {
        self.sent = self.acked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sender(len: usize, blksize: usize, window: u64) -> Sender {
        let data: Vec<u8> = (0..len).map(|n| n as u8).collect();
        Sender::new(data.into(), blksize, window)
    }

    fn burst(sender: &mut Sender) -> Vec<(u16, usize)> {
        std::iter::from_fn(|| sender.next_block().map(|(n, data)| (n, data.len()))).collect()
    }

    #[test]
    fn a_file_ends_with_a_short_block() {
        let mut sender = sender(1025, 512, 1);
        assert_eq!(burst(&mut sender), [(1, 512)]);
        assert_eq!(sender.acknowledge(1), Progress::Advanced);
        assert_eq!(burst(&mut sender), [(2, 512)]);
        assert_eq!(sender.acknowledge(2), Progress::Advanced);
        assert_eq!(burst(&mut sender), [(3, 1)]);
        assert_eq!(sender.acknowledge(3), Progress::Done);
    }

    /// Without the empty block the client would wait for more.
    #[test]
    fn a_file_of_whole_blocks_ends_with_an_empty_one() {
        let mut whole = sender(512, 512, 4);
        assert_eq!(burst(&mut whole), [(1, 512), (2, 0)]);
        assert_eq!(whole.acknowledge(2), Progress::Done);
        let mut empty = sender(0, 512, 1);
        assert_eq!(burst(&mut empty), [(1, 0)]);
        assert_eq!(empty.acknowledge(1), Progress::Done);
    }

    #[test]
    fn a_repeated_acknowledgement_sends_nothing_again() {
        let mut sender = sender(2000, 512, 1);
        burst(&mut sender);
        sender.acknowledge(1);
        burst(&mut sender);
        assert_eq!(sender.acknowledge(1), Progress::Nothing);
        assert_eq!(burst(&mut sender), []);
    }

    #[test]
    fn an_acknowledgement_of_a_block_never_sent_is_ignored() {
        let mut sender = sender(100_000, 512, 4);
        burst(&mut sender);
        assert_eq!(sender.acknowledge(5), Progress::Nothing);
        assert_eq!(sender.acknowledge(65_535), Progress::Nothing);
        assert_eq!(sender.acknowledge(4), Progress::Advanced);
    }

    #[test]
    fn a_loss_within_a_window_goes_on_after_the_last_block_that_arrived() {
        let mut sender = sender(100_000, 512, 4);
        assert_eq!(burst(&mut sender).len(), 4);
        assert_eq!(sender.acknowledge(2), Progress::Advanced);
        assert_eq!(burst(&mut sender), [(3, 512), (4, 512), (5, 512), (6, 512)]);
    }

    #[test]
    fn a_time_out_sends_the_window_again() {
        let mut sender = sender(100_000, 512, 2);
        assert_eq!(burst(&mut sender), [(1, 512), (2, 512)]);
        sender.rewind();
        assert_eq!(burst(&mut sender), [(1, 512), (2, 512)]);
    }

    #[test]
    fn block_numbers_roll_over_to_zero() {
        let mut sender = sender(8 * 66_000, 8, 16);
        let mut numbers = Vec::new();
        loop {
            numbers.extend(burst(&mut sender).into_iter().map(|(n, _)| n));
            if sender.acknowledge(*numbers.last().unwrap()) == Progress::Done {
                break;
            }
        }
        assert_eq!(numbers.len(), 66_001);
        assert_eq!(numbers[65_534..65_537], [65_535, 0, 1]);
    }

    proptest! {
        /// A client that takes blocks in order only, over a channel that loses, repeats and times out, ends
        /// up with the file.
        #[test]
        fn any_losses_end_in_the_same_bytes(
            len in 0usize..3000, blksize in 8usize..200, window in 1u64..17,
            fates in proptest::collection::vec(0u8..6, 1..400),
        ) {
            let mut sender = sender(len, blksize, window);
            let lossless = !fates.contains(&0) && !fates.contains(&1);
            let (mut got, mut have, mut done, mut fates) = (Vec::new(), 0u16, false, fates.into_iter().cycle());
            for _ in 0..20_000 {
                while let Some((number, block)) = sender.next_block() {
                    let fate = fates.next().unwrap();
                    if fate != 0 && number == have.wrapping_add(1) {
                        got.extend_from_slice(block);
                        have = number;
                    }
                }
                match fates.next().unwrap() {
                    0 => sender.rewind(),
                    1 => drop(sender.acknowledge(have.wrapping_sub(1))),
                    _ => match sender.acknowledge(have) {
                        Progress::Done => { done = true; break }
                        Progress::Advanced => {}
                        Progress::Nothing => sender.rewind(),
                    },
                }
            }
            let expected: Vec<u8> = (0..len).map(|n| n as u8).collect();
            prop_assert!(expected.starts_with(&got));
            prop_assert!(done || !lossless);
            if done { prop_assert_eq!(got, expected); }
        }
    }

    #[test]
    fn a_file_is_carried_on_behind_the_block_that_the_client_has() {
        let data = Bytes::from_iter(0..250_u8);
        let mut sender = Sender::behind(data.clone(), 100, 1).unwrap();
        assert_eq!(sender.next_block(), Some((2, &data[100..200])));
        assert_eq!(sender.next_block(), None, "one at a time");
        assert_eq!(sender.acknowledge(2), Progress::Advanced);
        assert_eq!(sender.next_block(), Some((3, &data[200..])));
        assert_eq!(sender.acknowledge(3), Progress::Done);
    }

    #[test]
    fn behind_the_last_block_and_beyond_it_is_nothing() {
        let data = Bytes::from_iter(0..250_u8);
        assert!(Sender::behind(data.clone(), 100, 2).is_some());
        assert!(Sender::behind(data.clone(), 100, 3).is_none());
        assert!(Sender::behind(data, 100, 60_000).is_none());
    }
}
