//! The tables in a text: each stands between a line that says what it shows, and a line that ends it.

use anyhow::{Context, Result, bail};

const BEGIN: &str = "<!-- bench: ";
const CLOSE: &str = " -->";
const END: &str = "<!-- bench: end -->";

/// What the line before a table asks for: `KIND CASE... | FIGURE... | SIDE, ...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted<'a> {
    pub(super) kind: &'a str,
    pub(super) cases: Vec<&'a str>,
    pub(super) figures: Vec<&'a str>,
    pub(super) sides: Vec<&'a str>,
}

#[derive(Debug)]
pub(super) struct Filled {
    pub(super) text: String,
    /// The lines of tables that were left as they were.
    pub(super) without_data: Vec<String>,
}

impl<'a> Wanted<'a> {
    fn parse(line: &'a str) -> Self {
        let mut parts = line.split('|');
        let mut part = || parts.next().unwrap_or_default();
        let words = |part: &'a str| part.split_whitespace().collect::<Vec<_>>();
        let (kind, cases) = part().trim().split_once(' ').unwrap_or((line, ""));
        let figures = words(part());
        let names = part().split(',').map(str::trim).filter(|name| !name.is_empty());
        Self { kind, cases: words(cases), figures, sides: names.collect() }
    }
}

/// The text with each of its tables made anew, if there is data for it.
///
/// # Errors
/// If a table has no end, or cannot be made.
pub(super) fn filled(
    text: &str,
    make: impl Fn(&Wanted<'_>) -> Result<Option<String>>,
) -> Result<Filled> {
    let mut filled = Filled { text: String::new(), without_data: Vec::new() };
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        filled.add(line);
        let wanted = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(CLOSE));
        let Some(wanted) = wanted else { continue };
        if line == END {
            bail!("`{END}` ends no table");
        }
        let mut old = Vec::new();
        loop {
            match lines.next() {
                Some(END) => break,
                Some(line) if !line.starts_with(BEGIN) => old.push(line),
                _ => bail!("the table of `{wanted}` has no `{END}` behind it"),
            }
        }
        let made = make(&Wanted::parse(wanted))
            .with_context(|| format!("cannot make the table of `{wanted}`"))?;
        match made {
            Some(table) => table.lines().for_each(|line| filled.add(line)),
            None => {
                filled.without_data.push(wanted.to_owned());
                old.iter().for_each(|line| filled.add(line));
            }
        }
        filled.add(END);
    }
    Ok(filled)
}

impl Filled {
    fn add(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Title\n<!-- bench: cases drain skip | rate | a, b c -->\nold\n\
                        <!-- bench: end -->\nbetween\n<!-- bench: machine -->\nold too\n\
                        <!-- bench: end -->\nlast\n";

    #[test]
    fn what_stands_between_the_lines_is_replaced() {
        let filled = filled(TEXT, |wanted| match wanted.kind {
            "cases" => {
                assert_eq!(wanted.cases, ["drain", "skip"]);
                assert_eq!(wanted.figures, ["rate"]);
                assert_eq!(wanted.sides, ["a", "b c"]);
                Ok(Some("new\nlines".to_owned()))
            }
            _ => Ok(None),
        });
        let filled = filled.unwrap();
        assert_eq!(filled.text, TEXT.replacen("old\n", "new\nlines\n", 1));
        assert_eq!(filled.without_data, ["machine"]);
    }

    #[test]
    fn table_without_an_end_is_an_error_that_names_it() {
        let text = "<!-- bench: machine -->\nold\n<!-- bench: machine -->\n<!-- bench: end -->\n";
        let error = filled(text, |_| Ok(None)).unwrap_err().to_string();
        assert_eq!(error, "the table of `machine` has no `<!-- bench: end -->` behind it");
        assert!(filled("<!-- bench: end -->\n", |_| Ok(None)).is_err());
    }
}
