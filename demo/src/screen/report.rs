//! The summary and the facts, as lines.

use std::io::{self, Write};

use super::palette::{Palette, paint};
use crate::order_status::End;
use crate::tracker::Tracker;
use crate::verify::Fact;

/// How many faults of one fact are shown.
const FAULTS_SHOWN: usize = 5;

/// The number of orders of each kind, as a line.
pub(crate) fn totals(tracker: &Tracker) -> String {
    let commanded = tracker.commanded();
    let ended = [End::Completed, End::Cancelled, End::Refused].map(|end| tracker.count(end));
    let [completed, cancelled, refused] = ended;
    let open = commanded.saturating_sub(ended.iter().sum());
    format!(
        "{commanded} of {} orders: {completed} completed, {cancelled} cancelled, \
         {refused} refused, {open} open; {} packets",
        tracker.orders.len(),
        tracker.packets,
    )
}

/// Writes the summary, then the facts.
pub(crate) fn write(
    out: &mut impl Write,
    tracker: &Tracker,
    facts: &[Fact],
    palette: &Palette,
) -> io::Result<()> {
    write_totals(out, tracker)?;
    write_facts(out, facts, palette)
}

/// Writes the number of orders of each kind, and how long they took.
pub(crate) fn write_totals(out: &mut impl Write, tracker: &Tracker) -> io::Result<()> {
    let rate = tracker.orders_per_second();
    writeln!(out, "\n{} in {:.1} s, {rate:.1} orders/s", totals(tracker), tracker.seconds())
}

/// Writes a line for each fact, and one for each of its faults.
pub(crate) fn write_facts(
    out: &mut impl Write,
    facts: &[Fact],
    palette: &Palette,
) -> io::Result<()> {
    for fact in facts {
        if fact.holds() {
            writeln!(out, "  {} {}", paint(palette.good, "✓"), fact.claim)?;
            continue;
        }
        writeln!(out, "  {} {}", paint(palette.bad, "✗"), fact.claim)?;
        for fault in fact.faults.iter().take(FAULTS_SHOWN) {
            writeln!(out, "      {fault}")?;
        }
        if fact.faults.len() > FAULTS_SHOWN {
            writeln!(out, "      and {} more", fact.faults.len() - FAULTS_SHOWN)?;
        }
    }
    let broken = facts.iter().filter(|fact| !fact.holds()).count();
    match broken {
        0 => writeln!(out, "{}", paint(palette.good, "All facts hold.")),
        1 => writeln!(out, "{}", paint(palette.bad, "1 fact does not hold.")),
        _ => writeln!(out, "{}", paint(palette.bad, &format!("{broken} facts do not hold."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order_status::tests::COMPLETED;
    use crate::tracker::tests::tracker;
    use crate::verify::facts;

    fn report(events: &[&str]) -> String {
        let tracker = tracker(events);
        let mut text = Vec::new();
        write(&mut text, &tracker, &facts(&tracker), &Palette::plain()).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn report_of_a_good_run_has_a_check_mark_for_each_fact() {
        let report = report(&COMPLETED);
        assert!(report.starts_with(
            "\n1 of 1 orders: 1 completed, 0 cancelled, 0 refused, 0 open; 0 packets in 0.0 s"
        ));
        assert_eq!(report.matches('✓').count(), facts(&tracker(&COMPLETED)).len());
        assert!(report.ends_with("All facts hold.\n"), "{report}");
    }

    #[test]
    fn broken_fact_names_the_order_and_what_is_missing() {
        let report = report(&["order_placed", "payment_received", "order_paid", "vendor_notified"]);
        assert!(report.contains(
            "  ✗ nothing that must come is missing\n      order 1 (o-1) lacks stock_reserved or out_of_stock\n"
        ));
        assert!(report.ends_with("2 facts do not hold.\n"), "{report}");
    }
}
