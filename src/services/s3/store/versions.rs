//! Versions of objects: put, found, deleted, in buckets with and without versioning.

use rusqlite::{Connection, OptionalExtension, params};
use s3s::s3_error;

use super::buckets::{BucketFacts, Versioning};
use super::rows::{Facts, NULL_VERSION, Piece, Segment, Tags, VERSION, Version};
use super::{Change, Done};

/// What becomes an object.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct NewVersion {
    pub key: String,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    pub facts: Facts,
    pub tags: Tags,
    pub pieces: Vec<Piece>,
    pub segments: Vec<Segment>,
}

/// What happened to an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Deleted {
    /// The version that was asked for, or the marker that was made.
    pub version_id: Option<String>,
    /// A marker was made, or removed.
    pub marker: bool,
}

/// Finds the current version, marker or not, or the one of that id.
pub(in super::super) fn find(
    index: &Connection,
    bucket: i64,
    key: &str,
    version_id: Option<&str>,
) -> Done<Option<Version>> {
    let bytes = key.as_bytes();
    match version_id {
        Some(version_id) => one(
            index,
            &format!("SELECT {VERSION} FROM version WHERE bucket = ? AND key = ? AND version_id = ?"),
            params![bucket, bytes, version_id],
        ),
        None => one(
            index,
            &format!("SELECT {VERSION} FROM version WHERE bucket = ? AND key = ? ORDER BY id DESC LIMIT 1"),
            params![bucket, bytes],
        ),
    }
}

