//! ARNs with wildcards: compared component by component.

use super::facts::Facts;
use super::pattern::{Meaning, Pattern};

/// `arn:partition:service:region:account:resource`; a wildcard stays within its component, and the last one has all the rest.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArnPattern {
    pub(super) written: String,
    /// Empty for `*`, which is everything.
    components: Vec<Pattern>,
}

/// How many components an ARN has.
pub(super) const COMPONENTS: usize = 6;

impl ArnPattern {
    pub(super) fn new(written: &str, variables: bool) -> Self {
        let meaning = Meaning { wildcards: true, variables };
        let components = match written {
            "*" => Vec::new(),
            _ => components(written, variables).into_iter().map(|it| Pattern::new(it, meaning)).collect(),
        };
        Self { written: written.to_owned(), components }
    }

    /// Adds a `*` for each component that a `Resource` left out: `arn:aws:sqs` is all of SQS.
    pub(super) fn completed(mut self) -> Self {
        if !self.components.is_empty() {
            let any = Pattern::new("*", Meaning { wildcards: true, variables: false });
            self.components.resize(COMPONENTS, any);
        }
        self
    }

    /// Whether an ARN fits.
    pub(super) fn matches(&self, arn: &str, facts: &Facts<'_>) -> bool {
        if self.components.is_empty() {
            return true;
        }
        let mut asked = arn.splitn(COMPONENTS, ':');
        let fits = self.components.iter().all(|it| asked.next().is_some_and(|part| it.matches(part, facts)));
        fits && asked.next().is_none()
    }

    /// Whether it can mean a bucket or what is in it; a bucket's name with a variable may be any.
    pub(super) fn may_be_of_bucket(&self, bucket: &str) -> bool {
        let Some(rest) = self.written.strip_prefix("arn:").and_then(|it| it.split_once(":s3:::")).map(|(_, rest)| rest)
        else {
            return false;
        };
        let name = rest.split('/').next().unwrap_or(rest);
        name.contains("${") || Pattern::new(name, Meaning { wildcards: true, variables: false }).matches_plainly(bucket)
    }

    /// The first variable that has no value.
    pub(super) fn missing(&self, facts: &Facts<'_>) -> Option<String> {
        self.components.iter().find_map(|it| it.missing(facts))
    }
}

/// Cuts at colons, except for those in a variable's name; at most six.
pub(super) fn components(written: &str, variables: bool) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut inside = false;
    for (at, character) in written.char_indices() {
        match character {
            '$' if variables && written[at..].starts_with("${") && written[at..].contains('}') => inside = true,
            '}' => inside = false,
            ':' if !inside && found.len() + 1 < COMPONENTS => {
                found.push(&written[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&written[start..]);
    found
}
