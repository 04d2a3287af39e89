//! `vpclab aws`: the user's own AWS CLI against the lab's EC2 API, in the name of a stack's account.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use super::exec::is_hidden;
use crate::run::BadInput;
use crate::run::client::Client;
use crate::run::protocol::{Answer, ApiAccess, Request};
use crate::run::state;

/// Run your AWS CLI against the lab's EC2 API, with the account of a stack.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab aws provider ec2 describe-vpc-endpoint-connections
  vpclab aws provider ec2 accept-vpc-endpoint-connections --service-id vpce-svc-0123456789abcdef0 \\
      --vpc-endpoint-ids vpce-0123456789abcdef0
  vpclab aws consumer ec2 describe-vpc-endpoints --query 'VpcEndpoints[].State'

The API has both sides of PrivateLink and what belongs to it; it listens on this
machine's loopback alone. The host's AWS_* variables and configuration files are
hidden from the command. What changes is in force when the command ends; `apply`
does it again to what the file says.")]
pub struct Arguments {
    /// The stack whose account asks, in the stack's Region.
    stack: String,
    /// What follows `aws`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "ARGS")]
    arguments: Vec<OsString>,
}

/// Options of the AWS CLI that may stand before the service and have a value.
const WITH_VALUES: [&str; 11] = [
    "--endpoint-url",
    "--output",
    "--query",
    "--profile",
    "--region",
    "--color",
    "--ca-bundle",
    "--cli-read-timeout",
    "--cli-connect-timeout",
    "--cli-binary-format",
    "--cli-error-format",
];

/// Runs the verb: in the place of this process, so that signals and the exit status are the command's own.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    match service(&arguments.arguments) {
        Some("ec2" | "help") | None => {}
        Some(other) => {
            return Err(BadInput(format!(
                "the lab's API on this machine has `ec2` alone; `{other}` is for guests, where it is emulated or a backend's: \
                 `vpclab exec GUEST -- aws {other} …`"
            ))
            .into());
        }
    }
    let mut client = Client::connect(&state::choose(name)?)?;
    let Answer::Api(access) = client.call(&Request::Api { stack: arguments.stack })? else {
        bail!("the lab did not say where its API is");
    };
    drop(client);
    let error = Command::new("aws")
        .args(["--endpoint-url", &access.endpoint])
        .args(&arguments.arguments)
        .env_clear()
        .envs(environment(std::env::vars_os(), &access))
        .exec();
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Err(BadInput("there is no `aws` on the PATH: install the AWS CLI".into()).into())
        }
        _ => bail!("starting `aws`: {error}"),
    }
}

/// The service that is meant: the first word that is no option, nor an option's value.
fn service(arguments: &[OsString]) -> Option<&str> {
    let mut words = arguments.iter().filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        if WITH_VALUES.contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            return Some(word);
        }
    }
    None
}

/// The caller's environment without what would lead the command elsewhere, and with the account's key.
fn environment(
    inherited: impl Iterator<Item = (OsString, OsString)>,
    access: &ApiAccess,
) -> impl Iterator<Item = (OsString, OsString)> {
    let ours = [
        ("AWS_ACCESS_KEY_ID", access.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", &access.secret_access_key),
        ("AWS_REGION", &access.region),
        ("AWS_DEFAULT_REGION", &access.region),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_PAGER", ""),
    ]
    .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let is_hidden = |name: &OsStr| is_hidden(&name.to_string_lossy());
    inherited.filter(move |(name, _)| !is_hidden(name)).chain(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_the_first_word_of_its_own() {
        let of = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            service(&words).map(str::to_owned)
        };
        assert_eq!(of(&["ec2", "describe-vpcs"]).as_deref(), Some("ec2"));
        assert_eq!(of(&["--output", "text", "--no-cli-pager", "s3", "ls"]).as_deref(), Some("s3"));
        assert_eq!(of(&["--output=text", "ec2"]).as_deref(), Some("ec2"));
        assert_eq!(of(&["--version"]), None);
    }

    #[test]
    fn the_hosts_own_account_stays_out() {
        let access = ApiAccess {
            endpoint: String::new(),
            region: "eu-west-1".into(),
            access_key_id: "AKIA".into(),
            secret_access_key: "secret".into(),
        };
        let host = [("AWS_PROFILE", "prod"), ("AWS_SESSION_TOKEN", "t"), ("https_proxy", "x"), ("PATH", "/bin")]
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let all: std::collections::BTreeMap<OsString, OsString> = environment(host.into_iter(), &access).collect();
        let get = |name: &str| all.get(OsStr::new(name)).map(|value| value.to_string_lossy().into_owned());
        assert_eq!(get("AWS_PROFILE").or(get("AWS_SESSION_TOKEN")).or(get("https_proxy")), None);
        assert_eq!((get("PATH").as_deref(), get("AWS_REGION").as_deref()), (Some("/bin"), Some("eu-west-1")));
        assert_eq!(get("AWS_ACCESS_KEY_ID").as_deref(), Some("AKIA"));
    }
}
