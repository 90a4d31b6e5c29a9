//! How deep JSON nests, and how deep it may.

/// The deepest nesting of a body. It is serde_json's own limit, so what passes here also parses.
pub(crate) const MAX_DEPTH: usize = 127;

/// Refuses a value that would nest too deep below so many levels.
pub(super) fn check_depth(above: usize, value: &str) -> Result<(), String> {
    let depth = above + deepest(value);
    if depth > MAX_DEPTH {
        return Err(format!("would nest {depth} levels deep, the limit is {MAX_DEPTH}"));
    }
    Ok(())
}

/// The depth of the deepest bracket, whether or not the text is valid JSON.
pub(super) fn deepest(text: &str) -> usize {
    // Counting brackets is quick, and few texts have enough of them to nest too deep.
    let brackets = memchr::memchr2_iter(b'{', b'[', text.as_bytes()).count();
    if brackets < MAX_DEPTH {
        return brackets;
    }
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
