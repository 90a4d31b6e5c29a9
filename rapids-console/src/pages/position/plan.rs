//! The plan of a move: what will be read again or skipped, and what the rivers make of it.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Html;
use jiff::Timestamp;
use rapids_client::{Error, SeekReport, Start};
use rapids_views::{Rereading, rivers_again, since};

use super::{address, how, sequence, unknown};
use crate::badge::Badge;
use crate::console::Console;
use crate::fault::{Fault, Result, with_causes};
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::guard::fields::Fields;
use crate::pages::rendered;
use crate::text::{short, shown};
use crate::times::{Time, count, several};

#[derive(Template)]
#[template(path = "position_plan.html")]
struct Page {
    frame: Frame,
    name: String,
    address: String,
    /// What is to be done, in a few words with its number.
    title: String,
    badge: Option<Badge>,
    from: String,
    next: String,
    /// When the packet was stored with which it goes on.
    stored: Option<Time>,
    consequences: Vec<(&'static str, String)>,
    rivers: Vec<(String, String)>,
    reads_again: bool,
    /// What the form sends.
    fields: Vec<(&'static str, String)>,
    needs_reason: bool,
}

/// The plan.
pub(crate) async fn plan(
    State(console): State<Console>,
    visitor: Visitor,
    Path(service): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Html<String>> {
    let fields = Fields::parse(query.unwrap_or_default().as_bytes());
    let (to, how) = (start(&fields)?, how(&fields)?);
    let rapids = console.link.rapids()?;
    let plan = match Box::pin(rapids.plan_move(&service, to, how.seek())).await {
        Err(error @ Error::NotMoved { .. }) => return Err(Fault::wrong(with_causes(&error))),
        plan => plan?.ok_or_else(|| unknown(&service))?,
    };
    rendered(&Page::of(&console, console.frame(&visitor, "/"), (&plan, how), &fields))
}

/// Where the fields of a form want it to go on.
fn start(fields: &Fields) -> Result<Start> {
    let at = fields.text("at").trim();
    if at.is_empty() && matches!(fields.text("to"), "sequence" | "time") {
        return Err(Fault::wrong("from where on? The field behind it is empty"));
    }
    match fields.text("to") {
        "beginning" => Ok(Start::Beginning),
        "end" => Ok(Start::Now),
        "sequence" => sequence(at),
        "time" => since(at, Timestamp::now())
            .map(Start::Time)
            .map_err(|expected| Fault::wrong(format!("`{}`: {expected}", short(at)))),
        other => Err(Fault::wrong(format!("`{}` is no place to go on at", short(other)))),
    }
}

impl Page {
    fn of(
        console: &Console,
        frame: Frame,
        (plan, rereading): (&SeekReport, Rereading),
        fields: &Fields,
    ) -> Self {
        let status = console.status.latest();
        let known = status.services.get(&plan.service);
        let is_set = |field| !fields.text(field).is_empty();
        let reads_again = plan.again > 0 || (plan.mended.is_some() && plan.pending > 0);
        let instances = known.iter().flat_map(|known| &known.instances).filter(|_| reads_again);
        let rivers = rivers_again(instances, rereading);
        let before = plan.before.map(|before| before.to_string()).unwrap_or_default();
        let mut sent = vec![
            ("next", plan.next.to_string()),
            ("moves", plan.moves.to_string()),
            ("before", before),
        ];
        for field in ["forget", "publish"].into_iter().filter(|field| is_set(field)) {
            sent.push((field, "yes".to_owned()));
        }
        Self {
            name: shown(&plan.service),
            address: address(&frame, &plan.service),
            title: title(plan),
            badge: known.map(|known| known.state().into()),
            from: from(plan),
            next: count(plan.next),
            stored: console.packets.stored_from(plan.next).map(Time::from),
            consequences: consequences(plan, rereading),
            rivers: rivers.iter().map(|(river, words)| (short(river), shown(words))).collect(),
            reads_again,
            fields: sent,
            needs_reason: is_set("forget"),
            frame,
        }
    }
}

/// Such as `Read 12,345 packets again and forget what it remembers`.
fn title(plan: &SeekReport) -> String {
    let again = (plan.again > 0).then(|| format!("read {} again", several(plan.again, "packet")));
    let skip = (plan.skipped > 0).then(|| format!("skip {}", several(plan.skipped, "packet")));
    let forget = plan.forgotten.map(|_| "forget what it remembers".to_owned());
    let parts: Vec<_> = [again, skip, forget].into_iter().flatten().collect();
    let text = match parts.is_empty() {
        true => format!("go on with sequence {}", count(plan.next)),
        false => parts.join(" and "),
    };
    text[..1].to_uppercase() + &text[1..]
}

fn from(plan: &SeekReport) -> String {
    match (plan.before, &plan.mended) {
        (Some(before), _) => format!("done with everything up to sequence {}", count(before)),
        (None, Some(fault)) => format!("not known: {}", shown(fault)),
        (None, None) => "not known".to_owned(),
    }
}

/// What will come of it: each thing with what it is called.
fn consequences(plan: &SeekReport, rereading: Rereading) -> Vec<(&'static str, String)> {
    let packets = |number| several(number, "packet");
    let mut told = vec![("To read", packets(plan.pending))];
    let mut tell =
        |applies: bool, name, words: String| told.extend(applies.then_some((name, words)));
    let again = format!("{}, which it was given before", packets(plan.again));
    tell(plan.again > 0, "Read again", again);
    let unknown = "it is not known how many packets".to_owned();
    tell(plan.mended.is_some(), "Read again", unknown);
    let quietly = format!(
        "{}, up to where it was: nothing is published about them, and reactions that run once do not run",
        packets(plan.quiet)
    );
    tell(plan.quiet > 0, "Quietly", quietly);
    let anew = "everything once more, as if it had never seen these packets".to_owned();
    tell(rereading == Rereading::Anew, "Published", anew);
    let skipped =
        format!("{} that it has not handled: none of its rivers sees them", packets(plan.skipped));
    tell(plan.skipped > 0, "Skipped", skipped);
    let memories = count(plan.forgotten.unwrap_or_default());
    let forgotten = format!("all that it remembers ({memories}), and what is noted of packets");
    tell(plan.forgotten.is_some(), "Forgotten", forgotten);
    told.push(match &plan.replaced {
        Some(id) => {
            ("Replaced", format!("the active instance {}, which takes three seconds", short(id)))
        }
        None => {
            ("Instances", "may run: they finish what they have begun, and go on there".to_owned())
        }
    });
    told
}
