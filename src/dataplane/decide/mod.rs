//! The walk: a packet meets object after object until one of them delivers or refuses it.
//!
//! Each kind of hop has a file; each hop looks at the packet as it is now, may change its addresses, and names the next.
//! The walk is a function of tables and packet alone: it borrows no port and touches no flow, so `trace` is the same code
//! with a recorder (`Walk::record`). At most `Walk::MOST_HOPS` objects.
//!
//! ```text
//! leave (interface.rs) ─► link-local service ─► service
//!   │ router       │ neighbour
//!   ▼              ▼
//! route.rs ──────► enter (interface.rs) ─► guest's link
//!   │                 ├─► endpoint.rs (interface endpoint) ─► service
//!   ▼                 ▼                          │
//! endpoint.rs       balancer.rs ◄────────────────┘
//! (gateway) ─► service   └─► route.rs of the node's subnet
//! ```

mod balancer;
mod endpoint;
mod interface;
mod link_local;
pub use link_local::RESOLVER;
mod route;

use std::net::Ipv4Addr;

use super::admit::Addressed;
use super::flow::{Stamp, Timeouts};
use super::nat::Pool;
use super::path::{Header, Hop, Path};
use super::tables::*;
use super::verdict::DropReason;
use crate::packet::{Mac, protocol};

/// The router's MAC address on links to services.
pub const FABRIC_ROUTER_MAC: Mac = [0x02, 0, 0, 0, 0, 0x01];

/// Why a packet goes no further, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub reason: DropReason,
    /// The object.
    pub object: Option<ObjectIndex>,
}

impl Refused {
    /// An index that points nowhere.
    pub const BAD_TABLES: Self = Self { reason: DropReason::BadTables, object: None };
}

/// What the walk needs to know of a packet beyond its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// A TCP SYN without ACK: may open a flow anywhere.
    pub opens: bool,
    /// A fragment: it has no ports to look at.
    pub fragment: bool,
    /// ICMP echo request or reply.
    pub echo: bool,
    /// TCP sequence number (the balancer's hash takes it).
    pub tcp_sequence: u32,
}

impl Traits {
    /// Of the packet that `trace` imagines: the first of a conversation.
    pub fn first() -> Self {
        Self { opens: true, fragment: false, echo: true, tcp_sequence: 0 }
    }
}

/// How a walk ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Where the packet leaves.
    pub egress: LinkIndex,
    /// Its header there; `source_port` stands for nothing while `borrow` is set.
    pub header: Header,
    /// The source port comes from this pool.
    pub borrow: Option<Pool>,
    /// MAC addresses of the frame there.
    pub source_mac: Mac,
    /// MAC addresses of the frame there.
    pub destination_mac: Mac,
    /// What the decision rests on.
    pub stamps: [Stamp; 2],
    /// How long a flow of it may be idle.
    pub timeouts: Timeouts,
    /// Endpoint or balancer on the way.
    pub via: Option<ObjectIndex>,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered.
    Deliver(Decision),
    /// Answered with a TCP reset by that object.
    Reset(ObjectIndex),
    /// Refused.
    Refuse(Refused),
}

/// The next object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Leave(InterfaceIndex, Addressed),
    Route(SubnetIndex),
    Enter(InterfaceIndex),
    LinkLocal,
    GatewayEndpoint(EndpointIndex),
    InterfaceEndpoint { interface: InterfaceIndex, endpoint: EndpointIndex, backend: EndpointBackend },
    Balance { balancer: BalancerIndex, node: u32 },
    Service { service: ServiceIndex },
    Done(Outcome),
}

/// A packet on its way.
struct Walk<'a> {
    tables: &'a Tables,
    hasher: &'a ahash::RandomState,
    traits: Traits,
    /// The packet as it is now.
    header: Header,
    /// The interface that opened the conversation.
    client: InterfaceIndex,
    /// The interface that sent the packet last: the client, then a balancer's node.
    sender: InterfaceIndex,
    /// Endpoint that it passed.
    endpoint: Option<EndpointIndex>,
    borrow: Option<Pool>,
    via: Option<ObjectIndex>,
    recorder: Option<&'a mut Path>,
}

/// Walks a packet that `client` sends to `addressed`.
pub fn decide(
    tables: &Tables,
    hasher: &ahash::RandomState,
    client: InterfaceIndex,
    addressed: Addressed,
    header: Header,
    traits: Traits,
    recorder: Option<&mut Path>,
) -> Outcome {
    let mut walk = Walk {
        tables,
        hasher,
        traits,
        header,
        client,
        sender: client,
        endpoint: None,
        borrow: None,
        via: None,
        recorder,
    };
    let mut step = Step::Leave(client, addressed);
    for _ in 0..Walk::MOST_HOPS {
        step = match walk.step(step) {
            Ok(Step::Done(outcome)) => return outcome,
            Ok(next) => next,
            Err(refused) => return Outcome::Refuse(refused),
        };
    }
    Outcome::Refuse(Refused { reason: DropReason::TooManyHops, object: None })
}

