//! `vpclab demo`: the whole story in a minute.
//!
//! Every line below a `$` is what that very command printed: the demo starts this program with the arguments it shows. The
//! templates are those of `examples/`, which the README and the tests use, too.

mod partner;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::output;
use crate::run::capture::read_lines;
use crate::run::client::Client;
use crate::run::launch::{self, Definition, Started};
use crate::run::protocol::{Answer, Request};
use crate::run::state::{self, Folder};

/// The whole story in a minute: a gateway endpoint, a missing route, a private service between overlapping networks, what a
/// NAT gateway costs beside an endpoint, a policy that denies until it is changed, and a vendor who accepts a customer.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab demo
  vpclab demo --name second     beside another demo

It starts six labs from templates of its own, one after the other, and ends
each: nothing is left. Every line below a `$` is what that command printed.")]
pub struct Arguments {}

/// The templates, as they stand in `examples/`.
const FILES: [(&str, &str); 10] = [
    ("first.yaml", include_str!("../../examples/first.yaml")),
    ("files/hello.txt", include_str!("../../examples/files/hello.txt")),
    ("nat-vs-endpoint.yaml", include_str!("../../examples/nat-vs-endpoint.yaml")),
    (POLICIES, include_str!("../../examples/endpoint-policies.yaml")),
    ("private-service/lab.yaml", include_str!("../../examples/private-service/lab.yaml")),
    ("private-service/provider.yaml", include_str!("../../examples/private-service/provider.yaml")),
    ("private-service/consumer.yaml", include_str!("../../examples/private-service/consumer.yaml")),
    ("partner/lab.yaml", include_str!("../../examples/partner/lab.yaml")),
    ("partner/vendor.yaml", include_str!("../../examples/partner/vendor.yaml")),
    ("partner/customer.yaml", include_str!("../../examples/partner/customer.yaml")),
];

/// Objects of `first.yaml` that make or name the endpoint.
const ENDPOINT_LINES: [&str; 2] = ["  S3:", "  Policy:"];

const OBJECT: &str = "https://first-123456789012.s3.us-east-1.amazonaws.com/hello.txt";

const POLICIES: &str = "endpoint-policies.yaml";

/// Where the table's endpoint gets one statement more, and that statement.
const ONLY_DENIES: &str = "          - Sid: OnlyFromThisVpc\n";
const ALLOWS: &str = "          - {Sid: TheTable, Effect: Allow, Principal: \"*\", Action: \"dynamodb:*\", Resource: !GetAtt Orders.Arn}\n";

/// Fetched twice, and its length.
const COMPARED: &str = "https://compare-123456789012.s3.us-east-1.amazonaws.com/big.bin";
const BIG: u64 = 32 << 20;

/// Runs the verb.
pub fn run(_arguments: Arguments, name: Option<&str>) -> Result<u8> {
    let stage = Stage::build()?;
    let lab = name.unwrap_or("demo");
    let told = stage.tell(lab);
    drop(stage);
    told.map(|()| 0)
}

/// The demo's own folder with the templates; commands run in it.
struct Stage {
    folder: PathBuf,
    program: PathBuf,
}

