//! Every public future can be sent to another thread, so that whoever calls may spawn it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rapids_client::access::{Access, ServiceAccess};
use rapids_client::monitoring::{Page, serve};
use rapids_client::{
    Action, Bundle, Config, Conversations, DeadLetters, Doctor, Erasure, Filter, Found,
    HistoryPackets, Jobs, LetterGroup, LetterId, LetterTail, LetterWatch, Listing, MemoryView,
    MemoryWatch, NewJob, Note, Operation, Operations, Packet, Provisioning, Rapids, Record,
    Reference, Replays, Restore, Retiring, River, RiverName, Seek, Sending, Service, Start, Tail,
    TimerId, TimerListing, Timestamp, shutdown_signal,
};
use tokio::net::TcpListener;

fn is_send<F: Future + Send>(_: F) {}

// None of these is called: that they compile is what they show.

fn of_rapids(rapids: &Rapids, config: &Config, packets: Vec<Packet>) {
    is_send(Rapids::connect(config));
    is_send(Rapids::open(config));
    is_send(rapids.publish(Packet::event("x")));
    is_send(rapids.send(Packet::event("x")));
    is_send(rapids.publish_all(packets));
    is_send(rapids.tail(Start::Now));
    is_send(rapids.ask(Packet::event("x")).until("@").within(Duration::ZERO));
    is_send(rapids.ask(Packet::event("x")).until("@").collect(2).within(Duration::ZERO));
    is_send(rapids.packet(17));
    is_send(rapids.packets(&[17]));
    is_send(rapids.raw(17));
    is_send(rapids.services(Duration::ZERO));
    is_send(rapids.stats(Duration::ZERO));
    is_send(rapids.contents());
    is_send(rapids.replication());
    is_send(rapids.replication_of("RAPIDS"));
    is_send(rapids.set_replicas("RAPIDS", 3, None));
    is_send(rapids.positions());
    is_send(rapids.position("payment"));
    is_send(rapids.move_position("payment", Start::Now, Seek::new()));
    is_send(rapids.plan_move("payment", Start::Now, Seek::new()));
    is_send(rapids.publish_later(Packet::event("x"), Duration::ZERO));
    is_send(rapids.publish_every("hourly", "@hourly", None, Packet::event("x")));
    is_send(rapids.timers(None));
    is_send(rapids.retire("payment", Retiring::new()));
}

fn of_what_rapids_give(sending: Sending, tail: &mut Tail, timers: &mut TimerListing) {
    is_send(sending.stored());
    is_send(timers.next());
    is_send(tail.next());
    is_send(tail.next_stored());
}

fn of_timers(rapids: &Rapids, timer: &TimerId) {
    is_send(rapids.timer(timer));
    is_send(rapids.cancel_timer(timer));
}

fn of_erasure(erasure: &Erasure, note: &Note) {
    is_send(erasure.holdings());
    is_send(erasure.packets());
    is_send(erasure.run(note));
}

fn of_backups(rapids: &Rapids, config: &Config, restore: &Restore) {
    is_send(rapids.backup(Path::new("backup"), |_| ()));
    is_send(Restore::open(config, Path::new("backup")));
    is_send(restore.check());
    is_send(restore.run(|_| ()));
}

fn of_letters(letters: &DeadLetters, config: &Config, id: &LetterId, note: &Note) {
    is_send(DeadLetters::open(config));
    is_send(DeadLetters::follow(config, &Filter::new()));
    is_send(DeadLetters::watch(config));
    is_send(letters.list(&Filter::new()));
    is_send(letters.get(id));
    is_send(letters.history(id));
    is_send(letters.replay(id, note));
    is_send(letters.replay_to_all(id, note));
    is_send(letters.edit(id, "{}", note));
    is_send(letters.discard(id, note));
    is_send(letters.restore(id, note));
    is_send(letters.tags());
    is_send(letters.resume(id, note));
    is_send(letters.comments(id));
    is_send(letters.comment(id, "the bank was down", note));
}

fn of_redirects(letters: &DeadLetters, river: &RiverName, note: &Note) {
    is_send(letters.redirects());
    is_send(letters.redirect(river, river, note));
    is_send(letters.withdraw_redirect(river, note));
    is_send(letters.successor(river));
}

fn of_outcomes(letters: &DeadLetters, id: &LetterId, action: &Action) {
    is_send(letters.is_done(id, action));
}

