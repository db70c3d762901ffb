//! What must be true of a guest's boot: it stays on the boot path, and gets its own and never older data.

use chaos_tests::members::{Node, SERVICE_ADDRESS};

use crate::wire::Document;

/// What firmware and iPXE print when they give up the network: SeaBIOS, iPXE's ROM, OVMF, and its shell.
const GIVEN_UP: [&str; 9] = [
    "No bootable device",
    "Boot failed",
    "No more network devices",
    "PXE-E",
    "failed to load Boot",
    "No bootable option",
    "Press any key to enter the Boot Manager",
    "Interactive Shell",
    "Kernel panic",
];

/// What shows on the console when the guest has left the boot path.
pub(crate) fn left_the_path(console: &str) -> Option<&'static str> {
    GIVEN_UP.into_iter().find(|text| console.contains(text))
}

/// The console of a guest that came to the end.
pub(crate) fn console(console: &str, node: &Node) -> Result<(), String> {
    let lease = format!("GUEST lease {} ", node.address);
    let server = format!("server {SERVICE_ADDRESS}");
    let documents = ["network-config", "meta-data", "user-data", "vendor-data"];
    let fetched = documents.map(|document| format!("GUEST fetched {document}"));
    let once = ["GUEST init", "GUEST done"].map(str::to_owned);
    for wanted in fetched.iter().chain(&once).chain([&lease, &server]) {
        if !console.contains(wanted.as_str()) {
            return Err(format!("its console does not say {wanted:?}"));
        }
    }
    match console.matches("GUEST init").count() {
        1 => Ok(()),
        starts => Err(format!("its kernel started {starts} times")),
    }
}

/// Scripts and documents in the order in which they were sent: the node's own, and none older than the one before.
/// `edits` is the count that was acknowledged before the power came on.
pub(crate) fn documents(
    documents: &[Document],
    node: &Node,
    edits: u64,
    others: &[Node],
) -> Result<(), String> {
    let (mut edits, mut revision, mut revisions_seen) = (edits, 0, 0);
    for Document { path, text } in documents {
        for other in others {
            let words = [&other.xname, &other.mac, &other.address];
            if words.into_iter().any(|word| has_word(text, word)) {
                return Err(format!("{path} has data of {}:\n{text}", other.xname));
            }
        }
        for found in numbers_behind(text, " edit=", 10) {
            if found < edits {
                return Err(format!("{path} has edit {found} after {edits}:\n{text}"));
            }
            edits = found;
        }
        for found in numbers_behind(text, "/cloud-init/b/", 16) {
            if found < revision {
                return Err(format!(
                    "{path} was rendered at {found:x} after {revision:x}:\n{text}"
                ));
            }
            (revision, revisions_seen) = (found, revisions_seen + 1);
        }
    }
    if revisions_seen < 2 {
        return Err(format!(
            "{revisions_seen} revisions: the script and the vendor-data have one each"
        ));
    }
    let has_own = documents
        .iter()
        .any(|document| has_word(&document.text, &node.xname));
    has_own
        .then_some(())
        .ok_or_else(|| format!("nothing names {}", node.xname))
}

fn has_word(text: &str, word: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == ':';
    text.match_indices(word)
        .any(|(at, _)| !text[at + word.len()..].starts_with(inside))
}

fn numbers_behind(text: &str, mark: &str, radix: u32) -> Vec<u64> {
    let number = |at: usize| {
        let digits: String = text[at..].chars().take_while(|c| c.is_digit(radix)).collect();
        u64::from_str_radix(&digits, radix).ok()
    };
    text.match_indices(mark)
        .filter_map(|(at, mark)| number(at + mark.len()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u64) -> Node {
        Node {
            xname: format!("x1000c0s{number}b0n0"),
            nid: number,
            mac: format!("52:54:00:97:00:0{number}"),
            address: format!("10.97.5.{number}"),
        }
    }

    fn script(text: &str) -> Document {
        Document {
            path: "/boot/v1/bootscript".to_owned(),
            text: text.to_owned(),
        }
    }

    const SCRIPT: &str =
        "kernel http://k edit=7 xname=x1000c0s1b0n0 ds=nocloud;s=http://10.97.0.1:8081/cloud-init/b/1f-00a1/";
    const VENDOR_DATA: &str = "url: http://10.97.0.1:8081/cloud-init/b/20-00a1/phone-home/x1000c0s1b0n0";

    fn judged(texts: &[&str]) -> Result<(), String> {
        let all: Vec<Document> = texts.iter().map(|text| script(text)).collect();
        documents(&all, &node(1), 7, &[node(2)])
    }

    #[test]
    fn own_and_never_older_data_is_right() {
        assert_eq!(judged(&[SCRIPT, VENDOR_DATA]), Ok(()));
    }

    #[test]
    fn another_nodes_data_is_noticed() {
        let found = judged(&[SCRIPT, VENDOR_DATA, "url: http://a/phone-home/x1000c0s2b0n0"]);
        assert!(found.unwrap_err().contains("data of x1000c0s2b0n0"));
        assert_eq!(
            judged(&[SCRIPT, VENDOR_DATA, "x1000c0s2b0n01"]),
            Ok(()),
            "a longer name is another"
        );
    }

    #[test]
    fn older_data_is_noticed() {
        let why = |texts: &[&str]| judged(texts).unwrap_err();
        assert!(why(&[VENDOR_DATA, SCRIPT]).contains("rendered at 1f after 20"));
        let earlier = SCRIPT.replace("edit=7", "edit=6");
        assert!(why(&[&earlier, VENDOR_DATA]).contains("edit 6 after 7"));
        let later = SCRIPT.replace("edit=7", "edit=8");
        assert!(why(&[&later, SCRIPT, VENDOR_DATA]).contains("edit 7 after 8"));
    }

    #[test]
    fn a_boot_without_documents_proves_nothing() {
        assert!(judged(&[SCRIPT]).is_err());
    }

    #[test]
    fn giving_up_is_noticed() {
        assert_eq!(left_the_path("iPXE 1.0\nGUEST init"), None);
        assert_eq!(left_the_path("No bootable device.\n"), Some("No bootable device"));
        assert_eq!(
            left_the_path("BdsDxe: failed to load Boot0001"),
            Some("failed to load Boot")
        );
    }
}
