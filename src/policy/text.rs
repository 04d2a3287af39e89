//! A document as text: where its members stand, and which stand twice.

use std::collections::HashSet;

/// Walks over JSON that a parser has found right before: no recursion deeper than it allowed, no error to tell.
struct Walk<'a> {
    text: &'a str,
    at: usize,
    /// Where it is, such as `Statement[1].Effect`; one buffer, since a path may be as long as the document.
    path: String,
    wanted: Option<&'a str>,
    /// Where the wanted path stands.
    found: Option<usize>,
    duplicate: Option<(String, usize)>,
}

/// Line and column, from 1, of a path such as `Statement[1].Effect`, or of the nearest that is above it.
pub(super) fn position(text: &str, path: &str) -> Option<(usize, usize)> {
    let mut wanted = path;
    loop {
        if let Some(at) = walk(text, Some(wanted)).found {
            return Some(line_and_column(text, at));
        }
        wanted = &wanted[..wanted.rfind(['.', '['])?];
    }
}

/// The first member whose name its object has already, with its path and place.
pub(super) fn duplicate(text: &str) -> Option<(String, (usize, usize))> {
    walk(text, None).duplicate.map(|(path, at)| (path, line_and_column(text, at)))
}

fn walk<'a>(text: &'a str, wanted: Option<&'a str>) -> Walk<'a> {
    let mut walk = Walk { text, at: 0, path: String::new(), wanted, found: None, duplicate: None };
    walk.value();
    walk
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    (line, column)
}

impl Walk<'_> {
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|it| it.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn value(&mut self) {
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => {
                self.string();
            }
            _ => {
                let rest = &self.text[self.at..];
                self.at += rest.find([',', ']', '}']).unwrap_or(rest.len());
            }
        }
    }

    fn object(&mut self) {
        let mut seen = HashSet::new();
        let above = self.path.len();
        self.at += 1;
        while self.peek() == Some(b'"') {
            let start = self.at;
            let name = self.string();
            if above > 0 {
                self.path.push('.');
            }
            self.path.push_str(&name);
            if !seen.insert(name) && self.duplicate.is_none() {
                self.duplicate = Some((self.path.clone(), start));
            }
            self.note(start);
            self.skip(b':');
            self.value();
            self.path.truncate(above);
            self.skip(b',');
        }
        self.skip(b'}');
    }

    fn array(&mut self) {
        let above = self.path.len();
        self.at += 1;
        let mut index = 0;
        while self.peek().is_some_and(|it| it != b']') {
            self.path.push_str(&format!("[{index}]"));
            self.note(self.at);
            self.value();
            self.path.truncate(above);
            self.skip(b',');
            index += 1;
        }
        self.skip(b']');
    }

    fn note(&mut self, at: usize) {
        if self.found.is_none() && self.wanted == Some(self.path.as_str()) {
            self.found = Some(at);
        }
    }

    /// A string's meaning.
    fn string(&mut self) -> String {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while self.at < bytes.len() && bytes[self.at] != b'"' {
            self.at += if bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at = (self.at + 1).min(bytes.len());
        serde_json::from_str(&self.text[start..self.at]).unwrap_or_default()
    }

    fn skip(&mut self, wanted: u8) {
        if self.peek() == Some(wanted) {
            self.at += 1;
        }
    }
}

/// The known word that an unknown one was probably meant to be: at most a third of its letters differ.
pub(super) fn nearest_word<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody means a word of 27 letters by one of thousands.
    if unknown.len() > 64 {
        return None;
    }
    let (distance, word) = known.map(|word| (distance(unknown, word), word)).min_by_key(|(distance, _)| *distance)?;
    (distance * 3 <= unknown.chars().count().max(3)).then_some(word)
}

/// How many letters must be put in, taken out or changed; case does not count.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, wanted) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
