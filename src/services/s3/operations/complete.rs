//! CompleteMultipartUpload: parts become an object.

use md5::{Digest, Md5};
use s3s::s3_error;

use super::super::checksum::{self, Algorithm, Sum, put_sum, sum_in};
use super::super::condition::WriteConditions;
use super::super::gate::Visit;
use super::super::incoming::hex;
use super::super::store::buckets::Versioning;
use super::super::store::rows::{Facts, Segment, Version};
use super::super::store::uploads::{self, Part as StoredPart, Upload};
use super::super::store::versions::{self, NewVersion};
use super::list::Code;
use super::multipart::type_of;
use super::read::checksum_type;
use super::write::{DEFAULT_ALGORITHM, check_now};
use super::*;

/// Bytes of every part but the last.
const SMALLEST: u64 = 5 << 20;

impl Operations {
    pub(super) async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let mut input = request.input;
        visit.ask_with("s3:PutObject", Some(&input.key), |_| {})?;
        let conditions = WriteConditions::new(input.if_match.take(), input.if_none_match.take())?;
        let given = sum_in!(input);
        let listed = input.multipart_upload.take().and_then(|upload| upload.parts).unwrap_or_default();
        if listed.is_empty() {
            return Err(s3_error!(MalformedXML));
        }
        let whole = Whole { listed, given, size: input.mpu_object_size, kind: input.checksum_type.take() };
        let (bucket, key, upload_id) = (visit.bucket.name.clone(), input.key.clone(), input.upload_id.clone());
        let (version, versioned) = self
            .store
            .write(move |change| {
                let bucket = change.bucket(&bucket)?;
                let versioned = bucket.settings.versioning != Versioning::Off;
                if let Some(done) = uploads::completed(&change.tx, bucket.id, &key, &upload_id)? {
                    return Ok((whole.is(done)?, versioned));
                }
                let upload = uploads::find(&change.tx, bucket.id, &key, &upload_id)?;
                check_now(change, &bucket, &key, &conditions)?;
                let parts = uploads::parts(&change.tx, upload.id, 0, usize::MAX)?;
                let chosen = whole.choose(&upload, &parts)?;
                let new = whole.object(&upload, &chosen)?;
                let version_id = change.complete_upload(&bucket, &upload, &chosen, new)?;
                let made = versions::find(&change.tx, bucket.id, &key, Some(&version_id))?;
                Ok((made.ok_or_else(|| s3_error!(InternalError))?, versioned))
            })
            .await?;
        let host = format!("{}.s3.{}.amazonaws.com", visit.bucket.name, visit.bucket.region);
        let mut output = CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            location: Some(format!("https://{host}/{}", Code::Url.write(input.key.clone()))),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(version.etag)),
            server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
            version_id: versioned.then_some(version.version_id),
            checksum_type: version.facts.sum.as_ref().map(checksum_type),
            ..Default::default()
        };
        put_sum!(output, &version.facts.sum);
        Ok(S3Response::new(output))
    }
}

/// What CompleteMultipartUpload says of the object.
struct Whole {
    listed: Vec<CompletedPart>,
    /// Checksum of the object.
    given: Option<(Algorithm, String)>,
    size: Option<i64>,
    kind: Option<ChecksumType>,
}

impl Whole {
    /// The parts that are listed, in order, if they are there and large enough.
    fn choose(&self, upload: &Upload, parts: &[StoredPart]) -> S3Result<Vec<StoredPart>> {
        let mut chosen: Vec<StoredPart> = Vec::with_capacity(self.listed.len());
        for listed in &self.listed {
            let number = listed.part_number.unwrap_or_default();
            if chosen.last().is_some_and(|last| i64::from(last.number) >= i64::from(number)) {
                return Err(s3_error!(InvalidPartOrder));
            }
            let place = parts.binary_search_by_key(&i64::from(number), |part| i64::from(part.number));
            let etag = listed.e_tag.as_ref().map(ETag::value);
            let part = place
                .ok()
                .map(|place| &parts[place])
                .filter(|part| etag == Some(part.etag.as_str()))
                .ok_or_else(invalid_part)?;
            self.check_part(upload, listed, part)?;
            chosen.push(part.clone());
        }
        let but_last = chosen.split_last().map_or(&[][..], |(_, others)| others);
        if but_last.iter().any(|part| part.size < SMALLEST) {
            return Err(s3_error!(EntityTooSmall, "Your proposed upload is smaller than the minimum allowed size"));
        }
        Ok(chosen)
    }

