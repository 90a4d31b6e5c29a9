#![cfg(test)]
//! The pages of the console in a real browser. Run them with `just test-browser`.

mod acting;
mod faults;
mod hostile;
mod live;
mod pages;
mod story;
