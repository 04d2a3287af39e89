//! Listings: ranges of the index, with one step over each common prefix however much is under it.

use rusqlite::{Connection, Row, params};

use super::rows::{VERSION, Version};
use super::uploads::Upload;
use super::{Done, uploads};

/// What a listing asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Query {
    pub prefix: String,
    /// Keys that have it behind the prefix are gathered under what stands before it.
    pub delimiter: Option<String>,
    /// Keys up to this one are not listed.
    pub after: Option<String>,
    /// Of [`Query::after`]'s own key, what comes behind this version or upload is listed.
    pub after_id: Option<String>,
    /// Entries and common prefixes together.
    pub most: usize,
}

/// What a listing finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Page<T> {
    pub entries: Vec<T>,
    pub common_prefixes: Vec<String>,
    /// There is more behind `last`.
    pub truncated: bool,
    /// Key or common prefix of the last that is listed.
    pub last: Option<String>,
}

/// Current objects.
pub(in super::super) fn current(index: &Connection, bucket: i64, query: &Query) -> Done<Page<Version>> {
    let sql = format!(
        "SELECT {VERSION} FROM version INDEXED BY version_current \
         WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3) AND latest = 1 AND marker = 0 ORDER BY key"
    );
    scan(index, &sql, bucket, query, false, |row| Ok(Some(Version::of(row)?)), |version| &version.key)
}

/// All versions and markers, the newest of a key first.
pub(in super::super) fn all_versions(index: &Connection, bucket: i64, query: &Query) -> Done<Page<Version>> {
    let sql = format!(
        "SELECT {VERSION} FROM version INDEXED BY version_by_age \
         WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3) ORDER BY key, id DESC"
    );
    // Of the marker's own key, those that are older than the marker's version.
    let after = match (&query.after, &query.after_id) {
        (Some(key), Some(version_id)) => {
            let found = super::versions::find(index, bucket, key, Some(version_id))?;
            found.map(|version| (key.clone(), version.id))
        }
        _ => None,
    };
    let with_key = after.is_some();
    let skip = |version: &Version| after.as_ref().is_some_and(|(key, id)| version.key == *key && version.id >= *id);
    let read = |row: &Row<'_>| Ok(Some(Version::of(row)?).filter(|version| !skip(version)));
    scan(index, &sql, bucket, query, with_key, read, |version| &version.key)
}

/// Uploads under way, the oldest of a key first.
pub(in super::super) fn all_uploads(index: &Connection, bucket: i64, query: &Query) -> Done<Page<Upload>> {
    let sql = format!(
        "SELECT {} FROM upload INDEXED BY upload_by_key \
         WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3) ORDER BY key, id",
        uploads::UPLOAD
    );
    let after = match (&query.after, &query.after_id) {
        (Some(key), Some(upload_id)) => {
            let sql = "SELECT id FROM upload WHERE bucket = ? AND key = ? AND upload_id = ?";
            let mut statement = index.prepare_cached(sql)?;
            let mut rows = statement.query(params![bucket, key.as_bytes(), upload_id])?;
            rows.next()?.map(|row| row.get::<_, i64>(0)).transpose()?.map(|id| (key.clone(), id))
        }
        _ => None,
    };
    let with_key = after.is_some();
    let skip = |upload: &Upload| after.as_ref().is_some_and(|(key, id)| upload.key == *key && upload.id <= *id);
    let read = |row: &Row<'_>| Ok(Some(Upload::of(row)?).filter(|upload| !skip(upload)));
    scan(index, &sql, bucket, query, with_key, read, |upload| &upload.key)
}

/// Walks the keys from the first that can count. `with_key`: the marker's own key is among them, and `read` drops what is
/// before the marker in it.
fn scan<T>(
    index: &Connection,
    sql: &str,
    bucket: i64,
    query: &Query,
    with_key: bool,
    mut read: impl FnMut(&Row<'_>) -> Done<Option<T>>,
    key: impl Fn(&T) -> &String,
) -> Done<Page<T>> {
    let mut page = Page { entries: Vec::new(), common_prefixes: Vec::new(), truncated: false, last: None };
    if query.most == 0 {
        return Ok(page);
    }
    let end = successor(query.prefix.as_bytes());
    let Some(mut from) = first(query, with_key) else { return Ok(page) };
    let mut statement = index.prepare_cached(sql)?;
    'ranges: loop {
        let mut rows = statement.query(params![bucket, from, end])?;
        while let Some(row) = rows.next()? {
            let Some(entry) = read(row)? else { continue };
            let gathered = common_prefix(key(&entry), &query.prefix, query.delimiter.as_deref()).map(str::to_owned);
            if page.entries.len() + page.common_prefixes.len() == query.most {
                page.truncated = true;
                return Ok(page);
            }
            match gathered {
                None => {
                    page.last = Some(key(&entry).clone());
                    page.entries.push(entry);
                }
                Some(gathered) => {
                    page.last = Some(gathered.clone());
                    let next = successor(gathered.as_bytes());
                    page.common_prefixes.push(gathered);
                    let Some(next) = next else { return Ok(page) };
                    from = next;
                    continue 'ranges;
                }
            }
        }
        return Ok(page);
    }
}

/// The first key that can be listed; `None` when none can.
fn first(query: &Query, with_key: bool) -> Option<Vec<u8>> {
    let prefix = query.prefix.as_bytes().to_vec();
    let Some(after) = &query.after else { return Some(prefix) };
    let past = match common_prefix(after, &query.prefix, query.delimiter.as_deref()) {
        // The common prefix was listed before.
        Some(gathered) => successor(gathered.as_bytes())?,
        None if with_key => after.as_bytes().to_vec(),
        None => [after.as_bytes(), b"\0"].concat(),
    };
    Some(prefix.max(past))
}

/// What a key is gathered under: up to and with the first delimiter behind the prefix.
pub(super) fn common_prefix<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let rest = key.strip_prefix(prefix)?;
    let at = rest.find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

/// The first string of bytes behind all that start with these; `None` when there is none.
pub(super) fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = prefix.to_vec();
    while let Some(last) = bytes.pop() {
        if last < u8::MAX {
            bytes.push(last + 1);
            return Some(bytes);
        }
    }
    None
}
