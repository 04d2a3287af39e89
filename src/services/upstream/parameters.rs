//! What a JSON or Query request says: its parameters, and the resources among them.
//!
//! Services name a resource in their own ways; [`resources`] makes ARNs of it as AWS's service authorization reference writes
//! them. An operation that has no resource, and a service that is not in the table, is asked for with `*`, which a statement
//! matches only if its own `Resource` is `*`.
//!
//! Not done, and why: what only the backend knows. A KMS alias stays an alias, and Decrypt without `KeyId` is asked for with
//! `*`. A secret's ARN ends in six random characters: `-??????` stands for them, which `-*` and `-??????` in a policy match
//! and a full ARN does not.

use serde_json::Value;

use super::strict;
use crate::policy::Context;
use crate::services::failure::Form;

/// Parameters of a request.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::services) enum Parameters {
    /// A JSON document.
    Json(Value),
    /// Names and values of a form.
    Pairs(Vec<(String, String)>),
}

impl Parameters {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is none of its form, or says something twice.
    pub fn read(form: Form, query: &str, body: &[u8]) -> Result<Self, String> {
        match form {
            Form::Json if body.is_empty() => Ok(Self::Json(Value::Null)),
            Form::Json | Form::RestJson => strict::read(body).map(Self::Json),
            Form::Query | Form::Ec2 | Form::S3 => {
                let body = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
                let mut pairs: Vec<(String, String)> = pairs(query).collect::<Result<_, _>>()?;
                pairs.extend(self::pairs(body).collect::<Result<Vec<_>, _>>()?);
                let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
                names.sort_unstable();
                match names.windows(2).find(|two| two[0] == two[1]) {
                    // Of two, a backend might take the other one.
                    Some(two) => Err(format!("the parameter `{}` is there twice", two[0])),
                    None => Ok(Self::Pairs(pairs)),
                }
            }
        }
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self {
            Self::Json(value) => value.get(name)?.as_str(),
            Self::Pairs(pairs) => pairs.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str()),
        }
    }

    /// The texts of a list: a JSON array, or `Name.1`, `Name.member.1`.
    fn list(&self, name: &str) -> Vec<&str> {
        match self {
            Self::Json(value) => {
                let items = value.get(name).and_then(Value::as_array).into_iter().flatten();
                items.filter_map(Value::as_str).collect()
            }
            Self::Pairs(pairs) => {
                let item = |key: &str| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
                pairs.iter().filter(|(key, _)| item(key)).map(|(_, value)| value.as_str()).collect()
            }
        }
    }
}

/// Parts of `application/x-www-form-urlencoded`.
fn pairs(text: &str) -> impl Iterator<Item = Result<(String, String), String>> + '_ {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let text = percent_encoding::percent_decode_str(&text).decode_utf8();
        text.map(std::borrow::Cow::into_owned).map_err(|_| "a parameter is not UTF-8".to_owned())
    };
    text.split('&').filter(|part| !part.is_empty()).map(move |part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Ok((decode(name)?, decode(value)?))
    })
}

/// Where a request is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub region: &'a str,
    /// The sender's account, which owns what is named without one.
    pub account: &'a str,
    /// The request's path: queues of the Query protocol and functions stand in it.
    pub path: &'a str,
}

impl Place<'_> {
    /// The ARN of something here.
    pub fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{rest}", self.region, self.account)
    }
}

/// The ARNs that an action is about; at least one.
///
/// # Errors
/// When a name is none.
pub(super) fn resources(action: &str, parameters: &Parameters, place: &Place<'_>) -> Result<Vec<String>, String> {
    let (service, operation) = action.split_once(':').unwrap_or(("", action));
    let text = |name: &str| parameters.text(name).filter(|text| !text.is_empty());
    let found: Vec<String> = match service {
        "sqs" => queue(&text, place)?.into_iter().collect(),
        "sns" => topic(operation, &text, place).into_iter().collect(),
        "kms" => keys(operation, &text, place),
        "secretsmanager" => match parameters.list("SecretIdList") {
            several if operation == "BatchGetSecretValue" && !several.is_empty() => {
                several.into_iter().map(|id| secret(id, place)).collect()
            }
            _ => {
                let name = if operation == "CreateSecret" { text("Name") } else { text("SecretId") };
                name.map(|name| secret(name, place)).into_iter().collect()
            }
        },
        "ssm" if operation.contains("Parameter") => {
            let one = text("Name").or_else(|| text("Path"));
            let all = parameters.list("Names").into_iter().chain(one);
            all.map(|name| parameter(name, place)).collect()
        }
        "lambda" => function(place).into_iter().collect(),
        _ => text_by_table(service, &text, place).into_iter().collect(),
    };
    Ok(if found.is_empty() { vec!["*".to_owned()] } else { found })
}

