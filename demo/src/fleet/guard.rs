//! Ends the processes of the fleet when the demo ends, even if the demo is killed.
//!
//! The guard is a shell that leads their process group and reads a pipe to which nobody writes. The
//! pipe ends when the demo closes it or dies; the shell then sends SIGTERM to its group.

use std::io;
use std::process::{Child, Command, Stdio};

const WATCH: &str = "trap '' TERM INT; read -r _; kill -TERM 0; kill -CONT 0";

/// The leader of the fleet's process group.
#[derive(Debug)]
pub(crate) struct Guard(Child);

impl Guard {
    pub(crate) fn start() -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", WATCH]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C in a terminal does not reach a group of its own, so the demo can stop its services
        // in order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        shell.spawn().map(Self)
    }

    /// The process group to put the processes into.
    pub(crate) fn group(&self) -> i32 {
        i32::try_from(self.0.id()).expect("a process id is an i32 to the system")
    }

    /// Sends SIGTERM to the group.
    pub(crate) fn stop(&mut self) {
        // `wait` closes the pipe. It fails only if the shell has ended already; the supervisors then
        // kill what does not end.
        let _ = self.0.wait();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop();
    }
}
