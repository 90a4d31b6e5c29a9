//! Tokens that forms which change something carry: only who was shown a page of this console knows one.

use sha2::{Digest, Sha256};

use crate::hex::hex;

/// Makes tokens. When the console starts anew, the tokens of before count no more.
#[derive(Debug)]
pub(crate) struct Tokens([u8; 32]);

impl Tokens {
    /// # Errors
    /// If the system has no random bits.
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self(key))
    }

    /// The token of a session, or of a user whom a proxy names.
    pub(crate) fn of(&self, whose: &str) -> String {
        let hash = Sha256::new().chain_update(self.0).chain_update(whose).chain_update(self.0);
        hex(&hash.finalize())
    }
}

/// Whether two tokens are the same, in a time that does not tell where they differ.
pub(crate) fn are_same(one: &str, other: &str) -> bool {
    let differences =
        one.bytes().zip(other.bytes()).fold(0, |all, (one, other)| all | (one ^ other));
    one.len() == other.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_visitor_and_one_console() {
        let (one, other) = (Tokens::new().unwrap(), Tokens::new().unwrap());
        assert!(are_same(&one.of("ada"), &one.of("ada")));
        for different in [one.of("bob"), other.of("ada"), String::new()] {
            assert!(!are_same(&one.of("ada"), &different));
        }
    }
}
