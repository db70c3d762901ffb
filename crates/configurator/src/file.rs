//! A file that is made of the state: where it goes, what is in it, and which revision it says it was made of.

use crate::View;

/// Stands in a body where the revision of the state goes (a header, a zone's serial).
pub const REVISION: char = '\u{1}';
/// Stands where the same goes as a zone's serial: its lower 32 bits (RFC 1982 compares them round the end).
pub const SERIAL: char = '\u{2}';
/// What a header has before the revision.
const REVISION_WORD: &str = "revision ";
/// What a header begins with, behind the sign of a comment.
const HEADER_WORD: &str = "chamois: ";
/// Lines of a text in which its header is looked for: some formats have a line of their own first.
const HEADER_LINES: usize = 5;

/// One file of a target or of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it goes, relative, as its program is used to: `hosts`, `slurm/nodes.conf`.
    pub path: String,
    /// What is in it, with [`REVISION`] and [`SERIAL`] where the revision goes.
    pub body: String,
}

impl File {
    /// A file.
    pub fn new(path: impl Into<String>, body: String) -> File {
        File {
            path: path.into(),
            body,
        }
    }

    /// What is written.
    pub fn text(&self, revision: u64) -> String {
        let body = self.body.replace(REVISION, &revision.to_string());
        body.replace(SERIAL, &serial(revision).to_string())
    }

    /// Whether a present text says the same, whatever revision it was made of. Where several revisions are in it, they must be
    /// the same one: that is what a render writes.
    pub fn says(&self, present: &str) -> bool {
        let Some(place) = self.body.find([REVISION, SERIAL]) else {
            return self.body == present;
        };
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let Some(behind) = present.strip_prefix(&self.body[..place]) else {
            return false;
        };
        behind[..digits(behind)]
            .parse()
            .is_ok_and(|revision| self.is_text(revision, present))
    }

    /// Whether [`File::text`] of this revision is `present`, without writing it.
    fn is_text(&self, revision: u64, present: &str) -> bool {
        let (revision, serial) = (revision.to_string(), serial(revision).to_string());
        let mut left = present;
        for part in self.body.split_inclusive([REVISION, SERIAL]) {
            let (words, number) = match part.as_bytes().last() {
                Some(&last) if char::from(last) == REVISION => (&part[..part.len() - 1], revision.as_str()),
                Some(&last) if char::from(last) == SERIAL => (&part[..part.len() - 1], serial.as_str()),
                _ => (part, ""),
            };
            let behind = left
                .strip_prefix(words)
                .and_then(|left| left.strip_prefix(number));
            let Some(behind) = behind else {
                return false;
            };
            left = behind;
        }
        left.is_empty()
    }
}

/// The lower 32 bits.
fn serial(revision: u64) -> u64 {
    revision & u64::from(u32::MAX)
}

/// The line that a file begins with, its end included. `sign` is the format's sign of a comment (`#`, `;`, `//`), `by` what
/// made it: `target hosts`, `template motd`.
pub fn header(sign: &str, view: &View, by: &str) -> String {
    let cluster = single_line(&view.cluster);
    let by = single_line(by);
    format!(
        "{sign} {HEADER_WORD}cluster {cluster}, {REVISION_WORD}{REVISION}, {by}; written by a program, changes are lost\n"
    )
}

/// The revision that a text's header names.
pub fn revision_of(text: &str) -> Option<u64> {
    let mut lines = text.lines().take(HEADER_LINES);
    let header = lines.find_map(|line| line.split_once(HEADER_WORD))?.1;
    // the cluster's name, which is free text, is before it
    let (_, behind) = header.rsplit_once(REVISION_WORD)?;
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    behind[..digits].parse().ok()
}

/// A comment ends with its line: nothing that is put into one may begin another.
fn single_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(cluster: &str) -> View {
        View {
            cluster: cluster.to_owned(),
            ..View::default()
        }
    }

    fn zone() -> File {
        let header = header(";", &view("prod"), "target dns");
        File::new(
            "dns/zone",
            format!("{header}@ SOA ns hostmaster ( {SERIAL} 1 2 3 4 )\n"),
        )
    }

    #[test]
    fn a_text_has_the_revision_in_header_and_serial() {
        let text = zone().text(7);
        assert_eq!(
            text,
            "; chamois: cluster prod, revision 7, target dns; written by a program, changes are lost\n\
             @ SOA ns hostmaster ( 7 1 2 3 4 )\n"
        );
        assert_eq!(revision_of(&text), Some(7));
    }

    /// A file is replaced when it says something else, not because the revision moved on.
    #[test]
    fn the_same_of_another_revision_says_the_same() {
        let file = zone();
        for revision in [0, 7, 123_456, u64::MAX] {
            assert!(file.says(&file.text(revision)), "{revision}");
        }
        let text = file.text(7);
        for other in [
            "",
            &text[..text.len() - 1],
            &format!("{text}x"),
            &text.replace("( 7", "( 8"),
            &text.replace("revision 7", "revision "),
            &text.replace("7 1 2 3 4", "7 1 2 3 5"),
            &text.replace("ns", "n2"),
        ] {
            assert!(!file.says(other), "{other}");
        }
    }

    #[test]
    fn a_serial_has_32_bits() {
        let text = zone().text((3 << 32) + 7);
        assert!(
            text.contains("revision 12884901895,") && text.contains("( 7 1 2"),
            "{text}"
        );
    }

    #[test]
    fn a_file_without_a_revision_says_the_same_or_not() {
        let file = File::new("a", "[]\n".to_owned());
        assert!(file.says("[]\n") && !file.says("[]") && !file.says("[]\n\n"));
        assert_eq!(file.text(9), "[]\n");
    }

    #[test]
    fn a_cluster_of_any_name_stays_in_its_comment() {
        let header = header("#", &view("a\nroot::0:0, revision 99"), "template x\r\nrm");
        assert_eq!(header.lines().count(), 1);
        assert_eq!(revision_of(&File::new("a", header).text(5)), Some(5));
    }

    #[test]
    fn the_revision_of_a_text_without_a_header_is_none() {
        for text in [
            "",
            "127.0.0.1 localhost\n",
            "# chamois: by hand",
            "# chamois: revision x",
        ] {
            assert_eq!(revision_of(text), None, "{text}");
        }
        let below = "---\n# chamois: cluster a, revision 12, target ansible; written\n";
        assert_eq!(revision_of(below), Some(12), "another line may be first");
    }
}
