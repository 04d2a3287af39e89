//! `AWS::EC2::NatGateway` (B7).
//!
//! AWS takes a NAT gateway's creation and tells most of what is wrong with it later, by the state `failed`. A lab knows at
//! once, and its NAT gateway is born in the state in which AWS's ends.

use std::net::Ipv4Addr;

use super::world::Meta;
use super::*;

/// A NAT gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatGateway {
    /// `nat-…`.
    pub nat_gateway_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Its VPC.
    pub vpc_id: String,
    /// The subnet in which it stands, and whose route table its packets follow.
    pub subnet_id: String,
    /// Whether it leads to the internet.
    pub connectivity_type: ConnectivityType,
    /// Its addresses, primary first; none when it failed.
    pub addresses: Vec<NatGatewayAddress>,
    /// Where it stands in its life.
    pub state: NatGatewayState,
    /// Why it failed.
    pub failure: Option<NatGatewayFailure>,
}

/// AWS's `ConnectivityType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectivityType {
    /// Its private addresses have Elastic IP addresses.
    Public,
    /// It translates to its private addresses and no further.
    Private,
}

/// One address of a NAT gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatGatewayAddress {
    /// Public: the Elastic IP address's allocation.
    pub allocation_id: Option<String>,
    /// Its interface.
    pub network_interface_id: String,
    /// The source of what it sends.
    pub private_ip: Ipv4Addr,
    /// Public: what the internet sees.
    pub public_ip: Option<Ipv4Addr>,
}

/// AWS's `State` of a NAT gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum NatGatewayState {
    Pending,
    Available,
    Failed,
    Deleting,
    Deleted,
}

/// AWS's `FailureCode` and `FailureMessage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatGatewayFailure {
    /// Such as `Gateway.NotAttached`.
    pub code: &'static str,
    /// The sentence.
    pub message: String,
}

/// AWS's limits: addresses of one gateway, and how many of them may be Elastic IP addresses (raisable to 8).
const ADDRESSES: usize = 8;
const ELASTIC_ADDRESSES: usize = 2;

impl World {
    pub(super) fn create_nat_gateway(
        &mut self,
        request: &Request,
        members: &CreateNatGateway,
    ) -> Result<ObjectId, Refusal> {
        let subnet = self.own_subnet(&members.subnet_id, request)?;
        let connectivity_type = members.checked_connectivity()?;
        let allocations = self.nat_allocations(request, members)?;
        let nat_gateway_id = id::for_request(request, "nat", |id| self.nat_gateways.contains_key(id));
        let mut gateway = NatGateway {
            nat_gateway_id: nat_gateway_id.clone(),
            meta: request.meta(),
            vpc_id: subnet.vpc_id.clone(),
            subnet_id: subnet.subnet_id.clone(),
            connectivity_type,
            addresses: Vec::new(),
            state: NatGatewayState::Failed,
            failure: self.nat_failure(subnet, connectivity_type, &allocations),
        };
        if gateway.failure.is_none() {
            let private = members.private_addresses(&mut self.subnet_addresses(subnet), allocations.len())?;
            let interface = nat_interface(request, &nat_gateway_id, subnet, private);
            gateway.state = NatGatewayState::Available;
            gateway.addresses = nat_addresses(&interface, &allocations);
            self.network_interfaces.insert(interface.network_interface_id.clone(), interface);
        }
        for address in &gateway.addresses {
            if let Some(id) = &address.allocation_id {
                let association = AddressAssociation::new(id, &address.network_interface_id, address.private_ip);
                self.put_association(id, association);
            }
        }
        self.nat_gateways.insert(nat_gateway_id.clone(), gateway);
        Ok(nat_gateway_id)
    }

    /// The named Elastic IP addresses, primary first.
    fn nat_allocations(
        &self,
        request: &Request,
        members: &CreateNatGateway,
    ) -> Result<Vec<(String, Ipv4Addr)>, Refusal> {
        let mut allocations: Vec<(String, Ipv4Addr)> = Vec::new();
        for id in members.allocation_id.iter().chain(&members.secondary_allocation_ids) {
            let address = self.own_address(id, request)?;
            if allocations.iter().any(|(other, _)| other == id) {
                return Err(Refusal::new("InvalidParameterValue", format!("The allocation ID '{id}' is given twice")));
            }
            allocations.push((id.clone(), address.public_ip));
        }
        if allocations.len() > ELASTIC_ADDRESSES {
            return Err(Refusal::new(
                "AddressLimitExceeded",
                format!("A NAT gateway can have at most {ELASTIC_ADDRESSES} Elastic IP addresses"),
            ));
        }
        Ok(allocations)
    }

