//! `AWS::S3::Bucket` and `AWS::S3::BucketPolicy`.

use super::world::Meta;
use super::*;
use crate::policy::Kind;

/// Longest bucket policy: 20 KB (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html>).
const POLICY_CHARACTERS: usize = 20 * 1024;

/// A bucket; names are unique in the lab, as they are in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Name.
    pub bucket: String,
    /// Owner and origin; the Region is the bucket's.
    pub meta: Meta,
    /// Bucket policy as written.
    pub policy: Option<PolicyDocument>,
}

impl Bucket {
    /// `arn:aws:s3:::NAME`.
    pub fn arn(&self) -> String {
        format!("arn:{}:s3:::{}", region::partition(&self.meta.region), self.bucket)
    }
}

impl World {
    pub(super) fn create_bucket(&mut self, request: &Request, bucket: Option<&str>) -> Result<ObjectId, Refusal> {
        let bucket = match bucket {
            Some(name) => {
                check_name(name)?;
                name.to_owned()
            }
            None => id::free_generated_name(request, "bucket", 63, |name| {
                self.buckets.contains_key(&name.to_ascii_lowercase())
            })
            .to_ascii_lowercase(),
        };
        match self.buckets.get(&bucket) {
            Some(other) if other.meta.account == request.account => Err(Refusal::new(
                "BucketAlreadyOwnedByYou",
                "Your previous request to create the named bucket succeeded and you already own it.",
            )),
            Some(_) => Err(Refusal::new(
                "BucketAlreadyExists",
                "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
            )),
            None => {
                let made = Bucket { bucket: bucket.clone(), meta: request.meta(), policy: None };
                self.buckets.insert(bucket.clone(), made);
                Ok(bucket)
            }
        }
    }

    pub(super) fn put_bucket_policy(
        &mut self,
        request: &Request,
        bucket: &str,
        policy: &PolicyDocument,
    ) -> Result<ObjectId, Refusal> {
        let Some(found) = self.buckets.get_mut(bucket) else {
            return Err(Refusal::new("NoSuchBucket", "The specified bucket does not exist").help(bucket.to_owned()));
        };
        if found.meta.account != request.account {
            return Err(Refusal::new("AccessDenied", "Access Denied")
                .help(format!("bucket {bucket} belongs to account {}", found.meta.account)));
        }
        if policy.characters() > POLICY_CHARACTERS {
            return Err(Refusal::new("MalformedPolicy", "Policy exceeds the maximum allowed document size.")
                .help(format!("a bucket policy has at most {POLICY_CHARACTERS} characters")));
        }
        policy.check(Kind::Resource)?;
        found.policy = Some(policy.clone());
        Ok(bucket.to_owned())
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn check_name(name: &str) -> Result<(), Refusal> {
    const PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    const SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    let valid = (3..=63).contains(&name.len())
        && name.bytes().all(allowed)
        && edge(bytes.first())
        && edge(bytes.last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
    if valid {
        return Ok(());
    }
    Err(Refusal::new("InvalidBucketName", "The specified bucket is not valid.").help(format!(
        "'{name}': 3 to 63 lower-case letters, digits, dots and hyphens, beginning and ending with a letter or digit"
    )))
}
