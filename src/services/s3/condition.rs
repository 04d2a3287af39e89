//! Conditional reads (RFC 9110 13.2.2), which s3s-fs doesn't know.

use s3s::dto::{ETag, ETagCondition, Timestamp, TimestampFormat};
use s3s::{S3Result, s3_error};

/// What a GET or HEAD asks of the object.
#[derive(Debug)]
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

impl Conditions {
    /// Goes on, or says 304 or 412. An ETag condition makes the date beside it count for nothing.
    pub fn check(&self, etag: Option<&ETag>, last_modified: Option<&Timestamp>) -> S3Result<()> {
        let changed_after = |since: &Timestamp| last_modified.is_some_and(|last| seconds(last).as_ref() > Some(since));
        let fails = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => !matches(condition, etag, ETag::strong_cmp),
            (None, Some(since)) => changed_after(since),
            (None, None) => false,
        };
        if fails {
            return Err(s3_error!(PreconditionFailed));
        }
        let unchanged = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => matches(condition, etag, ETag::weak_cmp),
            (None, Some(since)) => !changed_after(since),
            (None, None) => false,
        };
        if unchanged { Err(s3_error!(NotModified)) } else { Ok(()) }
    }
}

fn matches(condition: &ETagCondition, etag: Option<&ETag>, same: fn(&ETag, &ETag) -> bool) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(asked) => etag.is_some_and(|etag| same(etag, asked)),
    }
}

/// Files have parts of a second, dates in headers have not.
fn seconds(timestamp: &Timestamp) -> Option<Timestamp> {
    let mut text = Vec::new();
    timestamp.format(TimestampFormat::HttpDate, &mut text).ok()?;
    Timestamp::parse(TimestampFormat::HttpDate, std::str::from_utf8(&text).ok()?).ok()
}