fn one(index: &Connection, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Done<Option<Version>> {
    let mut statement = index.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    rows.next()?.map(Version::of).transpose()
}

/// Where a content's bytes are.
pub(super) fn pieces(index: &Connection, content: i64) -> Done<Vec<Piece>> {
    let mut statement =
        index.prepare_cached("SELECT body, start, size FROM piece WHERE content = ? ORDER BY number")?;
    let rows =
        statement.query_map([content], |row| Ok(Piece { body: row.get(0)?, start: row.get(1)?, size: row.get(2)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The parts that a version was uploaded in.
pub(in super::super) fn segments(index: &Connection, version: i64) -> Done<Vec<Segment>> {
    let mut statement =
        index.prepare_cached("SELECT number, size, sum FROM segment WHERE version = ? ORDER BY number")?;
    let mut rows = statement.query([version])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let sum: Option<String> = row.get(2)?;
        let sum = sum.as_deref().map(serde_json::from_str).transpose()?;
        found.push(Segment { number: row.get(0)?, size: row.get(1)?, sum });
    }
    Ok(found)
}

impl Change<'_> {
    /// Makes an object of bytes that are in files already; returns its version id.
    pub fn put(&mut self, bucket: &BucketFacts, new: NewVersion) -> Done<(i64, String)> {
        let version_id = self.make_room(bucket, &new.key)?;
        let content = self.add_content(&new.pieces)?;
        let id = self.insert(bucket, &new.key, &version_id, Some(content), &new)?;
        for segment in &new.segments {
            let sum = segment.sum.as_ref().map(serde_json::to_string).transpose()?;
            self.tx
                .prepare_cached("INSERT INTO segment (version, number, size, sum) VALUES (?, ?, ?, ?)")?
                .execute(params![id, segment.number, segment.size, sum])?;
        }
        Ok((id, version_id))
    }

    /// Deletes as `DELETE` without a version id does: for good, or by a marker.
    pub fn delete(&mut self, bucket: &BucketFacts, key: &str) -> Done<Deleted> {
        if bucket.settings.versioning == Versioning::Off {
            if let Some(old) = find(&self.tx, bucket.id, key, Some(NULL_VERSION))? {
                self.remove_version(bucket, &old)?;
            }
            return Ok(Deleted::default());
        }
        let version_id = self.make_room(bucket, key)?;
        self.insert(bucket, key, &version_id, None, &NewVersion::default())?;
        Ok(Deleted { version_id: Some(version_id), marker: true })
    }

    /// Deletes one version for good.
    pub fn delete_version(&mut self, bucket: &BucketFacts, key: &str, version_id: &str) -> Done<Deleted> {
        let found = find(&self.tx, bucket.id, key, Some(version_id))?;
        let marker = found.as_ref().is_some_and(|version| version.marker);
        if let Some(version) = found {
            self.remove_version(bucket, &version)?;
        }
        Ok(Deleted { version_id: Some(version_id.to_owned()), marker })
    }

    pub fn set_tags(&mut self, version: i64, tags: &Tags) -> Done<()> {
        let text = serde_json::to_string(tags)?;
        let changed = self.tx.execute("UPDATE version SET tags = ? WHERE id = ?", params![text, version])?;
        if changed == 1 { Ok(()) } else { Err(s3_error!(NoSuchKey).into()) }
    }

    /// The id of the next version; the one that it takes the place of is gone.
    fn make_room(&mut self, bucket: &BucketFacts, key: &str) -> Done<String> {
        let version_id = match bucket.settings.versioning {
            Versioning::Enabled => self.ids.version(),
            Versioning::Off | Versioning::Suspended => {
                if let Some(old) = find(&self.tx, bucket.id, key, Some(NULL_VERSION))? {
                    self.forget_version(&old)?;
                }
                NULL_VERSION.to_owned()
            }
        };
        self.tx
            .prepare_cached("UPDATE version SET latest = 0 WHERE bucket = ? AND key = ? AND latest = 1")?
            .execute(params![bucket.id, key.as_bytes()])?;
        Ok(version_id)
    }

    fn insert(
        &mut self,
        bucket: &BucketFacts,
        key: &str,
        version_id: &str,
        content: Option<i64>,
        new: &NewVersion,
    ) -> Done<i64> {
        let (facts, tags) = (serde_json::to_string(&new.facts)?, serde_json::to_string(&new.tags)?);
        let sql = "INSERT INTO version (bucket, key, version_id, latest, marker, size, etag, modified, content, facts, tags) \
                   VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?)";
        self.tx.prepare_cached(sql)?.execute(params![
            bucket.id,
            key.as_bytes(),
            version_id,
            content.is_none(),
            new.size,
            new.etag,
            self.now,
            content,
            facts,
            tags
        ])?;
        Ok(self.tx.last_insert_rowid())
    }

    fn remove_version(&mut self, bucket: &BucketFacts, version: &Version) -> Done<()> {
        self.forget_version(version)?;
        if version.latest {
            let sql = "UPDATE version SET latest = 1 WHERE id = \
                       (SELECT id FROM version WHERE bucket = ?1 AND key = ?2 ORDER BY id DESC LIMIT 1)";
            self.tx.prepare_cached(sql)?.execute(params![bucket.id, version.key.as_bytes()])?;
        }
        Ok(())
    }

    fn forget_version(&mut self, version: &Version) -> Done<()> {
        self.tx.prepare_cached("DELETE FROM version WHERE id = ?")?.execute([version.id])?;
        self.tx.prepare_cached("DELETE FROM segment WHERE version = ?")?.execute([version.id])?;
        version.content.map_or(Ok(()), |content| self.remove_content(content))
    }

    /// A new content of stretches of files.
    pub fn add_content(&mut self, pieces: &[Piece]) -> Done<i64> {
        self.tx.prepare_cached("INSERT INTO content DEFAULT VALUES")?.execute([])?;
        let content = self.tx.last_insert_rowid();
        let mut insert =
            self.tx.prepare_cached("INSERT INTO piece (content, number, body, start, size) VALUES (?, ?, ?, ?, ?)")?;
        for (number, piece) in (0i64..).zip(pieces) {
            insert.execute(params![content, number, piece.body, piece.start, piece.size])?;
        }
        Ok(content)
    }

    /// Forgets a content; files that nothing else is made of go after the commit.
    pub fn remove_content(&mut self, content: i64) -> Done<()> {
        let bodies: Vec<String> = {
            let mut statement = self.tx.prepare_cached("SELECT DISTINCT body FROM piece WHERE content = ?")?;
            let rows = statement.query_map([content], |row| row.get(0))?;
            rows.collect::<rusqlite::Result<_>>()?
        };
        self.tx.prepare_cached("DELETE FROM piece WHERE content = ?")?.execute([content])?;
        self.tx.prepare_cached("DELETE FROM content WHERE id = ?")?.execute([content])?;
        for body in bodies {
            let used: Option<i64> = self
                .tx
                .prepare_cached("SELECT 1 FROM piece WHERE body = ? LIMIT 1")?
                .query_row([&body], |row| row.get(0))
                .optional()?;
            if used.is_none() {
                self.unneeded.push(body);
            }
        }
        Ok(())
    }
}
