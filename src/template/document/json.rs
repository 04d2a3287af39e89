//! JSON (RFC 8259) with places. Why by hand: serde_json keeps no spans, and YAML readers refuse tabs.

use std::sync::Arc;

use super::super::error::{Diagnostic, File, Span};
use super::{Key, Kind, MAXIMUM_DEPTH, Map, UniqueKeys, Value, too_deep};

/// Reads one JSON document.
pub(super) fn read(file: &Arc<File>) -> Result<Value, Diagnostic> {
    let mut reader = Reader { file, rest: &file.text, line: 1, column: 1 };
    reader.blank();
    let value = reader.value(0)?;
    reader.blank();
    match reader.rest.is_empty() {
        true => Ok(value),
        false => Err(reader.error("the document has ended, but the file goes on")),
    }
}

struct Reader<'a> {
    file: &'a Arc<File>,
    rest: &'a str,
    line: usize,
    column: usize,
}

impl<'a> Reader<'a> {
    fn span(&self) -> Span {
        Span { file: Arc::clone(self.file), line: self.line, column: self.column, width: 1 }
    }

    fn error(&self, what: &str) -> Diagnostic {
        Diagnostic::at(&self.span(), format!("this is not JSON: {what}"))
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.take();
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), Diagnostic> {
        match self.peek() {
            Some(c) if c == wanted => {
                self.take();
                Ok(())
            }
            Some(c) => Err(self.error(&format!("`{wanted}` is expected here, not `{c}`"))),
            None => Err(self.error(&format!("the file ends where `{wanted}` is expected"))),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Diagnostic> {
        let mut span = self.span();
        if depth > MAXIMUM_DEPTH {
            return Err(too_deep(&span));
        }
        let kind = match self.peek() {
            Some('{') => Kind::Map(self.map(depth)?),
            Some('[') => Kind::List(self.list(depth)?),
            Some('"') => Kind::Text(self.text()?),
            Some(c) if c == '-' || c.is_ascii_digit() => self.number()?,
            Some(c) if c.is_ascii_alphabetic() => self.word()?,
            Some(c) => return Err(self.error(&format!("a value is expected here, not `{c}`"))),
            None => return Err(self.error("the file ends where a value is expected")),
        };
        if span.line == self.line {
            span.width = (self.column - span.column).max(1);
        }
        Ok(Value { kind, span })
    }

    fn map(&mut self, depth: usize) -> Result<Map, Diagnostic> {
        self.expect('{')?;
        let mut map = Vec::new();
        let mut unique = UniqueKeys::new();
        self.blank();
        while self.peek() != Some('}') {
            if !map.is_empty() {
                self.comma('}')?;
            }
            let mut span = self.span();
            let text = self.text()?;
            span.width = self.column.saturating_sub(span.column).max(1);
            let key = Key { text, span };
            unique.insert(&key)?;
            self.blank();
            self.expect(':')?;
            self.blank();
            map.push((key, self.value(depth + 1)?));
            self.blank();
        }
        self.expect('}')?;
        Ok(map)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value>, Diagnostic> {
        self.expect('[')?;
        let mut list = Vec::new();
        self.blank();
        while self.peek() != Some(']') {
            if !list.is_empty() {
                self.comma(']')?;
            }
            list.push(self.value(depth + 1)?);
            self.blank();
        }
        self.expect(']')?;
        Ok(list)
    }

    /// The comma between two entries.
    fn comma(&mut self, end: char) -> Result<(), Diagnostic> {
        let span = self.span();
        self.expect(',')?;
        self.blank();
        match self.peek() == Some(end) {
            true => Err(Diagnostic::at(&span, "this is not JSON: nothing follows this comma").help("remove the comma")),
            false => Ok(()),
        }
    }

    fn number(&mut self) -> Result<Kind, Diagnostic> {
        let span = self.span();
        let length =
            self.rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(length);
        if serde_json::from_str::<serde_json::Number>(number).is_err() {
            return Err(Diagnostic::at(&span, format!("this is not JSON: `{number}` is not a number")));
        }
        self.rest = rest;
        self.column += length;
        Ok(Kind::Number(number.to_owned()))
    }

    fn word(&mut self) -> Result<Kind, Diagnostic> {
        let length = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(length);
        let kind = match word {
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            "null" => Kind::Null,
            _ => return Err(self.error(&format!("`{word}` is not a value")).help("put text in double quotes")),
        };
        self.rest = rest;
        self.column += length;
        Ok(kind)
    }

    fn text(&mut self) -> Result<String, Diagnostic> {
        let begin = self.span();
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.peek() {
                None => return Err(Diagnostic::at(&begin, "this is not JSON: this text has no end")),
                Some('"') => {
                    self.take();
                    return Ok(text);
                }
                Some('\\') => text.push(self.escape()?),
                Some(c) if c < ' ' => {
                    return Err(self
                        .error("a control character inside of a text")
                        .help("write it as an escape, such as \\n or \\t"));
                }
                Some(c) => {
                    text.push(c);
                    self.take();
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Diagnostic> {
        let at = self.span();
        self.take();
        let plain = match self.take() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('u') => return self.unicode(&at),
            _ => return Err(Diagnostic::at(&at, "this is not JSON: an unknown escape")),
        };
        Ok(plain)
    }

    /// `\uXXXX`, two of them for a character outside the basic plane (RFC 8259 section 7).
    fn unicode(&mut self, at: &Span) -> Result<char, Diagnostic> {
        let first = self.four_digits(at)?;
        let code = match first {
            0xD800..=0xDBFF if self.rest.starts_with("\\u") => {
                self.take();
                self.take();
                let second = self.four_digits(at)?;
                0x10000 + ((first - 0xD800) << 10) + (second.wrapping_sub(0xDC00) & 0x3FF)
            }
            other => other,
        };
        char::from_u32(code).ok_or_else(|| Diagnostic::at(at, "this is not JSON: half of a surrogate pair"))
    }

    fn four_digits(&mut self, at: &Span) -> Result<u32, Diagnostic> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.take().and_then(|c| c.to_digit(16));
            code =
                code * 16 + digit.ok_or_else(|| Diagnostic::at(at, "this is not JSON: `\\u` needs four hex digits"))?;
        }
        Ok(code)
    }
}
