//! `rapids access`: from what is declared to keys and accounts; and what a server makes of them.

mod doctor;
mod server;
mod tls;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nkeys::{KeyPair, KeyPairType};
use tempfile::TempDir;

use crate::bench::{Said, rapids, said};

const DECLARED: &str = r#"
[services.payment]
memories = ["paid"]
once = true
timers = true
answers = ["payment.fee"]
[services.map]
delivery = "exclusive"
start = "beginning"
reads = ["payment"]
[operators.ada]
role = "operator"
[operators.bob]
role = "viewer"
[publishers.web]
asks = true
requests = ["payment.fee"]
"#;

/// A folder with `access.toml`, in which the command runs.
struct Folder(TempDir);

impl Folder {
    fn with(declared: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::write(folder.path("access.toml"), declared).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let arguments = [&["access"], arguments].concat();
        said(rapids(&arguments).current_dir(&self.0))
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{said:?}");
        said
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn seed(&self, name: &str) -> String {
        self.text(&format!("keys/{name}.nk")).trim().to_owned()
    }

    /// Makes all keys, and renders; returns what nats-server includes.
    fn rendered(&self) -> String {
        self.done(&["keys"]);
        self.done(&["render"]);
        self.text("access.conf")
    }
}

/// A key that is the same in each run.
fn known_key(path: &Path, byte: u8) {
    let pair = KeyPair::new_from_raw(KeyPairType::User, [byte; 32]).unwrap();
    fs::write(path, pair.seed().unwrap()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn what_is_declared_is_said_and_what_is_wrong_too() {
    let folder = Folder::with(DECLARED);
    let lines = "\
NAME     WHAT       MAY
map      service    exclusive, from the beginning; reads payment
payment  service    shared; remembers paid; runs once; sets timers
ada      person     look and act
bob      person     look
web      publisher  publish; ask
";
    assert_eq!(folder.run(&["check"]).well(0).out, lines);
    let wrong = Folder::with("[services.map]\nreads = ['gone']\n[publishers.map]\n");
    let said = wrong.run(&["check"]);
    assert_eq!(said.code, 2, "{said:?}");
    for words in ["[services.map] reads: `gone`", "[publishers.map]: there is [services.map], too"]
    {
        assert!(said.err.contains(words), "{said:?}");
    }
    wrong.run(&["keys"]).badly(2, &["`access.toml` cannot be used"]);
    assert!(!wrong.path("keys").exists());
    let other = folder.run(&["check", "--file", "other.toml"]);
    other.badly(2, &["`other.toml` cannot be used"]);
}

#[test]
fn the_rendered_accounts_are_these() {
    let folder = Folder::with(DECLARED);
    folder.done(&["keys"]);
    for (name, byte) in [("payment", 1), ("map", 2), ("ada", 3), ("bob", 4), ("web", 5)] {
        known_key(&folder.path(&format!("keys/{name}.nk")), byte);
    }
    folder.done(&["render"]);
    let rendered = folder.text("access.conf");
    // To write it anew: WRITE_RENDERED=1 cargo test -p rapids-cli --test it access::
    if std::env::var_os("WRITE_RENDERED").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/access/rendered.conf");
        fs::write(path, &rendered).unwrap();
    }
    assert!(
        rendered == include_str!("access/rendered.conf"),
        "write it anew, and look at what differs"
    );
}

#[test]
fn keys_are_made_once_for_everybody_and_never_printed() {
    let folder = Folder::with(DECLARED);
    let made = folder.done(&["keys"]);
    let names =
        ["ada.nk", "bob.nk", "map.id_key", "map.nk", "payment.id_key", "payment.nk", "web.nk"];
    let mut lines = made.lines();
    lines.sort_unstable();
    assert_eq!(lines, names.map(|name| format!("made keys/{name}")));
    let contents = || names.map(|name| folder.text(&format!("keys/{name}")));
    let secrets = contents();
    let again = folder.done(&["keys"]);
    assert_eq!((again.out.as_str(), contents()), ("", secrets.clone()));
    let rotated = folder.done(&["keys", "--rotate", "payment"]);
    assert_eq!(rotated.lines(), ["replaced keys/payment.nk"]);
    assert!(rotated.err.contains("nats-server --signal reload"), "{rotated:?}");
    let differs: Vec<_> =
        names.iter().zip(secrets.iter().zip(contents())).filter(|(_, (a, b))| *a != b).collect();
    assert_eq!(differs.iter().map(|(name, _)| **name).collect::<Vec<_>>(), ["payment.nk"]);
    folder.run(&["keys", "--rotate", "nobody"]).badly(5, &["`nobody` is not declared"]);

    let rendered = folder.done(&["render"]);
    let said = [&made, &again, &rotated, &rendered].map(|said| format!("{said:?}")).concat();
    for secret in secrets.iter().chain(&contents()) {
        let secret = secret.trim();
        assert!(!said.contains(secret) && !folder.text("access.conf").contains(secret));
    }
}

#[test]
fn a_file_that_needs_no_change_is_not_touched() {
    let folder = Folder::with(DECLARED);
    let first = folder.rendered();
    let written = || fs::metadata(folder.path("access.conf")).unwrap().modified().unwrap();
    let before = written();
    let again = folder.done(&["render"]);
    assert!(again.err.contains("access.conf is as it has to be"), "{again:?}");
    assert_eq!((folder.text("access.conf"), written()), (first.clone(), before));
    folder.done(&["render", "--out", "other.conf"]);
    assert_eq!(folder.text("other.conf"), first);

    let rotated = folder.done(&["keys", "--rotate", "payment"]);
    assert_eq!(rotated.lines(), ["replaced keys/payment.nk", "wrote access.conf"]);
    assert!(folder.done(&["render"]).err.contains("is as it has to be"));
    let changed = folder.text("access.conf");
    let differs = first.lines().zip(changed.lines()).filter(|(one, other)| one != other).count();
    assert_eq!((differs, first.lines().count()), (1, changed.lines().count()));
}

#[test]
fn keys_that_others_can_read_are_refused() {
    let folder = Folder::with(DECLARED);
    folder.run(&["render"]).badly(5, &["there is no folder `keys`"]);
    folder.done(&["keys"]);
    let key = folder.path("keys/web.nk");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    for arguments in [["render"], ["keys"]] {
        folder.run(&arguments).badly(2, &["`keys/web.nk` is open to others"]);
    }
    fs::remove_file(&key).unwrap();
    folder.run(&["render"]).badly(5, &["there is no key `keys/web.nk`"]);
    assert!(!folder.path("access.conf").exists());
}
