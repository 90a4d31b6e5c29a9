//! Which letters a page is asked for, and the addresses of others like it.

use std::fmt::Write;

use rapids_client::State;
use serde::Deserialize;

use crate::fault::{Fault, Result};
use crate::frame::encoded;
use crate::reading::letters::{CauseMark, CauseRow, Part, Selection, job_number};
use crate::text::short;

/// The word for letters in any state.
pub(super) const ANY: &str = "any";

/// What is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    pub(super) service: String,
    pub(super) river: String,
    pub(super) kind: String,
    /// A state, or [`ANY`].
    pub(super) state: String,
    /// The mark of a group.
    pub(super) cause: String,
    /// The id of the job that acted on them last.
    pub(super) job: String,
    /// `yes` for groups that somebody has tagged; otherwise all others.
    pub(super) tagged: String,
    pub(super) sort: String,
    pub(super) order: String,
    /// What is searched.
    pub(super) q: String,
    /// Which page of groups, from 1 on.
    pub(super) page: Option<usize>,
    pub(super) before: Option<u64>,
    pub(super) after: Option<u64>,
}

impl Wanted {
    /// The letters that are meant. `otherwise` is the state if none is given.
    ///
    /// # Errors
    /// If there is no such state, or the mark of the group is none.
    pub(super) fn selection(&self, otherwise: Option<State>) -> Result<Selection<'_>> {
        let state = match self.state.as_str() {
            "" => otherwise,
            ANY => None,
            word => Some(state(word)?),
        };
        let cause = match self.cause.as_str() {
            "" => None,
            mark => Some(CauseMark::read(mark).ok_or_else(|| {
                Fault::wrong(format!("`{}` is no mark of a group of letters", short(mark)))
            })?),
        };
        let job = match self.job.as_str() {
            "" => None,
            id => Some(
                job_number(id)
                    .ok_or_else(|| Fault::wrong(format!("`{}` is no id of a job", short(id))))?,
            ),
        };
        let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
        let (service, river, kind) = (given(&self.service), given(&self.river), given(&self.kind));
        Ok(Selection { service, river, kind, state, cause, job })
    }

    pub(super) fn part(&self) -> Part {
        match (self.before, self.after) {
            (Some(before), _) => Part::Before(before),
            (None, Some(after)) => Part::After(after),
            (None, None) => Part::Newest,
        }
    }

    /// What stands behind `?` for the same letters, and further parameters that lead to a part of them.
    pub(super) fn query(&self, further: &[(&str, &str)]) -> String {
        let own = [
            ("service", self.service.as_str()),
            ("river", &self.river),
            ("kind", &self.kind),
            ("cause", &self.cause),
            ("job", &self.job),
            ("state", &self.state),
            ("tagged", &self.tagged),
        ];
        let mut query = String::new();
        let is_given = |(_, value): &(&str, &str)| !value.is_empty();
        for (name, value) in own.into_iter().chain(further.iter().copied()).filter(is_given) {
            let sign = if query.is_empty() { "?" } else { "&" };
            // Writing to a string cannot fail.
            let _ = write!(query, "{sign}{name}={}", encoded(value));
        }
        query
    }

    /// The letters that a job has acted on, in a state or in any.
    pub(super) fn of_job(id: &str, state: Option<State>) -> Self {
        let state = state.map_or(ANY, State::as_str).to_owned();
        Self { job: id.to_owned(), state, ..Self::default() }
    }

    /// A group as it is asked for.
    pub(super) fn group(cause: &CauseRow) -> Self {
        Self {
            service: cause.service.to_string(),
            river: cause.river.to_string(),
            kind: cause.kind.to_string(),
            cause: cause.mark.to_string(),
            ..Self::default()
        }
    }
}

fn state(word: &str) -> Result<State> {
    let found = State::ALL.into_iter().find(|state| state.as_str() == word);
    found.ok_or_else(|| {
        let known = State::ALL.map(State::as_str).join(", ");
        Fault::wrong(format!("`{}` is no state: expected {known} or {ANY}", short(word)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_the_same_letters() {
        let wanted = Wanted {
            service: "payment".to_owned(),
            state: ANY.to_owned(),
            before: Some(17),
            ..Wanted::default()
        };
        let query = wanted.query(&[("after", "3"), ("q", "")]);
        assert_eq!(query, "?service=payment&state=any&after=3");
        assert_eq!(Wanted::default().query(&[]), "");
    }

    #[test]
    fn without_a_state_it_is_the_usual_one_and_a_wrong_one_is_told() {
        let of = |state: &str| Wanted { state: state.to_owned(), ..Wanted::default() };
        let waiting = Some(State::Waiting);
        assert_eq!(of("").selection(waiting).unwrap().state, waiting);
        assert_eq!(of(ANY).selection(waiting).unwrap().state, None);
        assert_eq!(of("edited").selection(waiting).unwrap().state, Some(State::Edited));
        let fault = of("asleep").selection(None).unwrap_err().to_string();
        assert!(fault.starts_with("`asleep` is no state: expected waiting, unfinished"), "{fault}");
        let marked = Wanted { cause: "17".to_owned(), ..Wanted::default() };
        assert!(marked.selection(None).is_err());
    }
}
