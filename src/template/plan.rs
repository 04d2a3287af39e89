//! Which stacks a lab has: from one template, a `lab.yaml` or a CDK `cdk.out` folder.
//!
//! It reads what is to be deployed and does not look into the templates.

mod backends;
mod cdk;
mod lab_yaml;
mod notifications;
mod zones;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::document::{self, Key, Value};
use super::error::{Diagnostic, Span};
use super::notice::Notice;
use super::{Backend, Files, LoadOptions, ReadError};
use crate::model::region::is_region;

pub(super) use notifications::PlannedTopic;

/// Account of stacks that name none.
const DEFAULT_ACCOUNT: &str = "123456789012";

/// Region of stacks that name none.
const DEFAULT_REGION: &str = "us-east-1";

/// What is to be deployed.
#[derive(Debug)]
pub(super) struct Plan {
    pub name: String,
    pub file: PathBuf,
    /// Of all accounts of the lab.
    pub organization: Option<String>,
    /// By account: names of zones and their ids.
    pub zone_names: BTreeMap<String, BTreeMap<String, String>>,
    pub backends: Vec<Backend>,
    /// SNS topics by name.
    pub topics: Vec<(String, PlannedTopic)>,
    pub expect: Option<Value>,
    pub stacks: Vec<PlannedStack>,
    pub seeds: Vec<PlannedSeed>,
    pub notices: Vec<Notice>,
}

impl Plan {
    /// A lab of that name with nothing in it.
    fn new(name: String, file: &Path) -> Self {
        Self {
            name,
            file: file.to_owned(),
            organization: None,
            zone_names: BTreeMap::new(),
            backends: Vec::new(),
            topics: Vec::new(),
            expect: None,
            stacks: Vec::new(),
            seeds: Vec::new(),
            notices: Vec::new(),
        }
    }
}

/// A stack before its template is looked into.
#[derive(Debug)]
pub(super) struct PlannedStack {
    pub name: String,
    pub account: String,
    pub region: String,
    pub document: Value,
    pub parameters: Vec<(Key, Value)>,
    /// Stacks that must come before, beyond what parameters and imports say.
    pub needs: Vec<String>,
    /// Where the stack is named.
    pub span: Span,
}

/// A folder whose files a bucket holds at the start.
#[derive(Debug)]
pub(super) struct PlannedSeed {
    pub bucket: Key,
    pub folder: PathBuf,
}

/// Reads what a path names.
pub(super) fn read(files: &dyn Files, path: &Path, options: &LoadOptions) -> Result<Plan, Vec<Diagnostic>> {
    let (path, document) = find(files, path).map_err(|error| vec![error])?;
    let is_named_lab = path.file_stem().is_some_and(|stem| stem == "lab");
    if (is_named_lab || document.get("stacks").is_some()) && document.get("Resources").is_none() {
        return lab_yaml::read(files, &path, &document, options);
    }
    if document.get("artifacts").is_some() && document.get("Resources").is_none() {
        return cdk::read(files, &path, &document, options);
    }
    let name = name_of(&path);
    let span = Span::start_of(&document.span.file);
    let (account, region) = place(None, None, options)?;
    let stack =
        PlannedStack { name: name.clone(), account, region, document, parameters: Vec::new(), needs: Vec::new(), span };
    Ok(Plan { stacks: vec![stack], ..Plan::new(name, &path) })
}

/// Files that a folder is known by.
const IN_A_FOLDER: [&str; 7] =
    ["lab.yaml", "lab.yml", "manifest.json", "cdk.out/manifest.json", "template.yaml", "template.yml", "template.json"];

fn find(files: &dyn Files, path: &Path) -> Result<(PathBuf, Value), Diagnostic> {
    match files.read(path) {
        Ok(text) => Ok((path.to_owned(), document::read(&path.display().to_string(), &text)?)),
        Err(ReadError::IsFolder) => {
            for name in IN_A_FOLDER {
                let inside = path.join(name);
                match files.read(&inside) {
                    Err(ReadError::NotFound) => {}
                    _ => return read_document(files, &inside).map(|document| (inside, document)),
                }
            }
            Err(Diagnostic::nowhere(format!("the folder {} holds no lab", path.display()))
                .help("it needs a lab.yaml, a CDK manifest.json or a template.yaml; or name the template itself"))
        }
        Err(error) => Err(unreadable(path, &error, None)),
    }
}

fn read_document(files: &dyn Files, path: &Path) -> Result<Value, Diagnostic> {
    let text = files.read(path).map_err(|error| unreadable(path, &error, None))?;
    document::read(&path.display().to_string(), &text)
}

/// Why a file can't be read, at the place that names it.
fn unreadable(path: &Path, error: &ReadError, named_at: Option<&Span>) -> Diagnostic {
    let message = format!("can't read {}: {error}", path.display());
    match named_at {
        Some(span) => Diagnostic::at(span, message).help("the path is relative to the file that names it"),
        None => Diagnostic::nowhere(message),
    }
}

/// A path as written in a file, relative to that file's folder.
fn beside(file: &Path, relative: &str) -> PathBuf {
    let relative = relative.strip_prefix("./").unwrap_or(relative);
    file.parent().unwrap_or(Path::new("")).join(relative)
}

/// A name for a lab or stack from a file's: `examples/first.yaml` is `first`, `shop/lab.yaml` is `shop`.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let folder = || path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let name = match stem {
        "lab" | "manifest" => {
            let inner = folder().filter(|name| *name != "cdk.out");
            let outer = || path.parent()?.parent()?.file_name()?.to_str();
            inner.or_else(outer).unwrap_or("lab")
        }
        _ => stem.strip_suffix(".template").unwrap_or(stem),
    };
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "lab".to_owned() } else { name.to_owned() }
}

/// The account and Region of a stack: its own, else the options', else the defaults.
fn place(
    account: Option<&Value>,
    region: Option<&Value>,
    options: &LoadOptions,
) -> Result<(String, String), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut choose =
        |own: Option<&Value>, option: &Option<String>, default: &str, valid: fn(&str) -> bool, what: &str| {
            let text = match own {
                Some(value) => value.as_text().unwrap_or_default().to_owned(),
                None => option.clone().unwrap_or_else(|| default.to_owned()),
            };
            if !valid(&text) {
                let message = format!("`{text}` is not {what}");
                errors.push(match own {
                    Some(value) => Diagnostic::at(&value.span, message),
                    None => Diagnostic::nowhere(message),
                });
            }
            text
        };
    let is_account = |text: &str| text.len() == 12 && text.chars().all(|c| c.is_ascii_digit());
    let account =
        choose(account, &options.account, DEFAULT_ACCOUNT, is_account, "an account: twelve digits, quoted in YAML");
    let region = choose(region, &options.region, DEFAULT_REGION, is_region, "a Region, such as us-east-1");
    if errors.is_empty() { Ok((account, region)) } else { Err(errors) }
}
