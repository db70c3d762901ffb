//! Expressions that ClusterShell and Chamois must read alike.

/// A fixed sequence: the same expressions in every run.
struct Dice(u64);

impl Dice {
    /// One of so many.
    fn of(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let at = self.of(from.len() as u64);
        from[usize::try_from(at).unwrap()]
    }
}

/// Ranges, padding of several lengths, steps, several dimensions, operators.
pub(crate) fn generated(count: usize) -> impl Iterator<Item = String> {
    let mut dice = Dice(12);
    std::iter::repeat_with(move || expression(&mut dice)).take(count)
}

fn expression(dice: &mut Dice) -> String {
    let mut text = term(dice);
    for _ in 0..dice.of(4) {
        text.push_str(dice.pick(&[",", ",", ",", "!", "&", "^"]));
        text.push_str(&term(dice));
    }
    text
}

fn term(dice: &mut Dice) -> String {
    let letters: &[&str] = match dice.of(6) {
        0 | 1 => &["n"],
        2 | 3 => &["x", "c"],
        4 => &["x", "c", "s"],
        _ => return "login".to_owned(),
    };
    let mut text = String::new();
    for letter in letters {
        text.push_str(letter);
        match dice.of(3) {
            0 => {
                let width = usize::from(dice.of(3) == 0) * 2;
                text.push_str(&format!("{:0width$}", dice.of(13)));
            }
            _ => text.push_str(&brackets(dice)),
        }
    }
    if dice.of(5) == 0 {
        text.push_str("-ib");
    }
    text
}

fn brackets(dice: &mut Dice) -> String {
    let items: Vec<String> = (0..=dice.of(3)).map(|_| range(dice)).collect();
    format!("[{}]", items.join(","))
}

fn range(dice: &mut Dice) -> String {
    let width = [0, 0, 0, 2, 3][usize::try_from(dice.of(5)).unwrap()];
    let from = dice.of(13);
    let to = from + dice.of(7);
    match dice.of(3) {
        0 => format!("{from:0width$}"),
        1 => format!("{from:0width$}-{to:0width$}"),
        _ => format!("{from:0width$}-{to:0width$}/{}", 1 + dice.of(3)),
    }
}

/// What both refuse.
pub(crate) fn wrong() -> impl Iterator<Item = String> {
    [
        "a,",
        ",a",
        "a,,b",
        "a!",
        "a&",
        "!a",
        "n[1",
        "n[1-2",
        "n1]",
        "n[1]]",
        "n[]",
        "n[x]",
        "n[1,,2]",
        "n[3-1]",
        "n[01-100]",
        "n[1-010]",
        "n[1-9/0]",
        "n[5/2]",
        "n[0-8/2]5",
        "n[1][2]",
        "n[1-2]5[3-4]",
        "n[1-2-3-4-5]",
    ]
    .map(str::to_owned)
    .into_iter()
}
