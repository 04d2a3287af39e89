//! `Principal` and `NotPrincipal`: whom a statement is about.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>

use super::request::Principal;

/// The element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Principals {
    /// `NotPrincipal`.
    pub(super) not: bool,
    pub(super) named: Vec<Named>,
}

/// One of those named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// `*`: whoever it be, anonymous too.
    Everyone,
    /// Account id or its root's ARN.
    Account { id: String, written: String },
    /// A user's ARN.
    User(String),
    /// A role's ARN.
    Role(String),
    /// A session's ARN.
    Session(String),
    /// `AIDA…`, `AROA…`: what AWS leaves of an ARN whose owner was deleted.
    UniqueId(String),
    /// A service.
    Service(String),
    /// An identity provider or a canonical user; vpclab has none of them.
    Foreign(String),
}

/// How a statement names somebody; a later one says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Its account: whether the account's identities may is left to their identity policies.
    Account,
    /// The role whose session it is: the role's boundary and session policies limit it.
    Role,
    /// Itself.
    Itself,
}

/// What changes how names are read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// The policy hangs on a gateway endpoint, where an account means its root user, and users and roles mean nobody.
    /// <https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html>
    pub(super) gateway: bool,
    /// The principal has a permissions boundary: then `NotPrincipal` excepts it nowhere, whatever it lists.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html>
    pub(super) bounded: bool,
}

impl Principals {
    /// How the element names somebody; `None` when it does not.
    pub(super) fn reach(&self, principal: &Principal, arn: Option<&str>, reading: Reading) -> Option<Reach> {
        if self.not {
            return (reading.bounded || !self.spares(principal, arn)).then_some(Reach::Itself);
        }
        let reach = |named: &Named| {
            named.reach(principal, arn).filter(|_| !reading.gateway || named.counts_at_gateway(principal))
        };
        self.named.iter().filter_map(reach).max()
    }

    /// Whether `NotPrincipal` excepts somebody: a user only when its account is listed too, a session only with its role and
    /// account.
    ///
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html>
    fn spares(&self, principal: &Principal, arn: Option<&str>) -> bool {
        let lists = |reach| self.named.iter().any(|named| named.reach(principal, arn) == Some(reach));
        match principal {
            Principal::Anonymous => lists(Reach::Itself),
            Principal::Root { .. } | Principal::Service { .. } => lists(Reach::Itself),
            Principal::User { .. } => lists(Reach::Itself) && lists(Reach::Account),
            Principal::Session { .. } => lists(Reach::Itself) && lists(Reach::Role) && lists(Reach::Account),
        }
    }
}

impl Named {
    /// How it names somebody.
    fn reach(&self, principal: &Principal, arn: Option<&str>) -> Option<Reach> {
        match (self, principal) {
            (Self::Everyone, _) => Some(Reach::Itself),
            (Self::Account { id, .. }, Principal::Root { account }) => (id == account).then_some(Reach::Itself),
            (Self::Account { id, .. }, _) => (principal.account() == Some(id)).then_some(Reach::Account),
            (Self::User(named), Principal::User { .. }) => (Some(named.as_str()) == arn).then_some(Reach::Itself),
            (Self::Role(named), Principal::Session { role_arn, .. }) => (named == role_arn).then_some(Reach::Role),
            (Self::Session(named), Principal::Session { .. }) => (Some(named.as_str()) == arn).then_some(Reach::Itself),
            (Self::UniqueId(named), Principal::User { user_id, .. }) => (named == user_id).then_some(Reach::Itself),
            (Self::UniqueId(named), Principal::Session { role_id, .. }) => (named == role_id).then_some(Reach::Role),
            (Self::Service(named), Principal::Service { name }) => {
                named.eq_ignore_ascii_case(name).then_some(Reach::Itself)
            }
            _ => None,
        }
    }

    fn counts_at_gateway(&self, principal: &Principal) -> bool {
        match self {
            Self::Everyone | Self::Service(_) => true,
            Self::Account { .. } => matches!(principal, Principal::Root { .. }),
            _ => false,
        }
    }

    /// As written.
    pub(super) fn written(&self) -> &str {
        match self {
            Self::Everyone => "*",
            Self::Account { written, .. } => written,
            Self::User(it)
            | Self::Role(it)
            | Self::Session(it)
            | Self::UniqueId(it)
            | Self::Service(it)
            | Self::Foreign(it) => it,
        }
    }

    /// Reads a value of `AWS`; `None` when it is none.
    pub(super) fn aws(written: &str) -> Option<Self> {
        if written == "*" {
            return Some(Self::Everyone);
        }
        if is_account(written) {
            return Some(Self::Account { id: written.to_owned(), written: written.to_owned() });
        }
        if (written.starts_with("AIDA") || written.starts_with("AROA"))
            && (16..=128).contains(&written.len())
            && written.bytes().all(|it| it.is_ascii_alphanumeric())
        {
            return Some(Self::UniqueId(written.to_owned()));
        }
        Self::arn(written)
    }

    /// Wildcards can't match a part of a principal's ARN.
    fn arn(written: &str) -> Option<Self> {
        let parts: Vec<&str> = written.splitn(6, ':').collect();
        let ["arn", partition, service, "", account, rest] = parts.as_slice() else { return None };
        if !is_partition(partition) || !is_account(account) || written.contains(['*', '?', ' ']) {
            return None;
        }
        let owned = written.to_owned();
        match (*service, rest.split_once('/')) {
            ("iam", None) if *rest == "root" => Some(Self::Account { id: (*account).to_owned(), written: owned }),
            ("iam", Some(("user", name))) if is_name(name) => Some(Self::User(owned)),
            ("iam", Some(("role", name))) if is_name(name) => Some(Self::Role(owned)),
            ("sts", Some(("assumed-role", name))) if name.split('/').filter(|it| !it.is_empty()).count() == 2 => {
                Some(Self::Session(owned))
            }
            ("sts", Some(("federated-user", name))) if is_name(name) => Some(Self::Foreign(owned)),
            _ => None,
        }
    }
}

/// `aws`, `aws-cn`, `aws-us-gov` and the like.
pub(super) fn is_partition(text: &str) -> bool {
    text == "aws"
        || text.strip_prefix("aws-").is_some_and(|rest| rest.bytes().all(|it| it.is_ascii_lowercase() || it == b'-'))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|it| it.is_ascii_digit())
}

/// A name, with or without a path before it.
fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.ends_with('/')
}
