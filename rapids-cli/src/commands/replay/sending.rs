//! Sends the packets that were picked: at a rate, with a progress bar, until interrupted.

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use rapids_client::{Error, Packet, Rapids, Replays, Start};
use serde_json::json;

use super::counted;
use crate::exit::{Answer, Fault};
use crate::pace::{Beat, bar};
use crate::screen::Format;
use crate::session::Session;

/// How much is read ahead of what is sent, at most: packets, and about how many bytes.
const AHEAD: usize = 256;
const AHEAD_BYTES: usize = 8 << 20;

/// Sends the packets with these sequences, in their order. An interrupt stops it after the current one.
///
/// # Errors
/// The errors of reading and of sending; [`Fault::Interrupted`].
pub(super) async fn send(
    session: &Session,
    (rapids, replays): (&Rapids, &mut Replays),
    sequences: &[u64],
    (mut beat, output): (Beat, Format),
) -> Result<Answer> {
    let bar = bar(sequences.len());
    let mut progress = Progress { sent: 0, total: sequences.len(), output };
    let sending = Box::pin(progress.send(session, (rapids, replays), sequences, (&mut beat, &bar)));
    let outcome = sending.await;
    bar.finish_and_clear();
    let Progress { sent, total, .. } = progress;
    let done = format!("{sent} of {} replayed", counted(total));
    match outcome {
        Ok(true) => {
            session.screen.note(&done);
            // The others have expired since they were picked.
            if sent < total {
                session.screen.warning(format_args!("{} expired", counted(total - sent)));
            }
            Ok(Answer::from(sent == total))
        }
        Ok(false) => {
            let words = format!("interrupted: {done}; the same command goes on");
            session.screen.note(words);
            Err(Fault::Interrupted.into())
        }
        Err(error) => Err(error).context(format!("{done}; the same command goes on")),
    }
}

/// How far it is.
struct Progress {
    sent: usize,
    total: usize,
    output: Format,
}

impl Progress {
    /// Returns whether it came to its end without an interrupt.
    async fn send(
        &mut self,
        session: &Session,
        (rapids, replays): (&Rapids, &mut Replays),
        mut sequences: &[u64],
        (beat, bar): (&mut Beat, &ProgressBar),
    ) -> Result<bool> {
        loop {
            // In parts: a feed that is read as slowly as packets are sent would break off.
            let packets = tokio::select! {
                packets = read(rapids, sequences) => packets?,
                () = session.interrupt.received() => return Ok(false),
            };
            let Some(last) = packets.last().and_then(Packet::arrival) else { return Ok(true) };
            let behind = sequences.partition_point(|sequence| *sequence <= last.sequence);
            sequences = &sequences[behind..];
            for packet in &packets {
                if !beat.next(&session.interrupt).await {
                    return Ok(false);
                }
                let replay = Box::pin(replays.send(packet)).await?;
                self.sent += 1;
                bar.suspend(|| self.report(session, packet, replay))?;
                bar.inc(1);
            }
        }
    }

    fn report(&self, session: &Session, packet: &Packet, replay: Option<u64>) -> Result<()> {
        let sequence = packet.arrival().map_or(0, |arrival| arrival.sequence);
        match (self.output, replay) {
            (Format::Json, replay) => {
                let id = packet.id();
                let json = json!({ "sequence": sequence, "packet_id": id, "replay": replay });
                session.screen.json(&json.to_string())
            }
            (Format::Line, Some(replay)) => {
                session.screen.line(format_args!("packet {sequence} replayed: replay {replay}"))
            }
            (Format::Line, None) => {
                session.screen.line(format_args!("packet {sequence} was replayed before"))
            }
        }
    }
}

/// Reads the first of the packets with these sequences: none if all of them have expired.
async fn read(rapids: &Rapids, sequences: &[u64]) -> Result<Vec<Packet>> {
    let (Some(first), Some(last)) = (sequences.first(), sequences.last()) else {
        return Ok(Vec::new());
    };
    let mut tail = rapids.tail(Start::Sequence(*first)).await?;
    let (mut packets, mut bytes) = (Vec::new(), 0);
    while packets.len() < AHEAD && bytes < AHEAD_BYTES {
        let packet = match Box::pin(tail.next_stored()).await {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(Error::Malformed { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let sequence = packet.arrival().map_or(u64::MAX, |arrival| arrival.sequence);
        if sequences.binary_search(&sequence).is_ok() {
            bytes += packet.body().len();
            packets.push(packet);
        }
        if sequence >= *last {
            break;
        }
    }
    Ok(packets)
}
