//! GetObject, HeadObject, GetObjectAttributes.

use std::ops::Range as Bytes;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use s3s::S3Error;
use s3s::dto::Range;
use s3s::s3_error;

use super::super::checksum::{Sum, put_sum};
use super::super::condition::{conditions, http_date, timestamp};
use super::super::gate::{Visit, existing_tags};
use super::super::seed::DEFAULT_CONTENT_TYPE;
use super::super::store::buckets::Versioning;
use super::super::store::read::{self, Opened};
use super::super::store::rows::Version;
use super::*;

/// The action of reading an object, with and without a version id.
const GET: [&str; 2] = ["s3:GetObject", "s3:GetObjectVersion"];

/// What of an object is asked for.
struct Asked {
    bytes: Bytes<u64>,
    /// Not the whole.
    partial: bool,
    sum: Option<Sum>,
}

/// Members that GetObject's and HeadObject's outputs have in common.
macro_rules! describe {
    ($output:expr, $visit:expr, $opened:expr, $asked:expr, $mode:expr) => {{
        let (version, asked) = (&$opened.version, &$asked);
        let facts = version.facts.clone();
        $output.accept_ranges = Some("bytes".to_owned());
        $output.cache_control = facts.cache_control;
        $output.content_disposition = facts.content_disposition;
        $output.content_encoding = facts.content_encoding;
        $output.content_language = facts.content_language;
        $output.content_length = Some((asked.bytes.end - asked.bytes.start).cast_signed());
        $output.content_type = Some(facts.content_type.unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned()));
        $output.content_range = asked
            .partial
            .then(|| format!("bytes {}-{}/{}", asked.bytes.start, asked.bytes.end.max(1) - 1, version.size));
        $output.e_tag = Some(ETag::Strong(version.etag.clone()));
        $output.last_modified = Some(timestamp(version.modified));
        $output.metadata = Some(facts.user.into_iter().collect());
        $output.server_side_encryption = Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256));
        $output.storage_class = facts.storage_class.map(StorageClass::from);
        $output.version_id = shown_version(&$visit, version);
        $output.website_redirect_location = facts.website_redirect_location;
        if $mode.as_ref().is_some_and(|mode: &ChecksumMode| mode.as_str() == ChecksumMode::ENABLED) {
            put_sum!($output, &asked.sum);
            $output.checksum_type = asked.sum.as_ref().map(checksum_type);
        }
    }};
}

