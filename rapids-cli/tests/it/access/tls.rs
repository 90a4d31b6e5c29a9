//! Certificates, and a server that asks for them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rapids_test::NatsServer;

use super::{DECLARED, Folder};
use crate::bench::{Said, rapids, said};
use crate::secured::lines;

/// The files that are made, and what others may do with them.
const FILES: [(&str, u32); 6] = [
    ("ca.key", 0o600),
    ("ca.pem", 0o644),
    ("client.key", 0o600),
    ("client.pem", 0o644),
    ("server.key", 0o600),
    ("server.pem", 0o644),
];

fn modes(folder: &Folder) -> Vec<(String, u32)> {
    let files = fs::read_dir(folder.path("tls")).unwrap().map(Result::unwrap);
    let mode = |file: &fs::DirEntry| file.metadata().unwrap().permissions().mode() & 0o777;
    let mut modes: Vec<_> =
        files.map(|file| (file.file_name().into_string().unwrap(), mode(&file))).collect();
    modes.sort();
    modes
}

#[test]
fn certificates_are_made_once_and_their_keys_are_the_owners() {
    let folder = Folder::with(DECLARED);
    let made = folder.done(&["certificates", "--host", "nats.example.org"]);
    assert!(made.err.starts_with("valid until "), "{made:?}");
    assert_eq!(modes(&folder), FILES.map(|(name, mode)| (name.to_owned(), mode)));
    let contents = || FILES.map(|(name, _)| folder.text(&format!("tls/{name}")));
    let before = contents();
    assert!(!before.iter().any(|text| made.out.contains(text) || made.err.contains(text)));
    fs::remove_file(folder.path("tls/server.pem")).unwrap();
    folder.run(&["certificates"]).badly(2, &["`tls/ca.key` is there already"]);
    assert!(!folder.path("tls/server.pem").exists(), "all of them or none");
    let error = Folder::with("").run(&["certificates", "--host", "ö"]);
    error.badly(1, &["cannot all be names of a server"]);
}

#[test]
fn a_server_with_the_certificates_takes_nobody_without_one() {
    let folder = Folder::with(DECLARED);
    folder.done(&["certificates"]);
    let stranger = Folder::with("");
    stranger.done(&["certificates"]);
    let path = |folder: &Folder, file: &str| folder.path(file).to_str().unwrap().to_owned();
    let tls = |name: &str| path(&folder, &format!("tls/{name}"));
    folder.rendered();
    let server = NatsServer::with_config(&lines(&folder.0)).unwrap();
    let nkey = path(&folder, "keys/ada.nk");
    let asked = |arguments: &[&str]| -> Said {
        let mut command = rapids(&["position", "payment", "--nkey", &nkey]);
        said(command.args(["--server", &server.url().replace("nats:", "tls:")]).args(arguments))
    };
    let (ca, cert, key) = (tls("ca.pem"), tls("client.pem"), tls("client.key"));
    let ours = ["--tlscert", &cert, "--tlskey", &key];
    // There are no streams yet.
    asked(&[&["--tlsca", &ca], &ours[..]].concat()).badly(5, &["there is no stream `RAPIDS`"]);
    let mut doctor =
        rapids(&["doctor", "map", "--nkey", &path(&folder, "keys/map.nk"), "--tlsca", &ca]);
    let told = said(doctor.args(ours).env("NATS_URL", server.url()).current_dir(folder.path("")));
    assert!(
        told.out.lines().any(|line| line.split_whitespace().eq(["ok", "TLS", "in", "use"])),
        "{told:?}"
    );
    asked(&["--tlsca", &ca]).badly(3, &["cannot connect"]);
    let other = path(&stranger, "tls/ca.pem");
    asked(&[&["--tlsca", &other], &ours[..]].concat()).badly(3, &["cannot connect"]);
    let (cert, key) = (path(&stranger, "tls/client.pem"), path(&stranger, "tls/client.key"));
    asked(&["--tlsca", &ca, "--tlscert", &cert, "--tlskey", &key]).badly(3, &["cannot connect"]);
}
