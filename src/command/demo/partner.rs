//! The demo's last part: a vendor decides which customers its service has, by the EC2 API of the running lab.
//!
//! The API's client is this machine's AWS CLI. Where there is none, curl signs the same requests, and the demo says so.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Stage, output, runs, say};
use crate::run::client::Client;
use crate::run::protocol::{Answer, Request};
use crate::run::state::Folder;

/// Where the customer's endpoint is, in each customer's VPC: the first free address of its subnet.
const URL: &str = "http://10.0.1.4/";

/// An operation of the EC2 API as both clients write it.
struct Operation<'o> {
    stack: &'o str,
    /// The CLI's words for operation and parameters.
    cli: Vec<&'o str>,
    /// The same as the API's form.
    form: Vec<String>,
    refused: bool,
}

impl Stage {
    pub(super) fn partner(&self, lab: &str) -> Result<()> {
        say("6. A vendor and three customers, all on 10.0.0.0/16: one is let in, one waits, one is not permitted")?;
        let held = self.up(lab, "partner/lab.yaml", Vec::new(), "")?;
        let Answer::Status(status) = Client::connect(&Folder::of(lab)?)?.call(&Request::Status)? else {
            bail!("the lab did not answer with its status");
        };
        let curl = |customer: &'static str| ["exec", customer, "--", "curl", "-sS", "--connect-timeout", "1", URL];
        self.command(lab, &curl("first/client"), 0)?;
        self.command(lab, &curl("second/client"), 28)?;
        let waits = |it: &&Value| it["VpcEndpointState"] == "pendingAcceptance";
        let connection = find(&status, "VpcEndpointConnections", waits)?;
        let (service, endpoint) = (member(connection, "ServiceId")?, member(connection, "VpcEndpointId")?);
        output::print("\nThe vendor hears of it at its SNS topic, which is a file here, and accepts:\n")?;
        self.told(lab)?;
        self.ask(
            lab,
            &Operation {
                stack: "vendor",
                cli: vec!["accept-vpc-endpoint-connections", "--service-id", service, "--vpc-endpoint-ids", endpoint],
                form: vec![
                    "Action=AcceptVpcEndpointConnections".to_owned(),
                    format!("ServiceId={service}"),
                    format!("VpcEndpointId.1={endpoint}"),
                ],
                refused: false,
            },
        )?;
        self.command(lab, &curl("second/client"), 0)?;
        self.told(lab)?;

        output::print("\nThe third customer knows the service's name, and AWS denies that there is such a service:\n")?;
        let vpc = find(&status, "Vpcs", |vpc| vpc["OwnerId"] == "444444444444")?;
        let vpc = member(vpc, "VpcId")?;
        let of_service = |it: &&Value| it["ServiceId"] == service;
        let name = member(find(&status, "VpcEndpointServices", of_service)?, "ServiceName")?;
        self.ask(
            lab,
            &Operation {
                stack: "third",
                cli: vec![
                    "create-vpc-endpoint",
                    "--vpc-endpoint-type",
                    "Interface",
                    "--vpc-id",
                    vpc,
                    "--service-name",
                    name,
                ],
                form: vec![
                    "Action=CreateVpcEndpoint".to_owned(),
                    "VpcEndpointType=Interface".to_owned(),
                    format!("VpcId={vpc}"),
                    format!("ServiceName={name}"),
                ],
                refused: true,
            },
        )?;
        self.down(lab, held)
    }

    /// Shows what the vendor was told so far.
    fn told(&self, lab: &str) -> Result<()> {
        let file = Folder::of(lab)?.notifications().join("partner-events.jsonl");
        self.shell(&format!("cat {}", file.display()), 0)
    }

    fn ask(&self, lab: &str, operation: &Operation) -> Result<()> {
        if runs("aws", &["--version"]) {
            let arguments = [&["aws", operation.stack, "ec2"], operation.cli.as_slice()].concat();
            return match operation.refused {
                true => self.denied(lab, &arguments),
                false => self.command(lab, &arguments, 0),
            };
        }
        let request = Request::Api { stack: operation.stack.to_owned() };
        let Answer::Api(api) = Client::connect(&Folder::of(lab)?)?.call(&request)? else {
            bail!("the lab did not answer where its API is");
        };
        let cli = operation.cli.join(" ");
        output::print(&format!(
            "\nThis machine has no AWS CLI. Instead of `vpclab aws {} ec2 {cli}`, curl signs the request:\n",
            operation.stack
        ))?;
        let form: Vec<String> = operation.form.iter().map(|part| format!(" -d {part}")).collect();
        let line = format!(
            "curl -sS --fail-with-body --noproxy '*' --aws-sigv4 aws:amz:{}:ec2 --user {}:{} -d Version=2016-11-15{} {}; \
             status=$?; echo; exit $status",
            api.region,
            api.access_key_id,
            api.secret_access_key,
            form.concat(),
            api.endpoint
        );
        // 22: the server refused.
        self.shell(&line, if operation.refused { 22 } else { 0 })
    }
}

fn find<'v>(status: &'v Value, list: &str, is_it: impl FnMut(&&'v Value) -> bool) -> Result<&'v Value> {
    let entries = status[list].as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().find(is_it).with_context(|| format!("the demo's lab has no such entry among its {list}"))
}

fn member<'v>(shape: &'v Value, name: &str) -> Result<&'v str> {
    shape[name].as_str().with_context(|| format!("a status without {name}"))
}
