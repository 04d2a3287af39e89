//! `AWS::EC2::Subnet`.

use ipnet::Ipv4Net;

use super::world::Meta;
use super::*;

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// `subnet-…`.
    pub subnet_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Its VPC.
    pub vpc_id: String,
    /// IPv4 block, host bits cleared.
    pub cidr_block: Ipv4Net,
    /// Zone by the owner's name, `us-east-1a`.
    pub availability_zone: String,
    /// Zone by its physical id, `use1-az1`.
    pub availability_zone_id: String,
    /// New instances get a public address.
    pub map_public_ip_on_launch: bool,
}

impl World {
    pub(super) fn create_subnet(
        &mut self,
        request: &Request,
        vpc_id: &str,
        cidr_block: &str,
        availability_zone: Option<&str>,
        map_public_ip_on_launch: bool,
    ) -> Result<ObjectId, Refusal> {
        let vpc = self.own_vpc(vpc_id, request)?;
        let block = self.free_subnet_block(vpc, cidr_block)?;
        let zone = self.zone_named(request, availability_zone)?;
        let subnet_id = id::for_request(request, "subnet", |id| self.subnets.contains_key(id));
        let subnet = Subnet {
            subnet_id: subnet_id.clone(),
            meta: request.meta(),
            vpc_id: vpc_id.to_owned(),
            cidr_block: block,
            availability_zone: zone.name,
            availability_zone_id: zone.id,
            map_public_ip_on_launch,
        };
        self.subnets.insert(subnet_id.clone(), subnet);
        self.associate_default_network_acl(vpc_id, &subnet_id);
        Ok(subnet_id)
    }

    fn free_subnet_block(&self, vpc: &Vpc, cidr_block: &str) -> Result<Ipv4Net, Refusal> {
        let block = address::block(cidr_block).ok_or_else(|| {
            Refusal::new(
                "InvalidParameterValue",
                format!("Value ({cidr_block}) for parameter cidrBlock is invalid. This is not a valid CIDR block."),
            )
        })?;
        if !(16..=28).contains(&block.prefix_len()) {
            return Err(Refusal::new("InvalidSubnet.Range", format!("The CIDR '{block}' is invalid."))
                .help("a subnet's block is between /16 and /28"));
        }
        if !vpc.cidr_blocks.iter().any(|of_vpc| of_vpc.contains(&block)) {
            let blocks = vpc.cidr_blocks.iter().map(Ipv4Net::to_string).collect::<Vec<_>>().join(", ");
            return Err(Refusal::new("InvalidSubnet.Range", format!("The CIDR '{block}' is invalid."))
                .help(format!("it lies outside the VPC's {blocks}")));
        }
        let conflict = self
            .subnets
            .values()
            .find(|subnet| subnet.vpc_id == vpc.vpc_id && address::overlap(&subnet.cidr_block, &block));
        match conflict {
            None => Ok(block),
            Some(subnet) => {
                Err(Refusal::new("InvalidSubnet.Conflict", format!("The CIDR '{block}' conflicts with another subnet"))
                    .help(format!("it overlaps {} ({})", subnet.cidr_block, subnet.meta.label(&subnet.subnet_id))))
            }
        }
    }
}

impl World {
    /// The zone of that name, or the first where none is named (AWS chooses freely).
    fn zone_named(&self, request: &Request, name: Option<&str>) -> Result<AvailabilityZone, Refusal> {
        let mut zones = self.availability_zones(&request.region, &request.account);
        let Some(name) = name else { return Ok(zones.swap_remove(0)) };
        if let Some(position) = zones.iter().position(|zone| zone.name == name) {
            return Ok(zones.swap_remove(position));
        }
        let names = zones.iter().map(|zone| zone.name.as_str()).collect::<Vec<_>>().join(", ");
        Err(Refusal::new(
            "InvalidParameterValue",
            format!(
                "Value ({name}) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: {names}."
            ),
        ))
    }
}
