//! All objects of a lab, and the one way in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::*;

/// Where an object is written in a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// File as the user named it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What every object has.
#[derive(Clone, Debug)]
pub struct Meta {
    /// Owner's account, or `AWS` / `amazon`.
    pub account: String,
    /// Region.
    pub region: String,
    /// Stack that declares it.
    pub stack: Option<String>,
    /// Logical id in that stack.
    pub logical_id: Option<String>,
    /// Where it is written.
    pub source: Option<Source>,
    /// Tags, key to value.
    pub tags: BTreeMap<String, String>,
}

/// All objects of a lab, by id (or ARN, or bucket name).
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "each map is its noun's, keyed by the noun's id")]
pub struct World {
    pub vpcs: BTreeMap<String, Vpc>,
    pub subnets: BTreeMap<String, Subnet>,
    pub route_tables: BTreeMap<String, RouteTable>,
    pub internet_gateways: BTreeMap<String, InternetGateway>,
    pub prefix_lists: BTreeMap<String, PrefixList>,
    pub security_groups: BTreeMap<String, SecurityGroup>,
    pub network_interfaces: BTreeMap<String, NetworkInterface>,
    pub instances: BTreeMap<String, Instance>,
    pub vpc_endpoints: BTreeMap<String, VpcEndpoint>,
    pub vpc_endpoint_services: BTreeMap<String, VpcEndpointService>,
    pub load_balancers: BTreeMap<String, LoadBalancer>,
    pub target_groups: BTreeMap<String, TargetGroup>,
    pub listeners: BTreeMap<String, Listener>,
    pub buckets: BTreeMap<String, Bucket>,
}

/// The id (or ARN, or name) of what a change made or touched.
pub type ObjectId = String;

impl World {
    /// Does the operation whole, or refuses and leaves the world as it was.
    ///
    /// Returns the id of what was made: the object's id, ARN or bucket name as CloudFormation's `Ref` gives it; for
    /// operations that make nothing, the id of what they touched (an association's id for Associate…).
    pub fn apply(&mut self, request: Request) -> Result<ObjectId, Refusal> {
        let _ = request;
        Err(Refusal::new("UnsupportedOperation", "not written yet"))
    }
}
