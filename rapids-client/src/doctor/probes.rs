//! How a right is tried without effect: the request for each, and what it depends on.
//!
//! Pure. Each was tried on a server: what it answers, and that nothing is stored, delivered or acknowledged.

use async_nats::HeaderMap;
use async_nats::header::NATS_EXPECTED_STREAM;

use crate::access::{Right, RightKind};
use crate::connection::Probe;
use crate::names::{
    DEAD_LETTER_PREFIX, DEAD_LETTERS, LATER, LATER_PREFIX, STREAM, SUBJECT, later_of,
};

/// Stands where a right has a wildcard. No service, river or key is called so.
const ANY: &str = "RIGHTS";
/// No stream can be called so; what expects it is refused by the stream that the subject leads to.
const NO_STREAM: &str = "(none)";
/// Incomplete JSON. A request for messages that is no JSON at all would be served.
const INCOMPLETE: &str = "{";
/// An acknowledgement says which packet it is about. This one is about none that ever was.
const NO_PACKET: &str = "1.9223372036854775807.9223372036854775807.0.0";
/// It goes on with that packet. All else that can be said about a packet would end something.
const IN_PROGRESS: &str = "+WPI";

/// What a probe is answered by, beside the server's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Behind {
    /// The API, which answers whatever is there.
    Api,
    /// A stream; without it there is nobody.
    Stream(String),
    /// A consumer of a stream.
    Consumer(String, String),
}

/// How a right is tried, and what answers; `None` if nothing that can be sent has no effect.
///
/// `api` gives the subject of a request to the API, which a domain has under another prefix.
pub(super) fn probe(
    right: &Right,
    is_secured: bool,
    api: impl Fn(&str) -> String,
) -> Option<(Probe, Behind)> {
    if right.kind == RightKind::Feed {
        return None;
    }
    let local = right.local();
    if let Some(request) = local.strip_prefix("$JS.API.") {
        return of_request(request, api);
    }
    let stream = |name: &str| Some(Behind::Stream(name.to_owned()));
    let tokens: Vec<&str> = local.split('.').collect();
    let behind = match tokens.as_slice() {
        ["$JS", "ACK", stream, consumer, ..] => {
            let subject = local.replace('>', NO_PACKET);
            let probe = Probe::new(subject, IN_PROGRESS);
            let probe = Probe { refused_as: Some(local.to_owned()), ..probe };
            return Some((probe, Behind::Consumer((*stream).into(), (*consumer).into())));
        }
        ["$KV", bucket, ..] => stream(&format!("KV_{bucket}")),
        _ if local.starts_with(DEAD_LETTER_PREFIX) => stream(DEAD_LETTERS),
        [_, service, _] if local.starts_with(LATER_PREFIX) && is_secured => {
            stream(&later_of(service))
        }
        _ if local.starts_with(LATER_PREFIX) => stream(LATER),
        [SUBJECT] => stream(STREAM),
        // What other services are asked, one of them would answer.
        _ => None,
    }?;
    let mut headers = HeaderMap::new();
    headers.insert(NATS_EXPECTED_STREAM, NO_STREAM);
    let probe = Probe::new(concrete(local), "");
    Some((Probe { headers: Some(headers), ..probe }, behind))
}

fn of_request(request: &str, api: impl Fn(&str) -> String) -> Option<(Probe, Behind)> {
    let tokens: Vec<&str> = request.split('.').collect();
    let stream = |name: &str| Behind::Stream(name.to_owned());
    let (body, behind) = match tokens.as_slice() {
        // A consumer of any name might be deleted, and one of any name is not there to be asked.
        ["CONSUMER", "DELETE", ..] | ["CONSUMER", "MSG", "NEXT", _, "*"] => return None,
        ["CONSUMER", "MSG", "NEXT", stream, consumer] => {
            (INCOMPLETE, Behind::Consumer((*stream).into(), (*consumer).into()))
        }
        ["DIRECT", "GET", name] => (INCOMPLETE, stream(name)),
        ["DIRECT", "GET", name, ..] => ("", stream(name)),
        ["CONSUMER", "CREATE", ..] | ["STREAM", "MSG", "GET", _] => (INCOMPLETE, Behind::Api),
        _ => ("", Behind::Api),
    };
    Some((Probe::new(api(&concrete(request)), body), behind))
}

