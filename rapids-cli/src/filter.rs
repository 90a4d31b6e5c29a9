//! `--where`: an expression as rivers use it, asked of packets.

use std::str::FromStr;

use rapids_client::{Error, Packet, River, Rules, Verdict};

/// An RFC 9535 filter expression.
#[derive(Debug, Clone)]
pub(crate) struct Filter(River);

impl Filter {
    /// Whether the packet holds it. One that repeats a key on a path of the expression does not.
    pub(crate) fn takes(&self, packet: &Packet) -> bool {
        self.0.judge(packet) == Verdict::Matches
    }

    /// The expression as the condition of a river.
    pub(crate) fn rules(&self) -> Rules {
        self.0.rules()
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Only a river with a reaction passes the check; this one is never run.
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

    fn takes(expression: &str, body: &str) -> bool {
        let filter: Filter = expression.parse().unwrap();
        filter.takes(&Packet::from_bytes(body.to_owned()).unwrap())
    }

    #[test]
    fn packets_are_judged_as_rivers_judge_them() {
        assert!(takes(
            "@.total > @.limit",
            r#"{"total":9007199254740993,"limit":9007199254740992}"#
        ));
        assert!(!takes("@.total == 7", r#"{"total":"7"}"#));
        assert!(takes("@.rapids.read_count < 3", "{}"));
        assert!(!takes("@.total > 0", r#"{"total":1,"total":2}"#));
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        let fault = "@.total >> 1".parse::<Filter>().unwrap_err();
        assert!(fault.starts_with("expression `@.total >> 1` is wrong at column 10: "), "{fault}");
    }
}
