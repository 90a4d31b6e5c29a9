//! One HTTP request, for tests of what is scraped and probed.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longer than an answer takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Sends a request, such as `GET /metrics`, to an address with its port; returns the status, such as
/// `200 OK`, and the body.
///
/// # Errors
/// If there is no connection, or no answer within 30 seconds.
pub fn http(address: &str, request: &str) -> io::Result<(String, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(stream, "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default().trim_start_matches("HTTP/1.1 ");
    Ok((status.to_owned(), body.to_owned()))
}
