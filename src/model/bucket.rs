//! `AWS::S3::Bucket` and `AWS::S3::BucketPolicy`.

use super::world::Meta;
use super::*;

/// A bucket; names are unique in the lab, as they are in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Name.
    pub bucket: String,
    /// Owner and origin; the Region is the bucket's.
    pub meta: Meta,
    /// Bucket policy as written.
    pub policy: Option<serde_json::Value>,
}

impl Bucket {
    /// `arn:aws:s3:::NAME`.
    pub fn arn(&self) -> String {
        format!("arn:{}:s3:::{}", region::partition(&self.meta.region), self.bucket)
    }
}
