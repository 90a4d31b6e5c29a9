//! Checks the rights of a service: what the server tells of its user, and what trying tells.

use std::collections::HashMap;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::stream::Config as StreamConfig;
use futures::future::join_all;
use serde::Deserialize;

use super::probes::{Behind, probe};
use crate::access::{Grant, Holder, Lack, Right, ServiceAccess, User, Why};
use crate::connection::{Connection, Probe, Reply};
use crate::jetstream::api;
use crate::jetstream::form::Form;
use crate::names::STREAM;

/// Asks the server what a user may do.
pub(super) const USER_INFO: &str = "$SYS.REQ.USER.INFO";
/// On these a service is asked how it is.
const QUESTIONS: &str = "$SRV.>";

/// What was found out about the rights of a service.
#[derive(Debug)]
pub(crate) struct RightsReport {
    pub(crate) rights: Vec<Checked>,
    /// Whether each publisher has a subject, and `rapids access` writes the accounts.
    pub(crate) is_secured: bool,
    /// Whether it may be asked how it is, which it can do without; `None` if that is not told.
    pub(crate) may_be_asked: Option<bool>,
}

/// A right, and whether the login has it.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) right: Right,
    pub(crate) state: State,
}

/// Whether a login has a right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Granted,
    /// Some of its subjects, which may do: a service need not use all.
    InPart,
    /// Certainly not.
    Lacking(Why),
    /// It cannot be told, for this reason.
    Untold(&'static str),
}

/// Why it cannot be told whether a login has a right.
const NOT_THERE: &str = "not tried, as what it is about is not there yet";
const NOT_KNOWN: &str = "nobody answers, and whether what it is about is there is not told";
const SILENT: &str = "no answer came in time";
const NO_TRIAL: &str = "the server does not tell, and to try it would change something";
const NOT_TRIED: &str = "allowed; whether it is imported shows once it is used";

impl RightsReport {
    /// What the login certainly lacks.
    pub(crate) fn lacks(&self) -> Vec<Lack> {
        let lacking = self.rights.iter().filter_map(|Checked { right, state }| match state {
            State::Lacking(why) => Some(Lack { right: right.clone(), why: why.clone() }),
            _ => None,
        });
        lacking.collect()
    }

    /// Whether something could not be tried, as it is not there yet.
    pub(crate) fn is_early(&self) -> bool {
        self.rights.iter().any(|checked| checked.state == State::Untold(NOT_THERE))
    }

    /// Whether it cannot be told at present whether the login has this right.
    pub(crate) fn is_untold(&self, right: &Right) -> bool {
        let is_meant = |checked: &&Checked| checked.right == *right;
        let found = self.rights.iter().find(is_meant);
        found.is_none_or(|checked| matches!(checked.state, State::Untold(_)))
    }

    pub(crate) fn holder<'a>(&self, name: &'a str, access: &'a ServiceAccess) -> Holder<'a> {
        Holder { name, access, is_secured: self.is_secured }
    }
}

/// Checks all rights of the service of this name. Changes nothing, and takes seconds at most.
pub(crate) async fn check(
    connection: &Connection,
    name: &str,
    access: &ServiceAccess,
) -> RightsReport {
    let user = user(connection).await;
    let rapids = rapids(connection, user.as_ref()).await;
    let is_provisioned = connection.provision().is_provisioned;
    let form = rapids.map(|Settings { subjects, .. }| {
        Form::of(&StreamConfig { subjects, ..StreamConfig::default() })
    });
    // Where that is not told, the account tells: those that are written are called after their services.
    let own_account = user.as_ref().is_some_and(|user| user.account == name.to_uppercase());
    let is_secured = form.map_or(own_account, |form| form == Form::Secured);
    let rights = match is_secured {
        true => access.rights(name),
        false => access.rights_in_simple_form(name, !is_provisioned),
    };
    // Those on a mirror in another JetStream are not told of by the one that is asked here.
    let elsewhere = connection.mirror().filter(|mirror| mirror.domain.is_some());
    let is_here = |right: &Right| {
        elsewhere.is_none_or(|mirror| !right.subject.split('.').any(|it| it == mirror.stream))
    };
    let tried = join_all(
        rights
            .into_iter()
            .filter(is_here)
            .map(|right| Trial::of(connection, user.as_ref(), right, is_secured)),
    )
    .await;
    let known = Known::of(&tried);
    let judged = tried.into_iter().filter(|trial| is_secured || known.needs(&trial.right));
    let rights = judged.map(|trial| {
        let state = trial.state(&known, is_secured);
        Checked { right: trial.right, state }
    });
    let answered = access.answered().map(|right| {
        let trial = Trial { grant: user.as_ref().map(|user| user.has(&right)), right, tried: None };
        let state = trial.state(&known, false);
        Checked { right: trial.right, state }
    });
    RightsReport {
        rights: rights.chain(answered).collect(),
        is_secured,
        may_be_asked: user.map(|user| user.may_subscribe(QUESTIONS)),
    }
}

/// What the server tells of the user, if it does.
async fn user(connection: &Connection) -> Option<User> {
    #[derive(Deserialize)]
    struct Answer {
        data: User,
    }
    let Reply::Answer(answer) = connection.probe(&Probe::new(USER_INFO, "")).await else {
        return None;
    };
    Some(serde_json::from_slice::<Answer>(&answer.payload).ok()?.data)
}

/// The settings of the rapids, if they are told.
async fn rapids(connection: &Connection, user: Option<&User>) -> Option<Settings> {
    let subject = connection.api(&format!("STREAM.INFO.{STREAM}"));
    if user.is_some_and(|user| !user.may_publish(&subject)) {
        return None;
    }
    match connection.probe(&Probe::new(subject, "")).await {
        Reply::Answer(answer) => Answer::read(&answer.payload).config,
        _ => None,
    }
}