    /// What AWS tells by the state `failed`.
    ///
    /// <https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html>
    fn nat_failure(
        &self,
        subnet: &Subnet,
        connectivity_type: ConnectivityType,
        allocations: &[(String, Ipv4Addr)],
    ) -> Option<NatGatewayFailure> {
        if connectivity_type == ConnectivityType::Public && self.internet_gateway_of(&subnet.vpc_id).is_none() {
            let message = format!("Network {} has no Internet gateway attached", subnet.vpc_id);
            return Some(NatGatewayFailure { code: "Gateway.NotAttached", message });
        }
        let taken = allocations.iter().find(|(id, _)| self.addresses[id].association.is_some());
        taken.map(|(id, _)| NatGatewayFailure {
            code: "Resource.AlreadyAssociated",
            message: format!("Elastic IP address {id} is already associated"),
        })
    }
}

impl CreateNatGateway {
    fn checked_connectivity(&self) -> Result<ConnectivityType, Refusal> {
        let has_elastic = self.allocation_id.is_some() || !self.secondary_allocation_ids.is_empty();
        match self.connectivity_type.as_deref() {
            None | Some("public") if self.allocation_id.is_some() => Ok(ConnectivityType::Public),
            None | Some("public") => Err(Refusal::new(
                "MissingParameter",
                "The request must include the AllocationId parameter. Add the required parameter and retry the request.",
            )
            .help("a public NAT gateway needs an AWS::EC2::EIP; ConnectivityType: private needs none")),
            Some("private") if has_elastic => Err(Refusal::new(
                "InvalidParameter",
                "AllocationId cannot be specified when ConnectivityType is private",
            )),
            Some("private") => Ok(ConnectivityType::Private),
            Some(other) => Err(Refusal::new(
                "InvalidParameterValue",
                format!("Value ({other}) for parameter connectivityType is invalid."),
            )
            .help("write public or private")),
        }
    }

    /// One private address for each Elastic IP address, and those that were asked for beyond.
    fn private_addresses(
        &self,
        free: &mut address::SubnetAddresses,
        allocations: usize,
    ) -> Result<Vec<Ipv4Addr>, Refusal> {
        let named = &self.secondary_private_ip_addresses;
        let count = self.secondary_private_ip_address_count.unwrap_or(0) as usize;
        if count > 0 && !named.is_empty() {
            return Err(Refusal::new(
                "InvalidParameterCombination",
                "SecondaryPrivateIpAddresses and SecondaryPrivateIpAddressCount may not be used together",
            ));
        }
        let total = allocations.max(1 + named.len().max(count));
        if total > ADDRESSES {
            return Err(Refusal::new(
                "PrivateIpAddressLimitExceeded",
                format!("A NAT gateway can have at most {ADDRESSES} private IPv4 addresses"),
            ));
        }
        // Named ones first, so that none of them is drawn before its turn.
        let mut others: Vec<Ipv4Addr> = Vec::new();
        for address in named {
            others.push(free.take(Some(*address))?);
        }
        let mut addresses = vec![free.take(self.private_ip_address)?];
        addresses.append(&mut others);
        while addresses.len() < total {
            addresses.push(free.take(None)?);
        }
        Ok(addresses)
    }
}

/// The requester-managed interface as DescribeNetworkInterfaces shows it (B7): no security group guards it.
fn nat_interface(
    request: &Request,
    nat_gateway_id: &str,
    subnet: &Subnet,
    private_ip_addresses: Vec<Ipv4Addr>,
) -> NetworkInterface {
    let network_interface_id = id::derived("eni", &[nat_gateway_id]);
    NetworkInterface {
        mac_address: address::mac_address(address::MacKind::NatGateway, private_ip_addresses[0]),
        description: format!("Interface for NAT Gateway {nat_gateway_id}"),
        interface_type: InterfaceType::NatGateway(nat_gateway_id.to_owned()),
        requester_managed: true,
        // It forwards for others.
        source_dest_check: false,
        attachment: Some(Attachment::to_aws(&network_interface_id)),
        ..NetworkInterface::new(
            network_interface_id,
            request.meta_of_dependent(),
            subnet,
            private_ip_addresses,
            Vec::new(),
        )
    }
}

fn nat_addresses(interface: &NetworkInterface, allocations: &[(String, Ipv4Addr)]) -> Vec<NatGatewayAddress> {
    let address = |(position, private_ip): (usize, &Ipv4Addr)| {
        let allocation = allocations.get(position);
        NatGatewayAddress {
            allocation_id: allocation.map(|(id, _)| id.clone()),
            network_interface_id: interface.network_interface_id.clone(),
            private_ip: *private_ip,
            public_ip: allocation.map(|(_, public_ip)| *public_ip),
        }
    };
    interface.private_ip_addresses.iter().enumerate().map(address).collect()
}
