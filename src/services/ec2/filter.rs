//! Filters of Describe operations (B6.1): all names must match, of a name's values one, with `*` and `?`.

use serde_json::Value;

use super::form::{Form, shown};
use super::refused;
use crate::services::failure::Failure;

/// What rows are kept.
#[derive(Debug)]
pub struct Filter {
    /// Members from the row down, joined by dots; lists are looked through.
    path: String,
    /// The key of a tag whose value is meant.
    tag: Option<String>,
    values: Vec<String>,
}

impl Filter {
    /// `Filter.N.Name` and `Filter.N.Value.M`, by the names that a listing knows.
    ///
    /// # Errors
    /// A name is unknown, or a filter has no value.
    pub fn all(form: &Form, known: &[(&str, &str)]) -> Result<Vec<Self>, Failure> {
        let mut filters = Vec::new();
        for number in form.numbers("Filter")? {
            let name = form.need(&format!("Filter.{number}.Name"))?;
            let values = form.list(&format!("Filter.{number}.Value"))?;
            if values.is_empty() {
                let message = format!("The filter '{}' has no value", shown(&name));
                return Err(refused(400, "InvalidParameterValue", message));
            }
            filters.push(Self::new(&name, values, known)?);
        }
        Ok(filters)
    }

    /// One by its name.
    ///
    /// # Errors
    /// The name is unknown.
    pub fn new(name: &str, values: Vec<String>, known: &[(&str, &str)]) -> Result<Self, Failure> {
        if let Some(key) = name.strip_prefix("tag:") {
            return Ok(Self { path: String::new(), tag: Some(key.to_owned()), values });
        }
        let path = match known.iter().find(|(filter, _)| *filter == name) {
            Some((_, path)) => (*path).to_owned(),
            None if name == "tag-key" => "Tags.Key".to_owned(),
            None => {
                let message = format!("The filter '{}' is invalid", shown(name));
                return Err(refused(400, "InvalidParameterValue", message));
            }
        };
        Ok(Self { path, tag: None, values })
    }

    /// Whether a row is kept.
    pub fn keeps(&self, row: &Value) -> bool {
        let mut found = Vec::new();
        match &self.tag {
            Some(key) => {
                let tags = ["Tags", "TagSet"].iter().filter_map(|list| row[*list].as_array()).flatten();
                found.extend(tags.filter(|tag| tag["Key"] == key.as_str()).map(|tag| text(&tag["Value"])));
            }
            None => collect(row, &self.path, &mut found),
        }
        found.iter().any(|text| self.values.iter().any(|pattern| matches(pattern, text)))
    }
}

fn collect(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, path, found)),
        Value::Object(members) if !path.is_empty() => {
            let (member, rest) = path.split_once('.').unwrap_or((path, ""));
            // Network interfaces call their tags otherwise.
            let other = if member == "Tags" { "TagSet" } else { member };
            if let Some(value) = members.get(member).or_else(|| members.get(other)) {
                collect(value, rest, found);
            }
        }
        Value::Null | Value::Object(_) => {}
        value => found.push(text(value)),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `*` stands for any characters, `?` for one, `\` before either for itself.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (tokens(pattern), text.chars().collect::<Vec<_>>());
    // Where the last star stood, and how much of the text it has taken: the only place worth going back to.
    let (mut at, mut read, mut star) = (0, 0, None);
    while read < text.len() {
        match pattern.get(at) {
            Some(Token::Any) => {
                star = Some((at, read));
                at += 1;
            }
            Some(Token::One) => (at, read) = (at + 1, read + 1),
            Some(Token::This(c)) if *c == text[read] => (at, read) = (at + 1, read + 1),
            _ => match star {
                Some((of_star, taken)) => {
                    star = Some((of_star, taken + 1));
                    (at, read) = (of_star + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|token| *token == Token::Any)
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Any,
    One,
    This(char),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut characters = pattern.chars();
    let mut tokens = Vec::new();
    while let Some(c) = characters.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => Token::This(characters.next().unwrap_or('\\')),
            other => Token::This(other),
        });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c", "abcd", false),
            ("*b*", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a\\*c", "a*c", true),
            ("a\\*c", "abc", false),
            ("ABC", "abc", false),
            ("", "a", false),
            ("a**", "a", true),
            ("*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn paths_go_through_lists() {
        let row = json!({ "Groups": [{ "GroupId": "sg-1" }, { "GroupId": "sg-2" }], "Main": true,
            "TagSet": [{ "Key": "Name", "Value": "x" }] });
        let keeps = |name: &str, value: &str| {
            let known = [("group-id", "Groups.GroupId"), ("main", "Main"), ("gone", "Gone.There")];
            Filter::new(name, vec![value.to_owned()], &known).unwrap().keeps(&row)
        };
        assert!(keeps("group-id", "sg-2") && !keeps("group-id", "sg-3"));
        assert!(keeps("main", "true") && !keeps("gone", "*"));
        assert!(keeps("tag:Name", "x") && !keeps("tag:Name", "y") && keeps("tag-key", "Na*"));
        assert!(Filter::new("nonsense", Vec::new(), &[]).is_err());
    }
}
