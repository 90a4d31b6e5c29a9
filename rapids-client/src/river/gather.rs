//! A river that gathers the answers to a need, and reacts once: when they are complete, or when time is up.
//!
//! Built on a memory, which holds the answers, and a timer, which brings what is taken by a second river
//! over the same memory ([`GatheringRiver::react`]).

mod gathered;
mod gathering;
mod until;

use std::fmt;
use std::sync::Arc;

pub use gathered::Gathered;
pub use until::Until;

use super::{Outcome, Outputs, River};
use crate::condition::Field;
use crate::json::Step;
use crate::keys::{EVENT, RAPIDS};
use crate::names::is_name;
use crate::packet::Packet;
use gathering::{Gathering, Rules};

/// Which conversation a need belongs to, where nothing else is said.
const CONVERSATION: &str = "@.rapids.correlation_id";

/// The event that a timer brings when the time for answers is up.
const DUE: &str = "gathering_due";

/// What stands in that event, or belongs to the bus.
const OWN: [&str; 3] = [EVENT, "river", RAPIDS];

/// What is behind the name of a river in that of the river that takes this event.
const DUE_RIVER: &str = "_due";

/// What is done about an answer that comes too late.
type Late = dyn Fn(&Packet) -> anyhow::Result<Outputs> + Send + Sync;

/// The second river of one that gathers.
#[derive(Clone)]
pub(super) struct Due(Box<River>);

impl River {
    /// Gathers the answers to the [need](Self::need), and reacts once for each need: when they are
    /// complete, or when the time is up. The same need again in one conversation is taken for the first,
    /// unless [`by`](GatheringRiver::by) tells them apart.
    ///
    /// An answer is the need, published again with its name in `solutions`; who adds something else to the
    /// need does not answer it. What belongs together is of one conversation, or has the same value
    /// [`by`](GatheringRiver::by) a path. It is remembered under the river's name until the reaction has
    /// run, so it outlasts crashes; after that the memory has ended, which is known for as long as the stream
    /// keeps packets. The time begins with the first packet of the need that the service is given. When it is
    /// up, a timer of the river's name brings the event `gathering_due`, which is taken by
    /// a second river of the service, called as this one with `_due` behind it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use rapids_client::{Gathered, Packet, River, Until};
    ///
    /// fn on_offers(offers: &Gathered) -> anyhow::Result<Packet> {
    ///     let prices: Vec<u64> = offers.solutions("hotel")?;
    ///     let best = prices.iter().min();
    ///     Ok(Packet::event("hotel_chosen").with("price", best).with("of", prices.len()))
    /// }
    ///
    /// let choose = River::new("choose")
    ///     .need("hotel")
    ///     .gather(Until::answers(3).or_after(Duration::from_secs(2)))
    ///     .react(on_offers);
    /// choose.check()?;
    /// # Ok::<(), rapids_client::Error>(())
    /// ```
    pub fn gather(self, until: Until) -> GatheringRiver {
        GatheringRiver { river: self, until, by: CONVERSATION.to_owned(), late: None }
    }
}

/// A river that gathers answers; made by [`River::gather`], finished by [`react`](Self::react).
#[must_use]
pub struct GatheringRiver {
    river: River,
    until: Until,
    by: String,
    late: Option<Arc<Late>>,
}

impl GatheringRiver {
    /// Sets which packets belong to one need: those with the same value at this path, such as
    /// `@.booking_id`. A packet without it is malformed. Default: those of one conversation.
    pub fn by(mut self, path: &str) -> Self {
        path.clone_into(&mut self.by);
        self
    }

    /// Sets what is done about an answer that comes after the reaction has run: a plain function of the
    /// answer that returns what a reaction returns. Default: it is only counted, as every late answer is.
    pub fn on_late<O: Outcome>(
        mut self,
        late: impl Fn(&Packet) -> O + Send + Sync + 'static,
    ) -> Self {
        self.late = Some(Arc::new(move |packet| late(packet).into_outputs()));
        self
    }

    /// Sets the reaction: a plain, synchronous function of what was gathered. It may run again, so no
    /// outside effect belongs in it, as with a [memory](River::memory).
    pub fn react<O: Outcome>(
        self,
        reaction: impl Fn(&Gathered) -> O + Send + Sync + 'static,
    ) -> River {
        let Self { mut river, until, by, late } = self;
        for fault in [until.fault(), path_fault(&by), name_fault(&river)].into_iter().flatten() {
            river = river.fault(fault);
        }
        let name = river.name.clone();
        let rules = Arc::new(Rules {
            river: name.clone(),
            needs: river.needs.clone(),
            until,
            by: by.clone(),
            react: Box::new(move |gathered| reaction(gathered).into_outputs()),
            late,
            late_answers: Arc::default(),
        });
        let on_due = Arc::clone(&rules);
        let due = River::new(format!("{name}{DUE_RIVER}"))
            .event(DUE)
            .when(&format!("@.river == '{name}'"))
            .memory(&name, &by)
            .react(move |gathering: &mut Gathering, _: &Packet| on_due.time_is_up(gathering));
        let (on_late, late_answers) = (Arc::clone(&rules), Arc::clone(&rules.late_answers));
        let mut river = river
            .memory(&name, &by)
            .ask_after_end(late_answers, move |packet| on_late.after_end(packet))
            .react(move |gathering: &mut Gathering, packet: &Packet| rules.take(gathering, packet));
        river.due = Some(Due(Box::new(due)));
        river
    }
}

impl fmt::Debug for GatheringRiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("GatheringRiver");
        debug.field("river", &self.river).field("until", &self.until).field("by", &self.by);
        debug.finish_non_exhaustive()
    }
}

impl River {
    /// Whether it gathers answers, and so sets timers.
    pub(crate) fn gathers(&self) -> bool {
        self.due.is_some()
    }

    /// Both rivers of one that gathers, as a service runs them; of any other, itself.
    pub(crate) fn of_service(mut self, service: &str) -> Vec<Self> {
        let Some(Due(due)) = &self.due else { return vec![self] };
        // Another service may have a river of the same name.
        let mut second = due.clone().when(&format!("@.rapids.breadcrumbs[-1] == '{service}'"));
        second.limits = self.limits.clone();
        second.publishes.clone_from(&self.publishes);
        if self.declares_outputs() {
            self = self.publishes(DUE);
        }
        vec![self, second]
    }
}

/// What is wrong with the name of a river that gathers.
fn name_fault(river: &River) -> Option<String> {
    let due = format!("{}{DUE_RIVER}", river.name);
    if river.needs.is_empty() {
        return Some("it gathers answers to no need; add `.need(...)`".to_owned());
    }
    (is_name(&river.name) && !is_name(&due)).then(|| {
        format!("its name is too long for a river that gathers, which has `{due}` beside it")
    })
}

/// What is wrong with a path: the event of the timer has the same value there, beside what it says itself.
fn path_fault(by: &str) -> Option<String> {
    let is_of_names = by == CONVERSATION
        || matches!(Field::parse(by), Ok(Field::Path(path))
            if path.steps().iter().all(|step| matches!(step, Step::Name(_)))
                && !matches!(path.steps().first(), Some(Step::Name(name)) if OWN.contains(&&**name)));
    (!is_of_names).then(|| {
        format!(
            "`.by(\"{by}\")` is no path of names such as `@.booking_id`, or begins with one of {OWN:?}"
        )
    })
}
