//! `AWS::S3::Bucket` and `AWS::S3::BucketPolicy`.

use super::world::Meta;

/// A bucket; names are unique in the lab, as they are in a partition.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Name.
    pub bucket: String,
    /// Owner and origin; the Region is the bucket's.
    pub meta: Meta,
    /// Bucket policy as written.
    pub policy: Option<serde_json::Value>,
}
