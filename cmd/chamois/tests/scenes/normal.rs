//! A screen without what differs from run to run: times, durations, revisions, addresses, folders.

/// What ends a word; the rest of a table's cell is looked at word by word.
fn is_blank(c: char) -> bool {
    c == ' ' || c == '│'
}

/// The text with `own` replaced, and with what is known to differ as a word for it. Where a replaced text has another length the rules
/// and gaps of tables follow, so those lines are brought to one form.
pub(super) fn text(screen: &str, own: &[(String, &str)]) -> String {
    let mut text = screen.to_owned();
    for (from, to) in own {
        text = text.replace(from, to);
    }
    let text: String = text.split_inclusive('\n').map(words).collect();
    match text == screen {
        true => text,
        false => text.split_inclusive('\n').map(without_widths).collect(),
    }
}

fn words(line: &str) -> String {
    let mut clean = String::new();
    let mut before = String::new();
    for word in line.split_inclusive(|c| is_blank(c) || c == '\n') {
        let end = word.trim_start_matches(|c: char| !is_blank(c) && c != '\n');
        let word = &word[..word.len() - end.len()];
        let shown = one(word, &before);
        clean.push_str(&shown);
        clean.push_str(end);
        if !word.is_empty() {
            before = word.to_ascii_lowercase();
        }
    }
    clean
}

fn one(word: &str, before: &str) -> String {
    let is_number =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let bare = word.trim_matches(['(', ')', ',', ';', ':', '"']);
    if is_timestamp(bare) {
        return word.replace(bare, "<time>");
    }
    if is_number(bare)
        && matches!(
            before.trim_start_matches('(').trim_end_matches(':'),
            "revision" | "atms" | "job" | "after" | "within"
        )
    {
        return word.replace(bare, "<n>");
    }
    for unit in ["ms", "us", "s"] {
        if bare.strip_suffix(unit).is_some_and(is_number) {
            return word.replace(bare, "<duration>");
        }
    }
    word.to_owned()
}

/// `2025-11-25T07:00:00Z`, with or without a fraction.
fn is_timestamp(word: &str) -> bool {
    let is_day = word.len() >= 20 && word.as_bytes()[4] == b'-' && word.as_bytes()[10] == b'T';
    is_day && word.ends_with('Z')
}

/// Gaps of two blanks, rules of three strokes.
fn without_widths(line: &str) -> String {
    let words = line.trim_start_matches(' ');
    let mut clean = " ".repeat(line.len() - words.len());
    let mut run = ('\0', 0);
    for c in words.chars() {
        run = if c == run.0 { (c, run.1 + 1) } else { (c, 1) };
        let longest = match c {
            ' ' => 2,
            '─' | '═' | '-' => 3,
            _ => usize::MAX,
        };
        if run.1 <= longest {
            clean.push(c);
        }
    }
    clean.replace("  │", " │").replace(" \n", "\n")
}

#[test]
fn what_differs_from_run_to_run_is_a_word_and_the_rest_stays() {
    let own = [("127.75.1.1".to_owned(), "<member>")];
    for (screen, expected) in [
        ("x1000c0s0b0n0   Ready\n", "x1000c0s0b0n0   Ready\n"),
        (
            "│ 127.75.1.1:7441   1    leader │\n",
            "│ <member>:7441  1  leader │\n",
        ),
        (
            "at revision 4711, 2025-11-25T07:00:00Z\n",
            "at revision <n>, <time>\n",
        ),
        ("by token/admin (revision 4)\n", "by token/admin (revision <n>)\n"),
        ("after 12 tries (35ms)\n", "after <n> tries (<duration>)\n"),
        ("NID 12 of 20\n", "NID 12 of 20\n"),
        ("    atMs: 1796081789830\n", "    atMs: <n>\n"),
    ] {
        assert_eq!(text(screen, &own), expected);
    }
}
