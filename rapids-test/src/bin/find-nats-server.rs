//! Prints the path of the nats-server that the tests use, for scripts; installs it if there is none.

use std::io::{self, Write};

use rapids_test::find_or_install;

fn main() -> anyhow::Result<()> {
    let path = find_or_install()?;
    writeln!(io::stdout(), "{}", path.display())?;
    Ok(())
}
