//! An outcome as a table.

use std::fmt::Write as _;

use crate::figure::Limit;
use crate::outcome::{Line, Outcome, Ratio, Verdict};
use crate::samples::Samples;

/// The table of an outcome: a row per figure, a column per side with the median, the least and the
/// most, and a column per comparison, with the target if there is one.
pub(crate) fn table(outcome: &Outcome) -> String {
    let rounds = match outcome.rounds.len() {
        1 => "1 round".to_owned(),
        rounds => format!("{rounds} rounds"),
    };
    let mut text = format!("{}: {}, {rounds}\n", outcome.case, outcome.setting);
    let rows: Vec<Vec<String>> = std::iter::once(head(outcome))
        .chain(outcome.lines().iter().map(|line| row(outcome, line)))
        .collect();
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or_default())
        .collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let cells: Vec<_> = cells.collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}", cells.join("   ").trim_end());
    }
    text
}

fn head(outcome: &Outcome) -> Vec<String> {
    let own = &outcome.sides[0];
    let comparisons = outcome.sides[1..].iter().map(|other| format!("{own}/{other}"));
    std::iter::once(String::new()).chain(outcome.sides.iter().cloned()).chain(comparisons).collect()
}

fn row(outcome: &Outcome, line: &Line) -> Vec<String> {
    let shown = |samples| cell(samples, outcome.rounds.len());
    let mut samples: Vec<_> = outcome
        .sides
        .iter()
        .map(|side| line.sides.get(side).map_or_else(String::new, shown))
        .collect();
    if let (Some(verdict), Some(own)) = (&line.bound, samples.first_mut()) {
        *own = format!("{own} {}", said(verdict));
    }
    let ratios = outcome.sides[1..]
        .iter()
        .map(|side| line.against.get(side).map_or_else(String::new, comparison));
    std::iter::once(line.figure.label().to_owned()).chain(samples).chain(ratios).collect()
}

fn cell(samples: &Samples, rounds: usize) -> String {
    if rounds == 1 {
        return number(samples.median());
    }
    let [median, least, most] = [samples.median(), samples.least(), samples.most()].map(number);
    format!("{median} ({least}..{most})")
}

fn comparison(ratio: &Ratio) -> String {
    let shown = format!("{:.2}", ratio.ratio);
    let Some(verdict) = &ratio.verdict else { return shown };
    let shown = match verdict.target {
        Limit::OnTop(_) => format!("{:+.2}", ratio.difference),
        Limit::AtLeast(_) | Limit::AtMost(_) | Limit::UpTo(_) => shown,
    };
    format!("{shown} {}", said(verdict))
}

fn said(verdict: &Verdict) -> String {
    let word = if verdict.met { "met" } else { "MISSED" };
    format!("({} {word})", verdict.target)
}

/// A number with about three significant digits.
pub(crate) fn number(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.2}");
    }
    if value < 100.0 {
        return format!("{value:.1}");
    }
    // The cast saturates.
    grouped(value.round() as u64)
}

/// A whole number with commas between the thousands.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::outcome;

    #[test]
    fn numbers_are_short_and_legible() {
        let shown = [0.254, 9.994, 12.34, 345.6, 1_234.0, 1_234_567.8].map(number);
        assert_eq!(shown, ["0.25", "9.99", "12.3", "346", "1,234", "1,234,568"]);
    }

    #[test]
    fn table_names_medians_spreads_ratios_and_targets() {
        let text = table(&outcome());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "drain: 1,000 packets of 600 B, 3 rounds");
        assert!(lines[1].contains("ours/tuned"), "{text}");
        assert!(lines[2].contains("98,000 (93,500..99,000)"), "{text}");
        assert!(lines[2].contains("0.98 (>= 0.95 met)"), "{text}");
        assert!(lines[2].ends_with("1.98 (>= 2 MISSED)"), "{text}");
        assert!(lines[3].contains("+0.50 (<= +0.25 MISSED)"), "{text}");
        let columns = |line: &str| line.find("ours").or_else(|| line.find(')')).unwrap();
        assert!(columns(lines[1]) <= columns(lines[2]) + 1, "{text}");
    }
}
