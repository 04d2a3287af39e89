//! Parameters of STS's operations: the Query protocol, and AWS's constraints with its words for what breaks them.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>

use http::StatusCode;
use percent_encoding::percent_decode_str;

use crate::services::failure::Failure;

/// Parameters of the Query protocol.
#[derive(Debug, Default)]
pub(super) struct Parameters(pub Vec<(String, String)>);

impl Parameters {
    pub fn read(query: &str, body: &str) -> Self {
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = query.split('&').chain(body.trim().split('&')).filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (decode(name), decode(value))).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// The constraints of a text.
struct Constraint {
    name: &'static str,
    required: bool,
    /// Characters, at least and at most.
    length: (usize, usize),
    pattern: &'static str,
    allowed: fn(char) -> bool,
}

/// `[\w+=,.@-]*`, as AWS's `\w` has it: ASCII.
fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_+=,.@-".contains(character)
}

/// What AWS takes in ARNs: no control characters.
fn is_of_arn(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        || u32::from(character) >= 0x1_0000
}

const ASSUME_ROLE: [Constraint; 3] = [
    Constraint {
        name: "RoleArn",
        required: true,
        length: (20, 2048),
        pattern: r"[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+",
        allowed: is_of_arn,
    },
    Constraint {
        name: "RoleSessionName",
        required: true,
        length: (2, 64),
        pattern: r"[\w+=,.@-]*",
        allowed: is_of_name,
    },
    Constraint {
        name: "ExternalId",
        required: false,
        length: (2, 1224),
        pattern: r"[\w+=,.@:\/-]*",
        allowed: |character| is_of_name(character) || matches!(character, ':' | '/'),
    },
];

const ACCESS_KEY_INFO: [Constraint; 1] = [Constraint {
    name: "AccessKeyId",
    required: true,
    length: (16, 128),
    pattern: r"[\w]*",
    allowed: |character| character.is_ascii_alphanumeric() || character == '_',
}];

/// Seconds of a session, at least and at most.
const DURATION: (u32, u32) = (900, 43_200);

/// What AssumeRole is asked for, within its constraints.
#[derive(Debug)]
pub(super) struct AssumeRole<'p> {
    pub role_arn: &'p str,
    /// Of the role.
    pub account: &'p str,
    pub session_name: &'p str,
    pub external_id: Option<&'p str>,
    pub seconds: Option<u32>,
}

impl<'p> AssumeRole<'p> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// ValidationError, with all constraints that are broken.
    pub fn read(parameters: &'p Parameters) -> Result<Self, Failure> {
        let mut broken: Vec<String> = ASSUME_ROLE.iter().flat_map(|constraint| constraint.broken(parameters)).collect();
        let seconds = parameters.get("DurationSeconds").map(|text| (text, text.parse::<i64>().ok()));
        let (least, most) = DURATION;
        if let Some((text, number)) = seconds {
            let bound = match number {
                Some(number) if number > i64::from(most) => format!("less than or equal to {most}"),
                Some(number) if number >= i64::from(least) => String::new(),
                _ => format!("greater than or equal to {least}"),
            };
            if !bound.is_empty() {
                broken.push(unsatisfied(text, "durationSeconds", &format!("Member must have value {bound}")));
            }
        }
        valid(&broken)?;
        let role_arn = parameters.get("RoleArn").unwrap_or_default();
        let account = account_of(role_arn).ok_or_else(|| invalid("Request ARN is invalid"))?;
        Ok(Self {
            role_arn,
            account,
            session_name: parameters.get("RoleSessionName").unwrap_or_default(),
            external_id: parameters.get("ExternalId"),
            seconds: seconds.and_then(|(_, number)| u32::try_from(number?).ok()),
        })
    }
}

/// The key that GetAccessKeyInfo is about.
///
/// # Errors
/// ValidationError.
pub(super) fn access_key_id(parameters: &Parameters) -> Result<&str, Failure> {
    let broken: Vec<String> = ACCESS_KEY_INFO.iter().flat_map(|constraint| constraint.broken(parameters)).collect();
    valid(&broken)?;
    Ok(parameters.get("AccessKeyId").unwrap_or_default())
}

/// `arn:PARTITION:iam::ACCOUNT:role/NAME`.
fn account_of(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, role] = parts[..] else { return None };
    let good = partition.starts_with("aws")
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && role.strip_prefix("role/").is_some_and(|name| !name.is_empty());
    good.then_some(account)
}

impl Constraint {
    fn broken(&self, parameters: &Parameters) -> Vec<String> {
        let member = format!("{}{}", self.name[..1].to_ascii_lowercase(), &self.name[1..]);
        let Some(value) = parameters.get(self.name) else {
            let null = format!("Value null at '{member}' failed to satisfy constraint: Member must not be null");
            return if self.required { vec![null] } else { Vec::new() };
        };
        let (least, most) = self.length;
        let length = value.chars().count();
        let mut broken = Vec::new();
        if length < least {
            let what = format!("Member must have length greater than or equal to {least}");
            broken.push(unsatisfied(value, &member, &what));
        }
        if length > most {
            broken.push(unsatisfied(value, &member, &format!("Member must have length less than or equal to {most}")));
        }
        if !value.chars().all(self.allowed) {
            let what = format!("Member must satisfy regular expression pattern: {}", self.pattern);
            broken.push(unsatisfied(value, &member, &what));
        }
        broken
    }
}

fn unsatisfied(value: &str, member: &str, what: &str) -> String {
    format!("Value '{}' at '{member}' failed to satisfy constraint: {what}", value.escape_debug())
}

fn valid(broken: &[String]) -> Result<(), Failure> {
    let count = broken.len();
    match count {
        0 => Ok(()),
        _ => {
            let errors = if count == 1 { "error" } else { "errors" };
            Err(invalid(format!("{count} validation {errors} detected: {}", broken.join("; "))))
        }
    }
}

pub(super) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, "ValidationError", message)
}
