//! Ends the processes of the fleet when the demo ends, however that comes about.
//!
//! A shell that leads their process group and reads a pipe that nobody writes to. The pipe ends
//! when the demo closes it, or dies; then the shell sends SIGTERM to its group.

use std::io;
use std::process::{Child, Command, Stdio};

const WATCH: &str = "trap '' TERM INT; read -r _; kill -TERM 0; kill -CONT 0";

/// The leader of the fleet's process group.
#[derive(Debug)]
pub(crate) struct Guard(Child);

impl Guard {
    pub(crate) fn post() -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", WATCH]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own, which Ctrl-C in a terminal does not reach: services end after
        // what they serve.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        shell.spawn().map(Self)
    }

    /// The process group to put the processes into.
    pub(crate) fn group(&self) -> i32 {
        i32::try_from(self.0.id()).expect("a process id is an i32 to the system")
    }

    /// Sends SIGTERM to the group.
    pub(crate) fn dismiss(&mut self) {
        // Waiting closes the pipe. It fails only for a shell that is gone, and then the tasks
        // kill what does not end.
        let _ = self.0.wait();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.dismiss();
    }
}
