//! How many wrong passwords may come from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

/// So many wrong ones in this time; then the address waits.
const MOST: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// So many addresses are told apart; what is beyond shares one count.
const ADDRESSES: usize = 10_000;

/// Wrong passwords by address, and how many are checked at once.
#[derive(Debug)]
pub(crate) struct Attempts {
    wrong: Mutex<HashMap<IpAddr, (Instant, u32)>>,
    /// Each check takes a good part of a second of a core, and 19 MiB.
    checks: Semaphore,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { wrong: Mutex::default(), checks: Semaphore::new(2) }
    }
}

impl Attempts {
    /// Where a check waits for its turn.
    pub(crate) fn checks(&self) -> &Semaphore {
        &self.checks
    }

    /// Whether an address may try, and counts that it does: what is under way counts as wrong.
    pub(crate) fn may_try(&self, address: IpAddr) -> bool {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.retain(|_, (since, _)| since.elapsed() < WINDOW);
        let address = if wrong.len() < ADDRESSES || wrong.contains_key(&address) {
            address
        } else {
            IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)
        };
        let (_, count) = wrong.entry(address).or_insert_with(|| (Instant::now(), 0));
        *count += 1;
        *count <= MOST
    }

    /// The password was right, so that what came before is forgotten.
    pub(crate) fn right(&self, address: IpAddr) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).remove(&address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_waits_after_ten_wrong_passwords_and_no_other_does() {
        let attempts = Attempts::default();
        let [one, other]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|it| it.parse().unwrap());
        assert!((0..MOST).all(|_| attempts.may_try(one)));
        assert!(!attempts.may_try(one) && attempts.may_try(other));
        tokio::time::advance(WINDOW).await;
        assert!(attempts.may_try(one));
        attempts.right(one);
        assert!((0..MOST).all(|_| attempts.may_try(one)));
    }
}
