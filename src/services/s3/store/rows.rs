//! What the index says of an object, in Rust's words.

use std::collections::BTreeMap;

use rusqlite::Row;
use serde::{Deserialize, Serialize};

use super::super::checksum::Sum;
use super::Done;

/// The id of the version that an object has without versioning.
pub(in super::super) const NULL_VERSION: &str = "null";

/// Headers that come back as they were given, and what else is known of a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Facts {
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    /// As written: S3 does not read it.
    pub expires: Option<String>,
    pub website_redirect_location: Option<String>,
    /// `x-amz-meta-…` without that prefix.
    pub user: BTreeMap<String, String>,
    pub storage_class: Option<String>,
    pub sum: Option<Sum>,
    /// How many parts it was uploaded in; `None` when in one piece.
    pub parts: Option<u32>,
}

/// Tags in the order in which they were given.
pub(in super::super) type Tags = Vec<(String, String)>;

/// A row of `version`.
#[derive(Clone, Debug)]
pub(in super::super) struct Version {
    pub id: i64,
    pub key: String,
    /// [`NULL_VERSION`] or an id.
    pub version_id: String,
    pub latest: bool,
    /// A delete marker.
    pub marker: bool,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    /// Unix seconds.
    pub modified: i64,
    pub content: Option<i64>,
    pub facts: Facts,
    pub tags: Tags,
}

/// The columns of a [`Version`].
pub(super) const VERSION: &str = "id, key, version_id, latest, marker, size, etag, modified, content, facts, tags";

impl Version {
    pub(super) fn of(row: &Row<'_>) -> Done<Self> {
        let key: Vec<u8> = row.get(1)?;
        let (facts, tags): (String, String) = (row.get(9)?, row.get(10)?);
        Ok(Self {
            id: row.get(0)?,
            key: text(key),
            version_id: row.get(2)?,
            latest: row.get(3)?,
            marker: row.get(4)?,
            size: row.get(5)?,
            etag: row.get(6)?,
            modified: row.get(7)?,
            content: row.get(8)?,
            facts: serde_json::from_str(&facts)?,
            tags: serde_json::from_str(&tags)?,
        })
    }
}

/// A key of the index; what is stored was a string once.
pub(super) fn text(key: Vec<u8>) -> String {
    String::from_utf8(key).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Piece {
    pub body: String,
    pub start: u64,
    pub size: u64,
}

/// One part of a version that was uploaded in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Segment {
    pub number: u32,
    pub size: u64,
    pub sum: Option<Sum>,
}
