use std::{env, io::IsTerminal};

/// How a terminal is told to show text: empty where it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) bold: &'static str,
    pub(super) dim: &'static str,
    pub(super) name: &'static str,
    pub(super) reset: &'static str,
}

impl Style {
    pub(super) const PLAIN: Self = Self { bold: "", dim: "", name: "", reset: "" };
    pub(super) const COLOURED: Self = Self { bold: "\x1b[1m", dim: "\x1b[2m", name: "\x1b[36m", reset: "\x1b[0m" };

    /// Colours only where a person watches and does not object (<https://no-color.org>).
    pub(super) fn of(output: &impl IsTerminal) -> Self {
        let objects = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if output.is_terminal() && !objects { Self::COLOURED } else { Self::PLAIN }
    }
}
