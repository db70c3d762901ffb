//! Rows and columns as aligned text. It costs a pass over the cells and no more, because lists have ten thousand rows.

use std::fmt::Write as _;

use super::colour;

/// Between two columns.
const GAP: &str = "  ";
/// A column is not made narrower than this on a terminal, characters.
const WIDTH_MIN: usize = 8;

/// A table: titles, and rows of as many cells.
pub(super) struct Grid {
    titles: Vec<&'static str>,
    /// Row after row.
    cells: Vec<String>,
}

/// Where it is shown.
#[derive(Clone, Copy, Default)]
pub(super) struct Canvas {
    /// Characters in a line of the terminal; none: no terminal, and every cell is written whole.
    pub(super) width: Option<usize>,
    /// Whether words of state are coloured.
    pub(super) colours: bool,
}

impl Grid {
    pub(super) fn new(titles: Vec<&'static str>) -> Grid {
        Grid {
            titles,
            cells: Vec::new(),
        }
    }

    /// Adds a cell; as many as there are titles are a row. What would break the lines is a space.
    pub(super) fn cell(&mut self, mut text: String) {
        if text.contains(char::is_control) {
            text = text.replace(char::is_control, " ");
        }
        self.cells.push(text);
    }

    /// The lines, each ended by a newline. The first line are the titles.
    pub(super) fn render(&self, canvas: Canvas) -> String {
        let widths = self.widths(canvas.width);
        let line: usize = widths.iter().map(|width| width + GAP.len()).sum();
        let rows = self.cells.chunks(self.titles.len().max(1));
        let mut text = String::with_capacity((line + 1) * (rows.len() + 1));
        self.line(&mut text, self.titles.iter().copied(), &widths, false);
        for row in rows {
            self.line(&mut text, row.iter().map(String::as_str), &widths, canvas.colours);
        }
        text
    }

    fn line<'a>(
        &self,
        text: &mut String,
        cells: impl Iterator<Item = &'a str>,
        widths: &[usize],
        colours: bool,
    ) {
        let start = text.len();
        let mut end = start;
        for ((cell, width), title) in cells.zip(widths).zip(&self.titles) {
            let shown = cut(cell, *width);
            let colour = colours.then(|| colour::of(title, cell)).flatten();
            match colour {
                Some(colour) => {
                    // writing to a String cannot fail
                    let _ = write!(text, "{}{shown}{}", colour, colour::END);
                }
                None => text.push_str(&shown),
            }
            if !shown.is_empty() {
                end = text.len();
            }
            let pad = width.saturating_sub(length(&shown));
            text.extend(std::iter::repeat_n(' ', pad));
            text.push_str(GAP);
        }
        text.truncate(end); // no spaces at the end of a line
        text.push('\n');
    }

    /// How wide each column is. On a terminal that is too narrow the widest ones lose until the line fits; the first, by
    /// which rows are named, is always whole.
    fn widths(&self, terminal: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.titles.iter().map(|title| length(title)).collect();
        for row in self.cells.chunks(self.titles.len().max(1)) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(length(cell));
            }
        }
        let Some(terminal) = terminal else {
            return widths;
        };
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        let mut over = (widths.iter().sum::<usize>() + gaps).saturating_sub(terminal);
        while over > 0 {
            let Some(widest) = widths.iter_mut().skip(1).max() else {
                break;
            };
            if *widest <= WIDTH_MIN {
                break;
            }
            *widest -= 1;
            over -= 1;
        }
        widths
    }
}

fn length(text: &str) -> usize {
    match text.is_ascii() {
        true => text.len(),
        false => text.chars().count(),
    }
}

/// The text, or its beginning with an ellipsis.
fn cut(text: &str, width: usize) -> std::borrow::Cow<'_, str> {
    if length(text) <= width {
        return text.into();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    (kept + "…").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(rows: &[[&str; 3]]) -> Grid {
        let mut grid = Grid::new(vec!["ID", "STATE", "DESCRIPTION"]);
        for cell in rows.iter().flatten() {
            grid.cell((*cell).to_owned());
        }
        grid
    }

    #[test]
    fn columns_are_aligned_and_lines_end_without_spaces() {
        let text = grid(&[["x0c0s0b0n0", "Ready", ""], ["x1", "", "a node"]]).render(Canvas::default());
        assert_eq!(
            text,
            "ID          STATE  DESCRIPTION\nx0c0s0b0n0  Ready\nx1                 a node\n"
        );
    }

    /// A script must get what there is, however long.
    #[test]
    fn without_a_terminal_nothing_is_cut() {
        let long = "y".repeat(500);
        let text = grid(&[["x0", "On", &long]]).render(Canvas::default());
        assert!(text.contains(&long));
    }

    #[test]
    fn on_a_narrow_terminal_the_widest_column_gives_way_and_the_name_never() {
        let canvas = Canvas {
            width: Some(30),
            colours: false,
        };
        let text = grid(&[["x1000c0s0b0n0", "Ready", &"y".repeat(60)]]).render(canvas);
        let row = text.lines().nth(1).unwrap();
        assert!(row.starts_with("x1000c0s0b0n0  Ready"), "{row}");
        assert!(row.ends_with('…') && length(row) <= 30, "{row}");
    }

    /// An object's description must not change what a terminal does, nor make two rows of one.
    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let text = grid(&[["x0", "On", "a\u{1b}[2J\nb"]]).render(Canvas::default());
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn colours_are_only_where_they_were_asked_for_and_do_not_shift_columns() {
        let rows = grid(&[["x0", "Ready", "d"]]);
        let plain = rows.render(Canvas::default());
        assert!(!plain.contains('\u{1b}'));
        let coloured = rows.render(Canvas {
            width: None,
            colours: true,
        });
        assert!(coloured.contains("\u{1b}[32mReady\u{1b}[0m  d"), "{coloured:?}");
    }

    /// The aim is 300 ms from start to end with everything around it, in an optimised build; this is a debug build.
    #[test]
    fn ten_thousand_rows_are_no_burden() {
        let mut grid = Grid::new(vec!["ID", "TYPE", "STATE", "FLAG", "ENABLED", "ROLE", "NID"]);
        for row in 0..10_000 {
            grid.cell(format!("x1000c0s{row}b0n0"));
            for cell in ["Node", "Ready", "OK", "true", "Compute", "17"] {
                grid.cell(cell.to_owned());
            }
        }
        let begun = std::time::Instant::now();
        assert_eq!(grid.render(Canvas::default()).lines().count(), 10_001);
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
    }
}
