//! Selects dead letters by their ids or by filters.

use anyhow::Result;
use clap::Args;
use rapids_client::{
    Action, Chosen, DeadLetters, Error, Filter, Kind, LetterId, NewJob, Note, State, Timestamp,
};
use rapids_views::since;

use super::bulk::BulkOptions;
use super::wait::SentReplay;
use crate::exit::{Answer, Fault};
use crate::screen::Screen;
use crate::session::Session;

/// The filter options.
#[derive(Debug, Args)]
pub(super) struct Filters {
    /// Letters of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,

    /// Letters of rivers with this name
    #[arg(long, value_name = "NAME")]
    river: Option<String>,

    /// Letters of this kind: rejected, exhausted, timed_out, invalid, crashed, looped, too_costly, or
    /// a kind of a later version
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,

    /// Letters about packets with this event, need or command
    #[arg(long, value_name = "NAME")]
    event: Option<String>,

    /// Letters in whose id, packet, conversation, name or reason this text is found, in whatever case
    #[arg(long, value_name = "TEXT")]
    containing: Option<String>,

    /// Letters stored since this time (`2026-11-21 09:30`, in UTC unless it says otherwise) or so
    /// long ago (`90s`, `1h30m`, `2d`)
    #[arg(long, value_name = "TIME", value_parser = |text: &str| since(text, Timestamp::now()))]
    since: Option<Timestamp>,

    /// At most this many letters, the oldest first
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

impl Filters {
    /// The filter of the library.
    pub(super) fn filter(&self) -> Filter {
        let Self { service, river, kind, event, containing, since, limit } = self;
        let mut filter = Filter::new();
        if let Some(service) = service {
            filter = filter.service(service);
        }
        if let Some(river) = river {
            filter = filter.river(river);
        }
        if let Some(kind) = kind {
            filter = filter.kind(kind.clone());
        }
        if let Some(name) = event {
            filter = filter.name(name);
        }
        if let Some(text) = containing {
            filter = filter.containing(text);
        }
        if let Some(since) = since {
            filter = filter.since(*since);
        }
        if let Some(limit) = limit {
            filter = filter.limit(*limit);
        }
        filter
    }

    /// Warns of a kind that is misspelled, or that only a later version knows.
    pub(super) fn warn(&self, screen: &Screen) {
        if let Some(Kind::Other(word)) = &self.kind {
            let known = Kind::ALL.map(|kind| kind.to_string()).join(", ");
            screen.warning(format_args!(
                "this version does not know the kind `{word}`; it knows {known}"
            ));
        }
    }

    fn is_empty(&self) -> bool {
        self.filter() == Filter::new()
    }
}

/// The letters to act on.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// The letters, such as `payment.charge.17`
    #[arg(value_name = "ID", conflicts_with_all = ["Filters", "all"])]
    ids: Vec<LetterId>,

    /// All letters that wait; to `restore`, all that are discarded
    #[arg(long, conflicts_with = "Filters")]
    all: bool,

    #[command(flatten)]
    filters: Filters,
}

impl Selection {
    /// Makes sure that something is selected: no option at all does not mean all letters.
    ///
    /// # Errors
    /// [`Fault::Usage`] says what to give.
    pub(super) fn check(&self) -> Result<()> {
        if self.ids.is_empty() && self.filters.is_empty() && !self.all {
            let words = "which letters? Give ids, a filter such as `--service NAME`, or `--all`";
            return Err(Fault::Usage(words.to_owned()).into());
        }
        Ok(())
    }

    /// Acts on the one letter that is named, or on all as a job; or prints how many that would be. Returns the
    /// replays that were sent, too.
    ///
    /// # Errors
    /// The errors of the library; [`Fault::Interrupted`].
    pub(super) async fn act(
        &self,
        session: &Session,
        letters: &DeadLetters,
        (bulk, note): (&BulkOptions, &Note),
        job: fn(Chosen) -> NewJob,
        one: impl AsyncFn(&LetterId) -> rapids_client::Result<Action>,
    ) -> Result<(Answer, Vec<SentReplay>)> {
        let chosen = self.chosen(&session.screen);
        let only = match &chosen {
            Chosen::These(ids) if ids.len() == 1 => ids.first().cloned(),
            _ => None,
        };
        let job = job(chosen);
        let planning = async { Ok(letters.jobs().plan(&job).await?.letters) };
        let count = session.interrupt.unless(planning).await?;
        if bulk.dry_run {
            return Ok((bulk.report_dry_run(session, count, job.kind())?, Vec::new()));
        }
        match only {
            Some(id) => Ok((Answer::Yes, bulk.one(session, &id, one(&id).await)?)),
            None if count == 0 => {
                session.screen.note("there is no such letter");
                Ok((Answer::Yes, Vec::new()))
            }
            None => bulk.job(session, letters, job, note).await,
        }
    }

    /// The ids that are given, each once, or what the filters mean.
    fn chosen(&self, screen: &Screen) -> Chosen {
        if self.ids.is_empty() {
            self.filters.warn(screen);
            return self.filters.filter().into();
        }
        let mut ids: Vec<LetterId> = Vec::new();
        for id in &self.ids {
            if !ids.contains(id) {
                ids.push(id.clone());
            }
        }
        ids.into()
    }

    /// The ids that are given, or those of the waiting letters that pass the filters.
    ///
    /// # Errors
    /// The errors of listing letters.
    pub(super) async fn ids(
        &self,
        letters: &DeadLetters,
        screen: &Screen,
    ) -> Result<Vec<LetterId>> {
        let filter = match self.chosen(screen) {
            Chosen::These(ids) => return Ok(ids),
            Chosen::Matching(filter) => filter.state(State::Waiting),
        };
        let mut listing = letters.list(&filter).await?;
        let mut ids = Vec::new();
        loop {
            match listing.next().await {
                Ok(Some(stored)) => ids.push(stored.letter.id),
                Ok(None) => return Ok(ids),
                Err(error @ Error::Stream { .. }) => screen.warning(error),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
