//! Functions of other languages, and the expressions that mean the same here.

/// Says that a word that is called is no function: `starts_with(@.sku, 'a')`.
pub(super) fn no_function(word: &str, query: &str) -> String {
    match asked(word, query) {
        Some(asked) => format!("`{word}` is no function; {asked}"),
        None => format!("`{word}` is no function; {FUNCTIONS}"),
    }
}

/// Says that values have no functions: `@.sku.starts_with('a')`.
pub(super) fn no_method(word: &str, query: &str) -> String {
    match (word, asked(word, query)) {
        ("length" | "count" | "value" | "match" | "search", _) => {
            let more = if matches!(word, "match" | "search") { ", ..." } else { "" };
            format!("`{word}` is no function of a value; write `{word}({query}{more})`")
        }
        (_, Some(asked)) => format!("`{word}` is no function, and values have none; {asked}"),
        (_, None) => format!("`{word}` is no function, and values have none; {FUNCTIONS}"),
    }
}

const FUNCTIONS: &str = "these are: length, count, value, match, search";

fn asked(word: &str, query: &str) -> Option<String> {
    Some(match word {
        "starts_with" | "startsWith" | "startswith" | "begins_with" => {
            format!("how a text begins is asked by `match({query}, 'a.*')`")
        }
        "ends_with" | "endsWith" | "endswith" => {
            format!("how a text ends is asked by `match({query}, '.*a')`")
        }
        "contains" | "includes" | "has" | "like" => {
            format!("what a text contains is asked by `search({query}, 'a')`")
        }
        "matches" | "regex" | "test" => {
            format!("whether all of a text has a form is asked by `match({query}, '[a-z]+')`")
        }
        "size" | "len" => format!("how long it is, is asked by `length({query})`"),
        _ => return None,
    })
}
