//! `AWS::EC2::EIP`: an Elastic IP address, and what it is associated with.
//!
//! An Elastic IP address is the public side of one private address: the internet gateway translates between the two (B7).

use std::net::Ipv4Addr;

use super::world::Meta;
use super::*;

/// An Elastic IP address; AWS's API calls it an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `eipalloc-…`.
    pub allocation_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// The address.
    pub public_ip: Ipv4Addr,
    /// What it stands for.
    pub association: Option<AddressAssociation>,
}

/// The private address that an Elastic IP address stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressAssociation {
    /// `eipassoc-…`.
    pub association_id: String,
    /// The interface.
    pub network_interface_id: String,
    /// One of its private addresses.
    pub private_ip_address: Ipv4Addr,
}

impl AddressAssociation {
    pub(super) fn new(allocation_id: &str, network_interface_id: &str, private_ip_address: Ipv4Addr) -> Self {
        let parts = [allocation_id, network_interface_id, &private_ip_address.to_string()];
        Self {
            association_id: id::derived("eipassoc", &parts),
            network_interface_id: network_interface_id.to_owned(),
            private_ip_address,
        }
    }
}

impl World {
    pub(super) fn allocate_address(
        &mut self,
        request: &Request,
        address: Option<Ipv4Addr>,
    ) -> Result<ObjectId, Refusal> {
        let public_ip = self.free_elastic_address(address)?;
        let allocation_id = id::for_request(request, "eipalloc", |id| self.addresses.contains_key(id));
        let address =
            Address { allocation_id: allocation_id.clone(), meta: request.meta(), public_ip, association: None };
        self.addresses.insert(allocation_id.clone(), address);
        Ok(allocation_id)
    }

    /// Gives an interface's private address its public side; an auto-assigned public address goes back to AWS.
    pub(super) fn associate_address(
        &mut self,
        request: &Request,
        members: &AssociateAddress,
    ) -> Result<ObjectId, Refusal> {
        let address = self.address_to_associate(request, members)?;
        let interface = self.interface_to_associate(request, members)?;
        let private_ip = match members.private_ip_address {
            None => interface.private_ip_address(),
            Some(wanted) if interface.private_ip_addresses.contains(&wanted) => wanted,
            Some(wanted) => {
                let id = &interface.network_interface_id;
                return Err(Refusal::new(
                    "InvalidParameterValue",
                    format!("{wanted} is not associated with network interface {id}"),
                ));
            }
        };
        if self.internet_gateway_of(&interface.vpc_id).is_none() {
            return Err(Refusal::new(
                "Gateway.NotAttached",
                format!("Network {} is not attached to any internet gateway", interface.vpc_id),
            )
            .help("attach one with AWS::EC2::VPCGatewayAttachment, and let the association depend on it"));
        }
        self.check_unassociated(address, interface, private_ip, members.allow_reassociation)?;
        let (allocation_id, interface_id) = (address.allocation_id.clone(), interface.network_interface_id.clone());
        self.put_association(&allocation_id, AddressAssociation::new(&allocation_id, &interface_id, private_ip));
        let association = self.addresses[&allocation_id].association.as_ref();
        Ok(association.expect("put_association just put it").association_id.clone())
    }

    fn address_to_associate(&self, request: &Request, members: &AssociateAddress) -> Result<&Address, Refusal> {
        match (&members.allocation_id, members.public_ip) {
            (Some(id), None) => self.own_address(id, request),
            (None, Some(public_ip)) => self
                .addresses
                .values()
                .find(|address| address.public_ip == public_ip && lookup::is_own(*address, request))
                .ok_or_else(|| Refusal::new("InvalidAddress.NotFound", format!("Address '{public_ip}' not found."))),
            (None, None) => {
                Err(Refusal::new("MissingParameter", "Either public IP or allocation id must be specified"))
            }
            (Some(_), Some(_)) => Err(Refusal::new(
                "InvalidParameterCombination",
                "You may specify public IP or allocation id, but not both in the same call",
            )),
        }
    }

