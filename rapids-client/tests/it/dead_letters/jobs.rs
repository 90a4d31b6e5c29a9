//! One action on many letters: planned, paced, paused, and gone on with by others.

use rapids_client::{JobState, JobStep, Jobs, LetterGroup, NewJob, Operation};

use super::*;

impl Office {
    async fn put_many(&self, service: &str, count: u64) -> Vec<LetterId> {
        let mut ids = Vec::new();
        for number in 1..=count {
            let packet = format!("{service}-{number}");
            let changes = [("Rapids-Packet-Id", packet.as_str())];
            ids.push(self.put(&format!("{service}.charge.{number}"), &changes).await);
        }
        ids
    }
}

async fn work(jobs: &Jobs, id: &str) -> rapids_client::Job {
    soon("the end of the job", jobs.work(id, "test", |_, _| ())).await.unwrap()
}

async fn said(letters: &DeadLetters) -> Vec<String> {
    let log = letters.operations().since(None).await.unwrap();
    let said = |it: &Operation| {
        format!("{} {} {}", it.who, it.what, it.outcome.as_deref().unwrap_or_default())
    };
    log.iter().map(said).collect()
}

#[tokio::test]
async fn a_job_acts_on_what_its_filter_means_and_not_on_letters_that_come_later() {
    let office = Office::open().await;
    let ids = office.put_many("payment", 5).await;
    let other = office.put("order.charge.9", &[]).await;
    let letters = office.letters().await;
    letters.discard(&ids[0], &ada()).await.unwrap();
    let jobs = letters.jobs();
    let all = NewJob::replay(Filter::new().service("payment"));
    let plan = jobs.plan(&all).await.unwrap();
    assert_eq!(plan.letters, 4);
    assert_eq!(plan.rivers, [("payment/charge".parse().unwrap(), 4)].into());
    let job = jobs.begin(&all, &ada().origin("test 127.0.0.1")).await.unwrap();
    assert_eq!((job.state, job.planned, job.done), (JobState::Running, 4, 0));
    let late = office.put("payment.charge.77", &[]).await;
    let mut steps = Vec::new();
    let told = |_: &_, step: Option<JobStep>| steps.extend(step.map(|step| step.id));
    let ended = soon("the job", jobs.work(&job.id, "test", told)).await.unwrap();
    assert_eq!((ended.state, ended.done, ended.skipped), (JobState::Done, 4, 0));
    assert_eq!(steps, ids[1..]);
    assert_eq!(office.count("REPLAYS").await, 4);
    for (sequence, number) in (1..).zip(2..=5) {
        let replay = office.replay(sequence).await;
        assert_eq!(header(&replay, "Rapids-Packet-Id"), format!("payment-{number}"), "in order");
    }
    for waiting in [&other, &late] {
        assert_eq!(state(&letters, waiting).await, State::Waiting);
    }
    let stored = letters.get(&ids[1]).await.unwrap().unwrap();
    let action = stored.action().unwrap();
    assert_eq!((action.job.as_ref(), &*action.who), (Some(&job.id), "ada"));
    assert_eq!(action.origin.as_deref(), Some("test 127.0.0.1"));
    let expected =
        ["ada discard ", "ada begin_job replay of 4 letters", "ada finish_job 4 of 4 done"];
    assert_eq!(said(&letters).await, expected);
    assert_eq!(jobs.all().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_job_whose_holder_has_died_is_gone_on_with_and_each_letter_is_sent_once() {
    let office = Office::open().await;
    let ids = office.put_many("payment", 300).await;
    let (one, other) = (office.letters().await.jobs(), office.letters().await.jobs());
    let begun = one.begin(&NewJob::replay(Filter::new()).rate(200.0), &ada()).await.unwrap();
    let (sender, mut steps) = mpsc::unbounded_channel();
    let id = begun.id.clone();
    let first = tokio::spawn(async move {
        one.work(&id, "first", |_, step| sender.send(step.is_some()).unwrap()).await
    });
    for _ in 0..130 {
        soon("a step", steps.recv()).await.unwrap();
    }
    first.abort();
    let mut holders = Vec::new();
    let told = |job: &rapids_client::Job, _: Option<JobStep>| holders.extend(job.holder.clone());
    let ended = other.work(&begun.id, "second", told);
    let ended = tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.done, ended.skipped), (JobState::Done, 300, 0));
    let (earlier, later) = (holders.first().unwrap(), holders.last().unwrap());
    assert!(earlier.starts_with("first ") && later.starts_with("second "));
    assert_eq!(office.count("REPLAYS").await, 300);
    let letters = office.letters().await;
    for id in ids {
        assert_eq!(state(&letters, &id).await, State::Replayed, "{id}");
    }
}

