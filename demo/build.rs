//! Lists the files of the rivers for `src/bundle.rs`, so that a new one is in the bundle, and one
//! that is gone is not, without another edit.

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

/// A module for each file, and a function that makes the service of each.
fn listed(folder: &Path) -> Result<String, Box<dyn Error>> {
    let (mut modules, mut services) = (String::new(), String::new());
    let mut files = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    files.sort_by_key(fs::DirEntry::path);
    let is_river = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    for (number, path) in files.iter().map(fs::DirEntry::path).filter(is_river).enumerate() {
        writeln!(modules, "#[path = {path:?}]\nmod river_{number};")?;
        writeln!(services, "        river_{number}::service()?,")?;
    }
    let services = format!("Ok(vec![\n{services}    ])");
    Ok(format!(
        "{modules}\npub(super) fn services() -> rapids_client::Result<Vec<rapids_client::Service>> \
         {{\n    {services}\n}}\n"
    ))
}
