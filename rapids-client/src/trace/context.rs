//! The two headers that travel with packets.

use async_nats::HeaderMap;

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

/// A longer state is left out: the standard asks to pass on as much.
const LONGEST_STATE: usize = 512;

/// The member of the state that marks packets which somebody has sent again.
const SENT_AGAIN: &str = "rapids=again";

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
    /// that is malformed, or longer than 512 bytes, is left out.
    #[must_use]
    pub fn new(parent: &str, state: Option<&str>) -> Option<Self> {
        let parent = parent.trim();
        let state = state.map(str::trim).filter(|state| is_state(state)).map(Box::from);
        is_parent(parent).then(|| Self { parent: parent.into(), state })
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

    /// Whether the packet was sent again, by a replay or an edit: what comes of it is a trace of its own,
    /// to be linked to this one.
    #[must_use]
    pub fn is_sent_again(&self) -> bool {
        self.state().is_some_and(|state| members(state).any(|member| member == SENT_AGAIN))
    }

    /// The same, of a packet that is sent again.
    pub(crate) fn sent_again(self) -> Self {
        let others = self.state().into_iter().flat_map(members);
        let others = others.filter(|member| *member != SENT_AGAIN);
        let members: Vec<_> = [SENT_AGAIN].into_iter().chain(others).collect();
        let state = Some(members.join(",")).filter(|state| is_state(state));
        Self { state: state.or_else(|| Some(SENT_AGAIN.to_owned())).map(Box::from), ..self }
    }

    /// What these headers say, however their names are written; `None` if they say nothing, or something
    /// malformed.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let (mut parent, mut states) = (None, Vec::new());
        for (name, values) in headers.iter() {
            let name: &str = name.as_ref();
            if name.eq_ignore_ascii_case(PARENT) {
                let [value] = &values[..] else { return None };
                // Of two, nobody knows which counts.
                if parent.replace(value.as_str()).is_some() {
                    return None;
                }
            } else if name.eq_ignore_ascii_case(STATE) {
                states.extend(values.iter().map(|value| value.as_str()));
            }
        }
        Self::new(parent?, (!states.is_empty()).then(|| states.join(",")).as_deref())
    }

    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(PARENT, self.parent());
        if let Some(state) = self.state() {
            headers.insert(STATE, state);
        }
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
fn is_parent(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut next = |length| {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        parts.next().filter(|part| part.len() == length && part.bytes().all(is_digit))
    };
    let (version, trace, parent, flags) = (next(2), next(32), next(16), next(2));
    let is_set = |id: Option<&str>| id.is_some_and(|id| id.bytes().any(|byte| byte != b'0'));
    let has_room = version != Some("00") || parts.next().is_none();
    let is_known = version.is_some_and(|version| version != "ff");
    is_known && is_set(trace) && is_set(parent) && flags.is_some() && has_room
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
        let later = format!("{}-more", VALID.replacen("00", "01", 1));
        assert_eq!(TraceContext::new(&later, None).unwrap().parent(), later);
        for malformed in ["", "a", "=b", "a=\u{e4}", "a=\nb", &format!("a={}", "b".repeat(600))] {
            let context = TraceContext::new(VALID, Some(malformed)).unwrap();
            assert_eq!(context.state(), None, "{malformed}");
        }
    }

    #[test]
    fn headers_are_read_however_they_are_written() {
        let mut headers = HeaderMap::new();
        assert_eq!(TraceContext::read(&headers), None);
        headers.insert("Traceparent", VALID);
        headers.append("TraceState", "a=1");
        headers.append("TraceState", "b=2");
        let read = TraceContext::read(&headers).unwrap();
        assert_eq!((read.parent(), read.state()), (VALID, Some("a=1,b=2")));
        let mut written = HeaderMap::new();
        read.write(&mut written);
        assert_eq!(TraceContext::read(&written).as_ref(), Some(&read));
        headers.insert("traceparent", VALID);
        assert_eq!(TraceContext::read(&headers), None, "there are two");
        let server = |headers: &HeaderMap| {
            headers
                .iter()
                .map(|(name, value)| format!("{name}: {}\r\n", value[0].as_str()).len())
                .sum::<usize>()
        };
        assert_eq!(read.size(), server(&written));
    }

    #[test]
    fn a_packet_that_is_sent_again_says_so_once() {
        let first = TraceContext::new(VALID, Some("a=1")).unwrap();
        assert!(!first.is_sent_again());
        let again = first.sent_again().sent_again();
        assert!(again.is_sent_again());
        assert_eq!((again.parent(), again.state()), (VALID, Some("rapids=again,a=1")));
        let full = format!("a={}", "b".repeat(LONGEST_STATE - 2));
        let full = TraceContext::new(VALID, Some(&full)).unwrap().sent_again();
        assert_eq!(full.state(), Some("rapids=again"));
    }
}
