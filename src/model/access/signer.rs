//! Who signs, as people name them.

use super::directory::Directory;
use crate::policy::Principal;

/// Session name of a call that only people imagine.
const SESSION: &str = "vpclab";

impl Directory {
    /// Whose credentials a client in an instance finds: its profile's role, else the account's root user, whose key every
    /// guest without a role has in its environment.
    pub fn signer_in_instance(&self, instance_id: &str, account: &str) -> Principal {
        let role = self.instance_role(instance_id).and_then(|role| role.role_arn.as_deref());
        role.and_then(|arn| self.session(arn, instance_id))
            .unwrap_or_else(|| Principal::Root { account: account.to_owned() })
    }

    /// The one that `text` means: `anonymous`, `root`, the name or ARN of a role or user.
    ///
    /// # Errors
    /// What is wrong with it, and what may be written.
    pub fn signer(&self, text: &str, account: &str) -> Result<Principal, String> {
        match text {
            "anonymous" => return Ok(Principal::Anonymous),
            "root" => return Ok(Principal::Root { account: account.to_owned() }),
            _ => {}
        }
        let named = |arn: &str| arn == text || arn.rsplit('/').next() == Some(text);
        let roles = self.roles.keys().filter(|arn| named(arn)).filter_map(|arn| self.session(arn, SESSION));
        let users = self.keys_of_users().filter(|principal| principal.arn().is_some_and(|arn| named(&arn)));
        let found: Vec<Principal> = roles.chain(users).collect();
        match found.as_slice() {
            [only] => Ok(only.clone()),
            [] => {
                let known: Vec<&str> = self.roles.keys().chain(self.users.keys()).map(String::as_str).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(format!("there is no role or user `{text}`: known are anonymous, root, and {known}"))
            }
            several => {
                let arns: Vec<String> = several.iter().filter_map(Principal::arn).collect();
                Err(format!("`{text}` could be any of {}: write the ARN", arns.join(", ")))
            }
        }
    }

    fn session(&self, role_arn: &str, session_name: &str) -> Option<Principal> {
        let facts = self.role(role_arn)?;
        Some(Principal::Session {
            account: facts.account.clone(),
            role_arn: facts.arn.clone(),
            role_id: facts.role_id.clone(),
            session_name: session_name.to_owned(),
        })
    }

    /// Users, also those without a key.
    fn keys_of_users(&self) -> impl Iterator<Item = Principal> {
        self.users.iter().filter_map(|(arn, identity)| {
            Some(Principal::User {
                account: arn.split(':').nth(4)?.to_owned(),
                arn: arn.clone(),
                user_id: identity.user_id.clone()?,
            })
        })
    }
}
