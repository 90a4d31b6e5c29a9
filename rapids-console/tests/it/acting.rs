//! Acting: one letter, many as a job, who may, and what keeps others from it.

use std::io::Write;
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use rapids_client::{DeadLetters, Filter, LetterId, NewJob, Note, Packet, River, State, reject};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;

use crate::bench::{Bench, Console, FORM};

/// A service that refuses orders of less than 10, which have letters then.
pub(crate) async fn bench_with_letters(count: u64) -> Bench {
    let bench = Bench::start().await;
    let river = River::new("charge").event("order_placed").require_that("@.total >= 0").react(
        async |packet: Packet| match packet.get::<u64>("total")? {
            Some(10..) => Ok(()),
            _ => Err(reject("the total is too small")),
        },
    );
    bench.serve("payment", vec![river]).await;
    for _ in 0..count {
        bench.publish(Packet::event("order_placed").with("total", 1)).await;
    }
    bench
}

pub(crate) async fn states(bench: &Bench, state: State) -> usize {
    let letters = DeadLetters::open(&bench.config()).await.unwrap().unwrap();
    let mut listing = letters.list(&Filter::new().state(state)).await.unwrap();
    let mut count = 0;
    while listing.next().await.unwrap().is_some() {
        count += 1;
    }
    count
}

#[tokio::test]
async fn a_letter_is_retried_and_the_page_tells_that_it_failed_again() {
    let bench = bench_with_letters(1).await;
    let console = bench.console(&[]).await;
    let letter = "/dead-letters/payment.charge.1";
    console.get_with(letter, "too small").await;
    let sent = console.act(letter, &format!("{letter}/replay"), "reason=again").await;
    assert!(sent.status.starts_with("303"), "{sent:?}");
    assert!(sent.header("location").unwrap().starts_with(letter), "{sent:?}");
    let outcome = format!("{letter}/outcome");
    let failed = console.get_with(&outcome, "It failed again, as letter").await.body;
    assert!(failed.contains("href=\"/dead-letters/payment.charge.r1\""), "{failed}");
    assert!(!failed.contains("hx-trigger"), "it is settled: {failed}");
    let page = console.get(letter).await.body;
    assert!(page.contains("from console 127.0.0.1") && page.contains("anonymous"), "{page}");
    let again =
        console.act("/dead-letters/payment.charge.r1", &format!("{letter}/replay"), "").await;
    assert!(again.status.starts_with("409"), "{again:?}");
    assert!(again.body.contains("was sent again (replay) by `anonymous`"), "{again:?}");
    let log = console.get("/operations").await.body;
    assert!(log.contains("payment.charge.1") && log.contains("again"), "{log}");
}

