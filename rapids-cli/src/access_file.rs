//! The file `access.toml`: read, and refused with all that is wrong with it.

use std::fs;
use std::path::Path;

use anyhow::Result;
use rapids_client::access::Access;
use rapids_client::printable;

use crate::exit::Fault;

/// Reads the file.
///
/// # Errors
/// [`Fault::Usage`] names the file, and the line or each table and key that is wrong.
pub(crate) fn read(path: &Path) -> Result<Access> {
    let access = parse(path)?;
    check(path, &access)?;
    Ok(access)
}

/// As [`read`], whatever is wrong with what is declared, as long as it has the right form.
///
/// # Errors
/// [`Fault::Usage`] if it cannot be read, or has not the right form.
pub(crate) fn parse(path: &Path) -> Result<Access> {
    let shown = path.display();
    let refused = |why: String| Fault::Usage(format!("`{shown}` cannot be used: {why}"));
    let text = fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    // The error quotes the line.
    let read = toml::from_str(&text).map_err(|error| refused(printed(&error)))?;
    Ok(read)
}

/// Makes sure that nothing is wrong with what is declared.
///
/// # Errors
/// [`Fault::Usage`] with all that is.
pub(crate) fn check(path: &Path, access: &Access) -> Result<()> {
    let faults = access.faults();
    if faults.is_empty() {
        return Ok(());
    }
    let words = format!("`{}` cannot be used: {}", path.display(), faults.join("; "));
    Err(Fault::Usage(words).into())
}

/// Several lines, each without control characters.
fn printed(error: &toml::de::Error) -> String {
    let text = error.to_string();
    text.lines().map(|line| printable(line).to_string()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let error = read(file.path()).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Fault::Usage(_))), "{error}");
        error.to_string()
    }

    #[test]
    fn a_fault_of_form_names_its_line_and_what_can_be_there() {
        let error = refused("[services.payment]\nmemory = ['paid']\n");
        for words in ["line 2", "memory = ['paid']", "unknown field `memory`", "`memories`"] {
            assert!(error.contains(words), "{words} in {error}");
        }
        let error = refused("[services.payment]\n[services.payment]\n");
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn all_other_faults_are_named_at_once() {
        let error = refused("[services.A]\n[publishers.web]\nreads = ['map']\n");
        assert!(error.contains("[services.A]"), "{error}");
        assert!(error.contains("[publishers.web] reads: `map`"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("/nowhere/access.toml")).unwrap_err().to_string();
        assert!(error.starts_with("`/nowhere/access.toml` cannot be used: "), "{error}");
    }
}