#[tokio::test]
async fn a_job_keeps_its_rate_and_is_paused_resumed_and_cancelled() {
    let office = Office::open().await;
    office.put_many("payment", 100).await;
    let letters = office.letters().await;
    let jobs = letters.jobs();
    let job = jobs.begin(&NewJob::discard(Filter::new()).rate(20.0), &ada()).await.unwrap();
    let working = {
        let (jobs, id) = (jobs.clone(), job.id.clone());
        move || {
            let (jobs, id) = (jobs.clone(), id.clone());
            tokio::spawn(async move { jobs.work(&id, "test", |_, _| ()).await.unwrap() })
        }
    };
    let worker = working();
    tokio::time::sleep(Duration::from_secs(2)).await;
    jobs.pause(&job.id, &Note::new("bob").why("lunch")).await.unwrap();
    let paused = soon("the pause", worker).await.unwrap();
    assert_eq!(paused.state, JobState::Paused);
    assert!((30..=70).contains(&paused.done), "{} at 20 a second", paused.done);
    let stored = jobs.get(&job.id).await.unwrap().unwrap();
    assert_eq!((stored.done, stored.holder), (paused.done, None));
    assert_eq!(stored.notice.as_deref(), Some("paused by bob: lunch"));
    let error = jobs.pause(&job.id, &ada()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("job `{}` is paused already", job.id));

    jobs.resume(&job.id, &ada()).await.unwrap();
    let worker = working();
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    jobs.cancel(&job.id, &ada()).await.unwrap();
    let cancelled = soon("the end", worker).await.unwrap();
    assert_eq!(cancelled.state, JobState::Cancelled);
    assert!(cancelled.done > paused.done && cancelled.done < 100, "{cancelled:?}");
    let discarded = listed(&letters, Filter::new().state(State::Discarded)).await;
    assert_eq!(discarded.len() as u64, cancelled.done);
    assert!(jobs.resume(&job.id, &ada()).await.is_err());
    let unknown = jobs.cancel("no job", &ada()).await.unwrap_err();
    assert_eq!(unknown.to_string(), "job `no job` does not exist, or has expired");
}

#[tokio::test]
async fn a_letter_that_cannot_be_acted_on_is_skipped_and_named() {
    let office = Office::open().await;
    let mut ids = office.put_many("payment", 3).await;
    let letters = office.letters().await;
    letters.discard(&ids[1], &Note::new("bob")).await.unwrap();
    ids.push("payment.charge.99".parse().unwrap());
    let jobs = letters.jobs();
    let job = jobs.begin(&NewJob::replay(ids.clone()), &ada()).await.unwrap();
    let mut skipped = Vec::new();
    let told = |_: &_, step: Option<JobStep>| {
        skipped.extend(step.and_then(|step| step.outcome.err()).map(|error| error.to_string()));
    };
    let ended = soon("the job", jobs.work(&job.id, "test", told)).await.unwrap();
    assert_eq!((ended.state, ended.done, ended.skipped), (JobState::Done, 2, 2));
    assert!(skipped[0].contains("payment.charge.2` was discarded by `bob`"), "{skipped:?}");
    assert!(skipped[1].contains("payment.charge.99` does not exist"), "{skipped:?}");
    assert_eq!(ended.notice.as_ref(), skipped.last());
}

#[tokio::test]
async fn no_more_packets_are_under_way_than_are_allowed_at_once() {
    let office = Office::open().await;
    office.put_many("payment", 10).await;
    let jobs = office.letters().await.jobs();
    let job = jobs.begin(&NewJob::replay(Filter::new()).at_once(3), &ada()).await.unwrap();
    let (worker, id) = (jobs.clone(), job.id.clone());
    let working = tokio::spawn(async move { worker.work(&id, "test", |_, _| ()).await.unwrap() });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(office.count("REPLAYS").await, 3, "nobody handles them");
    let charge = River::new("charge").event("order_placed").react(async |_: Packet| Ok(()));
    let payment = office.bench.run(office.bench.service("payment", [charge])).await;
    let ended = soon("the job", working).await.unwrap();
    assert_eq!((ended.state, ended.done), (JobState::Done, 10));
    payment.stop().await;
}

