//! The microphone geometries of acoular: `<MicArray name="…"><pos Name="Point 1" x="0.021" y="-0.063" z="0.0"/>…</MicArray>`.
//!
//! A reader for as much of XML as such files hold: elements with attributes, comments, declarations. Names are compared without
//! case. Channels count the `pos` elements from 0; our own attributes `channel` (from 0) and `muted` win, and acoular skips them.

use std::borrow::Cow;

use super::{Draft, LayoutError, excerpt};
use crate::array::{Capsule, MicArray};

pub(super) fn read(text: &str) -> Result<MicArray, LayoutError> {
    let mut scanner = Scanner { text, at: 0, line: 1, line_at: 0 };
    let mut open: Vec<&str> = Vec::new();
    let mut name = None;
    let mut draft = Draft::default();
    while let Some(tag) = scanner.next_tag()? {
        match tag {
            Tag::Start { name: tag_name, attributes, closed, at } => {
                let element = Element { name: tag_name, attributes, line: scanner.line_at(at) };
                if tag_name.eq_ignore_ascii_case("pos") {
                    let capsule = element.capsule(draft.capsules.len())?;
                    draft.push(Some(element.line), capsule)?;
                } else if open.is_empty() && name.is_none() {
                    name = element.get("name")?.map(Cow::into_owned);
                }
                if !closed {
                    open.push(tag_name);
                }
            }
            Tag::End { name: tag_name, at } => {
                let expected = open.pop();
                if expected != Some(tag_name) {
                    let expected = expected.map_or("no end tag".into(), |e| format!("`</{}>`", excerpt(e)));
                    return Err(scanner.error(at, format!("expected {expected}, found `</{}>`", excerpt(tag_name))));
                }
            }
        }
    }
    if let Some(tag_name) = open.pop() {
        let message = format!("expected `</{}>`, found the end of the text", excerpt(tag_name));
        return Err(scanner.error(text.len(), message));
    }
    if draft.capsules.is_empty() {
        let message = "expected elements such as `<pos Name=\"Point 1\" x=\"0.1\" y=\"0\" z=\"0\"/>`, found none";
        return Err(LayoutError::new(None, message));
    }
    draft.array(name.as_deref().unwrap_or("acoular layout"))
}

enum Tag<'a> {
    Start { name: &'a str, attributes: Vec<(&'a str, &'a str)>, closed: bool, at: usize },
    End { name: &'a str, at: usize },
}

/// A start tag, with its values as they stand in the text.
struct Element<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
    line: usize,
}

impl<'a> Element<'a> {
    fn get(&self, key: &str) -> Result<Option<Cow<'a, str>>, LayoutError> {
        let value = self.attributes.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| *v);
        value.map(|v| decoded(v).map_err(|message| LayoutError::new(self.line, message))).transpose()
    }

    fn capsule(&self, index: usize) -> Result<Capsule, LayoutError> {
        let fail = |expected: &str, found: &str| {
            Err(LayoutError::new(self.line, format!("expected {expected}, found {}", excerpt(found))))
        };
        let mut capsule = Capsule::new(index, [0.0; 3]);
        for (axis, out) in ["x", "y", "z"].into_iter().zip(&mut capsule.position_m) {
            let Some(value) = self.get(axis)? else {
                let keys: Vec<_> = self.attributes.iter().map(|(k, _)| *k).take(8).collect();
                let expected = format!("the attribute `{axis}` in metres in `{}`", excerpt(self.name));
                return fail(&expected, &if keys.is_empty() { "none".into() } else { keys.join(", ") });
            };
            match value.trim().parse() {
                Ok(number) => *out = number,
                Err(_) => return fail(&format!("a number for {axis}"), &format!("`{value}`")),
            }
        }
        if let Some(value) = self.get("channel")? {
            match value.trim().parse() {
                Ok(channel) => capsule.channel = channel,
                Err(_) => return fail("a channel number from 0", &format!("`{value}`")),
            }
        }
        if let Some(value) = self.get("muted")? {
            capsule.muted = match value.trim() {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return fail("true or false for muted", &format!("`{value}`")),
            };
        }
        Ok(capsule)
    }
}

struct Scanner<'a> {
    text: &'a str,
    /// Byte of the text up to which it has been read.
    at: usize,
    /// Line of the byte `line_at`: lines are counted once, however many tags there are.
    line: usize,
    line_at: usize,
}

