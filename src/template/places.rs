//! Where in a resource's properties a refusal belongs: AWS's messages name a parameter or repeat a value.

use super::document::{Kind, Map, Value};
use super::error::Span;

/// The names and texts of a resource's properties with their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// What the properties belong to, where it is a part of a resource.
    part: Option<Span>,
    names: Vec<(String, Span)>,
    texts: Vec<(String, Span)>,
}

/// Texts of this length or less stand in messages by chance, unless they stand there as a word.
const SHORT: usize = 3;

impl Places {
    pub fn of_resource(properties: &Map) -> Self {
        let mut places = Self::default();
        places.collect_map(properties);
        places
    }

    /// The places of one object among a resource's properties; what is mentioned nowhere is shown at the object.
    pub fn of_part(span: &Span, properties: &Map) -> Self {
        Self { part: Some(span.clone()), ..Self::of_resource(properties) }
    }

    fn collect_map(&mut self, map: &Map) {
        for (key, value) in map {
            self.names.push((key.text.clone(), value.span.clone()));
            self.collect(value);
        }
    }

    fn collect(&mut self, value: &Value) {
        match &value.kind {
            Kind::List(list) => list.iter().for_each(|value| self.collect(value)),
            Kind::Map(map) => self.collect_map(map),
            _ => self.texts.extend(value.as_text().map(|text| (text.to_owned(), value.span.clone()))),
        }
    }

    /// The place of what a message speaks of: the parameter that it names, else the longest text that it repeats.
    pub fn of(&self, message: &str) -> Option<&Span> {
        let after = |words| message.split(words).nth(1).and_then(|rest| rest.split([' ', '.', ',']).next());
        let parameter = after("parameter ").or_else(|| after("value for "));
        let named =
            parameter.and_then(|parameter| self.names.iter().find(|(name, _)| name.eq_ignore_ascii_case(parameter)));
        let long = || {
            let mentioned = self.texts.iter().filter(|(text, _)| text.len() > SHORT && message.contains(text));
            mentioned.max_by_key(|(text, _)| text.len())
        };
        let word = || {
            let mentioned = self.texts.iter().filter(|(text, _)| text.len() <= SHORT && has_word(message, text));
            mentioned.max_by_key(|(text, _)| text.len())
        };
        named.or_else(long).or_else(word).map(|(_, span)| span).or(self.part.as_ref())
    }
}

/// Whether the text stands there and is not a piece of a longer word, id, address or block.
fn has_word(message: &str, text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '-' | '_');
    !text.is_empty()
        && message.match_indices(text).any(|(at, _)| {
            let before = message[..at].chars().next_back();
            let mut after = message[at + text.len()..].chars();
            let (next, second) = (after.next(), after.next());
            // A full stop ends a sentence, a point goes on.
            let ends = next.is_none_or(|c| !is_inner(c) || c == '.' && second.is_none_or(char::is_whitespace));
            ends && before.is_none_or(|c| !is_inner(c))
        })
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn short_texts_count_as_words_only() {
        for (message, text, expected) in [
            ("The network acl entry identified by 100 already exists.", "100", true),
            ("Invalid TCP/UDP port range (80:79)", "79", true),
            ("The CIDR '10.1.0.0/24' is invalid.", "24", false),
            ("The CIDR '10.1.0.0/24' is invalid.", "10", false),
            ("at device index '0'.", "0", true),
            ("It is 7.", "7", true),
            ("It is 7.5", "7", false),
            ("vpc-1", "1", false),
            ("anything", "", false),
        ] {
            assert_eq!(has_word(message, text), expected, "{message} {text}");
        }
    }
}
