//! What the path of a request tells policies (B2.1).

use std::net::IpAddr;

use crate::model::Origin;
use crate::policy::Context;

/// The facts of a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// The endpoint it came through: `aws:SourceVpce`.
    pub vpc_endpoint_id: Option<String>,
    /// That endpoint's VPC: `aws:SourceVpc`.
    pub vpc_id: Option<String>,
    /// `aws:SourceVpcArn`.
    pub vpc_arn: Option<String>,
    /// The endpoint's owner: `aws:VpceAccount`.
    pub endpoint_account: Option<String>,
    /// The client's private address: `aws:VpcSourceIp`; only through an endpoint.
    pub private_ip: Option<IpAddr>,
    /// The client's public address: `aws:SourceIp`; never through an endpoint.
    pub source_ip: Option<IpAddr>,
    /// `aws:SecureTransport`.
    pub tls: bool,
}

impl Way {
    /// Of a connection whose peer a service sees; `origin` is `None` over the internet.
    pub fn new(origin: Option<&Origin>, peer: IpAddr, tls: bool) -> Self {
        match origin {
            Some(origin) if origin.vpc_endpoint_id.is_some() => Self {
                vpc_endpoint_id: origin.vpc_endpoint_id.clone(),
                vpc_id: origin.endpoint_vpc_id.clone(),
                vpc_arn: origin.endpoint_vpc_arn.clone(),
                endpoint_account: origin.endpoint_account.clone(),
                private_ip: Some(origin.private_ip.into()),
                source_ip: None,
                tls,
            },
            _ => Self { source_ip: Some(peer), tls, ..Self::default() },
        }
    }

    /// The condition keys; those that a request does not have are absent.
    pub fn keys(&self) -> Context {
        let mut keys = Context::default();
        let texts = [
            ("aws:SourceVpce", &self.vpc_endpoint_id),
            ("aws:SourceVpc", &self.vpc_id),
            ("aws:SourceVpcArn", &self.vpc_arn),
            ("aws:VpceAccount", &self.endpoint_account),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                keys.set(key, value.clone());
            }
        }
        for (key, address) in [("aws:VpcSourceIp", self.private_ip), ("aws:SourceIp", self.source_ip)] {
            if let Some(address) = address {
                keys.set(key, address.to_string());
            }
        }
        keys.set("aws:SecureTransport", self.tls.to_string());
        keys
    }
}
