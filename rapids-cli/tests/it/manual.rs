//! `rapids completions`, `rapids man` and `--help`.

use std::fs;

use crate::bench::{rapids, said};

#[test]
fn each_shell_gets_its_completions() {
    for (shell, part) in [
        ("bash", "complete -F _rapids"),
        ("zsh", "#compdef rapids"),
        ("fish", "complete -c rapids"),
    ] {
        let script = said(&mut rapids(&["completions", shell])).well(0).out;
        assert!(script.contains(part), "{part} in {script}");
        assert!(script.contains("publish"), "{script}");
    }
    said(&mut rapids(&["completions", "cobol"])).badly(2, &["possible values", "bash"]);
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let page = said(&mut rapids(&["man"])).well(0).out;
    assert!(page.contains(".TH rapids 1"), "{page}");
    assert!(page.contains("the server cannot be reached"), "{page}");
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    said(&mut rapids(&["man", pages.to_str().unwrap()])).well(0);
    for command in [
        "tail",
        "trace",
        "publish",
        "ask",
        "explain",
        "what-if",
        "map",
        "schema",
        "asyncapi",
        "replay",
        "services",
        "position",
        "erase",
        "provision",
        "access",
        "doctor",
        "completions",
        "man",
    ] {
        let page = fs::read_to_string(pages.join(format!("rapids-{command}.1"))).unwrap();
        assert!(page.contains(".SH NAME"), "{page}");
    }
    assert!(pages.join("rapids.1").exists());
}

#[test]
fn a_page_that_cannot_be_written_is_an_error() {
    said(&mut rapids(&["man", "/dev/null/pages"]))
        .badly(1, &["cannot write manual pages into `/dev/null/pages`"]);
}
