//! The accounts as nats-server reads them: one for each service and each program from outside, and the
//! one with the streams, in which people log in.
//!
//! Pure. The same declaration and the same keys make the same text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::Result;
use rapids_client::access::{Access, Permissions, Right, RightKind};

/// How many connections an account may have, so that none of them can take all that the server has.
const MAX_CONNECTIONS: usize = 256;

/// The largest message, as in the server's own configuration.
const MAX_PAYLOAD: &str = "1MB";

/// How often and how long whoever is asked may answer.
const RESPONSES: &str = r#"{max: 1, expires: "5s"}"#;

const HEADER: &str = "\
# Made by `rapids access render`; what is changed here is lost with the next run. nats-server includes it:
#   include \"access.conf\"
# After a change: `nats-server --signal reload`. There are public keys here, and no secrets.
accounts {
";

/// The account with the streams.
const STREAMS: &str = "RAPIDS";

/// An account of its own.
struct Account<'a> {
    name: &'a str,
    rights: Vec<Right>,
    /// If it is a service, the subjects on which it answers. It tells how it is, too.
    answers: Option<&'a BTreeSet<String>>,
}

impl Account<'_> {
    /// What the server calls it.
    fn title(&self) -> String {
        self.name.to_uppercase()
    }

    /// The subjects on which it answers requests that are no packets.
    fn own_subjects(&self) -> impl Iterator<Item = &str> {
        self.answers.into_iter().flatten().map(String::as_str)
    }
}

/// The text of the file. `public_key` is asked for each name.
///
/// # Errors
/// Those of `public_key`.
pub(crate) fn accounts(
    access: &Access,
    public_key: impl Fn(&str) -> Result<String>,
) -> Result<String> {
    let services = access.services.iter().map(|(name, service)| Account {
        name,
        rights: service.rights(name),
        answers: Some(&service.answers),
    });
    let publishers = access.publishers.iter().map(|(name, publisher)| Account {
        name,
        rights: publisher.rights(name),
        answers: None,
    });
    let own: Vec<Account<'_>> = services.chain(publishers).collect();
    let mut text = Text(HEADER.to_owned());
    streams(&mut text, access, &own, &public_key)?;
    for account in &own {
        account_of_its_own(&mut text, account, &public_key(account.name)?);
    }
    text.line(0, "}");
    Ok(text.0)
}

