//! The folder with the secrets of those who log in: made, read and replaced, and never printed.

use std::fs::{self, DirBuilder, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nkeys::KeyPair;
use tempfile::NamedTempFile;

use crate::exit::Fault;

/// What others than the owner may do with a file.
const OTHERS: u32 = 0o077;

/// A folder that its owner alone can look into.
pub(crate) struct KeyFolder {
    path: PathBuf,
}

impl KeyFolder {
    /// Opens it.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if there is none; [`Fault::Usage`] if others can look into it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        if !path.is_dir() {
            let words = format!("there is no folder `{shown}`; `rapids access keys` makes it");
            return Err(Fault::NotFound(words).into());
        }
        owned(path, "700")?;
        Ok(Self { path: path.to_owned() })
    }

    /// Opens it, and makes it if there is none.
    ///
    /// # Errors
    /// As for [`open`](Self::open), and if it cannot be made.
    pub(crate) fn make(path: &Path) -> Result<Self> {
        if !path.exists() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .with_context(|| format!("cannot make the folder `{}`", path.display()))?;
        }
        Self::open(path)
    }

    /// The file with the seed of a login.
    pub(crate) fn seed_file(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.nk"))
    }

    /// The file with the key from which a service derives ids. It stays when its login is replaced.
    pub(crate) fn id_key_file(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.id_key"))
    }

    /// The public key of a login.
    ///
    /// # Errors
    /// [`Fault::NotFound`] if it has no key; [`Fault::Usage`] if others can read the file, or it holds
    /// something else.
    pub(crate) fn public_key(&self, name: &str) -> Result<String> {
        let path = self.seed_file(name);
        let shown = path.display();
        if !path.exists() {
            let words = format!("there is no key `{shown}`; `rapids access keys` makes it");
            return Err(Fault::NotFound(words).into());
        }
        owned(&path, "600")?;
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{shown}`"))?;
        let pair = KeyPair::from_seed(text.trim()).ok().map(|pair| pair.public_key());
        // The error of the library may quote what is in the file.
        pair.filter(|public| public.starts_with('U')).ok_or_else(|| {
            let words = format!("`{shown}` holds no seed of a user, a line like `SUA...`");
            Fault::Usage(words).into()
        })
    }

    /// Makes the seed of a login; `false` if there is one, which stays.
    ///
    /// # Errors
    /// If it cannot be written; [`Fault::Usage`] if others can read the one that is there.
    pub(crate) fn make_seed(&self, name: &str) -> Result<bool> {
        make(&self.seed_file(name), new_seed)
    }

    /// Makes the key from which a service derives ids; `false` if there is one, which stays.
    ///
    /// # Errors
    /// As for [`make_seed`](Self::make_seed).
    pub(crate) fn make_id_key(&self, name: &str) -> Result<bool> {
        make(&self.id_key_file(name), new_id_key)
    }

    /// Replaces the seed of a login: whoever reads the file finds the old one or the new one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn replace_seed(&self, name: &str) -> Result<()> {
        let path = self.seed_file(name);
        let file = written(&self.path, &new_seed()?)?;
        file.persist(&path).with_context(|| format!("cannot replace `{}`", path.display()))?;
        Ok(())
    }
}

fn new_seed() -> Result<String> {
    KeyPair::new_user().seed().context("cannot make a key")
}

fn new_id_key() -> Result<String> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).context("the system gives no random bytes")?;
    Ok(key.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a secret to a new file; `false` if there is one, which stays.
fn make(path: &Path, secret: impl FnOnce() -> Result<String>) -> Result<bool> {
    if path.exists() {
        owned(path, "600")?;
        return Ok(false);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let file = written(folder, &secret()?)?;
    // Somebody else may have been faster, whose key stays.
    let made = file.persist_noclobber(path);
    made.with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(true)
}

/// A file without a name yet that holds a line, and that its owner alone can read.
fn written(folder: &Path, line: &str) -> Result<NamedTempFile> {
    let writing = || -> std::io::Result<NamedTempFile> {
        let mut file = NamedTempFile::new_in(folder)?;
        file.as_file().set_permissions(Permissions::from_mode(0o600))?;
        writeln!(file, "{line}")?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    writing().with_context(|| format!("cannot write into `{}`", folder.display()))
}

/// Makes sure that nobody but the owner has rights on it.
fn owned(path: &Path, mode: &str) -> Result<()> {
    let shown = path.display();
    let found = fs::metadata(path).with_context(|| format!("cannot read `{shown}`"))?;
    if found.permissions().mode() & OTHERS == 0 {
        return Ok(());
    }
    let words = format!(
        "`{shown}` is open to others: make new keys if they may have read it, and \
                         `chmod {mode} {shown}`"
    );
    Err(Fault::Usage(words).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_for_its_owner_alone_and_is_made_once() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("deep/keys");
        let keys = KeyFolder::make(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        assert!(keys.make_seed("payment").unwrap());
        assert!(keys.make_id_key("payment").unwrap());
        let public = keys.public_key("payment").unwrap();
        let id_key = fs::read_to_string(keys.id_key_file("payment")).unwrap();
        assert_eq!(id_key.trim().len(), 64);
        for file in [keys.seed_file("payment"), keys.id_key_file("payment")] {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
        assert!(!keys.make_seed("payment").unwrap());
        assert!(!keys.make_id_key("payment").unwrap());
        assert_eq!(keys.public_key("payment").unwrap(), public);
        assert_eq!(fs::read_to_string(keys.id_key_file("payment")).unwrap(), id_key);

        keys.replace_seed("payment").unwrap();
        assert_ne!(keys.public_key("payment").unwrap(), public);
        assert_eq!(mode(&keys.seed_file("payment")), 0o600);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 2, "nothing else is left there");
    }

    #[test]
    fn what_others_can_read_is_refused_with_the_remedy() {
        let scratch = tempfile::tempdir().unwrap();
        let keys = KeyFolder::make(&scratch.path().join("keys")).unwrap();
        keys.make_seed("payment").unwrap();
        let open = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o750)).unwrap();
        open(&keys.seed_file("payment"));
        for error in
            [keys.public_key("payment").unwrap_err(), keys.make_seed("payment").unwrap_err()]
        {
            let words = error.to_string();
            assert!(words.contains("payment.nk` is open to others"), "{words}");
            assert!(words.contains("`chmod 600 "), "{words}");
        }
        open(&keys.path);
        let error = KeyFolder::open(&keys.path).err().unwrap().to_string();
        assert!(error.contains("`chmod 700 "), "{error}");
    }

    #[test]
    fn what_is_no_seed_is_refused_without_a_word_of_it() {
        let scratch = tempfile::tempdir().unwrap();
        let keys = KeyFolder::make(&scratch.path().join("keys")).unwrap();
        let account = KeyPair::new_account().seed().unwrap();
        for (name, text) in [("a", "s3cret"), ("b", account.as_str())] {
            written(&keys.path, text).unwrap().persist(keys.seed_file(name)).unwrap();
            let error = format!("{:#}", keys.public_key(name).unwrap_err());
            assert!(error.contains("holds no seed of a user"), "{error}");
            assert!(!error.contains(text), "{error}");
        }
        let error = keys.public_key("c").unwrap_err().to_string();
        assert!(error.contains("`rapids access keys` makes it"), "{error}");
    }
}
