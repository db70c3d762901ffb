//! A name that was asked for, in a form in which it can be compared: lower case, as text.

use hickory_proto::rr::Name;

/// Stands for a byte that no name of ours has.
const FOREIGN: char = '?';

/// The labels of a name, the leftmost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Labels {
    text: String,
    /// Where each label begins in `text`.
    starts: Vec<usize>,
}

impl Labels {
    pub(crate) fn of(name: &Name) -> Labels {
        let (mut text, mut starts) = (String::with_capacity(name.len()), Vec::new());
        for label in name {
            if !starts.is_empty() {
                text.push('.');
            }
            starts.push(text.len());
            text.extend(label.iter().map(|byte| known(*byte)));
        }
        Labels { text, starts }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The last `count` labels with dots between them; nothing for none.
    pub(crate) fn last(&self, count: usize) -> &str {
        match self.len().checked_sub(count) {
            Some(first) if count > 0 => &self.text[self.starts[first]..],
            _ => "",
        }
    }

    /// The labels before the last `count` ones, the leftmost first.
    pub(crate) fn before_last(&self, count: usize) -> impl DoubleEndedIterator<Item = &str> {
        self.text
            .split('.')
            .take(self.len().saturating_sub(count))
            .collect::<Vec<_>>()
            .into_iter()
    }
}

fn known(byte: u8) -> char {
    match byte {
        b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte.to_ascii_lowercase()),
        _ => FOREIGN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_compared_in_lower_case() {
        let name = Name::from_ascii("X0c0S0b0n0.Demo.EXAMPLE.").unwrap();
        let labels = Labels::of(&name);
        assert_eq!((labels.len(), labels.last(2)), (3, "demo.example"));
        assert_eq!(labels.last(3), "x0c0s0b0n0.demo.example");
        assert_eq!((labels.last(0), labels.last(4)), ("", ""));
        assert_eq!(labels.before_last(2).collect::<Vec<_>>(), ["x0c0s0b0n0"]);
        assert_eq!(labels.before_last(0).next_back(), Some("example"));
        assert_eq!(labels.before_last(3).count(), 0);
    }

    /// A dot within a label is not one between two, or a label could leave its zone.
    #[test]
    fn bytes_that_no_name_has_match_nothing() {
        let name = Name::from_labels([&b"a.demo"[..], b"ex\0mple", b"\xc3\xa9"]).unwrap();
        let labels = Labels::of(&name);
        assert_eq!((labels.len(), labels.last(3)), (3, "a?demo.ex?mple.??"));
        assert_eq!(Labels::of(&Name::root()).len(), 0);
    }
}
