//! Lists the files of the rivers for `src/lib.rs`, so that adding or deleting a river needs no
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

/// Whether a file has something that runs beside its service in the same process.
fn declares_work_beside(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("pub(crate) async fn beside() -> "))
}

/// The modules of the rivers, a function that creates their services, and one that runs what runs beside
/// them.
fn listed(folder: &Path) -> Result<String, Box<dyn Error>> {
    let (mut modules, mut services, mut beside) = (String::new(), String::new(), String::new());
    let mut files = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    files.sort_by_key(fs::DirEntry::path);
    let is_river = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    for (number, path) in files.iter().map(fs::DirEntry::path).filter(is_river).enumerate() {
        println!("cargo::rerun-if-changed={}", path.display());
        let text = fs::read_to_string(&path)?;
        if !declares_service(&text) {
            println!("cargo::error={} {MISSING}", path.display());
        }
        writeln!(modules, "#[path = {path:?}]\nmod river_{number};")?;
        writeln!(services, "        river_{number}::service()?,")?;
        if declares_work_beside(&text) {
            writeln!(beside, "        river_{number}::beside(),")?;
        }
    }
    let services = format!("Ok(vec![\n{services}    ])");
    Ok(format!(
        "{modules}\npub(super) fn services() -> rapids_client::Result<Vec<rapids_client::Service>> \
         {{\n    {services}\n}}\n\npub(super) async fn beside() -> anyhow::Result<()> {{\n    \
         tokio::try_join!(\n        std::future::pending::<anyhow::Result<()>>(),\n{beside}    )\
         .map(|_| ())\n}}\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::{Path, declares_service, declares_work_beside, fs, listed};

    #[test]
    fn a_file_without_a_service_is_recognised() {
        assert!(declares_service(include_str!("../rivers/template.rs")));
        assert!(!declares_service("fn main() {}\n// pub(crate) fn service() -> Service\n"));
        assert!(!declares_service("fn service() -> Result<Service> {\n"));
    }

    #[test]
    fn what_runs_beside_a_service_is_recognised() {
        assert!(declares_work_beside(include_str!("../rivers/src/bin/catalogue.rs")));
        assert!(!declares_work_beside(include_str!("../rivers/template.rs")));
    }

    #[test]
    fn every_river_has_its_module_and_its_service() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rivers/src/bin");
        let listed = listed(&folder).unwrap();
        let files = fs::read_dir(folder).unwrap().count();
        assert_eq!(listed.matches("::service()?,").count(), files);
    }
}
