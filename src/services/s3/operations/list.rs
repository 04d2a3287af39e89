//! ListObjects, ListObjectsV2, ListObjectVersions.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::s3_error;

use super::super::condition::timestamp;
use super::super::gate::Visit;
use super::super::store::listing::{self, Page, Query};
use super::super::store::rows::Version;
use super::read::checksum_type;
use super::*;

/// Keys of one answer.
const MOST: i32 = 1000;
/// What `encoding-type=url` leaves as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');

impl Operations {
    pub(super) async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let input = request.input;
        ask_to_list(&visit, "s3:ListBucket", input.prefix.as_deref(), input.delimiter.as_deref(), input.max_keys)?;
        let code = Code::of(input.encoding_type.as_ref())?;
        let most = most(input.max_keys)?;
        let query = query(input.prefix.clone(), input.delimiter.clone(), input.marker.clone(), most);
        let bucket = visit.bucket.id;
        let page = self.store.read(move |_, index| listing::current(index, bucket, &query)).await?;
        let owner = owner(&visit.bucket.account);
        let output = ListObjectsOutput {
            name: Some(visit.bucket.name.clone()),
            prefix: Some(code.write(input.prefix.unwrap_or_default())),
            marker: Some(code.write(input.marker.unwrap_or_default())),
            max_keys: Some(most),
            is_truncated: Some(page.truncated),
            // Without a delimiter clients go on from the last key themselves.
            next_marker: page
                .last
                .clone()
                .filter(|_| page.truncated && input.delimiter.is_some())
                .map(|last| code.write(last)),
            common_prefixes: prefixes(&page, code),
            contents: Some(page.entries.into_iter().map(|version| object(version, code, Some(&owner))).collect()),
            delimiter: input.delimiter.map(|delimiter| code.write(delimiter)),
            encoding_type: input.encoding_type,
            request_charged: None,
        };
        Ok(S3Response::with_headers(output, region_header(&visit)))
    }

    pub(super) async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let input = request.input;
        ask_to_list(&visit, "s3:ListBucket", input.prefix.as_deref(), input.delimiter.as_deref(), input.max_keys)?;
        let code = Code::of(input.encoding_type.as_ref())?;
        let most = most(input.max_keys)?;
        let after = match &input.continuation_token {
            Some(token) => Some(read_token(token)?),
            None => input.start_after.clone(),
        };
        let query = query(input.prefix.clone(), input.delimiter.clone(), after, most);
        let bucket = visit.bucket.id;
        let page = self.store.read(move |_, index| listing::current(index, bucket, &query)).await?;
        let count = page.entries.len() + page.common_prefixes.len();
        let owner = owner(&visit.bucket.account);
        let owner = Some(&owner).filter(|_| input.fetch_owner == Some(true));
        let output = ListObjectsV2Output {
            name: Some(visit.bucket.name.clone()),
            prefix: Some(code.write(input.prefix.unwrap_or_default())),
            max_keys: Some(most),
            key_count: i32::try_from(count).ok(),
            continuation_token: input.continuation_token,
            is_truncated: Some(page.truncated),
            next_continuation_token: page.last.as_ref().filter(|_| page.truncated).map(|last| token(last)),
            common_prefixes: prefixes(&page, code),
            contents: Some(page.entries.into_iter().map(|version| object(version, code, owner)).collect()),
            delimiter: input.delimiter.map(|delimiter| code.write(delimiter)),
            encoding_type: input.encoding_type,
            start_after: input.start_after.map(|after| code.write(after)),
            request_charged: None,
        };
        Ok(S3Response::with_headers(output, region_header(&visit)))
    }

    pub(super) async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let visit = Visit::of(&self.store, &request, &request.input.bucket)?;
        let input = request.input;
        let (prefix, delimiter) = (input.prefix.as_deref(), input.delimiter.as_deref());
        ask_to_list(&visit, "s3:ListBucketVersions", prefix, delimiter, input.max_keys)?;
        let code = Code::of(input.encoding_type.as_ref())?;
        let most = most(input.max_keys)?;
        if input.version_id_marker.is_some() && input.key_marker.is_none() {
            return Err(s3_error!(InvalidArgument, "A version-id marker cannot be specified without a key marker."));
        }
        let mut query = query(input.prefix.clone(), input.delimiter.clone(), input.key_marker.clone(), most);
        query.after_id = input.version_id_marker.clone();
        let bucket = visit.bucket.id;
        let page = self.store.read(move |_, index| listing::all_versions(index, bucket, &query)).await?;
        let last_id = page.last.as_ref().filter(|last| page.common_prefixes.last() != Some(last));
        let last_id = last_id.and(page.entries.last()).map(|version| version.version_id.clone());
        let (next_key, common_prefixes) = (page.last.clone(), prefixes(&page, code));
        let owner = owner(&visit.bucket.account);
        let (markers, versions): (Vec<_>, Vec<_>) = page.entries.into_iter().partition(|version| version.marker);
        let output = ListObjectVersionsOutput {
            common_prefixes,
            delete_markers: Some(markers.into_iter().map(|version| marker(version, code, &owner)).collect()),
            delimiter: input.delimiter.map(|delimiter| code.write(delimiter)),
            encoding_type: input.encoding_type,
            is_truncated: Some(page.truncated),
            key_marker: Some(code.write(input.key_marker.unwrap_or_default())),
            max_keys: Some(most),
            name: Some(visit.bucket.name.clone()),
            next_key_marker: next_key.filter(|_| page.truncated).map(|key| code.write(key)),
            next_version_id_marker: last_id.filter(|_| page.truncated),
            prefix: Some(code.write(input.prefix.unwrap_or_default())),
            request_charged: None,
            version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
            versions: Some(versions.into_iter().map(|version| object_version(version, code, &owner)).collect()),
        };
        Ok(S3Response::new(output))
    }
}

