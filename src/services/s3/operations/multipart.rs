//! Uploads in parts: begin, add, copy, abort, list; [`super::complete`] ends them.

use s3s::s3_error;

use super::super::checksum::{Algorithm, put_sum};
use super::super::condition::{source_conditions, timestamp};
use super::super::gate::{Visit, Visitor};
use super::super::incoming::{self, Expected, LARGEST};
use super::super::keys::check_key;
use super::super::store::listing;
use super::super::store::rows::Facts;
use super::super::store::uploads::{self, Begun, Part as StoredPart, Upload};
use super::copy::{digests, is_still_there};
use super::list::{Code, ask_to_list, canonical_id, most, owner, prefixes, query};
use super::tagging;
use super::write::{DEFAULT_ALGORITHM, ask_to_write, facts, refuse};
use super::*;

/// The highest number of a part.
const MOST_PARTS: i32 = 10_000;

impl Operations {
    pub(super) async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let S3Request { mut input, headers, extensions, .. } = request;
        check_key(&input.key)?;
        let tags = tagging::of_header(input.tagging.as_deref())?;
        ask_to_write(&visit, &input.key, &tags, &headers)?;
        refuse(&headers)?;
        let (algorithm, composite) = chosen(input.checksum_algorithm.as_ref(), input.checksum_type.as_ref())?;
        let object = facts!(input, extensions)?;
        let initiator = visit.visitor.account().unwrap_or("anonymous").to_owned();
        let begun = Begun { object, tags, algorithm, composite, initiator };
        let (bucket, key) = (visit.bucket.name.clone(), input.key.clone());
        let upload_id = self
            .store
            .write(move |change| {
                let bucket = change.bucket(&bucket)?;
                change.begin_upload(&bucket, &key, &begun)
            })
            .await?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload_id),
            checksum_algorithm: algorithm.map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name())),
            checksum_type: algorithm.map(|_| type_of(composite)),
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            ..Default::default()
        }))
    }

    pub(super) async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let S3Request { mut input, headers, extensions, .. } = request;
        visit.ask_with("s3:PutObject", Some(&input.key), |_| {})?;
        let number = part_number(input.part_number)?;
        let upload = self.upload(&visit, &input.key, &input.upload_id).await?;
        let expected = Expected::of(&headers, &extensions, input.content_length)?;
        if let (Some(begun), Some(given)) = (upload.begun.algorithm, expected.algorithm()) {
            same_kind(begun, given)?;
        }
        let kept = upload.begun.algorithm.unwrap_or(DEFAULT_ALGORITHM);
        let received = incoming::receive(&self.store, input.body.take(), expected, kept).await?;
        let (etag, pieces, size) = (received.etag(), received.pieces(), received.size);
        let (sum, tag) = (received.sum.clone(), etag.clone());
        let (bucket, key) = (visit.bucket.id, input.key);
        self.store
            .write(move |change| {
                let upload = uploads::find(&change.tx, bucket, &key, &upload.upload_id)?;
                change.put_part(upload.id, number, size, &tag, Some(&sum), &pieces)
            })
            .await?;
        let mut output = UploadPartOutput {
            e_tag: Some(ETag::Strong(etag)),
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            ..Default::default()
        };
        put_sum!(output, &Some(received.sum.clone()));
        received.keep();
        Ok(S3Response::new(output))
    }

    pub(super) async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let visitor = Visitor::of(&request)?;
        let input = request.input;
        visit.ask_with("s3:PutObject", Some(&input.key), |_| {})?;
        let number = part_number(input.part_number)?;
        let source = self.source(visitor, &visit, &input.copy_source, &source_conditions!(input)).await?;
        let upload = self.upload(&visit, &input.key, &input.upload_id).await?;
        let range = copied_range(input.copy_source_range.as_deref(), source.opened.version.size)?;
        let kept = upload.begun.algorithm.unwrap_or(DEFAULT_ALGORITHM);
        let digests = digests(&source, &range, Some(kept)).await?;
        let (from, pieces) = source.pieces(&range);
        let (bucket, key, size) = (visit.bucket.id, input.key, range.end - range.start);
        let (tag, sum) = (digests.md5.clone(), digests.sum.clone());
        let at = self
            .store
            .write(move |change| {
                is_still_there(change, from)?;
                let upload = uploads::find(&change.tx, bucket, &key, &upload.upload_id)?;
                change.put_part(upload.id, number, size, &tag, Some(&sum), &pieces)?;
                Ok(change.now)
            })
            .await?;
        let mut result = CopyPartResult {
            e_tag: Some(ETag::Strong(digests.md5)),
            last_modified: Some(timestamp(at)),
            ..Default::default()
        };
        put_sum!(result, &Some(digests.sum));
        Ok(S3Response::new(UploadPartCopyOutput {
            copy_part_result: Some(result),
            copy_source_version_id: source.version_id(),
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            ..Default::default()
        }))
    }

    pub(super) async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let input = request.input;
        visit.ask_with("s3:AbortMultipartUpload", Some(&input.key), |_| {})?;
        let (bucket, key, upload_id) = (visit.bucket.id, input.key, input.upload_id);
        self.store
            .write(move |change| {
                let upload = uploads::find(&change.tx, bucket, &key, &upload_id)?;
                change.remove_upload(upload.id)
            })
            .await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    pub(super) async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let input = request.input;
        visit.ask_with("s3:ListMultipartUploadParts", Some(&input.key), |_| {})?;
        let upload = self.upload(&visit, &input.key, &input.upload_id).await?;
        let most = most(input.max_parts)?;
        let after = input.part_number_marker.unwrap_or(0);
        let (id, from, limit) = (upload.id, u32::try_from(after).unwrap_or(0), usize::try_from(most).unwrap_or(0));
        let mut parts = self.store.read(move |_, index| uploads::parts(index, id, from, limit + 1)).await?;
        let truncated = parts.len() > limit;
        parts.truncate(limit);
        let shown = |part: &StoredPart| {
            let mut listed = Part {
                e_tag: Some(ETag::Strong(part.etag.clone())),
                last_modified: Some(timestamp(part.modified)),
                part_number: Some(part.number.cast_signed()),
                size: Some(part.size.cast_signed()),
                ..Default::default()
            };
            put_sum!(listed, &part.sum);
            listed
        };
        let begun = &upload.begun;
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            checksum_algorithm: begun.algorithm.map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name())),
            checksum_type: begun.algorithm.map(|_| type_of(begun.composite)),
            initiator: Some(initiator(begun)),
            is_truncated: Some(truncated),
            key: Some(input.key),
            max_parts: Some(most),
            next_part_number_marker: parts.last().map(|part| part.number.cast_signed()),
            owner: Some(owner(&visit.bucket.account)),
            part_number_marker: Some(after),
            parts: Some(parts.iter().map(shown).collect()),
            storage_class: Some(class(&begun.object)),
            upload_id: Some(input.upload_id),
            ..Default::default()
        }))
    }

    pub(super) async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let input = request.input;
        let (prefix, delimiter) = (input.prefix.as_deref(), input.delimiter.as_deref());
        ask_to_list(&visit, "s3:ListBucketMultipartUploads", prefix, delimiter, None)?;
        let code = Code::of(input.encoding_type.as_ref())?;
        let most = most(input.max_uploads)?;
        let mut query = query(input.prefix.clone(), input.delimiter.clone(), input.key_marker.clone(), most);
        query.after_id = input.upload_id_marker.clone().filter(|_| query.after.is_some());
        let bucket = visit.bucket.id;
        let page = self.store.read(move |_, index| listing::all_uploads(index, bucket, &query)).await?;
        let last_id = page.last.as_ref().filter(|last| page.common_prefixes.last() != Some(last));
        let last_id = last_id.and(page.entries.last()).map(|upload| upload.upload_id.clone());
        let owner = owner(&visit.bucket.account);
        let common_prefixes = prefixes(&page, code);
        let shown = |upload: Upload| MultipartUpload {
            checksum_algorithm: upload.begun.algorithm.map(|kind| ChecksumAlgorithm::from_static(kind.name())),
            checksum_type: upload.begun.algorithm.map(|_| type_of(upload.begun.composite)),
            initiated: Some(timestamp(upload.initiated)),
            initiator: Some(initiator(&upload.begun)),
            storage_class: Some(class(&upload.begun.object)),
            key: Some(code.write(upload.key)),
            owner: Some(owner.clone()),
            upload_id: Some(upload.upload_id),
        };
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            common_prefixes,
            delimiter: input.delimiter.map(|delimiter| code.write(delimiter)),
            encoding_type: input.encoding_type,
            is_truncated: Some(page.truncated),
            key_marker: Some(code.write(input.key_marker.unwrap_or_default())),
            max_uploads: Some(most),
            next_key_marker: page.last.map(|last| code.write(last)),
            next_upload_id_marker: last_id,
            prefix: Some(code.write(input.prefix.unwrap_or_default())),
            request_charged: None,
            upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
            uploads: Some(page.entries.into_iter().map(shown).collect()),
        }))
    }

    async fn upload(&self, visit: &Visit, key: &str, upload_id: &str) -> S3Result<Upload> {
        let (bucket, key, upload_id) = (visit.bucket.id, key.to_owned(), upload_id.to_owned());
        self.store.read(move |_, index| uploads::find(index, bucket, &key, &upload_id)).await
    }
}

