//! All stacks of a plan, each after those whose outputs, exports and SSM parameters it takes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::deploy::{self, Site, Stack, StackReport};
use super::document::{Key, Kind, Value};
use super::error::{Diagnostic, File, Span, did_you_mean};
use super::evaluate::{Evaluator, Exports, Scope};
use super::order::order;
use super::plan::{Plan, PlannedStack, PlannedTopic};
use super::references::{Piece, References, pieces};
use super::sections::Template;
use super::{Lab, LoadOptions, Seed};
use crate::model::World;

/// Deploys every stack of a plan.
pub(super) fn deploy(plan: Plan, options: &LoadOptions) -> Result<Lab, Vec<Diagnostic>> {
    let Plan { name, file, organization, zone_names, backends, topics, expect, stacks: planned, seeds, notices } = plan;
    let (mut disabled_topics, mut webhooks) = (BTreeSet::new(), BTreeMap::new());
    for (name, topic) in topics {
        match topic {
            PlannedTopic::Disabled => {
                disabled_topics.insert(name);
            }
            PlannedTopic::Webhook(url) => {
                webhooks.insert(name, url);
            }
        }
    }
    let world = World { organization, zone_names, disabled_topics, ..World::default() };
    let mut site = Site { world, notices, ..Site::default() };
    let given = command_line_parameters(&planned, options)?;
    let mut needs_by_name = Vec::new();
    let mut stacks = Vec::new();
    for (planned, mut given) in planned.into_iter().zip(given) {
        let PlannedStack { name, account, region, document, mut parameters, needs, span } = planned;
        parameters.append(&mut given);
        needs_by_name.push((span, needs));
        match Template::read(&document) {
            Ok(template) => stacks.push(Stack { name, account, region, template, parameters }),
            Err(errors) => site.errors.extend(errors),
        }
    }
    if !site.errors.is_empty() {
        return Err(site.errors);
    }
    let needs = needs_of(&stacks, &needs_by_name)?;
    let order = order(&needs, |_| 0).map_err(|cycle| cycle_error(&stacks, &needs_by_name, &cycle))?;
    let mut failed = BTreeSet::new();
    let mut reports = Vec::new();
    for index in order {
        let stack = &mut stacks[index];
        // Its errors would only be echoes.
        if needs[index].iter().any(|need| failed.contains(need)) {
            failed.insert(index);
            continue;
        }
        let errors = site.errors.len();
        match resolve_parameters(stack, &site) {
            Ok(()) => reports.push(deploy::deploy(&mut site, stack)),
            Err(new) => site.errors.extend(new),
        }
        if site.errors.len() > errors {
            failed.insert(index);
        }
    }
    let mut planned: Vec<(Key, PathBuf)> = seeds.into_iter().map(|seed| (seed.bucket, seed.folder)).collect();
    planned.extend(command_line_seeds(options));
    let mut seeds = Vec::new();
    for (bucket, folder) in planned {
        match bucket_of(&bucket, &site.world, &reports) {
            Ok(bucket) => seeds.push(Seed { bucket, folder }),
            // A stack that failed may have made it.
            Err(error) if failed.is_empty() => site.errors.push(error),
            Err(_) => {}
        }
    }
    match site.errors.is_empty() {
        true => {
            let (world, notices) = (site.world, site.notices);
            Ok(Lab { name, file, expect, world, stacks: reports, notices, seeds, backends, webhooks })
        }
        false => Err(site.errors),
    }
}

/// An argument of the command line as a file of one line, so that its errors are drawn like all others.
fn argument(option: &str, text: String) -> Span {
    let width = text.chars().count().max(1);
    Span { file: Arc::new(File { name: option.into(), text }), line: 1, column: 1, width }
}

