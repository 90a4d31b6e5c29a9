#![no_main]
//! Bytes as conditions, one per line, and as a body after an empty line: matched and judged.

#[path = "../../rapids-client/tests/it/laws/matching.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\n\n") else {
        return;
    };
    let Ok(conditions) = std::str::from_utf8(&bytes[..end]) else {
        return;
    };
    let conditions: Vec<&str> = conditions.lines().collect();
    laws::hold(&conditions, &bytes[end + 2..]);
});
