//! Who may look, and what every answer tells browsers.

use rapids_console::Server;

use crate::bench::{Bench, Console, DEADLINE, PAGES, options};
use rapids_client::Config;
use rapids_test::HttpAnswer;

/// The hash of `s3cret`, made with few rounds so that the test is quick.
async fn users() -> tempfile::NamedTempFile {
    let hash = tokio::process::Command::new(env!("CARGO_BIN_EXE_rapids-console"))
        .arg("--hash")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let output = tokio::time::timeout(DEADLINE, with_input(hash, b"s3cret\n")).await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("ada:{output}")).unwrap();
    file
}

async fn with_input(mut child: tokio::process::Child, input: &[u8]) -> String {
    use tokio::io::AsyncWriteExt;
    child.stdin.take().unwrap().write_all(input).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// A console without a server of NATS: who may look does not depend on one.
async fn console(arguments: &[&str]) -> Console {
    Console::start(Config::new("nats://127.0.0.1:1"), arguments).await
}

async fn log_in(console: &Console, password: &str, next: &str) -> HttpAnswer {
    let form = format!("name=ada&password={password}&next={next}");
    let headers =
        [("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Site", "same-origin")];
    console.ask("POST /login", &headers, &form).await
}

#[tokio::test]
async fn every_answer_tells_browsers_what_to_refuse() {
    let console = console(&[]).await;
    for path in PAGES.iter().chain(&["/nothing", "/packets/1", "/assets/console.css"]) {
        let answer = console.get(path).await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    console.stop().await;
}

#[tokio::test]
async fn without_a_login_only_names_of_this_machine_are_answered_to() {
    let console = console(&[]).await;
    let of = async |host| console.ask("GET /timers", &[("Host", host)], "").await.status;
    assert!(of("evil.example").await.starts_with("421"));
    assert!(of("evil.example:8080").await.starts_with("421"));
    // It is let in, and there is no server to ask.
    assert!(of("localhost:8080").await.starts_with("503"));
}

#[tokio::test]
async fn a_console_that_anybody_could_reach_does_not_start() {
    let mut open = options(&[]);
    open.listen = "0.0.0.0:0".parse().unwrap();
    let error = Server::bind(Config::new("nats://127.0.0.1:1"), open).await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("--users FILE") && error.contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn a_login_leads_to_the_page_that_was_wanted_and_its_end_away_from_all() {
    let users = users().await;
    let console = console(&["--users", users.path().to_str().unwrap()]).await;
    let page = [("Accept", "text/html,*/*")];
    let refused = console.ask("GET /live?where=%40.total", &page, "").await;
    assert!(refused.status.starts_with("303"), "{refused:?}");
    let login = refused.header("location").unwrap();
    assert_eq!(login, "/login?next=%2Flive%3Fwhere%3D%2540.total");
    assert!(console.ask("GET /events", &[], "").await.status.starts_with("401"));
    assert!(console.get("/login").await.body.contains("current-password"));

    let answer = log_in(&console, "wrong", "/").await;
    assert!(answer.status.starts_with("401") && answer.header("set-cookie").is_none());
    let answer = log_in(&console, "s3cret", "%2Flive%3Fwhere%3D%2540.total").await;
    assert_eq!(answer.header("location"), Some("/live?where=%40.total"), "{answer:?}");
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let session = cookie.split(';').next().unwrap().to_owned();

    let with_session = [("Cookie", session.as_str()), ("Accept", "text/html")];
    let page = console.ask("GET /nothing", &with_session, "").await;
    assert!(page.status.starts_with("404") && page.body.contains("ada"), "{page:?}");
    let foreign = [("Cookie", session.as_str()), ("Sec-Fetch-Site", "cross-site")];
    assert!(console.ask("POST /logout", &foreign, "").await.status.starts_with("403"));
    let own = [("Cookie", session.as_str()), ("Sec-Fetch-Site", "same-origin")];
    assert!(console.ask("POST /logout", &own, "").await.status.starts_with("303"));
    let page = console.ask("GET /nothing", &with_session, "").await;
    assert!(page.status.starts_with("303"), "{page:?}");
}

#[tokio::test]
async fn a_login_leads_to_no_other_site_and_is_tried_ten_times() {
    let users = users().await;
    let console = console(&["--users", users.path().to_str().unwrap()]).await;
    for next in ["%2F%2Fevil.example", "https%3A%2F%2Fevil.example", "%2F%5Cevil.example", ""] {
        let answer = log_in(&console, "s3cret", next).await;
        assert_eq!(answer.header("location"), Some("/"), "{next}");
    }
    for _ in 0..10 {
        assert!(log_in(&console, "wrong", "/").await.status.starts_with("401"));
    }
    let answer = log_in(&console, "s3cret", "/").await;
    assert!(answer.status.starts_with("429"), "{answer:?}");
}

#[tokio::test]
async fn what_a_proxy_says_counts_from_its_address_only() {
    let by_proxy = console(&["--proxy", "127.0.0.1", "--user-header", "X-User"]).await;
    let named = [("X-User", "grace"), ("Host", "rapids.example")];
    let answer = by_proxy.ask("GET /nothing", &named, "").await;
    assert!(answer.status.starts_with("404") && answer.body.contains("grace"), "{answer:?}");
    assert!(by_proxy.get("/nothing").await.status.starts_with("401"));
    let by_another = console(&["--proxy", "10.0.0.1", "--user-header", "X-User"]).await;
    let answer = by_another.ask("GET /nothing", &named, "").await;
    assert!(answer.status.starts_with("401"), "{answer:?}");
}

#[tokio::test]
async fn behind_a_prefix_every_address_has_it() {
    let bench = Bench::start().await;
    let console = bench.console(&["--prefix", "/ops/rapids"]).await;
    let is_there = |page: &HttpAnswer| page.status.starts_with("200");
    let page = console.get_until("/ops/rapids/", is_there).await;
    for address in page.body.split("href=\"").skip(1) {
        assert!(address.starts_with("/ops/rapids/") || address.starts_with('#'), "{address:.60}");
    }
    assert!(page.body.contains("action=\"/ops/rapids/find\""));
    console.get_until("/ops/rapids/live", is_there).await;
    assert!(console.get("/live").await.status.starts_with("404"));
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused() {
    let users = users().await;
    let console = console(&["--users", users.path().to_str().unwrap()]).await;
    let answer = log_in(&console, &"x".repeat(20_000), "/").await;
    assert!(answer.status.starts_with("413"), "{answer:?}");
}