/// Asks to list, with what a policy can hold a listing to.
pub(super) fn ask_to_list(
    visit: &Visit,
    action: &str,
    prefix: Option<&str>,
    delimiter: Option<&str>,
    most: Option<i32>,
) -> S3Result<()> {
    visit.ask_with(action, None, |keys| {
        for (key, value) in [("s3:prefix", prefix), ("s3:delimiter", delimiter)] {
            if let Some(value) = value {
                keys.set(key, value);
            }
        }
        if let Some(most) = most {
            keys.set("s3:max-keys", most.to_string());
        }
    })
}

pub(super) fn query(prefix: Option<String>, delimiter: Option<String>, after: Option<String>, most: i32) -> Query {
    Query {
        prefix: prefix.unwrap_or_default(),
        delimiter,
        after: after.filter(|after| !after.is_empty()),
        after_id: None,
        most: usize::try_from(most).unwrap_or(0),
    }
}

/// As many as were asked for, at most a thousand.
pub(super) fn most(asked: Option<i32>) -> S3Result<i32> {
    match asked.unwrap_or(MOST) {
        asked if asked < 0 => {
            Err(s3_error!(InvalidArgument, "Argument maxKeys must be an integer between 0 and 2147483647"))
        }
        asked => Ok(asked.min(MOST)),
    }
}

/// How an answer writes keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum Code {
    Plain,
    Url,
}

impl Code {
    pub fn of(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self::Plain),
            Some(EncodingType::URL) => Ok(Self::Url),
            Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
        }
    }

    pub fn write(self, text: String) -> String {
        match self {
            Self::Plain => text,
            Self::Url => utf8_percent_encode(&text, ENCODED).to_string(),
        }
    }
}

pub(super) fn prefixes<T>(page: &Page<T>, code: Code) -> Option<Vec<CommonPrefix>> {
    let one = |prefix: &String| CommonPrefix { prefix: Some(code.write(prefix.clone())) };
    Some(page.common_prefixes.iter().map(one).collect())
}

/// An account as S3's answers name it: by its canonical id.
pub(super) fn owner(account: &str) -> Owner {
    Owner { display_name: None, id: Some(canonical_id(account)) }
}

/// 64 hexadecimal digits, the same at every `up`.
pub(super) fn canonical_id(account: &str) -> String {
    use sha2::Digest;
    super::super::incoming::hex(&sha2::Sha256::digest(format!("vpclab canonical id of {account}")))
}

fn region_header(visit: &Visit) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(region) = HeaderValue::from_str(&visit.bucket.region) {
        headers.insert("x-amz-bucket-region", region);
    }
    headers
}

/// Says where to go on; opaque to clients, as S3's is.
fn token(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("1{last}"))
}

fn read_token(token: &str) -> S3Result<String> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let last = decoded.as_deref().and_then(|text| text.strip_prefix('1')).map(str::to_owned);
    last.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

fn object(version: Version, code: Code, owner: Option<&Owner>) -> Object {
    let sum = version.facts.sum.as_ref();
    Object {
        checksum_algorithm: sum.map(|sum| vec![ChecksumAlgorithm::from_static(sum.algorithm.name())]),
        checksum_type: sum.map(checksum_type),
        e_tag: Some(ETag::Strong(version.etag)),
        last_modified: Some(timestamp(version.modified)),
        owner: owner.cloned(),
        restore_status: None,
        size: Some(version.size.cast_signed()),
        storage_class: Some(version.facts.storage_class.unwrap_or_else(|| "STANDARD".to_owned()).into()),
        key: Some(code.write(version.key)),
    }
}

fn object_version(version: Version, code: Code, owner: &Owner) -> ObjectVersion {
    let sum = version.facts.sum.as_ref();
    ObjectVersion {
        checksum_algorithm: sum.map(|sum| vec![ChecksumAlgorithm::from_static(sum.algorithm.name())]),
        checksum_type: sum.map(checksum_type),
        e_tag: Some(ETag::Strong(version.etag)),
        is_latest: Some(version.latest),
        last_modified: Some(timestamp(version.modified)),
        owner: Some(owner.clone()),
        restore_status: None,
        size: Some(version.size.cast_signed()),
        storage_class: Some(version.facts.storage_class.unwrap_or_else(|| "STANDARD".to_owned()).into()),
        version_id: Some(version.version_id),
        key: Some(code.write(version.key)),
    }
}

fn marker(version: Version, code: Code, owner: &Owner) -> DeleteMarkerEntry {
    DeleteMarkerEntry {
        is_latest: Some(version.latest),
        key: Some(code.write(version.key)),
        last_modified: Some(timestamp(version.modified)),
        owner: Some(owner.clone()),
        version_id: Some(version.version_id),
    }
}
