//! A command that runs while a test goes on: its outputs are read as they come, with a deadline.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::bench::DEADLINE;

/// The running command, which is killed with this value.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: UnboundedReceiver<String>,
    messages: UnboundedReceiver<String>,
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// So many lines of an output as they come, after which it is closed.
fn lines(output: impl Read + Send + 'static, most: usize) -> UnboundedReceiver<String> {
    let output = BufReader::new(output).lines().take(most);
    let (sender, lines) = unbounded_channel();
    thread::spawn(move || output.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    lines
}

async fn next(lines: &mut UnboundedReceiver<String>) -> Option<String> {
    timeout(DEADLINE, lines.recv()).await.expect("a line is printed, or the output ends")
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::closed_after(command, usize::MAX)
    }

    /// Closes its output after this many lines.
    pub(crate) fn closed_after(command: &mut Command, most: usize) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = lines(child.stdout.take().unwrap(), most);
        let messages = self::lines(child.stderr.take().unwrap(), usize::MAX);
        Self { input: child.stdin.take(), child, lines, messages }
    }

    /// Gives it input; more is to come.
    pub(crate) fn give(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Gives it the last of its input, of which it may read as little as it likes.
    pub(crate) fn give_all(&mut self, text: &str) {
        let (mut input, text) = (self.input.take().unwrap(), text.to_owned());
        thread::spawn(move || input.write_all(text.as_bytes()));
    }

    /// The next line that it prints.
    pub(crate) async fn line(&mut self) -> String {
        next(&mut self.lines).await.expect("the output goes on")
    }

    /// The next of its messages.
    pub(crate) async fn message(&mut self) -> String {
        next(&mut self.messages).await.expect("the messages go on")
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    }

    /// Waits for its end, and returns the exit code, the lines that it printed still, and the messages.
    pub(crate) async fn end(mut self) -> (Option<i32>, Vec<String>, String) {
        let (mut lines, mut messages) = (Vec::new(), String::new());
        while let Some(line) = next(&mut self.lines).await {
            lines.push(line);
        }
        while let Some(message) = next(&mut self.messages).await {
            messages.push_str(&message);
            messages.push('\n');
        }
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), lines, messages);
            }
            assert!(Instant::now() < deadline, "it does not end");
            yield_now().await;
        }
    }
}

/// Runs a command with this standard input, and closes its output after this many lines. Returns the
/// exit code and the messages.
pub(crate) async fn unread(
    command: &mut Command,
    lines: usize,
    input: &str,
) -> (Option<i32>, String) {
    let mut program = Program::closed_after(command, lines);
    program.give_all(input);
    let (code, read, messages) = program.end().await;
    assert_eq!(read.len(), lines);
    (code, messages)
}
