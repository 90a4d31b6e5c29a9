//! `--rate`: how fast to do many things, and how far they are.

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rapids_client::NewJob;
use tokio::time::{Instant, sleep_until};

use crate::interrupt::Interrupt;

/// The option `--rate`.
#[derive(Debug, Args)]
pub(crate) struct Pace {
    /// At most this many per second; no limit unless given
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
}

/// When the next thing may be done.
#[derive(Debug)]
pub(crate) struct Beat {
    rate: Option<f64>,
    due: Instant,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 =
        text.parse().map_err(|_| "expected a number such as `10` or `0.5`".to_owned())?;
    // Slower than once a day is a typing error.
    if rate.is_finite() && rate >= 1.0 / 86_400.0 {
        return Ok(rate);
    }
    Err("expected a number above 0, such as `10` or `0.5`".to_owned())
}

impl Pace {
    /// A job at this rate.
    pub(crate) fn of_job(&self, job: NewJob) -> NewJob {
        match self.rate {
            Some(rate) => job.rate(rate),
            None => job,
        }
    }

    /// The first thing may be done at once.
    pub(crate) fn beat(&self) -> Beat {
        Beat { rate: self.rate, due: Instant::now() }
    }
}

impl Beat {
    /// Waits until the next thing may be done; `false` if an interrupt came first.
    pub(crate) async fn next(&mut self, interrupt: &Interrupt) -> bool {
        let interrupted = tokio::select! {
            biased;
            () = interrupt.received() => true,
            () = sleep_until(self.due) => false,
        };
        if let Some(rate) = self.rate {
            self.due = self.due.max(Instant::now()) + Duration::from_secs_f64(1.0 / rate);
        }
        !interrupted
    }
}

/// A progress bar, if there are several things and standard error is a terminal.
pub(crate) fn bar(count: usize) -> ProgressBar {
    if count < 2 || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len}  {eta} to go")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(u64::try_from(count).unwrap_or(u64::MAX)).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_above_zero() {
        assert_eq!(rate("0.5"), Ok(0.5));
        for text in ["0", "-1", "NaN", "inf", "1e-300", "fast"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
