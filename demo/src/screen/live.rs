//! A block of lines on a terminal that fill as the events come.
//!
//! Orders stand in the order of their numbers. Those at the front that are over leave the block
//! and stay above it, or, where there are many, make room.

use std::io::{self, Write};

use super::line::line;
use super::palette::{Palette, paint};
use super::report;
use crate::ledger::Ledger;
use crate::verify::Fact;

/// Fits a terminal of 24 lines.
const BLOCK: usize = 16;

/// With more orders, those that are over are counted instead of kept.
const KEPT: usize = 60;

/// No cursor, and no wrapping: a long line would take two and spoil the count.
const ENTER: &str = "\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?25h\x1b[?7h";

/// Draws over what it drew before.
#[derive(Debug)]
pub(crate) struct Live<W: Write> {
    out: W,
    palette: Palette,
    /// How many lines the block has now.
    drawn: usize,
    /// How many orders have left the block.
    passed: usize,
    is_stale: bool,
    is_entered: bool,
}

impl<W: Write> Live<W> {
    pub(crate) fn new(out: W, palette: Palette) -> Self {
        Self { out, palette, drawn: 0, passed: 0, is_stale: false, is_entered: false }
    }

    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", paint(self.palette.faint, text))
    }

    pub(crate) fn changed(&mut self) {
        self.is_stale = true;
    }

    pub(crate) fn draw(&mut self, ledger: &Ledger) -> io::Result<()> {
        if !std::mem::take(&mut self.is_stale) {
            return Ok(());
        }
        let mut frame = String::new();
        if !std::mem::replace(&mut self.is_entered, true) {
            frame.push_str(ENTER);
        }
        if self.drawn > 0 {
            frame.push_str(&format!("\x1b[{}A", self.drawn));
        }
        frame.push_str("\r\x1b[J");
        for story in &ledger.stories[self.passed..] {
            if !story.is_over() {
                break;
            }
            self.passed += 1;
            if ledger.stories.len() <= KEPT {
                frame.push_str(&line(story, &self.palette));
                frame.push('\n');
            }
        }
        let shown = self.block(ledger);
        self.drawn = shown.len();
        for line in shown {
            frame.push_str(&line);
            frame.push('\n');
        }
        self.out.write_all(frame.as_bytes())?;
        self.out.flush()
    }

    /// The newest orders that are not over, or whose predecessors are not, and the totals.
    fn block(&self, ledger: &Ledger) -> Vec<String> {
        let stories = ledger.stories[self.passed..].iter().filter(|story| story.commanded);
        let stories: Vec<_> = stories.collect();
        let hidden = stories.len().saturating_sub(BLOCK);
        let mut lines: Vec<_> =
            stories[hidden..].iter().map(|story| line(story, &self.palette)).collect();
        let more = if hidden > 0 { format!("; {hidden} more above") } else { String::new() };
        lines.push(paint(self.palette.faint, &format!("{}{more}", report::totals(ledger))));
        lines
    }

    pub(crate) fn finish(&mut self, ledger: &Ledger, facts: &[Fact]) -> io::Result<()> {
        self.is_stale = true;
        self.draw(ledger)?;
        // The summary says the same as the line of totals.
        write!(self.out, "\x1b[1A\r\x1b[J")?;
        self.release()?;
        report::write(&mut self.out, ledger, facts, &self.palette)
    }

    /// Shows the cursor again, and leaves what was drawn standing.
    pub(crate) fn release(&mut self) -> io::Result<()> {
        self.drawn = 0;
        if std::mem::take(&mut self.is_entered) {
            self.out.write_all(LEAVE.as_bytes())?;
            self.out.flush()?;
        }
        Ok(())
    }
}

impl<W: Write> Drop for Live<W> {
    fn drop(&mut self) {
        // A terminal that is gone needs no cursor.
        let _ = self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::ledger;
    use crate::story::tests::{COMPLETED, story};

    fn drawn(live: &mut Live<Vec<u8>>, ledger: &Ledger) -> String {
        live.out.clear();
        live.changed();
        live.draw(ledger).unwrap();
        String::from_utf8(live.out.clone()).unwrap()
    }

    #[test]
    fn order_that_is_over_stays_above_the_block() {
        let mut live = Live::new(Vec::new(), Palette::plain());
        let mut ledger = ledger(&COMPLETED[..2]);
        assert_eq!(drawn(&mut live, &ledger).lines().count(), 2);
        ledger.stories[0] = story(&COMPLETED);
        let over = drawn(&mut live, &ledger);
        assert!(over.starts_with("\x1b[2A\r\x1b[J    1  ada"), "{over:?}");
        let again = drawn(&mut live, &ledger);
        assert!(again.starts_with("\x1b[1A\r\x1b[J1 of 1 orders"), "{again:?}");
    }

    #[test]
    fn block_is_bounded_however_many_orders_there_are() {
        let mut live = Live::new(Vec::new(), Palette::plain());
        let mut ledger = ledger(&[]);
        ledger.stories = vec![story(&["order_placed"]); 100];
        let frame = drawn(&mut live, &ledger);
        assert_eq!(frame.lines().count(), BLOCK + 1);
        assert!(frame.ends_with("; 84 more above\n"), "{frame}");
        ledger.stories = vec![story(&COMPLETED); 100];
        assert_eq!(drawn(&mut live, &ledger).lines().count(), 1);
    }

    #[test]
    fn nothing_is_drawn_while_nothing_changes() {
        let mut live = Live::new(Vec::new(), Palette::plain());
        live.draw(&ledger(&[])).unwrap();
        assert!(live.out.is_empty());
    }

    #[test]
    fn cursor_comes_back() {
        let mut live = Live::new(Vec::new(), Palette::plain());
        drawn(&mut live, &ledger(&[]));
        live.out.clear();
        live.release().unwrap();
        assert_eq!(live.out, LEAVE.as_bytes());
    }
}
