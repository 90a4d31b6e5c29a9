//! How a server stands, as far as a login is told.

use std::time::{Duration, Instant};

use async_nats::jetstream::account::Account;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::finding::{Assessment, Finding};
use super::monitored;
use super::rights::USER_INFO;
use crate::connection::{Allowance, Connection, Probe, Reply, release};
use crate::names::STREAM;

/// The oldest version that does all that the library needs: batches that are stored as a whole, and timers.
const OLDEST: [u64; 2] = [2, 12];
/// How often the clock is asked for; the answer that came soonest counts.
const SAMPLES: usize = 5;
/// By how much clocks may differ: timers are set by the one, and fire by the other.
const DIFFERENCE: Duration = Duration::from_secs(1);
/// From this share of a limit on, in percent, it is told of.
const NEARLY: u64 = 80;

/// Looks at everything, as far as this address of the server is told, and that of its monitoring pages.
pub(super) async fn look_at(
    connection: &Connection,
    (url, monitoring): (&str, Option<&str>),
) -> Vec<Finding> {
    let mut findings = vec![version(&connection.server_version()), tls(connection, url)];
    match sample(connection).await {
        Some(sample) => findings.extend([way(&sample), clock(&sample)]),
        None => findings.push(
            Finding::of(Assessment::Unknown, "clock", "not told to this login").with_remedy(
                "allow its user `publish: {allow: [\"$SYS.REQ.USER.INFO\"]}`, which tells the time, too",
            ),
        ),
    }
    findings.push(largest_message(connection.max_payload()));
    findings.extend(limits(connection).await);
    findings.push(match monitoring {
        Some(url) => monitored::sync_interval(url).await,
        None => monitored::untold(),
    });
    findings
}

fn version(version: &str) -> Finding {
    let [major, minor] = OLDEST;
    if release(version) >= OLDEST {
        return Finding::well("version", version);
    }
    Finding::of(Assessment::Missing, "version", version)
        .with_remedy(format!("replace the server by one of {major}.{minor} or newer"))
}

fn tls(connection: &Connection, url: &str) -> Finding {
    if connection.uses_tls() {
        return Finding::well("TLS", "in use");
    }
    let hosts = ["//127.0.0.1:", "//localhost:", "//[::1]:"];
    let is_local = |url: &str| hosts.iter().any(|host| url.contains(host));
    if url.split(',').all(is_local) {
        return Finding::well("TLS", "not in use, and the server is on this machine");
    }
    let found = "not in use: logins and packets can be read on their way";
    Finding::of(Assessment::Less, "TLS", found).with_remedy(
        "give the server certificates (`rapids access certificates`), and NATS_CA to its clients",
    )
}

/// The server's time at one moment.
struct Sample {
    round_trip: Duration,
    /// By how much the server's clock is ahead of that of this machine; known up to half a round trip.
    ahead: SignedDuration,
}

/// Asks for the time several times; the sample of the shortest round trip.
async fn sample(connection: &Connection) -> Option<Sample> {
    let stream = connection.api(&format!("STREAM.INFO.{STREAM}"));
    let mut best: Option<Sample> = None;
    for subject in [stream.as_str(), USER_INFO] {
        for _ in 0..SAMPLES {
            let Some(sample) = sample_once(connection, subject).await else { break };
            if best.as_ref().is_none_or(|best| sample.round_trip < best.round_trip) {
                best = Some(sample);
            }
        }
        if best.is_some() {
            return best;
        }
    }
    None
}

async fn sample_once(connection: &Connection, subject: &str) -> Option<Sample> {
    #[derive(Deserialize)]
    struct Answer {
        /// Of a stream.
        ts: Option<Timestamp>,
        /// Of the server itself.
        server: Option<Server>,
    }
    #[derive(Deserialize)]
    struct Server {
        time: Timestamp,
    }
    let (asked, since) = (Timestamp::now(), Instant::now());
    let Reply::Answer(answer) = connection.probe(&Probe::new(subject, "")).await else {
        return None;
    };
    let round_trip = since.elapsed();
    let answer: Answer = serde_json::from_slice(&answer.payload).ok()?;
    let time = answer.ts.or(answer.server.map(|server| server.time))?;
    let middle = asked.checked_add(round_trip / 2).ok()?;
    Some(Sample { round_trip, ahead: time.duration_since(middle) })
}

