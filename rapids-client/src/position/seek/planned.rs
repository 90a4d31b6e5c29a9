//! Whether the plan of a move still holds when it is made.
//!
//! Pure. Making plans is left to [`seek`](crate::position::seek).

use crate::Result;
use crate::position::seek::report::{SeekReport, not_moved};

/// Where a position stood when its move was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    /// How often it had been moved by command.
    pub(super) moves: u64,
    /// Up to where everything was done, if that was known.
    pub(super) before: Option<u64>,
}

impl Planned {
    /// # Errors
    /// `NotMoved` if the position was moved by command since.
    pub(super) fn check_moves(self, service: &str, moves: u64) -> Result<()> {
        if self.moves == moves {
            return Ok(());
        }
        Err(not_moved(service, "somebody has moved it since that was planned"))
    }

    /// # Errors
    /// `NotMoved` if the plan does not hold any more.
    pub(super) fn check(self, now: &SeekReport) -> Result<()> {
        self.check_moves(&now.service, now.moves)?;
        let place = |place: Option<u64>| match place {
            Some(place) => format!("done up to {place}"),
            None => "lost".to_owned(),
        };
        match (self.before, now.before) {
            // What it has handled meanwhile is what the plan is about, too.
            (Some(then), Some(now)) if then <= now => Ok(()),
            (None, None) => Ok(()),
            (then, now_at) => {
                let (then, now_at) = (place(then), place(now_at));
                let reason = format!("it was {then} when that was planned, and is {now_at} now");
                Err(not_moved(&now.service, &reason))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(moves: u64, before: Option<u64>) -> Option<String> {
        let now = SeekReport {
            service: "payment".to_owned(),
            before,
            moves,
            next: 1,
            pending: 0,
            again: 0,
            quiet: 0,
            skipped: 0,
            mended: None,
            replaced: None,
            forgotten: None,
        };
        let planned = Planned { moves: 3, before: Some(20) };
        planned.check(&now).err().map(|error| error.to_string())
    }

    #[test]
    fn a_plan_holds_while_the_service_only_goes_on() {
        assert_eq!((fault(3, Some(20)), fault(3, Some(25))), (None, None));
        let fault = |moves, before| fault(moves, before).unwrap();
        assert!(fault(4, Some(20)).ends_with("somebody has moved it since that was planned"));
        let went_back = "it was done up to 20 when that was planned, and is done up to 19 now";
        assert!(fault(3, Some(19)).ends_with(went_back));
        assert!(fault(3, None).ends_with("and is lost now"));
    }
}
