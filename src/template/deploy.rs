//! One stack into the world: each resource when all that it needs is there, then the outputs.
//!
//! A resource with an error does not stop the others; only what needs it is passed over in silence, so that one run tells
//! every error once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::document::{Key, Kind, Map, Unemulated, Value};
use super::error::{Diagnostic, Span};
use super::evaluate::{Evaluator, Exports, Made, Outcome, Scope, Stop, text_of};
use super::notice::{Notice, NoticeKind};
use super::order::order;
use super::parameters::{Ssm, SsmParameters};
use super::places::Places;
use super::prepare::{cycle_error, prepare};
use super::properties::Properties;
use super::references::References;
use super::resources;
use super::sections::{Resource, Template};
use crate::model::{Change, Request, World};

/// What the stacks of a lab have made so far.
#[derive(Debug, Default)]
pub(super) struct Site {
    pub world: World,
    pub exports: Exports,
    pub ssm: SsmParameters,
    /// Outputs by stack and name.
    pub outputs: BTreeMap<(String, String), Value>,
    pub notices: Vec<Notice>,
    pub errors: Vec<Diagnostic>,
}

/// A template with all that makes it a stack.
#[derive(Debug)]
pub(super) struct Stack {
    pub name: String,
    pub account: String,
    pub region: String,
    pub template: Template,
    /// Values for parameters; the last of a name wins.
    pub parameters: Vec<(Key, Value)>,
}

/// What became of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackReport {
    /// Name.
    pub name: String,
    /// Template file.
    pub template: String,
    /// Account.
    pub account: String,
    /// Region.
    pub region: String,
    /// Resources in the order of writing.
    pub resources: Vec<ResourceReport>,
    /// Outputs that are known, by name.
    pub outputs: BTreeMap<String, String>,
}

/// What became of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceReport {
    /// Logical id.
    pub logical_id: String,
    /// `Type`.
    pub type_name: String,
    /// What `Ref` gives; `None` when it is not in the world.
    pub physical_id: Option<String>,
}

/// Deploys a stack. Errors and notices go to the site.
pub(super) fn deploy(site: &mut Site, stack: &Stack) -> StackReport {
    let mut report = StackReport {
        name: stack.name.clone(),
        template: stack.template.file.name.to_string(),
        account: stack.account.clone(),
        region: stack.region.clone(),
        resources: Vec::new(),
        outputs: BTreeMap::new(),
    };
    site.notices.extend(stack.template.notices.iter().cloned());
    let scope = match prepare(site, stack) {
        Ok(scope) => scope,
        Err(errors) => {
            site.errors.extend(errors);
            return report;
        }
    };
    let mut deployment = Deployment { site, stack, scope };
    let order = match deployment.order() {
        Ok(order) => order,
        Err(error) => {
            deployment.site.errors.push(error);
            return report;
        }
    };
    for index in order {
        deployment.resource(&stack.template.resources[index]);
    }
    report.outputs = deployment.outputs();
    report.resources = stack.template.resources.iter().map(|resource| deployment.report(resource)).collect();
    report
}

/// A stack on its way into the world.
struct Deployment<'a> {
    site: &'a mut Site,
    stack: &'a Stack,
    scope: Scope,
}

