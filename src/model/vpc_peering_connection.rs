//! `AWS::EC2::VPCPeeringConnection` (B1.8).
//!
//! Not done: the seven days after which AWS lets a request expire (the model has no clock), and DNS resolution from the
//! remote VPC.

use ipnet::Ipv4Net;

use super::world::Meta;
use super::*;

/// A peering between two VPCs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcPeeringConnection {
    /// `pcx-…`.
    pub vpc_peering_connection_id: String,
    /// Owner (the requester) and origin.
    pub meta: Meta,
    /// Who asked.
    pub requester: PeeringSide,
    /// Who was asked.
    pub accepter: PeeringSide,
    /// Where it stands in its life.
    pub status: PeeringStatus,
}

/// One side of a peering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeeringSide {
    /// Its VPC.
    pub vpc_id: String,
    /// Owner of the VPC.
    pub account: String,
    /// Region of the VPC.
    pub region: String,
}

/// AWS's `Status.Code` of a peering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum PeeringStatus {
    PendingAcceptance,
    Active,
    Failed,
    Rejected,
    Expired,
    Deleted,
}

impl VpcPeeringConnection {
    /// The other side of a VPC; `None` for a VPC that it does not connect.
    pub fn peer_of(&self, vpc_id: &str) -> Option<&PeeringSide> {
        if self.requester.vpc_id == vpc_id {
            return Some(&self.accepter);
        }
        (self.accepter.vpc_id == vpc_id).then_some(&self.requester)
    }

    /// What it says about itself, as AWS does.
    pub fn status_message(&self) -> String {
        match self.status {
            PeeringStatus::PendingAcceptance => format!("Pending Acceptance by {}", self.accepter.account),
            PeeringStatus::Active => "Active".to_owned(),
            PeeringStatus::Failed => "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range".to_owned(),
            PeeringStatus::Rejected => format!("Rejected by {}", self.accepter.account),
            PeeringStatus::Expired => "Expired".to_owned(),
            PeeringStatus::Deleted => "Deleted".to_owned(),
        }
    }

    /// Whether it takes the place of another between the same VPCs.
    fn is_live(&self) -> bool {
        matches!(self.status, PeeringStatus::PendingAcceptance | PeeringStatus::Active)
    }
}

impl World {
    /// Asks for a peering. It is born `pending-acceptance`, or `failed` where AWS says that only later.
    pub(super) fn create_vpc_peering_connection(
        &mut self,
        request: &Request,
        members: &CreateVpcPeeringConnection,
    ) -> Result<ObjectId, Refusal> {
        self.own_vpc(&members.vpc_id, request)?;
        let requester = PeeringSide {
            vpc_id: members.vpc_id.clone(),
            account: request.account.clone(),
            region: request.region.clone(),
        };
        let accepter = PeeringSide {
            vpc_id: members.peer_vpc_id.clone(),
            account: members.peer_owner_id.clone().unwrap_or_else(|| request.account.clone()),
            region: members.peer_region.clone().unwrap_or_else(|| request.region.clone()),
        };
        self.check_sides(request, &requester, &accepter)?;
        let id = id::for_request(request, "pcx", |id| self.vpc_peering_connections.contains_key(id));
        let failed = self.peering_obstacle(&requester, &accepter).is_some();
        let connection = VpcPeeringConnection {
            vpc_peering_connection_id: id.clone(),
            meta: request.meta(),
            requester,
            accepter,
            status: if failed { PeeringStatus::Failed } else { PeeringStatus::PendingAcceptance },
        };
        self.vpc_peering_connections.insert(id.clone(), connection);
        Ok(id)
    }

    /// What AWS refuses at once.
    fn check_sides(&self, request: &Request, requester: &PeeringSide, accepter: &PeeringSide) -> Result<(), Refusal> {
        if !region::is_region(&accepter.region) {
            return Err(Refusal::new("InvalidParameterValue", format!("There is no Region '{}'", accepter.region)));
        }
        if region::partition(&requester.region) != region::partition(&accepter.region) {
            return Err(Refusal::new(
                "InvalidParameterValue",
                format!("VPCs of {} and {} cannot be peered", requester.region, accepter.region),
            )
            .help("the Regions belong to different AWS partitions"));
        }
        if requester.vpc_id == accepter.vpc_id {
            return Err(Refusal::new(
                "InvalidParameterValue",
                format!("A VPC cannot be peered with itself: {}", accepter.vpc_id),
            ));
        }
        if (&requester.account, &requester.region) == (&accepter.account, &accepter.region) {
            // One's own VPC is looked up at once; somebody else's only by the connection's status.
            self.own_vpc(&accepter.vpc_id, request)?;
        }
        let between = |connection: &&VpcPeeringConnection| {
            connection.is_live()
                && connection.peer_of(&requester.vpc_id).is_some_and(|side| side.vpc_id == accepter.vpc_id)
        };
        match self.vpc_peering_connections.values().find(between) {
            None => Ok(()),
            Some(other) => Err(Refusal::new(
                "VpcPeeringConnectionAlreadyExists",
                format!(
                    "A VPC peering connection between {} and {} already exists: {}",
                    requester.vpc_id, accepter.vpc_id, other.vpc_peering_connection_id
                ),
            )),
        }
    }

