//! A line per order once it is over, for pipes and files.

use std::collections::HashSet;
use std::io::{self, Write};

use super::line::line;
use super::palette::Palette;
use super::report;
use crate::ledger::Ledger;
use crate::story::Story;
use crate::verify::Fact;

/// Writes each order once.
#[derive(Debug)]
pub(crate) struct Lines<W> {
    out: W,
    told: HashSet<usize>,
}

impl<W: Write> Lines<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, told: HashSet::new() }
    }

    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    pub(crate) fn changed(&mut self, story: &Story) -> io::Result<()> {
        if story.is_over() { self.tell(story) } else { Ok(()) }
    }

    fn tell(&mut self, story: &Story) -> io::Result<()> {
        if self.told.insert(story.number) {
            writeln!(self.out, "{}", line(story, &Palette::plain()))?;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, ledger: &Ledger, facts: &[Fact]) -> io::Result<()> {
        ledger.stories.iter().try_for_each(|story| self.tell(story))?;
        report::write(&mut self.out, ledger, facts, &Palette::plain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::ledger;
    use crate::story::tests::{COMPLETED, story};

    #[test]
    fn order_is_told_once_when_it_is_over() {
        let mut lines = Lines::new(Vec::new());
        lines.changed(&story(&COMPLETED[..3])).unwrap();
        assert!(lines.out.is_empty());
        lines.changed(&story(&COMPLETED)).unwrap();
        lines.changed(&story(&COMPLETED)).unwrap();
        lines.finish(&ledger(&COMPLETED), &[]).unwrap();
        let text = String::from_utf8(lines.out).unwrap();
        assert_eq!(text.matches("completed\n").count(), 1, "{text}");
    }

    #[test]
    fn order_that_is_never_over_is_told_at_the_end() {
        let mut lines = Lines::new(Vec::new());
        lines.finish(&ledger(&["order_placed"]), &[]).unwrap();
        let text = String::from_utf8(lines.out).unwrap();
        assert!(text.lines().next().unwrap().ends_with("placed"), "{text}");
    }
}