impl Deployment<'_> {
    fn evaluator(&self) -> Evaluator<'_> {
        Evaluator { scope: &self.scope, world: &self.site.world, exports: &self.site.exports }
    }

    fn order(&self) -> Result<Vec<usize>, Diagnostic> {
        let resources = &self.stack.template.resources;
        let index: HashMap<&str, usize> =
            resources.iter().enumerate().map(|(index, resource)| (resource.logical_id.text.as_str(), index)).collect();
        let needs: Vec<Vec<usize>> = resources
            .iter()
            .map(|resource| {
                let mut references = References::default();
                resource.properties.iter().for_each(|(_, value)| references.collect(value, false));
                let mentioned = references.names.iter().map(|name| name.name.as_str());
                let depended = resource.depends_on.iter().map(|name| name.text.as_str());
                mentioned.chain(depended).filter_map(|name| index.get(name).copied()).collect()
            })
            .collect();
        order(&needs, |index| resources::priority(&resources[index].type_name)).map_err(|cycle| {
            let names = cycle.iter().map(|index| &resources[*index].logical_id).collect::<Vec<_>>();
            cycle_error("resources", &names).help(
                "one of them must not mention the next; a security group's rule, for one, can be a resource of its own",
            )
        })
    }

    fn resource(&mut self, resource: &Resource) {
        let outcome = match self.make(resource) {
            Ok(Some(made)) => Outcome::Made(made),
            Ok(None) => Outcome::Absent,
            Err(Stop::Silent) => Outcome::Failed,
            Err(Stop::Errors(errors)) => {
                self.site.errors.extend(errors);
                Outcome::Failed
            }
            Err(Stop::Unemulated(because)) => {
                let because = if because.is_empty() { because } else { format!(": {because}") };
                let subject = format!("{}{because}", resource.title());
                self.site.notices.push(Notice::at(NoticeKind::Ignored, resource.span(), subject));
                let logical_id = resource.logical_id.text.clone();
                Outcome::Unemulated(Arc::new(Unemulated { logical_id, because: resource.type_name.clone() }))
            }
        };
        self.scope.resources.insert(resource.logical_id.text.clone(), outcome);
    }

    fn make(&mut self, resource: &Resource) -> Result<Option<Made>, Stop> {
        if let Some(condition) = &resource.condition
            && self.scope.conditions.get(&condition.text) == Some(&false)
        {
            return Ok(None);
        }
        let handler = resources::handler(&resource.type_name).ok_or_else(|| Stop::Unemulated(String::new()))?;
        let depends_on_failed = |name: &Key| matches!(self.scope.resources.get(&name.text), Some(Outcome::Failed));
        if resource.depends_on.iter().any(depends_on_failed) {
            return Err(Stop::Silent);
        }
        let properties = self.properties(resource)?;
        handler(&mut Maker { site: self.site, stack: self.stack, resource, places: Places::default() }, properties)
            .map(Some)
    }

    /// Evaluates properties one by one, so that each tells its own error; null stands for one that failed.
    fn properties(&mut self, resource: &Resource) -> Result<Properties, Stop> {
        let mut map = Map::new();
        let mut errors = Vec::new();
        let mut is_silent = false;
        for (key, written) in &resource.properties {
            let value = match self.evaluator().evaluate(written).and_then(|value| self.resolve(value)) {
                Ok(value) if value.kind == Kind::NoValue => continue,
                Ok(value) => value,
                Err(Stop::Errors(mut new)) => {
                    errors.append(&mut new);
                    Value::new(Kind::Null, &written.span)
                }
                Err(Stop::Silent) => {
                    is_silent = true;
                    Value::new(Kind::Null, &written.span)
                }
                Err(stop) => return Err(stop),
            };
            map.push((key.clone(), value));
        }
        Ok(Properties::new(resource.title(), resource.span().clone(), map, errors).silent(is_silent))
    }

    /// Replaces dynamic references: `{{resolve:ssm:NAME}}` by the lab's SSM parameter or a placeholder.
    fn resolve(&mut self, mut value: Value) -> Result<Value, Stop> {
        match &mut value.kind {
            Kind::Text(text) if text.contains("{{resolve:") => *text = self.resolve_text(text, &value.span)?,
            Kind::List(list) => {
                for item in list.iter_mut() {
                    *item = self.resolve(item.clone())?;
                }
            }
            Kind::Map(map) => {
                for (_, item) in map.iter_mut() {
                    *item = self.resolve(item.clone())?;
                }
            }
            _ => {}
        }
        Ok(value)
    }

    fn resolve_text(&mut self, text: &str, span: &Span) -> Result<String, Stop> {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{resolve:") {
            let Some((reference, after)) = after.split_once("}}") else {
                return Err(Diagnostic::at(span, "a dynamic reference has no end").help("close it with `}}`").into());
            };
            result.push_str(before);
            let (service, name) = reference.split_once(':').unwrap_or((reference, ""));
            // A version may follow the name; parameter names have no colon.
            let name = name.split(':').next().unwrap_or_default();
            let ssm = Ssm { account: &self.stack.account, region: &self.stack.region, parameters: &self.site.ssm };
            let (resolved, is_placeholder) = match service {
                "ssm" => ssm.resolve(name, "").ok_or_else(|| {
                    Diagnostic::at(span, format!("no SSM parameter `{name}` exists in this lab"))
                        .help("add an AWS::SSM::Parameter of that name to an earlier stack, or before this resource with DependsOn")
                })?,
                "ssm-secure" | "secretsmanager" => ("not-emulated-secret".to_owned(), true),
                _ => return Err(Diagnostic::at(span, format!("`{service}` is not a kind of dynamic reference")).into()),
            };
            if is_placeholder {
                let subject = format!("{{{{resolve:{reference}}}}} is `{resolved}`");
                self.site.notices.push(Notice::at(NoticeKind::Placeholder, span, subject));
            }
            result.push_str(&resolved);
            rest = after;
        }
        result.push_str(rest);
        Ok(result)
    }

    /// Evaluates `Outputs`, keeps them for other stacks, and gives their texts.
    fn outputs(&mut self) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for (key, output) in &self.stack.template.outputs {
            match self.output(key, output) {
                Ok(Some(value)) => {
                    let text = match &value.kind {
                        Kind::List(_) | Kind::Map(_) => value.to_json().to_string(),
                        _ => text_of(&value).unwrap_or_default(),
                    };
                    texts.insert(key.text.clone(), text);
                    self.site.outputs.insert((self.stack.name.clone(), key.text.clone()), value);
                }
                Ok(None) | Err(Stop::Silent) => {}
                Err(Stop::Errors(errors)) => self.site.errors.extend(errors),
                Err(Stop::Unemulated(because)) => {
                    let subject = format!("output `{}`: {because}", key.text);
                    self.site.notices.push(Notice::at(NoticeKind::Ignored, &key.span, subject));
                }
            }
        }
        texts
    }

    fn output(&mut self, key: &Key, output: &Value) -> Result<Option<Value>, Stop> {
        let condition = output.get("Condition").and_then(Value::as_text);
        if condition.is_some_and(|name| self.scope.conditions.get(name) == Some(&false)) {
            return Ok(None);
        }
        let written = output.get("Value").ok_or_else(|| {
            Diagnostic::at(&key.span, format!("output `{}` has no `Value`", key.text))
                .help("add one, such as `Value: !Ref Vpc`")
        })?;
        let value = self.evaluator().evaluate(written)?;
        if let Kind::Unemulated(unemulated) = &value.kind {
            return Err(Stop::Unemulated(format!("needs {}", unemulated.describe())));
        }
        if let Some(name) = output.get("Export").and_then(|export| export.get("Name")) {
            let text = self.evaluator().text(name)?;
            let export = (self.stack.account.clone(), self.stack.region.clone(), text.clone());
            if self.site.exports.insert(export, value.clone()).is_some() {
                return Err(Diagnostic::at(
                    &name.span,
                    format!("two outputs export `{text}` in one account and Region"),
                )
                .help("an export's name is unique there; rename one")
                .into());
            }
        }
        Ok(Some(value))
    }

    fn report(&self, resource: &Resource) -> ResourceReport {
        let physical_id = match self.scope.resources.get(&resource.logical_id.text) {
            Some(Outcome::Made(made)) => Some(made.reference.clone()),
            _ => None,
        };
        ResourceReport {
            logical_id: resource.logical_id.text.clone(),
            type_name: resource.type_name.clone(),
            physical_id,
        }
    }
}

