//! What a PartiQL statement does to which table or index, and what it tells policies of items.
//!
//! Not a parser of the whole language: names, the partition key's values, and whether nothing bounds it. What can't be read so
//! is a scan where it reads, and refused where it writes, as AWS refuses a write that does not name its item.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html>

use std::collections::BTreeSet;

use serde_json::Value;

use super::items::plain;
use super::partiql::{Kind, Word, words};

/// A statement.
#[derive(Clone, Debug)]
pub(super) struct Statement<'b> {
    /// `Select`, `Insert`, `Update` or `Delete`.
    pub verb: &'static str,
    /// The table as it names it.
    pub table: String,
    /// The index as it names it.
    pub index: Option<String>,
    words: Vec<Word>,
    /// The words that name table and index.
    name: std::ops::Range<usize>,
    parameters: &'b [Value],
}

/// Words that name no attribute.
const KEYWORDS: [&str; 30] = [
    "ALL",
    "AND",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "DELETE",
    "DESC",
    "FALSE",
    "FROM",
    "IN",
    "INSERT",
    "INTO",
    "IS",
    "MISSING",
    "MODIFIED",
    "NEW",
    "NOT",
    "NULL",
    "OLD",
    "OR",
    "ORDER",
    "REMOVE",
    "RETURNING",
    "SELECT",
    "SET",
    "TRUE",
    "UPDATE",
    "VALUE",
    "WHERE",
];

impl<'b> Statement<'b> {
    /// Reads a `Statement` with its `Parameters`.
    ///
    /// # Errors
    /// It names no table, or more than one.
    pub fn read(text: &str, parameters: &'b [Value]) -> Result<Self, String> {
        let words = words(text).ok_or("Statement wasn't well formed, can't be processed: ")?;
        let is = |index: usize, word: &str| words.get(index).is_some_and(|it| it.is(word));
        let (verb, at) = match () {
            () if is(0, "SELECT") => {
                let mut froms = (0..words.len()).filter(|index| is(*index, "FROM"));
                // It is a reserved word. Of two, the engine might mean the other one.
                let only = froms.next().filter(|_| froms.next().is_none());
                ("Select", only.map(|index| index + 1))
            }
            () if is(0, "INSERT") && is(1, "INTO") => ("Insert", Some(2)),
            () if is(0, "UPDATE") => ("Update", Some(1)),
            () if is(0, "DELETE") && is(1, "FROM") => ("Delete", Some(2)),
            () => ("", None),
        };
        let at = at.filter(|at| *at < words.len());
        let at = at.ok_or("Statement wasn't well formed, can't be processed: it names no table")?;
        // `"table"."index"` is two words with a dot between.
        let dotted = is(at + 1, ".");
        let index = dotted.then(|| words.get(at + 2).map_or_else(String::new, |word| word.text.clone()));
        let name = at..at + if dotted { 3 } else { 1 };
        Ok(Self { verb, table: words[at].text.clone(), index, words, name, parameters })
    }

    /// Values of the partition key; none where nothing bounds it, so that all items are looked at.
    ///
    /// # Errors
    /// A write that does not say which item it is about.
    pub fn leading_keys(&self, key: &str) -> Result<BTreeSet<String>, String> {
        let found = match self.verb {
            "Insert" => self.inserted(key),
            _ => {
                let start = self.words.iter().position(|word| word.is("WHERE"));
                let start = start.map_or(self.words.len(), |at| at + 1);
                let ends = |word: &Word| word.is("RETURNING") || word.is("ORDER");
                let end = self.words[start..].iter().position(ends).map_or(self.words.len(), |at| start + at);
                let mut bounds = Bounds { statement: self, key, at: start, end };
                bounds.either().filter(|_| bounds.at == end)
            }
        };
        match found {
            None if self.verb == "Insert" => Err(format!("Missing the key {} in the item", key.escape_debug())),
            None if self.verb != "Select" => {
                Err("Where clause does not contain a mandatory equality on all key attributes".to_owned())
            }
            found => Ok(found.unwrap_or_default()),
        }
    }

