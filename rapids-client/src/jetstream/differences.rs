//! How an existing stream differs from the one that is needed.

/// The settings that differ, one sentence each.
#[derive(Default)]
pub(crate) struct Differences(Vec<String>);

impl Differences {
    pub(super) fn compare<T: PartialEq + std::fmt::Debug>(
        &mut self,
        setting: &str,
        found: &T,
        needed: &T,
    ) {
        if found != needed {
            self.0.push(format!("{setting} is {found:?}, needed is {needed:?}"));
        }
    }

    /// The list, with the remedy at its end; empty if there is no difference.
    pub(super) fn with_remedy(mut self, stream: &str) -> Vec<String> {
        if !self.0.is_empty() {
            self.0.push(format!(
                "change the stream with `nats stream edit {stream}`, or use another server"
            ));
        }
        self.0
    }
}

/// A limit, or -1 for none: the server says "no limit" in several ways.
pub(crate) fn limit(value: i64) -> i64 {
    if value <= 0 { -1 } else { value }
}
