//! What is told: AWS's text to the client, a sentence to people.

use super::evaluate::{Decision, Effect, StatementName, same_account};
use super::request::{Principal, Request};
use super::{Kind, Nearest};

/// AWS's text for a denial (B5.1); `Access Denied` for whatever AWS does not explain.
///
/// S3 explains within an account or organization only; across accounts of an organization not even there when an endpoint's
/// policy denies. Other services name the request in any case, and the reason within the same bounds.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html>
pub fn message(decision: &Decision, request: &Request) -> String {
    let service = request.action.split(':').next().unwrap_or_default();
    let is_s3 = service.eq_ignore_ascii_case("s3");
    let reason = reason(decision, request).filter(|_| explains(decision, request));
    let Some(who) = request.principal.arn() else {
        return match (&request.principal, is_s3) {
            (Principal::Anonymous, false) => denial("anonymous", request, reason.as_deref()),
            _ => "Access Denied".to_owned(),
        };
    };
    // Directory buckets are never explained.
    if service.eq_ignore_ascii_case("s3express") || is_s3 && reason.is_none() {
        return "Access Denied".to_owned();
    }
    if decision.kind == Some(Kind::Trust)
        && let Some(reason) = &reason
    {
        return format!("User: {who} is not authorized to perform: {} {reason}", request.action);
    }
    denial(&who, request, reason.as_deref())
}

fn denial(who: &str, request: &Request, reason: Option<&str>) -> String {
    let is_s3 = request.action.get(..3).is_some_and(|it| it.eq_ignore_ascii_case("s3:"));
    let resource = match request.resource.as_str() {
        // ListAllMyBuckets is asked of all buckets, and S3 does not say so.
        "*" | "arn:aws:s3:::*" if is_s3 => String::new(),
        resource if is_s3 => format!(" on resource: \"{resource}\""),
        resource => format!(" on resource: {resource}"),
    };
    let reason = reason.map(|it| format!(" {it}")).unwrap_or_default();
    format!("User: {who} is not authorized to perform: {}{resource}{reason}", request.action)
}

fn reason(decision: &Decision, request: &Request) -> Option<String> {
    let (no, an) = match decision.kind? {
        Kind::Identity => ("identity-based policy", "an identity-based policy"),
        Kind::Resource => ("resource-based policy", "a resource-based policy"),
        Kind::Endpoint => ("VPC endpoint policy", "a VPC endpoint policy"),
        Kind::Boundary => ("permissions boundary", "a permissions boundary"),
        Kind::Session => ("session policy", "a session policy"),
        Kind::Trust => ("role trust policy", "the role trust policy"),
    };
    match decision.effect {
        Effect::Allowed => None,
        Effect::ExplicitDeny => Some(format!("with an explicit deny in {an}")),
        Effect::ImplicitDeny => Some(format!("because no {no} allows the {} action", request.action)),
    }
}

/// Whether AWS says why.
fn explains(decision: &Decision, request: &Request) -> bool {
    let one = |key| request.context.get(key).and_then(<[String]>::first);
    let own = one("aws:PrincipalOrgID");
    let same_organization = own.is_some() && own == one("aws:ResourceOrgID");
    match request.principal {
        // It has no account that could be the same.
        Principal::Anonymous => true,
        _ => same_account(request) || same_organization && decision.kind != Some(Kind::Endpoint),
    }
}

impl Decision {
    /// For people: `denied by endpoint S3: NoWrites [lab.yaml:31]`, or what does not allow, and the nearest that might have.
    pub fn sentence(&self) -> String {
        match (self.effect, &self.statement) {
            (Effect::Allowed, Some(statement)) => format!("allowed by {statement}"),
            (Effect::Allowed, None) => "allowed: an account's root user needs no policy there".to_owned(),
            (_, Some(statement)) => format!("denied by {statement}"),
            (_, None) => {
                let lacking = self.lacking.as_deref().unwrap_or("nothing");
                let nearest = self.nearest.as_ref().map(|it| format!("; nearest is {it}")).unwrap_or_default();
                format!("denied: {lacking} allows {}{nearest}", self.action)
            }
        }
    }
}

impl std::fmt::Display for StatementName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // "statement 2" says itself what it is.
        let word = if self.statement.starts_with("statement ") { "" } else { "statement " };
        write!(f, "{}: {word}{}", self.policy, self.statement)?;
        match &self.place {
            Some(place) => write!(f, " [{place}]"),
            None => Ok(()),
        }
    }
}

impl std::fmt::Display for Nearest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, but {}", self.statement, self.differs)
    }
}
