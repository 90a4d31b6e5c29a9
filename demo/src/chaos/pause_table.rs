//! How the faults of the servers were felt, by kind.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::servers::{FaultKind, Felt, KINDS};

/// All faults of one kind; times in seconds, each the median and the longest.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    fault: FaultKind,
    times: usize,
    /// Until all servers had everything again.
    whole: [f64; 2],
    /// Without leaders of the rapids and a position.
    leaderless: [f64; 2],
    /// Without an acknowledgement for a plain client.
    plain: [f64; 2],
    /// Without a packet of a service.
    services: [f64; 2],
}

/// A row for each kind that there was.
pub(crate) fn rows(felt: &[Felt]) -> Vec<Row> {
    let row = |kind: FaultKind| {
        let of_kind: Vec<_> = felt.iter().filter(|felt| felt.kind == kind).collect();
        let times = |time: fn(&Felt) -> Duration| {
            let mut times: Vec<_> = of_kind.iter().map(|felt| time(felt).as_secs_f64()).collect();
            times.sort_by(f64::total_cmp);
            Some([*times.get(times.len() / 2)?, *times.last()?])
        };
        Some(Row {
            fault: kind,
            times: of_kind.len(),
            whole: times(|felt| felt.whole)?,
            leaderless: times(|felt| felt.leaderless)?,
            plain: times(|felt| felt.plain)?,
            services: times(|felt| felt.ours)?,
        })
    };
    KINDS.into_iter().filter_map(row).collect()
}

/// Prints the rows; nothing if there are none.
pub(crate) fn write(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nSeconds, median and longest, of faults of servers:")?;
    let line = |cells: [&str; 6]| {
        let [fault, times, whole, leaderless, plain, services] = cells;
        format!("  {fault:<45} {times:>5}  {whole:>11} {leaderless:>11} {plain:>12} {services:>11}")
    };
    let columns = ["fault", "times", "all current", "no leader", "plain client", "services"];
    writeln!(out, "{}", line(columns))?;
    for Row { fault, times, whole, leaderless, plain, services } in rows {
        let pair = |[median, longest]: &[f64; 2]| format!("{median:.1} {longest:>5.1}");
        let (fault, times) = (fault.to_string(), times.to_string());
        let [whole, leaderless, plain, services] = [whole, leaderless, plain, services].map(pair);
        writeln!(out, "{}", line([&fault, &times, &whole, &leaderless, &plain, &services]))?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_median_and_its_longest() {
        let felt = |kind, seconds| Felt {
            kind,
            servers: "n1".to_owned(),
            whole: Duration::from_secs(seconds),
            leaderless: Duration::from_secs(seconds - 1),
            plain: Duration::from_secs(seconds - 1),
            ours: Duration::from_secs(seconds - 1),
        };
        let kind = FaultKind::StreamLeaderKilled;
        let felt =
            [felt(kind, 5), felt(FaultKind::RollingRestart, 3), felt(kind, 9), felt(kind, 4)];
        let rows = rows(&felt);
        assert_eq!((rows.len(), rows[0].times, rows[0].whole), (2, 3, [5.0, 9.0]));
        let mut text = Vec::new();
        write(&mut text, &rows).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("leader of the rapids killed"), "{text}");
        assert!(text.contains("5.0   9.0"), "{text}");
    }
}
