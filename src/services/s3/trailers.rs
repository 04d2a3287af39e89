//! What comes behind a body: checksums that the client computed while it sent.
//!
//! The door undoes `aws-chunked` and hands its trailing headers on as trailers of the body, as HTTP has them. s3s drops
//! those, so they are picked up here on their way and are in the request's extensions when the body has ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Extensions, HeaderMap};
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;

use crate::services::front::{Body, BodyError};

/// The trailers of a request, empty until its body has ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Trailers(Arc<Mutex<HeaderMap>>);

impl Trailers {
    /// The value of a trailer.
    pub fn get(extensions: &Extensions, name: &str) -> Option<String> {
        let trailers = extensions.get::<Self>()?.0.lock();
        trailers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }
}

/// A body whose trailers are kept.
pub(super) struct Trailed {
    body: Body,
    trailers: Trailers,
}

impl Trailed {
    pub fn new(body: Body, trailers: Trailers) -> Self {
        Self { body, trailers }
    }
}

impl hyper::body::Body for Trailed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(cx)?) else { return Poll::Ready(None) };
            match frame.into_trailers() {
                Ok(trailers) => this.trailers.0.lock().extend(trailers),
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
