//! What S3 asks of a bucket policy beyond IAM's grammar: actions of its own, resources of the bucket, and that they fit.
//!
//! The commonest mistake, `s3:GetObject` on the bucket or `s3:ListBucket` on its objects, would otherwise be a statement that
//! never does anything.

use super::document::{Document, PolicyError};
use super::statement::Statement;

/// What a statement's resources may be.
#[derive(Clone, Copy, Default)]
struct Reach {
    bucket: bool,
    objects: bool,
}

impl Document {
    /// Whether a bucket can have it: S3 takes only actions of S3 on the bucket itself and its objects.
    ///
    /// # Errors
    /// Names the member that is about something else.
    pub fn check_bucket(&self, bucket: &str) -> Result<(), PolicyError> {
        for (index, statement) in self.statements().iter().enumerate() {
            if let Err((member, message)) = check(statement, bucket) {
                let path = Some(format!("Statement[{index}].{member}"));
                return Err(PolicyError { message, path, position: None, statement: Some(index) });
            }
        }
        Ok(())
    }
}

/// What is wrong, and in which member.
fn check(statement: &Statement, bucket: &str) -> Result<(), (&'static str, String)> {
    let actions = &statement.actions;
    let in_actions = if actions.not { "NotAction" } else { "Action" };
    let is_foreign =
        |action: &str| action != "*" && !action.get(..3).is_some_and(|vendor| vendor.eq_ignore_ascii_case("s3:"));
    if let Some(action) = actions.patterns.iter().find(|it| is_foreign(&it.written)) {
        return Err((in_actions, format!("Policy has invalid action: {} is not S3's", action.written)));
    }
    let Some(resources) = &statement.resources else { return Ok(()) };
    let in_resources = if resources.not { "NotResource" } else { "Resource" };
    let mut reach = Reach::default();
    for resource in &resources.patterns {
        if !resource.may_be_of_bucket(bucket) {
            let message = format!("Policy has invalid resource: {} is not bucket {bucket} or in it", resource.written);
            return Err((in_resources, message));
        }
        reach.add(&resource.written);
    }
    // What is all but something can't be told from a list.
    if actions.not || resources.not {
        return Ok(());
    }
    let unfit = actions.patterns.iter().map(|it| it.written.to_ascii_lowercase()).find(|it| !reach.fits(it));
    match unfit {
        None => Ok(()),
        Some(action) => {
            let wanted = if is_of_objects(&action) { "objects, such as" } else { "the bucket," };
            let end = if is_of_objects(&action) { "/*" } else { "" };
            let message = format!(
                "Action does not apply to any resource(s) in statement: {action} is done to {wanted} arn:aws:s3:::{bucket}{end}"
            );
            Err((in_actions, message))
        }
    }
}

impl Reach {
    fn add(&mut self, resource: &str) {
        // Names of buckets have none of these characters.
        let name = resource.splitn(6, ':').nth(5).unwrap_or_default();
        let (bucket, key) = name.split_once('/').map_or((name, None), |(bucket, key)| (bucket, Some(key)));
        let any = bucket.contains(['*', '$']);
        self.objects |= key.is_some() || any;
        self.bucket |= key.is_none();
    }

    fn fits(self, action: &str) -> bool {
        action.contains(['*', '?']) || if is_of_objects(action) { self.objects } else { self.bucket }
    }
}

/// Whether an action, in small letters, is done to objects and not to their bucket.
///
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>
fn is_of_objects(action: &str) -> bool {
    const BEGINNINGS: [&str; 7] =
        ["getobject", "putobject", "deleteobject", "restoreobject", "replicate", "objectowner", "updateobject"];
    const NAMES: [&str; 4] =
        ["abortmultipartupload", "bypassgovernanceretention", "initiatereplication", "listmultipartuploadparts"];
    let name = action.strip_prefix("s3:").unwrap_or(action);
    BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)) || NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Document, Kind};

    fn check(member: &str, action: &Value, resource: &Value) -> Option<(String, String)> {
        let mut statement = json!({ "Effect": "Deny", "Principal": "*", "Resource": resource });
        statement[member] = action.clone();
        let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
        let error = Document::from_json(&document, Kind::Resource).expect("a policy").check_bucket("b").err()?;
        Some((error.message, error.path.expect("its place")))
    }

    #[test]
    fn actions_fit_their_resources() {
        let (bucket, objects) = ("arn:aws:s3:::b", "arn:aws:s3:::b/*");
        for (action, resource) in [
            (json!("s3:GetObject"), json!(objects)),
            (json!("S3:getobjectversion"), json!("arn:aws:s3:::b/a?c")),
            (json!("s3:ListBucket"), json!(bucket)),
            (json!(["s3:ListBucket", "s3:GetObject"]), json!([bucket, objects])),
            (json!("s3:GetObject"), json!("arn:aws:s3:::b*")),
            (json!("s3:ListBucket"), json!("arn:aws:s3:::b*")),
            (json!("s3:Get*"), json!(bucket)),
            (json!("*"), json!(objects)),
            (json!("s3:AbortMultipartUpload"), json!(objects)),
        ] {
            assert_eq!(check("Action", &action, &resource), None, "{action} {resource}");
        }
        let unfit = "Action does not apply to any resource(s) in statement: ";
        for (action, resource, expected) in [
            (json!("s3:GetObject"), json!(bucket), "s3:getobject is done to objects, such as arn:aws:s3:::b/*"),
            (json!("s3:ListBucket"), json!(objects), "s3:listbucket is done to the bucket, arn:aws:s3:::b"),
            (
                json!(["s3:GetObject", "s3:PutBucketPolicy"]),
                json!(objects),
                "s3:putbucketpolicy is done to the bucket, arn:aws:s3:::b",
            ),
        ] {
            let expected = (format!("{unfit}{expected}"), "Statement[0].Action".to_owned());
            assert_eq!(check("Action", &action, &resource), Some(expected), "{action} {resource}");
        }
        assert_eq!(check("NotAction", &json!("s3:ListBucket"), &json!(objects)), None, "all but that fits");
    }
}
