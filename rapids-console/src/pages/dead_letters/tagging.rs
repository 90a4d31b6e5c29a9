//! Tags: what people say of a group of letters, which takes it off the board.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::Redirect;
use rapids_client::{LetterGroup, Tag};

use super::wanted::Wanted;
use crate::console::Console;
use crate::fault::{Fault, Result, with_causes};
use crate::guard::signed::Signed;
use crate::reading::letters::{CauseMark, Part, Selection};

/// What is suggested.
pub(super) const SUGGESTED: [&str; 3] = ["needs a fix", "ask the business", "wait for the partner"];

/// The tags of all groups, or why they are not known.
pub(super) async fn tags(
    console: &Console,
) -> std::result::Result<HashMap<CauseMark, Tag>, String> {
    let reading = async {
        match Box::pin(console.link.dead_letters()).await? {
            Some(letters) => Box::pin(letters.tags()).await,
            None => Ok(Vec::new()),
        }
    };
    let tags =
        reading.await.map_err(|error| format!("Tags are not known: {}.", with_causes(&error)))?;
    Ok(tags.into_iter().map(|tag| (CauseMark::of_group(&tag.group), tag)).collect())
}

/// The group of a mark, with the whole of what its reasons have in common.
///
/// # Errors
/// If it has no letters any more.
pub(crate) async fn group_of(console: &Console, mark: &str) -> Result<LetterGroup> {
    let gone = || Fault::gone("there are no letters of this group any more");
    let cause = CauseMark::read(mark).ok_or_else(gone)?;
    let selection = Selection { cause: Some(cause), ..Selection::default() };
    let listed = console.letters.list(&selection, Part::Newest, 1);
    let id = &listed.rows.first().ok_or_else(gone)?.id;
    let stored = Box::pin(console.dead_letters().await?.get(id)).await?;
    Ok(LetterGroup::of(&stored.ok_or_else(gone)?.letter))
}

/// Tags a group.
pub(crate) async fn tag(State(console): State<Console>, signed: Signed) -> Result<Redirect> {
    let group = group_of(&console, signed.text("cause")).await?;
    let letters = console.dead_letters().await?;
    Box::pin(letters.tag(&group, signed.text("words"), &signed.note)).await?;
    Ok(to_group(&console, &group))
}

/// Takes the tag of a group away.
pub(crate) async fn untag(State(console): State<Console>, signed: Signed) -> Result<Redirect> {
    let group = group_of(&console, signed.text("cause")).await?;
    Box::pin(console.dead_letters().await?.untag(&group, &signed.note)).await?;
    Ok(to_group(&console, &group))
}

fn to_group(console: &Console, group: &LetterGroup) -> Redirect {
    let wanted = Wanted {
        service: group.service.clone(),
        river: group.river.clone(),
        kind: group.kind.clone(),
        cause: CauseMark::of_group(group).to_string(),
        ..Wanted::default()
    };
    Redirect::to(&console.links().at(&format!("/dead-letters/group{}", wanted.query(&[]))))
}
