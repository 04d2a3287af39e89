//! Conditional requests (RFC 9110 13.2.2): reads, sources of copies, and writes.

use http::{HeaderMap, HeaderValue, header};
use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};
use time::OffsetDateTime;

use super::store::rows::Version;

/// What a GET, a HEAD or a copy asks of the object that it reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
}

/// The conditions of a GetObject or HeadObject input, which have the same members.
macro_rules! conditions {
    ($input:expr) => {
        $crate::services::s3::condition::Conditions {
            if_match: $input.if_match.clone(),
            if_none_match: $input.if_none_match.clone(),
            if_modified_since: $input.if_modified_since.clone(),
            if_unmodified_since: $input.if_unmodified_since.clone(),
        }
    };
}
pub(super) use conditions;

/// The same of the source of a copy.
macro_rules! source_conditions {
    ($input:expr) => {
        $crate::services::s3::condition::Conditions {
            if_match: $input.copy_source_if_match.clone(),
            if_none_match: $input.copy_source_if_none_match.clone(),
            if_modified_since: $input.copy_source_if_modified_since.clone(),
            if_unmodified_since: $input.copy_source_if_unmodified_since.clone(),
        }
    };
}
pub(super) use source_conditions;

impl Conditions {
    /// Goes on, or says 304 or 412. An ETag condition makes the date beside it count for nothing.
    pub fn check(&self, version: &Version) -> S3Result<()> {
        if self.fails(version) {
            return Err(s3_error!(PreconditionFailed));
        }
        if !self.is_unchanged(version) {
            return Ok(());
        }
        let mut error = s3_error!(NotModified);
        let mut headers = HeaderMap::new();
        if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", version.etag)) {
            headers.insert(header::ETAG, etag);
        }
        headers.insert(header::LAST_MODIFIED, http_date(version.modified));
        error.set_headers(headers);
        Err(error)
    }

    /// The same for a copy, which has no 304.
    pub fn check_source(&self, version: &Version) -> S3Result<()> {
        let fails = self.fails(version) || self.is_unchanged(version);
        if fails { Err(s3_error!(PreconditionFailed)) } else { Ok(()) }
    }

    fn fails(&self, version: &Version) -> bool {
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => !matches(condition, version, true),
            (None, Some(since)) => changed_after(version, since),
            (None, None) => false,
        }
    }

    fn is_unchanged(&self, version: &Version) -> bool {
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => matches(condition, version, false),
            (None, Some(since)) => !changed_after(version, since),
            (None, None) => false,
        }
    }
}

/// What a write asks of the object that it takes the place of.
#[derive(Clone, Debug, Default)]
pub(super) struct WriteConditions {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
}

impl WriteConditions {
    /// S3 knows `If-None-Match: *` for writes, and no other.
    pub fn new(if_match: Option<ETagCondition>, if_none_match: Option<ETagCondition>) -> S3Result<Self> {
        if matches!(if_none_match, Some(ETagCondition::ETag(_))) {
            return Err(s3_error!(
                NotImplemented,
                "A header you provided implies functionality that is not implemented"
            ));
        }
        Ok(Self { if_match, if_none_match })
    }

    /// `current` is the current version, marker or not.
    pub fn check(&self, current: Option<&Version>) -> S3Result<()> {
        let current = current.filter(|version| !version.marker);
        if self.if_none_match.is_some() && current.is_some() {
            return Err(s3_error!(PreconditionFailed));
        }
        match (&self.if_match, current) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(s3_error!(NoSuchKey)),
            (Some(condition), Some(version)) if matches(condition, version, true) => Ok(()),
            (Some(_), Some(_)) => Err(s3_error!(PreconditionFailed)),
        }
    }

    pub fn are_none(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }
}

fn matches(condition: &ETagCondition, version: &Version, strong: bool) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == version.etag && (!strong || etag.as_strong().is_some()),
    }
}

fn changed_after(version: &Version, since: &Timestamp) -> bool {
    version.modified > OffsetDateTime::from(since.clone()).unix_timestamp()
}

/// A time as HTTP writes it.
pub(super) fn http_date(seconds: i64) -> HeaderValue {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let mut text = Vec::new();
    let written = Timestamp::from(at).format(s3s::dto::TimestampFormat::HttpDate, &mut text);
    written.ok().and_then(|()| HeaderValue::from_bytes(&text).ok()).unwrap_or(HeaderValue::from_static(""))
}

/// A time as s3s writes it.
pub(super) fn timestamp(seconds: i64) -> Timestamp {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH).into()
}