/// What the API answers, as far as it is of interest.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    error: Option<async_nats::jetstream::Error>,
    /// Of a stream, or a consumer.
    config: Option<Settings>,
}

/// The settings of a stream that are of interest.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    subjects: Vec<String>,
    num_replicas: usize,
}

impl Answer {
    /// What is no such answer says nothing.
    fn read(payload: &[u8]) -> Self {
        serde_json::from_slice(payload).unwrap_or_default()
    }

    fn is(&self, code: ErrorCode) -> bool {
        self.error.as_ref().is_some_and(|error| error.error_code() == code)
    }
}

/// A right, and what came of trying it.
struct Trial {
    right: Right,
    grant: Option<Grant>,
    tried: Option<(Behind, Reply)>,
}

impl Trial {
    async fn of(
        connection: &Connection,
        user: Option<&User>,
        right: Right,
        is_secured: bool,
    ) -> Self {
        let on_server = Right { to: Some(local(connection, &right)), ..right.clone() };
        let grant = user.map(|user| user.has(&on_server));
        let probe = match grant {
            None | Some(Grant::All) => probe(&right, is_secured, |it| connection.api(it)),
            // The server would log it.
            _ => None,
        };
        // Plain subscribers see what is sent to a stream, so that is not done where nothing is to be learnt.
        let is_settled = user.is_some_and(User::has_all_streams);
        let probe = probe.filter(|(_, behind)| *behind == Behind::Api || !is_settled);
        let tried = match probe {
            Some((probe, behind)) => Some((behind, connection.probe(&probe).await)),
            None => None,
        };
        Self { right, grant, tried }
    }

    fn state(&self, known: &Known, is_secured: bool) -> State {
        match (&self.grant, &self.tried) {
            (Some(Grant::Nothing), _) | (_, Some((_, Reply::Refused))) => {
                State::Lacking(Why::NotAllowed)
            }
            (Some(Grant::Denied(by)), _) => State::Lacking(Why::Denied(by.clone())),
            (Some(Grant::Part), _) => State::InPart,
            (_, Some((_, Reply::Answer(answer)))) => {
                match Answer::read(&answer.payload).is(ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT)
                {
                    // The answer of the own account, which has no streams.
                    true => State::Lacking(Why::NotImported),
                    false => State::Granted,
                }
            }
            (_, Some((behind, Reply::Nobody))) => known.without_anybody(behind),
            (_, Some((_, Reply::Silence))) => State::Untold(SILENT),
            (Some(Grant::All), None) if is_secured => State::Untold(NOT_TRIED),
            (Some(Grant::All), None) => State::Granted,
            (None, None) => State::Untold(NO_TRIAL),
        }
    }
}

/// The subject of a right, as the connection has it: a domain has its own prefix.
fn local(connection: &Connection, right: &Right) -> String {
    let local = right.local();
    local.strip_prefix("$JS.API.").map_or(local.to_owned(), |request| connection.api(request))
}

/// What is there, as the answers have shown.
#[derive(Debug, Default)]
struct Known {
    /// Each stream with its replicas; 0 for one that is not there.
    streams: HashMap<String, usize>,
    /// Each consumer, and whether it is there, by `<stream>.<consumer>`.
    consumers: HashMap<String, bool>,
    /// Whether the API has answered at all.
    has_api: bool,
}

impl Known {
    fn of(trials: &[Trial]) -> Self {
        let mut known = Self::default();
        for Trial { right, tried, .. } in trials {
            let Some((behind, Reply::Answer(answer))) = tried else { continue };
            known.has_api |= *behind == Behind::Api;
            let answer = Answer::read(&answer.payload);
            let request = right.subject.strip_prefix("$JS.API.").unwrap_or_default();
            if let Some(stream) = request.strip_prefix("STREAM.INFO.") {
                let replicas = answer.config.as_ref().map(|config| config.num_replicas.max(1));
                let replicas = match answer.is(ErrorCode::STREAM_NOT_FOUND) {
                    true => Some(0),
                    false => replicas,
                };
                known.streams.extend(replicas.map(|replicas| (stream.to_owned(), replicas)));
            } else if let Some(consumer) = request.strip_prefix("CONSUMER.INFO.") {
                let is_absent = answer.error.as_ref().is_some_and(api::is_absent);
                if is_absent || answer.error.is_none() {
                    known.consumers.insert(consumer.to_owned(), !is_absent);
                }
            }
        }
        known
    }

    /// What it means that nobody has answered.
    fn without_anybody(&self, behind: &Behind) -> State {
        let is_there = match behind {
            Behind::Api => self.has_api.then_some(true),
            Behind::Stream(stream) => self.streams.get(stream).map(|replicas| *replicas > 0),
            Behind::Consumer(stream, consumer) => {
                self.consumers.get(&format!("{stream}.{consumer}")).copied()
            }
        };
        match is_there {
            Some(true) => State::Lacking(Why::NotImported),
            Some(false) => State::Untold(NOT_THERE),
            None => State::Untold(NOT_KNOWN),
        }
    }

    /// Whether a service needs the right as things are. Only where a bucket has replicas, which may be behind,
    /// its leader is asked.
    fn needs(&self, right: &Right) -> bool {
        let bucket = right.subject.strip_prefix("$JS.API.STREAM.MSG.GET.");
        let bucket = bucket.filter(|stream| stream.starts_with("KV_"));
        bucket.is_none_or(|bucket| self.streams.get(bucket).is_some_and(|it| *it > 1))
    }
}
