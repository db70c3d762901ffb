//! Who has issued a certificate, since when and until when it is valid: read from its DER, because the library that checks it keeps that
//! to itself.

use super::der::{SEQUENCE, VERSION, element, inside};

const UTF8: u8 = 0x0c;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const MS_PER_DAY: u64 = 24 * 3_600_000;

/// The first and the last moment of validity, milliseconds since the Unix epoch; `None` for what is no certificate, and for one from
/// before 1970.
///
/// Source: RFC 5280, 4.1 and 4.1.2.5.
pub(super) fn validity_ms(certificate: &[u8]) -> Option<(u64, u64)> {
    let mut signed = from_the_issuer(certificate)?;
    element(&mut signed)?; // the issuer
    let mut validity = inside(&mut signed)?;
    let (kind, text) = element(&mut validity)?;
    let not_before = time(kind, text)?;
    let (kind, text) = element(&mut validity)?;
    Some((not_before, time(kind, text)?))
}

/// The name of whoever issued a certificate, if that is one common name and nothing else.
///
/// Source: RFC 5280, 4.1.2.4.
pub(super) fn issuer(certificate: &[u8]) -> Option<&str> {
    let mut signed = from_the_issuer(certificate)?;
    let mut names = inside(&mut signed)?;
    let (_, mut set) = element(&mut names)?;
    let (kind, mut one) = element(&mut set)?;
    let (_, attribute) = element(&mut one)?;
    let (text, value) = element(&mut one)?;
    let is_alone = names.is_empty() && set.is_empty();
    let is_name = kind == SEQUENCE && attribute == COMMON_NAME && text == UTF8;
    std::str::from_utf8(value).ok().filter(|_| is_alone && is_name)
}

/// What is signed of a certificate, from the issuer on.
fn from_the_issuer(certificate: &[u8]) -> Option<&[u8]> {
    let mut content = inside(&mut &*certificate)?;
    let mut signed = inside(&mut content)?;
    let (first, _) = element(&mut signed)?;
    if first == VERSION {
        element(&mut signed)?; // the serial number
    }
    element(&mut signed)?; // the algorithm of the signature
    Some(signed)
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(kind: u8, text: &[u8]) -> Option<u64> {
    let digits = text.strip_suffix(b"Z")?;
    let (year, rest) = match kind {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    let pairs: Vec<u64> = rest.chunks(2).map(number).collect::<Option<_>>()?;
    let [month, day, hour, minute, second] = pairs[..] else {
        return None;
    };
    let is_one = (1..=12).contains(&month) && (1..=31).contains(&day) && rest.len() == 10;
    if !is_one || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = (hour * 60 + minute) * 60 + second;
    Some(days(year, month, day)? * MS_PER_DAY + seconds * 1000)
}

fn number(digits: &[u8]) -> Option<u64> {
    let value = |digit: &u8| digit.is_ascii_digit().then(|| u64::from(digit - b'0'));
    digits
        .iter()
        .try_fold(0, |number, digit| Some(number * 10 + value(digit)?))
}

/// Days from 1 January 1970 to a day of the Gregorian calendar; `None` for an earlier one.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    // The year begins in March, so that the leap day is its last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month + 9)
    };
    let of_years = year * 365 + year / 4 - year / 100 + year / 400;
    let of_months = (153 * month + 2) / 5;
    (of_years + of_months + day - 1).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(year: i32, month: u8, day: u8) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(year, month, day);
        params.not_after = rcgen::date_time_ymd(2300, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    /// Both forms of time: two digits of the year up to 2049, four after that.
    #[test]
    fn the_beginning_of_validity_is_read_to_the_day() {
        for (date, ms) in [
            ((1970, 1, 1), 0),
            ((2000, 2, 29), 951_782_400_000),
            ((2000, 3, 1), 951_868_800_000),
            ((2026, 11, 30), 1_795_996_800_000),
            ((2049, 12, 31), 2_524_521_600_000),
            ((2050, 1, 1), 2_524_608_000_000),
            ((2200, 1, 1), 7_258_118_400_000_u64),
        ] {
            let read = validity_ms(&of(date.0, date.1, date.2));
            assert_eq!(read, Some((ms, 10_413_792_000_000)), "{date:?}");
        }
    }

    #[test]
    fn hours_minutes_and_seconds_count() {
        assert_eq!(time(UTC_TIME, b"700102030405Z"), Some(MS_PER_DAY + 11_045_000));
        assert_eq!(time(GENERALIZED_TIME, b"19700101000001Z"), Some(1000));
        for wrong in [
            &b"700102030405"[..],
            b"7001020304Z",
            b"701302030405Z",
            b"700102240000Z",
            b"70010203040aZ",
            b"",
        ] {
            assert_eq!(time(UTC_TIME, wrong), None, "{wrong:?}");
        }
        assert_eq!(time(UTC_TIME, b"691231235959Z"), None, "before 1970");
        assert_eq!(time(0x02, b"700102030405Z"), None);
    }

    /// No bytes make it panic, and what is cut off is no certificate.
    #[test]
    fn what_is_cut_off_says_nothing() {
        let whole = of(2020, 1, 1);
        for length in 0..whole.len() {
            assert_eq!(validity_ms(&whole[..length]), None, "{length}");
        }
        assert_eq!(validity_ms(&[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(validity_ms(&[0x02, 0x01, 0x00]), None);
    }
}
