//! A process whose output is read while it runs.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any step takes on a busy machine, including a build of some crates.
const DEADLINE: Duration = Duration::from_secs(180);

/// A process and its output so far. It is killed with its children when this value is dropped.
pub(crate) struct Process {
    child: Child,
    coming: Receiver<String>,
    seen: Vec<String>,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that what a recipe starts can be stopped with it.
        let mut child = command.process_group(0).spawn().unwrap();
        let (sender, coming) = channel();
        forward(child.stdout.take().unwrap(), sender.clone());
        forward(child.stderr.take().unwrap(), sender);
        Self { child, coming, seen: Vec::new() }
    }

    /// Waits for a line that contains all these parts; skips the lines before it.
    pub(crate) fn until(&mut self, parts: &[&str]) -> String {
        self.until_by(Instant::now() + DEADLINE, parts).unwrap_or_else(|why| {
            panic!("no line with {parts:?}, {why}:\n{}", self.seen.join("\n"))
        })
    }

    /// Repeats something until a line contains all these parts.
    pub(crate) fn until_while(&mut self, parts: &[&str], again: impl Fn()) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            again();
            let next = (Instant::now() + Duration::from_millis(200)).min(deadline);
            match self.until_by(next, parts) {
                Ok(line) => return line,
                Err(why) if Instant::now() >= deadline => {
                    panic!("no line with {parts:?}, {why}: {:#?}", self.seen)
                }
                Err(_) => {}
            }
        }
    }

    fn until_by(&mut self, deadline: Instant, parts: &[&str]) -> Result<String, &'static str> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.coming.recv_timeout(left).map_err(|error| match error {
                RecvTimeoutError::Timeout => "in time",
                RecvTimeoutError::Disconnected => "for it has ended",
            })?;
            self.seen.push(line.clone());
            if parts.iter().all(|part| line.contains(part)) {
                return Ok(line);
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Stops the process by SIGTERM, and returns all of its output.
    pub(crate) fn stop(mut self) -> Vec<String> {
        self.signal("TERM");
        self.child.wait().unwrap();
        self.seen.extend(self.coming.iter());
        std::mem::take(&mut self.seen)
    }

    /// Sends a signal to the process and its children.
    pub(crate) fn signal(&self, signal: &str) {
        let kill = format!("kill -s {signal} -- -{}", self.child.id());
        // It may have ended by itself.
        let _ = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal("KILL");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(output: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { return };
            if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
}
