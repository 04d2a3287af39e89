//! CloudFormation as written (spans kept) to as meant (changes to the world).
//!
//! ```text
//! path ─► plan (template, lab.yaml, cdk.out) ─► document ─► sections ─► deploy, stack by stack:
//!     parameters, conditions, rules ─► order ─► each resource: evaluate ─► properties ─► resources/ ─► World::apply
//! ```
//!
//! [`load`] does it all. What a lab can't honour is never silently accepted: it is a [`TemplateError`] that shows the line
//! and says what to do, or a [`Notice`].
//!
//! Pure: files are read by the [`Files`] that the shell passes in. Not here: what expectations (`expect:`) mean, macros, nested
//! stacks, and every law of AWS's objects, which is the model's.

mod deploy;
pub mod document;
mod error;
mod evaluate;
mod notice;
mod order;
mod parameters;
mod places;
mod plan;
mod policies;
mod prepare;
mod properties;
mod references;
mod resources;
mod sections;
mod stacks;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use deploy::{ResourceReport, StackReport};
pub use error::{Diagnostic, File, Span, TemplateError, did_you_mean, nearest};
pub use notice::{Notice, NoticeKind};

use crate::model::{Source, World};

/// What was loaded.
#[derive(Debug)]
pub struct Lab {
    /// Name: `lab.yaml`'s, or from the path.
    pub name: String,
    /// The file that was loaded: of a folder, the one in it.
    pub file: PathBuf,
    /// `expect` of a `lab.yaml`, for the room of that name to read.
    pub expect: Option<document::Value>,
    /// All objects.
    pub world: World,
    /// The stacks in the order of deployment.
    pub stacks: Vec<StackReport>,
    /// What has no effect.
    pub notices: Vec<Notice>,
    /// Buckets that hold a folder's files at the start.
    pub seeds: Vec<Seed>,
    /// Services that other servers answer for, one entry each.
    pub backends: Vec<Backend>,
    /// SNS topics whose messages are also POSTed to a URL.
    pub webhooks: BTreeMap<String, String>,
}

/// A server that answers for a service in place of the lab's own; of a `lab.yaml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The service by its endpoints' short name, such as `s3`.
    pub service: String,
    /// `http://HOST[:PORT]` or `https://…`, without a slash at its end.
    pub url: String,
    /// What requests are signed with; `None` sends them unsigned.
    pub credentials: Option<BackendCredentials>,
    /// Region in the signature; the request's own where `None`.
    pub region: Option<String>,
    /// S3: buckets stand in the path and not in the host's name.
    pub path_style: bool,
    /// Certificate authorities in PEM, from `lab.yaml` relative to its folder.
    pub ca_file: Option<PathBuf>,
}

/// Names of the environment variables that hold a backend's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendCredentials {
    /// Variable with the access key id.
    pub access_key_id: String,
    /// Variable with its secret.
    pub secret_access_key: String,
    /// Variable with a session token.
    pub session_token: Option<String>,
}

/// A bucket of the world and the folder that fills it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The bucket's name in the world.
    pub bucket: String,
    /// Folder: from `lab.yaml` relative to its folder, from the command line as given.
    pub folder: PathBuf,
}

/// What the command line adds to the files.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// `--account`: of stacks that name none.
    pub account: Option<String>,
    /// `--region`: of stacks that name none.
    pub region: Option<String>,
    /// `--param [STACK.]KEY=VALUE`; the stack is needed where several have the parameter.
    pub parameters: Vec<(String, String)>,
    /// `--seed BUCKET=FOLDER`; the bucket by its name or as `[STACK/]LOGICAL_ID`.
    pub seeds: Vec<(String, PathBuf)>,
}

/// Reads files for [`load`].
pub trait Files {
    /// The text of a file.
    fn read(&self, path: &Path) -> Result<String, ReadError>;
}

/// Why a file can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing is there.
    #[error("there is no such file or folder")]
    NotFound,
    /// It is a folder.
    #[error("it is a folder")]
    IsFolder,
    /// It is not UTF-8.
    #[error("it is not text (UTF-8)")]
    NotText,
    /// It is larger than any template.
    #[error("it is larger than any template")]
    TooLarge,
    /// What the system says.
    #[error("{0}")]
    Other(String),
}

/// Loads a template, a `lab.yaml`, a CDK `cdk.out`, or a folder with one of them, into a world.
pub fn load(files: &dyn Files, path: &Path, options: &LoadOptions) -> Result<Lab, TemplateError> {
    let loaded = plan::read(files, path, options).and_then(|plan| stacks::deploy(plan, options));
    match loaded {
        Ok(mut lab) => {
            // By place, as a reader goes through them; two stacks of one template say the same once.
            let place =
                |source: &Option<Source>| source.clone().map(|source| (source.file, source.line, source.column));
            lab.notices.sort_by_key(|notice| (place(&notice.source), notice.kind));
            lab.notices.dedup();
            Ok(lab)
        }
        Err(mut diagnostics) => {
            let place = |span: &Option<Span>| span.clone().map(|span| (span.file.name.clone(), span.line, span.column));
            diagnostics.sort_by_key(|diagnostic| place(&diagnostic.span));
            diagnostics.dedup();
            Err(TemplateError { diagnostics })
        }
    }
}
