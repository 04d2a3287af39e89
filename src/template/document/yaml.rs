//! YAML by saphyr's events: tags and places are kept, aliases are refused as CloudFormation refuses them.

use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Range, StrInput, Tag};

use super::super::error::{Diagnostic, File, Span, nearest};
use super::{Key, Kind, MAXIMUM_DEPTH, UniqueKeys, Value, too_deep};

/// CloudFormation's short tags: each is the long form's name without `Fn::`, except the first two, which have none.
const SHORT_TAGS: [&str; 20] = [
    "Ref",
    "Condition",
    "And",
    "Base64",
    "Cidr",
    "Contains",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
    "ToJsonString",
];

/// Reads one YAML document.
pub(super) fn read(file: &Arc<File>) -> Result<Value, Diagnostic> {
    let mut reader = Reader { file, events: Parser::new_from_str(&file.text) };
    let mut document = None;
    loop {
        let (event, range) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if document.is_some() => {
                return Err(Diagnostic::at(&reader.span(&range), "a second document begins here")
                    .help("one file holds one document; remove the `---`"));
            }
            event => document = Some(reader.value(event, &range, 0)?),
        }
    }
    Ok(document.unwrap_or_else(|| Value::new(Kind::Null, &Span::start_of(file))))
}

struct Reader<'a> {
    file: &'a Arc<File>,
    events: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Range), Diagnostic> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let marker = *error.marker();
                let span = self.span(&Range::empty(marker));
                Err(Diagnostic::at(&span, format!("this is not YAML: {}", error.info()))
                    .maybe_help(advice(error.info())))
            }
            None => Ok((Event::StreamEnd, Range::default())),
        }
    }

    fn span(&self, range: &Range) -> Span {
        let width = if range.start.line() == range.end.line() { range.len() } else { 1 };
        Span {
            file: Arc::clone(self.file),
            line: range.start.line().max(1),
            column: range.start.col() + 1,
            width: width.max(1),
        }
    }

    fn value(&mut self, event: Event<'a>, range: &Range, depth: usize) -> Result<Value, Diagnostic> {
        let span = self.span(range);
        if depth > MAXIMUM_DEPTH {
            return Err(too_deep(&span));
        }
        match event {
            Event::Scalar(text, style, _, tag) => {
                let untyped = style == ScalarStyle::Plain && !tag.as_ref().is_some_and(|tag| is_core(tag, "str"));
                let kind = if untyped { plain(&text) } else { Kind::Text(text.into_owned()) };
                tagged(tag.as_deref(), Value::new(kind, &span))
            }
            Event::SequenceStart(_, tag) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd | Event::StreamEnd, _) => break,
                        (event, range) => list.push(self.value(event, &range, depth + 1)?),
                    }
                }
                tagged(tag.as_deref(), Value::new(Kind::List(list), &span))
            }
            Event::MappingStart(_, tag) => {
                let map = self.map(depth)?;
                tagged(tag.as_deref(), Value::new(Kind::Map(map), &span))
            }
            Event::Alias(_) => Err(Diagnostic::at(&span, "YAML aliases are not supported, as in CloudFormation")
                .help("write the value out where it is used")),
            _ => Err(Diagnostic::at(&span, "this is not YAML: a value is missing here")),
        }
    }

    fn map(&mut self, depth: usize) -> Result<super::Map, Diagnostic> {
        let mut map = Vec::new();
        let mut unique = UniqueKeys::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd | Event::StreamEnd, _) => return Ok(map),
                (Event::Scalar(text, _, _, None), range) => Key { text: text.into_owned(), span: self.span(&range) },
                (_, range) => {
                    return Err(Diagnostic::at(&self.span(&range), "a key must be plain text")
                        .help("write `key: value`; quote a key that begins with `[`, `{`, `!`, `&` or `*`"));
                }
            };
            if key.text == "<<" {
                return Err(Diagnostic::at(&key.span, "YAML merges (`<<`) are not supported, as in CloudFormation")
                    .help("write the keys out where they are used"));
            }
            unique.insert(&key)?;
            let (event, range) = self.next()?;
            let value = self.value(event, &range, depth + 1)?;
            map.push((key, value));
        }
    }
}

fn is_core(tag: &Tag, suffix: &str) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == suffix
}

/// Turns a short tag into the long form.
fn tagged(tag: Option<&Tag>, value: Value) -> Result<Value, Diagnostic> {
    let Some(tag) = tag else { return Ok(value) };
    if ["str", "int", "float", "bool", "null", "map", "seq"].iter().any(|suffix| is_core(tag, suffix)) {
        return Ok(value);
    }
    let name = tag.suffix.as_str();
    if tag.handle != "!" || !SHORT_TAGS.contains(&name) {
        let message = match name {
            "Transform" | "ForEach" => format!("`!{name}` is not emulated: vpclab runs no macros"),
            _ => format!("`{tag}` is not a tag of CloudFormation"),
        };
        return Err(Diagnostic::at(&value.span, message)
            .maybe_help(nearest(name, SHORT_TAGS).map(|tag| format!("did you mean `!{tag}`?"))));
    }
    let text = if matches!(name, "Ref" | "Condition") { name.to_owned() } else { format!("Fn::{name}") };
    let span = value.span.clone();
    Ok(Value { kind: Kind::Map(vec![(Key { text, span: span.clone() }, value)]), span })
}

/// A plain scalar by YAML's core schema. Numbers keep their text: an account may begin with 0.
fn plain(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        _ if is_number(text) => Kind::Number(text.to_owned()),
        _ => Kind::Text(text.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && digits.parse::<f64>().is_ok()
}

fn advice(info: &str) -> Option<String> {
    let help = if info.contains("tab") {
        "indent with spaces; YAML does not take tabs"
    } else if info.contains("simple key") || info.contains("mapping values") {
        "a `:` or the indentation of this line or the one above is wrong; quote text that contains `: `"
    } else if info.contains("flow") || info.contains("','") {
        "a bracket, a brace or a comma is missing"
    } else {
        return None;
    };
    Some(help.to_owned())
}
