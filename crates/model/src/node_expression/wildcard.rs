//! `*` and `?` in names.

/// A name with `*` and `?`, made once for all names it is held against.
pub(super) struct Mask(Vec<char>);

impl Mask {
    /// Stars in a row mean no more than one does.
    pub(super) fn of(text: &str) -> Mask {
        let mut mask: Vec<char> = text.chars().collect();
        mask.dedup_by(|next, last| *next == '*' && *last == '*');
        Mask(mask)
    }

    /// Whether the whole of `name` is what the mask says: `*` is any text, also none, `?` is one character.
    pub(super) fn fits(&self, name: &[char]) -> bool {
        let mask = &self.0;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(mask: &str, name: &str) -> bool {
        Mask::of(mask).fits(&name.chars().collect::<Vec<_>>())
    }

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
            ("a***b**", "ab", true),
            ("a***?b", "ab", false),
            ("??", "é", false),
            ("?", "é", true),
        ] {
            assert_eq!(fits(mask, name), expected, "{mask} {name}");
        }
    }

    /// Each star begins anew at most once per character.
    #[test]
    fn many_stars_take_no_time() {
        let (mask, name) = ("*a".repeat(1000) + "b", "a".repeat(5000));
        assert!(!fits(&mask, &name));
        let stars = "*".repeat(10_000);
        assert_eq!(Mask::of(&stars).0, ['*']);
    }
}
