//! Reads the packets to publish from an argument or from the lines of standard input.
//!
//! Reads on a thread of its own, because reading standard input blocks.

use std::fmt;
use std::io::{self, BufRead, IsTerminal};
use std::thread;

use anyhow::{Context, Result};
use rapids_client::Packet;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::exit::Fault;

/// How many packets are read ahead.
const AHEAD: usize = 256;

/// Where to read packets from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    Argument(String),
    Lines,
}

/// A packet or a blank line.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) origin: Origin,
    /// `None` for a blank line.
    pub(super) packet: Option<Packet>,
}

/// Where a packet was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Argument,
    /// The number of a line, counted from 1.
    Line(u64),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument => formatter.write_str("the packet given"),
            Self::Line(number) => write!(formatter, "line {number}"),
        }
    }
}

impl Input {
    /// The input that an argument means.
    ///
    /// # Errors
    /// [`Fault::Usage`] if there is no argument and standard input is a terminal.
    pub(super) fn of(argument: Option<&str>) -> Result<Self> {
        match argument {
            Some("-") => Ok(Self::Lines),
            Some(text) => Ok(Self::Argument(text.to_owned())),
            None if io::stdin().is_terminal() => {
                let words = "there is nothing to publish: give a packet, or `-` for standard input";
                Err(Fault::Usage(words.to_owned()).into())
            }
            None => Ok(Self::Lines),
        }
    }
}

/// Reads packets, and returns `count` copies of each. Ends after the first line that is no packet.
pub(super) fn read(input: Input, count: u64) -> Receiver<Result<Item>> {
    let (items, inbox) = channel(AHEAD);
    // A plain thread, because the runtime could not end while its task reads standard input.
    thread::spawn(move || match input {
        Input::Argument(text) => {
            copies(Origin::Argument, text.as_bytes(), count, &items);
        }
        Input::Lines => lines(io::stdin().lock(), count, &items),
    });
    inbox
}

fn lines(input: impl BufRead, count: u64, items: &Sender<Result<Item>>) {
    for (number, line) in (1..).zip(input.split(b'\n')) {
        let origin = Origin::Line(number);
        let goes_on = match line.context("cannot read standard input") {
            Ok(line) if line.trim_ascii().is_empty() => {
                items.blocking_send(Ok(Item { origin, packet: None })).is_ok()
            }
            Ok(line) => copies(origin, &line, count, items),
            Err(error) => {
                // Reading ends here, even if nobody receives the error.
                let _ = items.blocking_send(Err(error));
                false
            }
        };
        if !goes_on {
            return;
        }
    }
}

/// Sends `count` copies of a packet; returns whether to go on.
fn copies(origin: Origin, body: &[u8], count: u64, items: &Sender<Result<Item>>) -> bool {
    for _ in 0..count {
        let packet = packet(body, count).with_context(|| origin.to_string());
        let is_packet = packet.is_ok();
        let item = packet.map(|packet| Item { origin, packet: Some(packet) });
        if items.blocking_send(item).is_err() || !is_packet {
            return false;
        }
    }
    true
}

/// Reads a packet that is to be published `count` times.
fn packet(body: &[u8], count: u64) -> Result<Packet> {
    let packet = Packet::from_bytes(body.to_vec())?;
    // A packet without an id gets a new one each time it is read.
    if count > 1 && Packet::from_bytes(body.to_vec())?.id() == packet.id() {
        let words = "with `--count` a packet may not have an id of its own, `rapids.id`";
        return Err(Fault::Usage(words.to_owned()).into());
    }
    Ok(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str, count: u64) -> Vec<Result<Item>> {
        let (items, mut inbox) = channel(AHEAD);
        thread::spawn(move || lines(text.as_bytes(), count, &items)).join().unwrap();
        std::iter::from_fn(|| inbox.try_recv().ok()).collect()
    }

    #[test]
    fn blank_lines_are_no_packets_and_the_first_bad_line_is_the_last() {
        let mut items =
            read("{\"event\":\"a\"}\r\n \n{\"event\":\"b\"}\n{]\n{\"event\":\"c\"}\n", 1);
        let error = format!("{:#}", items.pop().unwrap().unwrap_err());
        assert!(error.starts_with("line 4: body is not a packet: "), "{error}");
        let items = items.into_iter().map(Result::unwrap);
        let found: Vec<_> = items.map(|item| (item.origin, item.packet.is_some())).collect();
        let line = Origin::Line;
        assert_eq!(found, [(line(1), true), (line(2), false), (line(3), true)]);
    }

    #[test]
    fn each_copy_has_an_id_of_its_own() {
        let ids: Vec<_> = read("{\"event\":\"a\"}", 3)
            .into_iter()
            .map(|item| item.unwrap().packet.unwrap().id().to_owned())
            .collect();
        assert_eq!(ids.len(), 3);
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");

        let named = read("{\"event\":\"a\",\"rapids\":{\"id\":\"p-1\"}}", 3);
        let error = named.last().unwrap().as_ref().unwrap_err();
        assert!(format!("{error:#}").contains("may not have an id of its own"), "{error}");
    }
}