/// `--param` for each stack, in the order of the stacks.
fn command_line_parameters(
    stacks: &[PlannedStack],
    options: &LoadOptions,
) -> Result<Vec<Vec<(Key, Value)>>, Vec<Diagnostic>> {
    let mut parameters: Vec<Vec<(Key, Value)>> = stacks.iter().map(|_| Vec::new()).collect();
    let mut errors = Vec::new();
    for (target, value) in &options.parameters {
        let span = argument("--param", format!("{target}={value}"));
        match target_of(target, stacks, &span) {
            Ok((index, key)) => {
                let key = Key { text: key.to_owned(), span: span.clone() };
                parameters[index].push((key, Value::text(value, &span)));
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(parameters) } else { Err(errors) }
}

/// The stack and the key of `[STACK.]KEY`.
fn target_of<'a>(target: &'a str, stacks: &[PlannedStack], span: &Span) -> Result<(usize, &'a str), Diagnostic> {
    if let Some((stack, key)) = target.rsplit_once('.') {
        let names = || stacks.iter().map(|stack| stack.name.as_str());
        let found = names().position(|name| name == stack).map(|index| (index, key));
        return found.ok_or_else(|| no_stack(stack, names(), span));
    }
    let declares = |stack: &PlannedStack| {
        stack.document.get("Parameters").is_some_and(|parameters| parameters.get(target).is_some())
    };
    let declaring: Vec<usize> = (0..stacks.len()).filter(|index| declares(&stacks[*index])).collect();
    match (declaring.as_slice(), stacks.len()) {
        ([only], _) => Ok((*only, target)),
        // The stack itself says that it has no such parameter, and which it has.
        (_, 1) => Ok((0, target)),
        ([], _) => Err(Diagnostic::at(span, format!("no stack has a parameter `{target}`"))),
        ([first, ..], _) => Err(Diagnostic::at(span, format!("several stacks have a parameter `{target}`"))
            .help(format!("say which: `--param {}.{target}=VALUE`", stacks[*first].name))),
    }
}

fn no_stack<'a>(name: &str, stacks: impl Iterator<Item = &'a str>, span: &Span) -> Diagnostic {
    let stacks: Vec<&str> = stacks.collect();
    let help =
        did_you_mean(name, stacks.iter().copied()).unwrap_or_else(|| format!("the stacks are {}", stacks.join(", ")));
    Diagnostic::at(span, format!("there is no stack `{name}`")).help(help)
}

fn command_line_seeds(options: &LoadOptions) -> Vec<(Key, PathBuf)> {
    let seeds = options.seeds.iter().map(|(bucket, folder)| {
        let span = argument("--seed", format!("{bucket}={}", folder.display()));
        (Key { text: bucket.clone(), span }, folder.clone())
    });
    seeds.collect()
}

/// A bucket by its name, or by the logical id that made it.
fn bucket_of(wanted: &Key, world: &World, reports: &[StackReport]) -> Result<String, Diagnostic> {
    if world.buckets.contains_key(&wanted.text) {
        return Ok(wanted.text.clone());
    }
    let (stack, logical_id) = match wanted.text.split_once('/') {
        Some((stack, logical_id)) => (Some(stack), logical_id),
        None => (None, wanted.text.as_str()),
    };
    let resources = reports
        .iter()
        .filter(|report| stack.is_none_or(|stack| report.name == stack))
        .flat_map(|report| &report.resources)
        .filter(|resource| resource.type_name == "AWS::S3::Bucket");
    let buckets: Vec<_> =
        resources.filter_map(|resource| Some((resource.logical_id.as_str(), resource.physical_id.as_ref()?))).collect();
    let named: Vec<_> = buckets.iter().filter(|(id, _)| *id == logical_id).collect();
    match named.as_slice() {
        [(_, bucket)] => Ok((*bucket).clone()),
        [] => {
            let names = buckets.iter().flat_map(|(id, bucket)| [*id, bucket.as_str()]);
            Err(Diagnostic::at(&wanted.span, format!("there is no bucket `{}`", wanted.text))
                .maybe_help(did_you_mean(&wanted.text, names)))
        }
        _ => Err(Diagnostic::at(&wanted.span, format!("several stacks have a bucket `{logical_id}`"))
            .help(format!("write STACK/{logical_id}"))),
    }
}