/// The service's own condition keys.
pub(super) fn keys_of(action: &str, parameters: &Parameters) -> Context {
    let mut keys = Context::default();
    let ways = [
        ("secretsmanager:", "SecretId", "secretsmanager:SecretId"),
        ("secretsmanager:CreateSecret", "Name", "secretsmanager:Name"),
        ("kms:", "KeyId", "kms:RequestAlias"),
        ("sns:Subscribe", "Protocol", "sns:Protocol"),
        ("sns:Subscribe", "Endpoint", "sns:Endpoint"),
    ];
    for (of, parameter, key) in ways {
        let value = parameters.text(parameter).filter(|_| action.starts_with(of));
        // A key's id is no alias.
        if let Some(value) = value.filter(|value| key != "kms:RequestAlias" || value.starts_with("alias/")) {
            keys.set(key, value);
        }
    }
    keys
}

/// Services whose parameter is an ARN, or a name of one kind of thing.
#[rustfmt::skip]
const NAMED: &[(&str, &str, &str)] = &[
    // service, parameter, what stands before the name in its ARN
    ("kinesis", "StreamARN", ""), ("kinesis", "StreamName", "stream/"),
    ("firehose", "DeliveryStreamName", "deliverystream/"),
    ("states", "stateMachineArn", ""), ("states", "executionArn", ""), ("states", "activityArn", ""),
    ("ecr", "repositoryName", "repository/"),
    ("logs", "logGroupIdentifier", "log-group:"), ("logs", "logGroupName", "log-group:"),
    ("sts", "RoleArn", ""),
];

fn text_by_table<'t>(service: &str, text: &impl Fn(&str) -> Option<&'t str>, place: &Place<'_>) -> Option<String> {
    let mut ways = NAMED.iter().filter(|(of, _, _)| *of == service);
    ways.find_map(|(_, parameter, kind)| {
        let value = text(parameter)?;
        let is_arn = value.starts_with("arn:") || kind.is_empty();
        Some(if is_arn { value.to_owned() } else { place.arn(service, &format!("{kind}{value}")) })
    })
}

/// `…/123456789012/jobs` in QueueUrl or in the path; or the name alone.
fn queue<'t>(text: &impl Fn(&str) -> Option<&'t str>, place: &Place<'_>) -> Result<Option<String>, String> {
    if let Some(arn) = text("SourceArn").or_else(|| text("ResourceArn")) {
        return Ok(Some(arn.to_owned()));
    }
    let of_path = Some(place.path).filter(|path| path.trim_matches('/').contains('/'));
    let (account, name) = match text("QueueUrl").or(of_path) {
        Some(url) => {
            let (before, name) = url.rsplit_once('/').unwrap_or(("", url));
            (Some(before.rsplit('/').next().unwrap_or_default()), name)
        }
        None => match text("QueueName") {
            Some(name) => (text("QueueOwnerAWSAccountId"), name),
            None => return Ok(None),
        },
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 80 || !name.bytes().all(allowed) {
        return Err(format!("`{}` is no queue's name", name.escape_debug()));
    }
    let is_account = |text: &&str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let account = account.filter(is_account).unwrap_or(place.account);
    Ok(Some(Place { account, ..*place }.arn("sqs", name)))
}

fn topic<'t>(operation: &str, text: &impl Fn(&str) -> Option<&'t str>, place: &Place<'_>) -> Option<String> {
    if let Some(name) = text("Name").filter(|_| operation == "CreateTopic") {
        return Some(place.arn("sns", name));
    }
    // A subscription's ARN is its topic's and one part more.
    let of_subscription = || text("SubscriptionArn").and_then(|arn| arn.rsplit_once(':')).map(|(topic, _)| topic);
    let named = text("TopicArn").or_else(|| text("TargetArn")).or_else(|| text("ResourceArn"));
    named.or_else(of_subscription).map(str::to_owned)
}

