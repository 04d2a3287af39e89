//! The bodies of a request on its way to a backend and of the answer on its way back: both stream, neither is held.
//!
//! Purpose: back-pressure comes by itself, since hyper asks for the next piece when the last one has left; what is added is
//! who is waiting for whom. A client that is slow is the door's business, a backend that is silent ends the exchange.
//! Time: see [`super::Limits`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::services::front::{Body, BodyError};

/// How far a request's body is.
#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When something happened last.
    since: Instant,
    /// The backend has taken everything, and the client sends the next piece.
    client_is_asked: bool,
    /// Why the body ended early.
    failed: Option<BodyError>,
}

impl Progress {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { since: Instant::now(), client_is_asked: false, failed: None }) })
    }

    /// Waits until the backend has owed us something for so long.
    pub async fn silence(&self, limit: Duration) {
        loop {
            let (since, client_is_asked) = {
                let state = self.state.lock();
                (state.since, state.client_is_asked)
            };
            let end = if client_is_asked { Instant::now() } else { since } + limit;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }

    /// Why the request's own body ended early, if it did.
    pub fn failure(&self) -> Option<BodyError> {
        self.state.lock().failed.take()
    }

    fn note(&self, client_is_asked: bool) {
        let mut state = self.state.lock();
        (state.since, state.client_is_asked) = (Instant::now(), client_is_asked);
    }
}

/// A request's body, as the backend gets it.
pub(super) struct Upload {
    body: Body,
    progress: Arc<Progress>,
}

impl Upload {
    pub fn new(body: Body, progress: Arc<Progress>) -> Self {
        Self { body, progress }
    }
}

impl hyper::body::Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.progress.note(polled.is_pending());
        match polled {
            // Trailers belong to one connection.
            Poll::Ready(Some(Ok(frame))) if !frame.is_data() => Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => {
                let said = error.to_string();
                self.progress.state.lock().failed = Some(error);
                Poll::Ready(Some(Err(said.into())))
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, as the client gets it; it holds the exchange's place among the backend's connections.
struct Download {
    body: Incoming,
    idle: Duration,
    /// Runs only while somebody waits for a piece.
    deadline: Option<Pin<Box<Sleep>>>,
    backend: Arc<str>,
    _place: OwnedSemaphorePermit,
}

/// Streams an answer's body. When it ends early, so does the client's connection: nothing then looks complete.
pub(super) fn download(body: Incoming, idle: Duration, backend: Arc<str>, place: OwnedSemaphorePermit) -> Body {
    Download { body, idle, deadline: None, backend, _place: place }.boxed_unsync()
}

impl hyper::body::Body for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Poll::Ready(polled) = Pin::new(&mut this.body).poll_frame(cx) {
            this.deadline = None;
            return Poll::Ready(match polled {
                Some(Ok(frame)) if !frame.is_data() => None,
                Some(Err(error)) => {
                    tracing::warn!(backend = %this.backend, "an answer ended early: {error}");
                    Some(Err(error.into()))
                }
                other => other.map(|frame| frame.map_err(Into::into)),
            });
        }
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(this.idle)));
        match deadline.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                tracing::warn!(backend = %this.backend, "an answer stopped for {:?}", this.idle);
                Poll::Ready(Some(Err("the backend stopped in the middle of its answer".into())))
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
