//! The headers that tell which trace a message belongs to.

use async_nats::HeaderMap;

use crate::trace::TraceContext;
use crate::trace::context::{PARENT, STATE};

/// What they say, however their names are written; `None` if they say nothing, or something malformed.
pub(crate) fn read(headers: &HeaderMap) -> Option<TraceContext> {
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
    TraceContext::new(parent?, (!states.is_empty()).then(|| states.join(",")).as_deref())
}

pub(crate) fn write(context: &TraceContext, headers: &mut HeaderMap) {
    headers.insert(PARENT, context.parent());
    if let Some(state) = context.state() {
        headers.insert(STATE, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn headers_are_read_however_they_are_written() {
        let mut headers = HeaderMap::new();
        assert_eq!(read(&headers), None);
        headers.insert("Traceparent", VALID);
        headers.append("TraceState", "a=1");
        headers.append("TraceState", "b=2");
        let context = read(&headers).unwrap();
        assert_eq!((context.parent(), context.state()), (VALID, Some("a=1,b=2")));
        headers.insert("traceparent", VALID);
        assert_eq!(read(&headers), None, "there are two");
    }

    #[test]
    fn what_is_written_is_read_back_and_has_the_size_that_was_said() {
        let context = TraceContext::new(VALID, Some("a=1,b=2")).unwrap();
        let mut headers = HeaderMap::new();
        write(&context, &mut headers);
        assert_eq!(read(&headers).as_ref(), Some(&context));
        let line = |(name, values): (&async_nats::HeaderName, &Vec<async_nats::HeaderValue>)| {
            format!("{name}: {}\r\n", values[0].as_str()).len()
        };
        assert_eq!(context.size(), headers.iter().map(line).sum::<usize>());
    }
}
