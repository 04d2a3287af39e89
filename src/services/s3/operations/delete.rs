//! DeleteObject, DeleteObjects.

use s3s::{S3Error, s3_error};

use super::super::condition::WriteConditions;
use super::super::gate::{Visit, existing_tags};
use super::super::keys::leads_out;
use super::super::store::versions::{self, Deleted};
use super::read::check_version_id;
use super::*;

/// Objects that one DeleteObjects may name.
const MOST: usize = 1000;

impl Operations {
    pub(super) async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let input = request.input;
        if input.if_match_last_modified_time.is_some() || input.if_match_size.is_some() {
            return Err(s3_error!(
                NotImplemented,
                "vpclab's S3 knows If-Match alone of the conditions of DeleteObject."
            ));
        }
        let conditions = WriteConditions::new(input.if_match, None)?;
        let deleted = self.delete_one(&visit, input.key, input.version_id, conditions).await?;
        Ok(S3Response::new(DeleteObjectOutput {
            delete_marker: deleted.marker.then_some(true),
            version_id: deleted.version_id,
            request_charged: None,
        }))
    }

    pub(super) async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let Delete { objects, quiet } = request.input.delete;
        if objects.is_empty() || objects.len() > MOST {
            return Err(s3_error!(MalformedXML));
        }
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in objects {
            let (key, version_id) = (object.key, object.version_id);
            let etag = object.e_tag.map(ETagCondition::ETag);
            let conditions = WriteConditions::new(etag, None)?;
            match self.delete_one(&visit, key.clone(), version_id.clone(), conditions).await {
                Ok(done) => deleted.push(DeletedObject {
                    delete_marker: done.marker.then_some(true),
                    delete_marker_version_id: done.version_id.filter(|_| done.marker),
                    key: Some(key),
                    version_id,
                }),
                Err(error) => errors.push(entry(key, version_id, &error)),
            }
        }
        let deleted = (quiet != Some(true)).then_some(deleted);
        Ok(S3Response::new(DeleteObjectsOutput { deleted, errors: Some(errors), request_charged: None }))
    }

    async fn delete_one(
        &self,
        visit: &Visit,
        key: String,
        version_id: Option<String>,
        conditions: WriteConditions,
    ) -> S3Result<Deleted> {
        if leads_out(&key) {
            return Err(s3_error!(InvalidURI, "Couldn't parse the specified URI."));
        }
        check_version_id(version_id.as_deref())?;
        let (id, sought, wanted) = (visit.bucket.id, key.clone(), version_id.clone());
        let old = self.store.read(move |_, index| versions::find(index, id, &sought, wanted.as_deref())).await?;
        let action = if version_id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
        visit.ask_with(action, Some(&key), |keys| {
            if let Some(version_id) = &version_id {
                keys.set("s3:VersionId", version_id.clone());
            }
            if let Some(old) = &old {
                existing_tags(keys, &old.tags);
            }
        })?;
        let bucket = visit.bucket.name.clone();
        self.store
            .write(move |change| {
                let bucket = change.bucket(&bucket)?;
                if !conditions.are_none() {
                    conditions.check(versions::find(&change.tx, bucket.id, &key, version_id.as_deref())?.as_ref())?;
                }
                match version_id {
                    Some(version_id) => change.delete_version(&bucket, &key, &version_id),
                    None => change.delete(&bucket, &key),
                }
            })
            .await
    }
}

fn entry(key: String, version_id: Option<String>, error: &S3Error) -> Error {
    let message =
        error.message().map_or_else(|| super::super::error::message(error.code().as_str()).to_owned(), str::to_owned);
    Error { code: Some(error.code().as_str().to_owned()), key: Some(key), message: Some(message), version_id }
}
