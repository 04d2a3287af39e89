//! Addresses: blocks as AWS reads them, what a subnet reserves, which address comes next, and the names and MAC addresses
//! made from them.
//!
//! AWS draws free addresses at random. We take the lowest, so that a lab looks the same at every `up`. A template that
//! leaves some addresses to AWS and names others low in the same subnet can meet `InvalidIPAddress.InUse` more often here
//! than there.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::*;

/// Elastic IP addresses come from a documentation range (RFC 5737), auto-assigned public addresses from a benchmarking
/// range (RFC 2544): no range of AWS's, and nobody's host.
const ELASTIC_POOL: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(203, 0, 113, 0), 24);
const AUTO_ASSIGNED_POOL: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 16);

/// Reads a block; host bits are cleared, as AWS does on input.
pub(super) fn block(cidr: &str) -> Option<Ipv4Net> {
    cidr.parse::<Ipv4Net>().ok().map(|block| block.trunc())
}

/// Whether two blocks share an address.
pub(super) fn overlap(one: &Ipv4Net, other: &Ipv4Net) -> bool {
    one.contains(other) || other.contains(one)
}

/// The five addresses of a subnet that belong to AWS: network, router, DNS, future use, broadcast.
///
/// <https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>
pub fn reserved_addresses(subnet: Ipv4Net) -> [Ipv4Addr; 5] {
    let base = u32::from(subnet.network());
    [base, base + 1, base + 2, base + 3, u32::from(subnet.broadcast())].map(Ipv4Addr::from)
}

/// The router's address in a subnet: base + 1.
pub fn router_address(subnet: Ipv4Net) -> Ipv4Addr {
    reserved_addresses(subnet)[1]
}

/// The resolver's address in a VPC: base + 2 of its primary block.
pub fn resolver_address(primary_block: Ipv4Net) -> Ipv4Addr {
    reserved_addresses(primary_block)[2]
}

/// Hands out addresses of one subnet.
pub(super) struct SubnetAddresses {
    block: Ipv4Net,
    taken: BTreeSet<Ipv4Addr>,
}

impl SubnetAddresses {
    /// Takes the address that was asked for, or the lowest free one.
    pub(super) fn take(&mut self, wanted: Option<Ipv4Addr>) -> Result<Ipv4Addr, Refusal> {
        let address = match wanted {
            Some(address) => self.check(address)?,
            None => self.lowest_free()?,
        };
        self.taken.insert(address);
        Ok(address)
    }

    fn check(&self, address: Ipv4Addr) -> Result<Ipv4Addr, Refusal> {
        if !self.block.contains(&address) {
            return Err(Refusal::new(
                "InvalidParameterValue",
                format!("Address {address} does not fall within the subnet's address range"),
            )
            .help(format!("the subnet is {}", self.block)));
        }
        if reserved_addresses(self.block).contains(&address) {
            return Err(Refusal::new(
                "InvalidParameterValue",
                format!("Address {address} is in subnet's reserved address range"),
            )
            .help("AWS keeps the first four addresses and the last one of every subnet"));
        }
        if self.taken.contains(&address) {
            return Err(Refusal::new("InvalidIPAddress.InUse", format!("Address {address} is in use.")));
        }
        Ok(address)
    }

    fn lowest_free(&self) -> Result<Ipv4Addr, Refusal> {
        // Without network and broadcast, `hosts` starts at base + 1: the next three are reserved.
        self.block.hosts().skip(3).find(|address| !self.taken.contains(address)).ok_or_else(|| {
            Refusal::new(
                "InsufficientFreeAddressesInSubnet",
                "The specified subnet does not have enough free addresses to satisfy the request.",
            )
        })
    }
}

impl World {
    /// What is free in a subnet.
    pub(super) fn subnet_addresses(&self, subnet: &Subnet) -> SubnetAddresses {
        let taken = self
            .network_interfaces
            .values()
            .filter(|interface| interface.subnet_id == subnet.subnet_id)
            .flat_map(|interface| interface.private_ip_addresses.iter().copied())
            .collect();
        SubnetAddresses { block: subnet.cidr_block, taken }
    }

    /// How many addresses of a subnet are neither reserved nor taken.
    pub(super) fn available_address_count(&self, subnet: &Subnet) -> usize {
        let all = 1usize << (32 - subnet.cidr_block.prefix_len());
        all - reserved_addresses(subnet.cidr_block).len() - self.subnet_addresses(subnet).taken.len()
    }

    /// The next `count` auto-assigned public addresses that nobody has.
    pub(super) fn free_public_addresses(&self, count: usize) -> Result<Vec<Ipv4Addr>, Refusal> {
        let taken: BTreeSet<Ipv4Addr> =
            self.network_interfaces.values().filter_map(|interface| interface.public_ip).collect();
        let free: Vec<Ipv4Addr> =
            AUTO_ASSIGNED_POOL.hosts().filter(|address| !taken.contains(address)).take(count).collect();
        if free.len() < count {
            return Err(no_capacity().help(format!("a lab has the public addresses of {AUTO_ASSIGNED_POOL}")));
        }
        Ok(free)
    }

    /// The Elastic IP address that was asked for, or the lowest that nobody has.
    pub(super) fn free_elastic_address(&self, wanted: Option<Ipv4Addr>) -> Result<Ipv4Addr, Refusal> {
        let taken: BTreeSet<Ipv4Addr> = self.addresses.values().map(|address| address.public_ip).collect();
        let mut free = ELASTIC_POOL.hosts().filter(|address| !taken.contains(address));
        match wanted {
            None => free
                .next()
                .ok_or_else(|| no_capacity().help(format!("a lab has the Elastic IP addresses of {ELASTIC_POOL}"))),
            Some(wanted) if free.any(|address| address == wanted) => Ok(wanted),
            Some(wanted) => Err(Refusal::new("InvalidAddress.NotFound", format!("Address '{wanted}' not found."))
                .help(format!("a lab's Elastic IP addresses are those of {ELASTIC_POOL}, each for one AWS::EC2::EIP"))),
        }
    }
}

fn no_capacity() -> Refusal {
    Refusal::new("InsufficientAddressCapacity", "Not enough available addresses to satisfy your request.")
}

/// Kind bytes in the second place of MAC addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MacKind {
    Interface = 0x01,
    VpcEndpoint = 0x02,
    NetworkLoadBalancer = 0x03,
    NatGateway = 0x04,
    ResolverEndpoint = 0x05,
}

/// `06:KIND:` and the four bytes of the private address, so that captures say who speaks. Locally administered, unicast.
pub(super) fn mac_address(kind: MacKind, address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x06, kind as u8, a, b, c, d]
}

/// `ip-10-0-1-10.ec2.internal` in us-east-1, `ip-10-0-1-10.REGION.compute.internal` elsewhere.
pub fn private_dns_name(region: &str, address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("ip-{a}-{b}-{c}-{d}.{}", private_dns_domain(region))
}

/// The domain of instances' private names, which guests search.
pub fn private_dns_domain(region: &str) -> String {
    match region {
        "us-east-1" => "ec2.internal".to_owned(),
        _ => format!("{region}.compute.internal"),
    }
}

/// `ec2-203-0-113-1.compute-1.amazonaws.com` in us-east-1, `ec2-203-0-113-1.REGION.compute.amazonaws.com` elsewhere.
pub fn public_dns_name(region: &str, address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    let suffix = region::dns_suffix(region);
    match region {
        "us-east-1" => format!("ec2-{a}-{b}-{c}-{d}.compute-1.{suffix}"),
        _ => format!("ec2-{a}-{b}-{c}-{d}.{region}.compute.{suffix}"),
    }
}
