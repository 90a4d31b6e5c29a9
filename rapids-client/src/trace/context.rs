//! The two values that travel with packets.

/// The names of their headers.
pub(crate) const PARENT: &str = "traceparent";
pub(crate) const STATE: &str = "tracestate";

/// A longer state is left out: the standard asks to pass on as much.
const LONGEST_STATE: usize = 512;

/// Which trace a packet belongs to, in the words of the [W3C's Trace
/// Context](https://www.w3.org/TR/trace-context/).
///
/// ```
/// use rapids_client::trace::TraceContext;
///
/// let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let context = TraceContext::new(parent, Some("congo=t61rcWkgMzE")).unwrap();
/// assert_eq!(context.parent(), parent);
/// assert!(TraceContext::new("00-17-18-01", None).is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    parent: Box<str>,
    state: Option<Box<str>>,
}

impl TraceContext {
    /// One of these values of `traceparent` and `tracestate`; `None` if the first is malformed. A state
    /// that is malformed, or longer than 512 bytes, is left out. Of a later version than `00`, what that
    /// knows is kept.
    #[must_use]
    pub fn new(parent: &str, state: Option<&str>) -> Option<Self> {
        let parent = parsed(parent.trim())?;
        let state = state.map(str::trim).filter(|state| is_state(state)).map(Box::from);
        Some(Self { parent, state })
    }

    /// The value of `traceparent`.
    #[must_use]
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// The value of `tracestate`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// How many bytes the server counts.
    pub(crate) fn size(&self) -> usize {
        let line = |name: &str, value: &str| name.len() + value.len() + ": \r\n".len();
        line(PARENT, &self.parent) + self.state().map_or(0, |state| line(STATE, state))
    }
}

fn members(state: &str) -> impl Iterator<Item = &str> {
    state.split(',').map(str::trim).filter(|member| !member.is_empty())
}

/// `version-trace id-parent id-flags`, in lower-case hexadecimal digits. Later versions may add to that.
fn parsed(text: &str) -> Option<Box<str>> {
    let mut parts = text.split('-');
    let mut next = |length| {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        parts.next().filter(|part| part.len() == length && part.bytes().all(is_digit))
    };
    let (version, trace, parent, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
    let is_set = |id: &str| id.bytes().any(|byte| byte != b'0');
    let is_known = version != "ff" && (version != "00" || parts.next().is_none());
    let is_valid = is_known && is_set(trace) && is_set(parent);
    is_valid.then(|| format!("00-{trace}-{parent}-{flags}").into())
}

fn is_state(text: &str) -> bool {
    let is_printable = |byte: u8| matches!(byte, b' '..=b'~');
    let is_member = |member: &str| member.split_once('=').is_some_and(|(key, _)| !key.is_empty());
    (1..=LONGEST_STATE).contains(&text.len())
        && text.bytes().all(is_printable)
        && members(text).all(is_member)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_malformed_counts_as_absent() {
        let zeros = ["00-", &"0".repeat(32), "-00f067aa0ba902b7-01"].concat();
        for malformed in [
            "",
            "00",
            &VALID.to_uppercase(),
            &VALID.replacen("00", "ff", 1),
            &VALID[..VALID.len() - 1],
            &format!("{VALID}-more"),
            &VALID.replace("00f067aa0ba902b7", "0000000000000000"),
            &zeros,
        ] {
            assert_eq!(TraceContext::new(malformed, None), None, "{malformed}");
        }
        let later = format!("{}-more\r\nx: y", VALID.replacen("00", "01", 1));
        assert_eq!(TraceContext::new(&later, None).unwrap().parent(), VALID);
        for malformed in ["", "a", "=b", "a=\u{e4}", "a=\nb", &format!("a={}", "b".repeat(600))] {
            let context = TraceContext::new(VALID, Some(malformed)).unwrap();
            assert_eq!(context.state(), None, "{malformed}");
        }
    }
}
