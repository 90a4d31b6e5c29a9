//! In which order groups stand, which a cookie remembers.

use std::cmp::Reverse;

use axum::http::HeaderMap;

use super::wanted::Wanted;
use crate::frame::Base;
use crate::guard::cookies::cookie;
use crate::reading::letters::CauseRow;

/// The name of the cookie.
const COOKIE_NAME: &str = "rapids_sort";
/// For how long it is kept, in seconds: a year.
const LIFE: u32 = 365 * 24 * 3_600;

/// What groups are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Count,
    River,
    First,
    Last,
}

/// The order of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) by: By,
    pub(super) is_descending: bool,
}

impl By {
    const ALL: [Self; 4] = [Self::Count, Self::River, Self::First, Self::Last];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::River => "river",
            Self::First => "first",
            Self::Last => "last",
        }
    }

    fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.word() == word)
    }

    /// The order in which somebody wants to see it at first: much and new before little and old.
    fn usual(self) -> Sort {
        Sort { by: self, is_descending: self != Self::River }
    }
}

impl Sort {
    /// The order that is asked for, and whether that is news.
    pub(super) fn of(wanted: &Wanted, headers: &HeaderMap) -> (Self, bool) {
        if let Some(by) = By::read(&wanted.sort) {
            return (Self::with_order(by, &wanted.order), true);
        }
        let remembered = remembered(headers).unwrap_or_else(|| By::Count.usual());
        (remembered, false)
    }

    fn with_order(by: By, order: &str) -> Self {
        match order {
            "asc" => Self { by, is_descending: false },
            "desc" => Self { by, is_descending: true },
            _ => by.usual(),
        }
    }

    pub(super) fn order(self) -> &'static str {
        if self.is_descending { "desc" } else { "asc" }
    }

    /// The order that a column leads to: the other way round, if it is sorted by that already.
    pub(super) fn towards(self, by: By) -> Self {
        if self.by == by { Self { is_descending: !self.is_descending, ..self } } else { by.usual() }
    }

    pub(super) fn sort(self, causes: &mut [CauseRow]) {
        match self.by {
            By::Count => causes.sort_by_key(|it| (it.count, it.last)),
            By::First => causes.sort_by_key(|it| it.first),
            By::Last => causes.sort_by_key(|it| it.last),
            // Of each river the largest first, whichever way.
            By::River => causes.sort_by(|one, two| {
                let key = |it: &CauseRow| (it.service.clone(), it.river.clone());
                let rivers = key(one).cmp(&key(two));
                let rivers = if self.is_descending { rivers.reverse() } else { rivers };
                rivers.then(Reverse(one.count).cmp(&Reverse(two.count)))
            }),
        }
        if self.is_descending && self.by != By::River {
            causes.reverse();
        }
    }

    /// The cookie that remembers it.
    pub(super) fn cookie(self, base: &Base) -> String {
        let (by, order) = (self.by.word(), self.order());
        let path = base.path();
        format!("{COOKIE_NAME}={by}-{order}; Path={path}/; Max-Age={LIFE}; HttpOnly; SameSite=Lax")
    }
}

fn remembered(headers: &HeaderMap) -> Option<Sort> {
    let value = cookie(headers, COOKIE_NAME)?;
    let (by, order) = value.split_once('-')?;
    Some(Sort::with_order(By::read(by)?, order))
}

#[cfg(test)]
mod tests {
    use axum::http::header::COOKIE;

    use super::*;

    fn sort(sort: &str, order: &str, cookie: &str) -> (Sort, bool) {
        let wanted = Wanted { sort: sort.to_owned(), order: order.to_owned(), ..Wanted::default() };
        let headers = HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())]);
        Sort::of(&wanted, &headers)
    }

    #[test]
    fn an_order_is_remembered_until_another_is_asked_for() {
        let by_river = Sort { by: By::River, is_descending: true };
        assert_eq!(sort("river", "desc", "rapids_sort=last-asc"), (by_river, true));
        let cookie = by_river.cookie(&Base::default());
        assert!(
            cookie.starts_with("rapids_sort=river-desc; Path=/; Max-Age=31536000;"),
            "{cookie}"
        );
        assert_eq!(sort("", "", "a=b; rapids_sort=river-desc"), (by_river, false));
        let usual = Sort { by: By::Count, is_descending: true };
        for cookie in ["", "rapids_sort=", "rapids_sort=<b>-asc", "my_rapids_sort=river-asc"] {
            assert_eq!(sort("", "", cookie), (usual, false), "{cookie}");
        }
    }

    #[test]
    fn a_column_turns_the_order_round_when_it_is_chosen_again() {
        let usual = Sort { by: By::Count, is_descending: true };
        assert_eq!(usual.towards(By::Count).order(), "asc");
        assert_eq!(usual.towards(By::Last).order(), "desc");
        assert_eq!(usual.towards(By::River).order(), "asc");
    }
}
