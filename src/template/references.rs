//! Which names a value mentions, without evaluating it: for the order of work and for misspelt names.

use super::document::{Key, Kind, Value};
use super::error::Span;

/// Names that a value mentions.
#[derive(Debug, Default)]
pub(super) struct References {
    /// Targets of `Ref`, `Fn::GetAtt` and `${…}` of `Fn::Sub`.
    pub names: Vec<Name>,
    /// Conditions that `Fn::If` and `Condition` ask for.
    pub conditions: Vec<Key>,
    /// Arguments of `Fn::ImportValue`.
    pub imports: Vec<Value>,
}

/// A mentioned name.
#[derive(Debug)]
pub(super) struct Name {
    /// Parameter, resource or pseudo parameter.
    pub name: String,
    /// The attribute, when one is asked for.
    pub attribute: Option<String>,
    /// As written, with the attribute.
    pub written: String,
    /// It stands in a text, as `${…}`.
    pub in_text: bool,
    /// Where.
    pub span: Span,
}

/// A piece of a `Fn::Sub` text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// As it stands.
    Text(&'a str),
    /// `${…}`.
    Name(&'a str),
}

impl References {
    /// Collects the names of a value. `in_condition` makes `{Condition: name}` a reference; in a policy it is not one.
    pub fn of(value: &Value, in_condition: bool) -> Self {
        let mut references = Self::default();
        references.collect(value, in_condition);
        references
    }

    /// Collects the names of one more value.
    pub fn collect(&mut self, value: &Value, in_condition: bool) {
        match &value.kind {
            Kind::List(list) => list.iter().for_each(|value| self.collect(value, in_condition)),
            Kind::Map(map) => {
                if let [(key, argument)] = map.as_slice() {
                    self.call(&key.text, argument, in_condition);
                }
                map.iter().for_each(|(_, value)| self.collect(value, in_condition));
            }
            _ => {}
        }
    }

    fn call(&mut self, function: &str, argument: &Value, in_condition: bool) {
        match function {
            "Ref" => self.name(argument.as_text(), None, &argument.span),
            "Fn::GetAtt" => {
                if let Some((name, attribute)) = attribute_of(argument) {
                    self.name(Some(name), attribute.as_text(), &argument.span);
                }
            }
            "Fn::Sub" => self.substitutions(argument),
            "Fn::If" => {
                let condition = argument.as_list().and_then(|list| list.first());
                self.condition(condition);
            }
            "Condition" if in_condition => self.condition(Some(argument)),
            "Fn::ImportValue" => self.imports.push(argument.clone()),
            _ => {}
        }
    }

    fn name(&mut self, name: Option<&str>, attribute: Option<&str>, span: &Span) {
        if let Some(name) = name {
            self.names.push(Name {
                name: name.to_owned(),
                attribute: attribute.map(str::to_owned),
                written: name.to_owned(),
                in_text: false,
                span: span.clone(),
            });
        }
    }

    fn condition(&mut self, name: Option<&Value>) {
        if let Some((name, text)) = name.and_then(|name| name.as_text().map(|text| (name, text))) {
            self.conditions.push(Key { text: text.to_owned(), span: name.span.clone() });
        }
    }

    fn substitutions(&mut self, argument: &Value) {
        let (text, own) = match &argument.kind {
            Kind::List(list) => (list.first(), list.get(1).and_then(Value::as_map)),
            _ => (Some(argument), None),
        };
        let Some(text) = text else { return };
        for piece in pieces(text.as_text().unwrap_or_default()) {
            if let Piece::Name(name) = piece
                && !own.is_some_and(|own| own.iter().any(|(key, _)| key.text == name))
            {
                let (target, attribute) = split_attribute(name);
                self.names.push(Name {
                    name: target.to_owned(),
                    attribute: attribute.map(str::to_owned),
                    written: name.to_owned(),
                    in_text: true,
                    span: text.span.find(&format!("${{{name}}}")),
                });
            }
        }
    }
}

/// Target and attribute of a `Fn::GetAtt`: `a.b` or `[a, b]`; the attribute may be a `Ref` to a parameter.
pub(super) fn attribute_of(argument: &Value) -> Option<(&str, Value)> {
    match &argument.kind {
        Kind::Text(text) => {
            let (name, attribute) = text.split_once('.')?;
            Some((name, Value::text(attribute, &argument.span)))
        }
        Kind::List(list) => match list.as_slice() {
            [name, attribute] => Some((name.as_text()?, attribute.clone())),
            // `!GetAtt [NestedStack, Outputs, X]` is accepted by CloudFormation as well.
            [name, first, second] => {
                let attribute = format!("{}.{}", first.as_text()?, second.as_text()?);
                Some((name.as_text()?, Value::text(attribute, &argument.span)))
            }
            _ => None,
        },
        _ => None,
    }
}

/// `Subnet.CidrBlock` is a resource and its attribute; `AWS::Region` has none.
pub(super) fn split_attribute(name: &str) -> (&str, Option<&str>) {
    match name.split_once('.') {
        Some((name, attribute)) => (name, Some(attribute)),
        None => (name, None),
    }
}

/// Cuts a `Fn::Sub` text: `${Name}` is a name, `${!Name}` is the text `${Name}`.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find("${") {
        let Some(length) = rest[begin..].find('}') else { break };
        let inside = &rest[begin + 2..begin + length];
        if inside.starts_with('!') {
            pieces.push(Piece::Text(&rest[..begin + 2]));
            pieces.push(Piece::Text(&rest[begin + 3..=begin + length]));
        } else {
            pieces.push(Piece::Text(&rest[..begin]));
            pieces.push(Piece::Name(inside.trim()));
        }
        rest = &rest[begin + length + 1..];
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    pieces
}

#[cfg(test)]
mod tests {
    use super::{Piece::*, pieces};

    #[test]
    fn substitutions_are_cut_as_cloudformation_cuts_them() {
        assert_eq!(pieces("a-${B}-${!C}-${"), [Text("a-"), Name("B"), Text("-${"), Text("C}"), Text("-${")]);
        assert_eq!(pieces("${A.B}${AWS::Region}"), [Name("A.B"), Name("AWS::Region")]);
        assert_eq!(pieces("plain"), [Text("plain")]);
        assert_eq!(pieces(""), []);
    }
}
