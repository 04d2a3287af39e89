//! A statement's `Condition`: every key must hold, one of its values suffices.

use super::facts::Facts;
use super::operator::{Comparison, Operator, Set, Wanted};

/// One operator on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) operator: Operator,
    /// The operator as written.
    pub(super) operator_name: String,
    /// The key as written.
    pub(super) key_name: String,
    /// The key in lower case.
    pub(super) key: String,
    pub(super) values: Vec<Wanted>,
    /// The values as written.
    pub(super) texts: Vec<String>,
}

impl Condition {
    /// Whether it holds.
    ///
    /// Absent keys: negated operators, `…IfExists` and `ForAllValues:` hold, the others don't; a key without a value is absent.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html>
    pub(super) fn holds(&self, facts: &Facts<'_>) -> bool {
        let given = facts.values(&self.key);
        let Operator { comparison, negated, set, if_exists } = self.operator;
        if comparison == Comparison::Null {
            let absent = given.is_none_or(|values| values.iter().all(String::is_empty));
            return self.values.iter().any(|wanted| wanted.fits(&absent.to_string(), comparison, facts));
        }
        let Some(given) = given else {
            return match set {
                Set::Plain => negated || if_exists,
                Set::All => true,
                Set::Any => if_exists,
            };
        };
        // "A null data set, such as an empty string": with a set operator it is like no value at all.
        if set != Set::Plain && given.iter().all(String::is_empty) {
            return set == Set::All || if_exists;
        }
        // A key with several values wants a set operator: without one the condition can't hold.
        if set == Set::Plain && given.len() > 1 {
            return false;
        }
        let fits = |value: &String| self.values.iter().any(|wanted| wanted.fits(value, comparison, facts));
        match set {
            Set::Plain => given.iter().any(fits) != negated,
            Set::All => given.iter().all(|value| fits(value) != negated),
            Set::Any => given.iter().any(|value| fits(value) != negated),
        }
    }

    /// The first variable of its values that has none.
    pub(super) fn missing(&self, facts: &Facts<'_>) -> Option<String> {
        self.values.iter().find_map(|wanted| wanted.missing(facts))
    }
}
