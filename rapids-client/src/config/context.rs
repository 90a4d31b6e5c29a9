//! Contexts of the `nats` CLI: named files with connection settings, one of them selected.
//!
//! Finds and reads them; how they rank against the environment is left to
//! [`Config`](super::Config). A context that cannot be read, or asks for something that this library
//! cannot do, is an error: a service that connects elsewhere is worse than none.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::layer::{KEYS, Layer, Setting};
use super::secret::MASK;
use super::variable::Variables;
use crate::error::{Error, Result};

/// What is expected as the name of a context.
const NAME: &str = "the name of a context, as listed by `nats context ls`";

/// Keys that change how the nats CLI connects and that have no counterpart here.
const UNSUPPORTED: [&str; 6] =
    ["nsc", "user_jwt", "user_seed", "socks_proxy", "jetstream_api_prefix", "windows_cert_store"];

/// The file of one context.
#[derive(Clone, Debug)]
pub(super) struct Context {
    /// The variable, or the file, that names it.
    origin: String,
    name: String,
    file: PathBuf,
}

/// The context of that name.
pub(super) fn named(origin: &str, name: &str, variables: &Variables<'_>) -> Result<Context> {
    let (origin, name) = (origin.to_owned(), name.to_owned());
    let valid = !name.contains("..") && !name.contains(['/', '\\']);
    match folder(variables) {
        Some(folder) if valid => {
            let file = folder.join("context").join(format!("{name}.json"));
            Ok(Context { origin, name, file })
        }
        _ => Err(Error::Config { name: origin, value: name, expected: NAME.to_owned() }),
    }
}

/// The selected context, if one is selected.
pub(super) fn selected(variables: &Variables<'_>) -> Result<Option<Context>> {
    let Some(folder) = folder(variables) else {
        return Ok(None);
    };
    let file = folder.join("context.txt");
    let name = match fs::read_to_string(&file) {
        Ok(text) => text.trim().to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&file, &error)),
    };
    if name.is_empty() {
        return Ok(None);
    }
    named(&file.display().to_string(), &name, variables).map(Some)
}

impl Context {
    /// Reads the file, as it is now.
    pub(super) fn read(&self) -> Result<Layer> {
        let text = fs::read_to_string(&self.file).map_err(|error| Error::Config {
            name: self.origin.clone(),
            value: self.name.clone(),
            expected: format!("{NAME} ({}: {error})", self.file.display()),
        })?;
        parse(&self.file, &text)
    }
}

fn folder(variables: &Variables<'_>) -> Option<PathBuf> {
    let parent = match variables.text("XDG_CONFIG_HOME") {
        Some(parent) => PathBuf::from(parent),
        None => PathBuf::from(variables.text("HOME")?).join(".config"),
    };
    Some(parent.join("nats"))
}

/// Reads the settings in the file of a context.
fn parse(file: &Path, text: &str) -> Result<Layer> {
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| Error::Config {
        name: file.display().to_string(),
        // The text may hold a password, so none of it is shown; serde's message might quote it.
        value: MASK.to_owned(),
        expected: format!(
            "a JSON object such as {{\"url\":\"nats://127.0.0.1:4222\"}} (line {}, column {})",
            error.line(),
            error.column()
        ),
    })?;
    let origin = |key: &str| format!("{} key `{key}`", file.display());
    let mut layer = Layer::default();
    for key in KEYS {
        if let Some(value) = string(&object, key, &origin)? {
            layer.settings.push(Setting { key, origin: origin(key), value });
        }
    }
    for key in UNSUPPORTED {
        if string(&object, key, &origin)?.is_some() {
            let expected = "no such key, which only the nats CLI supports; use `creds`, `nkey`, \
                            `user` or `token`, and a direct `url`";
            return Err(invalid(origin(key), expected));
        }
    }
    // The nats CLI asks a password manager for such a path.
    if layer.settings.iter().any(|s| s.key == "creds" && s.value.starts_with("op://")) {
        return Err(invalid(origin("creds"), "a path such as `~/.config/nats/user.creds`"));
    }
    layer.tls_first = match object.get("tls_first") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(first)) => *first,
        Some(_) => return Err(invalid(origin("tls_first"), "`true` or `false`")),
    };
    Ok(layer)
}

/// The text under a key; `None` if it is absent, null or empty.
fn string(
    object: &Map<String, Value>,
    key: &str,
    origin: &dyn Fn(&str) -> String,
) -> Result<Option<String>> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(invalid(origin(key), "a string such as `\"nats://127.0.0.1:4222\"`")),
    }
}

/// The value is masked under every key, since a password may be under the wrong one.
fn invalid(name: String, expected: &str) -> Error {
    Error::Config { name, value: MASK.to_owned(), expected: expected.to_owned() }
}

fn unreadable(file: &Path, error: &std::io::Error) -> Error {
    Error::Config {
        name: "the nats context".to_owned(),
        value: file.display().to_string(),
        expected: format!(
            "a file that can be read ({error}); see `nats context ls`, or set NATS_URL"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn home(selected: &str, context: &str) -> TempDir {
        let home = TempDir::new().unwrap();
        let folder = home.path().join(".config/nats/context");
        fs::create_dir_all(&folder).unwrap();
        fs::write(home.path().join(".config/nats/context.txt"), selected).unwrap();
        fs::write(folder.join("shop.json"), context).unwrap();
        home
    }

    fn load(home: &TempDir) -> Result<Option<Layer>> {
        let path = home.path().display().to_string();
        let lookup = move |name: &str| (name == "HOME").then(|| path.clone());
        selected(&Variables::new(&lookup))?.map(|context| context.read()).transpose()
    }

    #[test]
    fn selected_context_is_read() {
        let layer = load(&home("shop\n", r#"{"url":"host:1","user":"","color_scheme":"x"}"#));
        let layer = layer.unwrap().unwrap();
        assert_eq!(layer.settings.len(), 1);
        assert_eq!(layer.settings[0].value, "host:1");
        assert!(layer.settings[0].origin.ends_with("context/shop.json key `url`"));
    }

    #[test]
    fn no_context_selected_is_no_context() {
        assert!(load(&home("\n", "{}")).unwrap().is_none());
        assert!(load(&TempDir::new().unwrap()).unwrap().is_none());
    }

    #[test]
    fn unusable_context_is_an_error_that_names_file_and_key_and_no_secret() {
        for (selected, context, named) in [
            ("gone", "{}", "context/gone.json"),
            ("../gone", "{}", "context.txt"),
            ("shop", r#"{"password":"s3cret""#, "context/shop.json"),
            ("shop", r#"["s3cret"]"#, "context/shop.json"),
            ("shop", r#"{"password":5}"#, "key `password`"),
            ("shop", r#"{"user_seed":"s3cret"}"#, "key `user_seed`"),
            ("shop", r#"{"creds":"op://s3cret"}"#, "key `creds`"),
            ("shop", r#"{"tls_first":"s3cret"}"#, "key `tls_first`"),
        ] {
            let error = load(&home(selected, context)).err().unwrap().to_string();
            assert!(error.contains(named), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
