//! A signed body on its way in: hashed, or taken out of its chunks, while it streams.
//!
//! What is wrong with it shows at its end (or in its midst) as an error of the stream, so a store makes nothing of it. Nothing
//! is held but the end of a chunk's head: a chunk may be as long as it likes.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>

use bytes::{Buf, Bytes, BytesMut};
use futures::{StreamExt, stream};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use sha2::{Digest, Sha256};

use super::canonical::{self, equal, hexadecimal};
use super::{Payload, Proof};
use crate::services::front::refusal::{Cause, Refused};
use crate::services::front::{Body, BodyError};

/// Bytes of a chunk's head, or of all trailing headers.
const LONGEST_LINE: usize = 8 << 10;

/// The body that was signed; headers that come behind it are its trailers. `proof` is absent where nobody signed. `length` is
/// what the head says of it without its chunks.
pub fn signed(body: Body, payload: &Payload, proof: Option<&Proof>, length: Option<u64>) -> Body {
    match payload {
        Payload::Unsigned | Payload::Implied => body,
        Payload::Hash(hash) => hashed(body, hash.clone()),
        Payload::Chunked { signed, trailer, .. } => {
            let chain = proof
                .filter(|_| *signed)
                .map(|proof| Chain { previous: proof.signature.clone(), proof: proof.clone() });
            let chunks = Chunks {
                source: Source { body, buffer: BytesMut::new() },
                chain,
                hash: Sha256::new(),
                left: 0,
                missing: length,
                expected: None,
                trailer: *trailer,
                state: State::Head,
            };
            let pieces = stream::try_unfold(chunks, |mut chunks| async move {
                let piece = chunks.next().await?;
                Ok::<_, BodyError>(piece.map(|piece| (piece, chunks)))
            });
            StreamBody::new(pieces).boxed_unsync()
        }
    }
}

/// A body whose hash is known.
fn hashed(body: Body, hash: String) -> Body {
    let hint = hyper::body::Body::size_hint(&body);
    let start = (body.into_data_stream(), Sha256::new(), hash);
    let pieces = stream::try_unfold(Some(start), |state| async move {
        let Some((mut body, mut sum, hash)) = state else { return Ok(None) };
        match body.next().await.transpose()? {
            Some(piece) => {
                sum.update(&piece);
                Ok::<_, BodyError>(Some((Frame::data(piece), Some((body, sum, hash)))))
            }
            None if hexadecimal(&sum.finalize()) == hash => Ok(None),
            None => Err(Refused::new(
                Cause::PayloadMismatch,
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )
            .into()),
        }
    });
    Hinted { body: StreamBody::new(pieces).boxed_unsync(), hint }.boxed_unsync()
}

/// A body that still says how long it is.
struct Hinted {
    body: Body,
    hint: hyper::body::SizeHint,
}

impl hyper::body::Body for Hinted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        std::pin::Pin::new(&mut self.body).poll_frame(cx)
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.hint
    }
}

/// The signatures of chunks, each of which signs the one before.
struct Chain {
    proof: Proof,
    previous: String,
}

impl Chain {
    fn check(&mut self, kind: &str, text: &str, signature: &str) -> Result<(), BodyError> {
        let Proof { key, date, scope, .. } = &self.proof;
        let text = format!("AWS4-HMAC-SHA256-{kind}\n{date}\n{scope}\n{}\n{text}", self.previous);
        let computed = hexadecimal(&canonical::hmac(key, text.as_bytes()));
        if !equal(&computed, signature) {
            let message = "The chunk signature we calculated does not match the signature you provided. Check your key and signing method.";
            return Err(Refused::new(Cause::Mismatch, message).into());
        }
        self.previous = computed;
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A chunk's head is next.
    Head,
    /// Data of a chunk.
    Data,
    /// Everything came.
    Ended,
}

/// A body in chunks.
struct Chunks {
    source: Source,
    chain: Option<Chain>,
    /// Of the chunk's data so far.
    hash: Sha256,
    /// Of the chunk's data, still to come.
    left: u64,
    /// Of all chunks' data, still to come.
    missing: Option<u64>,
    /// The chunk's signature.
    expected: Option<String>,
    trailer: bool,
    state: State,
}

impl Chunks {
    /// The next piece of data, or the headers behind all of it.
    async fn next(&mut self) -> Result<Option<Frame<Bytes>>, BodyError> {
        loop {
            match self.state {
                State::Ended => return Ok(None),
                State::Head => {
                    if let Some(trailers) = self.head().await? {
                        return Ok(Some(Frame::trailers(trailers)));
                    }
                }
                State::Data if self.left > 0 => {
                    let piece = self.source.some(self.left).await?;
                    let size = piece.len() as u64;
                    self.left -= size;
                    let missing = self.missing.map(|missing| missing.checked_sub(size).ok_or_else(other_length));
                    self.missing = missing.transpose()?;
                    self.hash.update(&piece);
                    return Ok(Some(Frame::data(piece)));
                }
                State::Data => {
                    if !self.source.line().await?.is_empty() {
                        return Err(bad("a chunk is longer than its head says"));
                    }
                    self.check_chunk()?;
                    self.state = State::Head;
                }
            }
        }
    }

