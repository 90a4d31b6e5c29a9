//! Lists the files of the rivers for `src/bundle.rs`, so that adding or deleting a river needs no
//! other edit.

use std::env;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo names no package")?);
    let output = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo names no folder to write to")?);
    let folder = package.join("../rivers/src/bin").canonicalize()?;
    println!("cargo::rerun-if-changed={}", folder.display());
    fs::write(output.join("rivers.rs"), listed(&folder)?)?;
    Ok(())
}

/// The error about a file that is no service, behind its name.
const MISSING: &str = "has no `pub(crate) fn service() -> rapids_client::Result<Service>`, by which \
                       it would be bundled: add it, as in rivers/template.rs, or move the file to \
                       rivers/examples if it is no service";

/// Whether the text of a file has the function that makes its service.
fn declares_service(text: &str) -> bool {
    let is_it =
        |line: &str| line.strip_prefix("pub").is_some_and(|line| line.contains("fn service() -> "));
    text.lines().any(is_it)
}

/// The modules of the rivers, and a function that creates their services.
fn listed(folder: &Path) -> Result<String, Box<dyn Error>> {
    let (mut modules, mut services) = (String::new(), String::new());
    let mut files = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    files.sort_by_key(fs::DirEntry::path);
    let is_river = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    for (number, path) in files.iter().map(fs::DirEntry::path).filter(is_river).enumerate() {
        println!("cargo::rerun-if-changed={}", path.display());
        if !declares_service(&fs::read_to_string(&path)?) {
            println!("cargo::error={} {MISSING}", path.display());
        }
        writeln!(modules, "#[path = {path:?}]\nmod river_{number};")?;
        writeln!(services, "        river_{number}::service()?,")?;
    }
    let services = format!("Ok(vec![\n{services}    ])");
    Ok(format!(
        "{modules}\npub(super) fn services() -> rapids_client::Result<Vec<rapids_client::Service>> \
         {{\n    {services}\n}}\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::{Path, declares_service, fs, listed};

    #[test]
    fn a_file_without_a_service_is_recognised() {
        assert!(declares_service(include_str!("../rivers/template.rs")));
        assert!(!declares_service("fn main() {}\n// pub(crate) fn service() -> Service\n"));
        assert!(!declares_service("fn service() -> Result<Service> {\n"));
    }

    #[test]
    fn every_river_has_its_module_and_its_service() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rivers/src/bin");
        let listed = listed(&folder).unwrap();
        let files = fs::read_dir(folder).unwrap().count();
        assert_eq!(listed.matches("::service()?,").count(), files);
    }
}
