//! A proxy in front of a server that kills a client at a chosen message.
//!
//! It counts the messages that the client publishes, which include all its requests. From the fault
//! on, nothing passes in either direction.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::protocol::{Published, Stream};

/// Whether the client is killed before or after the message is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The server never sees the message.
    Before,
    /// The server gets it, but the client does not get the answer.
    After,
}

/// A message of a client.
#[derive(Debug, Clone, Copy)]
pub(super) enum Message {
    /// The message with this number, counted from one.
    Number(usize),
    /// The first message whose subject begins with this.
    To(&'static str),
}

/// Which process to kill, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) message: Message,
    pub(super) side: Side,
    pub(super) process: u32,
}

pub(super) struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
    thread: JoinHandle<()>,
}

/// Holds the first record of a memory back, until reactions have written so many lines to a file.
pub(super) struct Hold {
    pub(super) file: PathBuf,
    pub(super) lines: usize,
}

/// Longer than the reactions take on a busy machine.
const LONGEST_HOLD: Duration = Duration::from_secs(20);

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    hold: Option<Hold>,
    /// The subjects of the messages published since the fault was set.
    subjects: Vec<String>,
    /// Nothing passes any more.
    cut: bool,
    /// The process is dead, and the server has read everything that was forwarded.
    hit: bool,
}

impl Proxy {
    /// Starts listening. The threads end with their connections.
    pub(super) fn before(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        let thread = thread::spawn(move || {
            // Only one client connects, and it does not reconnect once it is killed.
            let (client, _) = listener.accept().unwrap();
            let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).unwrap();
            let answers = Answers {
                from: server.try_clone().unwrap(),
                to: client.try_clone().unwrap(),
                state: shared.clone(),
            };
            let answering = thread::spawn(move || answers.forward());
            if forward(client, &server, &shared) {
                // The server closes its side after it has read everything.
                let _ = server.shutdown(Shutdown::Write);
                answering.join().unwrap();
                lock(&shared).hit = true;
            }
        });
        Self { port, state, thread }
    }

    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Sets the fault, and starts counting messages.
    pub(super) fn set(&self, fault: Fault, hold: Option<Hold>) {
        let mut state = lock(&self.state);
        state.fault = Some(fault);
        state.hold = hold;
    }

    /// Whether the fault has happened.
    pub(super) fn has_hit(&self) -> bool {
        lock(&self.state).hit
    }

    /// Waits until the client has disconnected. Returns whether the fault has happened, and what was
    /// published since it was set.
    pub(super) fn ended(self) -> (bool, Vec<String>) {
        self.thread.join().unwrap();
        let state = std::mem::take(&mut *lock(&self.state));
        (state.hit, state.subjects)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap()
}

/// Forwards what a client sends, until it disconnects or the fault happens. Returns whether the fault
/// has happened.
fn forward(mut client: TcpStream, mut server: &TcpStream, state: &Mutex<State>) -> bool {
    let (mut stream, mut chunk) = (Stream::default(), [0; 64 * 1024]);
    loop {
        let count = match client.read(&mut chunk) {
            Ok(0) | Err(_) => return false,
            Ok(count) => count,
        };
        stream.push(&chunk[..count]);
        while let Some(Published { bytes, subject }) = stream.next() {
            let is_record = subject.as_ref().is_some_and(|it| it.starts_with("$KV.RAPIDS_MEMORY_"));
            // Not under the lock: answers are forwarded meanwhile.
            let hold = lock(state).hold.take_if(|_| is_record);
            if let Some(hold) = hold {
                hold.wait();
            }
            let fatal = subject.and_then(|subject| fault(&mut lock(state), subject));
            if let Some(Fault { side: Side::Before, process, .. }) = fatal {
                kill(process);
                return true;
            }
            if server.write_all(&bytes).is_err() {
                return false;
            }
            if let Some(Fault { process, .. }) = fatal {
                kill(process);
                return true;
            }
        }
    }
}

impl Hold {
    fn wait(&self) {
        let begun = Instant::now();
        let lines = || fs::read_to_string(&self.file).unwrap_or_default().lines().count();
        while lines() < self.lines && begun.elapsed() < LONGEST_HOLD {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Counts a message. Returns the fault if this is its message.
fn fault(state: &mut State, subject: String) -> Option<Fault> {
    let fault = state.fault?;
    let number = state.subjects.len() + 1;
    let is_fatal = match fault.message {
        Message::Number(fatal) => number == fatal,
        Message::To(prefix) => subject.starts_with(prefix),
    };
    state.subjects.push(subject);
    if !is_fatal {
        return None;
    }
    // Set under the lock, so that no answer is being forwarded.
    state.cut = true;
    Some(fault)
}

fn kill(process: u32) {
    let mut command = Command::new("kill");
    // It may have just ended by itself.
    let _ = command.args(["-s", "KILL", &process.to_string()]).stderr(Stdio::null()).status();
}

/// Forwards what the server sends.
struct Answers {
    from: TcpStream,
    to: TcpStream,
    state: Arc<Mutex<State>>,
}

impl Answers {
    fn forward(mut self) {
        let mut chunk = [0; 64 * 1024];
        while let Ok(count @ 1..) = self.from.read(&mut chunk) {
            let state = lock(&self.state);
            if !state.cut && self.to.write_all(&chunk[..count]).is_err() {
                return;
            }
        }
    }
}
