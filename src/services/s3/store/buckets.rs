//! Buckets and what is set on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use s3s::s3_error;
use serde::{Deserialize, Serialize};

use super::rows::Tags;
use super::{Change, Done, Store};
use crate::policy::{Document, Kind, Policy};

/// Whether deletes and overwrites keep what was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Versioning {
    /// Never was on.
    #[default]
    Off,
    Enabled,
    Suspended,
}

/// What a bucket refuses of public access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAccessBlock {
    /// `BlockPublicAcls`; there are no ACLs to block.
    pub block_public_acls: bool,
    /// `IgnorePublicAcls`; likewise.
    pub ignore_public_acls: bool,
    /// `BlockPublicPolicy`: a policy that is public can't be put.
    pub block_public_policy: bool,
    /// `RestrictPublicBuckets`: of a bucket with a public policy only its own account makes use.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// What AWS sets on every new bucket since April 2023.
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };
}

/// One rule of a bucket's CORS configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct CorsRule {
    pub id: Option<String>,
    pub allowed_origins: Vec<String>,
    pub allowed_methods: Vec<String>,
    pub allowed_headers: Vec<String>,
    pub expose_headers: Vec<String>,
    pub max_age_seconds: Option<i32>,
}

/// What is set on a bucket, as the index keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Settings {
    pub versioning: Versioning,
    /// Text of the bucket policy, as it came.
    pub policy: Option<String>,
    pub cors: Vec<CorsRule>,
    pub tags: Option<Tags>,
    pub public_access_block: Option<PublicAccessBlock>,
    pub requester_pays: bool,
}

/// A bucket, ready to be asked.
#[derive(Clone, Debug)]
pub(in super::super) struct BucketFacts {
    pub id: i64,
    pub name: String,
    pub account: String,
    pub region: String,
    /// Unix seconds.
    pub created: i64,
    pub settings: Settings,
    /// The bucket policy, read.
    pub policy: Option<Arc<Policy>>,
}

impl BucketFacts {
    /// Reads the settings' policy again; what does not parse was refused when it was put.
    fn with_policy(mut self) -> Self {
        let document = self.settings.policy.as_deref().map(|text| Document::parse(text, Kind::Resource));
        self.policy = document.and_then(Result::ok).map(|document| {
            let name = format!("bucket {}", self.name);
            Arc::new(Policy { kind: Kind::Resource, name, owner: self.account.clone(), document, places: Vec::new() })
        });
        self
    }
}

const BUCKET: &str = "id, name, account, region, created, settings";

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<(BucketFacts, String)> {
    let settings: String = row.get(5)?;
    let facts = BucketFacts {
        id: row.get(0)?,
        name: row.get(1)?,
        account: row.get(2)?,
        region: row.get(3)?,
        created: row.get(4)?,
        settings: Settings::default(),
        policy: None,
    };
    Ok((facts, settings))
}

/// All buckets.
pub(super) fn load(index: &Connection) -> anyhow::Result<BTreeMap<String, Arc<BucketFacts>>> {
    let mut statement = index.prepare(&format!("SELECT {BUCKET} FROM bucket"))?;
    let rows = statement.query_map([], read)?;
    let mut buckets = BTreeMap::new();
    for row in rows {
        let (mut facts, settings) = row?;
        facts.settings = serde_json::from_str(&settings)?;
        buckets.insert(facts.name.clone(), Arc::new(facts.with_policy()));
    }
    Ok(buckets)
}

impl Change<'_> {
    /// The bucket as it is in this transaction.
    pub fn bucket(&self, name: &str) -> Done<BucketFacts> {
        self.find_bucket(name)?.ok_or_else(|| s3_error!(NoSuchBucket).into())
    }

    pub fn find_bucket(&self, name: &str) -> Done<Option<BucketFacts>> {
        let mut statement = self.tx.prepare_cached(&format!("SELECT {BUCKET} FROM bucket WHERE name = ?"))?;
        let Some((mut facts, settings)) = statement.query_row([name], read).optional()? else { return Ok(None) };
        facts.settings = serde_json::from_str(&settings)?;
        Ok(Some(facts))
    }

    pub fn create_bucket(&mut self, name: &str, account: &str, region: &str, settings: Settings) -> Done<()> {
        let text = serde_json::to_string(&settings)?;
        self.tx.execute(
            "INSERT INTO bucket (name, account, region, created, settings) VALUES (?, ?, ?, ?, ?)",
            params![name, account, region, self.now, text],
        )?;
        let facts = BucketFacts {
            id: self.tx.last_insert_rowid(),
            name: name.to_owned(),
            account: account.to_owned(),
            region: region.to_owned(),
            created: self.now,
            settings,
            policy: None,
        };
        self.buckets.push((name.to_owned(), Some(facts.with_policy())));
        Ok(())
    }

    /// Writes a bucket's owner, Region and settings.
    pub fn update_bucket(&mut self, facts: BucketFacts) -> Done<()> {
        let text = serde_json::to_string(&facts.settings)?;
        self.tx.execute(
            "UPDATE bucket SET account = ?, region = ?, settings = ? WHERE id = ?",
            params![facts.account, facts.region, text, facts.id],
        )?;
        self.buckets.push((facts.name.clone(), Some(facts.with_policy())));
        Ok(())
    }

    /// Removes an empty bucket, with the uploads under way in it.
    pub fn delete_bucket(&mut self, name: &str) -> Done<()> {
        let bucket = self.bucket(name)?;
        if self.tx.prepare_cached("SELECT 1 FROM version WHERE bucket = ?")?.exists([bucket.id])? {
            let versioned = bucket.settings.versioning != Versioning::Off;
            let more = if versioned { ". You must delete all versions in the bucket." } else { "" };
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty{more}").into());
        }
        let mut uploads = Vec::new();
        for id in self
            .tx
            .prepare_cached("SELECT id FROM upload WHERE bucket = ?")?
            .query_map([bucket.id], |row| row.get(0))?
        {
            uploads.push(id?);
        }
        for upload in uploads {
            self.remove_upload(upload)?;
        }
        self.tx.execute("DELETE FROM completed WHERE bucket = ?", [bucket.id])?;
        self.tx.execute("DELETE FROM bucket WHERE id = ?", [bucket.id])?;
        self.buckets.push((name.to_owned(), None));
        Ok(())
    }
}

impl Store {
    /// Makes or updates a bucket as a template has it.
    pub fn declare(&self, declared: &super::super::Bucket) -> anyhow::Result<()> {
        let done = self.write_now(|change| {
            let Some(mut facts) = change.find_bucket(&declared.name)? else {
                let mut settings = Settings::default();
                declared.settle(&mut settings);
                return change.create_bucket(&declared.name, &declared.account, &declared.region, settings);
            };
            facts.account.clone_from(&declared.account);
            facts.region.clone_from(&declared.region);
            declared.settle(&mut facts.settings);
            change.update_bucket(facts)
        });
        done.map_err(s3s::S3Error::from)?;
        // The template's own knows the lines that its statements stand in.
        if let Some(policy) = &declared.policy {
            let mut known = self.0.buckets.write();
            if let Some(facts) = known.get_mut(&declared.name).map(Arc::make_mut) {
                facts.policy = Some(policy.clone());
            }
        }
        Ok(())
    }

    /// Changes what is set on a bucket.
    pub async fn set(&self, bucket: &str, step: impl FnOnce(&mut Settings) + Send + 'static) -> s3s::S3Result<()> {
        let name = bucket.to_owned();
        self.write(move |change| {
            let mut facts = change.bucket(&name)?;
            step(&mut facts.settings);
            change.update_bucket(facts)
        })
        .await
    }
}
