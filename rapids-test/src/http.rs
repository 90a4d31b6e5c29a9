//! One HTTP request, for tests of what is served.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longer than an answer takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// What was answered.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// Such as `200 OK`.
    pub status: String,
    /// The lines of the headers.
    pub head: String,
    /// The body, with the marks of its chunks if it was sent in some.
    pub body: String,
}

impl HttpAnswer {
    /// The value of a header, by its name in small letters; `None` if it is missing.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Sends a request, such as `GET /metrics`, to an address with its port; returns the status, such as
/// `200 OK`, and the body.
///
/// # Errors
/// If there is no connection, or no answer within 30 seconds.
pub fn http(address: &str, request: &str) -> io::Result<(String, String)> {
    let answer = http_with(address, request, &[], "")?;
    Ok((answer.status, answer.body))
}

/// As [`http`], with headers and a body.
///
/// # Errors
/// As for [`http`].
pub fn http_with(
    address: &str,
    request: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<HttpAnswer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut head = format!("{request} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let (status, head) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status.trim_start_matches("HTTP/1.1 ").to_owned();
    Ok(HttpAnswer { status, head: head.to_owned(), body: body.to_owned() })
}
