//! Every AWS service that vpclab does not emulate yet.

use futures::future::BoxFuture;

use super::front::{Body, Service};

/// Answers 501 and says who called through which endpoint.
#[derive(Debug, Default)]
pub struct Placeholder;

impl Service for Placeholder {
    fn name(&self) -> &'static str {
        "placeholder"
    }

    fn answer<'a>(&'a self, request: http::Request<hyper::body::Incoming>) -> BoxFuture<'a, http::Response<Body>> {
        let _ = request;
        todo!()
    }
}
