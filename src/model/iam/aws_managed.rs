//! AWS's own managed policies: the documents of those that stacks like to attach.
//!
//! AWS has more than a thousand and changes them at will. These are as IAM GetPolicyVersion returned them in March 2026;
//! any other is unknown, and an unknown policy grants nothing.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::*;

/// By what follows `policy/` in the ARN, which may be a path and a name.
static DOCUMENTS: LazyLock<HashMap<String, Value>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../data/aws-managed-policies.json")).expect("the data file is JSON")
});

/// The document of `arn:PARTITION:iam::aws:policy/NAME`; `None` for one that is not known.
pub(super) fn document(policy_arn: &str) -> Option<PolicyDocument> {
    let (partition, name) = policy_arn.strip_prefix("arn:")?.split_once(":iam::aws:policy/")?;
    let document = DOCUMENTS.get(name)?;
    if partition == "aws" {
        return Some(document.clone().into());
    }
    // The same document stands in each partition, with that partition's ARNs.
    let text = document.to_string().replace("arn:aws:", &format!("arn:{partition}:"));
    serde_json::from_str::<Value>(&text).ok().map(PolicyDocument::from)
}