fn of_jobs(jobs: &Jobs, (new, note): (&NewJob, &Note)) {
    is_send(jobs.plan(new));
    is_send(jobs.begin(new, note));
    is_send(jobs.begin_held(new, note));
    is_send(jobs.all());
    is_send(jobs.get("4f0c21aa"));
    is_send(jobs.work("4f0c21aa", "test", |_, _| ()));
    is_send(jobs.pause("4f0c21aa", note));
    is_send(jobs.resume("4f0c21aa", note));
    is_send(jobs.cancel("4f0c21aa", note));
}

fn of_operations(
    (operations, operation): (&Operations, &Operation),
    (letters, group, note): (&DeadLetters, &LetterGroup, &Note),
) {
    is_send(operations.record(operation));
    is_send(operations.since(None));
    is_send(letters.tag(group, "needs a fix", note));
    is_send(letters.untag(group, note));
}

fn of_replays(replays: &mut Replays, config: &Config, packet: &Packet, note: &Note) {
    is_send(Replays::open(config, "payment/charge", "mended", note));
    is_send(replays.send(packet));
}

fn of_monitoring(listener: &TcpListener) {
    is_send(serve(listener, async |_: &str| Page::Ok(String::new())));
}

fn of_listing(listing: &mut Listing, tail: &mut LetterTail, watch: &mut LetterWatch) {
    is_send(listing.next());
    is_send(tail.next());
    is_send(watch.next());
}

fn of_conversations(conversations: &Conversations, reference: &Reference, found: Vec<Found>) {
    is_send(conversations.find(reference));
    is_send(conversations.find_all(|packet| packet.has_kind()));
    is_send(conversations.read(found));
}

fn of_history(rapids: &Rapids, packets: &mut HistoryPackets) {
    is_send(rapids.history("@").fold(0, |_, _| Ok(())));
    is_send(rapids.history("@").packets());
    is_send(packets.next());
}

fn of_memory(rapids: &Rapids, view: &MemoryView<u64>, watch: &mut MemoryWatch<u64>) {
    is_send(rapids.memories("payment"));
    is_send(rapids.forget_memory(("payment", "customers"), "ada", "asked for it"));
    is_send(view.get("ada"));
    is_send(view.end("ada"));
    is_send(view.keys(""));
    is_send(view.entries("@ > 1"));
    is_send(view.all());
    is_send(view.watch());
    is_send(view.watch_where("@ > 1"));
    is_send(watch.next());
    is_send(watch.next_stored());
}

fn of_provisioning(provisioning: &Provisioning, config: &Config, access: &Access) {
    is_send(Provisioning::connect(config));
    is_send(provisioning.plan(access));
    is_send(provisioning.apply(access));
}

fn of_doctor(doctor: &Doctor, config: &Config, access: &ServiceAccess) {
    is_send(Doctor::connect(config));
    is_send(doctor.announced("payment"));
    is_send(doctor.rights("payment", access));
    is_send(doctor.server());
}

fn of_services(
    service: [Service; 2],
    bundle: [Bundle; 2],
    (river, packet, record): (&River, &Packet, &mut Record),
) {
    let ([one, other], [these, those]) = (service, bundle);
    is_send(one.run());
    is_send(other.run_until(shutdown_signal()));
    is_send(these.run());
    is_send(those.run_until(shutdown_signal()));
    is_send(river.handle("payment", packet, record, Timestamp::now()));
    is_send(shutdown_signal());
}

#[test]
fn public_futures_are_send_and_none_is_forgotten_here() {
    let _ = (of_rapids, of_what_rapids_give, of_letters, of_replays, of_listing, of_monitoring);
    let _ = (of_jobs, of_operations, of_redirects, of_outcomes);
    let _ = (of_conversations, of_history, of_memory, of_services, of_timers);
    let _ = (of_provisioning, of_erasure, of_doctor, of_backups);
    let mut names = BTreeSet::new();
    public_futures(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
    assert!(names.len() > 20, "{names:?}");
    let asserted = include_str!("futures.rs");
    let is_missing = |name: &&String| {
        let called = asserted.lines().filter(|line| line.trim().starts_with("is_send("));
        !called.clone().any(|line| line.contains(&format!("{name}(")))
    };
    let missing: Vec<_> = names.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "not asserted to be `Send`: {missing:?}");
}

/// The names of all `pub async fn`: a lint sees to it that what is `pub` can be reached.
fn public_futures(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            public_futures(&path, names);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            let declared =
                text.lines().filter_map(|line| line.trim().strip_prefix("pub async fn "));
            names.extend(
                declared.filter_map(|rest| rest.split(['(', '<']).next()).map(str::to_owned),
            );
        }
    }
}