    /// Top-level attributes that it names.
    pub fn attributes(&self) -> BTreeSet<String> {
        let named = |(at, word): (usize, &Word)| {
            let nested = at > 0 && self.words[at - 1].is(".") && !self.name.contains(&(at - 2));
            let before = self.words.get(at + 1);
            let called = before.is_some_and(|next| next.is("("));
            let is_name = match word.kind {
                Kind::Name => true,
                Kind::Text => self.verb == "Insert" && before.is_some_and(|next| next.is(":")),
                Kind::Bare => {
                    let first =
                        word.text.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
                    first && !called && !KEYWORDS.iter().any(|keyword| word.is(keyword))
                }
                Kind::Ion => false,
            };
            (is_name && !nested && !self.name.contains(&at)).then(|| word.text.clone())
        };
        self.words.iter().enumerate().filter_map(named).collect()
    }

    /// `dynamodb:Select` of one that reads.
    pub fn select(&self) -> &'static str {
        let listed = &self.words[1..self.name.start.saturating_sub(1).max(1)];
        if listed.iter().any(|word| word.is("*")) { "ALL_ATTRIBUTES" } else { "SPECIFIC_ATTRIBUTES" }
    }

    /// `dynamodb:ReturnValues` of one that changes.
    pub fn return_values(&self) -> &'static str {
        let Some(at) = self.words.iter().position(|word| word.is("RETURNING")) else { return "NONE" };
        let is = |at: usize, word: &str| self.words.get(at).is_some_and(|it| it.is(word));
        match (is(at + 1, "MODIFIED"), is(at + 2, "NEW")) {
            (false, false) => "ALL_OLD",
            (false, true) => "ALL_NEW",
            (true, false) => "UPDATED_OLD",
            (true, true) => "UPDATED_NEW",
        }
    }

    /// The key's value in `VALUE {'key': …}`; of several, all.
    fn inserted(&self, key: &str) -> Option<BTreeSet<String>> {
        let mut depth = 0;
        let mut found = BTreeSet::new();
        for (at, word) in self.words.iter().enumerate().skip(self.name.end) {
            match word.kind {
                Kind::Bare if matches!(word.text.as_str(), "{" | "[" | "(") => depth += 1,
                Kind::Bare if matches!(word.text.as_str(), "}" | "]" | ")") => depth -= 1,
                _ if depth == 1 && word.text == key && self.words.get(at + 1).is_some_and(|next| next.is(":")) => {
                    found.insert(self.value(at + 2)?.0);
                }
                _ => {}
            }
        }
        // `VALUE ?` is the whole item.
        let whole = self.words.get(self.name.end + 1).filter(|word| word.is("?"));
        if let Some(item) = whole.and_then(|_| self.parameters.first()) {
            found.insert(plain(item.get("M")?.get(key)?)?);
        }
        Some(found).filter(|found| !found.is_empty())
    }

    /// A literal or parameter, and the word behind it.
    fn value(&self, at: usize) -> Option<(String, usize)> {
        let word = self.words.get(at)?;
        let is_number =
            |word: &Word| word.kind == Kind::Bare && word.text.starts_with(|first: char| first.is_ascii_digit());
        match word.kind {
            Kind::Text => Some((word.text.clone(), at + 1)),
            _ if is_number(word) => Some((word.text.clone(), at + 1)),
            _ if word.is("-") => {
                let number = self.words.get(at + 1).filter(|word| is_number(word))?;
                Some((format!("-{}", number.text), at + 2))
            }
            _ if word.is("?") => {
                let number = self.words[..at].iter().filter(|word| word.is("?")).count();
                Some((plain(self.parameters.get(number)?)?, at + 1))
            }
            _ => None,
        }
    }
}

/// Reads a condition for the values that it leaves to the key; `None` where it leaves all.
struct Bounds<'s, 'b> {
    statement: &'s Statement<'b>,
    key: &'s str,
    at: usize,
    end: usize,
}

