//! S3 on a folder.

use std::path::Path;

use futures::future::BoxFuture;

use super::front::{Body, Service};

/// A bucket to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Name.
    pub name: String,
    /// Its Region.
    pub region: String,
    /// Its owner.
    pub account: String,
}

/// An access key of the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `AKIA…`.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
}

/// The access key of an account: the same at every `up`, and good for this lab's services only.
pub fn credentials(account: &str) -> Credentials {
    let _ = account;
    todo!()
}

/// The embedded S3.
pub struct S3;

impl S3 {
    /// Opens the store in `folder` (made when missing) and makes the buckets in it.
    pub fn open(folder: &Path, buckets: &[Bucket], accounts: &[String]) -> anyhow::Result<Self> {
        let _ = (folder, buckets, accounts);
        todo!()
    }

    /// Puts the files under `folder` into a bucket, keys being their paths; returns how many.
    pub fn seed(&self, bucket: &str, folder: &Path) -> anyhow::Result<usize> {
        let _ = (bucket, folder);
        todo!()
    }
}

impl Service for S3 {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn answer<'a>(&'a self, request: http::Request<hyper::body::Incoming>) -> BoxFuture<'a, http::Response<Body>> {
        let _ = request;
        todo!()
    }
}
