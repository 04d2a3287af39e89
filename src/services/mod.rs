//! The emulated services and the resolver: ordinary sockets behind links.
//!
//! Every server takes sockets that somebody else has bound (inside the service's network namespace) and a [`Shutdown`];
//! none of them knows about namespaces. Who stands behind a connection follows from its source address alone
//! ([`origins`], DESIGN decision 6).
//!
//! | file | speaks |
//! |---|---|
//! | [`resolver`] | DNS over UDP and TCP, one view per VPC |
//! | [`time`] | NTP: Amazon Time Sync |
//! | [`front`] | HTTP and HTTPS: the one door of all services behind it |
//! | [`authority`] | the lab's certificates |
//! | [`tls_secrets`] | what opens their connections in a capture |
//! | [`s3`] | S3 on a store of its own |
//! | [`aws`] | the other services of AWS by their names |
//! | [`dynamodb`] | DynamoDB on the embedded engine |
//! | [`ec2`] | the lab's own EC2 API, on the host's loopback |
//! | [`sts`] | STS: identities and roles |
//! | [`upstream`] | a real server in the place of an emulated one |
//! | [`balancer`] | the balancers' health checks and TLS listeners |
//! | [`tokens`] | temporary credentials |
//! | [`metadata`] | instance metadata |
//! | [`placeholder`] | "vpclab doesn't emulate that yet", for every other AWS service |
//! | [`echo`] | who called whom: `vpclab echo` |
//!

pub mod authority;
pub mod aws;
pub mod balancer;
mod called;
pub mod dynamodb;
pub mod ec2;
pub mod echo;
mod failure;
pub mod front;
pub mod metadata;
pub mod origins;
pub mod placeholder;
pub mod resolver;
pub mod s3;
pub mod sts;
pub mod time;
pub mod tls_secrets;
pub mod tokens;
pub mod upstream;

/// Turns true (or loses its sender) when servers shall end.
pub type Shutdown = tokio::sync::watch::Receiver<bool>;

/// Waits until servers shall end.
pub async fn stopped(shutdown: &mut Shutdown) {
    // An error means that the sender is gone: whoever would have said "stop" has ended already.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Waits a moment after a failed `accept`: the usual cause is a full table of file descriptors, which only time empties.
async fn accept_failed(who: &str, error: &std::io::Error) {
    tracing::warn!(%error, "{who}: a connection could not be accepted");
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
}
