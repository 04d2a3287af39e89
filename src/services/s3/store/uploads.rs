//! Uploads in parts: begun, filled, completed or aborted.

use rusqlite::{Connection, OptionalExtension, Row, params};
use s3s::s3_error;
use serde::{Deserialize, Serialize};

use super::super::checksum::{Algorithm, Sum};
use super::buckets::BucketFacts;
use super::rows::{Facts, Piece, Tags, text};
use super::versions::{self, NewVersion};
use super::{Change, Done};

/// What was said when the upload began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Begun {
    pub object: Facts,
    pub tags: Tags,
    /// Checksum of each part, when the client chose one.
    pub algorithm: Option<Algorithm>,
    /// The object's checksum is that of the parts' checksums.
    pub composite: bool,
    /// Who began it: ARN, or account.
    pub initiator: String,
}

/// A row of `upload`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Upload {
    pub id: i64,
    pub key: String,
    pub upload_id: String,
    /// Unix seconds.
    pub initiated: i64,
    pub begun: Begun,
}

/// A row of `part`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Part {
    pub number: u32,
    pub content: i64,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    /// Unix seconds.
    pub modified: i64,
    pub sum: Option<Sum>,
}

/// The columns of an [`Upload`].
pub(super) const UPLOAD: &str = "id, key, upload_id, initiated, facts";

impl Upload {
    pub(super) fn of(row: &Row<'_>) -> Done<Self> {
        let (key, begun): (Vec<u8>, String) = (row.get(1)?, row.get(4)?);
        Ok(Self {
            id: row.get(0)?,
            key: text(key),
            upload_id: row.get(2)?,
            initiated: row.get(3)?,
            begun: serde_json::from_str(&begun)?,
        })
    }
}

/// An upload of that bucket and key.
pub(in super::super) fn find(index: &Connection, bucket: i64, key: &str, upload_id: &str) -> Done<Upload> {
    let sql = format!("SELECT {UPLOAD} FROM upload WHERE bucket = ? AND key = ? AND upload_id = ?");
    let mut statement = index.prepare_cached(&sql)?;
    let mut rows = statement.query(params![bucket, key.as_bytes(), upload_id])?;
    rows.next()?.map(Upload::of).transpose()?.ok_or_else(|| s3_error!(NoSuchUpload).into())
}

/// An upload's parts behind a number, in order.
pub(in super::super) fn parts(index: &Connection, upload: i64, after: u32, most: usize) -> Done<Vec<Part>> {
    let sql = "SELECT number, content, size, etag, modified, sum FROM part WHERE upload = ? AND number > ? \
               ORDER BY number LIMIT ?";
    let mut statement = index.prepare_cached(sql)?;
    let mut rows = statement.query(params![upload, after, i64::try_from(most).unwrap_or(i64::MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let sum: Option<String> = row.get(5)?;
        found.push(Part {
            number: row.get(0)?,
            content: row.get(1)?,
            size: row.get(2)?,
            etag: row.get(3)?,
            modified: row.get(4)?,
            sum: sum.as_deref().map(serde_json::from_str).transpose()?,
        });
    }
    Ok(found)
}

/// What an upload became, when it was completed not long ago.
pub(in super::super) fn completed(
    index: &Connection,
    bucket: i64,
    key: &str,
    upload_id: &str,
) -> Done<Option<super::rows::Version>> {
    let sql = "SELECT version.version_id FROM completed JOIN version ON version.id = completed.version \
               WHERE upload_id = ? AND completed.bucket = ? AND completed.key = ?";
    let mut statement = index.prepare_cached(sql)?;
    let found: Option<String> =
        statement.query_row(params![upload_id, bucket, key.as_bytes()], |row| row.get(0)).optional()?;
    found.map_or(Ok(None), |version_id| versions::find(index, bucket, key, Some(&version_id)))
}

impl Change<'_> {
    pub fn begin_upload(&mut self, bucket: &BucketFacts, key: &str, begun: &Begun) -> Done<String> {
        let (upload_id, facts) = (self.ids.upload(), serde_json::to_string(begun)?);
        self.tx.execute(
            "INSERT INTO upload (bucket, key, upload_id, initiated, facts) VALUES (?, ?, ?, ?, ?)",
            params![bucket.id, key.as_bytes(), upload_id, self.now, facts],
        )?;
        Ok(upload_id)
    }

    /// Adds a part, in place of one of the same number.
    pub fn put_part(
        &mut self,
        upload: i64,
        number: u32,
        size: u64,
        etag: &str,
        sum: Option<&Sum>,
        pieces: &[Piece],
    ) -> Done<()> {
        let sql = "SELECT content FROM part WHERE upload = ? AND number = ?";
        let old: Option<i64> =
            self.tx.prepare_cached(sql)?.query_row(params![upload, number], |row| row.get(0)).optional()?;
        if let Some(content) = old {
            self.remove_content(content)?;
        }
        let content = self.add_content(pieces)?;
        let sum = sum.map(serde_json::to_string).transpose()?;
        let sql = "INSERT OR REPLACE INTO part (upload, number, content, size, etag, modified, sum) \
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        self.tx.prepare_cached(sql)?.execute(params![upload, number, content, size, etag, self.now, sum])?;
        Ok(())
    }

    /// Makes an object of parts, in their order, and ends the upload.
    pub fn complete_upload(
        &mut self,
        bucket: &BucketFacts,
        upload: &Upload,
        chosen: &[Part],
        mut new: NewVersion,
    ) -> Done<String> {
        for part in chosen {
            new.pieces.extend(versions::pieces(&self.tx, part.content)?);
        }
        let (version, version_id) = self.put(bucket, new)?;
        self.remove_upload(upload.id)?;
        self.tx.execute(
            "INSERT OR REPLACE INTO completed (upload_id, bucket, key, version, at) VALUES (?, ?, ?, ?, ?)",
            params![upload.upload_id, bucket.id, upload.key.as_bytes(), version, self.now],
        )?;
        Ok(version_id)
    }

    /// Ends an upload and forgets its parts.
    pub fn remove_upload(&mut self, upload: i64) -> Done<()> {
        for part in parts(&self.tx, upload, 0, usize::MAX)? {
            self.remove_content(part.content)?;
        }
        self.tx.execute("DELETE FROM part WHERE upload = ?", [upload])?;
        self.tx.execute("DELETE FROM upload WHERE id = ?", [upload])?;
        Ok(())
    }
}
