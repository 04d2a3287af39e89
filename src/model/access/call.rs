//! An API call as people write it: an action and what it is done to.
//!
//! `s3:GetObject` on `s3://bucket/key`, `dynamodb:Query` on `dynamodb://orders`, anything on an ARN. Not a request: nobody
//! signs or sends it, but it says where it would be sent and what policies would be asked.

use super::implied::needs_no_permission;
use super::{Ask, Directory};
use crate::model::region::{dns_suffix, partition};
use crate::model::{private_dns_names, region};
use crate::policy::{Context, Principal};

/// The name of the session that a call would begin.
const SESSION_NAME: &str = "vpclab";

/// The call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Such as `s3:GetObject`.
    pub action: String,
    /// What it is done to.
    pub target: CallTarget,
}

/// What a call is done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallTarget {
    /// Nothing in particular.
    Any,
    /// An ARN.
    Arn(String),
    /// A bucket, or an object in it.
    S3 {
        /// The bucket.
        bucket: String,
        /// The object's key; empty for the bucket itself.
        key: String,
    },
    /// A table of the signer's account.
    Table(String),
}

impl Call {
    /// Reads an action and what it is done to.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what may be written.
    pub fn parse(action: &str, on: Option<&str>) -> Result<Self, String> {
        let named = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        match action.split_once(':') {
            Some((service, name)) if named(service) && named(name) => {}
            _ => return Err(format!("`{action}` is no action: write SERVICE:NAME, such as s3:GetObject")),
        }
        Ok(Self { action: action.to_owned(), target: CallTarget::parse(on)? })
    }

    /// The service's prefix in IAM.
    pub fn service(&self) -> &str {
        self.action.split(':').next().unwrap_or_default()
    }

    /// The Region it is sent to: of its bucket or ARN, else the caller's.
    pub fn region<'a>(&'a self, directory: &'a Directory, callers: &'a str) -> &'a str {
        let of_arn = |arn: &'a str| arn.split(':').nth(3).filter(|name| region::is_region(name));
        let found = match &self.target {
            CallTarget::S3 { bucket, .. } => directory.bucket(bucket).map(|bucket| bucket.region.as_str()),
            CallTarget::Arn(arn) => match bucket_of(arn) {
                Some(bucket) => directory.bucket(bucket).map(|bucket| bucket.region.as_str()),
                None => of_arn(arn),
            },
            CallTarget::Any | CallTarget::Table(_) => None,
        };
        found.unwrap_or(callers)
    }

    /// The host that an SDK would call.
    pub fn host(&self, directory: &Directory, callers_region: &str) -> String {
        let region = self.region(directory, callers_region);
        let suffix = dns_suffix(region);
        let bucket = match &self.target {
            CallTarget::S3 { bucket, .. } => Some(bucket.as_str()),
            CallTarget::Arn(arn) => bucket_of(arn),
            CallTarget::Any | CallTarget::Table(_) => None,
        };
        match (self.service(), bucket) {
            ("s3", Some(bucket)) => format!("{bucket}.s3.{region}.{suffix}"),
            (service, _) => {
                // Endpoint names differ from IAM's prefixes for a few.
                let name = match service {
                    "cloudwatch" => "monitoring",
                    "ecr" => "ecr.api",
                    "firehose" => "kinesis-firehose",
                    "kinesis" => "kinesis-streams",
                    other => other,
                };
                let names = private_dns_names(name, region).unwrap_or_default();
                names
                    .into_iter()
                    .find(|name| !name.starts_with('*'))
                    .unwrap_or_else(|| format!("{name}.{region}.{suffix}"))
            }
        }
    }

    /// The resource's ARN, as policies name it.
    pub fn arn(&self, signer: &Principal, directory: &Directory, callers_region: &str) -> String {
        let region = self.region(directory, callers_region);
        let partition = partition(region);
        match &self.target {
            CallTarget::Any => "*".to_owned(),
            CallTarget::Arn(arn) => arn.clone(),
            CallTarget::S3 { bucket, key } if key.is_empty() => format!("arn:{partition}:s3:::{bucket}"),
            CallTarget::S3 { bucket, key } => format!("arn:{partition}:s3:::{bucket}/{key}"),
            CallTarget::Table(table) => {
                let account = signer.account().unwrap_or_default();
                format!("arn:{partition}:dynamodb:{region}:{account}:table/{table}")
            }
        }
    }

    /// What policies are asked.
    pub fn ask(&self, signer: &Principal, directory: &Directory, callers_region: &str) -> Ask {
        let resource = self.arn(signer, directory, callers_region);
        let bucket = bucket_of(&resource).and_then(|bucket| directory.bucket(bucket));
        let of_arn = resource.split(':').nth(4).filter(|account| !account.is_empty()).map(str::to_owned);
        let mut context = Context::default();
        context.set("aws:RequestedRegion", self.region(directory, callers_region));
        let resource_policy = match self.action.as_str() {
            "sts:AssumeRole" => {
                context.set("sts:RoleSessionName", SESSION_NAME);
                Some(directory.trust(&resource))
            }
            "sts:GetCallerIdentity" => Some(needs_no_permission()),
            _ => match bucket {
                Some(bucket) => bucket.policy.clone(),
                None => directory.table(&resource).and_then(|table| table.policy.clone()),
            },
        };
        Ask {
            action: self.action.clone(),
            resource_account: bucket.map(|bucket| bucket.account.clone()).or(of_arn),
            resource_policy,
            resource,
            context,
        }
    }
}

