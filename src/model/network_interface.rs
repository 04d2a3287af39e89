//! `AWS::EC2::NetworkInterface`, the customer's and the requester-managed ones of endpoints, load balancers, NAT gateways
//! and resolver endpoints.

use std::net::Ipv4Addr;

use super::world::Meta;
use super::*;

/// An elastic network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInterface {
    /// `eni-…`.
    pub network_interface_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Its subnet.
    pub subnet_id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Private addresses, primary first.
    pub private_ip_addresses: Vec<Ipv4Addr>,
    /// MAC address: `06:` followed by a byte that says the kind and the private address, so that captures read well.
    pub mac_address: [u8; 6],
    /// Security groups.
    pub groups: Vec<String>,
    /// Refuse packets whose address is not its own.
    pub source_dest_check: bool,
    /// Free text; `VPC Endpoint Interface vpce-…` for an endpoint's.
    pub description: String,
    /// What it belongs to.
    pub interface_type: InterfaceType,
    /// Made by AWS for the customer.
    pub requester_managed: bool,
    /// What it is plugged into.
    pub attachment: Option<Attachment>,
    /// The auto-assigned public address of the primary address; see [`World::public_addresses_of`] for all.
    pub public_ip: Option<Ipv4Addr>,
    /// How long its security groups remember idle flows.
    pub connection_tracking: ConnectionTracking,
}

/// AWS's `InterfaceType`, with the owner where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceType {
    /// `interface`.
    Interface,
    /// `vpc_endpoint` of that endpoint id.
    VpcEndpoint(String),
    /// `network_load_balancer` node of that load balancer ARN.
    NetworkLoadBalancer(String),
    /// `nat_gateway` of that id.
    NatGateway(String),
    /// `interface`, like a customer's, of that resolver endpoint.
    ResolverEndpoint(String),
}

/// What an interface is plugged into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// `eni-attach-…` or `ela-attach-…`.
    pub attachment_id: String,
    /// The instance; `None` for AWS's own.
    pub instance_id: Option<String>,
    /// 0 is the primary.
    pub device_index: u32,
}

impl World {
    pub(super) fn create_network_interface(
        &mut self,
        request: &Request,
        members: &CreateNetworkInterface,
    ) -> Result<ObjectId, Refusal> {
        let subnet = self.own_subnet(&members.subnet_id, request)?;
        let groups = self.interface_groups(request, subnet, &members.groups)?;
        members.connection_tracking.check()?;
        let secondary = &members.secondary_private_ip_addresses;
        let addresses = self.interface_addresses(subnet, members.private_ip_address, secondary)?;
        let network_interface_id = id::for_request(request, "eni", |id| self.network_interfaces.contains_key(id));
        let interface = NetworkInterface {
            description: members.description.clone(),
            source_dest_check: members.source_dest_check,
            connection_tracking: members.connection_tracking,
            ..NetworkInterface::new(network_interface_id.clone(), request.meta(), subnet, addresses, groups)
        };
        self.network_interfaces.insert(network_interface_id.clone(), interface);
        Ok(network_interface_id)
    }

    /// Primary and secondary addresses. Explicit ones go first, so that the primary never takes one of them.
    fn interface_addresses(
        &self,
        subnet: &Subnet,
        primary: Option<Ipv4Addr>,
        secondary: &[Ipv4Addr],
    ) -> Result<Vec<Ipv4Addr>, Refusal> {
        let mut free = self.subnet_addresses(subnet);
        let mut others = Vec::with_capacity(secondary.len());
        for address in secondary {
            others.push(free.take(Some(*address))?);
        }
        let mut addresses = vec![free.take(primary)?];
        addresses.append(&mut others);
        Ok(addresses)
    }

    /// The interface that an instance means where AWS takes its id in place of an interface's.
    pub(super) fn only_interface_of(&self, request: &Request, instance_id: &str) -> Result<&str, Refusal> {
        match self.own_instance(instance_id, request)?.network_interface_ids.as_slice() {
            [only] => Ok(only),
            _ => Err(Refusal::new(
                "InvalidInstanceID",
                format!(
                    "There are multiple interfaces attached to instance '{instance_id}'. Please specify an interface ID for the operation instead."
                ),
            )),
        }
    }

