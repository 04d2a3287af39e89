//! Bytes on their way in: into a file while they come, counted, hashed, and compared at their end with what was said of
//! them.
//!
//! Limits: of each upload one batch is gathered while another is written, so a client is never read faster than the disk
//! takes it.

use std::fs::File;
use std::io::{BufWriter, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use http::{Extensions, HeaderMap};
use md5::{Digest, Md5};
use s3s::dto::StreamingBlob;
use s3s::{S3Result, s3_error};
use tokio::task::JoinHandle;

use super::checksum::{self, Algorithm, Hasher, Sum};
use super::store::Store;
use super::store::bodies::{Bodies, NewBody};
use super::store::rows::Piece;
use super::trailers::Trailers;
use crate::services::front::refusal::Refused;

/// Bytes that are hashed and written at once.
const BATCH: usize = 256 << 10;
/// Bytes that an upload in one piece may have.
pub(super) const LARGEST: u64 = 5 << 30;

/// What was said of a body.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// `Content-Length`.
    pub length: Option<u64>,
    /// `Content-MD5`, decoded.
    md5: Option<Vec<u8>>,
    /// A checksum in the head.
    sum: Option<(Algorithm, String)>,
    /// A checksum that comes behind the body.
    trailing: Option<Algorithm>,
    extensions: Extensions,
}

/// A body that is whole.
#[derive(Debug)]
pub(super) struct Received {
    /// `None` where there are no bytes.
    body: Option<NewBody>,
    pub size: u64,
    pub md5: [u8; 16],
    /// The checksum that is kept.
    pub sum: Sum,
    /// That of the client's kind, where it is another one.
    other: Option<Sum>,
}

impl Expected {
    /// Reads what the head says; what can't be is refused before a byte is read.
    pub fn of(headers: &HeaderMap, extensions: &Extensions, length: Option<i64>) -> S3Result<Self> {
        let length = length.and_then(|length| u64::try_from(length).ok());
        let Some(length) = length else {
            return Err(s3_error!(MissingContentLength, "You must provide the Content-Length HTTP header."));
        };
        if length > LARGEST {
            return Err(s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size"));
        }
        let md5 = headers.get("content-md5").map(|value| STANDARD.decode(value.as_bytes()));
        let md5 = md5.transpose().ok().filter(|md5| md5.as_ref().is_none_or(|md5| md5.len() == 16));
        let md5 = md5.ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified was invalid."))?;
        let sum = checksum::given(headers)?;
        let trailer = headers.get("x-amz-trailer").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let trailing = checksum::ALGORITHMS
            .into_iter()
            .find(|algorithm| trailer.split(',').any(|name| name.trim().eq_ignore_ascii_case(algorithm.header())));
        Ok(Self { length: Some(length), md5, sum, trailing, extensions: extensions.clone() })
    }

    /// Nothing but so many bytes.
    pub fn of_length(length: u64) -> Self {
        Self { length: Some(length), ..Self::default() }
    }

    /// The checksum that the client chose.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.sum.as_ref().map(|(algorithm, _)| *algorithm).or(self.trailing)
    }
}

/// A file under way with its digests.
struct Sink {
    body: NewBody,
    file: BufWriter<File>,
    md5: Md5,
    sum: Hasher,
    /// The client's checksum, where it is of another kind than the one that is kept.
    other: Option<Hasher>,
    size: u64,
}

impl Sink {
    fn new(store: &Store, (kept, other): (Algorithm, Option<Algorithm>)) -> std::io::Result<Self> {
        let (body, file) = store.bodies().create(store.body_name())?;
        Ok(Self { body, file, md5: Md5::new(), sum: Hasher::new(kept), other: other.map(Hasher::new), size: 0 })
    }

    fn take(&mut self, batch: &[Bytes]) -> std::io::Result<()> {
        for bytes in batch {
            self.md5.update(bytes);
            self.sum.update(bytes);
            if let Some(other) = &mut self.other {
                other.update(bytes);
            }
            self.file.write_all(bytes)?;
            self.size += bytes.len() as u64;
        }
        Ok(())
    }

    /// The body is whole; one without bytes needs no file.
    fn finish(self, bodies: &Bodies, kinds: (Algorithm, Option<Algorithm>)) -> std::io::Result<Received> {
        let Self { body, file, md5, sum: kept, other, size } = self;
        let body = if size > 0 {
            bodies.finish(&body, file)?;
            Some(body)
        } else {
            None
        };
        let other = kinds.1.zip(other).map(|(algorithm, hasher)| sum(algorithm, hasher));
        let sum = sum(kinds.0, kept);
        Ok(Received { body, size, md5: md5.finalize().into(), sum, other })
    }
}

