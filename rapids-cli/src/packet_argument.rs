//! A packet that is given to a command: as an argument, on standard input, or by its sequence.

use std::io::{self, IsTerminal, Read};

use anyhow::{Context, Result};
use clap::Args;
use rapids_client::{Packet, Rapids};

use crate::exit::Fault;
use crate::session::Session;

/// Where a packet comes from.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct PacketArgument {
    /// The packet, a JSON object; `-` for standard input, which is also the default if it is not a
    /// terminal
    #[arg(value_name = "PACKET")]
    packet: Option<String>,

    /// The packet with this sequence
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,
}

/// Connects, unless that is done.
///
/// # Errors
/// As for [`Session::rapids`].
pub(crate) async fn open<'a>(
    session: &Session,
    opened: &'a mut Option<Rapids>,
) -> Result<&'a Rapids> {
    match opened {
        Some(rapids) => Ok(rapids),
        None => Ok(opened.insert(session.rapids().await?)),
    }
}

impl PacketArgument {
    /// Reads the packet. `opened` is the connection, once something needs it.
    ///
    /// # Errors
    /// [`Fault::Usage`] if there is none, [`Fault::NotFound`] if there is no packet of the sequence; if it
    /// is no packet.
    pub(crate) async fn read(
        &self,
        session: &Session,
        opened: &mut Option<Rapids>,
    ) -> Result<Packet> {
        match self.sequence {
            Some(sequence) => stored(open(session, opened).await?, sequence).await,
            None => {
                let remedy = "give one, `-` for standard input, or `--sequence`";
                given(self.packet.as_deref(), remedy).await
            }
        }
    }
}

/// Reads a packet from an argument, or from standard input.
///
/// # Errors
/// [`Fault::Usage`], with the remedy, if there is no argument and standard input is a terminal; if it is no
/// packet.
pub(crate) async fn given(argument: Option<&str>, remedy: &str) -> Result<Packet> {
    match argument {
        Some("-") => from_input().await,
        Some(text) => Ok(Packet::from_bytes(text.to_owned())?),
        None if io::stdin().is_terminal() => {
            Err(Fault::Usage(format!("there is no packet: {remedy}")).into())
        }
        None => from_input().await,
    }
}

/// Reads one packet up to the end of standard input.
async fn from_input() -> Result<Packet> {
    let reading = tokio::task::spawn_blocking(|| {
        let mut body = Vec::new();
        io::stdin().lock().read_to_end(&mut body).map(|_| body)
    });
    Ok(Packet::from_bytes(reading.await?.context("cannot read standard input")?)?)
}

async fn stored(rapids: &Rapids, sequence: u64) -> Result<Packet> {
    Box::pin(rapids.packet(sequence)).await?.ok_or_else(|| {
        let words = format!("there is no packet with sequence {sequence}, or it has expired");
        Fault::NotFound(words).into()
    })
}
