//! The console in a real browser: Chromium, driven by its own driver, without a window.
//!
//! Needs `chromium` and `chromedriver` on PATH. [`Browser`] shows pages, [`Console`] serves them in this
//! process, and [`Shop`] is the demo with the console beside it.

mod browser;
mod console;
mod shop;

use std::time::Duration;

pub use browser::{Browser, Look, Theme};
pub use console::Console;
pub use shop::Shop;

/// Longer than anything takes on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);
