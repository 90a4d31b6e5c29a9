//! Where the timers of an owner lie, and as whose packets the rapids take what they bring.
//!
//! In the simple form all lie in one stream. In the secured form each service has one of its own: who sets a
//! timer can have the server write to any subject of the stream.

use async_nats::jetstream::stream::{Config, Source, SubjectTransform};

use crate::jetstream::form::Form;
use crate::names::{
    LATER, LATER_DUE, LATER_PREFIX, LATER_SUBJECTS, OPERATORS, SUBJECT, later_of, published_by,
};
use crate::timer::TimerId;

/// A stream of timers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimerPlace {
    /// Its name.
    pub(crate) stream: String,
    /// The subjects of timers in it.
    pub(crate) timers: Vec<String>,
    /// The subject to which the scheduler moves what is due.
    pub(crate) due: String,
    /// The subject under which the rapids store that.
    pub(crate) stored: String,
}

impl TimerPlace {
    /// Where the timers of this owner lie: a service, or what [`TimerId::owner`] says of others.
    pub(crate) fn of(form: Form, owner: &str) -> Self {
        if form == Form::Simple || TimerId::NO_SERVICES.contains(&owner) {
            return Self::shared(form);
        }
        Self {
            stream: later_of(owner),
            timers: vec![timers_of(owner)],
            due: format!("{LATER_DUE}.{owner}"),
            stored: published_by(owner),
        }
    }

    /// The one for everything that has none of its own: in the secured form, what operators publish later.
    pub(crate) fn shared(form: Form) -> Self {
        let (timers, stored) = match form {
            Form::Simple => (vec![LATER_SUBJECTS.to_owned()], SUBJECT.to_owned()),
            Form::Secured => {
                (TimerId::NO_SERVICES.map(timers_of).to_vec(), published_by(OPERATORS))
            }
        };
        Self { stream: LATER.to_owned(), timers, due: LATER_DUE.to_owned(), stored }
    }

    /// All of rapids with these settings, whose sources name them. The shared one is among them even if it is no
    /// source yet.
    pub(crate) fn all(rapids: &Config) -> Vec<Self> {
        let form = Form::of(rapids);
        let shared = Self::shared(form);
        let sources = rapids.sources.iter().flatten();
        let of_services = sources.filter_map(|source| Self::of_source(form, source));
        let of_services = of_services.filter(|place| *place != shared).collect::<Vec<_>>();
        [shared].into_iter().chain(of_services).collect()
    }

    /// The one that rapids of this form take from with a source; `None` for another source.
    pub(crate) fn of_source(form: Form, source: &Source) -> Option<Self> {
        let service = source.name.strip_prefix(LATER)?.strip_prefix('_');
        let place = service.map_or_else(|| Self::shared(form), |service| Self::of(form, service));
        place.is(source).then_some(place)
    }

    /// All subjects of the stream.
    pub(crate) fn subjects(&self) -> Vec<String> {
        self.timers.iter().chain([&self.due]).cloned().collect()
    }

    /// The setting by which the rapids take what it brings.
    pub(crate) fn source(&self) -> Source {
        let transform =
            SubjectTransform { source: self.due.clone(), destination: self.stored.clone() };
        let name = self.stream.clone();
        Source { name, subject_transforms: vec![transform], ..Source::default() }
    }

    /// Whether rapids with these settings take what it brings.
    pub(crate) fn is_source_of(&self, rapids: &Config) -> bool {
        rapids.sources.iter().flatten().any(|source| self.is(source))
    }

    fn is(&self, source: &Source) -> bool {
        let own = self.source();
        source.name == own.name && source.subject_transforms == own.subject_transforms
    }
}

/// The subjects of an owner's timers.
pub(crate) fn timers_of(owner: &str) -> String {
    format!("{LATER_PREFIX}{owner}.*")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(place: &TimerPlace) -> String {
        let TimerPlace { stream, timers, due, stored } = place;
        format!("{stream}: {} and {due} as {stored}", timers.join(", "))
    }

    #[test]
    fn the_form_decides_whether_a_service_has_a_stream_of_its_own() {
        let of = |form, owner| told(&TimerPlace::of(form, owner));
        let all = "LATER: later.*.* and later_due as rapids";
        assert_eq!(of(Form::Simple, "order"), all);
        assert_eq!(of(Form::Simple, "EVERY"), all);
        assert_eq!(
            of(Form::Secured, "order"),
            "LATER_order: later.order.* and later_due.order as rapids.from.order"
        );
        let operators =
            "LATER: later.PUBLISHED.*, later.EVERY.* and later_due as rapids.from.operators";
        assert_eq!(of(Form::Secured, "PUBLISHED"), operators);
        assert_eq!(of(Form::Secured, "EVERY"), operators);
    }

    #[test]
    fn the_sources_of_the_rapids_name_the_streams() {
        let [order, payment] =
            ["order", "payment"].map(|owner| TimerPlace::of(Form::Secured, owner));
        let shared = TimerPlace::shared(Form::Secured);
        let with = |sources: Vec<Source>| Config {
            subjects: vec!["rapids.from.*".to_owned()],
            sources: Some(sources),
            ..Config::default()
        };
        let stolen = Source { name: "LATER_x".to_owned(), ..order.source() };
        let rapids = with(vec![order.source(), shared.source(), payment.source(), stolen.clone()]);
        assert_eq!(TimerPlace::all(&rapids), [shared.clone(), order.clone(), payment]);
        assert_eq!(TimerPlace::all(&with(vec![])), [shared]);
        assert!(order.is_source_of(&rapids));
        assert_eq!(TimerPlace::of_source(Form::Secured, &stolen), None);
        assert_eq!(TimerPlace::of_source(Form::Simple, &order.source()), None);
    }
}
