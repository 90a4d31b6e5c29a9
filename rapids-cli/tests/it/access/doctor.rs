//! `rapids doctor` on real servers: what it says of logins that have all, and of those that lack something.

use std::fs;

use async_nats::ConnectOptions;
use async_nats::jetstream::{self, Context};
use futures::{FutureExt, StreamExt};
use rapids_test::NatsServer;
use tokio::time::timeout;

use super::{DECLARED, Folder};
use crate::bench::{DEADLINE, Said, rapids, said};

/// A server with the rendered accounts, and with all that the services need.
struct Provisioned {
    folder: Folder,
    server: NatsServer,
    rendered: String,
}

impl Provisioned {
    fn start() -> Self {
        Self::start_with(DECLARED)
    }

    fn start_with(declared: &str) -> Self {
        let folder = Folder::with(declared);
        let rendered = folder.rendered();
        let server = NatsServer::with_config(&rendered).unwrap();
        let it = Self { folder, server, rendered };
        it.command("ada", &["provision", "--secured", "--yes"]).well(0);
        it
    }

    /// Runs a command with the login of somebody.
    fn command(&self, login: &str, arguments: &[&str]) -> Said {
        let mut command = rapids(arguments);
        command.current_dir(self.folder.path("")).env("NATS_URL", self.server.url());
        said(command.env("NATS_NKEY", format!("keys/{login}.nk")))
    }

    fn doctor(&self, service: &str) -> Said {
        self.command(service, &["doctor", service])
    }

    /// Without these lines of the account of `payment`.
    fn without(&self, is_left_out: impl Fn(&str) -> bool) -> Self {
        let (before, account) = self.rendered.split_once("\n  PAYMENT {").unwrap();
        let (account, behind) = account.split_once("\n  }").unwrap();
        let kept: Vec<_> = account.lines().filter(|line| !is_left_out(line)).collect();
        let changed = format!("{before}\n  PAYMENT {{{}\n  }}{behind}", kept.join("\n"));
        assert_ne!(changed, self.rendered);
        let folder = Folder::with(DECLARED);
        fs::create_dir(folder.path("keys")).unwrap();
        for name in ["ada.nk", "payment.nk"] {
            let path = folder.path(&format!("keys/{name}"));
            fs::copy(self.folder.path(&format!("keys/{name}")), path).unwrap();
        }
        let server = NatsServer::with_config(&changed).unwrap();
        let it = Self { folder, server, rendered: changed };
        it.command("ada", &["provision", "--secured", "--yes"]).well(0);
        it
    }

    async fn jetstream(&self) -> Context {
        let options = ConnectOptions::with_nkey(self.folder.seed("ada"));
        jetstream::new(options.connect(self.server.url()).await.unwrap())
    }

    /// What each stream and each consumer has, but for when somebody has last asked.
    async fn state(&self) -> Vec<String> {
        let jetstream = self.jetstream().await;
        let mut state = Vec::new();
        let mut streams = jetstream.streams();
        while let Some(stream) = streams.next().await {
            let stream = stream.unwrap();
            let name = &stream.config.name;
            state.push(format!("{name} {:?}", stream.state));
            let stream = jetstream.get_stream(name).await.unwrap();
            let mut consumers = stream.consumers();
            while let Some(consumer) = consumers.next().await {
                let it = consumer.unwrap();
                let (delivered, floor) = (it.delivered, it.ack_floor);
                let numbers = [delivered.stream_sequence, delivered.consumer_sequence];
                let floors = [floor.stream_sequence, floor.consumer_sequence];
                let counts =
                    (it.num_ack_pending, it.num_redelivered, it.num_waiting, it.num_pending);
                state.push(format!("{name} {} {numbers:?} {floors:?} {counts:?}", it.name));
            }
        }
        state.sort();
        state
    }
}

/// What is missing, of each line.
#[track_caller]
fn missing(said: &Said) -> Vec<String> {
    assert_eq!(said.err, "", "{said:?}");
    let lines = said.out.lines().filter_map(|line| line.strip_prefix("missing  "));
    let missing: Vec<_> = lines.map(|line| line.split('`').nth(1).unwrap().to_owned()).collect();
    assert_eq!(said.code, i32::from(!missing.is_empty()), "{said:?}");
    missing
}