#[tokio::test]
async fn a_job_that_finds_no_room_is_paused_and_says_so() {
    let office = Office::open().await;
    let ids = office.put_many("payment", 5).await;
    let mut replays = office.jetstream.get_stream("REPLAYS").await.unwrap();
    let full = StreamConfig { max_messages: 2, ..replays.info().await.unwrap().config.clone() };
    office.jetstream.update_stream(full.clone()).await.unwrap();
    let letters = office.letters().await;
    let jobs = letters.jobs();
    let job = jobs.begin(&NewJob::replay(Filter::new()), &ada()).await.unwrap();
    let paused = work(&jobs, &job.id).await;
    assert_eq!((paused.state, paused.done), (JobState::Paused, 2));
    assert!(paused.notice.unwrap().contains("is full"));
    assert_eq!(state(&letters, &ids[2]).await, State::Waiting);
    office.jetstream.update_stream(StreamConfig { max_messages: -1, ..full }).await.unwrap();
    jobs.resume(&job.id, &ada()).await.unwrap();
    let ended = work(&jobs, &job.id).await;
    assert_eq!((ended.state, ended.done), (JobState::Done, 5));
    assert_eq!(office.count("REPLAYS").await, 5);
    for id in &ids {
        assert_eq!(state(&letters, id).await, State::Replayed, "{id}");
    }
}

#[tokio::test]
async fn a_letter_that_was_discarded_is_restored_and_tells_all_that_was_done() {
    let office = Office::open().await;
    let id = office.put("payment.charge.17", &[]).await;
    let letters = office.letters().await;
    let refused = letters.restore(&id, &ada()).await.unwrap_err();
    assert_eq!(refusal(refused), Refusal::NotDiscarded);
    letters.discard(&id, &ada()).await.unwrap();
    let store = office.jetstream.get_key_value("RAPIDS_LETTERS").await.unwrap();
    let record = async || {
        let value = store.get(id.to_string()).await.unwrap().unwrap();
        serde_json::from_slice::<serde_json::Value>(&value).unwrap()
    };
    assert_eq!(record().await.get("version"), None, "the first version reads it");
    letters.restore(&id, &Note::new("bob").why("a mistake")).await.unwrap();
    assert_eq!(record().await["version"], 2);
    assert_eq!(state(&letters, &id).await, State::Waiting);
    letters.replay(&id, &ada()).await.unwrap();
    let stored = letters.get(&id).await.unwrap().unwrap();
    let done: Vec<_> = stored.actions.iter().map(|action| action.kind).collect();
    assert_eq!(done, [ActionKind::Discard, ActionKind::Restore, ActionKind::Replay]);
    assert_eq!(stored.state, State::Replayed);
    let expected = ["ada discard ", "bob restore ", "ada replay replay 1"];
    assert_eq!(said(&letters).await, expected);
    let jobs = letters.jobs();
    let all = office.put_many("payment", 2).await;
    for kind in [NewJob::discard(all.clone()), NewJob::restore(Filter::new())] {
        let job = jobs.begin(&kind, &ada()).await.unwrap();
        assert_eq!(work(&jobs, &job.id).await.done, 2);
    }
    assert_eq!(listed(&letters, Filter::new().state(State::Waiting)).await.len(), 2);
}

#[tokio::test]
async fn a_group_keeps_its_tag_until_it_is_taken_away() {
    let office = Office::open().await;
    let one = office.put("payment.charge.1", &[("Rapids-Reason", "order o-1 is unknown")]).await;
    let same = office.put("payment.charge.2", &[("Rapids-Reason", "order o-2 is unknown")]).await;
    let other = office.put("payment.refund.3", &[]).await;
    let letters = office.letters().await;
    assert_eq!(letters.tags().await.unwrap(), []);
    let group =
        async |id: &LetterId| LetterGroup::of(&letters.get(id).await.unwrap().unwrap().letter);
    let tagged = group(&one).await;
    assert_eq!((&tagged, &*tagged.reason), (&group(&same).await, "order <id> is unknown"));
    for words in ["ask the business", "needs a fix"] {
        letters.tag(&tagged, words, &ada()).await.unwrap();
    }
    let tags = letters.tags().await.unwrap();
    assert_eq!(tags.len(), 1);
    assert_eq!((&tags[0].group, &*tags[0].words, &*tags[0].who), (&tagged, "needs a fix", "ada"));
    assert_eq!(state(&letters, &one).await, State::Waiting);
    let wrong = letters.tag(&tagged, " ", &ada()).await.unwrap_err();
    assert!(matches!(wrong, Error::Config { .. }), "{wrong}");
    let filter = Filter::new().masked_reason(&tagged.reason);
    assert_eq!(listed(&letters, filter).await, [one.to_string(), same.to_string()]);
    assert!(!letters.untag(&group(&other).await, &ada()).await.unwrap());
    assert!(letters.untag(&tagged, &ada()).await.unwrap());
    assert_eq!(letters.tags().await.unwrap(), []);
    let expected = ["ada tag ask the business", "ada tag needs a fix", "ada untag needs a fix"];
    assert_eq!(said(&letters).await, expected);
}

