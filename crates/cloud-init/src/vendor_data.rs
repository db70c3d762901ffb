//! NoCloud's `vendor-data`: tells the node to phone home when it is up. There is always one; a 404 would cost the
//! node ten tries.

use serde::Serialize;

/// How often cloud-init tries to phone home, 3 s apart; its own default, stated so that it stays.
const TRIES: u32 = 10;

#[derive(Serialize)]
struct VendorData<'a> {
    phone_home: PhoneHome<'a>,
}

#[derive(Serialize)]
struct PhoneHome<'a> {
    url: &'a str,
    post: &'static str,
    tries: u32,
}

/// The document that makes a node post its host keys and names to `phone_home_url`.
///
/// # Errors
/// Only if the YAML writer fails, which it does not for these types.
pub fn render(phone_home_url: &str) -> Result<String, serde_yaml_ng::Error> {
    let document = VendorData {
        phone_home: PhoneHome {
            url: phone_home_url,
            post: "all",
            tries: TRIES,
        },
    };
    Ok(format!("#cloud-config\n{}", serde_yaml_ng::to_string(&document)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_is_told_where_to_phone_home() {
        let text = render("http://10.97.0.1:8081/cloud-init/b/7-1/phone-home/x0c0s0b0n0").unwrap();
        assert_eq!(
            text,
            "#cloud-config\nphone_home:\n  url: http://10.97.0.1:8081/cloud-init/b/7-1/phone-home/x0c0s0b0n0\n  \
             post: all\n  tries: 10\n"
        );
    }
}
