//! What a component is part of, by its name alone: this is asked for every change, so nothing is parsed or copied.

/// What is above every cabinet and every CDU (`Xname::parent`).
const SYSTEM: &str = "s0";

/// A normalised xname and what it is part of, the nearest first: all of `x1000c0s0b0n0`, `x1000c0s0b0`, …, `x1000`, `s0`.
/// Something that is no xname may be among them, and nobody watches that.
pub(crate) fn and_above(id: &str) -> impl Iterator<Item = &str> {
    let cuts = id.as_bytes().windows(2).enumerate().rev();
    let above = cuts
        .filter(|(_, pair)| pair[0].is_ascii_digit() && pair[1].is_ascii_lowercase())
        .filter_map(move |(at, _)| id.get(..=at));
    let system = id.starts_with(['x', 'd']).then_some(SYSTEM);
    std::iter::once(id).chain(above).chain(system)
}

#[cfg(test)]
mod tests {
    use model::Xname;

    use super::*;

    /// The names are those that parsing gives, of every depth and kind.
    #[test]
    fn it_is_what_an_xname_says_of_its_parents() {
        for text in [
            "x1000c0s0b0n0",
            "x1000c7s12b1n3p0",
            "x0c0r5b0",
            "x3000m0p0v1",
            "x9c3",
            "x3000",
            "d1",
            "d1w0",
            "s0",
            "p3",
        ] {
            let Ok(xname) = text.parse::<Xname>() else {
                panic!("{text} is no xname");
            };
            let chain = std::iter::successors(Some(xname), Xname::parent);
            let expected: Vec<String> = chain.map(|name| name.to_string()).collect();
            let found: Vec<&str> = and_above(text)
                .filter(|name| name.parse::<Xname>().is_ok())
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    /// `x1` is not above `x10`.
    #[test]
    fn a_number_is_never_cut() {
        assert_eq!(and_above("x10c12").collect::<Vec<_>>(), ["x10c12", "x10", "s0"]);
        assert_eq!(and_above("").collect::<Vec<_>>(), [""]);
        assert_eq!(and_above("p12.3").collect::<Vec<_>>(), ["p12.3"]);
    }
}
