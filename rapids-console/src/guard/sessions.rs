//! Who has logged in. Kept in memory: when the console starts anew, everybody logs in again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::hex::hex;

/// How long a session lasts.
pub(crate) const LIFE: Duration = Duration::from_secs(12 * 3_600);
/// So many are kept; the oldest goes first.
const MOST: usize = 1_000;

/// All sessions, by their secret.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Session>>);

#[derive(Debug)]
struct Session {
    user: String,
    began: Instant,
}

impl Sessions {
    /// Begins a session, and returns its secret: 256 random bits.
    ///
    /// # Errors
    /// If the system has no random bits.
    pub(crate) fn begin(&self, user: &str) -> Result<String, getrandom::Error> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits)?;
        let secret = hex(&bits);
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.began.elapsed() < LIFE);
        if sessions.len() >= MOST {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.began);
            if let Some(oldest) = oldest.map(|(secret, _)| secret.clone()) {
                sessions.remove(&oldest);
            }
        }
        sessions.insert(secret.clone(), Session { user: user.to_owned(), began: Instant::now() });
        Ok(secret)
    }

    /// Whose session it is, as long as it lasts.
    pub(crate) fn user(&self, secret: &str) -> Option<String> {
        let sessions = self.lock();
        let session = sessions.get(secret).filter(|session| session.began.elapsed() < LIFE);
        session.map(|session| session.user.clone())
    }

    pub(crate) fn end(&self, secret: &str) {
        self.lock().remove(secret);
    }

    /// A lock is held for moments, and nothing under it panics.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_is_known_by_its_secret_until_it_ends() {
        let sessions = Sessions::default();
        let (one, other) = (sessions.begin("ada").unwrap(), sessions.begin("ada").unwrap());
        assert!(one.len() == 64 && one != other);
        assert_eq!(sessions.user(&one).as_deref(), Some("ada"));
        sessions.end(&one);
        assert_eq!(sessions.user(&one), None);
        tokio::time::advance(LIFE).await;
        assert_eq!(sessions.user(&other), None);
    }
}