#[tokio::test]
async fn a_login_as_it_is_rendered_lacks_nothing_and_is_checked_without_effect() {
    let provisioned = Provisioned::start();
    let payment = ConnectOptions::with_nkey(provisioned.folder.seed("payment"));
    let payment = payment.connect(provisioned.server.url()).await.unwrap();
    for _ in 0..3 {
        payment.request("rapids", r#"{"event":"x"}"#.into()).await.unwrap();
    }
    // One is in hand, and two wait.
    let next = "$JS.API.CONSUMER.MSG.NEXT.RAPIDS.payment";
    let inbox = payment.new_inbox();
    let mut pulled = payment.subscribe(inbox.clone()).await.unwrap();
    payment.publish_with_reply(next, inbox, r#"{"batch":1}"#.into()).await.unwrap();
    let packet = timeout(DEADLINE, pulled.next()).await.unwrap().unwrap();
    assert_eq!(packet.subject.as_str(), "rapids.from.payment");
    let before = provisioned.state().await;
    assert!(
        before.iter().any(|it| it.starts_with("RAPIDS payment [1, 1] [0, 0] (1, ")),
        "{before:?}"
    );

    let said = provisioned.doctor("payment");
    assert_eq!(missing(&said), [""; 0]);
    let lines = said.lines();
    assert_eq!(
        lines[0],
        "payment, as `access.toml` declares it: shared; remembers paid; runs once; sets timers"
    );
    for words in [
        "STATE  WHAT",
        "ok     publish to `rapids`",
        "ok     publish to `$JS.ACK.RAPIDS.payment.>`",
        "ok     publish to `later.payment.*`",
        "ok     subscribe to `$SRV.>`",
        "ok     version",
        "ok     clock",
        "ok     TLS",
        "ok     round trip",
        "ok     storage",
        "?      sync_interval",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(words)), "{words} in {}", said.out);
    }
    let unknown: Vec<_> = lines.iter().filter(|line| line.starts_with('?')).collect();
    assert_eq!(unknown.len(), 1, "{unknown:?}");

    // One in exclusive delivery, which reads what another remembers.
    let said = provisioned.doctor("map");
    assert_eq!(missing(&said), [""; 0]);
    assert!(said.out.contains("?      subscribe to `rapids.live`"), "{said:?}");
    assert_eq!(provisioned.state().await, before);
}

#[tokio::test]
async fn an_import_that_is_missing_is_told_and_no_other() {
    let provisioned = Provisioned::start();
    let removed = [
        "$JS.ACK.REPLAYS.payment.>",
        "$JS.API.CONSUMER.MSG.NEXT.RAPIDS.payment",
        "$JS.API.DIRECT.GET.KV_RAPIDS_HANDLING.$KV.RAPIDS_HANDLING.payment.>",
        "$JS.API.DIRECT.GET.RAPIDS",
        "$JS.API.STREAM.INFO.REPLAYS",
        "$JS.API.STREAM.MSG.GET.RAPIDS",
        "$KV.RAPIDS_MEMORY_payment.>",
        "$KV.RAPIDS_ONCE.payment.>",
        "dead_letters.payment.>",
        "later.payment.*",
    ];
    for subject in removed {
        let imports = format!("subject: \"{subject}\"");
        let less = provisioned.without(|line| line.contains(&imports));
        assert_eq!(missing(&less.doctor("payment")), [subject]);
    }
    let less = provisioned.without(|line| {
        removed.iter().any(|subject| line.contains(&format!("subject: \"{subject}\"")))
    });
    let said = less.doctor("payment");
    assert_eq!(missing(&said), removed);
    let remedies: Vec<_> =
        said.out.lines().filter(|line| line.contains("`rapids access render`")).collect();
    assert_eq!(remedies.len(), removed.len(), "{said:?}");
    let end = ", run `rapids access render`, and reload the server";
    assert_eq!(remedies[0], format!("  ! see that `access.toml` has [services.payment]{end}"));
    let timers =
        format!("  ! see that [services.payment] in `access.toml` has `timers = true`{end}");
    assert_eq!(*remedies.last().unwrap(), timers);
}

#[tokio::test]
async fn a_permission_that_is_missing_is_told_and_no_other() {
    let removed = ["$JS.ACK.RAPIDS.payment.>", "$KV.RAPIDS_ONCE.payment.>", "later.payment.*"];
    let provisioned = Provisioned::start();
    // An import has something else in its line.
    let is_removed = |line: &str| removed.iter().any(|it| line.trim() == format!("\"{it}\""));
    let less = provisioned.without(is_removed);
    assert_eq!(missing(&less.doctor("payment")), removed);
    // Where the server does not tell, it is found by trying.
    let blind = |line: &str| is_removed(line) || line.trim() == "\"$SYS.REQ.USER.INFO\"";
    let less = provisioned.without(blind);
    let before = less.state().await;
    assert_eq!(missing(&less.doctor("payment")), removed);
    assert_eq!(less.state().await, before);
}

#[tokio::test]
async fn no_service_is_asked_to_see_whether_it_may_be() {
    let provisioned = Provisioned::start_with(
        "[services.catalogue]\nanswers = ['catalogue.price']\n[services.shop]\nrequests = \
         ['catalogue.price']\n[operators.ada]\nrole = 'operator'\n",
    );
    let catalogue = ConnectOptions::with_nkey(provisioned.folder.seed("catalogue"));
    let catalogue = catalogue.connect(provisioned.server.url()).await.unwrap();
    let mut asked = catalogue.subscribe("catalogue.price").await.unwrap();
    catalogue.request("$JS.API.INFO", "".into()).await.unwrap();
    let said = provisioned.doctor("shop");
    assert_eq!(missing(&said), [""; 0]);
    let allowed = "?      publish to `catalogue.price`";
    assert!(said.lines().iter().any(|line| line.starts_with(allowed)), "{said:?}");
    let said = provisioned.doctor("catalogue");
    assert_eq!(missing(&said), [""; 0]);
    let answers = "ok     subscribe to `catalogue.price`";
    assert!(said.lines().iter().any(|line| line.starts_with(answers)), "{said:?}");
    // What was sent before would have come before this answer.
    catalogue.request("$JS.API.INFO", "".into()).await.unwrap();
    assert!(asked.next().now_or_never().is_none());
}
