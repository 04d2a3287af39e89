//! `vpclab check`: what a lab would be made of and what it leaves out, or what is wrong with it. Starts nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::input::Input;
use super::{files, output};
use crate::template::{Lab, Notice, NoticeKind, TemplateError};

/// Validate a template and list what it ignores; start nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab check examples/first.yaml
  vpclab check examples/private-service/lab.yaml
  vpclab check cdk.out --param Network.Cidr=10.1.0.0/16 --json")]
pub struct Arguments {
    #[command(flatten)]
    input: Input,
    /// Print what was understood, or the errors, as one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the verb: 0 when a lab could be made of the file, 2 when not.
pub fn run(arguments: Arguments, _name: Option<&str>) -> Result<u8> {
    match (files::load_lab(&arguments.input.definition()?), arguments.json) {
        (Ok(lab), true) => output::print_json(&to_json(&lab))?,
        (Ok(lab), false) => output::print(&to_text(&lab))?,
        (Err(error), true) => {
            output::print_json(&errors_to_json(&error))?;
            return Ok(2);
        }
        (Err(error), false) => return Err(error.into()),
    }
    Ok(0)
}

/// The report for people.
pub fn to_text(lab: &Lab) -> String {
    let mut text = String::new();
    for stack in &lab.stacks {
        let _ = writeln!(text, "stack {} in {} {}, from {}", stack.name, stack.account, stack.region, stack.template);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for resource in stack.resources.iter().filter(|resource| resource.physical_id.is_some()) {
            *counts.entry(&resource.type_name).or_default() += 1;
        }
        for (type_name, count) in counts {
            let _ = writeln!(text, "{count:5} {type_name}");
        }
        for (name, value) in &stack.outputs {
            let _ = writeln!(text, "      output {name} = {value}");
        }
    }
    for seed in &lab.seeds {
        let _ = writeln!(text, "bucket {} holds the files of {}", seed.bucket, seed.folder.display());
    }
    text + &notices_to_text(&lab.notices)
}

/// Notices in groups, for people; empty when there are none.
pub fn notices_to_text(notices: &[Notice]) -> String {
    let mut text = String::new();
    for kind in [NoticeKind::Ignored, NoticeKind::NotEnforced, NoticeKind::Placeholder] {
        let group: Vec<&Notice> = notices.iter().filter(|notice| notice.kind == kind).collect();
        if group.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{}:", kind.label());
        for notice in group {
            let place = notice.source.as_ref().map(|source| format!(" ({source})")).unwrap_or_default();
            let _ = writeln!(text, "      {}{place}", notice.subject);
        }
    }
    text
}

fn to_json(lab: &Lab) -> serde_json::Value {
    let stacks: Vec<_> = lab
        .stacks
        .iter()
        .map(|stack| {
            let resources: Vec<_> = stack
                .resources
                .iter()
                .map(|resource| {
                    json!({
                        "LogicalResourceId": resource.logical_id,
                        "ResourceType": resource.type_name,
                        "PhysicalResourceId": resource.physical_id,
                    })
                })
                .collect();
            json!({
                "StackName": stack.name,
                "Template": stack.template,
                "Account": stack.account,
                "Region": stack.region,
                "Resources": resources,
                "Outputs": stack.outputs,
            })
        })
        .collect();
    json!({ "Name": lab.name, "Stacks": stacks, "Seeds": seeds_to_json(lab), "Notices": lab.notices.iter().map(notice_to_json).collect::<Vec<_>>() })
}

fn seeds_to_json(lab: &Lab) -> Vec<serde_json::Value> {
    lab.seeds.iter().map(|seed| json!({ "Bucket": seed.bucket, "Folder": seed.folder.display().to_string() })).collect()
}

fn notice_to_json(notice: &Notice) -> serde_json::Value {
    let source = notice.source.as_ref();
    json!({
        "Kind": notice.kind.label(),
        "Subject": notice.subject,
        "File": source.map(|source| source.file.to_string()),
        "Line": source.map(|source| source.line),
        "Column": source.map(|source| source.column),
    })
}

fn errors_to_json(error: &TemplateError) -> serde_json::Value {
    let errors: Vec<_> = error
        .diagnostics
        .iter()
        .map(|error| {
            let span = error.span.as_ref();
            json!({
                "Message": error.message,
                "Help": error.help,
                "File": span.map(|span| span.file.name.to_string()),
                "Line": span.map(|span| span.line),
                "Column": span.map(|span| span.column),
            })
        })
        .collect();
    json!({ "Errors": errors })
}
