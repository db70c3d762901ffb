//! DER as far as certificates need it: what the library that checks them keeps to itself is read here.

pub(super) const SEQUENCE: u8 = 0x30;
/// `[0]`, the version that all certificates but those of version 1 begin with.
pub(super) const VERSION: u8 = 0xa0;

/// The content of the sequence that comes next.
pub(super) fn inside<'d>(from: &mut &'d [u8]) -> Option<&'d [u8]> {
    let (tag, content) = element(from)?;
    (tag == SEQUENCE).then_some(content)
}

/// Tag and content of the element that comes next.
pub(super) fn element<'d>(from: &mut &'d [u8]) -> Option<(u8, &'d [u8])> {
    let (tag, rest) = from.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            let length = digits
                .iter()
                .fold(0, |length, digit| (length << 8) | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *from = rest;
    Some((*tag, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_one_after_the_other() {
        let mut bytes: &[u8] = &[0x02, 0x01, 0x07, 0x30, 0x81, 0x02, 0xaa, 0xbb];
        assert_eq!(element(&mut bytes), Some((0x02, &[0x07][..])));
        assert_eq!(inside(&mut bytes), Some(&[0xaa, 0xbb][..]));
        assert_eq!(element(&mut bytes), None);
    }

    /// Anybody may send these.
    #[test]
    fn a_length_that_is_longer_than_what_is_there_is_none() {
        for wrong in [
            &[][..],
            &[0x30],
            &[0x30, 0x02, 0x00],
            &[0x30, 0x80, 0x00, 0x00],
            &[0x30, 0x84, 0x00, 0x00, 0x00, 0x00],
            &[0x30, 0x83, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(element(&mut &*wrong), None, "{wrong:?}");
        }
        assert_eq!(inside(&mut &[0x02, 0x00][..]), None, "no sequence");
    }
}
