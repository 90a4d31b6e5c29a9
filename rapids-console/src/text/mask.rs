//! Which values are not shown.

use std::str::FromStr;

use serde_json::value::RawValue;

/// What stands in the place of a value.
const MASKED: &str = "\"•••\"";

/// Paths to values that are not shown: `customer`, `address.street`, `items[*].price`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mask(Vec<Vec<Step>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    /// Each element of a list.
    Each,
}

impl Mask {
    /// Whether everything is shown.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The JSON with its masked values replaced; `None` if there is nothing to replace, or if it is no JSON and
    /// nothing is to be masked. What is no JSON cannot be masked in part, so with a mask it is not shown at all.
    pub(super) fn json(&self, text: &str) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let paths: Vec<&[Step]> = self.0.iter().map(Vec::as_slice).collect();
        let Ok(value) = serde_json::from_str::<&RawValue>(text) else {
            return Some(MASKED.to_owned());
        };
        let mut masked = String::with_capacity(text.len());
        let is_changed = write(value, &paths, &mut masked);
        is_changed.then_some(masked)
    }

    /// Whether a query such as `@.items[0].price` reads a masked value, one within it, or one around it.
    pub(crate) fn hides(&self, query: &str) -> bool {
        let Some(steps) = steps_of_query(query) else {
            return !self.is_empty();
        };
        self.0.iter().any(|path| path.iter().zip(&steps).all(|(masked, step)| masked == step))
    }

    /// Whether an expression could read a masked value: who sees which packets match it learns what the value
    /// is. Errs on the side of yes: any word of it that is the beginning of a masked path counts, and so does
    /// whatever reaches values without naming them.
    pub(crate) fn may_be_read_by(&self, expression: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        // A backslash can write a name in another way.
        let reaches_all = ["..", "*", "\\"].iter().any(|part| expression.contains(part));
        let is_named = |path: &Vec<Step>| match path.first() {
            Some(Step::Key(key)) => has_word(expression, key),
            Some(Step::Each) | None => true,
        };
        reaches_all || filters_unnamed(expression) || self.0.iter().any(is_named)
    }
}

/// Whether a filter stands behind anything else than a name, as in `@[?@ == 'ada']`: it reads values of all
/// names.
fn filters_unnamed(expression: &str) -> bool {
    expression.match_indices('?').any(|(at, _)| {
        let before = expression[..at].trim_end().strip_suffix('[').map(str::trim_end);
        !before.is_some_and(|before| before.ends_with(|c: char| c == ']' || is_of_name(c)))
    })
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let (before, behind) = (&text[..at], &text[at + word.len()..]);
        !before.ends_with(is_of_name) && !behind.starts_with(is_of_name)
    })
}

/// Whether a name may go on with it where it stands without quotes (RFC 9535, `name-char`).
fn is_of_name(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric() || !c.is_ascii()
}

/// Writes a value, without those at the paths. Whether any was replaced.
fn write(value: &RawValue, paths: &[&[Step]], output: &mut String) -> bool {
    if paths.iter().any(|path| path.is_empty()) {
        output.push_str(MASKED);
        return true;
    }
    let text = value.get();
    let is_object = text.starts_with('{');
    if paths.is_empty() || !(is_object || text.starts_with('[')) {
        output.push_str(text);
        return false;
    }
    let members = if is_object { members(text) } else { elements(text) };
    let mut is_changed = false;
    output.push(if is_object { '{' } else { '[' });
    for (position, (key, value)) in members.into_iter().enumerate() {
        if position > 0 {
            output.push(',');
        }
        let step = match key {
            Some(key) => {
                output.push_str(&serde_json::Value::from(key.as_str()).to_string());
                output.push(':');
                Step::Key(key)
            }
            None => Step::Each,
        };
        let below: Vec<&[Step]> = paths
            .iter()
            .filter_map(|path| path.split_first().filter(|(first, _)| **first == step))
            .map(|(_, rest)| rest)
            .collect();
        is_changed |= write(value, &below, output);
    }
    output.push(if is_object { '}' } else { ']' });
    is_changed
}

/// The members of an object in their order, also those whose key is repeated.
fn members(text: &str) -> Vec<(Option<String>, &RawValue)> {
    struct Members;
    impl<'de> serde::de::Visitor<'de> for Members {
        type Value = Vec<(Option<String>, &'de RawValue)>;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(key) = map.next_key::<String>()? {
                members.push((Some(key), map.next_value()?));
            }
            Ok(members)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    serde::Deserializer::deserialize_map(&mut reader, Members).unwrap_or_default()
}

fn elements(text: &str) -> Vec<(Option<String>, &RawValue)> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    elements.into_iter().map(|element| (None, element)).collect()
}

