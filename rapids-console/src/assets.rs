//! The files of the front end: built into the program, served from here and from nowhere else.
//!
//! What others wrote lies in `assets/vendor`, with version, licence and checksum in `vendor.toml`, which a
//! test checks.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::hex::hex;

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file as it is served.
struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
}

macro_rules! asset {
    ($name:literal, $kind:expr) => {
        Asset { name: $name, kind: $kind, content: include_bytes!(concat!("../assets/", $name)) }
    };
}

static ASSETS: [Asset; 8] = [
    asset!("console.css", CSS),
    asset!("console.js", SCRIPT),
    asset!("live.js", SCRIPT),
    asset!("map.js", SCRIPT),
    asset!("icon.svg", SVG),
    asset!("vendor/htmx.min.js", SCRIPT),
    asset!("vendor/hx-sse.min.js", SCRIPT),
    asset!("vendor/dagre.min.js", SCRIPT),
];

/// By name, the beginning of the hash of a file's content.
static VERSIONS: LazyLock<HashMap<&'static str, String>> = LazyLock::new(|| {
    let version = |asset: &Asset| (asset.name, sha256(asset.content)[..12].to_owned());
    ASSETS.iter().map(version).collect()
});

fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// What stands behind the name of a file, so that browsers keep it until it changes.
pub(crate) fn version(name: &str) -> &'static str {
    VERSIONS.get(name).map_or("", String::as_str)
}

/// Serves a file.
pub(crate) async fn serve(Path(name): Path<String>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, asset.content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `vendor.toml` has a few plain lines for each file, so it needs no parser.
    #[test]
    fn what_others_wrote_is_what_the_list_says() {
        let list = include_str!("../assets/vendor/vendor.toml");
        let values = |key: &str| -> Vec<String> {
            let lines = list.lines().filter_map(|line| line.split_once(" = "));
            let of_key = lines.filter(|(found, _)| *found == key);
            of_key.map(|(_, value)| value.trim_matches('"').to_owned()).collect()
        };
        let (files, sums) = (values("file"), values("sha256"));
        for key in ["package", "version", "licence"] {
            assert_eq!(values(key).len(), files.len(), "each file has a {key}");
        }
        let vendored = ASSETS.iter().filter_map(|it| Some((it.name.strip_prefix("vendor/")?, it)));
        let vendored: Vec<_> = vendored.collect();
        assert_eq!(vendored.len(), files.len());
        for (name, asset) in vendored {
            let place = files.iter().position(|file| file == name).unwrap();
            assert_eq!(sha256(asset.content), sums[place], "{name}");
        }
    }

    #[test]
    fn own_scripts_stay_small_and_evaluate_nothing() {
        let own = ASSETS.iter().filter(|it| it.kind == SCRIPT && !it.name.starts_with("vendor/"));
        let own: Vec<_> = own.map(|it| std::str::from_utf8(it.content).unwrap()).collect();
        let lines: usize = own.iter().map(|script| script.lines().count()).sum();
        assert!(lines < 600, "{lines} lines");
        for forbidden in ["eval(", "new Function", "innerHTML", "http://", "https://"] {
            let is_found = |script: &&str| {
                script.replace("http://www.w3.org/2000/svg", "").contains(forbidden)
            };
            assert!(!own.iter().any(is_found), "{forbidden}");
        }
    }
}
