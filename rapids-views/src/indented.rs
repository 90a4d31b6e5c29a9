//! Indents JSON without changing any digit of it.

/// Writes the text of a JSON value with a line for each member and element. Only the blanks between
/// tokens change.
#[must_use]
pub fn indented(json: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut characters = json.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                text.push('"');
                let mut escaped = false;
                for character in characters.by_ref() {
                    text.push(character);
                    if character == '"' && !escaped {
                        break;
                    }
                    escaped = character == '\\' && !escaped;
                }
            }
            '{' | '[' => {
                text.push(character);
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                // An empty object or list stays on its line.
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    text.push(end);
                } else {
                    depth += 1;
                    new_line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push(character);
            }
            ',' => {
                text.push(',');
                new_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            _ if character.is_ascii_whitespace() => {}
            _ => text.push(character),
        }
    }
    text
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_stays_as_it_is() {
        let json = r#" {"n":9007199254740993,"p" : 1.10,"s":"a, {\"b\"}: [\\","e":[ ],"o":{},
            "l":[1e400,{"x":null}]}"#;
        let expected = r#"{
  "n": 9007199254740993,
  "p": 1.10,
  "s": "a, {\"b\"}: [\\",
  "e": [],
  "o": {},
  "l": [
    1e400,
    {
      "x": null
    }
  ]
}"#;
        assert_eq!(indented(json), expected);
        assert_eq!(indented(expected), expected);
    }
}