fn keys<'t>(operation: &str, text: &impl Fn(&str) -> Option<&'t str>, place: &Place<'_>) -> Vec<String> {
    let names: &[&str] = match operation {
        "ReEncryptFrom" => &["SourceKeyId"],
        "ReEncryptTo" => &["DestinationKeyId"],
        "ReEncrypt" => &["SourceKeyId", "DestinationKeyId"],
        // Both the alias and its key must allow it.
        "CreateAlias" | "UpdateAlias" => &["AliasName", "TargetKeyId"],
        "DeleteAlias" => &["AliasName"],
        _ => &["KeyId"],
    };
    let arn = |name: &str| match name {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        alias if alias.starts_with("alias/") => place.arn("kms", alias),
        id => place.arn("kms", &format!("key/{id}")),
    };
    names.iter().filter_map(|name| text(name)).map(arn).collect()
}

fn secret(id: &str, place: &Place<'_>) -> String {
    match id.starts_with("arn:") {
        true => id.to_owned(),
        false => place.arn("secretsmanager", &format!("secret:{id}-??????")),
    }
}

fn parameter(name: &str, place: &Place<'_>) -> String {
    // NAME:VERSION and NAME:LABEL are the parameter itself.
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    let name = name.split(':').next().unwrap_or_default();
    place.arn("ssm", &format!("parameter/{}", name.strip_prefix('/').unwrap_or(name)))
}

