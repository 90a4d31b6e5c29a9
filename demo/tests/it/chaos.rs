//! Chaos as a user runs it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

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

#[test]
fn interrupted_chaos_leaves_nothing_behind() {
    let mut chaos = Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(["chaos", "--seed", "1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut output = BufReader::new(chaos.stdout.take().unwrap());
    while !said.contains("killed the server") {
        assert!(output.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let built = Path::new(env!("CARGO_BIN_EXE_demo")).ancestors().nth(2).unwrap();
    let folder = built.join("chaos").join(format!("1-{}", chaos.id()));
    assert!(folder.is_dir(), "{}", folder.display());

    let interrupt = Command::new("kill").args(["-INT", &chaos.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    assert_eq!(chaos.wait().unwrap().code(), Some(130));
    assert_nothing_remains(&said);
    assert!(!folder.exists());
}
