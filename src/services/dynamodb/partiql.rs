//! Words of PartiQL, cut where the engine cuts them, so that policies are asked about the table that it reads.
//!
//! Not a parser: what the words mean is the engine's business, but for the table's name. What the engine would not cut either
//! makes no words at all.

/// A word, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// What stands between them.
    pub text: String,
    /// How it is written.
    pub kind: Kind,
}

/// How a word is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a number or a sign.
    Bare,
    /// A name in double quotes.
    Name,
    /// A text in single quotes.
    Text,
    /// Ion in backticks.
    Ion,
}

impl Word {
    /// Whether it is this keyword or sign.
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Bare && self.text.eq_ignore_ascii_case(word)
    }
}

/// Words of a statement; comments are none.
pub(super) fn words(text: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = text.trim_ascii_start();
    while let Some(first) = rest.chars().next() {
        let mut push = |text: String, kind| words.push(Word { text, kind });
        let end = match first {
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest[2..].find("*/")? + 4,
            '"' | '\'' => {
                let (word, end) = quoted(rest, first)?;
                push(word, if first == '"' { Kind::Name } else { Kind::Text });
                end
            }
            '`' => {
                let end = rest[1..].find('`')? + 2;
                push(rest[..end].to_owned(), Kind::Ion);
                end
            }
            '#' => return None,
            _ if first.is_ascii() => {
                let end = length(rest, first);
                push(rest[..end].to_owned(), Kind::Bare);
                end
            }
            _ => return None,
        };
        rest = rest[end..].trim_ascii_start();
    }
    Some(words)
}

/// A word in quotes, which stand twice where they are meant, and where it ends.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut word = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != quote {
            word.push(character);
        } else if characters.next_if(|(_, next)| *next == quote).is_some() {
            word.push(quote);
        } else {
            return Some((word, at + 1));
        }
    }
    None
}

/// Bytes of a name, a number or a sign.
fn length(text: &str, first: char) -> usize {
    let run = |text: &str, of: fn(u8) -> bool| text.bytes().take_while(|byte| of(*byte)).count();
    if first.is_ascii_alphabetic() || first == '_' {
        return run(text, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    }
    if !first.is_ascii_digit() {
        return 1;
    }
    let number = run(text, |byte| byte.is_ascii_digit() || byte == b'.');
    let Some(exponent) = text[number..].strip_prefix(['e', 'E']) else { return number };
    let sign = usize::from(exponent.starts_with(['+', '-']));
    match run(&exponent[sign..], |byte| byte.is_ascii_digit()) {
        0 => number,
        digits => number + 1 + sign + digits,
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_cut_as_the_engine_cuts_them() {
        let cut =
            |text: &str| words(text).map(|words| words.into_iter().map(|word| word.text).collect::<Vec<_>>().join("|"));
        let cases = [
            ("SELECT a.b FROM \"t\".\"i\"", Some("SELECT|a|.|b|FROM|t|.|i")),
            ("SELECT/* \" FROM x */* FROM t", Some("SELECT|*|FROM|t")),
            ("SELECT a -- FROM x\n, b", Some("SELECT|a|,|b")),
            ("SELECT 1FROM t WHERE a=1e5FROM", Some("SELECT|1|FROM|t|WHERE|a|=|1e5|FROM")),
            ("a 'it''s from' \"b\"\"c\"", Some("a|it's from|b\"c")),
            ("FROM my-table", Some("FROM|my|-|table")),
            ("", Some("")),
            ("a 'open", None),
            ("a /* open", None),
            ("a # b", None),
            ("a\u{a0}b", None),
        ];
        for (text, expected) in cases {
            assert_eq!(cut(text).as_deref(), expected, "{text}");
        }
    }
}