    fn interface_to_associate(
        &self,
        request: &Request,
        members: &AssociateAddress,
    ) -> Result<&NetworkInterface, Refusal> {
        let interface = match (&members.instance_id, &members.network_interface_id) {
            (None, Some(id)) => self.own_network_interface(id, request)?,
            (Some(id), None) => &self.network_interfaces[self.only_interface_of(request, id)?],
            (None, None) => {
                return Err(Refusal::new(
                    "MissingParameter",
                    "Either instance ID or network interface id must be specified",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(Refusal::new(
                    "InvalidParameterCombination",
                    "You may specify instance ID or network interface id, but not both in the same call",
                ));
            }
        };
        interface.check_not_managed()?;
        Ok(interface)
    }

    /// Neither side has another partner, unless the caller lets it go.
    fn check_unassociated(
        &self,
        address: &Address,
        interface: &NetworkInterface,
        private_ip: Ipv4Addr,
        allow_reassociation: bool,
    ) -> Result<(), Refusal> {
        // What serves a NAT gateway or a load balancer is AWS's to move, not the caller's.
        let holder = address.association.as_ref().map(|association| &association.network_interface_id);
        if let Some(holder) = holder.and_then(|id| self.network_interfaces.get(id)) {
            holder.check_not_managed()?;
        }
        if allow_reassociation {
            return Ok(());
        }
        if let Some(association) = &address.association {
            return Err(Refusal::new(
                "Resource.AlreadyAssociated",
                format!(
                    "resource {} is already associated with associate-id {}",
                    address.allocation_id, association.association_id
                ),
            ));
        }
        if let Some(other) = self.elastic_address_at(&interface.network_interface_id, private_ip) {
            return Err(Refusal::new(
                "Resource.AlreadyAssociated",
                format!(
                    "resource {} is already associated with an Elastic IP address: {}",
                    interface.network_interface_id, other.public_ip
                ),
            ));
        }
        Ok(())
    }

    /// Writes an association; what stood in its place on either side goes.
    pub(super) fn put_association(&mut self, allocation_id: &str, association: AddressAssociation) {
        let taken = |other: &AddressAssociation| {
            (&other.network_interface_id, other.private_ip_address)
                == (&association.network_interface_id, association.private_ip_address)
        };
        for address in self.addresses.values_mut() {
            address.association.take_if(|other| taken(other));
        }
        if let Some(interface) = self.network_interfaces.get_mut(&association.network_interface_id)
            && interface.private_ip_address() == association.private_ip_address
        {
            interface.public_ip = None;
        }
        self.addresses.get_mut(allocation_id).expect("the caller found it").association = Some(association);
    }

    fn elastic_address_at(&self, network_interface_id: &str, private_ip: Ipv4Addr) -> Option<&Address> {
        self.addresses.values().find(|address| {
            address.association.as_ref().is_some_and(|association| {
                association.network_interface_id == network_interface_id && association.private_ip_address == private_ip
            })
        })
    }

    /// The Elastic IP address of one of an interface's private addresses.
    pub fn elastic_address_of(&self, interface: &NetworkInterface, private_ip: Ipv4Addr) -> Option<&Address> {
        self.elastic_address_at(&interface.network_interface_id, private_ip)
    }

    /// An interface's private addresses that have a public side, with it: Elastic IP addresses, and the auto-assigned one
    /// of the primary address unless an Elastic IP address took its place.
    pub fn public_addresses_of(&self, interface: &NetworkInterface) -> Vec<(Ipv4Addr, Ipv4Addr)> {
        let public = |(position, private): (usize, &Ipv4Addr)| {
            let elastic = self.elastic_address_of(interface, *private).map(|address| address.public_ip);
            let public = elastic.or_else(|| interface.public_ip.filter(|_| position == 0))?;
            Some((*private, public))
        };
        interface.private_ip_addresses.iter().enumerate().filter_map(public).collect()
    }

    /// The public side of an interface's primary address.
    pub fn public_ip_of(&self, interface: &NetworkInterface) -> Option<Ipv4Addr> {
        let primary = interface.private_ip_address();
        self.elastic_address_of(interface, primary).map(|address| address.public_ip).or(interface.public_ip)
    }
}
