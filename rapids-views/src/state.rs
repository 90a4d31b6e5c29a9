//! How a service is, in a word.

/// How a service is, in a word; the later in this list, the worse.
///
/// What has no word here, such as packets that expired unread, is among the
/// [`problems`](crate::ServiceStatus::problems) of its instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum State {
    /// It handles packets as they come. In shared delivery also one that is behind.
    Live,
    /// In exclusive delivery: it reads what was stored before.
    CatchingUp,
    /// It was made to forget, and reads the past again.
    Rebuilding,
    /// In exclusive delivery: instances answer, and none of them is active, nor any other. It passes by
    /// itself, unless the position is of a newer version.
    StandingBy,
    /// It holds so many packets that it asks for no more.
    Paused,
    /// A river has failed so often that its packets wait.
    BreakerOpen,
    /// A reaction blocks its thread.
    Blocked,
    /// Packets are read by an instance that does not answer.
    Silent,
    /// No instance answers, and none reads packets.
    Down,
}

impl State {
    /// The word, such as `catching up`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::CatchingUp => "catching up",
            Self::Rebuilding => "rebuilding",
            Self::StandingBy => "standing by",
            Self::Paused => "paused",
            Self::BreakerOpen => "breaker open",
            Self::Blocked => "blocked",
            Self::Silent => "silent",
            Self::Down => "down",
        }
    }

    /// Whether it calls for no attention: it handles packets. One that is behind does.
    #[must_use]
    pub fn is_well(self) -> bool {
        matches!(self, Self::Live | Self::CatchingUp | Self::Rebuilding)
    }

    /// What a fact tells that an instance announces, such as `charge.breaker`; `None` if there is no word
    /// for it.
    pub(crate) fn told_by(fact: &str) -> Option<Self> {
        match fact {
            "rebuilding" => Some(Self::Rebuilding),
            "paused" => Some(Self::Paused),
            "blocked" => Some(Self::Blocked),
            _ if fact.ends_with(".breaker") => Some(Self::BreakerOpen),
            _ => None,
        }
    }

    /// A service of which no instance answers.
    pub(crate) fn absent(is_read: bool) -> Self {
        if is_read { Self::Silent } else { Self::Down }
    }

    /// A service in exclusive delivery of which instances answer, by what the active one says that it does.
    pub(crate) fn exclusive(activity: Option<&str>, is_read: bool) -> Self {
        match activity {
            Some(activity) if activity == Self::CatchingUp.as_str() => Self::CatchingUp,
            Some(_) => Self::Live,
            None if is_read => Self::Silent,
            None => Self::StandingBy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_that_need_attention_have_a_word_and_are_worse_than_whatever_is_read() {
        let told =
            ["charge.breaker", "paused", "blocked"].map(|fact| State::told_by(fact).unwrap());
        assert_eq!(told, [State::BreakerOpen, State::Paused, State::Blocked]);
        assert_eq!(State::told_by("rebuilding"), Some(State::Rebuilding));
        for state in told {
            assert!(!state.is_well() && state > State::Rebuilding, "{}", state.as_str());
        }
        for fact in ["delivery", "http", "lost", "rivers", "memories", "dead_letters"] {
            assert_eq!(State::told_by(fact), None, "{fact}");
        }
    }

    #[test]
    fn a_service_without_an_answer_is_down_unless_somebody_reads() {
        assert_eq!([State::absent(true), State::absent(false)], [State::Silent, State::Down]);
    }

    #[test]
    fn in_exclusive_delivery_the_active_instance_tells() {
        assert_eq!(State::exclusive(Some("live"), true), State::Live);
        assert_eq!(State::exclusive(Some("catching up"), true), State::CatchingUp);
        assert_eq!(State::exclusive(None, true), State::Silent, "the active one does not answer");
        assert_eq!(State::exclusive(None, false), State::StandingBy, "there is none");
    }
}
