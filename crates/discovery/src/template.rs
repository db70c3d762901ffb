//! An xname computed from an address: the address is a number, the number is taken apart as one of a mixed base, as an odometer
//! counts: nodes of a slot, slots of a chassis, chassis of a rack.

use std::net::IpAddr;

use model::{IpNet, Xname};
use proto::discovery::v1::{TemplateDigit, TemplateXname};

use crate::Invalid;
use crate::identity::check_controller;

const DIGITS_MAX: usize = 8;
const XNAME_BYTES_MAX: usize = 128;

/// The xname of the BMC at `address`; `None` if it is not of this network, before the first, or beyond the last.
pub(crate) fn xname(template: &TemplateXname, address: IpAddr) -> Option<Xname> {
    let subnet: IpNet = template.subnet.parse().ok()?;
    if !subnet.contains(address) {
        return None;
    }
    let number = number(address).checked_sub(number(first(template, subnet)?))?;
    let xname: Xname = rendered(&template.xname, &taken_apart(&template.digits, number)?)
        .parse()
        .ok()?;
    xname.hms_type().is_controller().then_some(xname)
}

/// The address that is number 0.
fn first(template: &TemplateXname, subnet: IpNet) -> Option<IpAddr> {
    if !template.first.is_empty() {
        return template.first.parse().ok();
    }
    Some(match subnet {
        IpNet::V4(network) => IpAddr::V4(network.network().to_bits().checked_add(1)?.into()),
        IpNet::V6(network) => IpAddr::V6(network.network().to_bits().checked_add(1)?.into()),
    })
}

