//! What may stand in a line of an iPXE script: kernel parameters and the URLs of images.

/// What BSS asks a SPIRE server for and puts in its place. Nobody asks one here, and iPXE, which knows no such setting, would put
/// nothing there and tell nobody.
const JOIN_TOKEN: &str = "${SPIRE_JOIN_TOKEN}";

/// What is wrong with a line of words, and what is accepted; `None` for one that can stand in a script.
///
/// iPXE ends a command at the words `||`, `&&` and `;` and a line at a word that begins with `#`: in parameters they
/// would start a command of the writer's choice, or drop what follows.
pub fn script_words_problem(text: &str) -> Option<String> {
    if text.chars().any(char::is_control) {
        return Some("holds a line break or another control character; write one line of text".to_owned());
    }
    if text.contains(JOIN_TOKEN) {
        return Some(format!(
            "holds `{JOIN_TOKEN}`: no SPIRE server is asked for tokens here, and the node would be given none; leave it out, and \
             give nodes what is secret with a secret group of cloud-init"
        ));
    }
    let ends_command = |word: &&str| matches!(*word, "||" | "&&" | ";") || word.starts_with('#');
    text.split(char::is_whitespace)
        .find(ends_command)
        .map(|word| format!("the word `{word}` has a meaning of its own in an iPXE script"))
}

/// As [`script_words_problem`], for a URL: it is one word.
pub fn script_url_problem(url: &str) -> Option<String> {
    script_words_problem(url).or_else(|| {
        url.contains(' ')
            .then(|| "holds a blank; write %20 in a URL".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_become_a_command() {
        for wrong in [
            "a\nreboot",
            "a\rb",
            "a\u{0}",
            "a || reboot",
            "a && b",
            "a ; b",
            "a #b",
            "#",
            "a spire_join_token=${SPIRE_JOIN_TOKEN}",
        ] {
            assert!(script_words_problem(wrong).is_some(), "{wrong:?}");
            assert!(script_url_problem(wrong).is_some(), "{wrong:?}");
        }
        for fine in ["", "quiet a=b;c", "x=||y a#b", "root=live:http://x/?a=1&&b"] {
            assert_eq!(script_words_problem(fine), None, "{fine:?}");
        }
    }

    #[test]
    fn a_url_is_one_word() {
        assert_eq!(script_url_problem("http://i/k?a=1&b=2"), None);
        let blank = script_url_problem("http://i/a b").unwrap();
        assert!(blank.contains("%20"), "{blank}");
    }
}
