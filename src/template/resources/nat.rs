//! Elastic IP addresses, and the NAT gateways that mostly have them.

use super::super::deploy::Maker;
use super::super::error::Diagnostic;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{AssociateAddress, Change, CreateNatGateway};

pub(super) fn elastic_ip(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    // EC2-Classic's addresses went with it.
    if properties.text("Domain").is_some_and(|domain| domain != "vpc") {
        properties.ignored("Domain", "a Domain other than vpc");
    }
    let allocate = Change::AllocateAddress { address: properties.address("Address") };
    let instance_id = properties.decisive_text("InstanceId");
    maker.finish(properties)?;
    let allocation_id = maker.apply(tags, allocate)?;
    if instance_id.is_some() {
        let members =
            AssociateAddress { allocation_id: Some(allocation_id.clone()), instance_id, ..AssociateAddress::default() };
        maker.apply(Default::default(), Change::AssociateAddress(members))?;
    }
    let reference = maker.site.world.addresses[&allocation_id].public_ip.to_string();
    Ok(Made { reference, object: Some(allocation_id), ..Made::default() })
}

pub(super) fn elastic_ip_association(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let members = AssociateAddress {
        allocation_id: properties.decisive_text("AllocationId"),
        public_ip: properties.address("EIP"),
        instance_id: properties.decisive_text("InstanceId"),
        network_interface_id: properties.decisive_text("NetworkInterfaceId"),
        private_ip_address: properties.address("PrivateIpAddress"),
        // Two resources that claim one address are a mistake, which a stack would not survive unnoticed either.
        allow_reassociation: false,
    };
    maker.finish(properties)?;
    let id = maker.apply(Default::default(), Change::AssociateAddress(members))?;
    Ok(Made { attributes: [("Id", id.clone())].into(), reference: id, object: None })
}

pub(super) fn nat_gateway(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    for regional in ["AvailabilityMode", "AvailabilityZoneAddresses", "VpcId"] {
        if properties.text(regional).is_some_and(|value| value != "zonal") {
            properties.unemulated("regional NAT gateways are not emulated");
        }
    }
    // Nothing is drained: a lab's NAT gateway keeps its addresses.
    properties.text("MaxDrainDurationSeconds");
    let change = Change::CreateNatGateway(CreateNatGateway {
        subnet_id: properties.required_text("SubnetId"),
        connectivity_type: properties.text("ConnectivityType"),
        allocation_id: properties.decisive_text("AllocationId"),
        private_ip_address: properties.address("PrivateIpAddress"),
        secondary_allocation_ids: properties.texts("SecondaryAllocationIds"),
        secondary_private_ip_addresses: properties.addresses("SecondaryPrivateIpAddresses"),
        secondary_private_ip_address_count: properties.integer("SecondaryPrivateIpAddressCount"),
    });
    let (subnet, allocation) = (properties.span_of("SubnetId"), properties.span_of("AllocationId"));
    let made = maker.make(properties, tags, change)?;
    // What AWS tells by the state `failed` ends a stack.
    match &maker.site.world.nat_gateways[&made.reference].failure {
        None => Ok(made),
        Some(failure) => {
            let no_gateway = failure.code == "Gateway.NotAttached";
            let (span, help) = match no_gateway {
                true => (
                    subnet,
                    "attach an internet gateway with AWS::EC2::VPCGatewayAttachment and let this depend on it, or set ConnectivityType: private",
                ),
                false => (allocation, "give it an AWS::EC2::EIP of its own"),
            };
            Err(Diagnostic::at(&span, format!("{}: {}", failure.code, failure.message)).help(help).into())
        }
    }
}
