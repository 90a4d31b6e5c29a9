//! Splits what a client sends to a server into messages.
//!
//! Parses just enough of the protocol to find where a message ends and whether it publishes
//! (<https://docs.nats.io/reference/reference-protocols/nats-protocol>).

/// The bytes from a client that are not complete messages yet.
#[derive(Default)]
pub(super) struct Stream(Vec<u8>);

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) bytes: Vec<u8>,
    /// `None` if it publishes nothing.
    pub(super) subject: Option<String>,
}

impl Stream {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next message that is complete.
    pub(super) fn next(&mut self) -> Option<Published> {
        let end = self.0.windows(2).position(|pair| pair == b"\r\n")? + 2;
        let line = String::from_utf8_lossy(&self.0[..end]).into_owned();
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        let (subject, length) = if verb == "PUB" || verb == "HPUB" {
            let payload: usize = words.clone().next_back().unwrap().parse().unwrap();
            (words.next().map(str::to_owned), end + payload + 2)
        } else {
            (None, end)
        };
        if self.0.len() < length {
            return None;
        }
        Some(Published { bytes: self.0.drain(..length).collect(), subject })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_wherever_the_bytes_are_cut() {
        let bytes = b"PING\r\nPUB a.b 4\r\n\r\n\r\n\r\nSUB x 1\r\nHPUB c _R.1 12 13\r\nNATS/1.0\r\n\r\n7\r\n";
        for cut in 0..bytes.len() {
            let mut stream = Stream::default();
            let mut found = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                stream.push(part);
                found.extend(std::iter::from_fn(|| stream.next()));
            }
            let subjects: Vec<_> = found.iter().map(|message| message.subject.as_deref()).collect();
            assert_eq!(subjects, [None, Some("a.b"), None, Some("c")]);
            let joined: Vec<u8> = found.into_iter().flat_map(|message| message.bytes).collect();
            assert_eq!(joined, bytes);
        }
    }
}
