//! A progress bar while the stream is read.

use std::io::{self, IsTerminal};
use std::pin::pin;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use rapids_client::Progress;
use tokio::time::sleep;

/// How often the bar is drawn anew; the first time after this, too, so that short readings have none.
const REDRAW: Duration = Duration::from_millis(150);

/// Does the work, meanwhile with a progress bar on standard error if that is a terminal.
pub(super) async fn with_bar<T>(
    progress: Progress,
    what: &'static str,
    work: impl Future<Output = T>,
) -> T {
    if !io::stderr().is_terminal() {
        return work.await;
    }
    let mut work = pin!(work);
    let bar = ProgressBar::new(0).with_style(style()).with_message(what);
    loop {
        tokio::select! {
            done = &mut work => {
                bar.finish_and_clear();
                return done;
            }
            () = sleep(REDRAW) => {
                bar.set_length(progress.total());
                bar.set_position(progress.passed());
            }
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{msg} {bar:32} {human_pos}/{human_len}  {eta} to go")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
