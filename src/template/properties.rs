//! Typed reading of a resource's properties.
//!
//! Each reader returns a value at once and keeps what was wrong, so that all errors of a resource are told together;
//! [`Properties::finish`] gives them, and turns every property that nobody read into a notice. A required value that
//! only something not emulated could tell makes the resource itself not emulated; an optional one is left out, said aloud.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::str::FromStr;

use super::document::{Kind, Map, Value};
use super::error::{Diagnostic, Span, nearest};
use super::evaluate::Stop;
use super::notice::{Notice, NoticeKind};
use super::places::Places;

/// The evaluated properties of one resource, or of one object inside of them.
pub(super) struct Properties {
    /// For messages: ``AWS::EC2::Subnet `App` ``.
    title: String,
    /// Where the resource or object begins.
    span: Span,
    map: Map,
    asked: Vec<String>,
    errors: Vec<Diagnostic>,
    notices: Vec<Notice>,
    unemulated: Option<String>,
    /// Something that it needs has failed, and that error is told already.
    silent: bool,
}

impl Properties {
    pub fn new(title: String, span: Span, map: Map, errors: Vec<Diagnostic>) -> Self {
        Self { title, span, map, asked: Vec::new(), errors, notices: Vec::new(), unemulated: None, silent: false }
    }

    /// It can't be made, because of something whose error is told already; its own errors still are.
    #[must_use]
    pub fn silent(mut self, silent: bool) -> Self {
        self.silent = silent;
        self
    }

    /// Everything is read: errors, or the notices about what was not.
    pub fn finish(mut self, notices: &mut Vec<Notice>) -> Result<(), Stop> {
        self.notice_unread();
        if !self.errors.is_empty() {
            return Err(Stop::Errors(self.errors));
        }
        if self.silent {
            return Err(Stop::Silent);
        }
        if let Some(because) = self.unemulated {
            return Err(Stop::Unemulated(because));
        }
        notices.append(&mut self.notices);
        Ok(())
    }

    fn notice_unread(&mut self) {
        for (key, _) in &self.map {
            if !self.asked.contains(&key.text) {
                let guess =
                    nearest(&key.text, self.asked.iter().map(String::as_str).filter(|asked| self.get(asked).is_none()));
                let guess = guess.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
                let subject = format!("property {} of {}{guess}", key.text, self.title);
                self.notices.push(Notice::at(NoticeKind::Ignored, &key.span, subject));
            }
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.map.iter().find(|(key, _)| key.text == name).map(|(_, value)| value)
    }

    /// The property as it stands, without counting as read.
    pub fn value_of(&self, name: &str) -> Option<&Value> {
        self.get(name)
    }

    /// The span of a property, or of the whole.
    pub fn span_of(&self, name: &str) -> Span {
        self.get(name).map_or(&self.span, |value| &value.span).clone()
    }

    /// Whether the property is there.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Adds an error at a property.
    pub fn error(&mut self, name: &str, message: impl Into<String>, help: Option<&str>) {
        let error = Diagnostic::at(&self.span_of(name), message).maybe_help(help.map(str::to_owned));
        self.errors.push(error);
    }

    /// Adds an error at a place of its own.
    pub fn problem(&mut self, error: Diagnostic) {
        self.errors.push(error);
    }

    /// The property is read and kept, and nothing decides by it yet.
    pub fn not_enforced(&mut self, name: &str, what: &str) {
        self.notices.push(Notice::at(
            NoticeKind::NotEnforced,
            &self.span_of(name),
            format!("{what} of {}", self.title),
        ));
    }

    /// The property is known and has no effect in a lab, for a reason.
    pub fn ignored(&mut self, name: &str, why: &str) {
        self.notices.push(Notice::at(NoticeKind::Ignored, &self.span_of(name), format!("{why} of {}", self.title)));
    }

    /// The property is known, and what it says makes no difference.
    pub fn known(&mut self, name: &str) {
        self.asked.push(name.to_owned());
    }

    /// The resource as a whole is not emulated, for a reason.
    pub fn unemulated(&mut self, because: impl Into<String>) {
        self.unemulated.get_or_insert(because.into());
    }

    /// A known value, or `None`, having noticed what is not emulated.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.asked.push(name.to_owned());
        let value = self.get(name)?.clone();
        match &value.kind {
            Kind::Unemulated(unemulated) => {
                let subject = format!("property {name} of {}: needs {}", self.title, unemulated.describe());
                self.notices.push(Notice::at(NoticeKind::Ignored, &value.span, subject));
                None
            }
            // A value that could not be evaluated; its error is told already.
            Kind::Null => None,
            _ => Some(value),
        }
    }

