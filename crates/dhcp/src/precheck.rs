//! A stranger's bytes, walked once: the fixed part and every option, or the reason why the packet is dropped.
//!
//! Own code on purpose. dhcproto 0.15 panics on `hlen` above 16, drops every option behind a malformed one in
//! silence, keeps one value of option 93, does not follow option 52 and re-sorts option 82; here nothing is lost
//! and everything is bounded. Source: RFC 2131 sections 2 and 4.1, RFC 3396 (split options).

use std::borrow::Cow;

use crate::counters::Count;

/// Most options of a packet, pieces of split ones included. Firmware sends about 20.
pub const OPTIONS_MAX: usize = 64;

/// Bytes before the options: the fixed fields and the magic cookie.
pub(crate) const FIXED_BYTES: usize = 240;
pub(crate) const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Size of the `chaddr` field.
const HARDWARE_ADDRESS_MAX: u8 = 16;
const BOOTREQUEST: u8 = 1;
const BOOTREPLY: u8 = 2;
const ETHERNET: u8 = 1;

const PAD: u8 = 0;
const END: u8 = 255;
const OVERLOAD: u8 = 52;

/// A packet whose structure is sound.
#[derive(Debug)]
pub struct Checked<'a> {
    /// The fields before the options.
    pub(crate) fixed: &'a [u8; FIXED_BYTES],
    options: [(u8, &'a [u8]); OPTIONS_MAX],
    len: usize,
}

/// Checks the structure of a packet and finds its options.
///
/// # Errors
/// The reason why the packet gets no answer.
pub fn check(packet: &[u8]) -> Result<Checked<'_>, Count> {
    check_of(BOOTREQUEST, packet)
}

/// As [`check`] for the answer of a server.
pub(crate) fn check_reply(packet: &[u8]) -> Result<Checked<'_>, Count> {
    check_of(BOOTREPLY, packet)
}

fn check_of(operation: u8, packet: &[u8]) -> Result<Checked<'_>, Count> {
    let (fixed, options) = packet.split_first_chunk::<FIXED_BYTES>().ok_or(Count::TooShort)?;
    if fixed[0] != operation {
        return Err(Count::NotARequest);
    }
    if fixed[2] > HARDWARE_ADDRESS_MAX {
        return Err(Count::HardwareAddressTooLong);
    }
    if fixed[1] != ETHERNET || fixed[2] != 6 {
        return Err(Count::NotEthernet);
    }
    if fixed[236..] != COOKIE {
        return Err(Count::WrongCookie);
    }
    let mut checked = Checked {
        fixed,
        options: [(PAD, &[]); OPTIONS_MAX],
        len: 0,
    };
    checked.walk(options)?;
    checked.walk_overloaded(fixed)?;
    Ok(checked)
}