impl CallTarget {
    fn parse(on: Option<&str>) -> Result<Self, String> {
        let Some(text) = on.filter(|text| *text != "*") else { return Ok(Self::Any) };
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            if !bucket.is_empty() {
                return Ok(Self::S3 { bucket: bucket.to_owned(), key: key.to_owned() });
            }
        }
        if let Some(table) = text.strip_prefix("dynamodb://").filter(|table| !table.is_empty()) {
            return Ok(Self::Table(table.to_owned()));
        }
        if text.starts_with("arn:") && text.splitn(6, ':').count() == 6 {
            return Ok(Self::Arn(text.to_owned()));
        }
        Err(format!("`{text}` is nothing that a call is done to: write an ARN, s3://BUCKET[/KEY] or dynamodb://TABLE"))
    }
}

/// The bucket that an ARN of S3 names.
pub fn bucket_of(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':').skip(2);
    if (parts.next(), parts.next(), parts.next()) != (Some("s3"), Some(""), Some("")) {
        return None;
    }
    parts.next()?.split('/').next().filter(|bucket| !bucket.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_as_people_write_them() {
        let s3 = |bucket: &str, key: &str| CallTarget::S3 { bucket: bucket.into(), key: key.into() };
        for (on, target) in [
            (None, CallTarget::Any),
            (Some("*"), CallTarget::Any),
            (Some("s3://b"), s3("b", "")),
            (Some("s3://b/k/l"), s3("b", "k/l")),
            (Some("dynamodb://orders"), CallTarget::Table("orders".into())),
            (Some("arn:aws:s3:::b/k:1"), CallTarget::Arn("arn:aws:s3:::b/k:1".into())),
        ] {
            assert_eq!(Call::parse("s3:GetObject", on).unwrap().target, target, "{on:?}");
        }
        for (action, on) in
            [("GetObject", None), ("s3:", None), ("s3:Get*", None), ("s3:A", Some("s3://")), ("s3:A", Some("arn:aws"))]
        {
            assert!(Call::parse(action, on).is_err(), "{action} {on:?}");
        }
    }

    #[test]
    fn the_bucket_of_an_arn() {
        for (arn, bucket) in [
            ("arn:aws:s3:::b", Some("b")),
            ("arn:aws:s3:::b/k/l", Some("b")),
            ("arn:aws-cn:s3:::b/*", Some("b")),
            ("arn:aws:s3:us-east-1:1:accesspoint/p", None),
            ("arn:aws:dynamodb:us-east-1:1:table/t", None),
            ("*", None),
        ] {
            assert_eq!(bucket_of(arn), bucket, "{arn}");
        }
    }
}
