//! A CDK cloud assembly (`cdk.out`): its `manifest.json` names the stacks, stages have a manifest of their own.
//!
//! <https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.cloud_assembly_schema-readme.html>. Assets (files and images)
//! are not deployed: no guest has an image.

use std::path::Path;

use super::super::document::{Key, Kind, Value};
use super::super::error::{Diagnostic, Span};
use super::super::notice::{Notice, NoticeKind};
use super::super::{Files, LoadOptions};
use super::{Plan, PlannedStack, beside, name_of, place, read_document};

/// Stages inside of stages; CDK itself has one level mostly.
const MAXIMUM_STAGES: usize = 8;

/// Reads an assembly's manifest and the templates that it names.
pub(super) fn read(
    files: &dyn Files,
    path: &Path,
    document: &Value,
    options: &LoadOptions,
) -> Result<Plan, Vec<Diagnostic>> {
    let mut assembly = Assembly { files, options, stacks: Vec::new(), notices: Vec::new() };
    assembly.read(path, document, 0)?;
    let Assembly { stacks, notices, .. } = assembly;
    if stacks.is_empty() {
        let error = Diagnostic::at(&document.span, "the CDK manifest has no stack");
        return Err(vec![error.help("synthesise the application again with `cdk synth`")]);
    }
    Ok(Plan { stacks, notices, ..Plan::new(name_of(path), path) })
}

struct Assembly<'a> {
    files: &'a dyn Files,
    options: &'a LoadOptions,
    stacks: Vec<PlannedStack>,
    notices: Vec<Notice>,
}

impl Assembly<'_> {
    fn read(&mut self, path: &Path, document: &Value, depth: usize) -> Result<(), Vec<Diagnostic>> {
        let artifacts = document.get("artifacts").and_then(Value::as_map).ok_or_else(|| {
            vec![
                Diagnostic::at(&document.span, "a CDK manifest has `artifacts`")
                    .help("synthesise the application with `cdk synth`"),
            ]
        })?;
        for (key, artifact) in artifacts {
            let properties = artifact.get("properties");
            match artifact.get("type").and_then(Value::as_text) {
                Some("aws:cloudformation:stack") => self.stack(path, key, artifact)?,
                Some("cdk:cloud-assembly") if depth < MAXIMUM_STAGES => {
                    let folder =
                        properties.and_then(|properties| properties.get("directoryName")).and_then(Value::as_text);
                    let inner = beside(path, folder.unwrap_or(&key.text)).join("manifest.json");
                    let document = read_document(self.files, &inner).map_err(|error| vec![error])?;
                    self.read(&inner, &document, depth + 1)?;
                }
                Some("cdk:asset-manifest") => {
                    let subject = format!("assets `{}`: files and images are not deployed", key.text);
                    self.notices.push(Notice::at(NoticeKind::Ignored, &key.span, subject));
                }
                // Descriptions of the application for CDK's own tools.
                Some("cdk:tree" | "cdk:feature-flag-report") => {}
                other => {
                    let subject = format!("artifact `{}` of type {}", key.text, other.unwrap_or("unknown"));
                    self.notices.push(Notice::at(NoticeKind::Ignored, &key.span, subject));
                }
            }
        }
        Ok(())
    }

    fn stack(&mut self, manifest: &Path, key: &Key, artifact: &Value) -> Result<(), Vec<Diagnostic>> {
        let property = |name: &str| artifact.get("properties").and_then(|properties| properties.get(name));
        let Some(file) = property("templateFile").and_then(Value::as_text) else {
            return Err(vec![Diagnostic::at(&key.span, format!("stack `{}` has no `templateFile`", key.text))]);
        };
        let document = read_document(self.files, &beside(manifest, file)).map_err(|error| vec![error])?;
        let (account, region) = environment(artifact);
        let (account, region) = place(account.as_ref(), region.as_ref(), self.options)?;
        let own_name = property("stackName").and_then(Value::as_text).unwrap_or(&key.text);
        // One stack name may stand in several accounts; the artifact's own id is unique.
        let taken = self.stacks.iter().any(|stack| stack.name == own_name);
        let name = if taken { key.text.clone() } else { own_name.to_owned() };
        let parameters = property("parameters").and_then(Value::as_map).cloned().unwrap_or_default();
        let dependencies = artifact.get("dependencies").and_then(Value::as_list).unwrap_or_default();
        let needs = dependencies.iter().filter_map(Value::as_text).map(str::to_owned).collect();
        let span: Span = key.span.clone();
        self.stacks.push(PlannedStack { name, account, region, document, parameters, needs, span });
        Ok(())
    }
}

/// `aws://ACCOUNT/REGION`, where either may be unknown.
fn environment(artifact: &Value) -> (Option<Value>, Option<Value>) {
    let Some(written) = artifact.get("environment") else { return (None, None) };
    let parts = written.as_text().and_then(|text| text.strip_prefix("aws://")).and_then(|text| text.split_once('/'));
    let (account, region) = parts.unwrap_or(("unknown-account", "unknown-region"));
    let known = |text: &str| {
        let is_known = !text.starts_with("unknown-");
        is_known.then(|| Value { kind: Kind::Text(text.to_owned()), span: written.span.clone() })
    };
    (known(account), known(region))
}
