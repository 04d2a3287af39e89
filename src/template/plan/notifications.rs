//! `notifications` of a `lab.yaml`: where what is published to an SNS topic goes, beside the file that it is appended to.
//!
//! ```yaml
//! notifications:
//!   partner-events: http://127.0.0.1:8080/hook   # POSTed to
//!   old-events: disabled                         # a topic whose policy does not let AWS publish
//! ```

use super::super::document::{Key, Value};
use super::super::error::Diagnostic;
use crate::model::is_topic_name;

/// What a topic is mapped to.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::template) enum PlannedTopic {
    /// A URL.
    Webhook(String),
    /// It takes nothing.
    Disabled,
}

/// Reads one entry.
pub(super) fn read(topic: &Key, value: &Value) -> Result<(String, PlannedTopic), Diagnostic> {
    if !is_topic_name(&topic.text) {
        let message = format!("`{}` is not the name of an SNS topic", topic.text);
        return Err(Diagnostic::at(&topic.span, message).help("it is the last part of the topic's ARN"));
    }
    let wanted = "write http://HOST:PORT/PATH, or `disabled`";
    let Some(text) = value.as_text() else {
        let message = format!("a URL is expected here, not {}", value.describe());
        return Err(Diagnostic::at(&value.span, message).help(wanted));
    };
    if text == "disabled" {
        return Ok((topic.text.clone(), PlannedTopic::Disabled));
    }
    match is_webhook(text) {
        true => Ok((topic.text.clone(), PlannedTopic::Webhook(text.to_owned()))),
        false => Err(Diagnostic::at(&value.span, format!("`{text}` is not the URL of a webhook")).help(wanted)),
    }
}

/// `http://HOST[:PORT][/PATH]`, without credentials.
fn is_webhook(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("http://") else { return false };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let is_path = path.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`#".contains(&byte));
    is_host && is_path && port.parse::<u16>().is_ok_and(|port| port > 0)
}
