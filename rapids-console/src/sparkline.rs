//! A small chart of counts over the last hour, drawn as SVG by the server.

use std::fmt::Write;

const WIDTH: usize = 120;
const HEIGHT: f64 = 24.0;

/// The chart with what it says in words, for who cannot see it.
#[derive(Debug, Clone)]
pub(crate) struct Sparkline {
    /// The points of a polyline in a box of 120 by 24.
    pub(crate) line: String,
    /// The same, closed below, to be filled.
    pub(crate) area: String,
    pub(crate) words: String,
    pub(crate) is_empty: bool,
}

/// Draws counts per minute, the oldest first.
pub(crate) fn sparkline(minutes: &[u32], what: &str) -> Sparkline {
    let most = minutes.iter().copied().max().unwrap_or(0);
    let total: u64 = minutes.iter().map(|count| u64::from(*count)).sum();
    let step = WIDTH as f64 / (minutes.len().max(2) - 1) as f64;
    let mut line = String::new();
    for (place, count) in minutes.iter().enumerate() {
        let height = f64::from(*count) / f64::from(most.max(1)) * (HEIGHT - 3.0);
        // Writing to a string cannot fail.
        let _ = write!(line, "{:.1},{:.1} ", place as f64 * step, HEIGHT - 1.5 - height);
    }
    let line = line.trim_end().to_owned();
    let area = format!("0,{HEIGHT} {line} {WIDTH},{HEIGHT}");
    let words =
        format!("{total} {what} in the last {} minutes, at most {most} in one", minutes.len());
    Sparkline { line, area, words, is_empty: total == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_count_reaches_the_top_and_none_the_bottom() {
        let drawn = sparkline(&[0, 5, 10], "packets");
        assert_eq!(drawn.line, "0.0,22.5 60.0,12.0 120.0,1.5");
        assert_eq!(drawn.words, "15 packets in the last 3 minutes, at most 10 in one");
        assert!(sparkline(&[0; 60], "packets").is_empty);
    }
}
