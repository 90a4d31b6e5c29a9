//! Moving the position of a service: planned, made, refused, and followed.

use std::sync::Arc;

use rapids_client::{Packet, River, Seek, Start};
use tokio::sync::Semaphore;

use crate::bench::{Bench, Console, FORM};

const PAGE: &str = "/services/orders/position";

/// A service that is done with three orders: with a plain river, one that runs once, and one that remembers.
async fn bench() -> Bench {
    let bench = Bench::start().await;
    for _ in 0..3 {
        bench.publish(Packet::event("order_placed").with("customer", "ada")).await;
    }
    let plain = River::new("tell").event("order_placed").react(async |_: Packet| Ok(()));
    let once = River::new("mail").event("order_placed").once().react(async |_: Packet| Ok(()));
    let count = River::new("count").event("order_placed").memory::<u64>("orders", "@.customer");
    let count = count.react(|orders: &mut u64, _: &Packet| {
        *orders += 1;
        Ok(())
    });
    bench.serve("orders", vec![plain, once, count]).await;
    bench
}

/// A river that ends one reaction for each permit.
fn waiting(event: &str, gate: &Arc<Semaphore>) -> River {
    let gate = Arc::clone(gate);
    River::new("wait").event(event).react(move |_: Packet| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await?.forget();
            Ok(())
        }
    })
}

/// What the form of a plan sends.
async fn planned(console: &Console, plan: &str) -> String {
    let page = console.get(&format!("{PAGE}/plan?{plan}")).await.body;
    let form = page.split("id=\"plan-form\"").nth(1).unwrap_or_else(|| panic!("{page}"));
    let fields = form.split("<input type=\"hidden\" name=\"").skip(1).map(|field| {
        let (name, rest) = field.split_once("\" value=\"").unwrap();
        format!("{name}={}", rest.split('"').next().unwrap())
    });
    fields.collect::<Vec<_>>().join("&")
}

#[tokio::test]
async fn a_position_is_moved_behind_a_plan_that_says_what_it_will_mean() {
    let bench = bench().await;
    let console = bench.console(&[]).await;
    console.get_with("/", &format!("href=\"{PAGE}\"")).await;
    console.get_with(PAGE, "id=\"position-done\">3<").await;
    let plan = console.get(&format!("{PAGE}/plan?to=time&at=1h")).await.body;
    for told in [
        "Read 3 packets again?",
        "done with everything up to sequence 3",
        "with sequence 1",
        "runs again, and publishes again",
        "does not run where it has run",
        "skips what its memory `orders` has taken",
    ] {
        assert!(plan.contains(told), "{told}: {plan}");
    }
    let again = planned(&console, "to=beginning").await;
    let skip = planned(&console, "to=sequence&at=4").await;
    let moved =
        console.ask(&format!("POST {PAGE}"), &[FORM], &format!("{again}&reason=a+test")).await;
    assert_eq!(moved.header("location"), Some(PAGE), "{moved:?}");
    let page = console.get(PAGE).await.body;
    let outcome = "orders goes on with sequence 1: 3 packets to read, 3 of them again";
    assert!(page.contains(outcome) && page.contains("a test"), "{page}");
    let log = console.get("/operations").await.body;
    assert!(log.contains("move position") && log.contains(outcome), "{log}");
    for slower in [again, skip] {
        let told = console.ask(&format!("POST {PAGE}"), &[FORM], &slower).await;
        assert!(told.status.starts_with("409"), "{told:?}");
        assert!(told.body.contains("somebody has moved it since that was planned"), "{told:?}");
    }
    console.get_with(PAGE, "id=\"position-done\">3<").await;
}

