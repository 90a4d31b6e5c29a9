//! `--where`: filters packets by an expression of the kind that rivers use.

use std::str::FromStr;

use anyhow::{Result, bail};
use rapids_client::{Error, Packet, River, Rules, Verdict};

/// An RFC 9535 filter expression.
#[derive(Debug, Clone)]
pub(crate) struct Filter(River);

impl Filter {
    /// Whether the packet matches. A packet that repeats a key on a path of the expression does not.
    ///
    /// Runs on another thread, so that an interrupt is handled meanwhile.
    ///
    /// # Errors
    /// If the expression is too costly to evaluate on this packet.
    pub(crate) async fn takes(&self, packet: &Packet) -> Result<bool> {
        let (filter, judged) = (self.clone(), packet.clone());
        tokio::task::spawn_blocking(move || filter.matches(&judged)).await?
    }

    /// As [`takes`](Self::takes), on this thread, for a long stream. It takes half a second at most.
    ///
    /// # Errors
    /// If the expression is too costly to evaluate on this packet.
    pub(crate) fn matches(&self, packet: &Packet) -> Result<bool> {
        match self.0.judge(packet) {
            Verdict::TooCostly(problem) => bail!("packet `{}`: {problem}", packet.id()),
            verdict => Ok(verdict == Verdict::Matches),
        }
    }

    /// The expression as the condition of a river.
    pub(crate) fn rules(&self) -> Rules {
        self.0.rules()
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        // The check demands a reaction; this one never runs.
        let river = River::new("where").when(text).react(|_: Packet| async { Ok(()) });
        match river.check() {
            Ok(()) => Ok(Self(river)),
            Err(Error::Definition { faults, .. }) => Err(faults.join("; ")),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn takes(expression: &str, body: &str) -> Result<bool> {
        let filter: Filter = expression.parse().unwrap();
        filter.takes(&Packet::from_bytes(body.to_owned()).unwrap()).await
    }

    #[tokio::test]
    async fn packets_are_judged_as_rivers_judge_them() {
        for (expression, body, expected) in [
            ("@.total > @.limit", r#"{"total":9007199254740993,"limit":9007199254740992}"#, true),
            ("@.total == 7", r#"{"total":"7"}"#, false),
            ("@.rapids.read_count < 3", "{}", true),
            ("@.total > 0", r#"{"total":1,"total":2}"#, false),
        ] {
            assert_eq!(takes(expression, body).await.unwrap(), expected, "{expression}");
        }
    }

    #[tokio::test]
    async fn an_expression_that_is_too_costly_is_an_error() {
        let body = format!(r#"{{"p":"{}"}}"#, "a".repeat(2_000));
        let error = takes("match('a', @.p)", &body).await.unwrap_err().to_string();
        let expected = "`match('a', @.p)` takes a pattern from this packet that is too large";
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn an_error_names_the_column() {
        let fault = "@.total >> 1".parse::<Filter>().unwrap_err();
        assert!(fault.starts_with("expression `@.total >> 1` is wrong at column 10: "), "{fault}");
    }
}
