//! Redirects: the rivers whose letters go to a successor.

use askama::Template;
use axum::extract::State;
use axum::response::{Html, Redirect as To};
use rapids_client::{Redirect, RiverName};

use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::guard::signed::Signed;
use crate::pages::rendered;
use crate::text::{Mask, short};
use crate::times::Time;

/// Where the page is.
const PATH: &str = "/dead-letters/redirects";

#[derive(Template)]
#[template(path = "redirects.html")]
struct Page {
    frame: Frame,
    rules: Vec<Row>,
    /// The rivers that letters are of, and those that are announced.
    of_letters: Vec<String>,
    announced: Vec<String>,
}

struct Row {
    from: String,
    to: String,
    /// Where all letters of it that wait are retried.
    retry: String,
    who: String,
    at: Time,
    why: Option<String>,
}

/// The page.
pub(crate) async fn page(State(console): State<Console>, visitor: Visitor) -> Result<Html<String>> {
    let rules = Box::pin(console.dead_letters().await?.redirects()).await?;
    let of_letters = console.letters.rivers();
    let frame = console.frame(&visitor, "/dead-letters");
    rendered(&Page {
        rules: rules.iter().map(|rule| Row::of(rule, &console.mask, &frame)).collect(),
        of_letters: of_letters
            .iter()
            .map(|(service, river)| format!("{service}/{river}"))
            .collect(),
        announced: announced(&console),
        frame,
    })
}

/// Sets a redirect.
pub(crate) async fn set(State(console): State<Console>, signed: Signed) -> Result<To> {
    let (from, to) = (river(&signed, "from")?, river(&signed, "to")?);
    let runs = !console.status.latest().announced_by(to.service()).is_empty();
    if runs && !announced(&console).contains(&to.to_string()) {
        let message = format!("{} runs, and announces no river {}", to.service(), to.river());
        return Err(Fault::wrong(message));
    }
    Box::pin(console.dead_letters().await?.redirect(&from, &to, &signed.note)).await?;
    Ok(To::to(&console.links().at(PATH)))
}

/// Withdraws one.
pub(crate) async fn withdraw(State(console): State<Console>, signed: Signed) -> Result<To> {
    let from = river(&signed, "from")?;
    let letters = console.dead_letters().await?;
    if !Box::pin(letters.withdraw_redirect(&from, &signed.note)).await? {
        let message = format!("the letters of {from} are not redirected: somebody was quicker");
        return Err(Fault::gone(message));
    }
    Ok(To::to(&console.links().at(PATH)))
}

fn river(signed: &Signed, field: &str) -> Result<RiverName> {
    let text = signed.text(field).trim();
    text.parse().map_err(|_| {
        Fault::wrong(format!("`{}` is no river: expected one such as payment/charge", short(text)))
    })
}

/// The rivers of all services that run.
fn announced(console: &Console) -> Vec<String> {
    let instances = console.status.latest().announced();
    let rivers =
        instances.iter().flat_map(|it| it.rules.iter().map(|rules| (&it.name, &rules.name)));
    let mut rivers: Vec<_> = rivers.map(|(service, river)| format!("{service}/{river}")).collect();
    rivers.sort_unstable();
    rivers.dedup();
    rivers
}

impl Row {
    fn of(rule: &Redirect, mask: &Mask, frame: &Frame) -> Self {
        let (service, river) = (rule.from.service(), rule.from.river());
        let plan = format!("/operations/plan?action=replay&service={service}&river={river}");
        Self {
            from: rule.from.to_string(),
            to: rule.to.to_string(),
            retry: frame.at(&plan),
            who: short(&rule.who),
            at: rule.at.into(),
            why: rule.why.as_ref().map(|why| mask.sentence(why)),
        }
    }
}
