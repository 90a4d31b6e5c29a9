//! What a process logs, line by line.
//!
//! Each test is this very binary, started once more to log something.

use std::env;
use std::process::Command;

use rapids_client::{Config, telemetry as logging};
use serde_json::Value;

const PART: &str = "RAPIDS_TEST_LOGS";

/// What the process writes to standard error, in this format and with these variables.
fn logged(format: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "telemetry::plays_its_part", "--nocapture"])
        .env(PART, "1")
        .env("RAPIDS_LOG_FORMAT", format)
        .env_remove("RUST_LOG")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    errors.lines().map(str::to_owned).collect()
}

#[test]
fn plays_its_part() {
    if env::var_os(PART).is_none() {
        return;
    }
    logging::init();
    logging::init();
    tracing::info!("begins");
    let panicking = std::thread::Builder::new().name("worker".to_owned());
    panicking.spawn(|| panic!("all is\nlost")).unwrap().join().unwrap_err();
    Config::from_env().unwrap();
    Config::from_env().unwrap();
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn a_panic_is_one_line_like_any_other() {
    let lines = logged("json", &[("RUST_BACKTRACE", "0")]);
    let [begins, panicked] = &lines[..] else { panic!("{lines:#?}") };
    assert_eq!(json(begins)["message"], "begins");
    let panicked = json(panicked);
    let message = panicked["message"].as_str().unwrap();
    assert!(message.starts_with("panicked at rapids-client/tests/it/telemetry.rs:"), "{message}");
    assert!(message.ends_with(": all is\nlost"), "{message}");
    assert_eq!(panicked["level"], "ERROR");
    assert_eq!(panicked["thread"], "worker");

    let lines = logged("human", &[("RUST_BACKTRACE", "0")]);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[1].contains("ERROR panicked at "), "{}", lines[1]);
    assert!(lines[1].contains(r": all is\nlost"), "{}", lines[1]);
}

#[test]
fn a_backtrace_stays_on_the_line_of_its_panic_also_where_nothing_is_to_be_logged() {
    let lines = logged("json", &[("RUST_BACKTRACE", "1"), ("RUST_LOG", "off")]);
    let [panicked] = &lines[..] else { panic!("{lines:#?}") };
    assert!(json(panicked)["backtrace"].as_str().unwrap().contains("plays_its_part"));
}

#[test]
fn variables_that_nobody_reads_are_told_once() {
    let lines = logged("json", &[("RAPIDS_MAXAGE", "5d"), ("RUST_BACKTRACE", "0")]);
    let told: Vec<Value> = lines.iter().map(|line| json(line)["message"].clone()).collect();
    let expected = "RAPIDS_MAXAGE is no setting and is ignored; is RAPIDS_MAX_AGE meant?";
    assert_eq!(told.iter().filter(|message| *message == expected).count(), 1, "{told:?}");
}

#[test]
fn a_filter_of_a_word_that_is_no_level_is_told_although_it_silences_all() {
    let lines = logged("json", &[("RUST_LOG", "verbose"), ("RUST_BACKTRACE", "0")]);
    let message = json(&lines[0])["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("RUST_LOG is `verbose`, so only the targets of"), "{message}");
    assert!(lines.iter().all(|line| json(line)["message"] != "begins"), "{lines:#?}");
}
