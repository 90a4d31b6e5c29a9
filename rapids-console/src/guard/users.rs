//! The users that may log in, from a file with a line `NAME:HASH` for each.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};

/// Checked where there is no such user, so that the time does not tell which names there are.
static NOBODY: LazyLock<String> = LazyLock::new(|| hashed("nobody").unwrap_or_default());

/// Names with the hashes of their passwords.
#[derive(Debug)]
pub(crate) struct Users(HashMap<String, String>);

impl Users {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, or a line is not as it must be; the error names the line and no hash.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the users from {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("cannot read the users from {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let mut users = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, hash)) = line.split_once(':').filter(|(name, _)| !name.is_empty())
            else {
                bail!("line {number} is not `NAME:HASH`; `rapids-console --hash` prints a hash");
            };
            if PasswordHash::new(hash).is_err() {
                bail!(
                    "line {number} has no argon2 hash behind the name; `rapids-console --hash` prints one"
                );
            }
            if users.insert(name.to_owned(), hash.to_owned()).is_some() {
                bail!("line {number} names a user for the second time");
            }
        }
        if users.is_empty() {
            bail!("there is no user in it");
        }
        Ok(Self(users))
    }

    /// Whether this is the password of the user. Takes a while, so call it where that blocks nobody.
    pub(crate) fn is_right(&self, name: &str, password: &str) -> bool {
        let known = self.0.get(name);
        let hash = known.unwrap_or(&NOBODY);
        let is_right = PasswordHash::new(hash).is_ok_and(|hash| {
            Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
        });
        is_right && known.is_some()
    }
}

/// The hash of a password, with the defaults of argon2id.
fn hashed(password: &str) -> Result<String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|error| anyhow::anyhow!("cannot hash the password: {error}"))?.to_string())
}

/// Reads a password from the first line of the input, and writes its hash.
///
/// # Errors
/// If there is none.
pub(crate) fn print_hash(mut input: impl BufRead, mut output: impl Write) -> Result<()> {
    let mut line = String::new();
    input.read_line(&mut line).context("cannot read the password")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!(
            "there is no password on standard input: `printf '%s' \"$PASSWORD\" | rapids-console --hash`"
        );
    }
    writeln!(output, "{}", hashed(password)?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_hash_lets_its_user_in_and_nobody_else() {
        let mut hash = Vec::new();
        print_hash("s3cret\n".as_bytes(), &mut hash).unwrap();
        let hash = String::from_utf8(hash).unwrap();
        let users = Users::parse(&format!("# viewers\nada:{hash}\n")).unwrap();
        assert!(users.is_right("ada", "s3cret"));
        assert!(!users.is_right("ada", "S3cret"));
        assert!(!users.is_right("bob", "s3cret"));
        assert!(!users.is_right("bob", "nobody"));
    }

    #[test]
    fn a_line_that_is_wrong_is_named() {
        for (text, wrong) in [
            ("ada", "line 1 is not `NAME:HASH`"),
            ("\nada:s3cret", "line 2 has no argon2 hash"),
            ("# nobody", "there is no user"),
        ] {
            let error = Users::parse(text).unwrap_err().to_string();
            assert!(error.contains(wrong) && !error.contains("s3cret"), "{error}");
        }
    }
}
