//! The shape of a policy document. What it allows is another room's question.

use serde_json::Value;

/// What is wrong with a resource or endpoint policy's shape; `None` when it can be one.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>
pub(super) fn shape_error(policy: &Value) -> Option<String> {
    let Some(document) = policy.as_object() else { return Some("The policy is not a JSON object".to_owned()) };
    if let Some(version) = document.get("Version")
        && !matches!(version.as_str(), Some("2012-10-17" | "2008-10-17"))
    {
        return Some("The policy must contain a valid version string".to_owned());
    }
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.as_slice(),
        Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
        _ => return Some("Missing required field Statement".to_owned()),
    };
    statements.iter().find_map(statement_error)
}

fn statement_error(statement: &Value) -> Option<String> {
    let Some(statement) = statement.as_object() else { return Some("A statement is not a JSON object".to_owned()) };
    if !matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
        return Some("Missing required field Effect: Allow or Deny".to_owned());
    }
    for field in ["Principal", "Action", "Resource"] {
        let names = [field.to_owned(), format!("Not{field}")];
        match names.iter().filter(|name| statement.contains_key(*name)).count() {
            0 => return Some(format!("Missing required field {field}")),
            2 => return Some(format!("{field} and Not{field} exclude each other")),
            _ => {}
        }
    }
    None
}