/// The account with the streams: people log in there, and each of the others gets its part.
fn streams(
    text: &mut Text,
    access: &Access,
    accounts: &[Account<'_>],
    public_key: impl Fn(&str) -> Result<String>,
) -> Result<()> {
    text.line(1, &format!("{STREAMS} {{"));
    text.line(2, "jetstream: enabled");
    limits(text);
    text.line(2, r#"mappings: {"rapids": "rapids.from.operators"}"#);
    text.line(2, "users: [");
    for (name, operator) in &access.operators {
        text.line(3, &format!("# {name}"));
        user(text, &public_key(name)?, &access.permissions(operator.role), None);
    }
    text.line(2, "]");
    text.line(2, "exports: [");
    for ((subject, kind), importers) in exported(accounts) {
        let importers: Vec<_> = importers.iter().map(|title| format!("\"{title}\"")).collect();
        let importers = importers.join(", ");
        let response = if kind == RightKind::Streamed { ", response_type: stream" } else { "" };
        let kind = kind.in_accounts();
        text.line(3, &format!(r#"{{{kind}: "{subject}"{response}, accounts: [{importers}]}}"#));
    }
    text.line(2, "]");
    text.line(2, "# Who asks services asks each account, and how it is by its own name alone.");
    text.line(2, "imports: [");
    for account in accounts.iter().filter(|account| account.answers.is_some()) {
        let (name, title) = (account.name, account.title());
        for subject in ["PING", "INFO", "STATS"] {
            text.line(3, &imported("service", &title, &format!("$SRV.{subject}"), None));
        }
        for subject in [format!("$SRV.*.{name}"), format!("$SRV.*.{name}.>")] {
            text.line(3, &imported("service", &title, &subject, None));
        }
        for subject in account.own_subjects() {
            text.line(3, &imported("service", &title, subject, None));
        }
    }
    text.line(2, "]");
    text.line(1, "}");
    Ok(())
}

/// Each subject that is exported, and to whom.
fn exported(accounts: &[Account<'_>]) -> BTreeMap<(String, RightKind), BTreeSet<String>> {
    let mut exported: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for account in accounts {
        for right in &account.rights {
            let key = (right.subject.clone(), right.kind);
            exported.entry(key).or_default().insert(account.title());
        }
    }
    exported
}

fn account_of_its_own(text: &mut Text, account: &Account<'_>, public_key: &str) {
    text.line(1, &format!("{} {{", account.title()));
    limits(text);
    text.line(2, "users: [");
    // All that the account imports, and said again: the server then tells a user what is missing, instead
    // of answering that nobody is there.
    let (feeds, requests): (Vec<_>, Vec<_>) =
        account.rights.iter().partition(|right| right.kind == RightKind::Feed);
    let mut permissions = Permissions {
        publish: requests.iter().map(|right| right.local().to_owned()).collect(),
        subscribe: feeds.iter().map(|right| right.local().to_owned()).collect(),
    };
    permissions.publish.push("$SYS.REQ.USER.INFO".to_owned());
    permissions.subscribe.push("_INBOX.>".to_owned());
    if account.answers.is_some() {
        permissions.subscribe.push("$SRV.>".to_owned());
    }
    permissions.subscribe.extend(account.own_subjects().map(str::to_owned));
    permissions.publish.sort();
    permissions.subscribe.sort();
    user(text, public_key, &permissions, account.answers.map(|_| RESPONSES));
    text.line(2, "]");
    if account.answers.is_some() {
        text.line(2, "exports: [");
        text.line(
            3,
            &format!(r#"{{service: "$SRV.>", response_type: stream, accounts: ["{STREAMS}"]}}"#),
        );
        for subject in account.own_subjects() {
            text.line(3, &format!(r#"{{service: "{subject}", accounts: ["{STREAMS}"]}}"#));
        }
        text.line(2, "]");
    }
    text.line(2, "imports: [");
    for right in &account.rights {
        let kind = right.kind.in_accounts();
        text.line(3, &imported(kind, STREAMS, &right.subject, right.to.as_deref()));
    }
    text.line(2, "]");
    text.line(1, "}");
}

fn imported(kind: &str, account: &str, subject: &str, to: Option<&str>) -> String {
    let to = to.map(|to| format!(r#", to: "{to}""#)).unwrap_or_default();
    format!(r#"{{{kind}: {{account: "{account}", subject: "{subject}"}}{to}}}"#)
}

fn limits(text: &mut Text) {
    let limits = format!("{{max_connections: {MAX_CONNECTIONS}, max_payload: {MAX_PAYLOAD}}}");
    text.line(2, &format!("limits: {limits}"));
}

fn user(text: &mut Text, public_key: &str, permissions: &Permissions, responses: Option<&str>) {
    text.line(3, &format!("{{nkey: {public_key}, permissions: {{"));
    for (what, subjects) in
        [("publish", &permissions.publish), ("subscribe", &permissions.subscribe)]
    {
        text.line(4, &format!("{what}: {{allow: ["));
        for subject in subjects {
            text.line(5, &format!("\"{subject}\""));
        }
        text.line(4, "]}");
    }
    if let Some(responses) = responses {
        text.line(4, &format!("allow_responses: {responses}"));
    }
    text.line(3, "}}");
}

/// A text that is written line by line.
struct Text(String);

impl Text {
    fn line(&mut self, depth: usize, line: &str) {
        writeln!(self.0, "{:width$}{line}", "", width = depth * 2).expect("a text takes any line");
    }
}
