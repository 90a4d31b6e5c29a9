//! Presents the login to the server at each connect, as it is at that moment.
//!
//! Files may be replaced while a service is connected, and old tokens expire.

use async_nats::Auth;
use nkeys::KeyPair;

use crate::config::{Config, KeyFile, Login};
use crate::error::Result;

/// The answer to the server's `nonce`, which keys sign.
///
/// # Errors
/// `Config` for a file that cannot be used.
pub(super) fn sign_in(config: &Config, nonce: &[u8]) -> Result<Auth> {
    let mut auth = Auth::new();
    match config.login()?.login {
        Login::None => {}
        Login::User { user, password } => {
            auth.username = Some(user);
            auth.password = Some(password.expose().to_owned());
        }
        Login::Token(token) => auth.token = Some(token.expose().to_owned()),
        Login::Credentials(file) => {
            let text = file.read("a credentials file")?;
            let expected = "a credentials file as `nsc` writes it";
            let [token, seed] = armoured(text.expose())[..] else {
                return Err(file.error(expected));
            };
            auth.signature = Some(sign(&pair(&file, seed, expected)?, nonce));
            auth.jwt = Some(token.to_owned());
        }
        Login::Nkey(file) => {
            let text = file.read("an nkey seed")?;
            let expected = "a file with the seed of a user, a line like `SUA...`";
            let seed = text.expose().lines().map(str::trim).find(|line| line.starts_with("SU"));
            let seed = seed.ok_or_else(|| file.error(expected))?;
            let pair = pair(&file, seed, expected)?;
            auth.signature = Some(sign(&pair, nonce));
            auth.nkey = Some(pair.public_key());
        }
    }
    Ok(auth)
}

/// The values between two lines of dashes: in a credentials file the token, then the seed.
fn armoured(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_dashes = |line: &str| line.starts_with("---");
    let is_sign = |c: char| c.is_ascii_alphanumeric() || "_-.=".contains(c);
    // Between two blocks there may be a line, too: an empty one, or a comment.
    let is_value = |line: &str| !line.is_empty() && line.chars().all(is_sign) && !is_dashes(line);
    lines
        .windows(3)
        .filter(|lines| is_dashes(lines[0]) && is_value(lines[1]) && is_dashes(lines[2]))
        .map(|lines| lines[1])
        .collect()
}

fn pair(file: &KeyFile, seed: &str, expected: &str) -> Result<KeyPair> {
    KeyPair::from_seed(seed).map_err(|error| file.error(&format!("{expected} ({error})")))
}

fn sign(pair: &KeyPair, nonce: &[u8]) -> Vec<u8> {
    pair.sign(nonce).expect("a pair that was made from its seed holds it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_file_is_an_error_that_names_it_and_not_its_content() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path();
        let shown = path.display().to_string();
        for text in ["s3cret", "SUs3cret", "---\ns3cret\n---\n---\ns3cret\n---\n", "---\n---"] {
            std::fs::write(path, text).unwrap();
            for (config, named) in [
                (Config::new("host").credentials_file("/nowhere"), "/nowhere"),
                (Config::new("host").credentials_file(path), shown.as_str()),
                (Config::new("host").nkey_file("/nowhere"), "/nowhere"),
                (Config::new("host").nkey_file(path), shown.as_str()),
            ] {
                let error = sign_in(&config, b"nonce").err().unwrap().to_string();
                assert!(error.contains(&format!("is `{named}`, expected")), "{error}");
                assert!(!error.contains("s3cret"), "{error}");
            }
        }
    }
}