#[tokio::test]
async fn what_waits_is_skipped_up_to_where_the_plan_has_said() {
    let bench = bench().await;
    let gate = Arc::new(Semaphore::new(0));
    bench.serve("slow", vec![waiting("x", &gate)]).await;
    bench.publish(Packet::event("x")).await;
    bench.publish(Packet::event("y")).await;
    let console = bench.console(&[]).await;
    let page = "/services/slow/position";
    let plan = "/services/slow/position/plan?to=end";
    let told = console.get_with(plan, "Skip 2 packets?").await.body;
    assert!(told.contains("none of its rivers sees them"), "{told}");
    let next = told.split("name=\"next\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    bench.publish(Packet::event("z")).await;
    let form = format!("next={next}&moves=0&before=3");
    let moved = console.act(plan, page, &form).await;
    assert!(moved.status.starts_with("303"), "{moved:?}");
    let position = bench.rapids.position("slow").await.unwrap().unwrap();
    assert!(position.acknowledged >= 5, "what came later is read: {position:?}");
    console.get_with(page, "slow goes on with sequence 6: 1 packet to read").await;
    gate.add_permits(1);
}

#[tokio::test]
async fn a_service_that_forgets_is_followed_while_it_rebuilds() {
    let bench = bench().await;
    let gate = Arc::new(Semaphore::new(1));
    // It is new, and so done with what was there before.
    bench.serve("slow", vec![waiting("order_placed", &gate)]).await;
    let console = bench.console(&[]).await;
    let page = "/services/slow/position";
    let plan = "/services/slow/position/plan?to=beginning&forget=yes";
    let told = console.get_with(plan, "runs again, and publishes nothing").await.body;
    assert!(told.contains("Read 3 packets again and forget what it remembers?"), "{told}");
    assert!(told.contains("3 packets, up to where it was: nothing is published"), "{told}");
    let form = "next=1&moves=0&before=3&forget=yes";
    let without = console.act(plan, page, form).await;
    assert!(without.status.starts_with("400"), "{without:?}");
    let moved = console.act(plan, page, &format!("{form}&reason=a+test")).await;
    assert!(moved.status.starts_with("303"), "{moved:?}");
    console.get_with(page, "rebuilding: 1 of 3 packets").await;
    gate.add_permits(2);
    console.get_until(page, |page| !page.body.contains("rebuilding: ")).await;
    let position = bench.rapids.position("slow").await.unwrap().unwrap();
    assert_eq!(position.acknowledged, 3);
}

#[tokio::test]
async fn what_cannot_be_planned_is_told_and_who_may_only_look_moves_nothing() {
    let bench = bench().await;
    let (console, looking) = (bench.console(&[]).await, bench.console(&["--read-only"]).await);
    for console in [&console, &looking] {
        console.get_with(PAGE, "id=\"position-done\">3<").await;
    }
    for (plan, fault) in [
        ("to=sequence&at=17", "the stream ends at 3"),
        ("to=sequence&at=0", "is no sequence"),
        ("to=time&at=soon", "expected a time"),
        ("to=time&at=2999-01-01", "in the future"),
        ("to=nowhere", "is no place"),
        ("to=end&publish=yes", "only a service that forgets"),
    ] {
        let told = console.get(&format!("{PAGE}/plan?{plan}")).await;
        assert!(told.status.starts_with("400") && told.body.contains(fault), "{plan}: {told:?}");
    }
    let unknown = console.get("/services/nobody/position").await;
    assert!(unknown.status.starts_with("404"), "{unknown:?}");
    let plan = looking.get(&format!("{PAGE}/plan?to=beginning")).await;
    assert!(plan.body.contains("Read 3 packets again?") && !plan.body.contains("plan-form"));
    let token = console.token(&format!("{PAGE}/plan?to=beginning")).await;
    let form = format!("token={token}&next=1&moves=0&before=3");
    let post = format!("POST {PAGE}");
    assert!(looking.ask(&post, &[FORM], &form).await.status.starts_with("403"));
    assert!(
        console
            .ask(&post, &[FORM], &form[form.find('&').unwrap()..])
            .await
            .status
            .starts_with("403")
    );
    let unmoved = bench.rapids.plan_move("orders", Start::Now, Seek::new()).await.unwrap().unwrap();
    assert_eq!(unmoved.moves, 0);
}
