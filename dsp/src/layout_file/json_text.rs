//! What both JSON formats share: messages of the JSON reader in our words, and the lines of a list's objects.

use serde_json::error::Category;

use super::{LayoutError, excerpt};

/// The reader's message, with its line as a number instead of words at its end.
pub(super) fn error(e: &serde_json::Error) -> LayoutError {
    let full = e.to_string();
    let place = format!(" at line {} column {}", e.line(), e.column());
    let message = full.strip_suffix(&place).unwrap_or(&full);
    let message = match (e.classify(), message.strip_prefix("missing field ")) {
        (_, Some(field)) => format!("expected the field {field}, found none"),
        (Category::Syntax, _) => {
            format!("expected JSON, found an error at column {}: {}", e.column(), excerpt(message))
        }
        (Category::Eof, _) => "expected the rest of the JSON, found the end of the text".into(),
        _ => excerpt(message),
    };
    LayoutError::new((e.line() > 0).then_some(e.line()), message)
}

/// The line of each object in the list that is found under one of `keys` in an object `depth` braces deep, in order. Keys that are
/// spelt with escapes are not found: lines are for messages only.
pub(super) fn object_lines(text: &str, depth: usize, keys: &[&str]) -> Vec<usize> {
    let (mut lines, mut line) = (Vec::new(), 1);
    // Open brackets, each with the last string before it: the key of a list in an object.
    let (mut open, mut last) = (Vec::new(), "");
    let (mut string_start, mut escaped) = (None, false);
    for (at, c) in text.bytes().enumerate() {
        if c == b'\n' {
            line += 1;
        }
        if let Some(start) = string_start {
            match c {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    last = &text[start..at];
                    string_start = None;
                }
                _ => {}
            }
            continue;
        }
        match c {
            b'"' => string_start = Some(at + 1),
            b'{' | b'[' => {
                let in_list =
                    open.len() == depth + 1 && open.last().is_some_and(|(b, key)| *b == b'[' && keys.contains(key));
                if c == b'{' && in_list {
                    lines.push(line);
                }
                open.push((c, last));
            }
            b'}' | b']' => drop(open.pop()),
            _ => {}
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_objects_of_the_list_are_found() {
        let text = "{\"tags\": [{\"a\": 1}],\n\"x\": {\"list\": [\n{}]},\n\"list\": [\n{\"b\": [{}]}, {\"c\": \"{\\\"\"},\n\n{}]}";
        assert_eq!(object_lines(text, 1, &["list"]), [5, 5, 7]);
        assert_eq!(object_lines(text, 2, &["list"]), [3]);
        assert_eq!(object_lines("{\"tags\": [{}]}", 1, &["list"]), [0usize; 0]);
    }
}
