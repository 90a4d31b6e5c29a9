//! Publishing from a page: now, later, again and again, and only once.

use rapids_client::{Packet, River};

use crate::bench::{Bench, FORM};

/// The field of a form with this packet.
fn body(json: &str) -> String {
    format!("body={}", json.replace('"', "%22"))
}

/// A service that takes orders.
async fn bench() -> Bench {
    let bench = Bench::start().await;
    let charge = River::new("charge").event("order_placed").react(async |_: Packet| Ok(()));
    bench.serve("payment", vec![charge]).await;
    bench
}

#[tokio::test]
async fn a_packet_is_published_now_or_later_and_a_timer_is_cancelled() {
    let bench = bench().await;
    let console = bench.console(&[]).await;
    console.get_with("/", "payment").await;
    let order = body(r#"{"event":"order_placed","total":12}"#);
    let checked = console.act("/publish", "/publish/check", &order).await.body;
    assert!(checked.contains("1 rivers would take it") && checked.contains("payment/charge"));
    let wrong = console.act("/publish", "/publish", &body(r#"{"event":"#)).await;
    assert!(wrong.status.starts_with("422") && wrong.body.contains("id=\"publish-fault\""));
    let published = console.act("/publish", "/publish", &order).await;
    assert_eq!(published.header("location"), Some("/packets/1"), "{published:?}");
    let wrong = console.act("/publish", "/publish", &format!("{order}&when=soon")).await;
    assert!(wrong.status.starts_with("422") && wrong.body.contains("is no time"), "{wrong:?}");
    let later = console.act("/publish", "/publish", &format!("{order}&when=30m")).await;
    assert_eq!(later.header("location"), Some("/timers?service=PUBLISHED"), "{later:?}");
    let timers = console.get_with("/timers", "name=\"id\" value=\"").await.body;
    let id = timers.split("name=\"id\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let cancel = format!("id={id}&reason=not+now");
    let cancelled = console.act("/timers", "/timers/cancel", &cancel).await;
    assert_eq!(cancelled.header("location"), Some("/timers"), "{cancelled:?}");
    let token = console.token("/publish").await;
    let again = format!("token={token}&{cancel}");
    let again = console.ask("POST /timers/cancel", &[FORM], &again).await;
    assert!(again.status.starts_with("409"), "{again:?}");
    let log = console.get("/operations").await.body;
    for what in ["publish", "set timer", "cancel timer", "not now"] {
        assert!(log.contains(what), "{what}: {log}");
    }
}

#[tokio::test]
async fn a_packet_is_published_again_and_again_by_a_schedule() {
    let bench = bench().await;
    let console = bench.console(&[]).await;
    console.get_with("/timers", "Set a timer").await;
    let report = body(r#"{"command":"make_report"}"#);
    for (fields, fault) in [
        ("&schedule=each+hour&name=report", "the server reads no schedule in it"),
        ("&schedule=@every+1h&name=Report", "cannot name what comes again"),
        ("&schedule=@every+1h&name=", "cannot name what comes again"),
        ("&schedule=0+30+14+*+*+*&name=report&zone=Here", "no time zone `Here`"),
        ("&name=report", "a schedule is missing"),
        ("&schedule=@every+1h&name=report&when=5m", "either it is published at one time"),
    ] {
        let wrong = console.act("/publish", "/publish", &format!("{report}{fields}")).await;
        assert!(wrong.status.starts_with("422") && wrong.body.contains(fault), "{wrong:?}");
        assert!(wrong.body.contains("make_report") && wrong.body.contains("open><summary>"));
    }
    let form =
        format!("{report}&schedule=0+30+14+*+*+*&name=closing&zone=Europe/Berlin&reason=test");
    let set = console.act("/publish", "/publish", &form).await;
    assert_eq!(set.header("location"), Some("/timers?service=EVERY"), "{set:?}");
    let timers = console.get("/timers?service=EVERY").await.body;
    for told in ["EVERY.closing", "0 30 14 * * * Europe/Berlin", "make_report"] {
        assert!(timers.contains(told), "{told}: {timers}");
    }
    let log = console.get("/operations").await.body;
    assert!(log.contains("set timer") && log.contains("0 30 14 * * *"), "{log}");
}

#[tokio::test]
async fn a_form_that_is_sent_twice_publishes_once_and_says_so() {
    let bench = bench().await;
    let console = bench.console(&[]).await;
    console.get_with("/", "payment").await;
    let page = console.get_with("/publish", "name=\"key\"").await.body;
    let key = page.split("name=\"key\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let token = console.token("/publish").await;
    let order = body(r#"{"event":"order_placed"}"#);
    let send = async |more: &str| {
        let form = format!("token={token}&key={key}&{order}{more}");
        console.ask("POST /publish", &[FORM], &form).await
    };
    assert_eq!(send("").await.header("location"), Some("/packets/1"));
    let again = send("").await;
    assert!(again.status.starts_with("409") && again.body.contains("see /packets/1"), "{again:?}");
    let at = "&when=2999-01-01+09:30";
    assert_eq!(send(at).await.header("location"), Some("/timers?service=PUBLISHED"));
    assert!(send(at).await.status.starts_with("409"));
    console.get_with("/timers", "2999-01-01 09:30:00 UTC").await;
    let changed = body(r#"{"event":"order_placed","n":2}"#);
    let form = format!("token={token}&key={key}&{changed}");
    let changed = console.ask("POST /publish", &[FORM], &form).await;
    assert_eq!(changed.header("location"), Some("/packets/2"), "{changed:?}");
}
