//! CopyObject, and the source of any copy: no byte is copied, the new object is made of the same files.

use std::ops::Range;

use md5::{Digest, Md5};
use s3s::s3_error;

use super::super::checksum::{Algorithm, Hasher, Sum, put_sum};
use super::super::condition::{Conditions, source_conditions, timestamp};
use super::super::gate::{Called, Visit, Visitor, existing_tags};
use super::super::incoming::{LARGEST, hex};
use super::super::keys::check_key;
use super::super::store::buckets::Versioning;
use super::super::store::read::Opened;
use super::super::store::rows::{Facts, Piece, Tags};
use super::super::store::versions::NewVersion;
use super::super::store::{Change, Done};
use super::read::{checksum_type, shown_version};
use super::tagging;
use super::write::{DEFAULT_ALGORITHM, ask_to_write, facts, refuse};
use super::*;

/// An object that is copied from.
pub(super) struct Source {
    pub visit: Visit,
    pub opened: Opened,
}

/// Digests of copied bytes.
pub(super) struct Digests {
    /// Hexadecimal.
    pub md5: String,
    pub sum: Sum,
}

impl Source {
    /// The id that answers show.
    pub fn version_id(&self) -> Option<String> {
        shown_version(&self.visit, &self.opened.version)
    }

    /// Where the bytes of a range are, if the object is still there; asked in the transaction that takes them up.
    pub fn pieces(&self, range: &Range<u64>) -> (i64, Vec<Piece>) {
        (self.opened.version.id, self.opened.pieces(range))
    }
}

/// The source may have gone since it was read, and its files with it.
pub(super) fn is_still_there(change: &Change<'_>, version: i64) -> Done<()> {
    let there = change.tx.prepare_cached("SELECT 1 FROM version WHERE id = ?")?.exists([version])?;
    if there { Ok(()) } else { Err(s3_error!(NoSuchKey).into()) }
}

impl Operations {
    pub(super) async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let visitor = Visitor::of(&request)?;
        let S3Request { mut input, headers, extensions, .. } = request;
        check_key(&input.key)?;
        let conditions = source_conditions!(input);
        let source = self.source(visitor, &visit, &input.copy_source, &conditions).await?;
        let replaces_tags = input.tagging_directive.as_ref().is_some_and(|it| it.as_str() == TaggingDirective::REPLACE);
        let tags = if replaces_tags { tagging::of_header(input.tagging.as_deref())? } else { copied_tags(&source)? };
        ask_to_write(&visit, &input.key, &tags, &headers)?;
        refuse(&headers)?;
        let replaces = input.metadata_directive.as_ref().is_some_and(|it| it.as_str() == MetadataDirective::REPLACE);
        let chosen = input.checksum_algorithm.as_ref().and_then(|algorithm| Algorithm::named(algorithm.as_str()));
        let given = facts!(input, extensions)?;
        let version = &source.opened.version;
        let own = source.visit.bucket.id == visit.bucket.id && version.key == input.key && version.latest;
        if own
            && !replaces
            && given.storage_class.is_none()
            && given.website_redirect_location.is_none()
            && !replaces_tags
        {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
            ));
        }
        if version.size > LARGEST {
            return Err(s3_error!(
                InvalidRequest,
                "The specified copy source is larger than the maximum allowable size for a copy source: {LARGEST}"
            ));
        }
        let digests = digests(&source, &(0..version.size), chosen).await?;
        let facts = if replaces { given } else { copied(&version.facts, given) };
        let (from, pieces) = source.pieces(&(0..version.size));
        let (etag, sum) = (digests.md5, digests.sum);
        let new = NewVersion {
            key: input.key,
            size: version.size,
            etag: etag.clone(),
            facts: Facts { sum: Some(sum.clone()), parts: None, ..facts },
            tags,
            pieces,
            segments: Vec::new(),
        };
        let bucket = visit.bucket.name.clone();
        let (version_id, at) = self
            .store
            .write(move |change| {
                is_still_there(change, from)?;
                let bucket = change.bucket(&bucket)?;
                let (_, version_id) = change.put(&bucket, new)?;
                Ok(((bucket.settings.versioning != Versioning::Off).then_some(version_id), change.now))
            })
            .await?;
        let mut result = CopyObjectResult {
            e_tag: Some(ETag::Strong(etag)),
            last_modified: Some(timestamp(at)),
            checksum_type: Some(checksum_type(&sum)),
            ..Default::default()
        };
        put_sum!(result, &Some(sum));
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: source.version_id(),
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            version_id,
            ..Default::default()
        }))
    }

    /// Comes to what is copied from, and asks to read it.
    pub(super) async fn source(
        &self,
        mut visitor: Visitor,
        target: &Visit,
        source: &CopySource,
        conditions: &Conditions,
    ) -> S3Result<Source> {
        let CopySource::Bucket { bucket, key, version_id } = source else {
            return Err(s3_error!(NotImplemented, "vpclab's S3 has no access points to copy from."));
        };
        check_key(key)?;
        visitor.called = Called::Anywhere;
        let through_endpoint =
            visitor.session.caller.origin.as_ref().is_some_and(|origin| origin.vpc_endpoint_id.is_some());
        let visit = visitor.enter(&self.store, bucket)?;
        if through_endpoint && visit.bucket.region != target.bucket.region {
            return Err(s3_error!(AccessDenied, "VPC endpoints do not support cross-region requests"));
        }
        let actions = ["s3:GetObject", "s3:GetObjectVersion"];
        let opened = self.open_for(&visit, key, version_id.as_deref(), actions).await.map_err(as_source)?;
        conditions.check_source(&opened.version)?;
        Ok(Source { visit, opened })
    }
}

