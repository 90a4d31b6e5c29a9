//! What deploy/ names is there: settings, programs, and the time that a service has to stop.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::scratch::ROOT;

/// Where variables are documented.
const SETTINGS: [&str; 2] = [
    include_str!("../../../rapids-client/src/config/config.md"),
    include_str!("../../../rapids-client/src/telemetry.rs"),
];
const RIVER: &str = include_str!("../../../deploy/kubernetes/river.yaml");

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The words that could be names of variables or programs.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_')
}

#[test]
fn each_variable_is_a_setting() {
    let files = files(&Path::new(ROOT).join("deploy"));
    let texts: Vec<_> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let is_ours = |word: &&str| word.starts_with("RAPIDS_") || word.starts_with("NATS_");
    let named: BTreeSet<_> = texts.iter().flat_map(|text| words(text)).filter(is_ours).collect();
    assert!(named.len() > 8, "{named:?}");
    for name in named {
        let name = format!("`{name}`");
        assert!(SETTINGS.iter().any(|settings| settings.contains(&name)), "{name}");
    }
}

#[test]
fn images_are_of_programs_and_a_service_has_time_to_stop() {
    for file in ["river.yaml", "exclusive-river.yaml"] {
        let text =
            fs::read_to_string(Path::new(ROOT).join("deploy/kubernetes").join(file)).unwrap();
        let image = after(&text, "image: ").split(':').next().unwrap().replace('-', "_");
        let source = Path::new(ROOT).join(format!("rivers/src/bin/{image}.rs"));
        assert!(source.exists(), "{image} in {file}");
    }
    let stops: u64 = after(RIVER, "terminationGracePeriodSeconds: ").parse().unwrap();
    let grace = after(RIVER, "RAPIDS_GRACE, value: ").strip_suffix("s}").unwrap();
    assert!(stops > grace.parse::<u64>().unwrap() + 2);
}

/// What follows in the line.
fn after<'a>(text: &'a str, what: &str) -> &'a str {
    text.lines().find_map(|line| line.split_once(what)).unwrap().1
}
