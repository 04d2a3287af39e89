//! A stack before its first resource: are all names there, which values have the parameters, which conditions hold, and
//! do the rules.

use std::collections::{BTreeMap, HashMap};

use super::deploy::{Site, Stack};
use super::document::{Key, Value};
use super::error::{Diagnostic, did_you_mean};
use super::evaluate::{Evaluator, PSEUDO_PARAMETERS, Scope, Stop};
use super::notice::{Notice, NoticeKind};
use super::order::order;
use super::parameters::{self, Ssm};
use super::references::{Name, References};
use super::sections::Template;

/// The scope of a stack whose names, parameters, conditions and rules are all right.
pub(super) fn prepare(site: &mut Site, stack: &Stack) -> Result<Scope, Vec<Diagnostic>> {
    let template = &stack.template;
    let errors = unknown_names(template);
    if !errors.is_empty() {
        return Err(errors);
    }
    let ssm = Ssm { account: &stack.account, region: &stack.region, parameters: &site.ssm };
    let parameters = parameters::decide(template, &stack.name, &stack.parameters, &ssm, &mut site.notices)?;
    let mut scope = Scope {
        account: stack.account.clone(),
        region: stack.region.clone(),
        stack: stack.name.clone(),
        parameters,
        mappings: template.mappings.clone(),
        conditions: BTreeMap::new(),
        resources: BTreeMap::new(),
    };
    conditions(site, template, &mut scope)?;
    rules(site, template, &scope)?;
    Ok(scope)
}

/// Names that are mentioned and that the template does not have, as CloudFormation's own validation finds them.
fn unknown_names(template: &Template) -> Vec<Diagnostic> {
    let parameters: Vec<&str> = template.parameters.iter().map(|(key, _)| key.text.as_str()).collect();
    let resources: Vec<&str> = template.resources.iter().map(|resource| resource.logical_id.text.as_str()).collect();
    let conditions: Vec<&str> = template.conditions.iter().map(|(key, _)| key.text.as_str()).collect();
    let mut used = References::default();
    let mut in_conditions = References::default();
    template.conditions.iter().for_each(|(_, value)| in_conditions.collect(value, true));
    for resource in &template.resources {
        resource.properties.iter().for_each(|(_, value)| used.collect(value, false));
        used.conditions.extend(resource.condition.clone());
    }
    for (_, output) in &template.outputs {
        used.collect(output, false);
        if let Some((Some(name), span)) = output.get("Condition").map(|name| (name.as_text(), &name.span)) {
            used.conditions.push(Key { text: name.to_owned(), span: span.clone() });
        }
    }
    let mut errors = Vec::new();
    for (references, may_name_resources) in [(&in_conditions, false), (&used, true)] {
        for name in &references.names {
            let named = name.name.as_str();
            let is_value =
                name.attribute.is_none() && (parameters.contains(&named) || PSEUDO_PARAMETERS.contains(&named));
            if is_value || (may_name_resources && resources.contains(&named)) {
                continue;
            }
            let what = match (resources.contains(&named), name.attribute.is_some()) {
                (true, _) => format!("a condition can't mention the resource `{named}`"),
                (_, true) => format!("there is no resource `{named}`"),
                (_, false) => format!("there is no parameter or resource `{named}`"),
            };
            let candidates = parameters.iter().chain(&resources).copied().chain(PSEUDO_PARAMETERS);
            errors.push(Diagnostic::at(&name.span, what).maybe_help(unknown_help(name, candidates)));
        }
        for name in references.conditions.iter().filter(|name| !conditions.contains(&name.text.as_str())) {
            let help = did_you_mean(&name.text, conditions.iter().copied());
            errors.push(Diagnostic::at(&name.span, format!("there is no condition `{}`", name.text)).maybe_help(help));
        }
    }
    for name in template.resources.iter().flat_map(|resource| &resource.depends_on) {
        if !resources.contains(&name.text.as_str()) {
            let help = did_you_mean(&name.text, resources.iter().copied());
            errors.push(Diagnostic::at(&name.span, format!("there is no resource `{}`", name.text)).maybe_help(help));
        }
    }
    errors
}

fn unknown_help<'a>(name: &Name, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let full = &name.written;
    let literal = || format!("if `${{{full}}}` is meant as it stands, as in a shell script, write `${{!{full}}}`");
    did_you_mean(&name.name, candidates).or_else(|| name.in_text.then(literal))
}

/// Decides all conditions, each after those that it mentions.
fn conditions(site: &Site, template: &Template, scope: &mut Scope) -> Result<(), Vec<Diagnostic>> {
    let index: HashMap<&str, usize> =
        template.conditions.iter().enumerate().map(|(index, (key, _))| (key.text.as_str(), index)).collect();
    let needs: Vec<Vec<usize>> = template
        .conditions
        .iter()
        .map(|(_, value)| {
            References::of(value, true)
                .conditions
                .iter()
                .filter_map(|name| index.get(name.text.as_str()).copied())
                .collect()
        })
        .collect();
    let order = order(&needs, |_| 0).map_err(|cycle| {
        let names = cycle.iter().map(|index| &template.conditions[*index].0).collect::<Vec<_>>();
        vec![cycle_error("conditions", &names).help("one of them must not mention the next")]
    })?;
    for index in order {
        let (key, value) = &template.conditions[index];
        let holds = Evaluator { scope, world: &site.world, exports: &site.exports }.condition(value);
        match holds {
            Ok(holds) => drop(scope.conditions.insert(key.text.clone(), holds)),
            Err(Stop::Errors(errors)) => return Err(errors),
            Err(Stop::Silent | Stop::Unemulated(_)) => {
                return Err(vec![Diagnostic::at(&key.span, format!("condition `{}` can't be decided", key.text))]);
            }
        }
    }
    Ok(())
}

pub(super) fn cycle_error(what: &str, names: &[&Key]) -> Diagnostic {
    let mut path: Vec<String> = names.iter().map(|name| format!("`{}`", name.text)).collect();
    path.extend(path.first().cloned());
    Diagnostic::at(&names[0].span, format!("circular dependency between {what}: {}", path.join(" needs ")))
}

/// Checks the assertions of `Rules` whose values are known; the others are listed.
fn rules(site: &mut Site, template: &Template, scope: &Scope) -> Result<(), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    for (key, rule) in &template.rules {
        let evaluator = Evaluator { scope, world: &site.world, exports: &site.exports };
        let applies = rule.get("RuleCondition").map_or(Ok(true), |condition| evaluator.condition(condition));
        let assertions = rule.get("Assertions").and_then(Value::as_list).unwrap_or_default();
        for assertion in assertions {
            let holds = match (&applies, assertion.get("Assert")) {
                (Ok(false), _) => Ok(true),
                (Ok(true), Some(assert)) => evaluator.condition(assert),
                _ => Err(Stop::Silent),
            };
            match holds {
                Ok(true) => {}
                Ok(false) => {
                    let why =
                        assertion.get("AssertDescription").and_then(Value::as_text).unwrap_or("its assertion is false");
                    errors.push(Diagnostic::at(&assertion.span, format!("rule `{}` does not hold: {why}", key.text)));
                }
                Err(_) => {
                    let subject = format!("rule `{}`: its values are not known", key.text);
                    site.notices.push(Notice::at(NoticeKind::Ignored, &assertion.span, subject));
                }
            }
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
