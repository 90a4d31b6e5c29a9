//! Chaos as a user runs it.

use crate::{assert_nothing_remains, demo, objects};

#[test]
fn facts_hold_whatever_the_monkey_does() {
    let arguments = ["chaos", "--json", "--orders", "100", "--kills", "8", "--seed", "1"];
    let output = demo(&arguments);
    let (rest, summary) = objects(&output);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{summary:#}\n{errors}");
    assert!(rest.is_empty());
    let kills = &summary["kills"];
    let killed = ["services", "servers"].map(|kind| kills[kind].as_u64().unwrap());
    assert_eq!(killed, [7, 1], "{summary:#}");
    assert!(kills["aborts"].as_u64().unwrap() >= 3, "{summary:#}");
    assert_nothing_remains(&errors);
}
