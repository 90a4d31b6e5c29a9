//! How a stream or bucket that exists differs from the one that is needed, and what the bus changes of
//! it by itself.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, PersistenceMode, Republish, Source};

use super::differences::{Differences, limit};
use super::form::Form;
use super::resource::{
    DUPLICATE_WINDOW, FORMER_LIMIT, Kind, OWN_LIMIT, REPLAY_WINDOW, Resource, lasts, note_memories,
    noted_memories, within,
};
use super::timers::TimerPlace;
use crate::config::Provision;

impl Resource {
    /// The settings that one that exists is to have: those that a guarantee depends on are raised, and
    /// those that depend on the server follow it. The operator chooses all others.
    pub(crate) fn improved(&self, found: &Config) -> Config {
        let mut config = found.clone();
        if self.must_last && lasts(self.config.max_age) > lasts(found.max_age) {
            config.max_age = self.config.max_age;
        }
        config.duplicate_window = found.duplicate_window.max(self.window(config.max_age));
        if self.kind == Kind::Rapids {
            config.allow_atomic_publish = true;
        }
        let (copies, wanted) = (found.republish.as_ref(), self.config.republish.as_ref());
        let is_own =
            |copies: &Republish| wanted.is_some_and(|it| it.destination == copies.destination);
        if self.kind == Kind::Mirror && copies.is_none_or(is_own) {
            config.republish = wanted.cloned();
        }
        if self.kind == Kind::Bucket {
            config.allow_message_ttl |= self.config.allow_message_ttl;
            config.allow_rollup = self.config.allow_rollup;
        }
        if matches!(self.kind, Kind::Rapids | Kind::Later) {
            self.follow_largest_message(&mut config);
        }
        note_memories(&mut config, noted_memories(&self.config));
        config
    }

    /// Lowers a largest message that fits into no dead letter; raises one that the bus has set.
    fn follow_largest_message(&self, config: &mut Config) {
        let (found, possible) = (config.max_message_size, self.config.max_message_size);
        let own = match config.metadata.get(OWN_LIMIT) {
            Some(own) => *own == found.to_string(),
            None => found == FORMER_LIMIT,
        };
        if found <= 0 || found > possible || (own && found < possible) {
            config.max_message_size = possible;
            config.metadata.insert(OWN_LIMIT.to_owned(), possible.to_string());
        }
    }

    /// How long it must recognise messages at least, if it keeps them for this long.
    fn window(&self, max_age: Duration) -> Duration {
        match self.kind {
            Kind::Rapids | Kind::Later => within(DUPLICATE_WINDOW, max_age),
            Kind::Replays => within(REPLAY_WINDOW, max_age),
            Kind::Mirror | Kind::DeadLetters | Kind::Bucket => Duration::ZERO,
        }
    }

    /// Lists each setting of one that exists with which the bus cannot work.
    ///
    /// The age and size of the rapids count only if they are stated. Otherwise the operator's choice
    /// stands.
    pub(crate) fn differences(&self, found: &Config, provision: &Provision) -> Vec<String> {
        let (wanted, mut list) = (&self.config, Differences::default());
        list.compare("subjects", &found.subjects, &wanted.subjects);
        list.compare("retention", &found.retention, &wanted.retention);
        list.compare("discard", &found.discard, &wanted.discard);
        list.compare("no_ack", &found.no_ack, &wanted.no_ack);
        list.compare("sealed", &found.sealed, &wanted.sealed);
        list.compare("mirror", &found.mirror.is_some(), &wanted.mirror.is_some());
        if self.kind != Kind::Bucket {
            list.compare("allow_direct", &found.allow_direct, &wanted.allow_direct);
            list.compare("allow_rollup_hdrs", &found.allow_rollup, &wanted.allow_rollup);
        }
        let window = self.window(found.max_age);
        if found.duplicate_window < window {
            list.compare("duplicate_window", &found.duplicate_window, &window);
        }
        if self.must_last && lasts(found.max_age) < lasts(wanted.max_age) {
            list.compare("max_age", &found.max_age, &wanted.max_age);
        }
        if self.kind == Kind::Mirror {
            compare_mirror(&mut list, found, wanted);
        }
        if self.kind == Kind::Later {
            compare_scheduling(&mut list, found, wanted);
        }
        if self.kind == Kind::Rapids {
            compare_rapids(&mut list, found, wanted);
            if provision.max_age.is_some() {
                list.compare("max_age (RAPIDS_MAX_AGE)", &found.max_age, &wanted.max_age);
            }
            if let Some(bytes) = provision.max_bytes {
                let wanted = i64::try_from(bytes).unwrap_or(i64::MAX);
                list.compare("max_bytes (RAPIDS_MAX_BYTES)", &found.max_bytes, &wanted);
            }
        }
        list.with_remedy(&wanted.name)
    }