impl Walk<'_> {
    const MOST_HOPS: usize = 16;

    fn step(&mut self, step: Step) -> Result<Step, Refused> {
        match step {
            Step::Leave(interface, addressed) => interface::leave(self, interface, addressed),
            Step::Route(subnet) => route::route(self, subnet),
            Step::Enter(interface) => interface::enter(self, interface),
            Step::LinkLocal => link_local::serve(self),
            Step::GatewayEndpoint(endpoint) => endpoint::gateway(self, endpoint),
            Step::InterfaceEndpoint { interface, endpoint, backend } => {
                endpoint::interface(self, interface, endpoint, backend)
            }
            Step::Balance { balancer, node } => balancer::balance(self, balancer, node),
            Step::Service { service } => endpoint::service(self, service),
            Step::Done(outcome) => Ok(Step::Done(outcome)),
        }
    }

    /// Writes a hop down, if anyone reads along.
    fn record(
        &mut self,
        kind: &'static str,
        object: ObjectIndex,
        rule: Option<ObjectIndex>,
        before: Header,
        decision: impl FnOnce() -> String,
    ) {
        let after = self.header;
        if let Some(path) = self.recorder.as_deref_mut() {
            path.hops.push(Hop { kind, object: Some(object), decision: decision(), rule, before, after });
        }
    }

    /// Refuses at an object, and writes that hop down too.
    fn refuse<T>(&mut self, kind: &'static str, object: ObjectIndex, reason: DropReason) -> Result<T, Refused> {
        let before = self.header;
        self.record(kind, object, None, before, || format!("drops: {}", reason.sentence()));
        Err(Refused { reason, object: Some(object) })
    }

    fn interface(&self, index: InterfaceIndex) -> Result<&Interface, Refused> {
        self.tables.interfaces.get(index.at()).ok_or(Refused::BAD_TABLES)
    }

    fn vpc(&self, index: VpcIndex) -> Result<&Vpc, Refused> {
        self.tables.vpcs.get(index.at()).ok_or(Refused::BAD_TABLES)
    }

    /// Gives the packet the source address that services see for who sent it and this way in.
    fn take_fabric_source(&mut self, object: ObjectIndex, way: Way) -> Result<(), Refused> {
        let entry = FabricEntry { interface: self.sender, address: self.header.source, way };
        match self.tables.fabric.address(&entry) {
            Some(address) => {
                self.header.source = address;
                Ok(())
            }
            None => self.refuse("endpoint", object, DropReason::UnknownToService),
        }
    }

    /// Ends the walk at a link.
    fn deliver(&self, link: LinkIndex, macs: (Mac, Mac)) -> Result<Step, Refused> {
        let stamp = |index: InterfaceIndex| -> Result<Stamp, Refused> {
            let vpc = self.interface(index)?.vpc;
            Ok(Stamp { vpc, generation: self.vpc(vpc)?.generation })
        };
        let balanced = self.borrow.is_some() || matches!(self.endpoint, Some(it) if !self.is_gateway(it));
        let timeouts = match (self.header.protocol, balanced) {
            _ if self.traits.fragment => Timeouts::OTHER,
            (protocol::TCP, false) => Timeouts::TRACKED_TCP,
            (protocol::TCP, true) => Timeouts::BALANCED_TCP,
            (protocol::UDP, false) => Timeouts::UDP,
            (protocol::UDP, true) => Timeouts::BALANCED_UDP,
            _ => Timeouts::OTHER,
        };
        Ok(Step::Done(Outcome::Deliver(Decision {
            egress: link,
            header: self.header,
            borrow: self.borrow,
            source_mac: macs.0,
            destination_mac: macs.1,
            stamps: [stamp(self.client)?, stamp(self.sender)?],
            timeouts,
            via: self.via,
        })))
    }

    fn is_gateway(&self, index: EndpointIndex) -> bool {
        self.tables.endpoints.get(index.at()).is_some_and(|endpoint| endpoint.gateway_service.is_some())
    }
}

/// A short form for people: `tcp port 443`.
fn service_name(protocol: u8, port: u16) -> String {
    match protocol {
        protocol::ICMP => "icmp".to_owned(),
        protocol::TCP => format!("tcp port {port}"),
        protocol::UDP => format!("udp port {port}"),
        other => format!("protocol {other}"),
    }
}

/// Addresses that no interface can have: the first four and the last of a subnet (B1.1).
fn is_reserved(subnet: &Subnet, address: Ipv4Addr) -> bool {
    let first = u32::from(subnet.cidr.network());
    let address = u32::from(address);
    subnet.cidr.contains(&Ipv4Addr::from(address))
        && (address - first < 4 || address == u32::from(subnet.cidr.broadcast()))
}
