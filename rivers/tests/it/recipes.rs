//! The recipes of the justfile and the files they use.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::bench::Bench;
use crate::process::Process;
use crate::scratch::{ROOT, SCRATCH, Scratch, as_from_a_shell, target, text};

/// Runs a recipe in a directory, with the target directory of these tests.
fn just(directory: impl AsRef<Path>, arguments: &[&str]) -> Command {
    let mut command = Command::new("just");
    as_from_a_shell(&mut command);
    command.args(arguments).current_dir(directory).env("CARGO_TARGET_DIR", target());
    command
}

#[test]
#[ignore = "needs just and the nats CLI"]
fn a_new_river_passes_its_test_and_reacts_to_what_is_published() {
    const NAME: &str = "greeter_test_xyz";
    let copy = Scratch::workspace();
    let written = just(&copy.0, &["new-river", NAME]).output().unwrap();
    let output_text = text(&written);
    assert!(written.status.success(), "{output_text}");
    for next in [
        format!("cargo test -p rivers --bin {NAME}"),
        format!("just river {NAME}"),
        format!(r#"just publish '{{"event":"{NAME}_wanted","name":"Ada"}}'"#),
    ] {
        assert!(output_text.contains(&next), "{next} in:\n{output_text}");
    }

    let mut cargo = Command::new(env!("CARGO"));
    as_from_a_shell(&mut cargo);
    cargo.args(["test", "-p", "rivers", "--bin", NAME]).current_dir(&copy.0);
    let tested = cargo.env("CARGO_TARGET_DIR", target()).output().unwrap();
    assert!(tested.status.success(), "{}", text(&tested));
    assert!(text(&tested).contains("2 passed"), "{}", text(&tested));

    let bench = Bench::start();
    let in_copy = |arguments: &[&str]| {
        let mut command = bench.command("just");
        as_from_a_shell(&mut command);
        command.args(arguments).current_dir(&copy.0).env("CARGO_TARGET_DIR", target());
        command
    };
    let mut river = Process::spawn(&mut in_copy(&["river", NAME]));
    river.until(&[r#""behind":0"#]);
    let mut watch = bench.watch(&mut in_copy(&["watch"]));
    let packet = format!(r#"{{"event":"{NAME}_wanted","name":"O'Hara \"$HOME\" `x`"}}"#);
    let published = in_copy(&["publish", &packet]).output().unwrap();
    assert!(published.status.success(), "{}", text(&published));
    let done = watch.event(&format!("{NAME}_done"), "Hello");
    let greeting = done.get::<String>("text").unwrap().unwrap();
    assert_eq!(greeting, "Hello, O'Hara \"$HOME\" `x`!");
    let log = river.stop();
    assert!(log.iter().any(|line| line.contains("stopped: ")), "{log:#?}");
}

#[test]
#[ignore = "needs just"]
fn a_river_without_a_server_says_where_it_waits_and_what_starts_one() {
    let mut river = just(ROOT, &["river", "vendor"]);
    let mut lines = Process::spawn(river.env("NATS_URL", "nats://127.0.0.1:1"));
    lines.until(&["nothing listens at 127.0.0.1:1;", "just nats"]);
    lines.until(&["waiting for a server at nats://127.0.0.1:1"]);
}

#[test]
#[ignore = "needs just"]
fn a_bundle_runs_its_services_in_one_process() {
    let bench = Bench::start();
    let mut command = bench.command("just");
    as_from_a_shell(&mut command);
    command.args(["bundle", "shop"]).current_dir(ROOT).env("CARGO_TARGET_DIR", target());
    let mut bundle = Process::spawn(&mut command);
    let mut names: Vec<_> = (0..5)
        .map(|_| {
            let line = bundle.until(&[" is new and starts "]);
            let (before, _) = line.split_once(" is new").unwrap();
            before.rsplit('"').next().unwrap().to_owned()
        })
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["back_order", "inventory", "order", "payment", "shipping"]);
}

#[test]
#[ignore = "needs just"]
fn an_unknown_river_lists_those_that_exist() {
    let output = just(ROOT, &["river", "paymnet"]).output().unwrap();
    assert!(!output.status.success());
    let output_text = text(&output);
    assert!(
        output_text.contains("`paymnet`") && output_text.contains("\n  payment\n"),
        "{output_text}"
    );
}

#[test]
#[ignore = "needs just"]
fn a_river_is_not_written_under_a_name_that_is_taken_or_invalid() {
    let before = fs::read(format!("{ROOT}/rivers/src/bin/payment.rs")).unwrap();
    for name in ["payment", "Pay", "9x", "a b", "../x", "", "deps", &"x".repeat(33)] {
        let output = just(ROOT, &["new-river", name]).output().unwrap();
        assert!(!output.status.success(), "{name}");
        assert!(text(&output).contains(name), "{}", text(&output));
    }
    assert_eq!(fs::read(format!("{ROOT}/rivers/src/bin/payment.rs")).unwrap(), before);
}

#[test]
#[ignore = "needs just"]
fn without_the_nats_cli_its_recipes_say_how_to_get_it() {
    let path = Scratch::new("path");
    for program in ["just", "bash"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
        let found = String::from_utf8(found.unwrap().stdout).unwrap();
        symlink(found.trim(), path.0.join(program)).unwrap();
    }
    let output = just(ROOT, &["test-tools"]).env("PATH", &path.0).output().unwrap();
    assert!(!output.status.success());
    assert!(text(&output).contains("go install"), "{}", text(&output));
}

#[test]
#[ignore = "needs just"]
fn what_is_no_packet_is_refused_before_it_is_stored_for_good() {
    let bench = Bench::start();
    let just = |arguments: &[&str]| {
        let mut command = bench.command("just");
        as_from_a_shell(&mut command);
        let command = command.args(arguments).current_dir(ROOT);
        command.env("CARGO_TARGET_DIR", target()).output().unwrap()
    };
    let output = just(&["publish", r#"{"event":"x"}"#]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(text(&output).contains("the first service that starts creates it"));
    let _monitor = bench.service(env!("CARGO_BIN_EXE_monitor"));
    for body in ["order placed", r#"{"event":"x""#, "[1]", ""] {
        let output = just(&["publish", body]);
        assert_eq!(output.status.code(), Some(2), "{body}: {}", text(&output));
        assert!(text(&output).contains("body is not a packet"), "{}", text(&output));
    }
    let output = just(&["publish", r#"{"event":"x"}"#]);
    assert!(output.status.success() && text(&output).starts_with("1 "), "{}", text(&output));
}

#[test]
#[ignore = "needs just"]
fn a_server_that_runs_already_is_named_before_another_one_fails() {
    let bench = Bench::start();
    let copy = Scratch::new("port");
    for file in ["justfile", "nats.conf"] {
        let text = fs::read_to_string(Path::new(ROOT).join(file)).unwrap();
        fs::write(copy.0.join(file), text.replace(":4222", &format!(":{}", bench.port()))).unwrap();
    }
    let output = just(&copy.0, &["nats"]).output().unwrap();
    assert!(!output.status.success());
    let output_text = text(&output);
    assert!(output_text.contains("already, perhaps a server"), "{output_text}");
}

#[test]
fn the_server_accepts_its_configuration() {
    let server = rapids_test::find_or_install().unwrap();
    let output = Command::new(server)
        .args(["-t", "--config", "nats.conf", "--store_dir", SCRATCH])
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn the_readme_shows_the_template_up_to_its_tests() {
    let readme = include_str!("../../../README.md");
    let (program, _tests) = include_str!("../../template.rs").split_once("\n#[cfg(test)]").unwrap();
    assert!(readme.contains(program));
}
