//! NoCloud's `vendor-data`: tells the node to phone home when it is up, and where its groups' files are. There is
//! always one; a 404 would cost the node ten tries.
//!
//! With files it is a MIME message of two parts: cloud-init merges the first, and fetches what the second includes.
//! Both in one `#include` would cost every boot one more request.

use serde::Serialize;

/// How often cloud-init tries to phone home, 3 s apart; its own default, stated so that it stays.
const TRIES: u32 = 10;
/// Stands between the parts. What they hold is ours, and never such a line.
const BOUNDARY: &str = "==chamois==";

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

/// The document that makes a node post its host keys and names to `phone_home_url`, and include `files`, in their
/// order. A later file overrides an earlier one, and may override where to phone home.
///
/// # Errors
/// Only if the YAML writer fails, which it does not for these types.
pub fn render(phone_home_url: &str, files: &[String]) -> Result<String, serde_yaml_ng::Error> {
    let document = VendorData {
        phone_home: PhoneHome {
            url: phone_home_url,
            post: "all",
            tries: TRIES,
        },
    };
    let cloud_config = format!("#cloud-config\n{}", crate::yaml::to_string(&document)?);
    if files.is_empty() {
        return Ok(cloud_config);
    }
    let files: String = files.iter().map(|file| format!("{file}\n")).collect();
    Ok(format!(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\n\n\
         --{BOUNDARY}\nContent-Type: text/cloud-config\n\n{cloud_config}\
         --{BOUNDARY}\nContent-Type: text/x-include-url\n\n#include\n{files}\
         --{BOUNDARY}--\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://10.97.0.1:8081/cloud-init/b/7-1/phone-home/x0c0s0b0n0";

    #[test]
    fn the_node_is_told_where_to_phone_home() {
        let text = render(URL, &[]).unwrap();
        assert_eq!(
            text,
            format!("#cloud-config\nphone_home:\n  url: {URL}\n  post: all\n  tries: 10\n")
        );
    }

    /// cloud-init takes a text with `mime-version:` near its beginning for a message.
    #[test]
    fn the_files_of_groups_are_included_in_their_order() {
        let files = ["b", "a"].map(|name| format!("http://10.97.0.1:8081/cloud-init/b/7-1/{name}.yaml"));
        let text = render(URL, &files).unwrap();
        let expected = format!(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"==chamois==\"\n\n\
             --==chamois==\nContent-Type: text/cloud-config\n\n\
             #cloud-config\nphone_home:\n  url: {URL}\n  post: all\n  tries: 10\n\
             --==chamois==\nContent-Type: text/x-include-url\n\n\
             #include\n{}\n{}\n--==chamois==--\n",
            files[0], files[1]
        );
        assert_eq!(text, expected);
    }
}
