//! Output on a terminal: a block of lines that fill up as the events come.
//!
//! Orders are sorted by number. Orders at the front that are over leave the block and stay above it;
//! if there are many orders, they are not kept.

use std::io::{self, Write};

use super::line::line;
use super::palette::{Palette, paint};
use super::report;
use crate::tracker::Tracker;
use crate::verify::Fact;

/// Fits a terminal of 24 lines.
const BLOCK: usize = 16;

/// With more orders, those that are over are counted instead of kept.
const KEPT: usize = 60;

/// Hides the cursor and turns line wrapping off, because a wrapped line would spoil the count.
const ENTER: &str = "\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?25h\x1b[?7h";

/// Draws each frame over the one before.
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

    pub(crate) fn draw(&mut self, tracker: &Tracker) -> io::Result<()> {
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
        for order in &tracker.orders[self.passed..] {
            if !order.is_over() {
                break;
            }
            self.passed += 1;
            if tracker.orders.len() <= KEPT {
                frame.push_str(&line(order, &self.palette));
                frame.push('\n');
            }
        }
        let shown = self.block(tracker);
        self.drawn = shown.len();
        for line in shown {
            frame.push_str(&line);
            frame.push('\n');
        }
        self.out.write_all(frame.as_bytes())?;
        self.out.flush()
    }

    /// The newest orders of the block, and the totals.
    fn block(&self, tracker: &Tracker) -> Vec<String> {
        let orders = tracker.orders[self.passed..].iter().filter(|order| order.commanded);
        let orders: Vec<_> = orders.collect();
        let hidden = orders.len().saturating_sub(BLOCK);
        let mut lines: Vec<_> =
            orders[hidden..].iter().map(|order| line(order, &self.palette)).collect();
        let more = if hidden > 0 { format!("; {hidden} more above") } else { String::new() };
        lines.push(paint(self.palette.faint, &format!("{}{more}", report::totals(tracker))));
        lines
    }

    pub(crate) fn finish(&mut self, tracker: &Tracker, facts: &[Fact]) -> io::Result<()> {
        self.is_stale = true;
        self.draw(tracker)?;
        // Remove the line of totals, because the summary repeats it.
        write!(self.out, "\x1b[1A\r\x1b[J")?;
        self.release()?;
        report::write(&mut self.out, tracker, facts, &self.palette)
    }

    /// Shows the cursor again, and keeps what was drawn.
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
        // Fails only if the terminal is closed.
        let _ = self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order_status::tests::{COMPLETED, order};
    use crate::tracker::tests::tracker;

    fn drawn(live: &mut Live<Vec<u8>>, tracker: &Tracker) -> String {
        live.out.clear();
        live.changed();
        live.draw(tracker).unwrap();
        String::from_utf8(live.out.clone()).unwrap()
    }

    #[test]
    fn order_that_is_over_stays_above_the_block() {
        let mut live = Live::new(Vec::new(), Palette::plain());
        let mut tracker = tracker(&COMPLETED[..2]);
        assert_eq!(drawn(&mut live, &tracker).lines().count(), 2);
        tracker.orders[0] = order(&COMPLETED);
        let over = drawn(&mut live, &tracker);
        assert!(over.starts_with("\x1b[2A\r\x1b[J    1  ada"), "{over:?}");
        let again = drawn(&mut live, &tracker);
        assert!(again.starts_with("\x1b[1A\r\x1b[J1 of 1 orders"), "{again:?}");
    }

    #[test]
    fn block_is_bounded_however_many_orders_there_are() {
        let mut live = Live::new(Vec::new(), Palette::plain());
        let mut tracker = tracker(&[]);
        tracker.orders = vec![order(&["order_placed"]); 100];
        let frame = drawn(&mut live, &tracker);
        assert_eq!(frame.lines().count(), BLOCK + 1);
        assert!(frame.ends_with("; 84 more above\n"), "{frame}");
        tracker.orders = vec![order(&COMPLETED); 100];
        assert_eq!(drawn(&mut live, &tracker).lines().count(), 1);
    }

    #[test]
    fn nothing_is_drawn_while_nothing_changes() {
        let mut live = Live::new(Vec::new(), Palette::plain());
        live.draw(&tracker(&[])).unwrap();
        assert!(live.out.is_empty());
    }

    #[test]
    fn cursor_comes_back() {
        let mut live = Live::new(Vec::new(), Palette::plain());
        drawn(&mut live, &tracker(&[]));
        live.out.clear();
        live.release().unwrap();
        assert_eq!(live.out, LEAVE.as_bytes());
    }
}
