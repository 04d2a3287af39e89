//! CloudFormation's functions, each a few lines: what it takes, what it gives.

use std::net::Ipv4Addr;

use base64::Engine;
use ipnet::Ipv4Net;

use super::super::document::{Key, Kind, Value};
use super::super::error::{Diagnostic, did_you_mean};
use super::{Evaluator, Stop, attribute_of};

/// Functions that give a value.
const FUNCTIONS: [&str; 14] = [
    "Fn::Base64",
    "Fn::Cidr",
    "Fn::FindInMap",
    "Fn::GetAZs",
    "Fn::GetAtt",
    "Fn::If",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Length",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
    "Fn::ToJsonString",
    "Ref",
];

/// Functions that give a condition.
const CONDITION_FUNCTIONS: [&str; 7] =
    ["Fn::And", "Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn", "Fn::Equals", "Fn::Not", "Fn::Or"];

impl Evaluator<'_> {
    /// Calls a function that gives a value.
    pub(super) fn call(&self, function: &Key, argument: &Value) -> Result<Kind, Stop> {
        match function.text.as_str() {
            "Ref" => match &argument.kind {
                Kind::Text(name) => self.reference(name, &argument.span),
                _ => {
                    Err(Diagnostic::at(&argument.span, format!("`Ref` takes a name, not {}", argument.describe()))
                        .into())
                }
            },
            "Fn::GetAtt" => self.get_att(argument),
            "Fn::Sub" => self.substitute(argument),
            "Fn::Join" => self.join(argument),
            "Fn::Select" => self.select(argument),
            "Fn::Split" => self.split(argument),
            "Fn::GetAZs" => self.get_azs(argument),
            "Fn::Cidr" => self.cidr(argument),
            "Fn::FindInMap" => self.find_in_map(argument),
            "Fn::If" => self.choose(argument),
            "Fn::ImportValue" => self.import_value(argument),
            "Fn::Base64" => Ok(Kind::Text(base64::engine::general_purpose::STANDARD.encode(self.text(argument)?))),
            "Fn::Length" => match self.list(argument, "Fn::Length")? {
                Ok(list) => Ok(Kind::Number(list.len().to_string())),
                Err(unknown) => Ok(unknown),
            },
            "Fn::ToJsonString" => Ok(Kind::Text(self.evaluate(argument)?.to_json().to_string())),
            name if CONDITION_FUNCTIONS.contains(&name) => {
                Err(Diagnostic::at(&function.span, format!("`{name}` gives a condition, and a value is expected here"))
                    .help("name it in `Conditions` and use `Fn::If`")
                    .into())
            }
            name => Err(Diagnostic::at(&function.span, format!("`{name}` is not a function that is emulated"))
                .maybe_help(did_you_mean(name, FUNCTIONS))
                .into()),
        }
    }

    /// Evaluates a condition.
    pub fn condition(&self, value: &Value) -> Result<bool, Stop> {
        let Some([(function, argument)]) = value.as_map().map(Vec::as_slice) else {
            return Err(Diagnostic::at(&value.span, format!("a condition is expected here, not {}", value.describe()))
                .help("a condition is one of Fn::Equals, Fn::And, Fn::Or, Fn::Not and Condition")
                .into());
        };
        match function.text.as_str() {
            "Condition" => self.named_condition(argument),
            "Fn::Equals" => {
                let [left, right] = arguments(argument, "Fn::Equals")?;
                Ok(same(&self.evaluate(left)?, &self.evaluate(right)?))
            }
            "Fn::Not" => {
                let [condition] = arguments(argument, "Fn::Not")?;
                Ok(!self.condition(condition)?)
            }
            "Fn::And" | "Fn::Or" => {
                let conditions = argument.as_list().filter(|list| (2..=10).contains(&list.len())).ok_or_else(|| {
                    Diagnostic::at(&argument.span, format!("`{}` takes a list of 2 to 10 conditions", function.text))
                })?;
                let mut all = true;
                let mut any = false;
                for condition in conditions {
                    let holds = self.condition(condition)?;
                    all &= holds;
                    any |= holds;
                }
                Ok(if function.text == "Fn::And" { all } else { any })
            }
            "Fn::Contains" => {
                let [list, wanted] = arguments(argument, "Fn::Contains")?;
                let wanted = self.evaluate(wanted)?;
                Ok(self.plain_list(list, "Fn::Contains")?.iter().any(|item| same(item, &wanted)))
            }
            "Fn::EachMemberEquals" => {
                let [list, wanted] = arguments(argument, "Fn::EachMemberEquals")?;
                let wanted = self.evaluate(wanted)?;
                Ok(self.plain_list(list, "Fn::EachMemberEquals")?.iter().all(|item| same(item, &wanted)))
            }
            "Fn::EachMemberIn" => {
                let [list, wanted] = arguments(argument, "Fn::EachMemberIn")?;
                let wanted = self.plain_list(wanted, "Fn::EachMemberIn")?;
                let list = self.plain_list(list, "Fn::EachMemberIn")?;
                Ok(list.iter().all(|item| wanted.iter().any(|wanted| same(item, wanted))))
            }
            name => Err(Diagnostic::at(&function.span, format!("`{name}` is not a condition"))
                .maybe_help(did_you_mean(name, CONDITION_FUNCTIONS))
                .into()),
        }
    }

    fn named_condition(&self, name: &Value) -> Result<bool, Stop> {
        let Some(text) = name.as_text() else {
            return Err(Diagnostic::at(
                &name.span,
                format!("a condition's name is expected here, not {}", name.describe()),
            )
            .into());
        };
        match self.scope.conditions.get(text) {
            Some(holds) => Ok(*holds),
            None => Err(Diagnostic::at(&name.span, format!("there is no condition `{text}`"))
                .maybe_help(did_you_mean(text, self.scope.conditions.keys().map(String::as_str)))
                .into()),
        }
    }

    fn get_att(&self, argument: &Value) -> Result<Kind, Stop> {
        let (name, attribute) = attribute_of(argument).ok_or_else(|| {
            Diagnostic::at(&argument.span, "`Fn::GetAtt` takes a resource and an attribute")
                .help("write `!GetAtt Resource.Attribute`")
        })?;
        let attribute = self.text(&attribute)?;
        self.get_attribute(name, &attribute, &argument.span)
    }

    fn join(&self, argument: &Value) -> Result<Kind, Stop> {
        let [delimiter, list] = arguments(argument, "Fn::Join")?;
        let delimiter = self.text(delimiter)?;
        let list = match self.list(list, "Fn::Join")? {
            Ok(list) => list,
            Err(unknown) => return Ok(unknown),
        };
        let mut joined = String::new();
        for (index, item) in list.iter().enumerate() {
            if index > 0 {
                joined.push_str(&delimiter);
            }
            joined.push_str(&super::text_of(item)?);
            self.check_length(&joined, &argument.span)?;
        }
        Ok(Kind::Text(joined))
    }

    fn select(&self, argument: &Value) -> Result<Kind, Stop> {
        let [index, list] = arguments(argument, "Fn::Select")?;
        let text = self.text(index)?;
        let number: usize = text.parse().map_err(|_| {
            Diagnostic::at(&index.span, format!("the index of `Fn::Select` is a number from 0, not `{text}`"))
        })?;
        let mut list = match self.list(list, "Fn::Select")? {
            Ok(list) => list,
            Err(unknown) => return Ok(unknown),
        };
        if number >= list.len() {
            let message = format!("`Fn::Select` asks for item {number} of a list of {}", list.len());
            return Err(Diagnostic::at(&index.span, message).help("the first item is 0").into());
        }
        Ok(list.swap_remove(number).kind)
    }

    fn split(&self, argument: &Value) -> Result<Kind, Stop> {
        let [delimiter, text] = arguments(argument, "Fn::Split")?;
        let evaluated = self.evaluate(text)?;
        if let Kind::Unemulated(_) = evaluated.kind {
            return Ok(evaluated.kind);
        }
        let text_span = &text.span;
        let text = super::text_of(&evaluated)?;
        let delimiter_text = self.text(delimiter)?;
        if delimiter_text.is_empty() {
            return Err(Diagnostic::at(&delimiter.span, "`Fn::Split` needs a delimiter that is not empty").into());
        }
        Ok(Kind::List(text.split(&delimiter_text).map(|part| Value::text(part, text_span)).collect()))
    }

    fn get_azs(&self, argument: &Value) -> Result<Kind, Stop> {
        let text = self.text(argument)?;
        let region = if text.is_empty() { &self.scope.region } else { &text };
        let zones = self.world.availability_zones(region, &self.scope.account);
        if zones.is_empty() {
            return Err(Diagnostic::at(&argument.span, format!("`{region}` is not a Region")).into());
        }
        Ok(Kind::List(zones.into_iter().map(|zone| Value::text(zone.name, &argument.span)).collect()))
    }

    fn cidr(&self, argument: &Value) -> Result<Kind, Stop> {
        let [block, count, bits] = arguments(argument, "Fn::Cidr")?;
        let evaluated = self.evaluate(block)?;
        if let Kind::Unemulated(_) = evaluated.kind {
            return Ok(evaluated.kind);
        }
        let text = super::text_of(&evaluated)?;
        let network: Ipv4Net = text.parse().map_err(|_| {
            Diagnostic::at(&block.span, format!("`Fn::Cidr` takes an IPv4 block, not `{text}`"))
                .help("write it like 10.0.0.0/16; IPv6 is not emulated")
        })?;
        let number = |value: &Value, what: &str, range: std::ops::RangeInclusive<u32>| -> Result<u32, Stop> {
            let text = self.text(value)?;
            text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
                let (low, high) = (range.start(), range.end());
                Diagnostic::at(&value.span, format!("the {what} of `Fn::Cidr` is {low} to {high}, not `{text}`")).into()
            })
        };
        let count = number(count, "count", 1..=256)?;
        let bits = number(bits, "number of host bits", 1..=32)?;
        let prefix_length = 32 - bits;
        let blocks = 1u64.checked_shl(prefix_length.saturating_sub(u32::from(network.prefix_len()))).unwrap_or(0);
        if prefix_length < u32::from(network.prefix_len()) || blocks < u64::from(count) {
            let message = format!("{count} blocks of /{prefix_length} do not fit into {network}");
            return Err(Diagnostic::at(&argument.span, message).help("take fewer blocks or fewer host bits").into());
        }
        let first = u64::from(u32::from(network.network()));
        let block = |index: u32| {
            let address = u32::try_from(first + (u64::from(index) << bits)).expect("the blocks fit into the network");
            Value::text(format!("{}/{prefix_length}", Ipv4Addr::from(address)), &argument.span)
        };
        Ok(Kind::List((0..count).map(block).collect()))
    }

    fn find_in_map(&self, argument: &Value) -> Result<Kind, Stop> {
        let (keys, default) = match argument.as_list() {
            Some([map, top, second]) => ([map, top, second], None),
            Some([map, top, second, options]) => ([map, top, second], options.get("DefaultValue")),
            _ => {
                return Err(Diagnostic::at(
                    &argument.span,
                    "`Fn::FindInMap` takes a map, a top-level key and a second-level key",
                )
                .into());
            }
        };
        let mut level = Some(&self.scope.mappings);
        let mut found = None;
        for (key, what) in
            keys.into_iter().zip(["a mapping", "a top-level key of the mapping", "a second-level key of the mapping"])
        {
            let text = self.text(key)?;
            let map =
                level.ok_or_else(|| Diagnostic::at(&key.span, "a mapping has two levels of keys, then values"))?;
            found = map.iter().find(|(candidate, _)| candidate.text == text).map(|(_, value)| value);
            match (found, default) {
                (Some(value), _) => level = value.as_map(),
                (None, Some(default)) => return Ok(self.evaluate(default)?.kind),
                (None, None) => {
                    let keys = || map.iter().map(|(key, _)| key.text.as_str());
                    let known = || format!("known are {}", keys().take(10).collect::<Vec<_>>().join(", "));
                    let help = did_you_mean(&text, keys()).unwrap_or_else(known);
                    return Err(Diagnostic::at(&key.span, format!("`{text}` is not {what}")).help(help).into());
                }
            }
        }
        match found {
            Some(value) if value.as_map().is_none() => Ok(value.kind.clone()),
            _ => Err(Diagnostic::at(&argument.span, "a mapping has two levels of keys, then values").into()),
        }
    }

    fn choose(&self, argument: &Value) -> Result<Kind, Stop> {
        let [condition, yes, no] = arguments(argument, "Fn::If")?;
        let chosen = if self.named_condition(condition)? { yes } else { no };
        Ok(self.evaluate(chosen)?.kind)
    }

    fn import_value(&self, argument: &Value) -> Result<Kind, Stop> {
        let name = self.text(argument)?;
        let (account, region) = (&self.scope.account, &self.scope.region);
        match self.exports.get(&(account.clone(), region.clone(), name.clone())) {
            Some(value) => Ok(value.kind.clone()),
            None => {
                let names = self
                    .exports
                    .keys()
                    .filter(|(a, r, _)| a == account && r == region)
                    .map(|(_, _, name)| name.as_str());
                let help = did_you_mean(&name, names).unwrap_or_else(|| {
                    "a stack of the same account and Region must export it in its `Outputs`".to_owned()
                });
                Err(Diagnostic::at(
                    &argument.span,
                    format!("no stack of this lab exports `{name}` in {account} {region}"),
                )
                .help(help)
                .into())
            }
        }
    }

    /// Evaluates to a list; `Ok(Err(…))` is a list that only something not emulated could tell.
    fn list(&self, value: &Value, function: &str) -> Result<Result<Vec<Value>, Kind>, Stop> {
        let evaluated = self.evaluate(value)?;
        match evaluated.kind {
            Kind::List(list) => Ok(Ok(list)),
            Kind::Unemulated(_) => Ok(Err(evaluated.kind)),
            _ => Err(Diagnostic::at(
                &value.span,
                format!("`{function}` takes a list here, not {}", evaluated.describe()),
            )
            .into()),
        }
    }

    fn plain_list(&self, value: &Value, function: &str) -> Result<Vec<Value>, Stop> {
        self.list(value, function)?.map_err(|unknown| match unknown {
            Kind::Unemulated(unemulated) => Stop::Unemulated(format!("needs {}", unemulated.describe())),
            _ => Stop::Silent,
        })
    }
}

/// Exactly so many arguments.
fn arguments<'a, const COUNT: usize>(argument: &'a Value, function: &str) -> Result<&'a [Value; COUNT], Diagnostic> {
    argument.as_list().and_then(|list| list.try_into().ok()).ok_or_else(|| {
        let given = match argument.as_list() {
            Some(list) => format!("a list of {}", list.len()),
            None => argument.describe().to_owned(),
        };
        Diagnostic::at(&argument.span, format!("`{function}` takes a list of {COUNT}, not {given}"))
    })
}

/// Equality as CloudFormation sees it: scalars are text.
fn same(left: &Value, right: &Value) -> bool {
    match (&left.kind, &right.kind) {
        (Kind::List(left), Kind::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        _ => match (left.as_text(), right.as_text()) {
            (Some(left), Some(right)) => left == right,
            _ => left.to_json() == right.to_json(),
        },
    }
}
