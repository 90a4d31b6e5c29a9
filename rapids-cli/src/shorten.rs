//! Shortens texts to the width of a column.

use rapids_client::printable;

/// The printable text, cut to this many characters; a cut is marked by `…`.
pub(crate) fn shortened(text: &str, width: usize) -> String {
    // Escape only what can be printed: the text may be long.
    let end = text.char_indices().nth(width + 1).map_or(text.len(), |(end, _)| end);
    let shown = printable(&text[..end]).to_string();
    if shown.chars().count() <= width {
        return shown;
    }
    shown.chars().take(width - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_shown_and_counts() {
        assert_eq!(shortened("éééé", 4), "éééé");
        assert_eq!(shortened("ééééé", 4), "ééé…");
        assert_eq!(shortened(&"x".repeat(1000), 4), "xxx…");
    }

    #[test]
    fn escapes_count_as_they_are_printed() {
        assert_eq!(shortened("a\nb", 4), "a\\nb");
        assert_eq!(shortened("a\u{1b}b", 4), "a\\u…");
    }
}
