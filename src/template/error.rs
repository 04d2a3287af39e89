//! What is wrong with a template, where, and what to do: drawn with the line and a caret.
//!
//! Why by hand: a template error has one place and one advice, and its form is part of the command line's contract
//! (`error:`, ` --> file:line:column`, the line, a caret, `= help:`). It does not colour and it does not wrap.

use std::fmt;
use std::sync::Arc;

use crate::model::Source;

/// A file as it was read: its name as the user gave it, and its text for the line that an error shows.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    /// Name for messages.
    pub name: Arc<str>,
    /// Whole text.
    pub text: String,
}

/// Where something is written.
#[derive(Clone, PartialEq, Eq)]
pub struct Span {
    /// The file.
    pub file: Arc<File>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Width of the caret in characters, at least 1.
    pub width: usize,
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.name, self.line, self.column)
    }
}

impl Span {
    /// The beginning of a file: for what the whole file lacks.
    pub fn start_of(file: &Arc<File>) -> Self {
        Self { file: Arc::clone(file), line: 1, column: 1, width: 1 }
    }

    /// The place of a piece of a text that begins here: texts may go on for lines, and errors point into them.
    pub fn find(&self, piece: &str) -> Self {
        let lines = self.file.text.lines().enumerate().skip(self.line.saturating_sub(1)).take(FOUND_LINES);
        for (index, line) in lines {
            let skip = if index + 1 == self.line { self.column.saturating_sub(1) } else { 0 };
            let from = line.char_indices().nth(skip).map_or(line.len(), |(byte, _)| byte);
            if let Some(byte) = line[from..].find(piece) {
                let column = line[..from + byte].chars().count() + 1;
                return Self { line: index + 1, column, width: piece.chars().count(), file: Arc::clone(&self.file) };
            }
        }
        self.clone()
    }

    /// The place as the model keeps it.
    pub fn source(&self) -> Source {
        Source { file: Arc::clone(&self.file.name), line: self.line, column: self.column }
    }
}

/// One error: what, where, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// Where; `None` for what was asked outside of any file, such as `--param`.
    pub span: Option<Span>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn at(span: &Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: Some(span.clone()), help: None }
    }

    /// An error that no file holds.
    pub fn nowhere(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None, help: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what to do, when there is something to say.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

/// Lines after its begin in which a piece of a text is looked for.
const FOUND_LINES: usize = 2000;

/// Characters of a source line that an error shows at most: a minified JSON template is one line of a megabyte.
const SHOWN_COLUMNS: usize = 120;

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        let Some(span) = &self.span else {
            return match &self.help {
                Some(help) => write!(f, "\n  = help: {help}"),
                None => Ok(()),
            };
        };
        let number = span.line.to_string();
        let margin = " ".repeat(number.len());
        write!(f, "\n{margin}--> {}:{}:{}", span.file.name, span.line, span.column)?;
        if let Some((line, caret_column, caret_width)) = shown_line(span) {
            write!(f, "\n{margin} |\n{number} | {line}\n{margin} | ")?;
            write!(f, "{}{}", " ".repeat(caret_column), "^".repeat(caret_width))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n{margin} = help: {help}")?;
        }
        Ok(())
    }
}

/// The source line cut to a window around the caret, the caret's column in it, and the caret's width.
fn shown_line(span: &Span) -> Option<(String, usize, usize)> {
    let line = span.file.text.lines().nth(span.line.checked_sub(1)?)?;
    let column = span.column.saturating_sub(1);
    let skip = if column + 40 > SHOWN_COLUMNS { column.saturating_sub(SHOWN_COLUMNS / 2) } else { 0 };
    let mut characters = line.chars().skip(skip);
    let mut shown = String::new();
    if skip > 0 {
        shown.push('…');
        characters.next();
    }
    // A tab or control character of any width would move the caret: each is shown as one blank.
    shown.extend(characters.by_ref().take(SHOWN_COLUMNS).map(|c| if c.is_control() { ' ' } else { c }));
    if characters.next().is_some() {
        shown.push('…');
    }
    let width = shown.trim_end().chars().count();
    shown.truncate(shown.trim_end().len());
    let caret = (column - skip).min(width);
    Some((shown, caret, span.width.min(width.saturating_sub(caret)).max(1)))
}

/// Everything wrong with what was to be loaded; at least one error.
///
/// `Display` draws each of them, beginning with `error:`: print it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The errors in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
}

/// Errors that are drawn; a template with more is better fixed from the top.
const SHOWN_ERRORS: usize = 20;

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().take(SHOWN_ERRORS).enumerate() {
            if index > 0 {
                write!(f, "\n\n")?;
            }
            write!(f, "{diagnostic}")?;
        }
        match self.diagnostics.len().checked_sub(SHOWN_ERRORS) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "\n\nerror: {more} more errors are not shown"),
        }
    }
}

impl std::error::Error for TemplateError {}

impl From<Diagnostic> for TemplateError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostics: vec![diagnostic] }
    }
}

/// The candidate that a misspelt `name` most likely meant, as advice.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

/// The candidate that a misspelt `name` most likely meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // One slip in three letters; of a shorter name only the case can be wrong.
    let limit = name.chars().count() / 3;
    candidates
        .into_iter()
        .map(|candidate| (distance(&name.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edit distance where swapped neighbours count as one, the commonest slip; cut off for names too long to be worth it.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().take(256).collect();
    let right: Vec<char> = right.chars().take(256).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let substituted = above[j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = substituted.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, line: usize, column: usize, width: usize, expect: &str) {
        let file = Arc::new(File { name: "a.yaml".into(), text: text.to_owned() });
        let error = Diagnostic::at(&Span { file, line, column, width }, "wrong").help("fix it");
        assert_eq!(error.to_string(), expect);
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        check(
            "a: 1\nbé: wrong\n",
            2,
            5,
            5,
            "error: wrong\n --> a.yaml:2:5\n  |\n2 | bé: wrong\n  |     ^^^^^\n  = help: fix it",
        );
        check("\tx: 1", 1, 2, 1, "error: wrong\n --> a.yaml:1:2\n  |\n1 |  x: 1\n  |  ^\n  = help: fix it");
    }

    #[test]
    fn a_megabyte_on_one_line_is_cut_around_the_caret() {
        let text = format!("{}HERE{}", "x".repeat(5000), "y".repeat(5000));
        let file = Arc::new(File { name: "a.json".into(), text });
        let shown = Diagnostic::at(&Span { file, line: 1, column: 5001, width: 4 }, "wrong").to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[3].chars().count() < 140);
        let at = lines[4].chars().position(|c| c == '^').expect("a caret");
        assert_eq!(lines[3].chars().skip(at).take(4).collect::<String>(), "HERE");
    }

    #[test]
    fn a_place_outside_the_text_is_not_drawn() {
        check("", 7, 1, 1, "error: wrong\n --> a.yaml:7:1\n  = help: fix it");
    }

    #[test]
    fn the_nearest_name_is_offered() {
        assert_eq!(did_you_mean("Subnte", ["Vpc", "Subnet"]).as_deref(), Some("did you mean `Subnet`?"));
        assert_eq!(did_you_mean("vpc", ["Vpc"]).as_deref(), Some("did you mean `Vpc`?"));
        assert_eq!(did_you_mean("Vcp", ["Vpc"]).as_deref(), Some("did you mean `Vpc`?"));
        assert_eq!(did_you_mean("Elephant", ["Vpc", "Subnet"]), None);
    }
}