impl Bounds<'_, '_> {
    fn is(&self, at: usize, word: &str) -> bool {
        at < self.end && self.statement.words[at].is(word)
    }

    /// Parts with OR between: each must bound the key.
    fn either(&mut self) -> Option<BTreeSet<String>> {
        let mut found = self.both();
        while self.is(self.at, "OR") {
            self.at += 1;
            found = match (found, self.both()) {
                (Some(one), Some(other)) => Some(&one | &other),
                _ => None,
            };
        }
        found
    }

    /// Parts with AND between: one is enough. Of two that do, both are told.
    fn both(&mut self) -> Option<BTreeSet<String>> {
        let mut found = self.part();
        while self.is(self.at, "AND") {
            self.at += 1;
            found = match (found, self.part()) {
                (Some(one), Some(other)) => Some(&one | &other),
                (one, other) => one.or(other),
            };
        }
        found
    }

    fn part(&mut self) -> Option<BTreeSet<String>> {
        if self.is(self.at, "(") {
            let before = self.at;
            self.at += 1;
            let found = self.either();
            if self.is(self.at, ")") {
                self.at += 1;
                return found;
            }
            self.at = before;
        }
        let start = self.at;
        let between = self.skip();
        if self.is(start, "NOT") || between {
            return None;
        }
        self.bound(start)
    }

    /// Goes to the next AND, OR or closing bracket of this depth; says whether it passed a BETWEEN, which has an AND of its own.
    fn skip(&mut self) -> bool {
        let (mut depth, mut between, mut passed) = (0_usize, false, false);
        while self.at < self.end {
            let is = |word: &str| self.is(self.at, word);
            match () {
                () if is("(") || is("[") || is("{") => depth += 1,
                () if is(")") || is("]") || is("}") => match depth {
                    0 => break,
                    _ => depth -= 1,
                },
                () if depth > 0 => {}
                () if is("BETWEEN") => (between, passed) = (true, true),
                () if is("AND") && between => between = false,
                () if is("AND") || is("OR") => break,
                () => {}
            }
            self.at += 1;
        }
        passed
    }

    /// `key = value`, `value = key` or `key IN [value, …]`, and nothing else.
    fn bound(&self, start: usize) -> Option<BTreeSet<String>> {
        let is_key = |at: usize| {
            let word = &self.statement.words[at];
            at < self.end && word.text == self.key && matches!(word.kind, Kind::Bare | Kind::Name)
        };
        if start >= self.at {
            return None;
        }
        if is_key(start) && self.is(start + 1, "IN") {
            return self.list(start + 2);
        }
        let (value, behind) = match is_key(start) && self.is(start + 1, "=") {
            true => self.statement.value(start + 2)?,
            false => {
                let (value, behind) = self.statement.value(start)?;
                if !(self.is(behind, "=") && behind + 1 < self.at && is_key(behind + 1)) {
                    return None;
                }
                (value, behind + 2)
            }
        };
        (behind == self.at).then(|| BTreeSet::from([value]))
    }

