//! The embedded S3 without a lab: what `scripts/bench.sh` measures the way through a lab against.
//!
//! ```text
//! s3_server FOLDER BUCKET ADDRESS:PORT   serves one bucket, open to whoever comes, over HTTP until it is killed
//! ```

#![allow(clippy::disallowed_methods, reason = "the bans are the pure rooms'")]

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use vpclab::model::access::Directory;
use vpclab::policy::{Document, Kind, Policy};
use vpclab::services::authority::{CertificateAuthority, is_aws_name};
use vpclab::services::front::guard::Access;
use vpclab::services::front::{self, Limits, Listeners};
use vpclab::services::origins::Origins;
use vpclab::services::s3::{Bucket, Kept, S3};
use vpclab::services::tokens::Tokens;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, bucket, address] = arguments.as_slice() else {
        bail!("this is `s3_server FOLDER BUCKET ADDRESS:PORT`")
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(Path::new(folder), bucket, address))
}

async fn serve(folder: &Path, name: &str, address: &str) -> anyhow::Result<()> {
    let open = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": format!("arn:aws:s3:::{name}/*")}],
    });
    let policy = Policy {
        kind: Kind::Resource,
        name: format!("bucket {name}"),
        owner: name.to_owned(),
        document: Document::from_json(&open, Kind::Resource)?,
        places: Vec::new(),
    };
    let bucket = Bucket {
        name: name.to_owned(),
        region: "us-east-1".to_owned(),
        account: "222222222222".to_owned(),
        policy: Some(Arc::new(policy)),
        ..Bucket::default()
    };
    let s3 = S3::open(&folder.join("s3"), Kept::GoesWithLab, &[bucket])?;
    let listener = std::net::TcpListener::bind(address).with_context(|| format!("listening on {address}"))?;
    let authority = CertificateAuthority::load_or_create(folder, is_aws_name)?;
    let listeners = Listeners { plain: vec![listener], tls: Vec::new() };
    let (_runs_until_killed, shutdown) = tokio::sync::watch::channel(false);
    let origins = Arc::new(Origins::default());
    // Nobody has a key here, and the bucket asks for none.
    let access = Arc::new(Access::new(Directory::default(), Arc::new(Tokens::new([0; 32]))));
    front::serve(listeners, Arc::new(s3), authority, origins, access, Limits::default(), shutdown).await
}