/// What a stack gives to and takes from others, as far as it can be told before anything is made.
#[derive(Default)]
struct Ties {
    gives: Vec<Tie>,
    takes: Vec<Tie>,
}

/// A name in an account and Region.
#[derive(PartialEq, Eq, Hash, Clone)]
enum Tie {
    Export(String, String, String),
    SsmParameter(String, String, String),
}

impl Ties {
    fn of(stack: &Stack) -> Self {
        let scope = static_scope(stack);
        let (world, exports) = (World::default(), Exports::new());
        let evaluator = Evaluator { scope: &scope, world: &world, exports: &exports };
        let place = || (stack.account.clone(), stack.region.clone());
        let export = |value: &Value| {
            let (account, region) = place();
            Some(Tie::Export(account, region, evaluator.text(value).ok()?))
        };
        let parameter = |name: String| {
            let (account, region) = place();
            Tie::SsmParameter(account, region, name)
        };
        let mut ties = Self::default();
        let mut references = References::default();
        for (_, output) in &stack.template.outputs {
            ties.gives.extend(output.get("Export").and_then(|export| export.get("Name")).and_then(export));
            references.collect(output, false);
        }
        for resource in &stack.template.resources {
            resource.properties.iter().for_each(|(_, value)| references.collect(value, false));
            if resource.type_name == "AWS::SSM::Parameter"
                && let Some((_, name)) = resource.properties.iter().find(|(key, _)| key.text == "Name")
            {
                ties.gives.extend(evaluator.text(name).ok().map(parameter));
            }
        }
        ties.takes.extend(references.imports.iter().filter_map(export));
        for (key, declaration) in &stack.template.parameters {
            let is_ssm = declaration
                .get("Type")
                .and_then(Value::as_text)
                .is_some_and(|t| t.starts_with("AWS::SSM::Parameter::Value<"));
            if let Some(name) = scope.parameters.get(&key.text).and_then(Value::as_text).filter(|_| is_ssm) {
                ties.takes.push(parameter(name.to_owned()));
            }
        }
        ties
    }
}

/// The scope of a stack before anything is made: parameters as written, no resources.
fn static_scope(stack: &Stack) -> Scope {
    let mut parameters = BTreeMap::new();
    for (key, declaration) in &stack.template.parameters {
        let given = stack.parameters.iter().rev().find(|(given, _)| given.text == key.text).map(|(_, value)| value);
        if let Some(value) = given.or_else(|| declaration.get("Default")) {
            parameters.insert(key.text.clone(), value.clone());
        }
    }
    Scope {
        account: stack.account.clone(),
        region: stack.region.clone(),
        stack: stack.name.clone(),
        parameters,
        mappings: stack.template.mappings.clone(),
        conditions: BTreeMap::new(),
        resources: BTreeMap::new(),
    }
}

/// For each stack those that must come before it.
fn needs_of(stacks: &[Stack], needs_by_name: &[(Span, Vec<String>)]) -> Result<Vec<Vec<usize>>, Vec<Diagnostic>> {
    let index: HashMap<&str, usize> =
        stacks.iter().enumerate().map(|(index, stack)| (stack.name.as_str(), index)).collect();
    let ties: Vec<Ties> = stacks.iter().map(Ties::of).collect();
    let mut givers: HashMap<&Tie, usize> = HashMap::new();
    for (giver, ties) in ties.iter().enumerate() {
        givers.extend(ties.gives.iter().map(|tie| (tie, giver)));
    }
    let mut errors = Vec::new();
    let mut needs = Vec::new();
    for (at, stack) in stacks.iter().enumerate() {
        let mut own: Vec<usize> =
            needs_by_name[at].1.iter().filter_map(|name| index.get(name.as_str()).copied()).collect();
        own.extend(ties[at].takes.iter().filter_map(|tie| givers.get(tie).copied()).filter(|giver| *giver != at));
        for (_, value) in &stack.parameters {
            for (name, output) in output_references(value) {
                match index.get(name) {
                    Some(giver) => {
                        own.push(*giver);
                        errors.extend(missing_output(&stacks[*giver], output, value));
                    }
                    None => errors.push(no_stack(name, stacks.iter().map(|stack| stack.name.as_str()), &value.span)),
                }
            }
        }
        needs.push(own);
    }
    if errors.is_empty() { Ok(needs) } else { Err(errors) }
}

