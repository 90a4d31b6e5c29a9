//! Changes one value within another, and nothing of the text around it.

use serde_json::value::RawValue;

use super::member::{each_member, write_member, write_string};
use super::step::Step;

/// A copy of `old` in which the value at `steps` is `value`.
pub(super) fn replaced(old: Option<&str>, steps: &[Step], value: String) -> Result<String, String> {
    let Some((step, rest)) = steps.split_first() else {
        return Ok(value);
    };
    match step {
        Step::Name(name) => {
            let mut members = Vec::new();
            match old {
                None => {}
                Some(text) if text.starts_with('{') => {
                    each_member(text, |member| members.push(member)).map_err(|e| e.to_string())?;
                }
                Some(text) => return Err(format!("leads through `{}`, no object", cut(text))),
            }
            let first = members.iter().position(|member| member.name == **name);
            let inner = replaced(first.map(|first| members[first].value), rest, value)?;
            let mut text = String::from('{');
            for (position, member) in members.iter().enumerate() {
                if first == Some(position) {
                    write_member(&mut text, member.key, &inner);
                } else if member.name != **name {
                    write_member(&mut text, member.key, member.value);
                }
            }
            if first.is_none() {
                let mut key = String::new();
                write_string(&mut key, name);
                write_member(&mut text, &key, &inner);
            }
            text.push('}');
            Ok(text)
        }
        Step::Index(index) => {
            let elements: Vec<&RawValue> = match old {
                None => Vec::new(),
                Some(text) if text.starts_with('[') => {
                    serde_json::from_str(text).map_err(|error| error.to_string())?
                }
                Some(text) => return Err(format!("leads through `{}`, no array", cut(text))),
            };
            let length = elements.len();
            let position = usize::try_from(*index)
                .ok()
                .or_else(|| length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?))
                .filter(|position| *position <= length)
                .ok_or_else(|| format!("has index {index}, but the array has {length} elements"))?;
            let old = elements.get(position).map(|element| element.get());
            let inner = replaced(old, rest, value)?;
            let mut elements: Vec<&str> = elements.iter().map(|element| element.get()).collect();
            match elements.get_mut(position) {
                Some(element) => *element = &inner,
                None => elements.push(&inner),
            }
            Ok(format!("[{}]", elements.join(",")))
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(20).collect()
}