fn number(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The names of the digits with what each is called; `None` for a number beyond the last.
fn taken_apart(digits: &[TemplateDigit], number: u128) -> Option<Vec<(&str, u128)>> {
    let mut rest = number;
    let mut called = Vec::with_capacity(digits.len());
    for digit in digits {
        let place = match digit.count {
            0 => std::mem::take(&mut rest),
            count => {
                let place = rest % u128::from(count);
                rest /= u128::from(count);
                place
            }
        };
        let step = u128::from(digit.step.max(1));
        let label = place.checked_mul(step)?.checked_add(digit.first.into())?;
        called.push((digit.name.as_str(), label));
    }
    (rest == 0).then_some(called)
}

fn rendered(xname: &str, called: &[(&str, u128)]) -> String {
    let replaced =
        |text: String, (name, label): &(&str, u128)| text.replace(&format!("{{{name}}}"), &label.to_string());
    called.iter().fold(xname.to_owned(), replaced)
}

/// Checks a template: that its lowest and highest xname are such of controllers, and that nothing in it is left unused.
///
/// # Errors
/// `Invalid` naming the field, what is accepted and what to do.
pub(crate) fn check(template: &TemplateXname) -> Result<(), Invalid> {
    let subnet: Result<IpNet, _> = template.subnet.parse();
    let subnet = subnet.map_err(|problem| Invalid::new("template.subnet", problem.to_string()))?;
    let is_within = first(template, subnet).is_some_and(|first| subnet.contains(first));
    if !is_within {
        let problem =
            format!("write an address of {subnet}, or leave it out for the first behind the network's own");
        return Err(Invalid::new("template.first", problem));
    }
    check_digits(&template.digits)?;
    check_names(template)?;
    let lowest = taken_apart(&template.digits, 0).map(|called| rendered(&template.xname, &called));
    check_controller("template.xname", &lowest.unwrap_or_default())?;
    let highest = highest(&template.digits);
    check_controller("template.xname", &rendered(&template.xname, &highest)).map(drop)
}

fn check_digits(digits: &[TemplateDigit]) -> Result<(), Invalid> {
    if digits.is_empty() || digits.len() > DIGITS_MAX {
        let problem = format!(
            "{} are given; write 1 to {DIGITS_MAX}, the one that counts fastest first",
            digits.len()
        );
        return Err(Invalid::new("template.digits", problem));
    }
    for (place, digit) in digits.iter().enumerate() {
        let refused = |problem: String| Err(Invalid::new(format!("template.digits[{place}]"), problem));
        let is_name = !digit.name.is_empty()
            && digit.name.len() <= 32
            && digit.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_name {
            return refused("write a name of 1 to 32 letters, digits and _".to_owned());
        }
        if digits[..place].iter().any(|before| before.name == digit.name) {
            return refused(format!("`{}` is there twice", digit.name));
        }
        if digit.count == 0 && place + 1 < digits.len() {
            return refused(format!(
                "`{}` needs a count: only the last may go on without an end",
                digit.name
            ));
        }
    }
    Ok(())
}

/// Each digit is in the xname, and nothing else in braces.
fn check_names(template: &TemplateXname) -> Result<(), Invalid> {
    let refused = |problem: String| Err(Invalid::new("template.xname", problem));
    let xname = &template.xname;
    if xname.len() > XNAME_BYTES_MAX {
        return refused(format!("it has more than {XNAME_BYTES_MAX} bytes"));
    }
    let unused = template
        .digits
        .iter()
        .find(|digit| !xname.contains(&format!("{{{}}}", digit.name)));
    if let Some(digit) = unused {
        return refused(format!(
            "`{{{0}}}` is not in it: then several addresses would have one xname; add it, or leave out the digit `{0}`",
            digit.name
        ));
    }
    let zeros: Vec<(&str, u128)> = template
        .digits
        .iter()
        .map(|digit| (digit.name.as_str(), 0))
        .collect();
    let left = rendered(xname, &zeros);
    match left.contains(['{', '}']) {
        true => refused("it names a digit that is not among digits; write each as {name}".to_owned()),
        false => Ok(()),
    }
}

/// The highest of each digit; of one without an end the lowest.
fn highest(digits: &[TemplateDigit]) -> Vec<(&str, u128)> {
    let label = |digit: &TemplateDigit| {
        let most = u128::from(digit.count.saturating_sub(1)) * u128::from(digit.step.max(1));
        u128::from(digit.first) + most
    };
    digits
        .iter()
        .map(|digit| (digit.name.as_str(), label(digit)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn digit(name: &str, count: u32, first: u32, step: u32) -> TemplateDigit {
        TemplateDigit {
            name: name.into(),
            count,
            first,
            step,
        }
    }

    /// Two BMCs a slot, eight slots a chassis, racks from 1000 on.
    fn racks() -> TemplateXname {
        TemplateXname {
            subnet: "10.1.0.0/16".into(),
            first: "10.1.0.10".into(),
            xname: "x{rack}c0s{slot}b{bmc}".into(),
            digits: vec![
                digit("bmc", 2, 0, 0),
                digit("slot", 8, 0, 0),
                digit("rack", 4, 1_000, 2),
            ],
        }
    }

    fn at(template: &TemplateXname, address: &str) -> Option<String> {
        xname(template, address.parse().unwrap()).map(|xname| xname.to_string())
    }

    fn refused(change: impl FnOnce(&mut TemplateXname)) -> String {
        let mut template = racks();
        change(&mut template);
        check(&template).unwrap_err().to_string()
    }

    #[test]
    fn addresses_are_counted_as_an_odometer_counts() {
        check(&racks()).unwrap();
        for (address, expected) in [
            ("10.1.0.9", None),
            ("10.1.0.10", Some("x1000c0s0b0")),
            ("10.1.0.11", Some("x1000c0s0b1")),
            ("10.1.0.12", Some("x1000c0s1b0")),
            ("10.1.0.25", Some("x1000c0s7b1")),
            ("10.1.0.26", Some("x1002c0s0b0")),
            ("10.1.0.73", Some("x1006c0s7b1")),
            ("10.1.0.74", None),
            ("10.2.0.10", None),
            ("fd00::10", None),
            ("::ffff:10.1.0.11", Some("x1000c0s0b1")),
        ] {
            assert_eq!(at(&racks(), address).as_deref(), expected, "{address}");
        }
    }

    #[test]
    fn the_last_digit_may_go_on_and_the_first_address_may_be_left_out() {
        let open = TemplateXname {
            subnet: "fd00:1::/64".into(),
            xname: "x1000c0s{slot}b0".into(),
            digits: vec![digit("slot", 0, 1, 0)],
            ..TemplateXname::default()
        };
        check(&open).unwrap();
        assert_eq!(at(&open, "fd00:1::").as_deref(), None);
        assert_eq!(at(&open, "fd00:1::1").as_deref(), Some("x1000c0s1b0"));
        assert_eq!(at(&open, "fd00:1::1:0").as_deref(), Some("x1000c0s65536b0"));
        assert_eq!(
            at(&open, "fd00:1::ffff:ffff:ffff:ffff").as_deref(),
            Some("x1000c0s18446744073709551615b0")
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (refused, expected) in [
            (refused(|t| t.subnet = "10.1.0.0".into()), "template.subnet: "),
            (
                refused(|t| t.first = "10.2.0.1".into()),
                "template.first: write an address of 10.1.0.0/16",
            ),
            (refused(|t| t.first = "first".into()), "template.first: "),
            (refused(|t| t.digits.clear()), "template.digits: 0 are given"),
            (
                refused(|t| t.digits = vec![digit("a", 1, 0, 0); 9]),
                "template.digits: 9 are given",
            ),
            (
                refused(|t| t.digits[1].name = "bmc".into()),
                "template.digits[1]: `bmc` is there twice",
            ),
            (
                refused(|t| t.digits[1].name = "a b".into()),
                "template.digits[1]: write a name",
            ),
            (
                refused(|t| t.digits[0].count = 0),
                "template.digits[0]: `bmc` needs a count",
            ),
            (
                refused(|t| t.xname = "x{rack}c0s{slot}b0".into()),
                "template.xname: `{bmc}` is not in it",
            ),
            (
                refused(|t| t.xname.push_str("{u}")),
                "template.xname: it names a digit",
            ),
            (
                refused(|t| t.xname = "{".repeat(200)),
                "template.xname: it has more than",
            ),
            (
                refused(|t| t.xname.push_str("n0")),
                "template.xname: x1000c0s0b0n0 is a Node",
            ),
            (refused(|t| t.digits[2].first = 9_998), "template.xname: "),
            (
                refused(|t| t.xname = "rack {rack} {slot} {bmc}".into()),
                "template.xname: ",
            ),
        ] {
            assert!(refused.starts_with(expected), "{refused}");
        }
    }

    #[test]
    fn numbers_beyond_all_bounds_have_no_xname() {
        let mut template = racks();
        template.digits = vec![
            digit("bmc", 1, 0, 0),
            digit("slot", 1, 0, 0),
            digit("rack", 0, u32::MAX, u32::MAX),
        ];
        assert_eq!(at(&template, "10.1.255.255"), None, "no rack is called that");
        template.subnet = "::/0".into();
        template.first = "::".into();
        assert_eq!(at(&template, "ffff::ffff"), None);
    }

    proptest! {
        /// Two addresses never get one xname by a template that is accepted, unless its steps let two digits meet, which
        /// numbers in one place cannot.
        #[test]
        fn each_address_has_its_own_xname(
            counts in (1..5_u32, 1..9_u32, 0..5_u32),
            firsts in (0..3_u32, 0..64_u32, 0..2_000_u32),
            steps in (0..3_u32, 0..3_u32, 0..3_u32),
        ) {
            let mut template = racks();
            template.digits = vec![
                digit("bmc", counts.0, firsts.0, steps.0),
                digit("slot", counts.1, firsts.1, steps.1),
                digit("rack", counts.2, firsts.2, steps.2),
            ];
            prop_assert!(check(&template).is_ok(), "{:?}", check(&template));
            let xnames: Vec<String> = (0..=255_u8)
                .filter_map(|last| at(&template, &format!("10.1.0.{last}")))
                .collect();
            let different: BTreeSet<&String> = xnames.iter().collect();
            prop_assert_eq!(different.len(), xnames.len());
            let all = counts.0 * counts.1 * counts.2;
            let expected = if counts.2 == 0 { 246 } else { all.min(246) };
            prop_assert_eq!(xnames.len(), expected as usize);
        }
    }
}
