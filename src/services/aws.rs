//! Everything behind AWS's names but S3: which service a name means, and who answers for it.
//!
//! A backend of `lab.yaml` answers where there is one, else the emulation, else the [placeholder](super::placeholder), which
//! tells who called. All services share one namespace and so one door; they differ by the name that is called.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};

use super::front::{self, Body, Service};
use super::placeholder::{Placeholder, service_of};

/// Who answers, by the name of a service in endpoints.
pub struct Aws {
    services: HashMap<String, Arc<dyn Service>>,
    rest: Placeholder,
}

impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aws").field("services", &self.services.keys()).finish_non_exhaustive()
    }
}

impl Aws {
    /// These services; the placeholder for every other.
    pub fn new(services: HashMap<String, Arc<dyn Service>>) -> Self {
        Self { services, rest: Placeholder }
    }

    fn of(&self, host: &str) -> Option<&Arc<dyn Service>> {
        self.services.get(&service_of(host))
    }
}

impl Service for Aws {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn http2(&self) -> bool {
        true
    }

    fn called(&self, host: &str) -> Option<String> {
        self.of(host).and_then(|service| service.called(host))
    }

    fn answer(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        match self.of(front::host(&request).unwrap_or_default()) {
            Some(service) => service.answer(request),
            None => self.rest.answer(request),
        }
        .boxed()
    }
}
