//! What is happening, on standard error: a bar by phase on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The bar and the lines above it.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar of `nodes` boots; hidden until the first is reported, and where nobody looks at a terminal.
    pub(crate) fn new(nodes: u32) -> Self {
        let bar =
            ProgressBar::with_draw_target(Some(u64::from(nodes)), ProgressDrawTarget::stderr_with_hz(8));
        let style = ProgressStyle::with_template("{elapsed_precise} {bar:32} {pos}/{len} booted  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar }
    }

    /// A line that stays.
    pub(crate) fn note(&self, text: &str) {
        if self.bar.is_hidden() {
            eprintln!("{text}");
        } else {
            self.bar.suspend(|| eprintln!("{text}"));
        }
    }

    /// How many nodes are in which phase now.
    pub(crate) fn show(&self, booted: usize, phases: &[(&str, usize)]) {
        self.bar.set_message(phases_text(phases));
        self.bar.set_position(booted as u64);
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn phases_text(phases: &[(&str, usize)]) -> String {
    let busy = phases.iter().filter(|(_, nodes)| *nodes > 0);
    busy.map(|(name, nodes)| format!("{name} {nodes}"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_phases_with_nodes_are_named() {
        assert_eq!(
            phases_text(&[("dhcp", 12), ("script", 0), ("kernel", 3)]),
            "dhcp 12, kernel 3"
        );
    }
}