impl<'a> Checked<'a> {
    /// The value of an option; pieces of a split option are joined in their order (RFC 3396), wherever they are.
    pub fn option(&self, code: u8) -> Option<Cow<'a, [u8]>> {
        let mut pieces = self.options[..self.len]
            .iter()
            .filter(|(c, _)| *c == code)
            .map(|(_, value)| *value);
        let first = pieces.next()?;
        let Some(second) = pieces.next() else {
            return Some(Cow::Borrowed(first));
        };
        let mut joined = [first, second].concat();
        pieces.for_each(|piece| joined.extend_from_slice(piece));
        Some(Cow::Owned(joined))
    }

    /// An option of exactly `N` bytes.
    ///
    /// # Errors
    /// `MalformedOption` for any other length.
    pub(crate) fn exact<const N: usize>(&self, code: u8) -> Result<Option<[u8; N]>, Count> {
        let Some(value) = self.option(code) else {
            return Ok(None);
        };
        let value = <[u8; N]>::try_from(value.as_ref()).map_err(|_| Count::MalformedOption)?;
        Ok(Some(value))
    }

    /// Option 52 says that `file`, `sname` or both hold options too; in that order (RFC 2131 section 4.1).
    fn walk_overloaded(&mut self, fixed: &'a [u8; FIXED_BYTES]) -> Result<(), Count> {
        let Some(overload) = self.option(OVERLOAD) else {
            return Ok(());
        };
        let [overload @ 1..=3] = *overload else {
            return Err(Count::WrongOverload);
        };
        if overload & 1 != 0 {
            self.walk(&fixed[108..236])?;
        }
        if overload & 2 != 0 {
            self.walk(&fixed[44..108])?;
        }
        Ok(())
    }

    /// Adds the options of one area. A missing end mark is forgiven, a value beyond the area is not.
    fn walk(&mut self, mut area: &'a [u8]) -> Result<(), Count> {
        while let [code, rest @ ..] = area {
            match *code {
                PAD => area = rest,
                END => break,
                code => {
                    let (&len, rest) = rest.split_first().ok_or(Count::TruncatedOption)?;
                    let (value, rest) = rest
                        .split_at_checked(usize::from(len))
                        .ok_or(Count::TruncatedOption)?;
                    let place = self.options.get_mut(self.len).ok_or(Count::TooManyOptions)?;
                    *place = (code, value);
                    self.len += 1;
                    area = rest;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::RawPacket;
    use proptest::prelude::*;

    fn reason(packet: &[u8]) -> Count {
        check(packet).expect_err("the packet is dropped")
    }

    fn with_options(options: &[u8]) -> Vec<u8> {
        let mut packet = RawPacket::discover().bytes();
        packet.truncate(FIXED_BYTES);
        packet.extend_from_slice(options);
        packet
    }

    #[test]
    fn a_packet_is_dropped_for_the_first_thing_that_is_wrong_with_it() {
        let good = RawPacket::discover().bytes();
        assert!(check(&good).is_ok());
        let changed = |at: usize, value: u8| {
            let mut packet = good.clone();
            packet[at] = value;
            reason(&packet)
        };
        assert_eq!(reason(&[]), Count::TooShort);
        assert_eq!(reason(&good[..239]), Count::TooShort);
        assert_eq!(changed(0, 2), Count::NotARequest);
        assert_eq!(changed(2, 17), Count::HardwareAddressTooLong);
        assert_eq!(changed(2, 255), Count::HardwareAddressTooLong);
        assert_eq!(changed(2, 0), Count::NotEthernet);
        assert_eq!(changed(1, 32), Count::NotEthernet);
        assert_eq!(changed(239, 98), Count::WrongCookie);
    }

    #[test]
    fn an_option_beyond_its_area_is_truncated_and_a_missing_end_is_not() {
        assert_eq!(reason(&with_options(&[53])), Count::TruncatedOption);
        assert_eq!(reason(&with_options(&[53, 1])), Count::TruncatedOption);
        assert_eq!(
            reason(&with_options(&[53, 1, 1, 12, 200, b'a'])),
            Count::TruncatedOption
        );
        let packet = with_options(&[53, 1, 1]);
        assert_eq!(check(&packet).unwrap().option(53).unwrap().as_ref(), [1]);
    }

    #[test]
    fn what_stands_behind_the_end_mark_is_not_read() {
        let packet = with_options(&[0, 0, 53, 1, 1, 255, 12, 200]);
        let checked = check(&packet).unwrap();
        assert!(checked.option(12).is_none());
    }

    /// dhcproto keeps the last piece only.
    #[test]
    fn pieces_of_a_split_option_are_joined_in_their_order() {
        let packet = with_options(&[77, 2, b'i', b'P', 53, 1, 1, 77, 1, b'X', 77, 1, b'E', 255]);
        let checked = check(&packet).unwrap();
        assert_eq!(checked.option(77).unwrap().as_ref(), b"iPXE");
        assert_eq!(checked.option(53).unwrap().as_ref(), [1]);
    }

    #[test]
    fn more_options_than_the_limit_drop_the_packet() {
        let at_limit: Vec<u8> = (0..OPTIONS_MAX).flat_map(|_| [12, 0]).collect();
        assert!(check(&with_options(&at_limit)).is_ok());
        assert_eq!(
            reason(&with_options(&[at_limit, vec![12, 0]].concat())),
            Count::TooManyOptions
        );
    }

    #[test]
    fn overloaded_fields_are_options_too_file_first() {
        let mut packet = with_options(&[52, 1, 3, 53, 1, 1, 61, 1, b'a', 255]);
        packet[108..113].copy_from_slice(&[61, 2, b'b', b'c', 255]);
        packet[44..48].copy_from_slice(&[61, 1, b'd', 255]);
        assert_eq!(check(&packet).unwrap().option(61).unwrap().as_ref(), b"abcd");
        packet[242] = 1;
        assert_eq!(check(&packet).unwrap().option(61).unwrap().as_ref(), b"abc");
        packet[242] = 2;
        assert_eq!(check(&packet).unwrap().option(61).unwrap().as_ref(), b"ad");
    }

    #[test]
    fn overload_with_a_wrong_value_or_a_value_beyond_the_field_drops_the_packet() {
        for options in [&[52, 1, 0][..], &[52, 1, 4], &[52, 0], &[52, 2, 1, 1]] {
            assert_eq!(
                reason(&with_options(options)),
                Count::WrongOverload,
                "{options:?}"
            );
        }
        let mut packet = with_options(&[52, 1, 2, 53, 1, 1]);
        packet[44..46].copy_from_slice(&[61, 63]);
        assert_eq!(
            reason(&packet),
            Count::TruncatedOption,
            "the value would reach from sname into file"
        );
    }

    #[test]
    fn a_wrong_length_is_malformed_where_an_exact_one_is_needed() {
        let packet = with_options(&[50, 3, 1, 2, 3, 54, 4, 10, 0, 0, 1]);
        let checked = check(&packet).unwrap();
        assert_eq!(checked.exact::<4>(50), Err(Count::MalformedOption));
        assert_eq!(checked.exact::<4>(54), Ok(Some([10, 0, 0, 1])));
        assert_eq!(checked.exact::<4>(51), Ok(None));
    }

    proptest! {
        #[test]
        fn no_options_make_the_walk_panic(options in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(checked) = check(&with_options(&options)) {
                for code in 0..=255 {
                    let total: usize = checked.option(code).map_or(0, |value| value.len());
                    prop_assert!(total <= options.len() + 192);
                }
            }
        }
    }
}
