//! DHCP options by their number: in normal form, and their bytes.

use std::net::Ipv4Addr;

use model::Rejection;
use proto::dhcp::v1::RawOption;

use crate::bounds::{RAW_OPTION_BYTES_MAX, RAW_OPTIONS_BYTES_MAX, RAW_OPTIONS_MAX, check_count, check_text};
use crate::sealed::hex;

/// Options that a field says, and that field.
const WITH_A_FIELD: [(u32, &str); 7] = [
    (1, "a policy's `prefix_length`, else the subnet's network"),
    (3, "`routers`"),
    (6, "`dns_servers`"),
    (12, "a policy's `hostname`"),
    (15, "`domain`"),
    (26, "`mtu`"),
    (42, "`ntp_servers`"),
];

/// Sorted by code, bytes as plain hex.
pub(super) fn normalised(given: &[RawOption]) -> Result<Vec<RawOption>, Rejection> {
    check_count("options", given.len(), RAW_OPTIONS_MAX)?;
    let mut options = given
        .iter()
        .map(normalised_one)
        .collect::<Result<Vec<_>, Rejection>>()?;
    options.sort_by_key(|option| option.code);
    if let Some(twice) = options.windows(2).find(|pair| pair[0].code == pair[1].code) {
        let problem = format!("it is given twice; write option {} once", twice[0].code);
        return Err(refused(twice[0].code, problem));
    }
    let bytes: usize = options.iter().filter_map(option_bytes).map(|b| b.len()).sum();
    if bytes > RAW_OPTIONS_BYTES_MAX {
        let problem = format!("they have {bytes} bytes, at most {RAW_OPTIONS_BYTES_MAX} are accepted");
        return Err(Rejection::invalid("options", problem));
    }
    Ok(options)
}

fn normalised_one(given: &RawOption) -> Result<RawOption, Rejection> {
    check_code(given.code)?;
    let field = field(given.code);
    let kinds = [
        !given.hex.is_empty(),
        !given.text.is_empty(),
        !given.addresses.is_empty(),
    ];
    if kinds.iter().filter(|is_given| **is_given).count() != 1 {
        return Err(Rejection::invalid(
            &field,
            "give one of `hex`, `text` and `addresses`",
        ));
    }
    check_text(&field, &given.text, RAW_OPTION_BYTES_MAX)?;
    check_count(&field, given.addresses.len(), RAW_OPTION_BYTES_MAX / 4)?;
    let is_missing = |bytes: &Vec<u8>| bytes.is_empty() && !given.hex.is_empty();
    let bytes = from_hex(&given.hex)
        .filter(|bytes| !is_missing(bytes))
        .ok_or_else(|| {
            let problem = format!(
                "`{}` is not hex, two digits a byte, e.g. 0104 or 01:04",
                given.hex.escape_debug()
            );
            Rejection::invalid(&field, problem)
        })?;
    if bytes.len() > RAW_OPTION_BYTES_MAX {
        let problem = format!(
            "it has {} bytes, at most {RAW_OPTION_BYTES_MAX} are accepted",
            bytes.len()
        );
        return Err(Rejection::invalid(&field, problem));
    }
    let address = |text: &String| {
        let address = text.parse::<Ipv4Addr>().map(|address| address.to_string());
        address.map_err(|_| {
            let problem = format!("`{}` is not an IPv4 address, e.g. 10.97.0.1", text.escape_debug());
            Rejection::invalid(&field, problem)
        })
    };
    Ok(RawOption {
        code: given.code,
        hex: hex(&bytes),
        text: given.text.clone(),
        addresses: given.addresses.iter().map(address).collect::<Result<_, _>>()?,
    })
}

/// An option that the answer depends on must not be said twice, or by somebody who does not know the request.
fn check_code(code: u32) -> Result<(), Rejection> {
    if let Some((_, field)) = WITH_A_FIELD.iter().find(|(known, _)| *known == code) {
        return Err(refused(code, format!("it has a field of its own: {field}")));
    }
    match code {
        51 => Err(refused(code, "it has a field of its own: `lease_time_s`")),
        0 | 255 => Err(refused(code, "it ends or fills the list of options")),
        50..=59 | 61 | 82 | 97 => Err(refused(code, "the server answers for it itself")),
        1..=254 => Ok(()),
        _ => Err(refused(code, "there is none; write 1 to 254")),
    }
}

fn refused(code: u32, problem: impl std::fmt::Display) -> Rejection {
    Rejection::invalid(&field(code), problem)
}

fn field(code: u32) -> String {
    format!("options[{code}]")
}

/// `None` for what is no hex; blanks and colons between bytes are left out.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let is_digit = |c: &char| c.is_ascii_hexdigit();
    let digits: Vec<char> = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(is_digit) {
        return None;
    }
    let nibble = |c: char| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits
        .chunks_exact(2)
        .map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?))
        .collect()
}

/// The bytes of a stored option, its code left out. `None` for what no `apply` has stored.
pub fn option_bytes(option: &RawOption) -> Option<Vec<u8>> {
    let addresses = option
        .addresses
        .iter()
        .map(|text| text.parse().map(|address: Ipv4Addr| address.octets()));
    let addresses = addresses.collect::<Result<Vec<_>, _>>().ok()?.concat();
    let bytes = [
        from_hex(&option.hex)?,
        option.text.clone().into_bytes(),
        addresses,
    ]
    .concat();
    (!bytes.is_empty()).then_some(bytes)
}
