//! Prints the path of the nats-server that the tests use, for scripts.
//!
//! Finding it, and installing it where there is none, is left to [`find_or_install`].

use std::io::{self, Write};

use rapids_test::find_or_install;

fn main() -> anyhow::Result<()> {
    let path = find_or_install()?;
    writeln!(io::stdout(), "{}", path.display())?;
    Ok(())
}
