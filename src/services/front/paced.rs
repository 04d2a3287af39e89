//! A body that must keep coming, and what is left of it when nobody reads on.
//!
//! The bound in time of a client that promises bytes and sends none. And the answer to a request that is refused before its
//! body was read: over HTTP/2 the rest would end in a reset of the stream, over HTTP/1.1 in the end of the connection, and
//! there are clients that report either instead of the answer, or read none before all is sent. So what is left is read on
//! while the answer goes, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep, timeout};

use super::BodyError;

/// Most bytes that are read for nobody: clients that send more ask first (`Expect: 100-continue`) …
const LEFT_BYTES: usize = 64 << 20;
/// … how long …
const LEFT_TIME: Duration = Duration::from_secs(20);
/// … and the longest wait for a piece.
const LEFT_PATIENCE: Duration = Duration::from_secs(2);

/// A request's body that fails when nothing came for a while.
pub struct Paced {
    /// There until it is dropped.
    body: Option<Incoming>,
    /// Where it goes when nobody reads on; `None` at its end, or while the client waits to be asked for it.
    left: Option<oneshot::Sender<Incoming>>,
    /// The client waits to be asked for it (`Expect: 100-continue`), and nobody has.
    unasked: bool,
    /// Longest wait for a piece.
    patience: Duration,
    /// Runs only while somebody waits for a piece.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    /// Wraps the body of a request with these headers; the second value gets what nobody reads.
    pub fn new(body: Incoming, headers: &http::HeaderMap, patience: Duration) -> (Self, Left) {
        let (sender, left) = oneshot::channel();
        let unasked = headers.contains_key(http::header::EXPECT);
        let paced = Self { body: Some(body), left: Some(sender), unasked, patience, deadline: None };
        (paced, Left { body: left, patience })
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        if let (Some(body), Some(left)) = (self.body.take(), self.left.take().filter(|_| !self.unasked)) {
            // Who would read it may have answered long ago.
            let _ = left.send(body);
        }
    }
}

/// What is left of a request's body once it has an answer.
pub struct Left {
    body: oneshot::Receiver<Incoming>,
    /// Longest wait for a piece.
    patience: Duration,
}

impl Left {
    /// Goes on reading it in a task of its own, to its end or its bounds; nothing when somebody still reads.
    pub fn read_on(mut self) {
        let Ok(mut body) = self.body.try_recv() else { return };
        let read = async move {
            let mut left = LEFT_BYTES;
            while let Ok(Some(Ok(frame))) = timeout(self.patience.min(LEFT_PATIENCE), body.frame()).await {
                let len = frame.data_ref().map_or(0, Bytes::len);
                let Some(fewer) = left.checked_sub(len) else { break };
                left = fewer;
            }
        };
        tokio::spawn(timeout(LEFT_TIME, read));
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        this.unasked = false;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            this.deadline = None;
            if !matches!(frame, Some(Ok(_))) {
                this.left = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(this.patience)));
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => {
                this.left = None;
                Poll::Ready(Some(Err("the rest of the request's body did not come in time".into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}
