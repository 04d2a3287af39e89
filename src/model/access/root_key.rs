//! The access key of an account's root user, which a lab's guests use unless they have another.
//!
//! One per account, derived from its number, the same at every `up`. It opens nothing but a lab's own services, so that
//! anybody can compute it is no secret lost.

use super::super::iam;

/// Access key id (`AKIA` and 16 more characters) and secret (40 characters) of an account's root user.
pub fn root_key(account: &str) -> (String, String) {
    iam::spell(&format!("of {account}"))
}

#[cfg(test)]
mod tests {
    use super::root_key;

    /// People have them in their shells and notes: they must not change.
    #[test]
    fn root_keys_stay_what_they_are() {
        let (id, secret) = root_key("111122223333");
        assert_eq!(
            (id.as_str(), secret.as_str()),
            ("AKIA6SHYYEI3RA57LBFE", "Zs535MVYkWLTeSDM/2hmeM1N0hlFi4HXiWsqa1jD")
        );
        assert_ne!(root_key("444455556666").0, id);
    }
}
