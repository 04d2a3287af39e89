//! A request as matching needs it: names in lower case, and the keys that follow from who asks for what.

use std::borrow::Cow;

use super::request::{Principal, Request};

/// A request, prepared once for all statements.
pub(super) struct Facts<'a> {
    pub(super) request: &'a Request,
    /// Actions are compared without case.
    pub(super) action: String,
    /// The principal's own ARN.
    pub(super) arn: Option<String>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        Self { request, action: request.action.to_ascii_lowercase(), arn: request.principal.arn() }
    }

    /// The values of a key, given in lower case; `None` where the request does not have it, or has it without a value.
    pub(super) fn values(&self, key: &str) -> Option<Cow<'a, [String]>> {
        if let Some(values) = self.request.context.get_lower(key) {
            return (!values.is_empty()).then_some(Cow::Borrowed(values));
        }
        self.implied(key).map(|value| Cow::Owned(vec![value]))
    }

    /// The value of a variable: none when the key has several.
    pub(super) fn single(&self, key: &str) -> Option<String> {
        match self.values(key)?.as_ref() {
            [value] => Some(value.clone()),
            _ => None,
        }
    }

    /// Keys that every request has because of who sends it and whom the resource belongs to.
    ///
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>
    fn implied(&self, key: &str) -> Option<String> {
        let principal = &self.request.principal;
        match key {
            "aws:principalarn" => principal.principal_arn(),
            "aws:principalaccount" => principal.account().map(str::to_owned),
            "aws:principaltype" if !matches!(principal, Principal::Service { .. }) => Some(principal.kind().to_owned()),
            "aws:userid" => principal.user_id(),
            "aws:username" => match principal {
                Principal::User { .. } => Some(principal.name()),
                _ => None,
            },
            "aws:principalisawsservice" => Some(matches!(principal, Principal::Service { .. }).to_string()),
            "aws:principalservicename" => match principal {
                Principal::Service { name } => Some(name.clone()),
                _ => None,
            },
            "aws:resourceaccount" => self.request.resource_account.clone(),
            _ => None,
        }
    }
}
