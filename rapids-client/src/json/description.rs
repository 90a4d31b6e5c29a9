//! A value in words that do not tell what it is: `a text of 12 characters`.

use super::node::{Kind, Node};

/// The type and the length of a value, for people who must not read the value itself.
pub(crate) fn description(node: Node<'_>) -> String {
    match node.kind() {
        Kind::Null => "null".to_owned(),
        Kind::Bool(_) => "true or false".to_owned(),
        Kind::Number(_) => "a number".to_owned(),
        Kind::String(text) => counted("a text", text.characters(), "character"),
        Kind::Array => counted("a list", node.elements().len(), "value"),
        Kind::Object => counted("an object", node.members().len(), "key"),
    }
}

fn counted(what: &str, count: usize, of: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{what} of {count} {of}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_described_by_its_type_and_length() {
        for (json, described_as) in [
            ("null", "null"),
            ("true", "true or false"),
            ("-5", "a number"),
            (r#""SECRET-12345""#, "a text of 12 characters"),
            (r#""\u00e9""#, "a text of 1 character"),
            ("[1,2]", "a list of 2 values"),
            (r#"{"a":1}"#, "an object of 1 key"),
        ] {
            assert_eq!(description(Node::Raw(json)), described_as);
        }
    }
}