/// A marker can't be copied, and the code says so.
fn as_source(error: s3s::S3Error) -> s3s::S3Error {
    if *error.code() == s3s::S3ErrorCode::MethodNotAllowed {
        return s3_error!(
            InvalidRequest,
            "The source of a copy request may not specifically refer to a delete marker by version id."
        );
    }
    error
}

/// The source's tags go along, for whoever may read them.
fn copied_tags(source: &Source) -> S3Result<Tags> {
    let tags = source.opened.version.tags.clone();
    if !tags.is_empty() {
        let key = source.opened.version.key.clone();
        source.visit.ask_with("s3:GetObjectTagging", Some(&key), |keys| existing_tags(keys, &tags))?;
    }
    Ok(tags)
}

/// What a copy keeps: all but the class and where a website leads to.
fn copied(facts: &Facts, given: Facts) -> Facts {
    Facts {
        storage_class: given.storage_class,
        website_redirect_location: given.website_redirect_location,
        ..facts.clone()
    }
}

/// MD5 and checksum of copied bytes: known already where they are those of a whole object in one piece, else read.
pub(super) async fn digests(source: &Source, range: &Range<u64>, chosen: Option<Algorithm>) -> S3Result<Digests> {
    let version = &source.opened.version;
    let known = version.facts.sum.clone().filter(|sum| !sum.composite);
    let algorithm = chosen.or(version.facts.sum.as_ref().map(|sum| sum.algorithm)).unwrap_or(DEFAULT_ALGORITHM);
    let whole = *range == (0..version.size) && version.facts.parts.is_none();
    if let Some(sum) = known.filter(|sum| whole && sum.algorithm == algorithm) {
        return Ok(Digests { md5: version.etag.clone(), sum });
    }
    let (opened, range) = (source.opened.clone(), range.clone());
    let read = tokio::task::spawn_blocking(move || {
        let (mut md5, mut hasher) = (Md5::new(), Hasher::new(algorithm));
        opened.read(&range, |bytes| {
            md5.update(bytes);
            hasher.update(bytes);
        })?;
        let sum = Sum { algorithm, value: hasher.finish(), composite: false };
        Ok(Digests { md5: hex(&md5.finalize()), sum })
    });
    let read: std::io::Result<Digests> = read.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    read.map_err(|error| s3_error!(error, InternalError))
}
