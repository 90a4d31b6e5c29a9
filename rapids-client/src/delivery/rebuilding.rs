//! Tells how far a service is that was made to forget, and reads what it was done with quietly, to remember it.

use tracing::info;

/// The quiet part of the past of one service.
pub(super) struct Rebuilding {
    service: String,
    /// The last sequence in front of the first packet that the stream holds.
    gone: u64,
    /// The last sequence that is read quietly; 0 once everything up to there is done.
    until: u64,
}

impl Rebuilding {
    /// Logs that it begins, if there is such a part.
    pub(super) fn begin(service: &str, until: u64, first: u64) -> Self {
        let rebuilding = Self { service: service.to_owned(), gone: first.saturating_sub(1), until };
        if rebuilding.is_on() {
            info!(
                until,
                "{service} is being rebuilt: up to sequence {until} it remembers the past, and publishes \
                 nothing that it was done with"
            );
        }
        rebuilding
    }

    fn is_on(&self) -> bool {
        self.until > self.gone
    }

    /// What to announce once everything up to this sequence is done; `None` where all of it is.
    pub(super) fn fact(&mut self, floor: u64) -> Option<String> {
        if !self.is_on() {
            return None;
        }
        if floor >= self.until {
            let (name, until) = (&self.service, std::mem::take(&mut self.until));
            info!(until, "{name} is rebuilt, up to sequence {until}");
            return None;
        }
        let (done, all) = (floor.saturating_sub(self.gone), self.until - self.gone);
        Some(format!("{done} of {all} packets"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_how_many_of_the_packets_that_are_there_are_done() {
        let mut rebuilding = Rebuilding::begin("payment", 100, 11);
        let facts = [0, 50, 99, 100, 101].map(|floor| rebuilding.fact(floor));
        let told = ["0 of 90 packets", "40 of 90 packets", "89 of 90 packets"].map(str::to_owned);
        assert_eq!(facts[..3], told.map(Some));
        assert_eq!(facts[3..], [None, None]);
    }

    #[test]
    fn nothing_is_told_where_nothing_is_read_quietly() {
        assert_eq!(Rebuilding::begin("payment", 0, 1).fact(0), None);
        assert_eq!(Rebuilding::begin("payment", 10, 11).fact(0), None, "all of it has expired");
    }
}