    /// Lists the settings in which one that exists has less than is stated, although the bus can work
    /// with it, each with the remedy.
    pub(super) fn shortfalls(&self, found: &Config, provision: &Provision) -> Vec<String> {
        let (title, name, mut list) = (self.title(), &found.name, Vec::new());
        if let Some(stated) = provision.replicas.filter(|stated| *stated > found.num_replicas) {
            list.push(format!(
                "{title} is there already and has {} of {stated} replicas (RAPIDS_REPLICAS); change \
                 all with `rapids replicas {stated}`",
                found.num_replicas
            ));
        }
        let bytes = u64::try_from(limit(found.max_bytes)).unwrap_or(u64::MAX);
        if let Some(stated) = self.kind.stated(provision).filter(|stated| *stated > bytes) {
            list.push(format!(
                "{title} is there already and keeps {bytes} bytes, not {stated} ({}); change it \
                 with `nats stream edit {name} --max-bytes={stated}`",
                self.kind.variable()
            ));
        }
        list
    }
}

fn compare_scheduling(list: &mut Differences, found: &Config, wanted: &Config) {
    list.compare("allow_msg_ttl", &found.allow_message_ttl, &wanted.allow_message_ttl);
    list.compare(
        "allow_msg_schedules",
        &found.allow_message_schedules,
        &wanted.allow_message_schedules,
    );
}

/// Compares the settings by which a mirror has all packets of the rapids, and does not answer in their place.
fn compare_mirror(list: &mut Differences, found: &Config, wanted: &Config) {
    let of = |config: &Config| config.mirror.as_ref().map(|source| source.name.clone());
    list.compare("mirror of", &of(found), &of(wanted));
    if wanted.mirror.as_ref().is_some_and(|it| it.external.is_some()) {
        list.compare("mirror_direct", &found.mirror_direct, &wanted.mirror_direct);
    }
    let is_whole = |source: &Source| {
        let starts = (source.start_sequence, source.start_time);
        starts == (None, None)
            && source.filter_subject.is_none()
            && source.subject_transforms.is_empty()
    };
    let found = found.mirror.as_ref().is_none_or(is_whole);
    list.compare("mirror of all packets", &found, &true);
}

