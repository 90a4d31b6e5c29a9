//! CPU time and memory of a process, on systems with `/proc`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The unit of times in `/proc/<pid>/stat` on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// The start of a measurement.
#[derive(Debug)]
pub(crate) struct Meter {
    begun: Instant,
    own: Option<f64>,
    server: Option<f64>,
    server_id: u32,
}

/// What was used since the start of a measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) seconds: f64,
    /// Seconds of user and system CPU time; `None` without `/proc`.
    pub(crate) own_cpu: Option<f64>,
    pub(crate) server_cpu: Option<f64>,
}

impl Meter {
    /// Begins to measure this process and the server's.
    pub(crate) fn begin(server: u32) -> Self {
        Self {
            own: cpu_seconds(std::process::id()),
            server: cpu_seconds(server),
            server_id: server,
            begun: Instant::now(),
        }
    }

    pub(crate) fn read(&self) -> Spent {
        let seconds = self.begun.elapsed().as_secs_f64();
        let since = |before: Option<f64>, now: Option<f64>| Some(now? - before?);
        Spent {
            seconds,
            own_cpu: since(self.own, cpu_seconds(std::process::id())),
            server_cpu: since(self.server, cpu_seconds(self.server_id)),
        }
    }
}

/// The CPU time of a process so far, user and system.
pub(crate) fn cpu_seconds(process: u32) -> Option<f64> {
    let folder = folder(process);
    by_threads(&folder).or_else(|| by_stat(&fs::read_to_string(folder.join("stat")).ok()?))
}

/// The memory of a process that is in RAM, in MiB.
pub(crate) fn resident_mebibytes(process: u32) -> Option<f64> {
    by_status(&fs::read_to_string(folder(process).join("status")).ok()?)
}

fn folder(process: u32) -> PathBuf {
    Path::new("/proc").join(process.to_string())
}

/// Sums up the scheduler's count of nanoseconds for each thread. Not every kernel has it.
fn by_threads(folder: &Path) -> Option<f64> {
    let mut nanoseconds = 0.0;
    for thread in fs::read_dir(folder.join("task")).ok()?.flatten() {
        // The thread may have ended since the directory was read.
        let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
        nanoseconds += text.split_whitespace().next()?.parse::<f64>().ok()?;
    }
    (nanoseconds > 0.0).then_some(nanoseconds / 1e9)
}

/// Reads `/proc/<pid>/stat`. The program's name stands in parentheses and may contain anything.
fn by_stat(text: &str) -> Option<f64> {
    let (_, rest) = text.rsplit_once(')')?;
    // The rest begins with the third field; user time is the 14th, system time the 15th.
    let mut times = rest.split_whitespace().skip(11).map(str::parse::<f64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

/// Reads `/proc/<pid>/status`.
fn by_status(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name_of_a_program() {
        let text = "77 (a ) b) S 1 77 77 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 4 0 999 1 2";
        assert_eq!(by_stat(text), Some(2.0));
        assert_eq!(by_stat("77 (a"), None);
    }

    #[test]
    fn resident_memory_is_in_mebibytes() {
        assert_eq!(by_status("Name:\tx\nVmRSS:\t    8192 kB\nThreads:\t2\n"), Some(8.0));
        assert_eq!(by_status("Name:\tx\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn work_of_this_process_is_counted() {
        let before = cpu_seconds(std::process::id()).unwrap();
        let begun = Instant::now();
        while cpu_seconds(std::process::id()).unwrap() < before + 0.02 {
            assert!(begun.elapsed().as_secs() < 20);
        }
        assert!(resident_mebibytes(std::process::id()).unwrap() > 0.1);
    }
}
