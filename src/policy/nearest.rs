//! For an implicit denial: the statement that came nearest to allowing, and in what it differs.

use std::borrow::Cow;

use super::condition::Condition;
use super::evaluate::{Evaluation, Nearest};
use super::facts::Facts;
use super::operator::{Comparison, Set};
use super::principals::{Reach, Reading};
use super::request::Principal;
use super::statement::Statement;
use super::{Kind, Policy};

/// How many values a sentence repeats.
const SHOWN: usize = 3;

/// The statement of the kind that was to allow, or of the resource where either could.
pub(super) fn nearest(evaluation: &Evaluation<'_>, kind: Kind) -> Option<Nearest> {
    let mut policies = evaluation.of_kind(kind);
    if kind == Kind::Identity && evaluation.same_account() {
        policies.extend(evaluation.of_kind(Kind::Resource));
    }
    let mut best: Option<(usize, &Policy, usize)> = None;
    for policy in policies {
        let reading = evaluation.reading(policy.kind);
        for (index, statement) in policy.document.statements().iter().enumerate().filter(|(_, it)| it.allows) {
            let closeness = closeness(statement, &evaluation.facts, reading);
            if best.is_none_or(|(before, ..)| before < closeness) {
                best = Some((closeness, policy, index));
            }
        }
    }
    let Some((_, policy, index)) = best else { return only_denials(evaluation, kind) };
    let reading = evaluation.reading(policy.kind);
    let statement = &policy.document.statements()[index];
    let mut differs = differences(statement, &evaluation.facts, reading);
    if kind == Kind::Identity && policy.kind != Kind::Identity {
        differs.extend(delegation(statement, &evaluation.facts, reading));
    }
    Some(Nearest { statement: policy.statement_name(index), differs: differs.join("; ") })
}

/// A policy that denies some things and was meant to let the others through: the commonest mistake with endpoints.
fn only_denials(evaluation: &Evaluation<'_>, kind: Kind) -> Option<Nearest> {
    let denies = |policy: &&Policy| !policy.document.statements().is_empty();
    let policy = evaluation.of_kind(kind).into_iter().find(denies)?;
    let differs = "it is a Deny, and a policy whose statements only deny allows nothing: add one that allows".to_owned();
    Some(Nearest { statement: policy.statement_name(0), differs })
}

/// Action weighs most: a statement about something else is of no help.
fn closeness(statement: &Statement, facts: &Facts<'_>, reading: Reading) -> usize {
    let mut closeness = 0;
    if statement.has_action(facts) {
        closeness += 8;
    }
    if statement.has_resource(facts) {
        closeness += 4;
    }
    if statement.reach(facts, reading).is_some() {
        closeness += 2;
    }
    if statement.conditions.iter().all(|it| it.holds(facts)) {
        closeness += 1;
    }
    closeness
}

fn differences(statement: &Statement, facts: &Facts<'_>, reading: Reading) -> Vec<String> {
    let mut differs = Vec::new();
    if !statement.has_action(facts) {
        let element = if statement.actions.not { "NotAction" } else { "Action" };
        let written = statement.actions.patterns.iter().map(|it| it.written.as_str());
        differs.push(format!("its {element} is {}, asked was {}", listed(written), plain(&facts.request.action)));
    }
    differs.extend(resource_difference(statement, facts));
    differs.extend(principal_difference(statement, facts, reading));
    let failing = statement.conditions.iter().filter(|it| !it.holds(facts));
    differs.extend(failing.map(|it| condition_difference(it, facts)));
    differs
}

fn resource_difference(statement: &Statement, facts: &Facts<'_>) -> Option<String> {
    let resources = statement.resources.as_ref().filter(|_| !statement.has_resource(facts))?;
    let element = if resources.not { "NotResource" } else { "Resource" };
    if let Some(key) = resources.patterns.iter().find_map(|it| it.missing(facts)) {
        return Some(format!("its {element} needs ${{{key}}}, which the request does not have"));
    }
    let written = resources.patterns.iter().map(|it| it.written.as_str());
    Some(format!("its {element} is {}, asked was {}", listed(written), plain(&facts.request.resource)))
}

fn principal_difference(statement: &Statement, facts: &Facts<'_>, reading: Reading) -> Option<String> {
    let principals = statement.principals.as_ref()?;
    let asking = match &facts.request.principal {
        Principal::Service { name } => name.clone(),
        _ => facts.arn.clone().unwrap_or_else(|| "nobody: the request is not signed".to_owned()),
    };
    let written = listed(principals.named.iter().map(|it| it.written()));
    match statement.reach(facts, reading) {
        None if reading.gateway && statement.reach(facts, Reading::default()).is_some() => Some(format!(
            "its Principal is {written}, which a gateway endpoint does not take for {asking}: only \"*\" names users and roles there (narrow it with aws:PrincipalArn)"
        )),
        None if principals.not => Some(format!("its NotPrincipal excepts {asking}")),
        None => Some(format!("its Principal is {written}, asking is {asking}")),
        Some(_) => None,
    }
}

/// Within its own account a principal is not granted anything by a policy that names the account.
fn delegation(statement: &Statement, facts: &Facts<'_>, reading: Reading) -> Option<String> {
    statement.reach(facts, reading).filter(|reach| *reach == Reach::Account)?;
    let who = facts.request.principal.name();
    Some(format!("its Principal is the account, which leaves it to identity policies, and none of {who} allows it"))
}

fn condition_difference(condition: &Condition, facts: &Facts<'_>) -> String {
    let (operator, key) = (&condition.operator_name, &condition.key_name);
    let start = format!("its Condition {operator} {key}");
    if let Some(missing) = condition.missing(facts) {
        return format!("{start} needs ${{{missing}}}, which the request does not have");
    }
    let wanted = listed(condition.texts.iter().map(String::as_str));
    let given = facts.values(&condition.key);
    let has = match &given {
        None => "the request has none".to_owned(),
        Some(values) => format!("the request has {}", listed(values.iter().map(String::as_str))),
    };
    let wants = match condition.operator {
        operator if operator.comparison == Comparison::Null => match wanted.as_str() {
            "true" => "wants it absent".to_owned(),
            _ => "wants it present".to_owned(),
        },
        operator if operator.set == Set::Plain && given.as_ref().is_some_and(|it| it.len() > 1) => {
            format!("wants {wanted} of one value (several want ForAnyValue or ForAllValues)")
        }
        operator if operator.negated && operator.set == Set::Plain => format!("wants none of {wanted}"),
        operator if operator.negated => format!("wants others than {wanted}"),
        _ => format!("wants {wanted}"),
    };
    format!("{start} {wants}, {has}")
}

/// A guest chooses the names of its objects: none of them shall drive the reader's terminal.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) { text.escape_debug().to_string().into() } else { text.into() }
}

/// `a, b, c and 5 more`.
fn listed<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let texts: Vec<_> = texts.map(|text| if text.is_empty() { "\"\"".into() } else { plain(text) }).collect();
    match texts.len() {
        0..=SHOWN => texts.join(", "),
        count => format!("{} and {} more", texts[..SHOWN].join(", "), count - SHOWN),
    }
}