#[tokio::test]
async fn a_job_that_is_begun_as_held_is_worked_on_by_whoever_began_it() {
    let office = Office::open().await;
    office.put_many("payment", 20).await;
    let (one, other) = (office.letters().await.jobs(), office.letters().await.jobs());
    let job = one.begin_held(&NewJob::replay(Filter::new()), &ada()).await.unwrap();
    let holder = job.holder.clone().unwrap();
    // A console looks for jobs all the time.
    let (sender, mut looks) = mpsc::unbounded_channel();
    let id = job.id.clone();
    let waiting = tokio::spawn(async move {
        other.work(&id, "console", |_, step| sender.send(step.is_some()).unwrap()).await
    });
    assert_eq!(soon("a look", looks.recv()).await, Some(false));
    let mut steps = 0;
    let told = |_: &_, step: Option<JobStep>| steps += u32::from(step.is_some());
    let ended = soon("the job", one.work(&job.id, &holder, told)).await.unwrap();
    assert_eq!((ended.state, ended.done, steps), (JobState::Done, 20, 20));
    assert_eq!(soon("the end", waiting).await.unwrap().unwrap().done, 20);
    assert_eq!(looks.recv().await.filter(|is_step| *is_step), None);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and a build with optimisation: `just soak` runs it"]
async fn a_hundred_thousand_letters_are_sent_once_each_though_the_first_holder_dies() {
    const LETTERS: u64 = 100_000;
    let office = Office::open().await;
    let first = office.put("payment.charge.1", &[]).await;
    let stored = office.jetstream.get_stream("DEAD_LETTERS").await.unwrap();
    let stored = stored.direct_get_last_for_subject(format!("dead_letters.{first}")).await.unwrap();
    let client = async_nats::connect(office.bench.server.url()).await.unwrap();
    for number in 2..=LETTERS {
        let mut headers = stored.headers.clone();
        headers.insert("Rapids-Packet-Id", format!("p-{number}"));
        let subject = format!("dead_letters.payment.charge.{number}");
        client.publish_with_headers(subject, headers, BODY.into()).await.unwrap();
    }
    client.flush().await.unwrap();
    crate::harness::until("the letters", async || office.count("DEAD_LETTERS").await == LETTERS)
        .await;
    let (one, other) = (office.letters().await.jobs(), office.letters().await.jobs());
    let begun = std::time::Instant::now();
    let job = one.begin(&NewJob::replay(Filter::new()), &ada()).await.unwrap();
    println!("planned in {:?}", begun.elapsed());
    let begun = std::time::Instant::now();
    let (id, dying) = (job.id.clone(), tokio::sync::Notify::new());
    let dying = Arc::new(dying);
    let dies = dying.clone();
    let working = tokio::spawn(async move {
        let told = |job: &rapids_client::Job, _: Option<JobStep>| {
            if job.done == LETTERS / 3 {
                dies.notify_one();
            }
        };
        one.work(&id, "first", told).await
    });
    dying.notified().await;
    println!("{} letters in {:?}", LETTERS / 3, begun.elapsed());
    working.abort();
    let begun = std::time::Instant::now();
    let ended = other.work(&job.id, "second", |_, _| ()).await.unwrap();
    println!("the rest in {:?}", begun.elapsed());
    assert_eq!((ended.state, ended.done, ended.skipped), (JobState::Done, LETTERS, 0));
    assert_eq!(office.count("REPLAYS").await, LETTERS);
    let replayed = listed(&office.letters().await, Filter::new().state(State::Replayed)).await;
    assert_eq!(replayed.len() as u64, LETTERS);
}
