//! What the server says that a user may publish and subscribe to, compared with a right.

use serde::Deserialize;

use super::right::{Right, RightKind};

/// The account of everybody where none is configured. It imports nothing.
const WITHOUT_ACCOUNTS: &str = "$G";

/// A user of an account, as the server tells it (`$SYS.REQ.USER.INFO`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct User {
    pub(crate) account: String,
    /// What the user is limited to; it may do everything in its account if nothing stands there.
    pub(crate) permissions: Limits,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Limits {
    publish: Subjects,
    subscribe: Subjects,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Subjects {
    /// All, if none stands there.
    allow: Vec<String>,
    deny: Vec<String>,
}

/// How much of a right a user has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Grant {
    All,
    /// Some of its subjects.
    Part,
    /// No subject of it is allowed.
    Nothing,
    /// All its subjects are among these, which are denied.
    Denied(String),
}

impl User {
    /// How much of this right the user has, by its permissions alone.
    pub(crate) fn has(&self, right: &Right) -> Grant {
        let subjects = match right.kind {
            RightKind::Feed => &self.permissions.subscribe,
            RightKind::Request | RightKind::Streamed => &self.permissions.publish,
        };
        subjects.grant(right.local())
    }

    /// Whether its account can have no streams but its own, so that its permissions say all.
    pub(crate) fn has_all_streams(&self) -> bool {
        self.account == WITHOUT_ACCOUNTS
    }

    /// Whether the user may publish to this subject.
    pub(crate) fn may_publish(&self, subject: &str) -> bool {
        self.permissions.publish.grant(subject) == Grant::All
    }

    /// Whether the user may subscribe to all of these subjects.
    pub(crate) fn may_subscribe(&self, subjects: &str) -> bool {
        self.permissions.subscribe.grant(subjects) == Grant::All
    }
}

impl Subjects {
    fn grant(&self, wanted: &str) -> Grant {
        // With a queue behind it, a subject is about the members of that queue.
        let plain = |subjects: &'_ [String]| -> Vec<String> {
            subjects.iter().filter(|it| !it.contains(char::is_whitespace)).cloned().collect()
        };
        let (allow, deny) = (plain(&self.allow), plain(&self.deny));
        if let Some(denied) = deny.iter().find(|denied| covers(denied, wanted)) {
            return Grant::Denied(denied.clone());
        }
        let is_free = self.allow.is_empty();
        if !is_free && !allow.iter().any(|allowed| overlaps(allowed, wanted)) {
            return Grant::Nothing;
        }
        let is_all = is_free || allow.iter().any(|allowed| covers(allowed, wanted));
        if is_all && !deny.iter().any(|denied| overlaps(denied, wanted)) {
            return Grant::All;
        }
        Grant::Part
    }
}

/// Whether a pattern matches all that another one matches.
pub(crate) fn covers(pattern: &str, wanted: &str) -> bool {
    let (mut pattern, mut wanted) = (pattern.split('.'), wanted.split('.'));
    loop {
        match (pattern.next(), wanted.next()) {
            (None, None) | (Some(">"), Some(_)) => return true,
            (Some("*"), Some(token)) if token != ">" => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Whether there is a subject that both match.
fn overlaps(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        match (one.next(), other.next()) {
            (None, None) | (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some(one), Some(other)) if one == other || one == "*" || other == "*" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(allow: &[&str], deny: &[&str], wanted: &str) -> Grant {
        let all = |subjects: &[&str]| subjects.iter().map(|it| (*it).to_owned()).collect();
        Subjects { allow: all(allow), deny: all(deny) }.grant(wanted)
    }

    #[test]
    fn a_pattern_covers_what_all_its_subjects_match() {
        for (pattern, wanted, is_covered, do_overlap) in [
            ("rapids", "rapids", true, true),
            ("rapids", "rapids.live", false, false),
            (">", "$KV.a.b", true, true),
            ("$KV.>", "$KV.a.>", true, true),
            ("$KV.a.>", "$KV.>", false, true),
            ("$KV.>", "$KV", false, false),
            ("$KV.*.payment.>", "$KV.RAPIDS_ONCE.payment.>", true, true),
            ("$KV.*.payment", "$KV.RAPIDS_ONCE.payment.>", false, false),
            ("later.*.*", "later.payment.*", true, true),
            ("later.payment.due", "later.payment.*", false, true),
            ("later.*", "later.>", false, true),
            ("later.*.*", "later.payment.>", false, true),
            ("later.map.*", "later.payment.*", false, false),
        ] {
            assert_eq!(covers(pattern, wanted), is_covered, "{pattern} covers {wanted}");
            assert_eq!(overlaps(pattern, wanted), do_overlap, "{pattern} overlaps {wanted}");
            assert_eq!(overlaps(wanted, pattern), do_overlap, "{wanted} overlaps {pattern}");
        }
    }

    #[test]
    fn what_is_denied_counts_more_than_what_is_allowed() {
        let wanted = "$KV.RAPIDS_ONCE.payment.>";
        assert_eq!(grant(&[], &[], wanted), Grant::All);
        assert_eq!(grant(&["$KV.>"], &["$JS.>"], wanted), Grant::All);
        assert_eq!(grant(&["rapids"], &[], wanted), Grant::Nothing);
        assert_eq!(grant(&["$KV.RAPIDS_ONCE.payment.charge.>"], &[], wanted), Grant::Part);
        let denied = grant(&["$KV.>"], &["$KV.RAPIDS_ONCE.>"], wanted);
        assert_eq!(denied, Grant::Denied("$KV.RAPIDS_ONCE.>".to_owned()));
        assert_eq!(grant(&[], &["$KV.RAPIDS_ONCE.payment.x.>"], wanted), Grant::Part);
        // For members of a queue alone.
        assert_eq!(grant(&["rapids.live workers"], &[], "rapids.live"), Grant::Nothing);
        assert_eq!(grant(&[], &["rapids.live workers"], "rapids.live"), Grant::All);
    }

    #[test]
    fn what_the_server_tells_is_read() {
        let told = r#"{"user": "payment", "account": "PAYMENT", "permissions": {
            "publish": {"allow": ["rapids"], "deny": ["$KV.x"]}, "subscribe": {"allow": ["_INBOX.\u003e"]},
            "responses": {"max": 1, "ttl": 5000000000}}}"#;
        let user: User = serde_json::from_str(told).unwrap();
        assert_eq!(user.account, "PAYMENT");
        assert_eq!(user.has(&Right::request("rapids")), Grant::All);
        assert_eq!(user.has(&Right::request("rapids.live")), Grant::Nothing);
        assert_eq!(user.has(&Right::feed("rapids.live")), Grant::Nothing);
        assert!(user.may_subscribe("_INBOX.>") && !user.may_subscribe("$SRV.>"));
        let free: User = serde_json::from_str(r#"{"account": "$G"}"#).unwrap();
        assert_eq!(free.has(&Right::feed("rapids.live")), Grant::All);
    }
}
