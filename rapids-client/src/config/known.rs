//! The names of all variables that the library reads, and a warning about names that look like them.

use std::sync::Once;

/// `RAPIDS_*`, in the order of the documentation.
const RAPIDS: [&str; 21] = [
    "RAPIDS_MAX_AGE",
    "RAPIDS_MAX_BYTES",
    "RAPIDS_DEAD_LETTERS_MAX_BYTES",
    "RAPIDS_REPLAYS_MAX_BYTES",
    "RAPIDS_LATER_MAX_BYTES",
    "RAPIDS_BUCKET_MAX_BYTES",
    "RAPIDS_REPLICAS",
    "RAPIDS_PLACEMENT_TAGS",
    "RAPIDS_MAX_ACK_PENDING",
    "RAPIDS_PROVISIONED",
    "RAPIDS_ACK_WAIT",
    "RAPIDS_GRACE",
    "RAPIDS_READ_LIMIT",
    "RAPIDS_DELIVERY",
    "RAPIDS_READ_FROM",
    "RAPIDS_MAX_HELD",
    "RAPIDS_SHOW_VALUES",
    "RAPIDS_HTTP",
    "RAPIDS_ID_KEY",
    "RAPIDS_LOG_FORMAT",
    "RAPIDS_TRACE_GAP",
];

/// `NATS_*`. The nats CLI reads others too, so that an unknown name is no mistake.
const NATS: [&str; 12] = [
    "NATS_URL",
    "NATS_USER",
    "NATS_PASSWORD",
    "NATS_CREDS",
    "NATS_NKEY",
    "NATS_TOKEN",
    "NATS_CA",
    "NATS_CERT",
    "NATS_KEY",
    "NATS_INBOX_PREFIX",
    "NATS_JETSTREAM_DOMAIN",
    "NATS_CONTEXT",
];

/// Warns, once in this process, of variables in the environment that look like settings and are none.
pub(super) fn warn_of_others() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (name, _) in std::env::vars_os() {
            if let Some(warning) = name.to_str().and_then(mistake) {
                tracing::warn!("{warning}");
            }
        }
    });
}

/// What is wrong with the name of a variable that is set, if anything.
fn mistake(name: &str) -> Option<String> {
    // Kubernetes sets such variables for a service of that name, and tests have some of their own.
    if name.contains("_SERVICE_") || name.contains("_PORT") || name.starts_with("RAPIDS_TEST_") {
        return None;
    }
    let (known, is_ours): (&[&str], bool) = match name {
        _ if name.starts_with("RAPIDS_") => (&RAPIDS, true),
        _ if name.starts_with("NATS_") => (&NATS, false),
        _ => return None,
    };
    if known.contains(&name) {
        return None;
    }
    match nearest(name, known) {
        Some(near) => Some(format!("{name} is no setting and is ignored; is {near} meant?")),
        None if is_ours => {
            Some(format!("{name} is no setting and is ignored; there are {}", known.join(", ")))
        }
        None => None,
    }
}

/// The known name that differs by one or two typing errors.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let slips = |other: &&str| strsim::osa_distance(&name.to_ascii_uppercase(), other);
    let near = known.iter().copied().min_by_key(slips)?;
    // In a short name two wrong letters are too many.
    let allowed = if near.len() < "NATS_TOKENS".len() { 1 } else { 2 };
    (slips(&near) <= allowed).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    /// The sources below a folder.
    fn sources(folder: &Path) -> Vec<String> {
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths
            .flat_map(|path| match path.extension() {
                _ if path.is_dir() => sources(&path),
                Some(kind) if kind == "rs" => vec![fs::read_to_string(path).unwrap()],
                _ => Vec::new(),
            })
            .collect()
    }

    #[test]
    fn each_variable_that_is_named_in_the_source_is_known() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = [
            "src",
            "../rapids-cli/src",
            "../rapids-console/src",
            "../rapids-otel/src",
            "../rapids-views/src",
        ];
        let sources = folders.map(|folder| sources(&root.join(folder))).concat();
        let on_the_server = fs::read_to_string(root.join("src/names.rs")).unwrap();
        let name = regex::Regex::new("\"(RAPIDS_[A-Z_]*[A-Z])\"").unwrap();
        let named: BTreeSet<&str> = sources
            .iter()
            .flat_map(|source| name.captures_iter(source).map(|found| found.extract::<1>().1[0]))
            .filter(|name| !on_the_server.contains(&format!("\"{name}\"")))
            .collect();
        let unknown: Vec<&&str> = named
            .iter()
            .filter(|name| !RAPIDS.contains(name) && !MISTAKES.contains(name))
            .collect();
        assert!(unknown.is_empty(), "add {unknown:?} to the list in known.rs");
    }

    #[test]
    fn each_variable_that_is_known_is_documented() {
        let documentation = [include_str!("config.md"), include_str!("../telemetry.rs")].concat();
        for name in RAPIDS.iter().chain(&NATS) {
            assert!(documentation.contains(&format!("`{name}`")), "{name}");
        }
    }

    /// Names that are none, for the tests here.
    const MISTAKES: [&str; 5] = [
        "RAPIDS_MAXAGE",
        "RAPIDS_ACK_WIAT",
        "RAPIDS_SERVICE_HOST",
        "RAPIDS_PORT",
        "RAPIDS_SOMETHING_ELSE",
    ];

    #[test]
    fn near_miss_is_named_and_other_names_of_the_rapids_are_told() {
        for (name, meant) in [
            ("RAPIDS_MAXAGE", "RAPIDS_MAX_AGE"),
            ("RAPIDS_ACK_WIAT", "RAPIDS_ACK_WAIT"),
            ("NATS_CRED", "NATS_CREDS"),
            ("NATS_URLS", "NATS_URL"),
            ("NATS_INBOX_PREFX", "NATS_INBOX_PREFIX"),
        ] {
            let expected = format!("{name} is no setting and is ignored; is {meant} meant?");
            assert_eq!(mistake(name), Some(expected));
        }
        let told = mistake("RAPIDS_SOMETHING_ELSE").unwrap();
        assert!(told.contains("there are RAPIDS_MAX_AGE, "), "{told}");
    }

    #[test]
    fn names_that_are_known_or_of_others_are_left_alone() {
        for name in [
            "RAPIDS_MAX_AGE",
            "NATS_TIMEOUT",
            "NATS_HOST",
            "PATH",
            "RAPIDS_SERVICE_HOST",
            "RAPIDS_PORT",
        ] {
            assert_eq!(mistake(name), None, "{name}");
        }
    }
}
