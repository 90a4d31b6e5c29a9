#![no_main]
//! Bytes as the body of a packet: read, changed, judged, explained, handled.

#[path = "../../rapids-client/tests/it/laws/packet.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    laws::hold(body);
});