    /// Why no acceptance could ever make it active: the VPC is not there, or addresses would mean two things.
    pub fn peering_obstacle(&self, requester: &PeeringSide, accepter: &PeeringSide) -> Option<String> {
        let Some(peer) = self.vpcs.get(&accepter.vpc_id) else {
            return Some(format!("there is no VPC '{}' in this lab", accepter.vpc_id));
        };
        let Meta { account, region, .. } = &peer.meta;
        if (account, region) != (&accepter.account, &accepter.region) {
            return Some(format!("{} belongs to account {account} in {region}", accepter.vpc_id));
        }
        let own = &self.vpcs.get(&requester.vpc_id)?.cidr_blocks;
        let mut pairs = own.iter().flat_map(|one| peer.cidr_blocks.iter().map(move |other| (one, other)));
        let (one, other) = pairs.find(|(one, other)| address::overlap(one, other))?;
        Some(format!("the blocks {one} and {other} overlap: peered VPCs can't share an address"))
    }

    /// Asked by the accepter, in its account and Region.
    pub(super) fn accept_vpc_peering_connection(&mut self, request: &Request, id: &str) -> Result<ObjectId, Refusal> {
        let connection = self.visible_peering(id, request)?;
        let PeeringSide { account, region, .. } = &connection.accepter;
        if (account, region) != (&request.account, &request.region) {
            return Err(Refusal::new(
                "OperationNotPermitted",
                format!("User {} cannot accept peering {id}", request.account),
            )
            .help(format!("account {account} accepts it, in {region}")));
        }
        match connection.status {
            PeeringStatus::PendingAcceptance => {
                let connection = self.vpc_peering_connections.get_mut(id).expect("visible_peering found it");
                connection.status = PeeringStatus::Active;
                Ok(id.to_owned())
            }
            // https://docs.aws.amazon.com/vpc/latest/peering/: accepting twice changes nothing.
            PeeringStatus::Active => Ok(id.to_owned()),
            other => Err(Refusal::new(
                "InvalidStateTransition",
                format!(
                    "Invalid state transition for {id}, attempted to transition from {} to provisioning",
                    other.as_str()
                ),
            )),
        }
    }

    /// What a new block of a VPC must not meet in the VPCs that it is peered with (B1.1).
    pub(super) fn check_peers(&self, vpc_id: &str, added: Ipv4Net) -> Result<(), Refusal> {
        for connection in self.vpc_peering_connections.values() {
            let Some(peer) = connection.peer_of(vpc_id) else { continue };
            let id = &connection.vpc_peering_connection_id;
            if connection.status == PeeringStatus::PendingAcceptance && connection.requester.vpc_id == vpc_id {
                return Err(Refusal::new(
                    "OperationNotPermitted",
                    format!(
                        "No CIDR can be added to {vpc_id} while its VPC peering connection {id} waits for acceptance"
                    ),
                ));
            }
            let blocks = self.vpcs.get(&peer.vpc_id).map(|peer| peer.cidr_blocks.as_slice()).unwrap_or_default();
            let met = blocks.iter().find(|block| address::overlap(block, &added));
            if let (PeeringStatus::Active, Some(block)) = (connection.status, met) {
                return Err(Refusal::new(
                    "InvalidVpc.Range",
                    format!("The CIDR '{added}' overlaps with {block} of {}, peered by {id}", peer.vpc_id),
                ));
            }
        }
        Ok(())
    }

    /// A request fails when its accepter's VPC gets an address of the requester's.
    pub(super) fn fail_impossible_peerings(&mut self) {
        let pending = |connection: &&VpcPeeringConnection| connection.status == PeeringStatus::PendingAcceptance;
        let failed: Vec<String> = self
            .vpc_peering_connections
            .values()
            .filter(pending)
            .filter(|connection| self.peering_obstacle(&connection.requester, &connection.accepter).is_some())
            .map(|connection| connection.vpc_peering_connection_id.clone())
            .collect();
        for id in failed {
            self.vpc_peering_connections.get_mut(&id).expect("it was just read").status = PeeringStatus::Failed;
        }
    }

    /// The active peering between two VPCs.
    pub fn active_peering(&self, vpc_id: &str, peer_vpc_id: &str) -> Option<&VpcPeeringConnection> {
        self.vpc_peering_connections.values().find(|connection| {
            connection.status == PeeringStatus::Active
                && connection.peer_of(vpc_id).is_some_and(|side| side.vpc_id == peer_vpc_id)
        })
    }
}