    fn check_part(&self, upload: &Upload, listed: &CompletedPart, part: &StoredPart) -> S3Result<()> {
        match (sum_in!(listed), &part.sum) {
            (Some((algorithm, value)), Some(sum)) if algorithm == sum.algorithm => {
                if value == sum.value {
                    Ok(())
                } else {
                    Err(invalid_part())
                }
            }
            // A checksum of a kind that was not kept was compared when the part came.
            (Some(_), _) => Ok(()),
            (None, _) => match upload.begun.algorithm.filter(|_| upload.begun.composite) {
                None => Ok(()),
                Some(algorithm) => {
                    let (name, number) = (algorithm.name().to_ascii_lowercase(), part.number);
                    Err(s3_error!(
                        InvalidRequest,
                        "The upload was created using a {name} checksum. The complete request must include the checksum for each part. It was missing for part {number} in the request."
                    ))
                }
            },
        }
    }

    fn object(&self, upload: &Upload, chosen: &[StoredPart]) -> S3Result<NewVersion> {
        let begun = &upload.begun;
        let size = chosen.iter().map(|part| part.size).sum();
        if self.size.is_some_and(|said| u64::try_from(said) != Ok(size)) {
            return Err(s3_error!(
                InvalidRequest,
                "The provided 'x-amz-mp-object-size' header value {} does not match what was computed: {size}",
                self.size.unwrap_or_default()
            ));
        }
        if self.kind.as_ref().is_some_and(|kind| begun.algorithm.is_some() && *kind != type_of(begun.composite)) {
            return Err(s3_error!(
                InvalidRequest,
                "The upload was created using another checksum type than the complete request says."
            ));
        }
        let kept = begun.algorithm.unwrap_or(DEFAULT_ALGORITHM);
        let sums: Option<Vec<(String, u64)>> =
            chosen.iter().map(|part| Some((part.sum.as_ref()?.value.clone(), part.size))).collect();
        let sum = sums.and_then(|sums| checksum::of_parts(kept, begun.composite, &sums));
        self.check_sum(sum.as_ref())?;
        let facts = Facts { sum, parts: u32::try_from(chosen.len()).ok(), ..begun.object.clone() };
        let segment = |part: &StoredPart| Segment {
            number: part.number,
            size: part.size,
            // S3 keeps the parts' checksums only where the client chose to have them.
            sum: part.sum.clone().filter(|_| begun.algorithm.is_some()),
        };
        Ok(NewVersion {
            key: upload.key.clone(),
            size,
            etag: etag(chosen.iter().map(|part| part.etag.as_str())),
            facts,
            tags: begun.tags.clone(),
            pieces: Vec::new(),
            segments: chosen.iter().map(segment).collect(),
        })
    }

    /// Compares the object's checksum with what the client says; a composite one with or without the number of parts.
    fn check_sum(&self, sum: Option<&Sum>) -> S3Result<()> {
        let (Some((algorithm, value)), Some(sum)) = (&self.given, sum) else { return Ok(()) };
        let same = *value == sum.value || sum.composite && sum.value.split('-').next() == Some(value);
        if *algorithm != sum.algorithm || same {
            return Ok(());
        }
        let name = algorithm.name();
        Err(s3_error!(BadDigest, "The {name} you specified did not match the calculated checksum."))
    }

    /// Whether a completed upload is what is asked for again.
    fn is(&self, done: Version) -> S3Result<Version> {
        let tags = self.listed.iter().map(|part| part.e_tag.as_ref().map_or("", ETag::value));
        if etag(tags) == done.etag { Ok(done) } else { Err(s3_error!(NoSuchUpload)) }
    }
}

fn invalid_part() -> s3s::S3Error {
    s3_error!(
        InvalidPart,
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
    )
}

/// MD5 of the parts' MD5s, and how many.
fn etag<'a>(parts: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = parts.len();
    let mut md5 = Md5::new();
    for part in parts {
        let bytes: Vec<u8> = (0..part.len() / 2)
            .map(|at| part.get(at * 2..at * 2 + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(0))
            .collect();
        md5.update(&bytes);
    }
    format!("{}-{count}", hex(&md5.finalize()))
}
