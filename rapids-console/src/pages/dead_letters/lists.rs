//! Letters one by one: those of a group, and all.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;

use rapids_client::State as LetterState;

use super::rows::{Choices, Rows, notices, states};
use super::tagging;
use super::wanted::Wanted;
use crate::console::Console;
use crate::fault::{Fault, Result};
use crate::frame::Frame;
use crate::guard::Visitor;
use crate::pages::{Choice, rendered};
use crate::text::{short, shown};
use crate::times::{Time, count, several};

/// So many letters are on a page.
const MOST: usize = 100;

#[derive(Template)]
#[template(path = "dead_letters_all.html")]
struct AllPage {
    frame: Frame,
    wanted: Wanted,
    notices: Vec<String>,
    choices: Choices,
    list: Rows,
}

#[derive(Template)]
#[template(path = "dead_letters_group.html")]
struct GroupPage {
    frame: Frame,
    notices: Vec<String>,
    wanted: Wanted,
    river: String,
    kind: String,
    map: String,
    reason: String,
    all: String,
    first: Time,
    last: Time,
    states: Vec<Choice>,
    list: Rows,
    tag: Option<TagLine>,
    suggested: [&'static str; 3],
}

/// What somebody has said of the group.
struct TagLine {
    words: String,
    who: String,
    at: Time,
    why: Option<String>,
}

/// The page of the letters that a job has acted on, in a state or in any.
pub(in crate::pages) fn letters_of_job(
    frame: &Frame,
    id: &str,
    state: Option<LetterState>,
) -> String {
    frame.at(&format!("/dead-letters/all{}", Wanted::of_job(id, state).query(&[])))
}

/// The page of all letters.
pub(crate) async fn all(
    State(console): State<Console>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>> {
    let selection = wanted.selection(None)?;
    let listed = console.letters.list(&selection, wanted.part(), MOST);
    let frame = console.frame(&visitor, "/dead-letters");
    rendered(&AllPage {
        notices: notices(&console.letters.extent()),
        choices: Choices::of(&console, &wanted, selection.state),
        list: Rows::of(&listed, &wanted, (&frame, "/dead-letters/all"), &console.mask),
        wanted,
        frame,
    })
}

/// The page of a group.
pub(crate) async fn group(
    State(console): State<Console>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>> {
    let selection = wanted.selection(None)?;
    let mark = selection.cause.ok_or_else(|| Fault::wrong("which group? `cause` is missing"))?;
    let extent = console.letters.extent();
    let Some(cause) = console.letters.cause(mark) else {
        let message = match extent.is_caught_up {
            true => "there are no letters of this group, or not any more".to_owned(),
            false => format!(
                "there are no letters of this group so far: {} letters have been read, and more \
                 will be",
                count(extent.letters)
            ),
        };
        return Err(Fault::gone(message));
    };
    let listed = console.letters.list(&selection, wanted.part(), MOST);
    let frame = console.frame(&visitor, "/dead-letters");
    let tags = tagging::tags(&console).await;
    let notices = notices(&extent).into_iter().chain(tags.as_ref().err().map(shown)).collect();
    let tag = tags.ok().and_then(|mut tags| tags.remove(&mark)).map(|tag| TagLine {
        words: short(&tag.words),
        who: short(&tag.who),
        at: tag.at.into(),
        why: tag.why.map(|why| console.mask.sentence(&why)),
    });
    rendered(&GroupPage {
        notices,
        tag,
        suggested: tagging::SUGGESTED,
        river: shown(cause.river_name()),
        kind: short(&cause.kind),
        map: frame.on_map(&cause.service),
        reason: shown(&cause.reason),
        all: several(cause.all, "letter"),
        first: cause.first.into(),
        last: cause.last.into(),
        states: states(selection.state),
        list: Rows::of(&listed, &wanted, (&frame, "/dead-letters/group"), &console.mask),
        wanted,
        frame,
    })
}
