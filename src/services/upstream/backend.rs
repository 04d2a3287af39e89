//! What is to be known of a backend, and the bounds of the way there.

use std::path::PathBuf;
use std::time::Duration;

/// Keys of a backend.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Access key id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// For temporary ones.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// A server that speaks a service's protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// `http://HOST[:PORT]` or `https://…`.
    pub url: String,
    /// Signs with them; unsigned without.
    pub credentials: Option<Credentials>,
    /// Region in the signature; that of the request where `None`.
    pub region: Option<String>,
    /// Buckets stand in the path; else in the host name, which must resolve.
    pub path_style: bool,
    /// Certificate authorities in PEM that are trusted beside the machine's own.
    pub ca_file: Option<PathBuf>,
}

/// Bounds of the way to a backend.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once; a request waits [`Limits::connect_time`] for a place.
    pub connections: usize,
    /// Bytes of held bodies, of all requests together.
    pub memory: usize,
    /// Time for a connection: its name, TCP, TLS.
    pub connect_time: Duration,
    /// Time in which the backend must take more of a request, and begin its answer after the last of it.
    pub head_time: Duration,
    /// Time between two pieces of an answer.
    pub body_time: Duration,
    /// Time for which an idle connection is kept: less than common servers keep one, so that it is seldom found closed.
    pub idle_time: Duration,
    /// Bytes of an answer's head.
    pub header_bytes: usize,
}

impl Limits {
    /// Those of a service. Lambda may take a quarter of an hour; others less than the minute after which SDKs give up, so that
    /// the client reads our reason.
    pub fn of(service: &str) -> Self {
        let head_time = if service == "lambda" { 910 } else { 55 };
        Self {
            connections: 256,
            memory: 64 << 20,
            connect_time: Duration::from_secs(5),
            head_time: Duration::from_secs(head_time),
            body_time: Duration::from_secs(55),
            idle_time: Duration::from_secs(4),
            header_bytes: 64 << 10,
        }
    }
}
