//! `AWS::S3::Bucket` and `AWS::S3::BucketPolicy`.

use super::world::Meta;
use super::*;
use crate::policy::Kind;

/// A bucket; names are unique in the lab, as they are in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Name.
    pub bucket: String,
    /// Owner and origin; the Region is the bucket's.
    pub meta: Meta,
    /// Bucket policy as written.
    pub policy: Option<PolicyDocument>,
    /// Whether it keeps versions; `None` when that was never said.
    pub versioning: Option<BucketVersioning>,
    /// CORS as PutBucketCors takes it: `{"CORSRules": […]}`.
    pub cors: Option<serde_json::Value>,
    /// What it refuses of public access. AWS blocks all of it where nothing is said; whoever writes a lab says what to see.
    pub public_access_block: Option<PublicAccessBlock>,
}

/// PublicAccessBlockConfiguration of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "AWS's own words")]
pub struct PublicAccessBlock {
    pub block_public_acls: bool,
    pub ignore_public_acls: bool,
    pub block_public_policy: bool,
    pub restrict_public_buckets: bool,
}

/// AWS's `Status` of a bucket's versioning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum BucketVersioning {
    Enabled,
    Suspended,
}

impl BucketVersioning {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Suspended => "Suspended",
        }
    }
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
                let made = Bucket {
                    bucket: bucket.clone(),
                    meta: request.meta(),
                    policy: None,
                    versioning: None,
                    cors: None,
                    public_access_block: None,
                };
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
        let found = self.own_bucket_mut(request, bucket)?;
        policy.check(Kind::Resource)?;
        policy.check_bucket(bucket)?;
        found.policy = Some(policy.clone());
        Ok(bucket.to_owned())
    }

    /// Whether there was one or not, none is left.
    pub(super) fn delete_bucket_policy(&mut self, request: &Request, bucket: &str) -> Result<ObjectId, Refusal> {
        self.own_bucket_mut(request, bucket)?.policy = None;
        Ok(bucket.to_owned())
    }

    pub(super) fn put_bucket_versioning(
        &mut self,
        request: &Request,
        bucket: &str,
        status: &str,
    ) -> Result<ObjectId, Refusal> {
        let found = self.own_bucket_mut(request, bucket)?;
        found.versioning = Some(match status {
            "Enabled" => BucketVersioning::Enabled,
            "Suspended" => BucketVersioning::Suspended,
            _ => {
                return Err(Refusal::new(
                    "MalformedXML",
                    "The XML you provided was not well-formed or did not validate against our published schema",
                )
                .help("versioning is Enabled or Suspended"));
            }
        });
        Ok(bucket.to_owned())
    }

    pub(super) fn put_bucket_cors(
        &mut self,
        request: &Request,
        bucket: &str,
        cors_configuration: &serde_json::Value,
    ) -> Result<ObjectId, Refusal> {
        let found = self.own_bucket_mut(request, bucket)?;
        check_cors(cors_configuration)?;
        found.cors = Some(cors_configuration.clone());
        Ok(bucket.to_owned())
    }

    pub(super) fn put_public_access_block(
        &mut self,
        request: &Request,
        bucket: &str,
        block: PublicAccessBlock,
    ) -> Result<ObjectId, Refusal> {
        self.own_bucket_mut(request, bucket)?.public_access_block = Some(block);
        Ok(bucket.to_owned())
    }

    fn own_bucket_mut(&mut self, request: &Request, bucket: &str) -> Result<&mut Bucket, Refusal> {
        let Some(found) = self.buckets.get_mut(bucket) else {
            return Err(Refusal::new("NoSuchBucket", "The specified bucket does not exist").help(bucket.to_owned()));
        };
        if found.meta.account != request.account {
            return Err(Refusal::new("AccessDenied", "Access Denied")
                .help(format!("bucket {bucket} belongs to account {}", found.meta.account)));
        }
        Ok(found)
    }
}

/// Rules of one bucket (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html>).
const CORS_RULES: usize = 100;

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html>
fn check_cors(configuration: &serde_json::Value) -> Result<(), Refusal> {
    let rules = configuration.get("CORSRules").and_then(serde_json::Value::as_array).map(Vec::as_slice);
    let Some(rules @ [_, ..]) = rules.filter(|rules| rules.len() <= CORS_RULES) else {
        return Err(Refusal::new(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        )
        .help(format!("a CORS configuration has 1 to {CORS_RULES} rules")));
    };
    for rule in rules {
        let texts = |name: &str| {
            let list = rule.get(name).and_then(serde_json::Value::as_array);
            list.into_iter().flatten().filter_map(serde_json::Value::as_str).collect::<Vec<_>>()
        };
        let (methods, origins, headers) = (texts("AllowedMethods"), texts("AllowedOrigins"), texts("AllowedHeaders"));
        let known = |method: &&str| matches!(*method, "GET" | "PUT" | "POST" | "DELETE" | "HEAD");
        if let Some(method) = methods.iter().find(|method| !known(method)) {
            return Err(Refusal::new(
                "InvalidRequest",
                format!("Found unsupported HTTP method in CORS config. Unsupported method is {method}"),
            ));
        }
        for (word, values) in [("AllowedOrigin", &origins), ("AllowedHeader", &headers)] {
            if let Some(value) = values.iter().find(|value| value.matches('*').count() > 1) {
                let message = format!("{word} \"{value}\" can not have more than one wildcard.");
                return Err(Refusal::new("InvalidRequest", message));
            }
        }
        if methods.is_empty() || origins.is_empty() {
            return Err(Refusal::new(
                "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published schema",
            )
            .help("each CORS rule has AllowedMethods and AllowedOrigins"));
        }
    }
    Ok(())
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
