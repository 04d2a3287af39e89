//! What is asked of policies: who does what to which resource, and under which circumstances.

use std::collections::BTreeMap;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Nobody signed.
    Anonymous,
    /// An account's root user.
    Root {
        /// Twelve digits.
        account: String,
    },
    /// An IAM user.
    User {
        /// Twelve digits.
        account: String,
        /// `arn:aws:iam::ACCOUNT:user/PATH/NAME`.
        arn: String,
        /// `AIDA…`.
        user_id: String,
    },
    /// Somebody with a role's temporary credentials.
    Session {
        /// Twelve digits: the role's.
        account: String,
        /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
        role_arn: String,
        /// `AROA…`.
        role_id: String,
        /// The last part of its own ARN.
        session_name: String,
    },
    /// An AWS service, such as `ec2.amazonaws.com` when an instance gets its role.
    Service {
        /// Its name.
        name: String,
    },
}

/// Condition keys with their values; names are compared without case, and keep the spelling in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context(BTreeMap<String, (String, Vec<String>)>);

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who.
    pub principal: Principal,
    /// What, such as `s3:GetObject`.
    pub action: String,
    /// ARN of what it is done to; `*` where an action has no resource.
    pub resource: String,
    /// The account that owns the resource; `None` when it is not known.
    pub resource_account: Option<String>,
    /// Condition keys beyond those that follow from the members above.
    pub context: Context,
}

impl Context {
    /// Sets a key to one value, in place of any before.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.set_all(key, vec![value.into()]);
    }

    /// Sets a key to several values; a key with none is there, and empty.
    pub fn set_all(&mut self, key: &str, values: Vec<String>) {
        self.0.insert(key.to_ascii_lowercase(), (key.to_owned(), values));
    }

    /// The values of a key; `None` where the request does not have it.
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(&key.to_ascii_lowercase()).map(|(_, values)| values.as_slice())
    }

    /// The same for a key in lower case.
    pub(super) fn get_lower(&self, key: &str) -> Option<&[String]> {
        self.0.get(key).map(|(_, values)| values.as_slice())
    }

    /// Keys as they were spelt, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.values().map(|(key, values)| (key.as_str(), values.as_slice()))
    }

    /// Takes the keys of another, which win.
    pub fn extend(&mut self, other: Context) {
        self.0.extend(other.0);
    }
}

impl Principal {
    /// Its own ARN, as AWS's messages and GetCallerIdentity say it; `None` for nobody and for services.
    pub fn arn(&self) -> Option<String> {
        match self {
            Self::Anonymous | Self::Service { .. } => None,
            Self::Root { account } => Some(format!("arn:aws:iam::{account}:root")),
            Self::User { arn, .. } => Some(arn.clone()),
            Self::Session { account, role_arn, session_name, .. } => {
                let partition = role_arn.split(':').nth(1).unwrap_or("aws");
                let role = last_part(role_arn);
                Some(format!("arn:{partition}:sts::{account}:assumed-role/{role}/{session_name}"))
            }
        }
    }

    /// `aws:PrincipalArn`: a session's is its role's.
    pub fn principal_arn(&self) -> Option<String> {
        match self {
            Self::Session { role_arn, .. } => Some(role_arn.clone()),
            other => other.arn(),
        }
    }

    /// Twelve digits; `None` for nobody and for services.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Anonymous | Self::Service { .. } => None,
            Self::Root { account } | Self::User { account, .. } | Self::Session { account, .. } => Some(account),
        }
    }

    /// `aws:userid`; `None` for services.
    ///
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable>
    pub fn user_id(&self) -> Option<String> {
        match self {
            Self::Anonymous => Some("anonymous".to_owned()),
            Self::Root { account } => Some(account.clone()),
            Self::User { user_id, .. } => Some(user_id.clone()),
            Self::Session { role_id, session_name, .. } => Some(format!("{role_id}:{session_name}")),
            Self::Service { .. } => None,
        }
    }

    /// `aws:PrincipalType`; for a service, which does not have that key, `Service`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous => "Anonymous",
            Self::Root { .. } => "Account",
            Self::User { .. } => "User",
            Self::Session { .. } => "AssumedRole",
            Self::Service { .. } => "Service",
        }
    }

    /// For people: a user's or role's name without its path, `root`, `anonymous`, a service's name.
    pub fn name(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Root { .. } => "root".to_owned(),
            Self::User { arn, .. } => last_part(arn).to_owned(),
            Self::Session { role_arn, .. } => last_part(role_arn).to_owned(),
            Self::Service { name } => name.clone(),
        }
    }
}

/// What stands behind the last `/`: a name without its path.
fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
