//! `*` and `?` in names.

/// Whether the whole of `name` is what `mask` says: `*` is any text, also none, `?` is one character.
pub(super) fn fits(mask: &str, name: &str) -> bool {
    let (mask, name): (Vec<char>, Vec<char>) = (mask.chars().collect(), name.chars().collect());
    let (mut at, mut told) = (0, 0);
    // where the last `*` stood, and how far it reached
    let mut star: Option<(usize, usize)> = None;
    while told < name.len() {
        match (mask.get(at), star) {
            (Some('*'), _) => {
                star = Some((at, told));
                at += 1;
            }
            (Some(c), _) if *c == '?' || *c == name[told] => {
                at += 1;
                told += 1;
            }
            (_, Some((of_star, reached))) => {
                star = Some((of_star, reached + 1));
                at = of_star + 1;
                told = reached + 1;
            }
            (_, None) => return false,
        }
    }
    mask[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        for (mask, name, expected) in [
            ("*", "", true),
            ("*", "a", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*b*c", "axxbyybzzc", true),
            ("a?c", "abc", true),
            ("a?c", "abbc", false),
            ("?", "", false),
            ("a*b", "acd", false),
            ("", "", true),
            ("", "a", false),
            ("x*c*s?b0n*", "x1000c7s3b0n1", true),
            ("x*c*s?b0n*", "x1000c7s31b0n1", false),
        ] {
            assert_eq!(fits(mask, name), expected, "{mask} {name}");
        }
    }

    /// Each star begins anew at most once per character.
    #[test]
    fn many_stars_take_no_time() {
        let (mask, name) = ("*a".repeat(1000) + "b", "a".repeat(5000));
        assert!(!fits(&mask, &name));
    }
}