/// Kind of checksum, and whether it is composite.
fn chosen(algorithm: Option<&ChecksumAlgorithm>, kind: Option<&ChecksumType>) -> S3Result<(Option<Algorithm>, bool)> {
    let Some(name) = algorithm else {
        return match kind {
            None => Ok((None, false)),
            Some(_) => Err(s3_error!(
                InvalidRequest,
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            )),
        };
    };
    let algorithm = Algorithm::named(name.as_str()).ok_or_else(|| {
        s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
    })?;
    let composite = match kind.map(ChecksumType::as_str) {
        None => algorithm != Algorithm::Crc64Nvme,
        Some(kind) => kind == ChecksumType::COMPOSITE,
    };
    let possible = if composite { algorithm != Algorithm::Crc64Nvme } else { algorithm.is_crc() };
    if !possible {
        let (kind, name) = (type_of(composite), algorithm.name().to_ascii_lowercase());
        return Err(s3_error!(
            InvalidRequest,
            "The {} checksum type cannot be used with the {name} checksum algorithm.",
            kind.as_str()
        ));
    }
    Ok((Some(algorithm), composite))
}

fn same_kind(begun: Algorithm, given: Algorithm) -> S3Result<()> {
    if begun == given {
        return Ok(());
    }
    let (begun, given) = (begun.name().to_ascii_lowercase(), given.name().to_ascii_lowercase());
    Err(s3_error!(
        InvalidRequest,
        "Checksum Type mismatch occurred, expected checksum Type: {begun}, actual checksum Type: {given}"
    ))
}