    pub(super) fn attach_network_interface(
        &mut self,
        request: &Request,
        network_interface_id: &str,
        instance_id: &str,
        device_index: u32,
    ) -> Result<ObjectId, Refusal> {
        let interface = self.own_network_interface(network_interface_id, request)?;
        let instance = self.own_instance(instance_id, request)?;
        interface.check_free_for_customer()?;
        let primary = &self.network_interfaces[&instance.network_interface_ids[0]];
        if self.subnets[&interface.subnet_id].availability_zone != self.subnets[&primary.subnet_id].availability_zone {
            return Err(Refusal::new(
                "InvalidParameterCombination",
                "You may not attach a network interface to an instance if they are not in the same availability zone",
            ));
        }
        let index_of = |id: &String| self.network_interfaces[id].attachment.as_ref().map(|plug| plug.device_index);
        let position = instance.network_interface_ids.iter().take_while(|id| index_of(id) < Some(device_index)).count();
        if instance.network_interface_ids.get(position).is_some_and(|id| index_of(id) == Some(device_index)) {
            return Err(Refusal::new(
                "InvalidParameterValue",
                format!("Instance '{instance_id}' already has an interface attached at device index '{device_index}'."),
            ));
        }
        let attachment = Attachment::to_instance(network_interface_id, instance_id, device_index);
        let attachment_id = attachment.attachment_id.clone();
        let instance = self.instances.get_mut(instance_id).expect("own_instance found it");
        instance.network_interface_ids.insert(position, network_interface_id.to_owned());
        let interface = self.network_interfaces.get_mut(network_interface_id).expect("own_network_interface found it");
        interface.attachment = Some(attachment);
        Ok(attachment_id)
    }
}

impl NetworkInterface {
    /// A customer's interface with AWS's defaults, not attached to anything.
    pub(super) fn new(
        network_interface_id: String,
        meta: Meta,
        subnet: &Subnet,
        private_ip_addresses: Vec<Ipv4Addr>,
        groups: Vec<String>,
    ) -> Self {
        Self {
            network_interface_id,
            meta,
            subnet_id: subnet.subnet_id.clone(),
            vpc_id: subnet.vpc_id.clone(),
            mac_address: address::mac_address(address::MacKind::Interface, private_ip_addresses[0]),
            private_ip_addresses,
            groups,
            source_dest_check: true,
            description: String::new(),
            interface_type: InterfaceType::Interface,
            requester_managed: false,
            attachment: None,
            public_ip: None,
            connection_tracking: ConnectionTracking::default(),
        }
    }

    /// The primary private address.
    pub fn private_ip_address(&self) -> Ipv4Addr {
        self.private_ip_addresses[0]
    }

    /// Refuses to touch what AWS manages for the customer (B3.1).
    pub(super) fn check_not_managed(&self) -> Result<(), Refusal> {
        if self.requester_managed {
            return Err(Refusal::new("AuthFailure", "You do not have permission to access the specified resource.")
                .help(format!("{} belongs to AWS: {}", self.network_interface_id, self.description)));
        }
        Ok(())
    }

    /// Refuses to plug in what AWS manages or what is plugged in.
    pub(super) fn check_free_for_customer(&self) -> Result<(), Refusal> {
        self.check_not_managed()?;
        if self.attachment.is_some() {
            return Err(Refusal::new(
                "InvalidNetworkInterface.InUse",
                format!("Interface: [{}] in use.", self.network_interface_id),
            ));
        }
        Ok(())
    }
}

impl ConnectionTracking {
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html>, "Idle connection
    /// tracking timeout".
    fn check(&self) -> Result<(), Refusal> {
        let limits = [
            ("tcpEstablishedTimeout", self.tcp_established_timeout, 60..=432_000),
            ("udpTimeout", self.udp_timeout, 30..=60),
            ("udpStreamTimeout", self.udp_stream_timeout, 60..=180),
        ];
        for (name, seconds, range) in limits {
            if let Some(seconds) = seconds.filter(|seconds| !range.contains(seconds)) {
                return Err(Refusal::new(
                    "InvalidParameterValue",
                    format!("Value ({seconds}) for parameter {name} is invalid."),
                )
                .help(format!("it is between {} and {} seconds", range.start(), range.end())));
            }
        }
        Ok(())
    }
}

impl Attachment {
    pub(super) fn to_instance(network_interface_id: &str, instance_id: &str, device_index: u32) -> Self {
        Self {
            attachment_id: id::derived("eni-attach", &[network_interface_id, instance_id]),
            instance_id: Some(instance_id.to_owned()),
            device_index,
        }
    }

    /// AWS's own, of an endpoint or a load balancer: device 1 of an instance that customers don't see (B3.1).
    pub(super) fn to_aws(network_interface_id: &str) -> Self {
        Self { attachment_id: id::derived("ela-attach", &[network_interface_id]), instance_id: None, device_index: 1 }
    }
}