/// What a resource's handler asks the world with.
pub(super) struct Maker<'a> {
    pub site: &'a mut Site,
    pub stack: &'a Stack,
    pub resource: &'a Resource,
    /// Where a refusal mentions one of the properties, its place is the error's.
    places: Places,
}

impl Maker<'_> {
    /// All properties are read.
    pub fn finish(&mut self, properties: Properties) -> Result<(), Stop> {
        self.places = properties.places();
        properties.finish(&mut self.site.notices)
    }

    /// Asks the world for one change in the name of the resource.
    pub fn apply(&mut self, tags: BTreeMap<String, String>, change: Change) -> Result<String, Stop> {
        let request = self.request(tags, change);
        self.ask(request)
    }

    /// Asks the world for a change that makes a part of the resource, under a logical id of its own.
    pub fn apply_as(
        &mut self,
        logical_id: String,
        tags: BTreeMap<String, String>,
        change: Change,
    ) -> Result<String, Stop> {
        let request = Request { logical_id: Some(logical_id), ..self.request(tags, change) };
        self.ask(request)
    }

    /// Asks the world for a change in the name of another account and Region, as CloudFormation does with a role there.
    pub fn apply_in(&mut self, account: &str, region: &str, change: Change) -> Result<String, Stop> {
        let request = self.request(BTreeMap::new(), change);
        self.ask(Request { account: account.to_owned(), region: region.to_owned(), ..request })
    }

    fn request(&self, tags: BTreeMap<String, String>, change: Change) -> Request {
        Request {
            account: self.stack.account.clone(),
            region: self.stack.region.clone(),
            principal: None,
            stack: Some(self.stack.name.clone()),
            logical_id: Some(self.resource.logical_id.text.clone()),
            source: Some(self.resource.span().source()),
            tags,
            change,
        }
    }

    fn ask(&mut self, request: Request) -> Result<String, Stop> {
        self.site.world.apply(request).map_err(|refusal| {
            let place = self.places.of(&refusal.message).unwrap_or(self.resource.span());
            let message = format!("{}: {}", refusal.code, refusal.message);
            Diagnostic::at(place, message).maybe_help(refusal.help).into()
        })
    }

    /// The same for one part of the resource, such as a rule among several: a refusal is shown in it.
    pub fn apply_part(&mut self, part: Places, change: Change) -> Result<String, Stop> {
        let whole = std::mem::replace(&mut self.places, part);
        let made = self.apply(BTreeMap::new(), change);
        self.places = whole;
        made
    }

    /// The usual case: everything is read, one change makes one object, and `Ref` is its id.
    pub fn make(
        &mut self,
        properties: Properties,
        tags: BTreeMap<String, String>,
        change: Change,
    ) -> Result<Made, Stop> {
        self.finish(properties)?;
        let id = self.apply(tags, change)?;
        Ok(Made { reference: id.clone(), object: Some(id), attributes: BTreeMap::new() })
    }
}