impl Operations {
    pub(super) async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let input = &request.input;
        let version_id = input.version_id.as_deref();
        let opened = self.open_for(&visit, &input.key, version_id, GET).await?;
        let overrides = [
            input.response_cache_control.is_some(),
            input.response_content_disposition.is_some(),
            input.response_content_encoding.is_some(),
            input.response_content_language.is_some(),
            input.response_content_type.is_some(),
            input.response_expires.is_some(),
        ];
        if overrides.contains(&true) && visit.visitor.session.access_key_id.is_none() {
            let message = "Request specific response headers cannot be used for anonymous GET requests.";
            return Err(s3_error!(InvalidRequest, "{message}"));
        }
        conditions!(input).check(&opened.version)?;
        not_archived(&opened.version)?;
        let asked = asked(&opened, input.range, input.part_number)?;
        let mut output = GetObjectOutput::default();
        describe!(output, visit, opened, asked, input.checksum_mode);
        output.parts_count = input.part_number.and(opened.version.facts.parts).map(|parts| parts.cast_signed());
        let tags = opened.version.tags.len();
        output.tag_count = i32::try_from(tags).ok().filter(|count| *count > 0);
        output.body = Some(opened.bytes(&asked.bytes).await?);
        Ok(S3Response::with_headers(output, more_headers(&opened.version)))
    }

    pub(super) async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let input = &request.input;
        let opened = self.open_for(&visit, &input.key, input.version_id.as_deref(), GET).await?;
        conditions!(input).check(&opened.version)?;
        let asked = asked(&opened, input.range, input.part_number)?;
        let mut output = HeadObjectOutput::default();
        describe!(output, visit, opened, asked, input.checksum_mode);
        output.parts_count = input.part_number.and(opened.version.facts.parts).map(|parts| parts.cast_signed());
        Ok(S3Response::with_headers(output, more_headers(&opened.version)))
    }

    pub(super) async fn get_object_attributes(
        &self,
        request: S3Request<GetObjectAttributesInput>,
    ) -> S3Result<S3Response<GetObjectAttributesOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let input = &request.input;
        let version_id = input.version_id.as_deref();
        let opened = self.open_for(&visit, &input.key, version_id, GET).await?;
        let more = ["s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"][usize::from(version_id.is_some())];
        visit.ask_with(more, Some(&input.key), |keys| existing_tags(keys, &opened.version.tags))?;
        // Clients send one header with commas, or one for each.
        let wanted: Vec<&str> =
            input.object_attributes.iter().flat_map(|name| name.as_str().split(',')).map(str::trim).collect();
        let wants = |name: &str| wanted.contains(&name);
        let version = &opened.version;
        let mut output = GetObjectAttributesOutput {
            e_tag: wants("ETag").then(|| ETag::Strong(version.etag.clone())),
            last_modified: Some(timestamp(version.modified)),
            object_size: wants("ObjectSize").then_some(version.size.cast_signed()),
            version_id: shown_version(&visit, version),
            ..Default::default()
        };
        if wants("StorageClass") {
            let class = version.facts.storage_class.clone().unwrap_or_else(|| StorageClass::STANDARD.to_owned());
            output.storage_class = Some(class.into());
        }
        if let Some(sum) = version.facts.sum.as_ref().filter(|_| wants("Checksum")) {
            let mut checksum = Checksum { checksum_type: Some(checksum_type(sum)), ..Default::default() };
            let plain = plain(sum);
            put_sum!(checksum, &Some(plain));
            output.checksum = Some(checksum);
        }
        if wants("ObjectParts") && version.facts.parts.is_some() {
            let after = input.part_number_marker.unwrap_or(0);
            output.object_parts = Some(parts(&opened, after, input.max_parts.unwrap_or(1000)));
        }
        Ok(S3Response::new(output))
    }

    /// Finds an object for somebody who may read it.
    pub(super) async fn open_for(
        &self,
        visit: &Visit,
        key: &str,
        version_id: Option<&str>,
        actions: [&'static str; 2],
    ) -> S3Result<Opened> {
        check_version_id(version_id)?;
        let (bucket, owned_key, wanted) = (visit.bucket.id, key.to_owned(), version_id.map(str::to_owned));
        let found = self
            .store
            .read(move |store, index| read::open(store, index, bucket, &owned_key, wanted.as_deref()))
            .await?;
        let action = actions[usize::from(version_id.is_some())];
        visit.ask_with(action, Some(key), |keys| {
            if let Some(version_id) = version_id {
                keys.set("s3:VersionId", version_id);
            }
            if let Some(opened) = &found {
                existing_tags(keys, &opened.version.tags);
            }
        })?;
        match found {
            Some(opened) if !opened.version.marker => Ok(opened),
            Some(opened) => Err(is_deleted(visit, &opened.version, version_id.is_some())),
            None if version_id.is_some() => Err(visit.missing(s3_error!(NoSuchVersion))),
            None => Err(visit.missing(s3_error!(NoSuchKey))),
        }
    }
}

/// The answer to whoever reads a delete marker.
fn is_deleted(visit: &Visit, marker: &Version, by_id: bool) -> S3Error {
    let mut error = if by_id { s3_error!(MethodNotAllowed) } else { visit.missing(s3_error!(NoSuchKey)) };
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    if let Ok(version_id) = HeaderValue::from_str(&marker.version_id) {
        headers.insert("x-amz-version-id", version_id);
    }
    if by_id {
        headers.insert(header::ALLOW, HeaderValue::from_static("DELETE"));
        headers.insert(header::LAST_MODIFIED, http_date(marker.modified));
    }
    error.set_headers(headers);
    error
}

/// The stretch of an object that a range or a part number asks for.
fn asked(opened: &Opened, range: Option<Range>, part: Option<i32>) -> S3Result<Asked> {
    let (size, sum) = (opened.version.size, opened.version.facts.sum.clone());
    match (range, part) {
        (None, None) => Ok(Asked { bytes: 0..size, partial: false, sum }),
        (Some(_), Some(_)) => {
            Err(s3_error!(InvalidRequest, "Cannot specify both Range header and partNumber query parameter"))
        }
        (Some(range), None) => {
            let bytes = range.check(size).map_err(|_| {
                let mut error = s3_error!(InvalidRange);
                let mut headers = HeaderMap::new();
                if let Ok(whole) = HeaderValue::from_str(&format!("bytes */{size}")) {
                    headers.insert(header::CONTENT_RANGE, whole);
                }
                error.set_headers(headers);
                error
            })?;
            Ok(Asked { bytes, partial: true, sum: None })
        }
        (None, Some(number)) => part_of(opened, number),
    }
}