fn way(sample: &Sample) -> Finding {
    Finding::well("round trip", milliseconds(sample.round_trip))
}

fn clock(Sample { round_trip, ahead }: &Sample) -> Finding {
    let (difference, doubt) = (ahead.unsigned_abs(), *round_trip / 2);
    let than = if ahead.is_negative() { "behind" } else { "ahead of" };
    let found = format!(
        "the server's is {} {than} that of this machine, give or take {}",
        milliseconds(difference),
        milliseconds(doubt)
    );
    if difference <= DIFFERENCE + doubt {
        return Finding::well("clock", found);
    }
    Finding::of(Assessment::Missing, "clock", found)
        .with_remedy("set both right, by NTP: timers are set by the one, and fire by the other")
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

fn largest_message(bytes: usize) -> Finding {
    Finding::well("largest message", format!("{bytes} bytes (`max_payload`)"))
}

/// The limits of the account with the streams.
async fn limits(connection: &Connection) -> Vec<Finding> {
    let subject = connection.api("INFO");
    let asking = connection.jetstream.query_account();
    match connection.attempt("read the limits", &subject, asking).await {
        Ok(account) => {
            let replicas = connection.provision().replicas.unwrap_or(1);
            of_account(&account, replicas)
        }
        Err(_) => {
            let finding = Finding::of(Assessment::Unknown, "limits", "not told to this login");
            vec![finding.with_remedy("allow its user `publish: {allow: [\"$JS.API.INFO\"]}`")]
        }
    }
}

fn of_account(account: &Account, replicas: usize) -> Vec<Finding> {
    let allowance = Allowance::new(account, replicas);
    let tier = account.tiers.get(&format!("R{replicas}"));
    let (streams, consumers) =
        tier.map_or((account.streams, account.consumers), |tier| (tier.streams, tier.consumers));
    let storage = allowance.storage.map(|(limit, left)| (limit.saturating_sub(left), limit));
    vec![
        of_limit("storage", "bytes", storage),
        of_limit("streams", "streams", allowance.streams.map(|limit| (streams as u64, limit))),
        of_limit("consumers", "consumers", allowance.consumers.map(|it| (consumers as u64, it))),
    ]
}

fn of_limit(what: &str, unit: &str, limit: Option<(u64, u64)>) -> Finding {
    let Some((used, limit)) = limit else {
        return Finding::well(what, "the account has no limit");
    };
    let found = format!("{used} of {limit} {unit} are in use");
    if used >= limit {
        return Finding::of(Assessment::Missing, what, found)
            .with_remedy("raise the account's limit, or make room");
    }
    if u128::from(used) * 100 >= u128::from(limit) * u128::from(NEARLY) {
        return Finding::of(Assessment::Less, what, found)
            .with_remedy("raise the account's limit before it is reached");
    }
    Finding::well(what, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_too_old_is_told() {
        for (text, assessment) in [
            ("2.15.1", Assessment::Well),
            ("2.12.0-RC.2", Assessment::Well),
            ("3.0.0", Assessment::Well),
            ("2.11.9", Assessment::Missing),
            ("", Assessment::Missing),
        ] {
            assert_eq!(version(text).assessment, assessment, "{text}");
        }
    }

    #[test]
    fn a_clock_is_wrong_once_it_differs_by_more_than_the_way_explains() {
        let told = |ahead: i64, round_trip: u64| {
            let ahead = SignedDuration::from_millis(ahead);
            clock(&Sample { round_trip: Duration::from_millis(round_trip), ahead })
        };
        assert_eq!(told(3, 4).assessment, Assessment::Well);
        assert_eq!(told(-1_400, 1_000).assessment, Assessment::Well);
        let wrong = told(-1_400, 4);
        assert_eq!(wrong.assessment, Assessment::Missing);
        let words = "the server's is 1400.0 ms behind that of this machine, give or take 2.0 ms";
        assert_eq!(wrong.found, words);
    }

    #[test]
    fn a_limit_is_told_of_before_it_is_reached() {
        let told = |limit| of_limit("streams", "streams", limit).assessment;
        assert_eq!(told(None), Assessment::Well);
        assert_eq!(told(Some((79, 100))), Assessment::Well);
        assert_eq!(told(Some((80, 100))), Assessment::Less);
        assert_eq!(told(Some((100, 100))), Assessment::Missing);
    }
}
