//! Numbers in queries, as BSS reads them.

/// A whole number in Go's syntax, whose prefix says its base: `0x2a`, `0o52`, `0b101010`, `052` (octal too) and `42` are the
/// same. `None` for what Go takes for none; and for underscores between digits, which nobody writes.
///
/// Source: BSS calls `strconv.ParseInt(text, 0, 0)` (cmd/boot-script-service/default_api.go).
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (is_negative, number) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (digits, base) = digits_and_base(number);
    // a second sign would pass below
    if !digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
        return None;
    }
    let number = i128::from(u64::from_str_radix(digits, base).ok()?);
    i64::try_from(if is_negative { -number } else { number }).ok()
}

/// A NID: a number that is not negative.
pub(crate) fn nid(text: &str) -> Option<u64> {
    u64::try_from(parse(text)?).ok()
}

fn digits_and_base(number: &str) -> (&str, u32) {
    let prefix = number.get(..2).unwrap_or_default().to_ascii_lowercase();
    match prefix.as_str() {
        "0x" => (&number[2..], 16),
        "0o" => (&number[2..], 8),
        "0b" => (&number[2..], 2),
        _ if number.len() > 1 && number.starts_with('0') => (&number[1..], 8),
        _ => (number, 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_says_the_base() {
        for text in [
            "42", "+42", "0x2a", "0X2A", "0o52", "0O52", "052", "0b101010", "0B101010",
        ] {
            assert_eq!(parse(text), Some(42), "{text}");
        }
        assert_eq!(parse("0"), Some(0));
        assert_eq!(parse("00"), Some(0));
        assert_eq!(parse("-0x10"), Some(-16));
        assert_eq!(parse("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(nid("017"), Some(15));
        assert_eq!(nid("-1"), None);
    }

    #[test]
    fn everything_else_is_no_number() {
        for wrong in [
            "",
            "-",
            "+",
            "0x",
            "0b",
            "0o",
            "08",
            "0b2",
            "0xg",
            "1e3",
            "--1",
            "0x-1",
            "+-1",
            " 1",
            "1 ",
            "1_000",
            "１",
            "é1",
            "9223372036854775808",
            "0x10000000000000000",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
