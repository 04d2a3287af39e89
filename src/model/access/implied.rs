//! Policies that nobody wrote: what a service decides by itself, in the form in which everything else is decided.

use std::sync::Arc;

use super::Directory;
use crate::policy::{Document, Kind, Policy};

impl Directory {
    /// The trust policy of a role. One that is not there trusts nobody, and who asks does not learn whether it is.
    pub fn trust(&self, role_arn: &str) -> Arc<Policy> {
        match self.role(role_arn) {
            Some(role) => Arc::clone(&role.trust),
            // Its only statement allows what nobody asks: every session has a name.
            None => implied(
                Kind::Trust,
                "a role that is not there",
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Condition":{"Null":{"sts:RoleSessionName":"true"}}}]}"#,
            ),
        }
    }
}

/// What takes the place of the permission that nobody needs (sts:GetCallerIdentity).
pub fn needs_no_permission() -> Arc<Policy> {
    implied(
        Kind::Resource,
        "GetCallerIdentity, which needs no permission",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#,
    )
}

fn implied(kind: Kind, name: &str, text: &str) -> Arc<Policy> {
    let document = Document::parse(text, kind).expect("a policy");
    Arc::new(Policy { kind, name: name.to_owned(), owner: String::new(), document, places: Vec::new() })
}