impl FromStr for Mask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let paths = text.split(',').map(str::trim).filter(|path| !path.is_empty());
        paths.map(path).collect::<Result<_, _>>().map(Self)
    }
}

/// Reads a path such as `items[*].price`.
fn path(text: &str) -> Result<Vec<Step>, String> {
    let wrong =
        || format!("`{text}` is no path: expected one such as `customer` or `items[*].price`");
    let mut steps = Vec::new();
    for part in text.split('.') {
        let key = part.trim_end_matches("[*]");
        let lists = (part.len() - key.len()) / "[*]".len();
        if key.is_empty() || key.contains(['[', ']', '@', '$', '*', '\'', '"']) {
            return Err(wrong());
        }
        steps.push(Step::Key(key.to_owned()));
        steps.extend(std::iter::repeat_n(Step::Each, lists));
    }
    Ok(steps)
}

/// The steps of a query such as `@.items[0].price` or `@['a b']`; `None` for one that is not a plain path.
fn steps_of_query(query: &str) -> Option<Vec<Step>> {
    let mut rest = query.strip_prefix(['@', '$'])?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if end == 0 {
                return None;
            }
            steps.push(Step::Key(name[..end].to_owned()));
            rest = &name[end..];
        } else {
            let (inner, behind) = rest.strip_prefix('[')?.split_once(']')?;
            let quoted = inner.strip_prefix('\'').and_then(|it| it.strip_suffix('\''));
            steps.push(match quoted {
                Some(key) => Step::Key(key.to_owned()),
                None if inner.parse::<i64>().is_ok() => Step::Each,
                None => return None,
            });
            rest = behind;
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(paths: &str, json: &str) -> Option<String> {
        paths.parse::<Mask>().unwrap().json(json)
    }

    #[test]
    fn values_at_the_paths_are_replaced_and_nothing_else_changes() {
        let json = r#"{"customer":"ada","items":[{"price":1.10,"n":9007199254740993},{"price":2}],"x":{"customer":1}}"#;
        assert_eq!(
            masked("customer, items[*].price", json).unwrap(),
            r#"{"customer":"•••","items":[{"price":"•••","n":9007199254740993},{"price":"•••"}],"x":{"customer":1}}"#
        );
        assert_eq!(masked("x.customer", json).unwrap().matches("•••").count(), 1);
        assert_eq!(masked("other", json), None);
        assert_eq!(masked("", json), None);
    }

    #[test]
    fn a_repeated_key_is_masked_each_time_and_what_is_no_json_altogether() {
        let twice = r#"{"customer":"ada","customer":"bob"}"#;
        assert_eq!(masked("customer", twice).unwrap(), r#"{"customer":"•••","customer":"•••"}"#);
        assert_eq!(masked("customer", "customer ada").unwrap(), MASKED);
    }

    #[test]
    fn a_query_of_a_masked_value_is_known() {
        let mask: Mask = "customer,items[*].price".parse().unwrap();
        for hidden in ["@.customer", "@['customer']", "@.items[0].price", "@.items", "@", "@..x"] {
            assert!(mask.hides(hidden), "{hidden}");
        }
        for shown in ["@.items[0].name", "@.total", "@.x.customer"] {
            assert!(!mask.hides(shown), "{shown}");
        }
        assert!(!Mask::default().hides("@..x"));
    }

    #[test]
    fn an_expression_that_could_read_a_masked_value_is_known() {
        let mask: Mask = "customer,items[*].price".parse().unwrap();
        for reads in [
            "@.customer == 'ada'",
            "@['customer']",
            "$ . customer",
            "@.x.customer",
            "@..x",
            "@.*",
            "@[?@=='ada']",
            "@['\\u0063ustomer']",
            "@.a[?@[? @ == 1]]",
            "@['a', ?@ == 1]",
            "count(@.items) > 1",
            "@[ ?@>1]",
        ] {
            assert!(mask.may_be_read_by(reads), "{reads}");
            assert!(!Mask::default().may_be_read_by(reads));
        }
        for reads_none in
            ["@.customer_id == 1", "@.total > 1", "@.lines[?@.n > 1]", "@['lines'] [?@.n > 1]"]
        {
            assert!(!mask.may_be_read_by(reads_none), "{reads_none}");
        }
    }

    #[test]
    fn a_path_that_is_none_is_refused() {
        for wrong in ["a..b", "[*]", "a[0]", "@.a", "a['b']", "$"] {
            assert!(wrong.parse::<Mask>().is_err(), "{wrong}");
        }
    }
}
