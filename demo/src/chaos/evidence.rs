//! The folder of a run: logs and store while it lasts, and what a fault is to be explained with.

use std::collections::HashSet;
use std::env;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result};
use rapids_client::{DeadLetter, Error, Packet, Rapids, Start};

use crate::verify::Fact;

/// Named after the seed; goes unless it is kept.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    is_kept: bool,
}

impl Folder {
    /// Makes it beside what was built.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn make(seed: u64) -> Result<Self> {
        let program = env::current_exe().context("cannot tell where the demo itself was built")?;
        let target = program.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        let path = target.join("chaos").join(format!("{seed}-{}", process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path, is_kept: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the server stores.
    pub(crate) fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    /// Leaves it to the user.
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Writes lines into a file of this name.
    ///
    /// # Errors
    /// If that fails.
    pub(crate) fn write(&self, name: &str, lines: impl IntoIterator<Item = String>) -> Result<()> {
        let path = self.path.join(name);
        let writing = || {
            let mut file = BufWriter::new(File::create(&path)?);
            lines.into_iter().try_for_each(|line| writeln!(file, "{line}"))?;
            file.flush()
        };
        writing().with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept {
            // What is left there disturbs nobody.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// The ids that faults name.
#[derive(Debug)]
pub(crate) struct Named(HashSet<String>);

impl Named {
    pub(crate) fn in_faults(facts: &[Fact]) -> Self {
        let faults = facts.iter().flat_map(|fact| &fact.faults);
        let is_of_an_id = |character: char| character.is_alphanumeric() || "-_".contains(character);
        let words = faults.flat_map(|fault| fault.split(move |c| !is_of_an_id(c)));
        // Shorter words are no ids.
        Self(words.filter(|word| word.len() >= 16).map(str::to_owned).collect())
    }

    /// Whether a packet is named, or belongs to a conversation that is.
    fn holds(&self, packet: &Packet) -> bool {
        let order_id = packet.get::<String>("order_id").ok().flatten().unwrap_or_default();
        let ids = [packet.id(), packet.correlation_id(), &order_id];
        ids.into_iter().chain(packet.causation_id()).any(|id| self.0.contains(id))
    }

    pub(crate) fn has(&self, letter: &DeadLetter) -> bool {
        self.0.contains(&letter.packet_id) || self.0.contains(&letter.correlation_id)
    }

    /// Every packet of what is named, as the rapids hold it, behind its sequence.
    ///
    /// # Errors
    /// If the rapids cannot be read.
    pub(crate) async fn history(&self, rapids: &Rapids, last: u64) -> Result<Vec<String>> {
        let mut history = Vec::new();
        let mut tail = rapids.tail(Start::Beginning).await?;
        for _ in 0..last {
            match tail.next().await {
                Ok(packet) if self.holds(&packet) => {
                    let sequence = packet.arrival().map_or(0, |arrival| arrival.sequence);
                    history.push(format!("{sequence}\t{packet}"));
                }
                Ok(_) | Err(Error::Malformed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_goes_unless_it_is_kept() {
        let mut folder = Folder::make(7).unwrap();
        let path = folder.path().to_owned();
        folder.write("lines", ["one".to_owned(), "two".to_owned()]).unwrap();
        assert_eq!(fs::read_to_string(path.join("lines")).unwrap(), "one\ntwo\n");
        folder.keep();
        drop(folder);
        assert!(path.is_dir());
        drop(Folder { path: path.clone(), is_kept: false });
        assert!(!path.exists());
    }

    #[test]
    fn packets_of_a_conversation_that_a_fault_names_belong_to_its_history() {
        let command = Packet::command("place_order");
        let faults = vec![format!("order 1 ({}) has order_placed x2", command.id())];
        let named = Named::in_faults(&[Fact { claim: "x".to_owned(), faults }]);
        assert!(named.holds(&command));
        assert!(named.holds(&Packet::event("order_placed").with("order_id", command.id())));
        assert!(!named.holds(&Packet::event("order_placed").with("order_id", "o-2")));
    }
}
