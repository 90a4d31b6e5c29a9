//! A process that never outlives its parent.
//!
//! It can be ended in order or at once, and ends when the parent dies.

use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// An orderly shutdown usually takes 2 ms, and longer if the store is busy.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(2);

/// Reads a pipe to which nobody writes: it ends when the parent closes it or dies.
const GUARD: &str = r#"read -r _; kill -TERM "$0""#;

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    // A shell that sends SIGTERM when its input ends: for an orderly stop, because std can only send
    // SIGKILL, and for the death of the parent.
    guard: Option<Child>,
}

impl Process {
    pub(super) fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = in_own_group(command).spawn()?;
        let mut shell = Command::new("sh");
        shell.args(["-c", GUARD, &child.id().to_string()]);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Without a shell, the process still ends when this value is dropped.
        let guard = in_own_group(&mut shell).spawn().ok();
        Ok(Self { child, guard })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends SIGKILL and waits for the end.
    pub(super) fn kill(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            end(&mut guard);
        }
        end(&mut self.child);
    }

    /// Sends SIGTERM and waits for the end, for 10 seconds at most; then kills.
    pub(super) fn terminate(&mut self) {
        // Waiting for the guard closes its input, so it sends the signal.
        if self.exited().is_none()
            && let Some(mut guard) = self.guard.take()
            && guard.wait().is_ok()
        {
            let deadline = Instant::now() + STOP_DEADLINE;
            while self.exited().is_none() && Instant::now() < deadline {
                thread::sleep(POLL);
            }
        }
        self.kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.terminate();
    }
}

/// Ctrl-C in a terminal goes to a whole process group. In a group of its own, the process goes on until
/// its user has finished.
fn in_own_group(command: &mut Command) -> &mut Command {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    command
}

/// Both calls fail only if the process has ended, which is the aim.
fn end(child: &mut Child) {
    child.kill().ok();
    child.wait().ok();
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};

    use super::*;

    fn shell(script: &str) -> (Process, BufReader<impl Read>) {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command).unwrap();
        let output = process.child.stdout.take().unwrap();
        (process, BufReader::new(output))
    }

    fn rest(mut output: impl Read) -> String {
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        text
    }

    const TELLS_ITS_END: &str =
        "trap 'echo ended in order; exit' TERM; echo ready; while :; do sleep 0.01; done";

    #[test]
    fn terminated_process_ends_in_order() {
        let (mut process, mut output) = shell(TELLS_ITS_END);
        output.read_line(&mut String::new()).unwrap();
        process.terminate();
        assert_eq!(rest(output), "ended in order\n");
    }

    #[test]
    fn dropped_process_ends_in_order() {
        let (process, mut output) = shell(TELLS_ITS_END);
        output.read_line(&mut String::new()).unwrap();
        drop(process);
        assert_eq!(rest(output), "ended in order\n");
    }

    #[test]
    fn killed_process_does_not_end_in_order() {
        let (mut process, mut output) = shell(TELLS_ITS_END);
        output.read_line(&mut String::new()).unwrap();
        process.kill();
        assert_eq!(rest(output), "");
    }

    #[test]
    fn process_that_ended_by_itself_can_still_be_terminated() {
        let (mut process, output) = shell("exit 3");
        assert_eq!(rest(output), "");
        assert_eq!(process.child.wait().unwrap().code(), Some(3));
        process.terminate();
        assert_eq!(process.exited().unwrap().code(), Some(3));
    }
}
