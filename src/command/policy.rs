//! `vpclab policy`: what policies say of an API call, without a packet and without a lab.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::input::{Input, Options};
use super::{files, output};
use crate::expect::Scene;
use crate::model::access::AccessReport;
use crate::policy::Context;
use crate::run::BadInput;
use crate::run::client::Client;
use crate::run::protocol::{Answer, CallQuestion, Request};
use crate::run::state;
use crate::services::front::session::time_keys;

/// Ask policies about an API call: who does what, from where; ends with 0 when it is allowed, 1 when it is denied.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab policy app s3:PutObject s3://reports-123456789012/today.csv --file examples/endpoint-policies.yaml
  vpclab policy app dynamodb:PutItem dynamodb://orders --as Worker
  vpclab policy app kms:Decrypt '*' --json

The guest says from where: the endpoint that its packets would take decides which
endpoint policy counts, and which condition keys the request has. With --file
nothing has to run; without, the running lab is asked, with what clients changed
in it. For a denial without a statement, the nearest one is named and in what it
differs.")]
pub struct Arguments {
    /// From where: a guest.
    guest: String,
    /// What: an action, such as s3:GetObject.
    action: String,
    /// To what: an ARN, s3://BUCKET[/KEY] or dynamodb://TABLE.
    #[arg(default_value = "*")]
    on: String,
    /// Who: a role or user by name or ARN, `root` or `anonymous`; the guest's own credentials where nothing is said.
    #[arg(long = "as", value_name = "PRINCIPAL")]
    signer: Option<String>,
    /// A condition key that only the request itself would tell, such as dynamodb:LeadingKeys=alice; again for more values.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    context: Vec<(String, String)>,
    /// A template, lab.yaml, folder or cdk.out to ask, in place of the running lab.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    /// One JSON document, with all condition keys of the request.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    let question = CallQuestion {
        action: arguments.action.clone(),
        on: Some(arguments.on.clone()).filter(|on| on != "*"),
        signer: arguments.signer.clone(),
        context: by_key(&arguments.context),
    };
    let report = match &arguments.file {
        Some(file) => {
            let input = Input { file: file.clone(), options: arguments.options.clone() };
            of_file(&input, &arguments.guest, &question)?
        }
        None => of_lab(name, &arguments.guest, question)?,
    };
    match arguments.json {
        true => output::print_json(&report)?,
        false => output::print(&text(&report))?,
    }
    Ok(u8::from(!report.is_allowed()))
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.contains(':') => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, such as s3:prefix=home/".to_owned()),
    }
}

fn by_key(context: &[(String, String)]) -> BTreeMap<String, Vec<String>> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in context {
        keys.entry(key.clone()).or_default().push(value.clone());
    }
    keys
}

fn of_file(input: &Input, guest: &str, question: &CallQuestion) -> Result<AccessReport> {
    let lab = files::load_lab(&input.definition()?)?;
    let scene = Scene::new(&lab).with_keys(time_keys());
    let CallQuestion { action, on, signer, context } = question;
    let mut keys = Context::default();
    context.iter().for_each(|(key, values)| keys.set_all(key, values.clone()));
    let (from, claim) = scene.call(guest, action, on.as_deref(), signer.as_deref()).map_err(BadInput)?;
    if let Err(failure) = scene.check(&from, &claim.path) {
        bail!(BadInput(format!("no request of {guest} reaches the service: {}", failure.reason)));
    }
    let reports: Vec<AccessReport> = scene.judge(&from, &claim, &keys);
    reports.into_iter().next().ok_or_else(|| BadInput(format!("{guest} can't send requests")).into())
}

fn of_lab(name: Option<&str>, guest: &str, question: CallQuestion) -> Result<AccessReport> {
    let request = Request::Trace {
        guest: guest.to_owned(),
        host: String::new(),
        port: None,
        protocol: "tcp".to_owned(),
        from: None,
        call: Some(question),
    };
    let Answer::Trace(report) = Client::connect(&state::choose(name)?)?.call(&request)? else {
        bail!("the lab did not answer with a decision");
    };
    report.access.ok_or_else(|| {
        let why = report.explanation.unwrap_or_default();
        BadInput(format!("no request of {guest} reaches the service: {why}; `vpclab trace` shows where it ends")).into()
    })
}

fn text(report: &AccessReport) -> String {
    let mut text = format!("{}\n", output::decision(report));
    if !report.message.is_empty() {
        text.push_str(&format!("the client reads: {}\n", report.message));
    }
    if !report.open_keys.is_empty() {
        let keys: Vec<&str> = report.open_keys.iter().map(String::as_str).collect();
        text.push_str(&format!(
            "a live request may also have {}, which policies look at here: --context KEY=VALUE says it\n",
            keys.join(", ")
        ));
    }
    text.push_str("condition keys of the request:\n");
    for (key, values) in &report.context {
        text.push_str(&format!("  {key}: {}\n", values.join(", ")));
    }
    text
}
