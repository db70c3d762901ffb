//! DHCP options by their number, as they are written on the command line: `43=hex:0104`.

use std::net::Ipv4Addr;

use proto::dhcp::v1::RawOption;

/// What `--option` takes.
pub(crate) const FORM: &str = "CODE=hex:…|text:…|ip:…";

pub(crate) fn parse(text: &str) -> Result<RawOption, String> {
    let form = "write e.g. 43=hex:0104, 66=text:tftp.example or 150=ip:10.97.0.1,10.97.0.2";
    let (code, value) = text.split_once('=').ok_or(form)?;
    let (kind, value) = value.split_once(':').ok_or(form)?;
    let mut option = RawOption {
        code: code.parse().map_err(|_| form)?,
        ..RawOption::default()
    };
    match kind {
        "hex" => option.hex = value.to_owned(),
        "text" => option.text = value.to_owned(),
        "ip" => option.addresses = addresses(value)?,
        _ => return Err(form.to_owned()),
    }
    Ok(option)
}

fn addresses(list: &str) -> Result<Vec<String>, String> {
    let address = |text: &str| {
        let address = text.trim().parse::<Ipv4Addr>();
        let address = address.map(|address| address.to_string());
        address.map_err(|_| format!("`{text}` is not an IPv4 address"))
    };
    list.split(',').map(address).collect()
}

/// As `parse` takes it.
pub(crate) fn show(option: &RawOption) -> String {
    let code = option.code;
    if !option.text.is_empty() {
        return format!("{code}=text:{}", option.text);
    }
    match option.addresses.as_slice() {
        [] => format!("{code}=hex:{}", option.hex),
        addresses => format!("{code}=ip:{}", addresses.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_shown_as_they_are_written() {
        for text in ["43=hex:0104", "66=text:a=b:c", "150=ip:10.97.0.1,10.97.0.2"] {
            assert_eq!(show(&parse(text).unwrap()), text);
        }
        assert_eq!(parse("43=hex:01:04").unwrap().hex, "01:04");
    }

    #[test]
    fn what_is_no_option_is_refused_with_the_form() {
        for text in [
            "43",
            "43=0104",
            "x=hex:01",
            "43=base64:AQQ=",
            "150=ip:here",
            "150=ip:",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("43=0104").unwrap_err().contains("43=hex:0104"));
    }
}
