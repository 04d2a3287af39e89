//! Text with wildcards and policy variables, and whether another text fits it.
//!
//! A pattern is cut at each `*` into pieces that must follow each other: the first stands at the start, the last at the end,
//! and each piece between is taken at the first place where it fits. No place is tried twice, so a guest's long key costs its
//! length times the longest piece with a `?`, and without `?` its length alone.
//!
//! A variable's value is text, whatever characters it has: it never becomes a wildcard.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>

use super::facts::Facts;

/// What a text must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// As the document has it.
    pub(super) written: String,
    form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// No variable: cut already.
    Ready(Glob),
    /// Cut when the values of its variables are known.
    Template(Vec<Part>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `?`.
    One,
    /// `*`.
    Any,
    Variable {
        /// As written.
        name: String,
        /// In lower case.
        key: String,
        default: Option<String>,
    },
}

/// Which characters mean something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    /// `*` and `?`.
    pub(super) wildcards: bool,
    /// `${…}`: documents of version 2012-10-17.
    pub(super) variables: bool,
}

impl Pattern {
    pub(super) fn new(written: &str, meaning: Meaning) -> Self {
        let parts = parts(written, meaning);
        let has_variable = parts.iter().any(|part| matches!(part, Part::Variable { .. }));
        let form = if has_variable { Form::Template(parts) } else { Form::Ready(Glob::cut(&parts)) };
        Self { written: written.to_owned(), form }
    }

    /// Whether a text fits; never when a variable has no value.
    pub(super) fn matches(&self, text: &str, facts: &Facts<'_>) -> bool {
        match &self.form {
            Form::Ready(glob) => glob.matches(text),
            Form::Template(parts) => resolve(parts, facts).is_ok_and(|parts| Glob::cut(&parts).matches(text)),
        }
    }

    /// For patterns without variables, such as actions.
    pub(super) fn matches_plainly(&self, text: &str) -> bool {
        matches!(&self.form, Form::Ready(glob) if glob.matches(text))
    }

    /// The text that it stands for, without wildcards in mind.
    pub(super) fn text(&self, facts: &Facts<'_>) -> Option<String> {
        match &self.form {
            Form::Ready(glob) => glob.text(),
            Form::Template(parts) => Glob::cut(&resolve(parts, facts).ok()?).text(),
        }
    }

    /// The first variable that has no value.
    pub(super) fn missing(&self, facts: &Facts<'_>) -> Option<String> {
        match &self.form {
            Form::Ready(_) => None,
            Form::Template(parts) => resolve(parts, facts).err(),
        }
    }

    pub(super) fn has_variables(&self) -> bool {
        matches!(self.form, Form::Template(_))
    }
}

fn parts(written: &str, meaning: Meaning) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = written;
    while let Some(character) = rest.chars().next() {
        let special = match character {
            '*' if meaning.wildcards => Some((Part::Any, 1)),
            '?' if meaning.wildcards => Some((Part::One, 1)),
            '$' if meaning.variables => variable(rest),
            _ => None,
        };
        match special {
            // `${*}`, `${?}` and `${$}` are characters.
            Some((Part::Text(escaped), length)) => {
                text.push_str(&escaped);
                rest = &rest[length..];
            }
            Some((part, length)) => {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(part);
                rest = &rest[length..];
            }
            None => {
                text.push(character);
                rest = &rest[character.len_utf8()..];
            }
        }
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    parts
}

/// A variable at the start of a text, with its length; `None` when it is not closed, or has no name: then it is text.
fn variable(text: &str) -> Option<(Part, usize)> {
    let inner = text.strip_prefix("${")?;
    let end = inner.find('}')?;
    let length = end + "${}".len();
    let inside = &inner[..end];
    if matches!(inside, "*" | "?" | "$") {
        return Some((Part::Text(inside.to_owned()), length));
    }
    let (key, default) = match inside.split_once(',') {
        Some((key, default)) => {
            let default = default.trim().strip_prefix('\'')?.strip_suffix('\'')?;
            (key, Some(default.to_owned()))
        }
        None => (inside, None),
    };
    let name = key.trim().to_owned();
    let key = name.to_ascii_lowercase();
    (!key.is_empty()).then_some((Part::Variable { name, key, default }, length))
}

/// Puts values in place of variables.
fn resolve(parts: &[Part], facts: &Facts<'_>) -> Result<Vec<Part>, String> {
    let value = |part: &Part| match part {
        Part::Variable { name, key, default } => {
            facts.single(key).or_else(|| default.clone()).map(Part::Text).ok_or_else(|| name.clone())
        }
        other => Ok(other.clone()),
    };
    parts.iter().map(value).collect()
}

/// A pattern whose variables have values.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Glob {
    /// What stands between the `*`.
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Piece {
    atoms: Vec<Atom>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Atom {
    Text(String),
    One,
}

impl Glob {
    fn cut(parts: &[Part]) -> Self {
        let mut pieces = vec![Piece::default()];
        for part in parts {
            let last = pieces.last_mut().expect("starts with one");
            match part {
                Part::Any => pieces.push(Piece::default()),
                Part::One => last.atoms.push(Atom::One),
                // Neighbours are one text, so that it is searched at once.
                Part::Text(text) => match last.atoms.last_mut() {
                    Some(Atom::Text(before)) => before.push_str(text),
                    _ => last.atoms.push(Atom::Text(text.clone())),
                },
                Part::Variable { .. } => unreachable!("resolved before"),
            }
        }
        Self { pieces }
    }

    fn matches(&self, text: &str) -> bool {
        let (first, rest) = self.pieces.split_first().expect("starts with one");
        let Some(mut at) = first.ends_at(text, 0) else { return false };
        let Some((last, between)) = rest.split_last() else { return at == text.len() };
        for piece in between {
            match piece.find(text, at) {
                Some(end) => at = end,
                None => return false,
            }
        }
        last.stands_at_end(text, at)
    }

    /// The text, when it is one and no pattern.
    fn text(&self) -> Option<String> {
        let [piece] = self.pieces.as_slice() else { return None };
        match piece.atoms.as_slice() {
            [] => Some(String::new()),
            [Atom::Text(text)] => Some(text.clone()),
            _ => None,
        }
    }
}

impl Piece {
    /// Where it ends when it starts at `at`.
    fn ends_at(&self, text: &str, mut at: usize) -> Option<usize> {
        for atom in &self.atoms {
            let rest = &text[at..];
            at += match atom {
                Atom::Text(wanted) => rest.starts_with(wanted.as_str()).then_some(wanted.len())?,
                Atom::One => rest.chars().next()?.len_utf8(),
            };
        }
        Some(at)
    }

    /// Where it ends at its first place from `from` on.
    fn find(&self, text: &str, from: usize) -> Option<usize> {
        match self.atoms.as_slice() {
            [] => Some(from),
            [Atom::Text(wanted)] => text[from..].find(wanted.as_str()).map(|at| from + at + wanted.len()),
            _ => text[from..]
                .char_indices()
                .map(|(at, _)| from + at)
                .chain([text.len()])
                .find_map(|at| self.ends_at(text, at)),
        }
    }

    /// Whether the text ends with it, from `from` on.
    fn stands_at_end(&self, text: &str, from: usize) -> bool {
        let mut end = text.len();
        for atom in self.atoms.iter().rev() {
            let rest = &text[from..end];
            let length = match atom {
                Atom::Text(wanted) => rest.ends_with(wanted.as_str()).then_some(wanted.len()),
                Atom::One => rest.chars().next_back().map(char::len_utf8),
            };
            match length {
                Some(length) => end -= length,
                None => return false,
            }
        }
        true
    }
}
