//! PutObject, and what all writes have in common.

use http::HeaderMap;
use s3s::s3_error;

use super::super::checksum::{Algorithm, put_sum};
use super::super::condition::WriteConditions;
use super::super::gate::{Visit, request_tags};
use super::super::incoming::{self, Expected};
use super::super::keys::check_key;
use super::super::store::buckets::{BucketFacts, Versioning};
use super::super::store::rows::{Facts, Tags};
use super::super::store::versions::{self, NewVersion};
use super::super::store::{Change, Done};
use super::read::checksum_type;
use super::tagging;
use super::*;

/// What S3 adds to objects whose client chose no checksum.
pub(super) const DEFAULT_ALGORITHM: Algorithm = Algorithm::Crc64Nvme;
/// Bytes of all user metadata, names and values.
const MOST_METADATA: usize = 2048;
/// Classes that an object can be put in.
const STORAGE_CLASSES: [&str; 8] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
];

/// `Expires` as it was written; the door to s3s puts it into the extensions, as s3s wants a date.
#[derive(Clone, Debug)]
pub(in super::super) struct Expires(pub String);

/// The facts in an input's members, which writes have in common.
macro_rules! facts {
    ($input:expr, $extensions:expr) => {{
        let facts = $crate::services::s3::store::rows::Facts {
            content_type: $input.content_type.take(),
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $input
                .content_encoding
                .take()
                .and_then($crate::services::s3::operations::write::own_encoding),
            content_language: $input.content_language.take(),
            expires: $extensions.get::<$crate::services::s3::operations::write::Expires>().map(|it| it.0.clone()),
            website_redirect_location: $input.website_redirect_location.take(),
            user: $input.metadata.take().into_iter().flatten().collect(),
            storage_class: $input.storage_class.take().map(|class| class.as_str().to_owned()),
            sum: None,
            parts: None,
        };
        $crate::services::s3::operations::write::checked(facts)
    }};
}
pub(super) use facts;

impl Operations {
    pub(super) async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let S3Request { mut input, headers, extensions, .. } = request;
        check_key(&input.key)?;
        let tags = tagging::of_header(input.tagging.as_deref())?;
        ask_to_write(&visit, &input.key, &tags, &headers)?;
        refuse(&headers)?;
        let conditions = WriteConditions::new(input.if_match.take(), input.if_none_match.take())?;
        let facts = facts!(input, extensions)?;
        let expected = Expected::of(&headers, &extensions, input.content_length)?;
        self.check_early(&visit, &input.key, &conditions).await?;
        let kept = expected.algorithm().unwrap_or(DEFAULT_ALGORITHM);
        let received = incoming::receive(&self.store, input.body.take(), expected, kept).await?;
        let etag = received.etag();
        let sum = received.sum.clone();
        let new = NewVersion {
            key: input.key,
            size: received.size,
            etag: etag.clone(),
            facts: Facts { sum: Some(sum.clone()), ..facts },
            tags,
            pieces: received.pieces(),
            segments: Vec::new(),
        };
        let bucket = visit.bucket.name.clone();
        let version_id = self
            .store
            .write(move |change| {
                let bucket = change.bucket(&bucket)?;
                check_now(change, &bucket, &new.key, &conditions)?;
                let (_, version_id) = change.put(&bucket, new)?;
                Ok((bucket.settings.versioning != Versioning::Off).then_some(version_id))
            })
            .await?;
        received.keep();
        let mut output = PutObjectOutput {
            e_tag: Some(ETag::Strong(etag)),
            version_id,
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            checksum_type: Some(checksum_type(&sum)),
            ..Default::default()
        };
        put_sum!(output, &Some(sum));
        Ok(S3Response::new(output))
    }

    /// A write that is bound to fail is refused before its bytes come; the last word is said at the commit.
    pub(super) async fn check_early(&self, visit: &Visit, key: &str, conditions: &WriteConditions) -> S3Result<()> {
        if conditions.are_none() {
            return Ok(());
        }
        let (bucket, key) = (visit.bucket.id, key.to_owned());
        let current = self.store.read(move |_, index| versions::find(index, bucket, &key, None)).await?;
        conditions.check(current.as_ref())
    }
}

/// Asks for everything that a write with these tags and headers is.
pub(super) fn ask_to_write(visit: &Visit, key: &str, tags: &Tags, headers: &HeaderMap) -> S3Result<()> {
    visit.ask_with("s3:PutObject", Some(key), |keys| request_tags(keys, tags))?;
    if !tags.is_empty() {
        visit.ask_with("s3:PutObjectTagging", Some(key), |keys| request_tags(keys, tags))?;
    }
    if headers.contains_key("x-amz-acl") {
        visit.ask_with("s3:PutObjectAcl", Some(key), |_| {})?;
    }
    Ok(())
}

/// A write's conditions in the transaction that is the write.
pub(super) fn check_now(
    change: &Change<'_>,
    bucket: &BucketFacts,
    key: &str,
    conditions: &WriteConditions,
) -> Done<()> {
    if !conditions.are_none() {
        conditions.check(versions::find(&change.tx, bucket.id, key, None)?.as_ref())?;
    }
    Ok(())
}

/// Refuses what is not emulated, and ACLs, which a bucket of today does not have.
pub(super) fn refuse(headers: &HeaderMap) -> S3Result<()> {
    refuse_acl(headers)?;
    for name in headers.keys().map(http::HeaderName::as_str) {
        if name.starts_with("x-amz-object-lock-") {
            return Err(s3_error!(InvalidRequest, "Bucket is missing Object Lock Configuration"));
        }
        if name.starts_with("x-amz-server-side-encryption-customer") || name == "x-amz-write-offset-bytes" {
            return Err(s3_error!(NotImplemented, "vpclab's S3 does not know {name} yet."));
        }
    }
    match headers.get("x-amz-server-side-encryption").map(http::HeaderValue::as_bytes) {
        None | Some(b"AES256") => Ok(()),
        Some(_) => {
            Err(s3_error!(NotImplemented, "vpclab's S3 has no encryption with KMS yet: objects are kept as they are."))
        }
    }
}

/// With S3's default, "bucket owner enforced", there are no ACLs but the owner's own.
pub(super) fn refuse_acl(headers: &HeaderMap) -> S3Result<()> {
    let canned = headers.get("x-amz-acl").map(http::HeaderValue::as_bytes);
    let granted = headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"));
    if granted || !matches!(canned, None | Some(b"private" | b"bucket-owner-full-control")) {
        return Err(s3_error!(AccessControlListNotSupported, "The bucket does not allow ACLs"));
    }
    Ok(())
}

/// Facts that S3 would take.
pub(super) fn checked(mut facts: Facts) -> S3Result<Facts> {
    let bytes: usize = facts.user.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MOST_METADATA {
        return Err(s3_error!(MetadataTooLarge, "Your metadata headers exceed the maximum allowed metadata size"));
    }
    if facts.storage_class.as_deref().is_some_and(|class| !STORAGE_CLASSES.contains(&class)) {
        return Err(s3_error!(InvalidStorageClass, "The storage class you specified is not valid"));
    }
    // S3 never shows the class of an object that has none.
    facts.storage_class = facts.storage_class.filter(|class| class != "STANDARD");
    Ok(facts)
}

/// `Content-Encoding` without `aws-chunked`, which is how it came and not what it is.
pub(super) fn own_encoding(encoding: String) -> Option<String> {
    let kept: Vec<&str> = encoding.split(',').map(str::trim).filter(|coding| *coding != "aws-chunked").collect();
    Some(kept.join(",")).filter(|encoding| !encoding.is_empty())
}
