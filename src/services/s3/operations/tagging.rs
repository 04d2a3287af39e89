//! Tags of objects and buckets.

use std::collections::BTreeSet;

use http::StatusCode;
use s3s::s3_error;

use super::super::gate::{Visit, existing_tags, request_tags};
use super::super::store::read::Opened;
use super::super::store::rows::Tags;
use super::read::{named, shown_version};
use super::*;

/// Tags of an object.
const MOST_OF_OBJECT: usize = 10;
/// Tags of a bucket.
const MOST_OF_BUCKET: usize = 50;

impl Operations {
    pub(super) async fn get_object_tagging(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let actions = ["s3:GetObjectTagging", "s3:GetObjectVersionTagging"];
        let input = &request.input;
        let opened = self.open_for(&visit, &input.key, input.version_id.as_deref(), actions).await?;
        let version_id = shown_version(&visit, &opened.version);
        Ok(S3Response::new(GetObjectTaggingOutput { tag_set: to_set(opened.version.tags), version_id }))
    }

    pub(super) async fn put_object_tagging(
        &self,
        request: S3Request<PutObjectTaggingInput>,
    ) -> S3Result<S3Response<PutObjectTaggingOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let actions = ["s3:PutObjectTagging", "s3:PutObjectVersionTagging"];
        let input = request.input;
        let opened = self.open_for(&visit, &input.key, input.version_id.as_deref(), actions).await?;
        let tags = of_set(input.tagging.tag_set, MOST_OF_OBJECT)?;
        let action = actions[usize::from(input.version_id.is_some())];
        visit.ask_with(action, Some(&input.key), |keys| {
            existing_tags(keys, &opened.version.tags);
            request_tags(keys, &tags);
        })?;
        let version_id = self.set_object_tags(&visit, &opened, tags).await?;
        Ok(S3Response::new(PutObjectTaggingOutput { version_id }))
    }

    pub(super) async fn delete_object_tagging(
        &self,
        request: S3Request<DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let actions = ["s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"];
        let input = &request.input;
        let opened = self.open_for(&visit, &input.key, input.version_id.as_deref(), actions).await?;
        let version_id = self.set_object_tags(&visit, &opened, Tags::new()).await?;
        Ok(S3Response::new(DeleteObjectTaggingOutput { version_id }))
    }

    async fn set_object_tags(&self, visit: &Visit, opened: &Opened, tags: Tags) -> S3Result<Option<String>> {
        let id = opened.version.id;
        self.store.write(move |change| change.set_tags(id, &tags)).await?;
        Ok(shown_version(visit, &opened.version))
    }

    pub(super) async fn get_bucket_tagging(
        &self,
        request: S3Request<GetBucketTaggingInput>,
    ) -> S3Result<S3Response<GetBucketTaggingOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:GetBucketTagging")?;
        let tags = visit.bucket.settings.tags.clone();
        let tags = tags.ok_or_else(|| s3_error!(NoSuchTagSet, "The TagSet does not exist"))?;
        Ok(S3Response::new(GetBucketTaggingOutput { tag_set: to_set(tags) }))
    }

    pub(super) async fn put_bucket_tagging(
        &self,
        request: S3Request<PutBucketTaggingInput>,
    ) -> S3Result<S3Response<PutBucketTaggingOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:PutBucketTagging")?;
        let tags = of_set(request.input.tagging.tag_set, MOST_OF_BUCKET)?;
        self.store.set(&visit.bucket.name, move |settings| settings.tags = Some(tags)).await?;
        Ok(S3Response::new(PutBucketTaggingOutput::default()))
    }

    pub(super) async fn delete_bucket_tagging(
        &self,
        request: S3Request<DeleteBucketTaggingInput>,
    ) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        visit.ask("s3:PutBucketTagging")?;
        self.store.set(&visit.bucket.name, |settings| settings.tags = None).await?;
        Ok(S3Response::new(DeleteBucketTaggingOutput::default()))
    }
}

/// `x-amz-tagging`: `key=value&…`, encoded as in a query.
pub(super) fn of_header(header: Option<&str>) -> S3Result<Tags> {
    let pairs = header.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| super::super::host::decode(&text.replace('+', " "));
        (decode(key), decode(value))
    });
    checked(pairs.collect(), MOST_OF_OBJECT)
}

fn of_set(set: TagSet, most: usize) -> S3Result<Tags> {
    let pairs = set.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()));
    checked(pairs.collect(), most)
}

fn to_set(tags: Tags) -> TagSet {
    tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) }).collect()
}

fn checked(tags: Tags, most: usize) -> S3Result<Tags> {
    if tags.len() > most {
        let what = if most == MOST_OF_OBJECT { "Object" } else { "Bucket" };
        let message = format!("{what} tags cannot be greater than {most}");
        return Err(named("BadRequest", StatusCode::BAD_REQUEST, message));
    }
    let mut seen = BTreeSet::new();
    for (key, value) in &tags {
        let allowed =
            |text: &str| text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c));
        if key.is_empty() || key.chars().count() > 128 || !allowed(key) {
            return Err(s3_error!(InvalidTag, "The TagKey you have provided is invalid"));
        }
        if value.chars().count() > 256 || !allowed(value) {
            return Err(s3_error!(InvalidTag, "The TagValue you have provided is invalid"));
        }
        if key.starts_with("aws:") {
            return Err(s3_error!(InvalidTag, "System tags cannot be added/updated by requester"));
        }
        if !seen.insert(key) {
            return Err(s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(tags)
}