#[tokio::test]
async fn a_letter_is_edited_once_and_only_as_the_river_takes_it() {
    let bench = bench_with_letters(1).await;
    let console = bench.console(&[]).await;
    let letter = "/dead-letters/payment.charge.1";
    console.get_with(letter, "would take it").await;
    let (edit, check) = (format!("{letter}/edit"), format!("{letter}/edit/check"));
    let body = |json: &str| format!("body={}", json.replace('"', "%22").replace(' ', "%20"));
    let better = body(r#"{"event": "order_placed", "total": 12}"#);
    let checked = console.act(&edit, &check, &better).await.body;
    assert!(checked.contains("class=\"added\"") && checked.contains("would take it"), "{checked}");
    let wrong = console.act(&edit, &check, &body(r#"{"event": "#)).await.body;
    assert!(wrong.contains("id=\"edit-fault\""), "{wrong}");
    let refused = console.act(&edit, &edit, &body(r#"{"event":"order_placed","total":-1}"#)).await;
    assert!(refused.status.starts_with("422"), "{refused:?}");
    assert!(refused.body.contains("would refuse it"), "{refused:?}");
    assert!(refused.body.contains("Send all the same"), "{refused:?}");
    let good = body(r#"{"event":"order_placed","total":12}"#);
    let token = console.token(&edit).await;
    let sent = console.act(&edit, &edit, &good).await;
    assert!(sent.status.starts_with("303"), "{sent:?}");
    console.get_with(&format!("{letter}/outcome"), "has handled the packet").await;
    // The form of somebody who was slower.
    let late = format!("token={token}&{good}");
    let late = console.ask(&format!("POST {edit}"), &[FORM], &late).await;
    assert!(late.status.starts_with("409") && late.body.contains("it is edited"), "{late:?}");
    let page = console.get(&edit).await;
    assert!(page.status.starts_with("409") && page.body.contains("it is edited"), "{page:?}");
}

#[tokio::test]
async fn a_discard_needs_a_reason_and_is_taken_back() {
    let bench = bench_with_letters(1).await;
    let console = bench.console(&[]).await;
    let letter = "/dead-letters/payment.charge.1";
    console.get_with(letter, "too small").await;
    let without = console.act(letter, &format!("{letter}/discard"), "reason=").await;
    assert!(without.status.starts_with("400"), "{without:?}");
    let discarded = console.act(letter, &format!("{letter}/discard"), "reason=a+test").await;
    assert!(discarded.status.starts_with("303"), "{discarded:?}");
    console.get_with(letter, "letter-restore").await;
    console.act(letter, &format!("{letter}/restore"), "reason=was+real").await;
    let page = console.get_with(letter, "letter-replay").await.body;
    assert!(page.contains("a test") && page.contains("was real"), "{page}");
}

#[tokio::test]
async fn a_group_is_planned_and_retried_as_a_job() {
    let bench = bench_with_letters(30).await;
    let console = bench.console(&[]).await;
    let groups = console.get_until("/dead-letters", |page| page.body.contains(">30<")).await.body;
    let group = groups.split("href=\"/dead-letters/group").nth(1).unwrap();
    let group = group.split('"').next().unwrap().replace("&#38;", "&");
    let plan = format!("/operations/plan{group}&action=replay");
    let page = console.get(&plan).await.body;
    assert!(page.contains("Retry 30 letters?") && page.contains("payment/charge"), "{page}");
    let fields = page.split("<input type=\"hidden\" name=\"").skip(2).map(|field| {
        let (name, rest) = field.split_once("\" value=\"").unwrap();
        format!("{name}={}", rest.split('"').next().unwrap())
    });
    let fields: Vec<_> = fields.collect();
    let form = format!("{}&rate=100&at_once=5&reason=again", fields.join("&"));
    let begun = console.act(&plan, "/operations/begin", &form).await;
    let job = begun.header("location").unwrap_or_else(|| panic!("{begun:?}")).to_owned();
    let page = console.get_with(&job, "> done</span>").await.body;
    assert!(page.contains("30 done") && page.contains("at most 100 a second"), "{page}");
    let page = console.get_with(&job, "30 failed again").await.body;
    let failed = page.split("id=\"job-failed\" href=\"").nth(1).unwrap();
    let failed = failed.split('"').next().unwrap().replace("&#38;", "&");
    let letters = console.get(&failed).await.body;
    assert!(letters.contains("1 to 30 of 30") && letters.contains("failed again"), "{letters}");
    assert!(letters.contains("name=\"job\"") && !letters.contains("all that wait"), "{letters}");
    assert_eq!(states(&bench, State::FailedAgain).await, 30);
    let wrong = console.act(&plan, "/operations/begin", "action=replay&all=yes&rate=fast").await;
    assert!(wrong.body.contains("expected a number above 0"), "{wrong:?}");
    let none = console.get("/operations/plan?action=discard").await;
    assert!(
        none.status.starts_with("400") && none.body.contains("no letter is chosen"),
        "{none:?}"
    );
}

#[tokio::test]
async fn a_group_that_is_tagged_is_off_the_board_until_the_tag_is_taken_away() {
    let bench = bench_with_letters(3).await;
    let console = bench.console(&[]).await;
    let groups = console.get_until("/dead-letters", |page| page.body.contains(">3<")).await.body;
    let group = groups.split("href=\"/dead-letters/group").nth(1).unwrap();
    let group = format!("/dead-letters/group{}", group.split('"').next().unwrap());
    let group = group.replace("&#38;", "&");
    let cause = group.split("cause=").nth(1).unwrap().split('&').next().unwrap();
    let form = format!("cause={cause}&words=needs+a+fix&reason=ticket+17");
    let tagged = console.act(&group, "/dead-letters/tag", &form).await;
    assert!(tagged.header("location").unwrap().contains(cause), "{tagged:?}");
    let page = console.get(&group).await.body;
    assert!(page.contains("needs a fix") && page.contains("ticket 17"), "{page}");
    let board = console.get("/dead-letters").await.body;
    assert!(board.contains("1 group with 3 letters tagged") && !board.contains("too small"));
    let off = console.get("/dead-letters?tagged=yes").await.body;
    assert!(off.contains("too small") && off.contains("needs a fix (anonymous)"), "{off}");
    bench.publish(Packet::event("order_placed").with("total", 2)).await;
    let news = "needs a fix (anonymous), letters came since";
    console.get_with("/dead-letters", news).await;
    console.act(&group, "/dead-letters/untag", &form).await;
    let board = console.get("/dead-letters").await.body;
    assert!(board.contains("too small") && !board.contains("id=\"others\""), "{board}");
    assert_eq!(states(&bench, State::Waiting).await, 4);
}

#[tokio::test]
async fn a_job_is_worked_on_by_the_console_in_place_of_who_has_died() {
    let bench = bench_with_letters(60).await;
    let letters = DeadLetters::open(&bench.config()).await.unwrap().unwrap();
    while states(&bench, State::Waiting).await < 60 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let jobs = letters.jobs();
    let discard = NewJob::discard(Filter::new()).rate(100.0);
    let job = jobs.begin(&discard, &Note::new("ada").why("test")).await.unwrap();
    let (id, worker) = (job.id.clone(), jobs.clone());
    let first = tokio::spawn(async move { worker.work(&id, "first", |_, _| ()).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    first.abort();
    let console = bench.console(&[]).await;
    let page = console.get_with(&format!("/operations/{}", job.id), "> done</span>").await.body;
    assert!(page.contains("60 done"), "{page}");
    assert_eq!(states(&bench, State::Discarded).await, 60);
}

/// The option for a button of this packet.
fn button(packet: &str) -> String {
    format!("--button=Break <it>={packet}")
}

#[tokio::test]
async fn a_button_publishes_its_packet_once_for_each_press_and_only_for_who_may_act() {
    let bench = Bench::start().await;
    let button = button(r#"{"command":"break_payment","share":0.5}"#);
    let console = bench.console(&[&button]).await;
    let page = console.get_with("/", "per second now").await.body;
    assert!(page.contains(">Break &#60;it&#62;</button>"), "{page}");
    for sequence in [1, 2] {
        let pressed = console.act("/", "/buttons/0", "").await;
        let shown = format!("/?published={sequence}");
        assert_eq!(pressed.header("location"), Some(&*shown), "{pressed:?}");
        let page = console.get(&shown).await.body;
        assert!(page.contains(&format!("href=\"/packets/{sequence}\"")), "{page}");
    }
    assert!(console.get("/packets/1").await.body.contains("0.5"));
    let log = console.get("/operations").await.body;
    assert!(log.contains("command break_payment, sequence 2"), "{log}");
    let gone = console.act("/", "/buttons/1", "").await;
    assert!(gone.status.starts_with("404"), "{gone:?}");

    let looking = bench.console(&[&button, "--read-only"]).await;
    assert!(!looking.get("/").await.body.contains("Break"));
    let token = format!("token={}", console.token("/").await);
    for (console, form) in [(&looking, &*token), (&console, ""), (&console, "token=0123")] {
        let refused = console.ask("POST /buttons/0", &[FORM], form).await;
        assert!(refused.status.starts_with("403"), "{form}: {refused:?}");
    }
    assert!(console.get("/buttons/0").await.status.starts_with("405"));
    assert_eq!(bench.rapids.contents().await.unwrap().unwrap().packets, 2);
}

#[tokio::test]
async fn a_button_of_no_packet_is_refused_at_the_start() {
    let process = Command::new(env!("CARGO_BIN_EXE_rapids-console"))
        .args(["--listen", "127.0.0.1:0", &button("[]")])
        .output();
    let refused = process.await.unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("--button"), "{said}");
    assert!(said.contains("object"), "{said}");
}

#[tokio::test]
async fn a_key_is_forgotten_with_a_reason() {
    let bench = Bench::start().await;
    let river = River::new("count").event("order_placed").memory::<u64>("orders", "@.customer");
    let river = river.react(|orders: &mut u64, _: &Packet| {
        *orders += 1;
        Ok(())
    });
    bench.serve("orders", vec![river]).await;
    bench.publish(Packet::event("order_placed").with("customer", "ada")).await;
    let console = bench.console(&[]).await;
    let page = "/memories?service=orders&memory=orders&key=ada";
    console.get_with(page, "id=\"forget\"").await;
    let form = "service=orders&memory=orders&key=ada";
    let without = console.act(page, "/memories/forget", form).await;
    assert!(without.status.starts_with("400"), "{without:?}");
    let forgotten =
        console.act(page, "/memories/forget", &format!("{form}&reason=ticket+17")).await;
    assert!(forgotten.status.starts_with("303"), "{forgotten:?}");
    console.get_with(page, "ended: ticket 17").await;
}

#[tokio::test]
async fn what_is_begun_is_done_and_logged_though_nobody_waits_for_the_answer() {
    let bench = bench_with_letters(20).await;
    let console = bench.console(&[]).await;
    let page = "/dead-letters/payment.charge.1";
    console.get_with(page, "too small").await;
    let form = format!("token={}&reason=a+test", console.token(page).await);
    for number in 1..=20 {
        console.get_with(&format!("/dead-letters/payment.charge.{number}"), "too small").await;
        let (address, form) = (console.address.clone(), form.clone());
        let sending = spawn_blocking(move || {
            let path = format!("/dead-letters/payment.charge.{number}/discard");
            let head = format!(
                "Host: localhost\r\nContent-Type: {}\r\nContent-Length: {}",
                FORM.1,
                form.len()
            );
            let request = format!("POST {path} HTTP/1.1\r\n{head}\r\n\r\n{form}");
            TcpStream::connect(address).unwrap().write_all(request.as_bytes()).unwrap();
        });
        sending.await.unwrap();
    }
    let log = bench.rapids.operations();
    let deadline = tokio::time::Instant::now() + crate::bench::DEADLINE;
    while states(&bench, State::Discarded).await > log.since(None).await.unwrap().len()
        || states(&bench, State::Unfinished).await > 0
        || log.since(None).await.unwrap().is_empty()
    {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn who_was_slower_is_told_so_without_a_reason_that_may_quote_what_is_masked() {
    let bench = bench_with_letters(1).await;
    let console = bench.console(&["--mask", "total"]).await;
    let page = "/dead-letters/payment.charge.1";
    console.get_with(page, "too small").await;
    let form = format!("token={}&reason=total+was+4711", console.token(page).await);
    let post = async |path: &str| console.ask(&format!("POST {page}/{path}"), &[FORM], &form).await;
    assert!(post("discard").await.status.starts_with("303"));
    let told = post("replay").await;
    assert!(told.status.starts_with("409") && told.body.contains("was discarded by"), "{told:?}");
    assert!(!told.body.contains("4711"), "{told:?}");
    assert!(post("edit").await.status.starts_with("403"), "a masked packet is not edited");
    for page in [page, "/operations"] {
        assert!(!console.get(page).await.body.contains("4711"), "{page}");
    }
}

/// A console of its own process, to be killed; its address.
async fn console_process(bench: &Bench) -> (Child, Console) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_rapids-console"))
        .args(["--server", &bench.server.url(), "--listen", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next_line().await.unwrap().expect("it says where it listens");
        if let Some(address) = line.split("http://").nth(1) {
            break address.split('/').next().unwrap().to_owned();
        }
    };
    // So that it never waits for somebody who reads.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (process, Console::at(address))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_console_is_killed_is_gone_on_with_by_others_and_sends_each_packet_once() {
    let bench = bench_with_letters(1_000).await;
    let letters = DeadLetters::open(&bench.config()).await.unwrap().unwrap();
    while states(&bench, State::Waiting).await < 1_000 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (mut process, console) = console_process(&bench).await;
    console.get_with("/dead-letters", "1,000").await;
    let form = "action=replay&all=yes&rate=250";
    let begun = console.act("/operations/plan?action=replay&all=yes", "/operations/begin", form);
    let job = begun.await.header("location").unwrap().to_owned();
    tokio::time::sleep(Duration::from_secs(1)).await;
    process.kill().await.unwrap();
    // The command line works on a job as this does.
    let (jobs, id) = (letters.jobs(), job.rsplit('/').next().unwrap().to_owned());
    let (worker, of) = (jobs.clone(), id.clone());
    let second = tokio::spawn(async move { worker.work(&of, "second", |_, _| ()).await });
    let held = async || jobs.get(&id).await.unwrap().unwrap().holder.unwrap_or_default();
    while !held().await.starts_with("second") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    second.abort();
    let (_process, console) = console_process(&bench).await;
    let page = console.get_with(&job, "> done</span>").await.body;
    assert!(page.contains("1,000 done") && !page.contains("skipped"), "{page}");
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    let replays = async_nats::jetstream::new(client).get_stream("REPLAYS").await.unwrap();
    assert_eq!(replays.cached_info().state.messages, 1_000);
}

#[tokio::test]
async fn nothing_is_changed_without_the_token_or_by_who_may_only_look() {
    let bench = bench_with_letters(1).await;
    let (console, looking) = (bench.console(&[]).await, bench.console(&["--read-only"]).await);
    let letter = "/dead-letters/payment.charge.1";
    let token = {
        console.get_with(letter, "too small").await;
        console.token(letter).await
    };
    looking.get_with(letter, "too small").await;
    assert_eq!(looking.token(letter).await, "");
    let replay = format!("POST {letter}/replay");
    for (form, headers) in [
        ("", vec![FORM]),
        ("token=", vec![FORM]),
        ("token=0123", vec![FORM]),
        (&*format!("token={token}"), vec![FORM, ("Sec-Fetch-Site", "cross-site")]),
        (&*format!("token={token}"), vec![FORM, ("Origin", "http://evil.example")]),
    ] {
        let refused = console.ask(&replay, &headers, form).await;
        assert!(refused.status.starts_with("403"), "{form} {headers:?}: {refused:?}");
    }
    let with_token = format!("token={token}");
    assert!(looking.ask(&replay, &[FORM], &with_token).await.status.starts_with("403"));
    let got = console.get(&format!("{letter}/replay?{with_token}")).await;
    assert!(got.status.starts_with("405"), "{got:?}");
    for path in ["/operations/begin", "/operations/0badc0de/cancel", "/dead-letters/a.b.1/edit"] {
        let refused = console.ask(&format!("POST {path}"), &[FORM], "action=discard&all=1").await;
        assert!(refused.status.starts_with("403"), "{path}: {refused:?}");
    }
    let letters = DeadLetters::open(&bench.config()).await.unwrap().unwrap();
    let id: LetterId = "payment.charge.1".parse().unwrap();
    assert_eq!(letters.get(&id).await.unwrap().unwrap().state, State::Waiting);
}
