//! The console with the login of somebody who looks, and of somebody who acts.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rapids_client::{DeadLetters, Filter};
use rapids_client::{Packet, Rapids, River, Service, State, reject};
use rapids_test::{HttpAnswer, http_with};
use tokio::task::{block_in_place, spawn};

use super::{OPERATOR, Secured};
use crate::bench::{DEADLINE, rapids};

const DECLARED: &str = r#"
[services.payment]
start = "beginning"
memories = ["paid"]
timers = true
[operators.bob]
role = "viewer"
"#;

const LETTER: &str = "/dead-letters/payment.charge.1";

const PAGES: [&str; 13] = [
    "/",
    "/live",
    "/map",
    "/dead-letters",
    "/dead-letters/all",
    LETTER,
    "/packets/1",
    "/conversations/o-1",
    "/timers",
    "/memories",
    "/memories?service=payment&memory=paid",
    "/operations",
    "/services/payment/position",
];

/// A console as a process of its own, which ends with this value.
struct Console {
    process: Child,
    address: String,
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Console {
    fn start(secured: &Secured, who: &str, options: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let mut command = rapids(&[&["console", "--listen", &address], options].concat());
        command.envs(secured.variables(who)).stdout(Stdio::null()).stderr(Stdio::null());
        Self { process: command.spawn().unwrap(), address }
    }

    fn ask(&self, request: &str, form: &str) -> HttpAnswer {
        let form_type = ("Content-Type", "application/x-www-form-urlencoded");
        http_with(&self.address, request, &[form_type], form).unwrap()
    }

    /// A page, once it is there and says this.
    fn page(&self, path: &str, words: &str) -> HttpAnswer {
        let begun = Instant::now();
        loop {
            let page = http_with(&self.address, &format!("GET {path}"), &[], "");
            if let Ok(page) = &page
                && page.status.starts_with("200")
                && page.body.contains(words)
            {
                return page.clone();
            }
            assert!(begun.elapsed() < DEADLINE, "{path}: {words}: {page:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn payment(secured: &Secured) -> Service {
    let charge = River::new("charge").event("order_placed").react(|packet: Packet| async move {
        match packet.get::<u64>("total")? {
            Some(10..) => Ok(()),
            _ => Err(reject("the total is too small")),
        }
    });
    let remember = River::new("remember").event("order_placed").memory("paid", "@.customer").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(())
        },
    );
    let key = secured.id_key("payment");
    Service::new("payment", secured.program("payment", Some(&key))).river(charge).river(remember)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_sees_every_page_and_changes_nothing_and_who_acts_does_both() {
    let secured = Secured::start(DECLARED);
    let running = spawn(payment(&secured).from_beginning().run_until(std::future::pending()));
    let ada = Rapids::connect(&secured.operator()).await.unwrap();
    let order = r#"{"event":"order_placed","total":1,"customer":"eve","rapids":{"id":"o-1"}}"#;
    ada.publish(Packet::from_bytes(order).unwrap()).await.unwrap();
    let secrets: Vec<_> = fs::read_dir(secured.path("keys"))
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap().trim().to_owned())
        .collect();
    assert_eq!(secrets.len(), 4, "of payment, its ids, ada and bob");
    let looks = Console::start(&secured, "bob", &["--read-only"]);
    let acts = Console::start(&secured, OPERATOR, &[]);
    block_in_place(|| {
        for console in [&looks, &acts] {
            console.page(LETTER, "too small");
            console.page("/live", "operators");
            console.page("/memories?service=payment&memory=paid", "eve");
            for path in PAGES {
                let page = console.page(path, "</html>").body;
                assert!(!page.contains("does not permit"), "{path}: {page}");
                assert!(!secrets.iter().any(|secret| page.contains(secret)), "{path}: {page}");
            }
        }
        let page = acts.page(LETTER, "name=\"token\"").body;
        let token =
            page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let form = format!("token={token}&reason=once+more");
        let refused = looks.ask(&format!("POST {LETTER}/replay"), &form);
        assert!(refused.status.starts_with('4'), "{refused:?}");
        let sent = acts.ask(&format!("POST {LETTER}/replay"), &form);
        assert!(sent.status.starts_with("303"), "{sent:?}");
        acts.page(&format!("{LETTER}/outcome"), "It failed again, as letter");
        looks.page("/operations", "once more");
    });
    let letters = DeadLetters::open(&secured.operator()).await.unwrap().unwrap();
    let mut waiting = letters.list(&Filter::new().state(State::Waiting)).await.unwrap();
    assert_eq!(waiting.next().await.unwrap().unwrap().letter.id.to_string(), "payment.charge.r1");
    running.abort();
}