/// Takes a body in; its file goes with what is returned unless that is [kept](Received::keep). `kept` is the kind of
/// checksum that is kept of it.
pub(super) async fn receive(
    store: &Store,
    body: Option<StreamingBlob>,
    expected: Expected,
    kept: Algorithm,
) -> S3Result<Received> {
    let kinds = (kept, expected.algorithm().filter(|given| *given != kept));
    let mut under_way: Option<JoinHandle<std::io::Result<Sink>>> = None;
    let (mut body, mut total) = (body, 0);
    loop {
        let (batch, ended) = gather(&mut body, &mut total, expected.length).await?;
        let before = match under_way.take() {
            Some(running) => Some(joined(running).await?),
            None => None,
        };
        let on = store.clone();
        let write = move || {
            let mut sink = before.map_or_else(|| Sink::new(&on, kinds), Ok)?;
            sink.take(&batch)?;
            Ok(sink)
        };
        if !ended {
            under_way = Some(tokio::task::spawn_blocking(write));
            continue;
        }
        if expected.length.is_some_and(|length| total != length) {
            return Err(incomplete());
        }
        let bodies = store.bodies().clone();
        let received = joined(tokio::task::spawn_blocking(move || write()?.finish(&bodies, kinds))).await?;
        expected.check(&received)?;
        return Ok(received);
    }
}

/// The next batch, and whether the body has ended well. Not one byte more than was announced is taken.
async fn gather(
    body: &mut Option<StreamingBlob>,
    total: &mut u64,
    length: Option<u64>,
) -> S3Result<(Vec<Bytes>, bool)> {
    let (mut batch, mut gathered) = (Vec::new(), 0);
    let Some(body) = body else { return Ok((batch, true)) };
    while gathered < BATCH {
        let Some(bytes) = body.next().await.transpose().map_err(broken)? else { return Ok((batch, true)) };
        gathered += bytes.len();
        *total += bytes.len() as u64;
        if length.is_some_and(|length| *total > length) {
            return Err(s3_error!(IncompleteBody, "The request body has more bytes than its Content-Length says"));
        }
        batch.push(bytes);
    }
    Ok((batch, false))
}

async fn joined<T>(running: JoinHandle<std::io::Result<T>>) -> S3Result<T> {
    let done = running.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    done.map_err(|error| s3_error!(error, InternalError))
}

fn sum(algorithm: Algorithm, hasher: Hasher) -> Sum {
    Sum { algorithm, value: hasher.finish(), composite: false }
}

impl Expected {
    fn check(&self, received: &Received) -> S3Result<()> {
        if self.md5.as_ref().is_some_and(|md5| *md5 != received.md5) {
            return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
        }
        let trailing = match self.trailing {
            Some(algorithm) => Some((algorithm, trailing_sum(&self.extensions, algorithm)?)),
            None => None,
        };
        let computed = received.other.as_ref().unwrap_or(&received.sum);
        match self.sum.iter().chain(&trailing).find(|(_, value)| *value != computed.value) {
            None => Ok(()),
            Some((algorithm, _)) => {
                let name = algorithm.name();
                Err(s3_error!(BadDigest, "The {name} you specified did not match the calculated checksum."))
            }
        }
    }
}

impl Received {
    /// Quoted by S3 wherever it stands; without quotes here.
    pub fn etag(&self) -> String {
        hex(&self.md5)
    }

    /// Where the bytes are.
    pub fn pieces(&self) -> Vec<Piece> {
        let piece = |body: &NewBody| Piece { body: body.name().to_owned(), start: 0, size: self.size };
        self.body.iter().map(piece).collect()
    }

    /// The index has it now.
    pub fn keep(self) {
        if let Some(body) = self.body {
            body.keep();
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn incomplete() -> s3s::S3Error {
    s3_error!(IncompleteBody, "You did not provide the number of bytes specified by the Content-Length HTTP header")
}

/// Why a body ended early: the client went away, or the door found it wrong.
fn broken(error: s3s::StdError) -> s3s::S3Error {
    let mut answer = match error.downcast_ref::<Refused>() {
        Some(refused) => {
            let (status, code) = refused.s3_code();
            let code = s3s::S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or(s3s::S3ErrorCode::InvalidRequest);
            let mut error = s3s::S3Error::with_message(code, refused.message.clone());
            error.set_status_code(http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_REQUEST));
            error
        }
        None => incomplete(),
    };
    answer.set_source(error);
    answer
}

/// The checksum that came behind the body; one that was announced must come.
fn trailing_sum(extensions: &Extensions, algorithm: Algorithm) -> S3Result<String> {
    let value = Trailers::get(extensions, algorithm.header()).filter(|value| checksum::is_valid(algorithm, value));
    value.ok_or_else(|| s3_error!(InvalidRequest, "Value for {} trailing header is invalid.", algorithm.header()))
}