fn part_of(opened: &Opened, number: i32) -> S3Result<Asked> {
    let number = u32::try_from(number).ok().filter(|number| (1..=10_000).contains(number));
    let number = number
        .ok_or_else(|| s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"))?;
    if opened.segments.is_empty() && number == 1 {
        let sum = opened.version.facts.sum.clone();
        return Ok(Asked { bytes: 0..opened.version.size, partial: opened.version.size > 0, sum });
    }
    // Part numbers may have gaps while an upload is under way; the parts of an object count from 1.
    let mut start = 0;
    for (place, segment) in (1..).zip(&opened.segments) {
        if place == number {
            let bytes = start..start + segment.size;
            return Ok(Asked { partial: segment.size > 0, bytes, sum: segment.sum.clone() });
        }
        start += segment.size;
    }
    let message = "The requested partnumber is not satisfiable";
    Err(named("InvalidPartNumber", StatusCode::RANGE_NOT_SATISFIABLE, message))
}

/// An error whose code s3s has no name for.
pub(super) fn named(code: &str, status: StatusCode, message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    let code = s3s::S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(s3s::S3ErrorCode::InternalError);
    let mut error = S3Error::with_message(code, message);
    error.set_status_code(status);
    error
}

fn parts(opened: &Opened, after: i32, most: i32) -> GetObjectAttributesParts {
    let (after, most) = (u32::try_from(after).unwrap_or(0), usize::try_from(most).unwrap_or(0).min(1000));
    let numbered = (1u32..).zip(&opened.segments).filter(|(number, _)| *number > after);
    let shown: Vec<_> = numbered.clone().take(most).collect();
    let more = numbered.count() > shown.len();
    let last = shown.last().map(|(number, _)| number.cast_signed());
    let has_sums = shown.iter().any(|(_, segment)| segment.sum.is_some());
    let listed = shown.into_iter().map(|(number, segment)| {
        let mut part = ObjectPart {
            part_number: Some(number.cast_signed()),
            size: Some(segment.size.cast_signed()),
            ..Default::default()
        };
        put_sum!(part, &segment.sum);
        part
    });
    GetObjectAttributesParts {
        is_truncated: Some(more),
        max_parts: Some(i32::try_from(most).unwrap_or(i32::MAX)),
        next_part_number_marker: last,
        part_number_marker: Some(after.cast_signed()),
        // S3 lists parts only where they have checksums of their own.
        parts: has_sums.then(|| listed.collect()),
        total_parts_count: i32::try_from(opened.segments.len()).ok(),
    }
}

/// A composite checksum without the number of parts behind it.
fn plain(sum: &Sum) -> Sum {
    let value = sum.value.split('-').next().unwrap_or_default().to_owned();
    Sum { value, ..sum.clone() }
}

pub(super) fn checksum_type(sum: &Sum) -> ChecksumType {
    ChecksumType::from_static(if sum.composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT })
}

/// The version id that answers show: none where the bucket never had versions.
pub(super) fn shown_version(visit: &Visit, version: &Version) -> Option<String> {
    (visit.bucket.settings.versioning != Versioning::Off).then(|| version.version_id.clone())
}

/// `Expires` comes back as it was written, which need not be a date.
fn more_headers(version: &Version) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let expires = version.facts.expires.as_ref().and_then(|expires| HeaderValue::from_str(expires).ok());
    if let Some(expires) = expires {
        headers.insert(header::EXPIRES, expires);
    }
    headers
}

fn not_archived(version: &Version) -> S3Result<()> {
    match version.facts.storage_class.as_deref() {
        Some("GLACIER" | "DEEP_ARCHIVE") => {
            Err(s3_error!(InvalidObjectState, "The operation is not valid for the object's storage class"))
        }
        _ => Ok(()),
    }
}

/// S3 knows its own version ids from what can't be one.
pub(super) fn check_version_id(version_id: Option<&str>) -> S3Result<()> {
    let Some(version_id) = version_id else { return Ok(()) };
    let is_one = version_id.len() == 32
        && version_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if is_one || version_id == "null" {
        Ok(())
    } else {
        Err(s3_error!(InvalidArgument, "Invalid version id specified"))
    }
}
