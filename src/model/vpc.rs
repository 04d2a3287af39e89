//! `AWS::EC2::VPC`.

use ipnet::Ipv4Net;

use super::world::Meta;
use super::*;

/// A VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vpc {
    /// `vpc-…`.
    pub vpc_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// IPv4 blocks, primary first, host bits cleared.
    pub cidr_blocks: Vec<Ipv4Net>,
    /// The resolver at base+2 answers.
    pub enable_dns_support: bool,
    /// Instances get names; with `enable_dns_support`, private DNS works.
    pub enable_dns_hostnames: bool,
    /// Serves subnets without an association of their own.
    pub main_route_table_id: String,
    /// Used where no group is named.
    pub default_security_group_id: String,
    /// Guards subnets that no other network ACL guards.
    pub default_network_acl_id: String,
}

/// Ranges that no VPC may lie in.
const FORBIDDEN: [&str; 4] = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4"];

/// The private ranges between which a VPC can't mix (and 198.19.0.0/16, which AWS uses inside).
const PRIVATE: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
const INTERNAL: &str = "198.19.0.0/16";

/// The default VPC's range is never added.
const DEFAULT_VPC: &str = "172.31.0.0/16";

/// A VPC with a block of the first range takes none of the second.
const LOWEST_TENS: (&str, &str) = ("10.0.0.0/15", "10.0.0.0/16");

/// AWS's quota, raisable to 50.
const CIDR_BLOCKS_PER_VPC: usize = 5;

impl World {
    pub(super) fn create_vpc(
        &mut self,
        request: &Request,
        cidr_block: &str,
        enable_dns_support: bool,
        enable_dns_hostnames: bool,
    ) -> Result<ObjectId, Refusal> {
        let cidr_block = vpc_block(cidr_block)?;
        let vpc_id = id::for_request(request, "vpc", |id| self.vpcs.contains_key(id));
        let route_table = RouteTable::main(request, &vpc_id, cidr_block);
        let group = SecurityGroup::default_of(request, &vpc_id);
        let acl = NetworkAcl::default_of(request, &vpc_id);
        let vpc = Vpc {
            vpc_id: vpc_id.clone(),
            meta: request.meta(),
            cidr_blocks: vec![cidr_block],
            enable_dns_support,
            enable_dns_hostnames,
            main_route_table_id: route_table.route_table_id.clone(),
            default_security_group_id: group.group_id.clone(),
            default_network_acl_id: acl.network_acl_id.clone(),
        };
        self.route_tables.insert(route_table.route_table_id.clone(), route_table);
        self.security_groups.insert(group.group_id.clone(), group);
        self.network_acls.insert(acl.network_acl_id.clone(), acl);
        self.vpcs.insert(vpc_id.clone(), vpc);
        Ok(vpc_id)
    }

    /// Adds a secondary block; its local route appears in every route table of the VPC.
    pub(super) fn associate_vpc_cidr_block(
        &mut self,
        request: &Request,
        vpc_id: &str,
        cidr_block: &str,
    ) -> Result<ObjectId, Refusal> {
        let vpc = self.own_vpc(vpc_id, request)?;
        let added = vpc_block(cidr_block)?;
        check_secondary(vpc, added)?;
        self.check_peers(vpc_id, added)?;
        let tables = self.route_tables.values().filter(|table| table.vpc_id == vpc_id);
        for route in tables.flat_map(|table| &table.routes) {
            // https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html: not equal to or larger than a
            // destination in any of the VPC's route tables.
            if let RouteDestination::Cidr(destination) = route.destination
                && added.contains(&destination)
            {
                return Err(Refusal::new(
                    "InvalidVpc.Range",
                    format!("The CIDR '{added}' is equal to or larger than the destination {destination} of a route"),
                ));
            }
        }
        for table in self.route_tables.values_mut().filter(|table| table.vpc_id == vpc_id) {
            table.add_local_route(added, request.source.clone());
        }
        self.vpcs.get_mut(vpc_id).expect("own_vpc found it").cidr_blocks.push(added);
        self.fail_impossible_peerings();
        Ok(Vpc::cidr_association_id(vpc_id, added))
    }
}

impl Vpc {
    /// `vpc-cidr-assoc-…` of one of its blocks.
    pub fn cidr_association_id(vpc_id: &str, block: Ipv4Net) -> String {
        id::derived("vpc-cidr-assoc", &[vpc_id, &block.to_string()])
    }

    /// Both attributes that private DNS needs.
    pub fn allows_private_dns(&self) -> bool {
        self.enable_dns_support && self.enable_dns_hostnames
    }
}

fn vpc_block(cidr_block: &str) -> Result<Ipv4Net, Refusal> {
    let block = address::block(cidr_block).ok_or_else(|| {
        Refusal::new(
            "InvalidParameterValue",
            format!("Value ({cidr_block}) for parameter cidrBlock is invalid. This is not a valid CIDR block."),
        )
    })?;
    if !(16..=28).contains(&block.prefix_len()) {
        return Err(Refusal::new("InvalidVpc.Range", format!("The CIDR '{block}' is invalid."))
            .help("a VPC's block is between /16 and /28"));
    }
    if let Some(forbidden) = FORBIDDEN.iter().find(|range| address::overlap(&literal(range), &block)) {
        return Err(Refusal::new("InvalidVpc.Range", format!("The CIDR '{block}' is invalid."))
            .help(format!("a VPC can't lie in {forbidden}")));
    }
    Ok(block)
}

/// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html>, "IPv4 CIDR block association restrictions".
fn check_secondary(vpc: &Vpc, added: Ipv4Net) -> Result<(), Refusal> {
    if vpc.cidr_blocks.len() >= CIDR_BLOCKS_PER_VPC {
        return Err(Refusal::new(
            "CidrLimitExceeded",
            format!("This network '{}' has met its maximum number of allowed CIDRs: {CIDR_BLOCKS_PER_VPC}", vpc.vpc_id),
        ));
    }
    if let Some(own) = vpc.cidr_blocks.iter().find(|own| address::overlap(own, &added)) {
        return Err(Refusal::new(
            "InvalidVpc.Range",
            format!("The CIDR '{added}' conflicts with the VPC's CIDR {own}"),
        ));
    }
    let primary = vpc.cidr_blocks[0];
    let range_of_primary = PRIVATE.iter().find(|range| literal(range).contains(&primary));
    let low = vpc.cidr_blocks.iter().any(|own| literal(LOWEST_TENS.0).contains(own)).then_some(&LOWEST_TENS.1);
    let crosses = PRIVATE
        .iter()
        .filter(|range| Some(*range) != range_of_primary)
        .chain((!literal(INTERNAL).contains(&primary)).then_some(&INTERNAL))
        .chain([&DEFAULT_VPC])
        .chain(low)
        .any(|range| address::overlap(&literal(range), &added));
    if crosses {
        return Err(Refusal::new(
            "InvalidVpc.Range",
            format!(
                "The CIDR '{added}' is restricted. Use a CIDR from the same private address range as the current VPC CIDR, or use a publicly-routable CIDR."
            ),
        ));
    }
    Ok(())
}

fn literal(range: &str) -> Ipv4Net {
    range.parse().expect("ranges in this file are well formed")
}
