//! The folder with the secrets of those who log in: made, read and replaced, and never printed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nkeys::KeyPair;

use crate::exit::Fault;
use crate::secret_file::{SECRET, check_owned, make_folder, replace, write_new};

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
        check_owned(path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Opens it, and makes it if there is none.
    ///
    /// # Errors
    /// As for [`open`](Self::open), and if it cannot be made.
    pub(crate) fn make(path: &Path) -> Result<Self> {
        make_folder(path)?;
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
        check_owned(&path)?;
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
        replace(&self.seed_file(name), &new_seed()?, SECRET)
    }
}

fn new_seed() -> Result<String> {
    let seed = KeyPair::new_user().seed().context("cannot make a key")?;
    Ok(format!("{seed}\n"))
}

fn new_id_key() -> Result<String> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).context("the system gives no random bytes")?;
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{digits}\n"))
}

/// Writes a secret to a new file; `false` if there is one, which stays.
fn make(path: &Path, secret: impl FnOnce() -> Result<String>) -> Result<bool> {
    if path.exists() {
        check_owned(path)?;
        return Ok(false);
    }
    write_new(path, &secret()?, SECRET)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

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
            write_new(&keys.seed_file(name), text, SECRET).unwrap();
            let error = format!("{:#}", keys.public_key(name).unwrap_err());
            assert!(error.contains("holds no seed of a user"), "{error}");
            assert!(!error.contains(text), "{error}");
        }
        let error = keys.public_key("c").unwrap_err().to_string();
        assert!(error.contains("`rapids access keys` makes it"), "{error}");
    }
}
