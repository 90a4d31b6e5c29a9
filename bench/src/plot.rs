//! Draws the figures of the documentation, and fills its tables, from what the bench has measured.

mod axis;
mod chart;
mod charts;
mod document;
mod recorded;
mod tables;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::report::progress;
use recorded::Recorded;

/// Draw figures and fill tables from what was measured
///
/// A table stands between the lines `<!-- bench: KIND CASE... | FIGURE... | SIDE, ... -->` and
/// `<!-- bench: end -->`. The kinds are `cases` (a row for each outcome, ratios to one side), `sides`
/// (the same, named by the side), `steps` (a row for each number of services, rivers or bytes, a column
/// for each side, one figure) and `machine`. A table or figure without data stays as it is.
#[derive(Debug, Clone, Args)]
pub(crate) struct PlotOptions {
    /// Files with the JSON of the bench
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The folder to draw figures into, as SVG
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,

    /// A text in Markdown whose tables to fill; may be repeated
    #[arg(long, value_name = "FILE")]
    fill: Vec<PathBuf>,
}

/// Draws and fills what there is data for.
///
/// # Errors
/// If a file cannot be read or written, or a table's line cannot be understood.
pub(crate) fn run(options: &PlotOptions) -> Result<()> {
    let recorded = Recorded::read(&options.files)?;
    fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot make the folder {}", options.out.display()))?;
    for (name, svg) in charts::draw(&recorded) {
        let file = options.out.join(name);
        fs::write(&file, svg).with_context(|| format!("cannot write {}", file.display()))?;
    }
    for file in &options.fill {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let filled = document::filled(&text, |table| tables::table(&recorded, table))
            .with_context(|| format!("cannot fill {}", file.display()))?;
        for table in &filled.without_data {
            progress(&format!("{}: nothing was measured for `{table}`", file.display()));
        }
        fs::write(file, filled.text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