    /// Adds the error that a value is of another kind than what is wanted.
    pub fn wrong(&mut self, name: &str, value: &Value, wanted: &str) {
        let message = format!("`{name}` of {} must be {wanted}, not {}", self.title, value.describe());
        self.errors.push(Diagnostic::at(&value.span, message));
    }

    fn missing(&mut self, name: &str) {
        match self.get(name).map(|value| value.kind.clone()) {
            Some(Kind::Unemulated(unemulated)) => self.unemulated(format!("needs {}", unemulated.describe())),
            // Given, of the wrong type: said already.
            Some(_) => {}
            None => {
                let message = format!("{} needs the property `{name}`", self.title);
                self.errors.push(Diagnostic::at(&self.span, message).help(format!("add `{name}`")));
            }
        }
    }

    pub fn text(&mut self, name: &str) -> Option<String> {
        let value = self.take(name)?;
        let text = value.as_text().map(str::to_owned);
        if text.is_none() {
            self.wrong(name, &value, "text");
        }
        text
    }

    /// Text that is only a name: what is not emulated can give one too.
    pub fn label(&mut self, name: &str) -> Option<String> {
        if let Some(Kind::Unemulated(unemulated)) = self.get(name).map(|value| &value.kind) {
            let placeholder = unemulated.placeholder();
            self.known(name);
            return Some(placeholder);
        }
        self.text(name)
    }

    /// Text that may be absent; when it can't be known, the whole is not emulated.
    pub fn decisive_text(&mut self, name: &str) -> Option<String> {
        if let Some(Kind::Unemulated(_)) = self.get(name).map(|value| &value.kind) {
            self.missing(name);
            self.asked.push(name.to_owned());
            return None;
        }
        self.text(name)
    }

    pub fn required_text(&mut self, name: &str) -> String {
        let text = self.text(name);
        self.required(name, text)
    }

    fn required<T: Default>(&mut self, name: &str, value: Option<T>) -> T {
        value.unwrap_or_else(|| {
            self.missing(name);
            T::default()
        })
    }

    /// Text that means something else; `wanted` describes it.
    fn parsed<T: FromStr>(&mut self, name: &str, wanted: &str) -> Option<T> {
        let value = self.take(name)?;
        let parsed = value.as_text().and_then(|text| text.parse().ok());
        if parsed.is_none() {
            match value.as_text() {
                Some(text) => {
                    let message = format!("`{name}` of {} must be {wanted}, not `{text}`", self.title);
                    self.errors.push(Diagnostic::at(&value.span, message));
                }
                None => self.wrong(name, &value, wanted),
            }
        }
        parsed
    }

    pub fn integer<T: FromStr>(&mut self, name: &str) -> Option<T> {
        self.parsed(name, "a number in its range")
    }

