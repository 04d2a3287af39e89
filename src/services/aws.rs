//! All AWS services that share an address: each request goes to the one that its host name means.
//!
//! A service that nobody serves gets the [placeholder](super::placeholder), which says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::{Request, Response};

use super::called::Called;
use super::front::{self, Body, Service};
use super::placeholder::Placeholder;

/// Services whose names in DNS and in endpoints differ.
const ENDPOINT_NAMES: [(&str, &str); 2] = [("firehose", "kinesis-firehose"), ("kinesis", "kinesis-streams")];

/// Services by the names that endpoints give them: `sqs`, `ecr.api`.
#[derive(Clone, Default)]
pub struct Aws {
    services: BTreeMap<String, Arc<dyn Service>>,
    otherwise: Arc<Placeholder>,
}

impl Aws {
    /// Adds a service, in place of any of that name.
    pub fn add(&mut self, name: &str, service: Arc<dyn Service>) {
        self.services.insert(name.to_owned(), service);
    }

    /// Whether somebody serves it.
    pub fn has(&self, name: &str) -> bool {
        self.services.contains_key(name)
    }

    fn of(&self, host: &str) -> &dyn Service {
        let called = Called::read(host).service.unwrap_or_default();
        let renamed = ENDPOINT_NAMES.iter().find(|(name, _)| *name == called).map(|(_, endpoint)| *endpoint);
        match self.services.get(renamed.unwrap_or(&called)) {
            Some(service) => service.as_ref(),
            None => self.otherwise.as_ref(),
        }
    }
}

impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.services.keys()).finish()
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
        self.of(host).called(host)
    }

    fn answer(&self, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        self.of(front::host(&request).unwrap_or_default()).answer(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str);

    impl Service for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        fn called(&self, _host: &str) -> Option<String> {
            Some(self.0.to_owned())
        }

        fn answer(&self, _request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
            Box::pin(std::future::ready(Response::new(front::full(self.0))))
        }
    }

    #[test]
    fn each_name_means_its_service() {
        let mut aws = Aws::default();
        for name in ["sqs", "ecr.api", "kinesis-streams"] {
            aws.add(name, Arc::new(Named(name)));
        }
        let cases = [
            ("sqs.us-east-1.amazonaws.com", Some("sqs")),
            ("vpce-0a-1b.sqs.us-east-1.vpce.amazonaws.com:443", Some("sqs")),
            ("api.ecr.eu-west-1.amazonaws.com", Some("ecr.api")),
            ("kinesis.us-east-1.amazonaws.com", Some("kinesis-streams")),
            ("kms.us-east-1.amazonaws.com", Some("kms")),
            ("1.dkr.ecr.us-east-1.amazonaws.com", None),
            ("10.0.0.1", None),
        ];
        for (host, expected) in cases {
            assert_eq!(aws.called(host).as_deref(), expected, "{host}");
        }
        assert!(aws.has("sqs") && !aws.has("kms"));
    }
}
