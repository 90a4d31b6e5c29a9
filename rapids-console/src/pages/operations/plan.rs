//! The plan of a job before it is begun: how many letters, and which rivers will run.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use rapids_client::{Chosen, Filter, LetterId, NewJob, Plan, RiverName};

use super::job_row::title;
use super::to_job;
use crate::badge::Badge;
use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::guard::fields::Fields;
use crate::guard::signed::Signed;
use crate::pages::dead_letters::tagging::group_of;
use crate::pages::rendered;
use crate::text::short;
use crate::times::count;

/// So many letters can be named one by one.
const MOST_NAMED: usize = 1_000;
/// The fields that say which letters are meant.
const FIELDS: [&str; 8] = ["action", "service", "river", "kind", "cause", "q", "id", "all"];

#[derive(Template)]
#[template(path = "job_plan.html")]
struct Page {
    frame: Frame,
    title: String,
    letters: u64,
    rivers: Vec<RiverRow>,
    /// What the form sends again.
    fields: Vec<(String, String)>,
    needs_reason: bool,
    sends: bool,
}

/// A river that a job is about.
struct RiverRow {
    name: String,
    /// The river that the letters are of, where they are redirected.
    instead_of: Option<String>,
    address: String,
    letters: String,
    badge: Option<Badge>,
}

/// The plan.
pub(crate) async fn plan(
    State(console): State<Console>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Html<String>> {
    let fields = Fields::parse(query.unwrap_or_default().as_bytes());
    let job = new_job(&console, &fields).await?;
    let plan = Box::pin(console.dead_letters().await?.jobs().plan(&job)).await?;
    let frame = console.frame(&visitor, "/dead-letters");
    rendered(&Page::of(&console, frame, &job, &plan, fields))
}

/// Begins the job.
pub(crate) async fn begin(State(console): State<Console>, signed: Signed) -> Result<Redirect> {
    let mut job = new_job(&console, &signed.fields).await?;
    if signed.text("action") == "discard" {
        signed.reason()?;
    }
    if let Some(rate) = number::<f64>(&signed, "rate", "letters a second")? {
        job = job.rate(rate);
    }
    if let Some(at_once) = number::<u32>(&signed, "at_once", "packets under way")? {
        job = job.at_once(at_once);
    }
    let jobs = console.dead_letters().await?.jobs();
    let begun = Box::pin(jobs.begin(&job, &signed.note)).await?;
    Ok(to_job(&console, &begun))
}

/// A number above 0 of the form; `None` if the field is empty.
fn number<T: std::str::FromStr + PartialOrd + Default>(
    signed: &Signed,
    field: &str,
    what: &str,
) -> Result<Option<T>> {
    let text = signed.text(field).trim();
    if text.is_empty() {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|number| *number > T::default());
    let wrong = || Fault::wrong(format!("`{}` {what}: expected a number above 0", short(text)));
    // Infinity is no rate; it is written as no number at all.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    number.filter(|_| is_plain).map(Some).ok_or_else(wrong)
}

/// The job that the fields of a form mean.
async fn new_job(console: &Console, fields: &Fields) -> Result<NewJob> {
    let chosen = chosen(console, fields).await?;
    match fields.text("action") {
        "replay" => Ok(NewJob::replay(chosen)),
        "discard" => Ok(NewJob::discard(chosen)),
        "restore" => Ok(NewJob::restore(chosen)),
        "resume" => Ok(NewJob::resume(chosen)),
        other => Err(Fault::wrong(format!("`{}` is nothing to do with letters", short(other)))),
    }
}

async fn chosen(console: &Console, fields: &Fields) -> Result<Chosen> {
    let text = |name| fields.text(name);
    let ids: Vec<LetterId> = fields
        .all("id")
        .map(|id| id.parse().map_err(|_| Fault::wrong(format!("`{}` is no letter", short(id)))))
        .collect::<Result<_>>()?;
    if ids.len() > MOST_NAMED {
        return Err(Fault::wrong(format!("at most {MOST_NAMED} letters are named one by one")));
    }
    if !ids.is_empty() {
        return Ok(ids.into());
    }
    let mut filter = Filter::new();
    if !text("service").is_empty() {
        filter = filter.service(text("service"));
    }
    if !text("river").is_empty() {
        filter = filter.river(text("river"));
    }
    if !text("kind").is_empty() {
        filter = filter.kind(text("kind").parse()?);
    }
    if !text("cause").is_empty() {
        filter = filter.masked_reason(group_of(console, text("cause")).await?.reason);
    }
    if !text("q").trim().is_empty() {
        if !console.mask.is_empty() {
            let message = "values are masked here, so letters are not chosen by what they contain";
            return Err(Fault::new(StatusCode::FORBIDDEN, message));
        }
        filter = filter.containing(text("q").trim());
    }
    if filter == Filter::new() && text("all").is_empty() {
        return Err(Fault::wrong("no letter is chosen")
            .remedy("Go back and choose letters, a group, or a filter."));
    }
    Ok(filter.into())
}

impl Page {
    fn of(
        console: &Console,
        frame: Frame,
        job: &NewJob,
        plan: &Plan,
        Fields(mut fields): Fields,
    ) -> Self {
        let status = console.status.latest();
        let row = |(river, letters): (&RiverName, &u64)| {
            let to = plan.redirected.get(river);
            let service = to.unwrap_or(river).service();
            RiverRow {
                name: short(to.unwrap_or(river)),
                instead_of: to.map(|_| short(river)),
                address: frame.on_map(service),
                letters: count(*letters),
                badge: status.services.get(service).map(|it| it.state().into()),
            }
        };
        let rivers = plan.rivers.iter().map(row).collect();
        fields.retain(|(field, _)| FIELDS.contains(&field.as_str()));
        let kind = job.kind();
        Self {
            title: title(kind, plan.letters),
            letters: plan.letters,
            rivers,
            fields,
            needs_reason: kind == rapids_client::ActionKind::Discard,
            sends: kind == rapids_client::ActionKind::Replay,
            frame,
        }
    }
}
