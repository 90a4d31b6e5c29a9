//! `rapids operations`: jobs that are paused, taken over and ended, and the log of all that was done.

use crate::letters::Letters;
use crate::program::Program;

impl Letters {
    fn operations(&self, arguments: &[&str]) -> crate::bench::Said {
        self.bench.said(&[&["operations"], arguments].concat())
    }

    /// The jobs as JSON.
    fn jobs(&self) -> Vec<serde_json::Value> {
        let said = self.operations(&["jobs", "-o", "json"]).well(0);
        said.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_job_that_was_interrupted_is_gone_on_with() {
    let letters = Letters::start().await;
    letters.put_all(1..=20).await;
    letters.operations(&["jobs"]).well_with(0, "there is no job\n");
    letters.operations(&["log"]).well_with(0, "nothing was done\n");
    let mut command = letters.command(&["replay", "--all", "--rate", "5", "--reason", "again"]);
    let mut replaying = Program::start(&mut command);
    replaying.line().await;
    replaying.interrupt();
    let (code, rest, words) = replaying.end().await;
    assert_eq!(code, Some(130), "{words}");
    let job = letters.jobs().remove(0);
    let id = job["id"].as_str().unwrap();
    assert_eq!((&job["state"], &job["planned"]), (&"paused".into(), &20.into()));
    assert_eq!(job["done"], 1 + rest.len());
    let resumed = letters.operations(&["resume", id, "--reason", "back from lunch"]);
    assert_eq!((resumed.code, &*resumed.err), (0, "20 of 20 letters replayed\n"));
    assert_eq!(resumed.lines().len(), 20 - 1 - rest.len());
    assert_eq!(letters.replays().await, 20);
    letters.operations(&["resume", id]).badly(1, &["is done already"]);
    letters.operations(&["cancel", "0badc0de"]).badly(5, &["job `0badc0de` does not exist"]);
    let log = letters.operations(&["log", "-o", "json"]).well(0);
    let done: Vec<serde_json::Value> =
        log.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let what: Vec<_> = done.iter().map(|it| it["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["begin_job", "pause_job", "resume_job", "finish_job"]);
    assert_eq!((&done[0]["why"], &done[2]["why"]), (&"again".into(), &"back from lunch".into()));
    assert_eq!(done[3]["outcome"], "20 of 20 done");
    assert!(done.iter().all(|it| it["target"] == id && it["who"].as_str().is_some()));
}

#[tokio::test]
async fn a_job_whose_process_was_killed_is_gone_on_with_and_each_letter_is_sent_once() {
    let letters = Letters::start().await;
    letters.put_all(1..=200).await;
    let mut replaying = Program::start(&mut letters.command(&["replay", "--all", "--rate", "100"]));
    for _ in 0..50 {
        replaying.line().await;
    }
    // Kills it.
    drop(replaying);
    let job = letters.jobs().remove(0);
    assert_eq!(job["state"], "running");
    let id = job["id"].as_str().unwrap().to_owned();
    let mut resuming = Program::start(&mut letters.bench.command(&["operations", "resume", &id]));
    assert!(resuming.line().await.ends_with(" replayed"));
    let (code, _, words) = resuming.end().await;
    assert_eq!((code, words.as_str()), (Some(0), "200 of 200 letters replayed\n"));
    assert_eq!(letters.replays().await, 200);
    let waiting = letters.said(&["list", "--state", "waiting", "-o", "json"]);
    assert_eq!(waiting.out, "");
}

#[tokio::test]
async fn a_job_is_paused_and_cancelled_from_elsewhere() {
    let letters = Letters::start().await;
    letters.put_all(1..=50).await;
    let discard = ["discard", "--all", "--rate", "10", "--reason", "test"];
    let mut discarding = Program::start(&mut letters.command(&discard));
    discarding.line().await;
    let id = letters.jobs()[0]["id"].as_str().unwrap().to_owned();
    let pause = ["pause", &id, "--by", "bob", "--reason", "wrong letters"];
    let paused = letters.operations(&pause).well(0).out;
    assert!(paused.starts_with(&format!("job {id} is paused: ")), "{paused}");
    let (code, _, words) = discarding.end().await;
    assert_eq!(code, Some(1), "{words}");
    assert!(words.starts_with("error: paused by bob: wrong letters: "), "{words}");
    assert!(words.contains(&format!("`rapids operations resume {id}` does the rest")), "{words}");
    letters.operations(&["cancel", &id]).well(0);
    assert_eq!(letters.jobs()[0]["state"], "cancelled");
    let listed = letters.operations(&["jobs"]).well(0).out;
    assert!(listed.contains("cancelled") && listed.contains("discard"), "{listed}");
    let restored = letters.said(&["restore", "--all", "--reason", "were right"]);
    assert!(restored.code == 0 && restored.err.ends_with(" letters restored\n"), "{restored:?}");
    assert!(restored.out.contains("payment.charge.1 restored\n"), "{restored:?}");
    let waiting = letters.said(&["list", "--state", "waiting", "-o", "json"]);
    assert_eq!(waiting.lines().len(), 50);
}
