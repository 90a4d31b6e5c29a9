//! `rapids replay`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use async_nats::jetstream;
use rapids_client::{Packet, River, reject};
use serde_json::Value;
use tokio::time::timeout;

use crate::bench::{Bench, DEADLINE, Running, Said, said, said_to};
use crate::program::Program;

const CHARGE: [&str; 3] = ["replay", "--river", "payment/charge"];

/// A service that has handled some orders.
struct Shop {
    bench: Bench,
    payment: Running,
    /// How often its reaction has run.
    runs: Arc<AtomicUsize>,
}

fn order(total: i64) -> String {
    format!(r#"{{"event":"order_placed","total":{total},"customer":"ada"}}"#)
}

impl Shop {
    /// With orders of these totals, handled.
    async fn start(totals: &[i64]) -> Self {
        let bench = Bench::start().await;
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let river = River::new("charge")
            .event("order_placed")
            .require_that("@.total > 0")
            .ignore_invalid()
            .react(move |packet: Packet| {
                counted.fetch_add(1, Ordering::Relaxed);
                async move {
                    match packet.get::<u64>("total")? {
                        Some(13) if packet.is_sent_again() => Err(reject("nobody orders 13")),
                        _ => Ok(()),
                    }
                }
            });
        let payment = bench.run("payment", "1.0.0", river).await;
        let shop = Self { bench, payment, runs };
        for total in totals {
            shop.bench.publish(&order(*total)).await;
        }
        shop.is_done(totals.len()).await;
        shop
    }

    /// Waits until the service is done up to this sequence.
    async fn is_done(&self, sequence: usize) {
        let done = async {
            let position = async || self.bench.rapids.position("payment").await.unwrap().unwrap();
            while position().await.acknowledged < sequence as u64 {}
        };
        timeout(DEADLINE, done).await.unwrap();
    }

    fn said(&self, arguments: &[&str]) -> Said {
        said(self.bench.command(&[&CHARGE[..], arguments].concat()).env("USER", "ada"))
    }

    /// Waits until the reaction has run so often.
    async fn has_run(&self, runs: usize) {
        let run = async {
            while self.runs.load(Ordering::Relaxed) < runs {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, run).await.unwrap();
        assert_eq!(self.runs.load(Ordering::Relaxed), runs);
    }

    async fn replays(&self) -> jetstream::stream::Stream {
        let client = async_nats::connect(self.bench.server.url()).await.unwrap();
        jetstream::new(client).get_stream("REPLAYS").await.unwrap()
    }

    async fn count(&self) -> u64 {
        self.replays().await.cached_info().state.messages
    }
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_tells_what_would_be_sent_and_what_the_river_makes_of_it() {
    let shop = Shop::start(&[5, 2_000, 0, 3_000, 2_500]).await;
    shop.bench.publish(r#"{"event":"visitor_came","total":9000}"#).await;
    let expensive = ["--where", "@.total > 1000", "--dry-run"];
    let plan = shop.said(&expensive).well(0).out;
    let lines: Vec<_> = plan.lines().collect();
    let head = "3 packets to replay to payment/charge, in the run `where @.total > 1000`";
    assert_eq!(lines[0], head);
    assert!(lines[1].starts_with("  first 2, stored 20"), "{plan}");
    assert!(lines[2].starts_with("  last  5, stored 20"), "{plan}");
    assert_eq!(lines[3], "  the reaction runs on each once more");
    assert!(lines[4].starts_with("  what it published longer than 10m ago is stored once more"));
    assert_eq!(lines.len(), 5, "{plan}");
    let plan = json(&shop.said(&[&expensive[..], &["-o", "json"]].concat()).well(0).out);
    assert_eq!((&plan["count"], &plan["river"]), (&3.into(), &"payment/charge".into()));
    assert_eq!((&plan["first"]["sequence"], &plan["last"]["sequence"]), (&2.into(), &5.into()));
    assert_eq!(plan["repetitions"], serde_json::json!(["runs"]));
    // Nothing was sent, and nothing has run.
    assert_eq!((shop.count().await, shop.runs.load(Ordering::Relaxed)), (0, 4));

    let count = |arguments: &[&str]| {
        let plan = shop.said(&[arguments, &["--dry-run", "-o", "json"]].concat()).well(0).out;
        json(&plan)["count"].as_u64().unwrap()
    };
    assert_eq!((count(&[]), count(&["--sequence", "4"]), count(&["--limit", "1"])), (4, 2, 1));
    assert_eq!((count(&["--since", "1h"]), count(&["--until", "1h"])), (4, 0));
    shop.payment.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_are_sent_once_it_is_confirmed() {
    let shop = Shop::start(&[5, 2_000, 3_000]).await;
    let expensive = ["--where", "@.total > 1000", "--reason", "tax"];
    let asked = shop.said(&expensive);
    asked.badly(2, &["2 packets to replay to payment/charge", "give `--yes` if it is to be done"]);
    let command = [&CHARGE[..], &expensive].concat();
    let asked = said_to(&mut shop.bench.command(&command), "y\n");
    asked.badly(2, &["there is no terminal to ask on"]);
    assert_eq!(shop.count().await, 0);

    let sent = shop.said(&[&expensive[..], &["--yes"]].concat());
    assert_eq!(sent.code, 0, "{sent:?}");
    assert_eq!(sent.lines(), ["packet 2 replayed: replay 1", "packet 3 replayed: replay 2"]);
    assert!(sent.err.ends_with("\n2 of 2 packets replayed\n"), "{sent:?}");
    shop.has_run(3 + 2).await;
    let headers = shop.replays().await.direct_get(1).await.unwrap().headers;
    assert!(headers.get("Rapids-Who").unwrap().as_str().starts_with("ada@"));
    assert_eq!(headers.get("Rapids-Why").unwrap().as_str(), "tax");

    // The same run sends nothing twice, and another one does.
    let again = shop.said(&[&expensive[..], &["--yes"]].concat());
    again.badly_done("2 packets of the run `where @.total > 1000` were sent before");
    let second = [&expensive[..], &["--yes", "--name", "second", "--limit", "1", "-o", "json"]];
    let sent = shop.said(&second.concat());
    let done = json(sent.lines()[0]);
    assert_eq!((&done["sequence"], &done["replay"]), (&2.into(), &3.into()), "{sent:?}");
    shop.has_run(3 + 3).await;
    shop.payment.stop().await;
}

impl Said {
    /// Asserts that there was nothing to do, for this reason.
    #[track_caller]
    fn badly_done(self, why: &str) {
        assert_eq!((self.code, self.out.as_str()), (0, ""), "{self:?}");
        assert!(self.err.starts_with("there is no packet to replay to payment/charge\n"));
        assert!(self.err.contains(why), "{self:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_an_error_or_an_empty_plan() {
    let shop = Shop::start(&[5]).await;
    shop.said(&["--where", "@.total > 1000", "--yes"]).badly_done("");
    shop.said(&["--where", "@.total >> 1"]).badly(2, &["is wrong at column"]);
    shop.said(&["--since", "1h", "--sequence", "1"]).badly(2, &["cannot be used with"]);
    shop.said(&["--name", "", "--dry-run"]).badly(2, &["the name of a run of replays"]);
    let river = |name: &str| shop.bench.said(&["replay", "--river", name, "--yes"]);
    river("payment").badly(2, &["as `payment/charge`"]);
    river("payment/refund").badly(5, &["service `payment` has no river `refund`; it has charge"]);
    let unknown = "it is not known what shipping/join takes: service `shipping` does not run";
    river("shipping/join").badly(5, &[unknown, "running services: payment"]);
    shop.payment.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_is_gone_on_with_at_a_rate() {
    let shop = Shop::start(&[7; 6]).await;
    let slowly = [&CHARGE[..], &["--yes", "--rate", "4", "--name", "mended"]].concat();
    let began = Instant::now();
    let mut replaying = Program::start(&mut shop.bench.command(&slowly));
    assert_eq!(replaying.line().await, "packet 1 replayed: replay 1");
    assert_eq!(replaying.line().await, "packet 2 replayed: replay 2");
    assert!(began.elapsed().as_secs_f64() >= 0.25, "4 a second");
    replaying.interrupt();
    let (code, rest, words) = replaying.end().await;
    let done = 2 + rest.len();
    assert_eq!(code, Some(130));
    let interrupted =
        format!("interrupted: {done} of 6 packets replayed; the same command goes on");
    assert!(words.contains(&interrupted), "{words}");

    let rest = shop.said(&["--yes", "--name", "mended"]);
    assert!(rest.err.contains(&format!("{done} packets of the run `mended` were sent before")));
    assert_eq!((rest.code, rest.lines().len()), (0, 6 - done), "{rest:?}");
    assert_eq!(shop.count().await, 6);
    shop.has_run(6 + 6).await;
    shop.payment.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_answer_gets_what_an_expression_says() {
    let Shop { bench, payment, .. } = Shop::start(&[5, 2_000]).await;
    payment.stop().await;
    let said = |more: &[&str]| bench.said(&[&CHARGE[..], more].concat());
    let unknown =
        "it is not known what payment/charge takes (`--where` can say instead what is meant)";
    said(&["--yes"]).badly(5, &[unknown, "service `payment` does not run"]);
    let expensive = ["--where", "@.total > 1000"];
    let plan = said(&[&expensive[..], &["--dry-run"]].concat()).well(0).out;
    assert!(plan.starts_with("1 packet to replay"), "{plan}");
    assert!(
        plan.contains("  no instance of payment answers, so the rules of the river are not known")
    );
    assert!(plan.contains("  no instance says what the reaction makes of packets"), "{plan}");
    assert_eq!(said(&[&expensive[..], &["--yes"]].concat()).lines().len(), 1);

    let (seen, mut handled) = tokio::sync::mpsc::unbounded_channel();
    let river = River::new("charge").event("order_placed").react(move |packet: Packet| {
        seen.send(packet).unwrap();
        async { Ok(()) }
    });
    let payment = bench.run("payment", "1.0.1", river).await;
    let packet = timeout(DEADLINE, handled.recv()).await.unwrap().unwrap();
    assert_eq!((packet.get("total").unwrap(), packet.is_sent_again()), (Some(2_000), true));
    payment.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_that_fails_again_is_a_dead_letter() {
    let shop = Shop::start(&[13]).await;
    shop.said(&["--yes"]);
    let listed = async {
        loop {
            let listed = shop.bench.said(&["dead-letters", "list", "-o", "json"]);
            if let [line] = listed.lines().as_slice() {
                return json(line);
            }
            tokio::task::yield_now().await;
        }
    };
    let letter = timeout(DEADLINE, listed).await.unwrap();
    assert_eq!((&letter["id"], &letter["kind"]), (&"payment.charge.r1".into(), &"rejected".into()));
    // Whoever decides on the letter sends it, and nobody beside.
    let second = shop.said(&["--yes", "--name", "second"]);
    second.badly_done("  1 packet left out, which wait in dead letters");
    shop.payment.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_that_the_service_has_still_to_handle_are_left_out() {
    let shop = Shop::start(&[5]).await;
    let Shop { bench, payment, .. } = shop;
    payment.stop().await;
    bench.publish(&order(6)).await;
    // Its first packet never ends, so it is not done with the second.
    let river = River::new("charge").event("order_placed").react(|packet: Packet| async move {
        if !packet.is_sent_again() {
            std::future::pending::<()>().await;
        }
        Ok(())
    });
    let _payment = bench.run("payment", "1.0.1", river).await;
    let plan = bench.said(&[&CHARGE[..], &["--dry-run"]].concat()).well(0).out;
    assert!(plan.starts_with("1 packet to replay to payment/charge, in the run `all`\n"), "{plan}");
    assert!(plan.contains("  1 packet left out, which payment has still to handle\n"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_harm_no_terminal() {
    let shop = Shop::start(&[5]).await;
    let plan = shop.said(&["--name", "a\u{1b}[2J\nwarning: x", "--dry-run"]).well(0).out;
    assert!(plan.starts_with(r"1 packet to replay to payment/charge, in the run `a\u{1b}[2J\n"));
    assert!(!plan.contains('\u{1b}'), "{plan}");
    let said = shop.bench.said(&["replay", "--river", "pay\u{1b}[2J/x\ny", "--yes"]);
    assert!(said.code == 2 && !said.err.contains('\u{1b}'), "{said:?}");
    shop.said(&["--name", "a\u{1b}[2J\nwarning: x", "--yes"]);
    shop.has_run(2).await;
    let said = shop.said(&["--name", "a\u{1b}[2J\nwarning: x", "--yes"]);
    said.badly_done("were sent before");
    shop.payment.stop().await;
}
