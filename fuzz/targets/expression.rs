#![no_main]
//! A text as an expression: parsed, printed, and evaluated on packets.

#[path = "../../rapids-client/tests/it/laws/expression.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|text: &str| {
    laws::hold(text);
});
