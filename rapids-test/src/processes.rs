//! The processes of a machine, for tests that make sure that none remains.

use std::fs;
use std::path::Path;

/// The processes whose environment holds this text, such as `NAME=value`, as their folders in `/proc`;
/// none on systems without that. Linux: [`proc(5)`](https://man7.org/linux/man-pages/man5/proc.5.html).
///
/// ```
/// assert!(rapids_test::processes_with("RAPIDS_NOBODY_HAS=this").is_empty());
/// ```
pub fn processes_with(variable: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let holds = |path: &Path| {
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|held| held == variable.as_bytes())
    };
    let found = processes.map(|entry| entry.path()).filter(|path| holds(path));
    found.map(|path| path.display().to_string()).collect()
}