    /// `SIZE[;chunk-signature=SIGNATURE]`; the last one has no data.
    async fn head(&mut self) -> Result<Option<HeaderMap>, BodyError> {
        let line = self.source.line().await?;
        let (size, extension) = line.split_once(';').unwrap_or((&line, ""));
        let valid = !size.is_empty() && size.len() <= 16 && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = valid.then(|| u64::from_str_radix(size, 16).ok()).flatten();
        self.left = size.ok_or_else(|| bad("a chunk's head is no hexadecimal size"))?;
        self.expected = extension.trim().strip_prefix("chunk-signature=").map(str::to_owned);
        self.state = State::Data;
        if self.left > 0 {
            return Ok(None);
        }
        self.check_chunk()?;
        if self.missing.is_some_and(|missing| missing > 0) {
            return Err(other_length());
        }
        self.end().await.map(Some)
    }

    fn check_chunk(&mut self) -> Result<(), BodyError> {
        let hash = std::mem::take(&mut self.hash).finalize();
        let Some(chain) = &mut self.chain else { return Ok(()) };
        let signature = self.expected.take().ok_or_else(|| bad("a chunk has no chunk-signature"))?;
        chain.check("PAYLOAD", &format!("{}\n{}", canonical::EMPTY, hexadecimal(&hash)), &signature)
    }

    /// Trailing headers up to an empty line, and nothing behind them.
    async fn end(&mut self) -> Result<HeaderMap, BodyError> {
        let (mut headers, mut text, mut signature) = (HeaderMap::new(), String::new(), None);
        loop {
            // Some clients end without the empty line.
            let Some(line) = self.source.last_line().await? else { break };
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| bad("a trailing header is none"))?;
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            if name == "x-amz-trailer-signature" {
                signature = Some(value.to_owned());
                continue;
            }
            text.push_str(&format!("{name}:{value}\n"));
            if !self.trailer || text.len() > LONGEST_LINE {
                return Err(bad("there are trailing headers that were not announced"));
            }
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("a trailing header is none"))?;
            headers.insert(name, HeaderValue::from_str(value).map_err(|_| bad("a trailing header is none"))?);
        }
        if let (Some(chain), true) = (&mut self.chain, self.trailer) {
            let signature = signature.ok_or_else(|| bad("the trailing headers have no x-amz-trailer-signature"))?;
            chain.check("TRAILER", &canonical::digest(text.as_bytes()), &signature)?;
        }
        while let Some(line) = self.source.last_line().await? {
            if !line.is_empty() {
                return Err(bad("there is more behind the last chunk"));
            }
        }
        self.state = State::Ended;
        Ok(headers)
    }
}

fn other_length() -> BodyError {
    let message = "You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header";
    Refused::new(Cause::Incomplete, message).into()
}

fn bad(what: &str) -> BodyError {
    Refused::new(Cause::BadChunks, format!("The aws-chunked body is malformed: {what}")).into()
}

/// Bytes of a body, by lines and by pieces.
struct Source {
    body: Body,
    buffer: BytesMut,
}

impl Source {
    /// Whether more came.
    async fn fill(&mut self) -> Result<bool, BodyError> {
        while let Some(frame) = self.body.frame().await.transpose()? {
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                self.buffer.extend_from_slice(&data);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// At most so many bytes, at least one.
    async fn some(&mut self, most: u64) -> Result<Bytes, BodyError> {
        if self.buffer.is_empty() && !self.fill().await? {
            return Err(Refused::new(Cause::Incomplete, "The request body terminated unexpectedly").into());
        }
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(self.buffer.len());
        Ok(self.buffer.split_to(length).freeze())
    }

    /// A line, which must come.
    async fn line(&mut self) -> Result<String, BodyError> {
        let line = self.last_line().await?;
        line.ok_or_else(|| Refused::new(Cause::Incomplete, "The request body terminated unexpectedly").into())
    }

    /// A line, or what is left at the end; `None` when nothing is.
    async fn last_line(&mut self) -> Result<Option<String>, BodyError> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.buffer[seen..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(seen + at);
                self.buffer.advance(1);
                let line = line.strip_suffix(b"\r").unwrap_or(&line);
                return String::from_utf8(line.to_vec()).map(Some).map_err(|_| bad("a head is no text"));
            }
            seen = self.buffer.len();
            if seen > LONGEST_LINE {
                return Err(bad("a head has no end"));
            }
            if !self.fill().await? {
                let rest = self.buffer.split();
                if rest.is_empty() {
                    return Ok(None);
                }
                return String::from_utf8(rest.to_vec()).map(Some).map_err(|_| bad("a head is no text"));
            }
        }
    }
}
