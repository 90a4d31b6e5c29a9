//! Output for pipes and files: a line per order once it is over, and the summary last.

use std::collections::HashSet;
use std::io::{self, Write};

use super::line::line;
use super::palette::Palette;
use super::report;
use crate::order_status::OrderStatus;
use crate::tracker::Tracker;
use crate::verify::Fact;

/// Writes each order once.
#[derive(Debug)]
pub(crate) struct Lines<W> {
    out: W,
    written: HashSet<usize>,
}

impl<W: Write> Lines<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, written: HashSet::new() }
    }

    pub(crate) fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    pub(crate) fn changed(&mut self, order: &OrderStatus) -> io::Result<()> {
        if order.is_over() { self.write(order) } else { Ok(()) }
    }

    fn write(&mut self, order: &OrderStatus) -> io::Result<()> {
        if self.written.insert(order.number) {
            writeln!(self.out, "{}", line(order, &Palette::plain()))?;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self, tracker: &Tracker, facts: &[Fact]) -> io::Result<()> {
        tracker.orders.iter().try_for_each(|order| self.write(order))?;
        report::write(&mut self.out, tracker, facts, &Palette::plain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order_status::tests::{COMPLETED, order};
    use crate::tracker::tests::tracker;

    #[test]
    fn order_is_written_once_when_it_is_over() {
        let mut lines = Lines::new(Vec::new());
        lines.changed(&order(&COMPLETED[..3])).unwrap();
        assert!(lines.out.is_empty());
        lines.changed(&order(&COMPLETED)).unwrap();
        lines.changed(&order(&COMPLETED)).unwrap();
        lines.finish(&tracker(&COMPLETED), &[]).unwrap();
        let text = String::from_utf8(lines.out).unwrap();
        assert_eq!(text.matches("completed\n").count(), 1, "{text}");
    }

    #[test]
    fn order_that_is_never_over_is_written_at_the_end() {
        let mut lines = Lines::new(Vec::new());
        lines.finish(&tracker(&["order_placed"]), &[]).unwrap();
        let text = String::from_utf8(lines.out).unwrap();
        assert!(text.lines().next().unwrap().ends_with("placed"), "{text}");
    }
}