fn cycle_error(stacks: &[Stack], places: &[(Span, Vec<String>)], cycle: &[usize]) -> Vec<Diagnostic> {
    let mut path: Vec<String> = cycle.iter().map(|index| format!("`{}`", stacks[*index].name)).collect();
    path.extend(path.first().cloned());
    let message = format!("circular dependency between stacks: {}", path.join(" needs "));
    vec![Diagnostic::at(&places[cycle[0]].0, message).help("one of them must not take what the next gives")]
}

fn missing_output(giver: &Stack, output: &str, at: &Value) -> Option<Diagnostic> {
    let outputs = || giver.template.outputs.iter().map(|(key, _)| key.text.as_str());
    if outputs().any(|name| name == output) {
        return None;
    }
    let message = format!("stack `{}` has no output `{output}`", giver.name);
    Some(Diagnostic::at(&at.span, message).maybe_help(did_you_mean(output, outputs())))
}

/// `${stack.Output}` in a parameter's value.
fn output_references(value: &Value) -> Vec<(&str, &str)> {
    let texts: Vec<&str> = match &value.kind {
        Kind::Text(text) => vec![text],
        Kind::List(list) => list.iter().filter_map(Value::as_text).collect(),
        _ => Vec::new(),
    };
    let names = texts.into_iter().flat_map(pieces).filter_map(|piece| match piece {
        Piece::Name(name) => name.split_once('.'),
        Piece::Text(_) => None,
    });
    names.collect()
}

/// Puts outputs of other stacks into a stack's parameters.
fn resolve_parameters(stack: &mut Stack, site: &Site) -> Result<(), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    for (_, value) in &mut stack.parameters {
        if output_references(value).is_empty() {
            continue;
        }
        match resolved(value, site) {
            Ok(kind) => value.kind = kind,
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn resolved(value: &Value, site: &Site) -> Result<Kind, Diagnostic> {
    let text = match &value.kind {
        Kind::List(list) => {
            let items = list.iter().map(|item| Ok(Value::new(resolved(item, site)?, &item.span)));
            return items.collect::<Result<_, Diagnostic>>().map(Kind::List);
        }
        _ => value.as_text().unwrap_or_default(),
    };
    let mut result = String::new();
    let pieces = pieces(text);
    for piece in &pieces {
        let name = match piece {
            Piece::Text(text) => {
                result.push_str(text);
                continue;
            }
            Piece::Name(name) => *name,
        };
        let (stack, output) = name.split_once('.').ok_or_else(|| {
            Diagnostic::at(&value.span, format!("`${{{name}}}` names no output")).help("write `${STACK.OUTPUT}`")
        })?;
        let found = site.outputs.get(&(stack.to_owned(), output.to_owned())).ok_or_else(|| {
            Diagnostic::at(&value.span, format!("the output `{output}` of stack `{stack}` is not there"))
                .help("its condition is false, or it needs something that is not emulated: see the notices of `check`")
        })?;
        if pieces.len() == 1 {
            return Ok(found.kind.clone());
        }
        result.push_str(found.as_text().ok_or_else(|| {
            Diagnostic::at(
                &value.span,
                format!("the output `{output}` is {}, and only text fits into a text", found.describe()),
            )
        })?);
    }
    Ok(Kind::Text(result))
}