/// Compares the settings that would lose, rewrite or withhold packets.
fn compare_rapids(list: &mut Differences, found: &Config, wanted: &Config) {
    list.compare("storage", &found.storage, &wanted.storage);
    list.compare("max_msgs", &limit(found.max_messages), &limit(wanted.max_messages));
    list.compare(
        "max_msgs_per_subject",
        &limit(found.max_messages_per_subject),
        &limit(wanted.max_messages_per_subject),
    );
    list.compare("deny_delete", &found.deny_delete, &wanted.deny_delete);
    list.compare("deny_purge", &found.deny_purge, &wanted.deny_purge);
    compare_scheduling(list, found, wanted);
    list.compare(
        "subject_delete_marker_ttl",
        &found.subject_delete_marker_ttl.unwrap_or_default(),
        &wanted.subject_delete_marker_ttl.unwrap_or_default(),
    );
    let form = Form::of(wanted);
    let is_foreign = |source: &&Source| TimerPlace::of_source(form, source).is_none();
    let foreign = found.sources.iter().flatten().filter(is_foreign);
    list.compare("sources other than streams of timers", &foreign.count(), &0);
    list.compare(
        "subject_transform",
        &found.subject_transform.is_some(),
        &wanted.subject_transform.is_some(),
    );
    list.compare("allow_msg_counter", &found.allow_message_counter, &wanted.allow_message_counter);
    let is_async = |config: &Config| config.persist_mode == Some(PersistenceMode::Async);
    list.compare("persist_mode async", &is_async(found), &is_async(wanted));
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::stream::DiscardPolicy;

    use super::*;
    use crate::connection::Allowance;

    const DAY: Duration = Duration::from_secs(86_400);

    const PAYLOAD: usize = 1 << 20;

    fn rapids(provision: &Provision) -> (Resource, Config) {
        let rapids = Resource::rapids(Form::Simple, provision, PAYLOAD);
        let created = rapids.created(provision, &Allowance::default());
        (rapids, created)
    }

    #[test]
    fn each_as_created_shows_no_difference_and_stays_as_it_is() {
        let provision = Provision::default();
        for resource in [
            rapids(&provision).0,
            Resource::dead_letters(),
            Resource::replays(),
            Resource::rapids(Form::Secured, &provision, PAYLOAD),
            Resource::later(&TimerPlace::shared(Form::Simple), 1 << 20),
            Resource::later(&TimerPlace::of(Form::Secured, "order"), 1 << 20),
            Resource::positions(),
            Resource::services(),
            Resource::letters(None),
            Resource::handling(DAY),
            Resource::once(Duration::ZERO),
            Resource::memory("payment", ["charges"]),
        ] {
            let created = resource.created(&provision, &Allowance::default());
            assert_eq!(resource.improved(&created), created);
            assert!(resource.differences(&created, &provision).is_empty());
            let limited = Config { max_bytes: 1, num_replicas: 3, ..created };
            assert!(resource.differences(&limited, &provision).is_empty());
            assert!(resource.shortfalls(&limited, &provision).is_empty());
            let is_later = resource.kind == Kind::Later;
            let (other, words) = match is_later {
                true => (DiscardPolicy::New, "discard is New, needed is Old"),
                false => (DiscardPolicy::Old, "discard is Old, needed is New"),
            };
            let losing = Config { discard: other, ..limited };
            let list = resource.differences(&losing, &provision);
            assert_eq!(list[0], words);
            assert_eq!(list.len(), 2, "{list:?}");
        }
    }

    #[test]
    fn each_dangerous_setting_is_listed() {
        let provision = Provision::default();
        let (rapids, created) = rapids(&provision);
        let found = Config {
            discard: DiscardPolicy::Old,
            allow_rollup: true,
            deny_purge: false,
            ..created
        };
        let list = rapids.differences(&found, &provision);
        assert_eq!(
            list[..3],
            [
                "discard is Old, needed is New",
                "allow_rollup_hdrs is true, needed is false",
                "deny_purge is false, needed is true",
            ]
        );
    }

    #[test]
    fn retention_counts_only_where_it_was_asked_for() {
        let (open, created) = rapids(&Provision::default());
        let small = Provision { max_bytes: Some(5), ..Provision::default() };
        let found = Config { max_bytes: 5, ..created.clone() };
        assert!(open.differences(&found, &Provision::default()).is_empty());
        assert!(rapids(&small).0.differences(&found, &small).is_empty());
        assert_eq!(
            rapids(&small).0.differences(&created, &small)[0],
            "max_bytes (RAPIDS_MAX_BYTES) is 1073741824, needed is 5"
        );
        let short = Provision { max_age: Some(60 * DAY), ..Provision::default() };
        let list = rapids(&short).0.differences(&created, &short);
        assert_eq!(list[0], "max_age (RAPIDS_MAX_AGE) is 2592000s, needed is 5184000s");
    }

    #[test]
    fn what_a_guarantee_rests_on_is_raised_and_never_lowered() {
        let once = Resource::once(30 * DAY);
        for (found, kept) in [(DAY, 30), (30 * DAY, 30), (60 * DAY, 60)] {
            let found = Config { max_age: found, ..once.config.clone() };
            assert_eq!(once.improved(&found).max_age, kept * DAY);
        }
        let kept = Config { max_age: Duration::ZERO, ..once.config.clone() };
        assert_eq!(once.improved(&kept).max_age, Duration::ZERO);
        assert_eq!(Resource::once(Duration::ZERO).improved(&once.config).max_age, Duration::ZERO);
        let short = Config { max_age: DAY, ..once.config.clone() };
        let list = once.differences(&short, &Provision::default());
        assert_eq!(list[0], "max_age is 86400s, needed is 2592000s");
        // Redeliveries of replays take longer than packets of seconds last.
        assert_eq!(Resource::once(Duration::from_secs(5)).config.max_age, DAY);

        let memory = Resource::memory("payment", []);
        let ending = Config { max_age: DAY, ..memory.config.clone() };
        assert_eq!(memory.improved(&ending).max_age, DAY);
        let former = Config { allow_message_ttl: false, ..memory.config.clone() };
        assert!(memory.improved(&former).allow_message_ttl);
        assert!(memory.differences(&ending, &Provision::default()).is_empty());
    }

    #[test]
    fn names_of_memories_are_added_and_never_taken_away() {
        let names =
            |config: &Config| noted_memories(config).into_iter().collect::<Vec<_>>().join(",");
        let former = Resource::memory("payment", []).config;
        assert_eq!((names(&former), former.metadata.len()), (String::new(), 0));
        let found = Resource::memory("payment", ["charges", "accounts"]).config;
        assert_eq!(names(&found), "accounts,charges");
        let better = Resource::memory("payment", ["refunds", "charges"]).improved(&found);
        assert_eq!(names(&better), "accounts,charges,refunds");
        assert_eq!(Resource::memory("payment", ["charges"]).improved(&found), found);
        assert_eq!(names(&Resource::memory("payment", ["charges"]).improved(&former)), "charges");
    }

    #[test]
    fn the_duplicate_window_follows_the_age() {
        let second = Duration::from_secs(1);
        let found = |max_age, duplicate_window| Config {
            max_age,
            duplicate_window,
            ..rapids(&Provision::default()).1
        };
        let (rapids, _) = rapids(&Provision::default());
        for (age, window, raised) in
            [(5, 5, 5), (300, 5, 300), (86_400, 5, 600), (0, 5, 600), (86_400, 900, 900)]
        {
            let found = found(age * second, window * second);
            assert_eq!(rapids.improved(&found).duplicate_window, raised * second);
            let differs = !rapids.differences(&found, &Provision::default()).is_empty();
            assert_eq!(differs, window < raised, "{age} {window}");
        }
        let replays = Resource::replays();
        let short = Config { max_age: second, duplicate_window: second, ..replays.config.clone() };
        assert_eq!(replays.improved(&short), short);
        assert!(replays.differences(&short, &Provision::default()).is_empty());
    }

    #[test]
    fn the_largest_message_follows_the_server_unless_the_operator_chose_it() {
        let (_, created) = rapids(&Provision::default());
        let larger = Resource::rapids(Form::Simple, &Provision::default(), 8 << 20);
        let smaller = Resource::rapids(Form::Simple, &Provision::default(), 256 << 10);
        let after = |resource: &Resource, found: &Config| resource.improved(found).max_message_size;
        assert_eq!(after(&larger, &created), (8 << 20) - (64 << 10));
        assert_eq!(after(&smaller, &created), 192 << 10);
        let former = Config { metadata: [].into(), ..created.clone() };
        assert_eq!(after(&larger, &former), (8 << 20) - (64 << 10));
        let chosen = Config { max_message_size: 100_000, ..created.clone() };
        assert_eq!(after(&larger, &chosen), 100_000);
        let none = Config { max_message_size: -1, ..created };
        assert_eq!(after(&smaller, &none), 192 << 10);
    }

    #[test]
    fn less_than_is_stated_is_told_with_the_remedy() {
        let open = Provision::default();
        let demanding = Allowance { requires_max_bytes: true, ..Allowance::default() };
        let stated = Provision { bucket_max_bytes: Some(7), replicas: Some(3), ..open.clone() };
        let once = Resource::once(DAY);
        let created = once.created(&open, &demanding);
        let more = Provision { bucket_max_bytes: Some(1 << 40), replicas: Some(3), ..open };
        let list = once.shortfalls(&created, &more);
        assert!(list[0].contains("has 1 of 3 replicas (RAPIDS_REPLICAS)"), "{list:?}");
        assert!(list[1].contains("keeps 67108864 bytes, not 1099511627776"), "{list:?}");
        assert!(once.shortfalls(&created, &stated)[0].contains("rapids replicas 3"));
    }
}