impl Drop for Stage {
    fn drop(&mut self) {
        // It is below the state folder; the next demo sweeps it if this fails.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Its folder is named after the process, so that several can tell the story at once.
const FOLDER: &str = ".demo-";

/// Removes the folders of demos that were interrupted.
pub fn sweep(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(FOLDER)).and_then(|id| id.parse::<u32>().ok());
        if process.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists()) {
            // What can't be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Stage {
    fn build() -> Result<Self> {
        let root = state::root()?;
        sweep(&root);
        let folder = root.join(format!("{FOLDER}{}", std::process::id()));
        let stage = Self { folder, program: std::env::current_exe().context("finding vpclab's own program file")? };
        let without: String = FILES[0]
            .1
            .lines()
            .filter(|line| !ENDPOINT_LINES.iter().any(|start| line.starts_with(start)))
            .map(|line| format!("{line}\n"))
            .collect();
        for (file, text) in FILES.into_iter().chain([("without-endpoint.yaml", without.as_str())]) {
            let path = stage.folder.join(file);
            fs::create_dir_all(path.parent().unwrap_or(&stage.folder))
                .and_then(|()| fs::write(&path, text))
                .with_context(|| format!("writing `{}`", path.display()))?;
        }
        std::env::set_current_dir(&stage.folder).context("entering the demo's folder")?;
        Ok(stage)
    }

    fn tell(&self, lab: &str) -> Result<()> {
        self.gateway_endpoint(lab)?;
        self.missing_route(lab)?;
        self.private_service(lab)?;
        self.nat_or_endpoint(lab)?;
        self.policies(lab)?;
        self.partner(lab)?;
        say("That was the whole story. Your own template is next: vpclab up FILE")
    }

    fn gateway_endpoint(&self, lab: &str) -> Result<()> {
        say("1. An isolated subnet reaches S3 through a gateway endpoint")?;
        output::print(&format!("\n$ cat first.yaml\n{}", FILES[0].1))?;
        let seed = ("Bucket".to_owned(), PathBuf::from("files"));
        let held = self.up(lab, "first.yaml", vec![seed], " --seed Bucket=files")?;
        let seen = self.watch(lab, &["app"], &["exec", "app", "--", "curl", "-sS", OBJECT], 0)?;
        self.command(lab, &["trace", "app", OBJECT], 0)?;
        output::print("\nOn the guest's wire, a private address and one of S3's published ones:\n")?;
        output::print(&seen)?;
        self.down(lab, held)
    }

    fn missing_route(&self, lab: &str) -> Result<()> {
        say("2. The same without the endpoint: curl times out, and the lab says why")?;
        let held = self.up(lab, "without-endpoint.yaml", Vec::new(), "")?;
        self.command(lab, &["exec", "app", "--", "curl", "-sS", "--max-time", "2", OBJECT], 28)?;
        self.command(lab, &["trace", "app", OBJECT], 1)?;
        self.down(lab, held)
    }

    fn private_service(&self, lab: &str) -> Result<()> {
        say("3. Two accounts, both on 10.0.0.0/16: an interface endpoint leads to the other's private service")?;
        let held = self.up(lab, "private-service/lab.yaml", Vec::new(), "")?;
        let names = held.summary.endpoints.iter().flat_map(|endpoint| &endpoint.dns_names);
        let name = names.min_by_key(|name| name.len()).context("the endpoint has a name")?.clone();
        self.command(lab, &["exec", "client", "--", "dig", "+short", &name], 0)?;
        let url = format!("http://{name}/");
        let curl = ["exec", "client", "--", "curl", "-sS", &url];
        let seen = self.watch(lab, &["client", "server"], &curl, 0)?;
        output::print("\nThe server saw the balancer, never the client. The same connection on both wires:\n")?;
        output::print(&seen)?;
        self.command(lab, &["trace", "client", &url], 0)?;
        self.down(lab, held)
    }

    fn nat_or_endpoint(&self, lab: &str) -> Result<()> {
        say("4. The same object through a NAT gateway and through an endpoint")?;
        let big = self.folder.join("files/big.bin");
        // Holes on the disk, zeros on the wire.
        let file = fs::File::create(&big).with_context(|| format!("creating `{}`", big.display()))?;
        file.set_len(BIG).with_context(|| format!("making `{}` long", big.display()))?;
        let seed = ("Bucket".to_owned(), PathBuf::from("files"));
        let held = self.up(lab, "nat-vs-endpoint.yaml", vec![seed], " --seed Bucket=files")?;
        self.command(lab, &["compare", "natted", "direct", "--", COMPARED], 0)?;
        self.down(lab, held)
    }

    fn policies(&self, lab: &str) -> Result<()> {
        say("5. The packet arrives, and the endpoint's policy denies the request")?;
        let text = fs::read_to_string(POLICIES).context("reading the demo's own template")?;
        self.shell("sed -n '/^  DynamoDb:/,/Condition/p' endpoint-policies.yaml", 0)?;
        let held = self.up(lab, POLICIES, Vec::new(), "")?;
        // Guests use this machine's clients, and not every machine has this one; policies answer without it, too.
        let has_aws = runs("aws", &["--version"]);
        let item = r#"{"id": {"S": "first"}}"#;
        let put = ["exec", "app", "--", "aws", "dynamodb", "put-item", "--table-name", "orders", "--item", item];
        let get = ["exec", "app", "--", "aws", "dynamodb", "get-item", "--table-name", "orders", "--key", item];
        let ask = ["trace", "app", "dynamodb://orders", "--action", "dynamodb:PutItem"];
        match has_aws {
            true => self.denied(lab, &put)?,
            false => self.command(lab, &ask, 1)?,
        }
        output::print("\nThe policy denies other VPCs, and allows nobody. One statement more, in the running lab:\n")?;
        fs::write("before.yaml", &text)
            .and_then(|()| fs::write(POLICIES, text.replace(ONLY_DENIES, &format!("{ALLOWS}{ONLY_DENIES}"))))
            .context("changing the demo's own template")?;
        self.shell("diff before.yaml endpoint-policies.yaml", 1)?;
        self.command(lab, &["apply", POLICIES], 0)?;
        match has_aws {
            true => self.command(lab, &put, 0).and_then(|()| self.command(lab, &get, 0))?,
            false => self.command(lab, &ask, 0)?,
        }
        self.down(lab, held)
    }

    /// Starts a lab that ends with the demo, however that ends.
    fn up(&self, lab: &str, file: &str, seeds: Vec<(String, PathBuf)>, shown: &str) -> Result<Started> {
        output::print(&format!("\n$ vpclab up {file}{shown} --name {lab}\n"))?;
        let definition = Definition {
            file: file.into(),
            account: None,
            region: None,
            parameters: Vec::new(),
            seeds,
            plain_links: false,
            data: None,
        };
        let mut progress = output::Progress::new();
        let started = launch::start(&Folder::of(lab)?, &definition, true, &mut |step, done, total| {
            progress.step(step, done, total)
        });
        progress.finish();
        let started = started?;
        output::print(&output::summary(&started.summary))?;
        Ok(started)
    }

    fn down(&self, lab: &str, held: Started) -> Result<()> {
        self.command(lab, &["down"], 0)?;
        drop(held);
        Ok(())
    }

    /// Shows and runs a command of ours; `expected` is the exit status that the story is about.
    fn command(&self, lab: &str, arguments: &[&str], expected: i32) -> Result<()> {
        let status = self.execute(lab, arguments)?;
        if status.code() != Some(expected) {
            bail!("the demo's `vpclab {}` ended with {status} instead of {expected}", arguments.join(" "));
        }
        Ok(())
    }

    /// The same, of one that fails: clients have exit statuses of their own.
    fn denied(&self, lab: &str, arguments: &[&str]) -> Result<()> {
        let status = self.execute(lab, arguments)?;
        if status.success() {
            bail!("the demo's `vpclab {}` was not denied", arguments.join(" "));
        }
        Ok(())
    }

    fn execute(&self, lab: &str, arguments: &[&str]) -> Result<ExitStatus> {
        let shown: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
        output::print(&format!("\n$ vpclab {}\n", shown.join(" ")))?;
        Command::new(&self.program)
            .args(["--name", lab])
            .args(arguments)
            .status()
            .with_context(|| format!("starting `{}`", self.program.display()))
    }

    /// Shows and runs a line of shell in the demo's folder.
    fn shell(&self, line: &str, expected: i32) -> Result<()> {
        output::print(&format!("\n$ {line}\n"))?;
        let status = Command::new("sh").args(["-c", line]).status().context("starting a shell")?;
        if status.code() != Some(expected) {
            bail!("the demo's `{line}` ended with {status} instead of {expected}");
        }
        Ok(())
    }

    /// Runs a command while frames of guests are captured; returns the start of each TCP conversation as lines.
    fn watch(&self, lab: &str, guests: &[&str], arguments: &[&str], expected: i32) -> Result<String> {
        let folder = Folder::of(lab)?;
        let mut captures = Vec::new();
        for guest in guests {
            let mut client = Client::connect(&folder)?;
            let filter = "tcp".to_owned();
            let request = Request::Capture { guest: (*guest).into(), filter, count: None, tls_secrets: false };
            let answer = client.call(&request)?;
            if answer != Answer::Capturing {
                bail!("the lab answered {answer:?} instead of a capture");
            }
            captures.push(client);
        }
        self.command(lab, arguments, expected)?;
        let mut text = String::new();
        for (client, guest) in captures.into_iter().zip(guests) {
            client.finish()?;
            text.push_str(&format!("\n$ vpclab capture {guest} tcp\n"));
            let mut lines = Vec::new();
            read_lines(client.into_bytes(), &mut |line| {
                lines.push(line);
                Ok(())
            })?;
            for line in lines.iter().take(HANDSHAKE) {
                text.push_str(&format!("{line}\n"));
            }
            if lines.len() > HANDSHAKE {
                text.push_str(&format!("  … and {} more\n", lines.len() - HANDSHAKE));
            }
        }
        Ok(text)
    }
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    if argument.contains([' ', '"', '{']) { format!("'{argument}'") } else { argument.to_owned() }
}

/// Whether a program is there for whoever runs the demo, and works.
fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Lines shown of each capture.
const HANDSHAKE: usize = 4;

fn say(text: &str) -> Result<()> {
    output::print(&format!("\n── {text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_interrupted_demo_left_is_swept_and_a_running_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        let mut child = Command::new("true").spawn().unwrap();
        let (own, ended) = (format!("{FOLDER}{}", std::process::id()), format!("{FOLDER}{}", child.id()));
        child.wait().unwrap();
        for folder in [&own, &ended, "a-lab"] {
            fs::create_dir_all(root.path().join(folder).join("files")).unwrap();
        }
        sweep(root.path());
        let left = |folder: &str| root.path().join(folder).exists();
        assert!(left(&own) && left("a-lab") && !left(&ended));
    }

    #[test]
    fn the_variant_without_the_endpoint_still_loads() {
        let names: Vec<&str> =
            FILES[0].1.lines().filter(|line| ENDPOINT_LINES.iter().any(|start| line.starts_with(start))).collect();
        assert_eq!(names.len(), ENDPOINT_LINES.len(), "examples/first.yaml has each on a line of its own");
    }

    #[test]
    fn the_example_of_policies_has_the_place_for_one_more_statement() {
        let (_, text) = FILES.iter().find(|(file, _)| *file == POLICIES).unwrap();
        assert_eq!(text.matches(ONLY_DENIES).count(), 1);
    }
}