pub(super) fn type_of(composite: bool) -> ChecksumType {
    ChecksumType::from_static(if composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT })
}

fn part_number(number: i32) -> S3Result<u32> {
    let number = u32::try_from(number).ok().filter(|number| (1..=MOST_PARTS.cast_unsigned()).contains(number));
    number.ok_or_else(|| s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"))
}

/// `bytes=FIRST-LAST`, both there and inside of the source.
fn copied_range(range: Option<&str>, size: u64) -> S3Result<std::ops::Range<u64>> {
    let Some(range) = range else {
        return if size <= LARGEST {
            Ok(0..size)
        } else {
            Err(s3_error!(
                InvalidRequest,
                "The specified copy source is larger than the maximum allowable size for a copy source: {LARGEST}"
            ))
        };
    };
    let bounds = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let bounds = bounds.and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
    let (first, last) = bounds.filter(|(first, last)| first <= last).ok_or_else(|| {
        s3_error!(InvalidArgument, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
    })?;
    if last >= size || last - first >= LARGEST {
        return Err(s3_error!(InvalidArgument, "Range specified is not valid for source object of size: {size}"));
    }
    Ok(first..last + 1)
}

fn initiator(begun: &Begun) -> Initiator {
    Initiator { display_name: None, id: Some(canonical_id(&begun.initiator)) }
}

fn class(facts: &Facts) -> StorageClass {
    facts.storage_class.clone().unwrap_or_else(|| StorageClass::STANDARD.to_owned()).into()
}
