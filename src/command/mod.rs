//! The command line: one file per verb.
//!
//! Every verb's file has `Arguments` (what clap reads) and `run` (what is done with them), which returns the exit
//! status. Errors travel up to [`main`], which prints the one error and turns it into an exit status:
//!
//! | status | meaning |
//! |---|---|
//! | 0 | done; `trace`: delivered; `test`: all hold |
//! | 1 | it failed; `trace`: dropped or denied; `test`: one does not hold |
//! | 2 | bad input: what was asked can't be right |
//! | 3 | this machine can't run a lab |
//! | 125, 126, 127 | `exec` and `run`: vpclab failed, the command is not executable, there is no such command |
//!
//! A verb prints its result on stdout, and everything about the way there on stderr.

mod apply;
mod aws;
mod capture;
mod check;
mod compare;
mod demo;
mod down;
mod drops;
mod exec;
mod fault;
mod files;
mod flows;
mod input;
mod lab;
mod output;
mod policy;
mod run;
mod status;
mod test;
mod trace;
mod up;

use std::ffi::OsString;
use std::fmt;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::run::{BadInput, CannotRun};
use crate::services::echo;
use crate::template::TemplateError;

const EXAMPLES: &str = "\
Examples:
  vpclab demo                                   the whole story in a minute
  vpclab up examples/first.yaml                 start a lab from a CloudFormation template
  vpclab exec app -- curl https://first-123456789012.s3.us-east-1.amazonaws.com/hello.txt
  vpclab trace app s3.us-east-1.amazonaws.com:443
  vpclab policy app s3:PutObject s3://b/k       what policies say of an API call, and which statement
  vpclab test examples/first.yaml               does what `expect:` says hold?
  vpclab aws provider ec2 describe-vpc-endpoint-connections
  vpclab drops --follow                         which packets were dropped, and what said no
  vpclab capture app -w app.pcapng              what is on the wire, for Wireshark
  vpclab down                                   leave nothing behind

In CI, one command does it all and ends with the command's own exit status:
  vpclab run examples/first.yaml app -- ./smoke-test.sh";

const ECHO_EXAMPLE: &str = "\
Example, in a template's UserData:
  #!/bin/sh
  vpclab echo --listen 0.0.0.0:80";

/// VPC networks on one Linux machine, with real packets: CloudFormation in, endpoints that carry traffic.
#[derive(Debug, Parser)]
#[command(name = "vpclab", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct CommandLine {
    /// The lab's name. `up` and `run` give it (else the file's), `demo` takes `demo`, the others mean the only running lab.
    #[arg(long, global = true, value_name = "LAB")]
    name: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Up(up::Arguments),
    Apply(apply::Arguments),
    Aws(aws::Arguments),
    Exec(exec::Arguments),
    Run(run::Arguments),
    Trace(trace::Arguments),
    Policy(policy::Arguments),
    Test(test::Arguments),
    Drops(drops::Arguments),
    Flows(flows::Arguments),
    Status(status::Arguments),
    Check(check::Arguments),
    Compare(compare::Arguments),
    Fault(fault::Arguments),
    Capture(capture::Arguments),
    Demo(demo::Arguments),
    Down(down::Arguments),
    /// Answer who called whom, for first-boot scripts: HTTP, TCP and UDP.
    #[command(after_help = ECHO_EXAMPLE)]
    Echo(echo::Arguments),
    #[command(name = "__lab", hide = true)]
    Lab(lab::Arguments),
    #[command(name = "__probe", hide = true)]
    Probe(test::probe::Arguments),
}

/// Runs the command line and says how it went.
pub fn main() -> ExitCode {
    let matches = CommandLine::command().get_matches_from(std::env::args_os().collect::<Vec<OsString>>());
    let line = CommandLine::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match dispatch(line) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            match error.downcast_ref::<TemplateError>() {
                // Draws its places and says `error:` itself.
                Some(error) => eprintln!("{error}"),
                None if is_broken_pipe(&error) => {}
                None => eprintln!("error: {error:#}"),
            }
            ExitCode::from(status_of(&error))
        }
    }
}

fn dispatch(line: CommandLine) -> Result<u8> {
    let name = line.name.as_deref();
    match line.verb {
        Verb::Up(arguments) => up::run(arguments, name),
        Verb::Apply(arguments) => apply::run(arguments, name),
        Verb::Aws(arguments) => aws::run(arguments, name),
        Verb::Exec(arguments) => exec::run(arguments, name),
        Verb::Run(arguments) => run::run(arguments, name),
        Verb::Trace(arguments) => trace::run(arguments, name),
        Verb::Policy(arguments) => policy::run(arguments, name),
        Verb::Test(arguments) => test::run(arguments, name),
        Verb::Drops(arguments) => drops::run(arguments, name),
        Verb::Flows(arguments) => flows::run(arguments, name),
        Verb::Status(arguments) => status::run(arguments, name),
        Verb::Check(arguments) => check::run(arguments, name),
        Verb::Compare(arguments) => compare::run(arguments, name),
        Verb::Fault(arguments) => fault::run(arguments, name),
        Verb::Capture(arguments) => capture::run(arguments, name),
        Verb::Demo(arguments) => demo::run(arguments, name),
        Verb::Down(arguments) => down::run(arguments, name),
        Verb::Echo(arguments) => echo::run(arguments).map(|()| 0),
        Verb::Lab(arguments) => lab::run(arguments, name),
        Verb::Probe(arguments) => test::probe::run(arguments),
    }
}

/// An error on the way to a command in a guest: 125, as the command's own statuses mean something else.
#[derive(Debug)]
struct NotTheCommand(anyhow::Error);

impl fmt::Display for NotTheCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for NotTheCommand {}

fn status_of(error: &anyhow::Error) -> u8 {
    if error.is::<NotTheCommand>() {
        125
    } else if error.is::<BadInput>() || error.is::<TemplateError>() {
        2
    } else if error.is::<CannotRun>() {
        3
    } else {
        1
    }
}

/// The reader of our output went away: that is its right, not an error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn the_help_of_each_verb_teaches_by_example() {
        for verb in CommandLine::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            let example = format!("  vpclab {}", verb.get_name());
            assert!(help.starts_with("Example") && help.contains(&example), "{}: {help}", verb.get_name());
        }
    }

    #[test]
    fn the_name_may_stand_before_or_after_the_verb() {
        for line in [["vpclab", "--name", "a", "flows"], ["vpclab", "flows", "--name", "a"]] {
            assert_eq!(CommandLine::try_parse_from(line).unwrap().name.as_deref(), Some("a"));
        }
    }

    #[test]
    fn exec_keeps_the_commands_own_options() {
        let line = CommandLine::try_parse_from(["vpclab", "exec", "app", "--", "curl", "--name", "x", "-v"]).unwrap();
        assert_eq!(line.name, None);
        let Verb::Exec(arguments) = line.verb else { panic!("exec") };
        assert_eq!(arguments.command, ["curl", "--name", "x", "-v"]);
    }

    #[test]
    fn exit_statuses_follow_the_fault() {
        assert_eq!(status_of(&BadInput("x".into()).into()), 2);
        assert_eq!(status_of(&anyhow::Error::from(CannotRun("x".into())).context("outer")), 3);
        assert_eq!(status_of(&anyhow::anyhow!("x")), 1);
        assert_eq!(status_of(&NotTheCommand(BadInput("x".into()).into()).into()), 125);
    }
}