/// `/2015-03-31/functions/NAME/…`, NAME being a name, ACCOUNT:function:NAME or an ARN, encoded.
fn function(place: &Place<'_>) -> Option<String> {
    let mut segments = place.path.split('/').skip(1);
    let (_date, functions, name) = (segments.next()?, segments.next()?, segments.next()?);
    if functions != "functions" || name.is_empty() {
        return None;
    }
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    Some(match name.split_once(":function:") {
        _ if name.starts_with("arn:") => name.into_owned(),
        Some((account, name)) => Place { account, ..*place }.arn("lambda", &format!("function:{name}")),
        None => place.arn("lambda", &format!("function:{name}")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLACE: Place<'_> = Place { region: "eu-west-1", account: "111122223333", path: "/" };

    fn found(action: &str, body: Value) -> String {
        resources(action, &Parameters::Json(body), &PLACE).unwrap().join(" ")
    }

    #[test]
    fn resources_of_json_services() {
        let queue = "arn:aws:sqs:eu-west-1:111122223333:jobs";
        let cases = [
            ("sqs:CreateQueue", json!({"QueueName": "jobs"}), queue),
            (
                "sqs:GetQueueUrl",
                json!({"QueueName": "jobs", "QueueOwnerAWSAccountId": "999988887777"}),
                "arn:aws:sqs:eu-west-1:999988887777:jobs",
            ),
            ("sqs:SendMessage", json!({"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs"}), queue),
            (
                "sqs:SendMessage",
                json!({"QueueUrl": "http://127.0.0.1:5000/999988887777/jobs.fifo"}),
                "arn:aws:sqs:eu-west-1:999988887777:jobs.fifo",
            ),
            ("sqs:SendMessage", json!({"QueueUrl": "jobs"}), queue),
            ("sqs:ListQueues", json!({}), "*"),
            ("sns:Publish", json!({"TopicArn": "arn:aws:sns:eu-west-1:1:t"}), "arn:aws:sns:eu-west-1:1:t"),
            (
                "sns:Unsubscribe",
                json!({"SubscriptionArn": "arn:aws:sns:eu-west-1:1:t:uuid"}),
                "arn:aws:sns:eu-west-1:1:t",
            ),
            ("sns:CreateTopic", json!({"Name": "t"}), "arn:aws:sns:eu-west-1:111122223333:t"),
            ("kms:Encrypt", json!({"KeyId": "1234"}), "arn:aws:kms:eu-west-1:111122223333:key/1234"),
            ("kms:Encrypt", json!({"KeyId": "alias/a"}), "arn:aws:kms:eu-west-1:111122223333:alias/a"),
            ("kms:Encrypt", json!({"KeyId": "arn:aws:kms:eu-west-1:1:key/2"}), "arn:aws:kms:eu-west-1:1:key/2"),
            ("kms:Decrypt", json!({"CiphertextBlob": "x"}), "*"),
            (
                "kms:CreateAlias",
                json!({"AliasName": "alias/a", "TargetKeyId": "1"}),
                "arn:aws:kms:eu-west-1:111122223333:alias/a arn:aws:kms:eu-west-1:111122223333:key/1",
            ),
            (
                "secretsmanager:GetSecretValue",
                json!({"SecretId": "db/p"}),
                "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db/p-??????",
            ),
            (
                "secretsmanager:GetSecretValue",
                json!({"SecretId": "arn:aws:secretsmanager:eu-west-1:1:secret:a-AbCdEf"}),
                "arn:aws:secretsmanager:eu-west-1:1:secret:a-AbCdEf",
            ),
            (
                "secretsmanager:CreateSecret",
                json!({"Name": "a"}),
                "arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-??????",
            ),
            (
                "secretsmanager:BatchGetSecretValue",
                json!({"SecretIdList": ["a", "b"]}),
                "arn:aws:secretsmanager:eu-west-1:111122223333:secret:a-?????? arn:aws:secretsmanager:eu-west-1:111122223333:secret:b-??????",
            ),
            ("ssm:GetParameter", json!({"Name": "/app/db:3"}), "arn:aws:ssm:eu-west-1:111122223333:parameter/app/db"),
            (
                "ssm:GetParameters",
                json!({"Names": ["a", "/b"]}),
                "arn:aws:ssm:eu-west-1:111122223333:parameter/a arn:aws:ssm:eu-west-1:111122223333:parameter/b",
            ),
            ("ssm:GetParametersByPath", json!({"Path": "/app"}), "arn:aws:ssm:eu-west-1:111122223333:parameter/app"),
            ("ssm:SendCommand", json!({"Name": "x"}), "*"),
            ("kinesis:PutRecord", json!({"StreamName": "s"}), "arn:aws:kinesis:eu-west-1:111122223333:stream/s"),
            (
                "states:StartExecution",
                json!({"stateMachineArn": "arn:aws:states:eu-west-1:1:stateMachine:m"}),
                "arn:aws:states:eu-west-1:1:stateMachine:m",
            ),
            ("rds:DescribeDBInstances", json!({"Name": "x"}), "*"),
        ];
        for (action, body, expected) in cases {
            assert_eq!(found(action, body.clone()), expected, "{action} {body}");
        }
    }

    #[test]
    fn resources_in_paths() {
        let cases = [
            (
                "lambda:InvokeFunction",
                "/2015-03-31/functions/f/invocations",
                "arn:aws:lambda:eu-west-1:111122223333:function:f",
            ),
            (
                "lambda:InvokeFunction",
                "/2015-03-31/functions/f%3A7/invocations",
                "arn:aws:lambda:eu-west-1:111122223333:function:f:7",
            ),
            ("lambda:GetFunction", "/2015-03-31/functions/9:function:f", "arn:aws:lambda:eu-west-1:9:function:f"),
            ("lambda:ListFunctions", "/2015-03-31/functions/", "*"),
            ("sqs:SendMessage", "/999988887777/jobs", "arn:aws:sqs:eu-west-1:999988887777:jobs"),
        ];
        for (action, path, expected) in cases {
            let place = Place { path, ..PLACE };
            assert_eq!(resources(action, &Parameters::Pairs(vec![]), &place).unwrap(), [expected], "{path}");
        }
    }

    #[test]
    fn what_two_programs_would_read_in_two_ways_is_refused() {
        for url in ["https://sqs/1/a?x/b?", "https://sqs/1/a#b", "https://sqs/1/%61", "https://sqs/1/", "a b"] {
            let parameters = Parameters::Json(json!({ "QueueUrl": url }));
            assert!(resources("sqs:SendMessage", &parameters, &PLACE).is_err(), "{url}");
        }
        for body in ["Action=A&Action=B", "Action=A&%41ction=B", "a=%ff"] {
            assert!(Parameters::read(Form::Query, "", body.as_bytes()).is_err(), "{body}");
        }
        assert!(Parameters::read(Form::Query, "Action=A", b"Action=A").is_err());
        assert!(Parameters::read(Form::Json, "", b"{").is_err());
    }

    #[test]
    fn forms_are_decoded() {
        let read = Parameters::read(
            Form::Query,
            "Version=1",
            b"Action=Publish&Message=a+b%2B%26&Ids.member.1=x&Ids.member.2=y",
        );
        let read = read.unwrap();
        assert_eq!(read.text("Message"), Some("a b+&"));
        assert_eq!(read.text("Version"), Some("1"));
        assert_eq!(read.list("Ids"), ["x", "y"]);
    }
}
