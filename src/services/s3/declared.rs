//! Buckets as templates have them.

use std::sync::Arc;

use serde_json::Value;

use super::store::buckets::{CorsRule, PublicAccessBlock, Settings, Versioning};
use crate::model::access::Directory;
use crate::model::{self, BucketVersioning};
use crate::policy::Policy;

/// A bucket that a template declares. What it does not say leaves what the store has; of a new bucket it is off, and no
/// public access is blocked: whoever writes a template says what he wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Name.
    pub name: String,
    /// Its Region.
    pub region: String,
    /// Its owner.
    pub account: String,
    /// Its policy.
    pub policy: Option<Arc<Policy>>,
    /// Whether it keeps versions.
    pub versioning: Option<BucketVersioning>,
    /// CORS as PutBucketCors takes it: `{"CORSRules": […]}`.
    pub cors: Option<Value>,
    /// Tags; none leave what the store has.
    pub tags: Vec<(String, String)>,
    /// What it refuses of public access.
    pub public_access_block: Option<PublicAccessBlock>,
}

/// A bucket as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveBucket {
    /// Its owner.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// Its policy.
    pub policy: Option<Arc<Policy>>,
}

impl Bucket {
    /// A bucket of a world; the directory has read its policy already.
    pub fn of(bucket: &model::Bucket, directory: &Directory) -> Self {
        Self {
            name: bucket.bucket.clone(),
            region: bucket.meta.region.clone(),
            account: bucket.meta.account.clone(),
            policy: directory.bucket(&bucket.bucket).and_then(|facts| facts.policy.clone()),
            versioning: bucket.versioning,
            cors: bucket.cors.clone(),
            tags: bucket.meta.tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            public_access_block: bucket.public_access_block.map(|block| PublicAccessBlock {
                block_public_acls: block.block_public_acls,
                ignore_public_acls: block.ignore_public_acls,
                block_public_policy: block.block_public_policy,
                restrict_public_buckets: block.restrict_public_buckets,
            }),
        }
    }

    /// Writes what it says over what is set.
    pub(super) fn settle(&self, settings: &mut Settings) {
        if let Some(policy) = &self.policy {
            settings.policy = Some(policy.document.json().to_string());
        }
        match self.versioning {
            Some(BucketVersioning::Enabled) => settings.versioning = Versioning::Enabled,
            Some(BucketVersioning::Suspended) => settings.versioning = Versioning::Suspended,
            None => {}
        }
        if let Some(cors) = &self.cors {
            settings.cors = cors["CORSRules"].as_array().into_iter().flatten().map(rule).collect();
        }
        if !self.tags.is_empty() {
            settings.tags = Some(self.tags.clone());
        }
        settings.public_access_block = self.public_access_block.or(settings.public_access_block);
    }
}

/// A rule with the member names of S3's API; the model has checked it.
fn rule(rule: &Value) -> CorsRule {
    let texts = |name: &str| {
        let values = rule[name].as_array().into_iter().flatten();
        values.filter_map(|value| value.as_str().map(str::to_owned)).collect()
    };
    CorsRule {
        id: rule["ID"].as_str().map(str::to_owned),
        allowed_origins: texts("AllowedOrigins"),
        allowed_methods: texts("AllowedMethods"),
        allowed_headers: texts("AllowedHeaders"),
        expose_headers: texts("ExposeHeaders"),
        max_age_seconds: rule["MaxAgeSeconds"].as_i64().and_then(|seconds| i32::try_from(seconds).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Change, Request, World};

    /// What a template says of public access reaches the store; where it says nothing, what is set stays.
    #[test]
    fn a_templates_block_of_public_access_is_the_buckets() {
        let mut world = World::default();
        let mut apply = |change| {
            let request = Request {
                account: "111122223333".to_owned(),
                region: "us-east-1".to_owned(),
                principal: None,
                stack: None,
                logical_id: None,
                source: None,
                tags: Default::default(),
                change,
            };
            world.apply(request).expect("a bucket");
            Bucket::of(&world.buckets["data"], &Directory::of(&world))
        };
        let mut settings = Settings { public_access_block: Some(PublicAccessBlock::ALL), ..Settings::default() };
        apply(Change::CreateBucket { bucket: Some("data".to_owned()) }).settle(&mut settings);
        assert_eq!(settings.public_access_block, Some(PublicAccessBlock::ALL));
        let written = model::PublicAccessBlock { restrict_public_buckets: true, ..Default::default() };
        let change = Change::PutPublicAccessBlock { bucket: "data".to_owned(), public_access_block: written };
        apply(change).settle(&mut settings);
        let block = settings.public_access_block.expect("a block");
        assert!(block.restrict_public_buckets && !block.block_public_policy && !block.block_public_acls);
    }
}