/// A subject of those that are meant.
fn concrete(subject: &str) -> String {
    // A letter's subject has four parts.
    let rest = if subject.contains(DEAD_LETTER_PREFIX) { "RIGHTS.RIGHTS" } else { ANY };
    subject.replace('*', ANY).replace('>', rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Delivery;
    use crate::access::ServiceAccess;

    fn told(access: &ServiceAccess, is_secured: bool) -> Vec<String> {
        let rights = match is_secured {
            true => access.rights("payment"),
            false => access.rights_in_simple_form("payment", true),
        };
        let told = rights.iter().filter_map(|right| {
            let api = |request: &str| format!("$JS.API.{request}");
            let (probe, behind) = probe(right, is_secured, api)?;
            let Probe { subject, headers, body, .. } = probe;
            let expects = if headers.is_some() { " expects" } else { "" };
            Some(format!("{subject} {body}{expects} <- {behind:?}"))
        });
        told.collect()
    }

    #[test]
    fn no_probe_takes_stores_or_deletes_anything() {
        let everything = |delivery| ServiceAccess {
            delivery,
            memories: ["paid".to_owned()].into(),
            once: true,
            timers: true,
            reads: ["map".to_owned()].into(),
            requests: ["catalogue.price".to_owned()].into(),
            ..ServiceAccess::default()
        };
        for is_secured in [true, false] {
            for delivery in [Delivery::Shared, Delivery::Exclusive] {
                for line in told(&everything(delivery), is_secured) {
                    let is_harmless = line.contains(" expects")
                        || line.contains(" {")
                        || line.contains(" +WPI")
                        || line.contains(".INFO")
                        || line.starts_with("$JS.API.DIRECT.GET.");
                    assert!(is_harmless && !line.contains("DELETE"), "{line}");
                    let subject = line.split(' ').next().unwrap();
                    assert!(!subject.contains(['*', '>']), "{line}");
                }
            }
        }
    }

    #[test]
    fn each_probe_knows_what_answers_it() {
        let access = ServiceAccess { timers: true, once: true, ..ServiceAccess::default() };
        let (secured, simple) = (told(&access, true), told(&access, false));
        for (line, told) in [
            ("rapids  expects <- Stream(\"RAPIDS\")", &secured),
            ("rapids  expects <- Stream(\"RAPIDS\")", &simple),
            ("later.payment.RIGHTS  expects <- Stream(\"LATER_payment\")", &secured),
            ("later.payment.RIGHTS  expects <- Stream(\"LATER\")", &simple),
            ("$JS.API.STREAM.INFO.LATER  <- Api", &simple),
            ("$KV.RAPIDS_ONCE.payment.RIGHTS  expects <- Stream(\"KV_RAPIDS_ONCE\")", &secured),
            ("$KV.RAPIDS_SERVICES.payment  expects <- Stream(\"KV_RAPIDS_SERVICES\")", &simple),
            ("dead_letters.payment.RIGHTS.RIGHTS  expects <- Stream(\"DEAD_LETTERS\")", &secured),
            (
                "$JS.API.CONSUMER.MSG.NEXT.RAPIDS.payment { <- Consumer(\"RAPIDS\", \"payment\")",
                &simple,
            ),
            ("$JS.API.STREAM.MSG.GET.RAPIDS { <- Api", &secured),
            (
                "$JS.ACK.RAPIDS.payment.1.9223372036854775807.9223372036854775807.0.0 +WPI <- \
                 Consumer(\"RAPIDS\", \"payment\")",
                &secured,
            ),
        ] {
            assert!(told.iter().any(|it| it == line), "{line} in {told:#?}");
        }
    }
}