    pub fn required_integer<T: FromStr + Default>(&mut self, name: &str) -> T {
        let integer = self.integer(name);
        self.required(name, integer)
    }

    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        self.parsed::<Boolean>(name, "true or false").map(|Boolean(boolean)| boolean)
    }

    pub fn address(&mut self, name: &str) -> Option<Ipv4Addr> {
        self.parsed(name, "an IPv4 address")
    }

    pub fn addresses(&mut self, name: &str) -> Vec<Ipv4Addr> {
        let mut addresses = Vec::new();
        for item in self.items(name) {
            match item.as_text().and_then(|text| text.parse().ok()) {
                Some(address) => addresses.push(address),
                None => self.wrong(name, &item, "a list of IPv4 addresses"),
            }
        }
        addresses
    }

    /// The items of a list that are known; a lone text is a list of one, as CloudFormation takes it.
    fn items(&mut self, name: &str) -> Vec<Value> {
        let Some(value) = self.take(name) else { return Vec::new() };
        let list = match value.kind {
            Kind::List(list) => list,
            Kind::Map(_) => {
                self.wrong(name, &value, "a list");
                return Vec::new();
            }
            _ => vec![value],
        };
        let mut known = Vec::with_capacity(list.len());
        for item in list {
            match &item.kind {
                Kind::Unemulated(unemulated) => {
                    let subject = format!("an item of {name} of {}: needs {}", self.title, unemulated.describe());
                    self.notices.push(Notice::at(NoticeKind::Ignored, &item.span, subject));
                }
                _ => known.push(item),
            }
        }
        known
    }

    pub fn texts(&mut self, name: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for item in self.items(name) {
            match item.as_text() {
                Some(text) => texts.push(text.to_owned()),
                None => self.wrong(name, &item, "a list of text"),
            }
        }
        texts
    }

    /// A non-empty list of text.
    pub fn required_texts(&mut self, name: &str) -> Vec<String> {
        let texts = self.texts(name);
        if texts.is_empty() {
            self.missing(name);
        }
        texts
    }

    /// A document: a map, or its text as JSON.
    pub fn json(&mut self, name: &str) -> Option<serde_json::Value> {
        let value = self.take(name)?;
        match &value.kind {
            Kind::Map(_) => Some(value.to_json()),
            Kind::Text(text) => match serde_json::from_str(text) {
                Ok(json @ serde_json::Value::Object(_)) => Some(json),
                _ => {
                    self.wrong(name, &value, "a JSON document");
                    None
                }
            },
            _ => {
                self.wrong(name, &value, "a map");
                None
            }
        }
    }

    /// Notices the parts of a document that only something not emulated could tell.
    pub fn notice_unemulated(&mut self, name: &str, value: &Value) {
        match &value.kind {
            Kind::List(list) => list.iter().for_each(|item| self.notice_unemulated(name, item)),
            Kind::Map(map) => map.iter().for_each(|(_, item)| self.notice_unemulated(name, item)),
            Kind::Unemulated(unemulated) => {
                let subject = format!("a value in {name} of {}: needs {}", self.title, unemulated.describe());
                self.notices.push(Notice::at(NoticeKind::Ignored, &value.span, subject));
            }
            _ => {}
        }
    }

    /// Reads each map of a list; one that needs something not emulated is left out, said aloud.
    pub fn objects<T>(&mut self, name: &str, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let items = self.items(name);
        items.into_iter().filter_map(|item| self.nested(name, item, &mut read)).collect()
    }

    /// Reads one map.
    pub fn object<T>(&mut self, name: &str, mut read: impl FnMut(&mut Self) -> T) -> Option<T> {
        let value = self.take(name)?;
        self.nested(name, value, &mut read)
    }

    fn nested<T>(&mut self, name: &str, value: Value, read: &mut impl FnMut(&mut Self) -> T) -> Option<T> {
        let Kind::Map(map) = value.kind else {
            self.wrong(name, &value, "a map");
            return None;
        };
        let mut inner = Self::new(format!("{name} of {}", self.title), value.span, map, Vec::new());
        let result = read(&mut inner);
        inner.notice_unread();
        let failed = !inner.errors.is_empty();
        self.errors.append(&mut inner.errors);
        if let Some(because) = inner.unemulated {
            let subject = format!("{}: {because}", inner.title);
            self.notices.push(Notice::at(NoticeKind::Ignored, &inner.span, subject));
            return None;
        }
        self.notices.append(&mut inner.notices);
        (!failed).then_some(result)
    }

    /// `Tags`: a list of `Key` and `Value`, or a map as SSM has it.
    pub fn tags(&mut self) -> BTreeMap<String, String> {
        if let Some(Kind::Map(_)) = self.get("Tags").map(|value| &value.kind) {
            return self.text_map("Tags");
        }
        self.objects("Tags", |tag| (tag.required_text("Key"), tag.required_text("Value"))).into_iter().collect()
    }

    /// A map of text to text.
    pub fn text_map(&mut self, name: &str) -> BTreeMap<String, String> {
        let Some(value) = self.take(name) else { return BTreeMap::new() };
        let Kind::Map(map) = &value.kind else {
            self.wrong(name, &value, "a map");
            return BTreeMap::new();
        };
        let texts = map.iter().filter_map(|(key, value)| Some((key.text.clone(), value.as_text()?.to_owned())));
        texts.collect()
    }

    /// `[{Key, Value}]` as the attributes of load balancers are written.
    pub fn attributes(&mut self, name: &str) -> BTreeMap<String, String> {
        self.objects(name, |attribute| (attribute.required_text("Key"), attribute.text("Value").unwrap_or_default()))
            .into_iter()
            .collect()
    }

    /// The places of the properties, for errors that come after reading.
    pub fn places(&self) -> Places {
        Places::of_resource(&self.map)
    }

    /// The same of an object inside of a resource's properties.
    pub fn places_of_part(&self) -> Places {
        Places::of_part(&self.span, &self.map)
    }
}

/// `true` and `false` in the spellings that CloudFormation takes (YAML 1.1's among them).
struct Boolean(bool);

impl FromStr for Boolean {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Self(true)),
            "false" | "no" | "off" | "0" => Ok(Self(false)),
            _ => Err(()),
        }
    }
}
