//! A proxy before a server that kills a client at a chosen message.
//!
//! It counts what the client publishes, which is everything that it asks of the server. From the
//! fault on, nothing of the client reaches the server and nothing of the server the client.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use super::protocol::{Published, Stream};

/// On which side of its forwarding a message is fatal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The server never sees the message.
    Before,
    /// The server has it, and the client does not learn the answer.
    After,
}

/// A message of a client.
#[derive(Debug, Clone, Copy)]
pub(super) enum Message {
    /// Counted from one.
    Number(usize),
    /// The first whose subject begins like this.
    To(&'static str),
}

/// When which process is killed.
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

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    /// The subjects of what was published since the fault was set.
    subjects: Vec<String>,
    /// Nothing passes any more.
    cut: bool,
    /// The process is gone, and the server has read all that it ever will of it.
    struck: bool,
}

impl Proxy {
    /// Begins to listen; threads end with their connections.
    pub(super) fn before(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        let thread = thread::spawn(move || {
            // Only one client comes, which does not come again once it is killed.
            let (client, _) = listener.accept().unwrap();
            let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).unwrap();
            let answers = Answers {
                from: server.try_clone().unwrap(),
                to: client.try_clone().unwrap(),
                state: shared.clone(),
            };
            let answering = thread::spawn(move || answers.forward());
            if forward(client, &server, &shared) {
                // The server closes its side after it has read all.
                let _ = server.shutdown(Shutdown::Write);
                answering.join().unwrap();
                lock(&shared).struck = true;
            }
        });
        Self { port, state, thread }
    }

    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// From now on messages are counted.
    pub(super) fn set(&self, fault: Fault) {
        lock(&self.state).fault = Some(fault);
    }

    /// Whether the fault has come.
    pub(super) fn has_struck(&self) -> bool {
        lock(&self.state).struck
    }

    /// Waits until the client has gone; returns whether by the fault, and what it published since
    /// the fault was set.
    pub(super) fn ended(self) -> (bool, Vec<String>) {
        self.thread.join().unwrap();
        let state = std::mem::take(&mut *lock(&self.state));
        (state.struck, state.subjects)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap()
}

/// Forwards what a client says, to its end or to the fault: then `true`.
fn forward(mut client: TcpStream, mut server: &TcpStream, state: &Mutex<State>) -> bool {
    let (mut stream, mut chunk) = (Stream::default(), [0; 64 * 1024]);
    loop {
        let count = match client.read(&mut chunk) {
            Ok(0) | Err(_) => return false,
            Ok(count) => count,
        };
        stream.push(&chunk[..count]);
        while let Some(Published { bytes, subject }) = stream.next() {
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

/// Counts a message; the fault if this is the one.
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
    // Under the lock, so that no answer is half way through.
    state.cut = true;
    Some(fault)
}

fn kill(process: u32) {
    let mut command = Command::new("kill");
    // It may have just ended by itself.
    let _ = command.args(["-s", "KILL", &process.to_string()]).stderr(Stdio::null()).status();
}

/// The way back.
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