    fn list(&self, open: usize) -> Option<BTreeSet<String>> {
        if !(self.is(open, "[") || self.is(open, "(")) {
            return None;
        }
        let (mut at, mut found) = (open, BTreeSet::new());
        while at == open || self.is(at, ",") {
            let (value, behind) = self.statement.value(at + 1)?;
            found.insert(value);
            at = behind;
        }
        let closed = (self.is(at, "]") || self.is(at, ")")) && at + 1 == self.at;
        closed.then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(text: &str) -> String {
        let parameters = [json!({"S": "p"}), json!({"N": "7"}), json!({"M": {"id": {"S": "m"}}})];
        let statement = Statement::read(text, &parameters).unwrap();
        statement.leading_keys("id").map_or_else(|_| "refused".to_owned(), |keys| Vec::from_iter(keys).join(" "))
    }

    #[test]
    fn the_keys_that_a_statement_is_about() {
        for (text, expected) in [
            ("SELECT * FROM t WHERE id = 'a'", "a"),
            ("select x from \"t\" where \"id\"='a' and at > 5", "a"),
            ("SELECT * FROM t WHERE 'a' = id", "a"),
            ("SELECT * FROM t WHERE at = 1 AND (id = 'a')", "a"),
            ("SELECT * FROM t WHERE id = 'a' OR id = 'b'", "a b"),
            ("SELECT * FROM t WHERE id IN ['a', 'b', -3]", "-3 a b"),
            ("SELECT * FROM t WHERE id IN ('a', ?)", "a p"),
            ("SELECT * FROM t WHERE x = ? AND id = ?", "7"),
            ("SELECT * FROM t WHERE at BETWEEN 1 AND 2 AND id = 'it''s'", "it's"),
            ("SELECT * FROM t WHERE id = 'a' AND id = 'b'", "a b"),
            ("SELECT * FROM t WHERE id = 'a' ORDER BY at DESC", "a"),
            // All items are looked at.
            ("SELECT * FROM t", ""),
            ("SELECT * FROM t WHERE id = 'a' OR x = 1", ""),
            ("SELECT * FROM t WHERE NOT id = 'a'", ""),
            ("SELECT * FROM t WHERE NOT (id = 'a')", ""),
            ("SELECT * FROM t WHERE id > 'a'", ""),
            ("SELECT * FROM t WHERE id BETWEEN 'a' AND 'b'", ""),
            ("SELECT * FROM t WHERE id <> 'a'", ""),
            ("SELECT * FROM t WHERE x.id = 'a'", ""),
            ("SELECT * FROM t WHERE contains(x, 'id = a')", ""),
            ("SELECT * FROM t WHERE id = x", ""),
            ("SELECT * FROM t WHERE (id = 'a') OR (id", ""),
            ("INSERT INTO t VALUE {'id': 'a', 'x': {'id': 'z'}}", "a"),
            ("INSERT INTO t VALUE {'id': 'a', 'id': 'b'}", "a b"),
            ("INSERT INTO t VALUE {'x': ?, 'id': ?}", "7"),
            ("UPDATE t SET id2 = 'x' WHERE id = 'a'", "a"),
            ("UPDATE t SET x = 1 WHERE id = ? RETURNING ALL OLD *", "p"),
            ("DELETE FROM t WHERE id = 'a' AND at = 1", "a"),
            // Which item it would be, nobody can tell.
            ("INSERT INTO t VALUE {'x': 'a'}", "refused"),
            ("INSERT INTO t VALUE {'id': `a`}", "refused"),
            ("UPDATE t SET id = 'a'", "refused"),
            ("UPDATE t SET x = 1 WHERE (id) = 'b'", "refused"),
            ("DELETE FROM t WHERE id = 'a' OR x = 1", "refused"),
        ] {
            assert_eq!(keys(text), expected, "{text}");
        }
    }

    #[test]
    fn the_attributes_that_a_statement_names() {
        for (text, attributes, select, returned) in [
            ("SELECT * FROM t", "", "ALL_ATTRIBUTES", "NONE"),
            ("SELECT a, b.c, \"d e\" FROM \"t\".\"i\" WHERE size(f) > 2", "a b d e f", "SPECIFIC_ATTRIBUTES", "NONE"),
            ("INSERT INTO t VALUE {'id': 'a', 'x': {'y': 1}}", "id x y", "", "NONE"),
            ("UPDATE t SET a = 1 REMOVE b WHERE id = 'c' RETURNING MODIFIED NEW *", "a b id", "", "UPDATED_NEW"),
            ("DELETE FROM t WHERE id = 'a' RETURNING ALL OLD *", "id", "", "ALL_OLD"),
        ] {
            let statement = Statement::read(text, &[]).unwrap();
            assert_eq!(Vec::from_iter(statement.attributes()).join(" "), attributes, "{text}");
            if statement.verb == "Select" {
                assert_eq!(statement.select(), select, "{text}");
            }
            assert_eq!(statement.return_values(), returned, "{text}");
        }
    }
}
