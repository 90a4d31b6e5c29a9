//! Texts that others wrote, made fit for a line on a terminal.

/// The text, or its beginning with a mark, in so many characters.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// The text without line feeds and sequences that move a terminal's cursor.
pub(crate) fn printable(text: &str) -> String {
    text.replace(char::is_control, "·")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_shown_and_counts() {
        assert_eq!(shortened("éééé", 4), "éééé");
        assert_eq!(shortened("ééééé", 4), "ééé…");
    }

    #[test]
    fn control_characters_become_dots() {
        assert_eq!(printable("a\nb\u{1b}[2J\u{9b}é"), "a·b·[2J·é");
    }
}