impl<'a> Scanner<'a> {
    /// The next tag, past text, comments, declarations and instructions.
    fn next_tag(&mut self) -> Result<Option<Tag<'a>>, LayoutError> {
        while let Some(offset) = self.rest().find('<') {
            self.at += offset;
            let at = self.at;
            if self.rest().starts_with("<!--") {
                self.at += 4;
                self.skip_past("-->", at)?;
            } else if self.rest().starts_with("<![CDATA[") {
                self.skip_past("]]>", at)?;
            } else if self.rest().starts_with("<?") {
                self.skip_past("?>", at)?;
            } else if self.rest().starts_with("<!") {
                self.skip_past(">", at)?;
            } else if self.rest().starts_with("</") {
                self.at += 2;
                let name = self.skip_past(">", at)?.trim();
                return Ok(Some(Tag::End { name, at }));
            } else {
                self.at += 1;
                return self.start_tag(at).map(Some);
            }
        }
        Ok(None)
    }

    fn start_tag(&mut self, at: usize) -> Result<Tag<'a>, LayoutError> {
        let name = self.name();
        if name.is_empty() {
            return Err(self.expected("the name of an element after `<`"));
        }
        let mut attributes = Vec::new();
        loop {
            self.skip_space();
            for (end, closed) in [("/>", true), (">", false)] {
                if self.rest().starts_with(end) {
                    self.at += end.len();
                    return Ok(Tag::Start { name, attributes, closed, at });
                }
            }
            let key = self.name();
            if key.is_empty() {
                return Err(self.expected("an attribute or `>`"));
            }
            self.skip_space();
            if !self.rest().starts_with('=') {
                return Err(self.expected(&format!("`=` after `{}`", excerpt(key))));
            }
            self.at += 1;
            self.skip_space();
            let quote = match self.rest().as_bytes().first() {
                Some(b'"') => "\"",
                Some(b'\'') => "'",
                _ => return Err(self.expected(&format!("a value in quotes for `{}`", excerpt(key)))),
            };
            let start = self.at;
            self.at += 1;
            attributes.push((key, self.skip_past(quote, start)?));
        }
    }

    /// The text up to `end`, which is passed too. `start` is where the unended thing began.
    fn skip_past(&mut self, end: &str, start: usize) -> Result<&'a str, LayoutError> {
        let rest = self.rest();
        let Some(length) = rest.find(end) else {
            let begun = self.text[start..].lines().next().unwrap_or("");
            let message = format!("expected `{end}` after `{}`, found the end of the text", excerpt(begun));
            return Err(self.error(start, message));
        };
        self.at += length + end.len();
        Ok(&rest[..length])
    }

    fn name(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| c.is_whitespace() || "=/<>\"'".contains(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The line of a byte at or after the last one asked for.
    fn line_at(&mut self, at: usize) -> usize {
        self.line += self.text.as_bytes()[self.line_at..at].iter().filter(|b| **b == b'\n').count();
        self.line_at = at;
        self.line
    }

    fn error(&mut self, at: usize, message: String) -> LayoutError {
        LayoutError::new(self.line_at(at), message)
    }

    fn expected(&mut self, what: &str) -> LayoutError {
        let found = match self.rest().lines().next().unwrap_or("").trim() {
            "" => "the end of the line".into(),
            rest => format!("`{}`", excerpt(rest)),
        };
        self.error(self.at, format!("expected {what}, found {found}"))
    }
}

/// A value with its entities replaced.
fn decoded(value: &str) -> Result<Cow<'_, str>, String> {
    if !value.contains('&') {
        return Ok(value.into());
    }
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(start) = rest.find('&') {
        out += &rest[..start];
        let entity = rest[start + 1..].split(';').next().unwrap_or("");
        let number = entity.strip_prefix('#').map(|digits| match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => digits.parse(),
        });
        let replacement = match (entity, number) {
            ("amp", _) => Some('&'),
            ("lt", _) => Some('<'),
            ("gt", _) => Some('>'),
            ("quot", _) => Some('"'),
            ("apos", _) => Some('\''),
            (_, Some(Ok(number))) => char::from_u32(number),
            _ => None,
        };
        let after = &rest[start + 1 + entity.len()..];
        let (Some(replacement), Some(after)) = (replacement, after.strip_prefix(';')) else {
            return Err(format!(
                "expected &amp;, &lt;, &gt;, &quot;, &apos; or &#number;, found `&{}`",
                excerpt(entity)
            ));
        };
        out.push(replacement);
        rest = after;
    }
    Ok((out + rest).into())
}

pub(super) fn write(array: &MicArray) -> String {
    let mut capsules = array.capsules().to_vec();
    capsules.sort_by_key(|c| c.channel);
    let in_order = capsules.iter().enumerate().all(|(i, c)| c.channel == i);
    let name = array.name().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut text = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<MicArray name=\"{name}\">\n");
    for (i, c) in capsules.iter().enumerate() {
        let [x, y, z] = c.position_m;
        let channel = if in_order { String::new() } else { format!(" channel=\"{}\"", c.channel) };
        let muted = if c.muted { " muted=\"true\"" } else { "" };
        text += &format!("  <pos Name=\"Point {}\" x=\"{x:?}\" y=\"{y:?}\" z=\"{z:?}\"{channel}{muted}/>\n", i + 1);
    }
    text + "</MicArray>\n"
}
