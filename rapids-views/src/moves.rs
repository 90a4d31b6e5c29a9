//! What moving a position means, in words: before it is done, and after.

use std::collections::BTreeMap;

use rapids_client::{Repetition, Seek, SeekReport, ServiceInfo};

/// How a service reads packets again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rereading {
    /// It keeps what it remembers.
    Knowing,
    /// It makes what it remembers anew, and publishes nothing about what it was done with.
    Quietly,
    /// It acts as if it had never seen them.
    Anew,
}

impl Rereading {
    /// As two switches say it; without the first, the second means nothing.
    #[must_use]
    pub fn of(forgets: bool, publishes: bool) -> Self {
        match (forgets, publishes) {
            (false, _) => Self::Knowing,
            (true, false) => Self::Quietly,
            (true, true) => Self::Anew,
        }
    }

    /// How a position is moved for that.
    pub fn seek(self) -> Seek {
        match self {
            Self::Knowing => Seek::new(),
            Self::Quietly => Seek::new().forget(),
            Self::Anew => Seek::new().forget().publish(),
        }
    }
}

/// What a report says, in the words of before or of after the move.
struct Words {
    goes_on: &'static str,
    mended: &'static str,
    replaced: &'static str,
    forgotten: &'static str,
}

/// Tells what came of moving a position, a line for each thing.
#[must_use]
pub fn moved(report: &SeekReport) -> Vec<String> {
    let words = Words {
        goes_on: "goes on",
        mended: "mended",
        replaced: "replaced",
        forgotten: "forgotten",
    };
    lines(report, &words)
}

/// Tells what came of moving a position in one sentence, for the log of operations.
#[must_use]
pub fn move_outcome(report: &SeekReport) -> String {
    let lines: Vec<_> = moved(report).iter().map(|line| line.trim().to_owned()).collect();
    lines.join("; ")
}

/// Tells what moving a position would mean, a line for each thing.
#[must_use]
pub fn planned_move(report: &SeekReport) -> Vec<String> {
    let words = Words {
        goes_on: "would go on",
        mended: "to be mended",
        replaced: "to be replaced",
        forgotten: "to be forgotten",
    };
    lines(report, &words)
}

fn lines(report: &SeekReport, words: &Words) -> Vec<String> {
    let SeekReport { service, next, pending, again, quiet, skipped, .. } = report;
    let Words { goes_on, mended, replaced, forgotten } = words;
    let mut line =
        format!("{service} {goes_on} with sequence {next}: {} to read", packets(*pending));
    if *again > 0 {
        line += &format!(", {again} of them again");
    }
    if *quiet > 0 {
        line += &format!(", {quiet} quietly");
    }
    if *skipped > 0 {
        line += &format!("; {} skipped", packets(*skipped));
    }
    let mut lines = vec![line];
    lines.extend(report.mended.as_ref().map(|fault| format!("  {mended}: {fault}")));
    let instance = report.replaced.as_ref();
    lines.extend(instance.map(|id| format!("  {replaced}: the active instance {id}")));
    lines.extend(report.forgotten.map(|count| {
        let memories = if count == 1 { "memory" } else { "memories" };
        format!("  {forgotten}: {count} {memories}, and the notes about packets")
    }));
    lines
}

/// `1 packet`, `2 packets`.
fn packets(count: u64) -> String {
    if count == 1 { "1 packet".to_owned() } else { format!("{count} packets") }
}

/// Tells of each river of a service what it makes of the packets that it knows when they are read again, as
/// its instances announce it. Empty if none answers.
pub fn rivers_again<'a>(
    instances: impl IntoIterator<Item = &'a ServiceInfo>,
    how: Rereading,
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for instance in instances {
        for rules in &instance.rules {
            let repetition = instance.repetitions.get(&rules.name);
            found.insert(rules.name.clone(), makes_of_known(repetition, how));
        }
    }
    found
}

/// What a river makes of packets that it knows.
fn makes_of_known(repetition: Option<&Repetition>, how: Rereading) -> String {
    use Rereading::{Anew, Knowing, Quietly};
    match (repetition, how) {
        (Some(Repetition::Runs), Knowing | Anew) => "runs again, and publishes again".to_owned(),
        (Some(Repetition::Runs), Quietly) => "runs again, and publishes nothing".to_owned(),
        (Some(Repetition::Once), Knowing) => {
            "does not run where it has run; what it published is published again".to_owned()
        }
        (Some(Repetition::Once), Quietly) => "does not run".to_owned(),
        (Some(Repetition::Once), Anew) => "runs once more, and publishes again".to_owned(),
        (Some(Repetition::Memory(name)), Knowing) => {
            format!("skips what its memory `{name}` has taken")
        }
        (Some(Repetition::Memory(name)), Quietly) => {
            format!("makes its memory `{name}` anew, and publishes nothing")
        }
        (Some(Repetition::Memory(name)), Anew) => {
            format!("makes its memory `{name}` anew, and publishes again")
        }
        (_, _) => "does not say what it makes of packets that it knows".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_river_knows_is_published_when_it_is_read_quietly() {
        let memory = Repetition::Memory("orders".to_owned());
        for repetition in [Repetition::Runs, Repetition::Once, memory] {
            let words = |how| makes_of_known(Some(&repetition), how);
            assert!(!words(Rereading::Quietly).contains("publishes again"), "{repetition:?}");
            assert!(words(Rereading::Anew).ends_with("publishes again"), "{repetition:?}");
        }
        assert!(makes_of_known(None, Rereading::Knowing).contains("does not say"));
    }
}
