//! What `host` needs to make the guests.

use super::*;
use crate::dataplane::decide::RESOLVER;
use crate::dns::View;
use crate::model::{self, Instance};
use crate::packet::Mac;

/// A guest: the namespace in which an instance runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// `i-…`.
    pub instance_id: String,
    /// The stack that declares it.
    pub stack: Option<String>,
    /// Its logical id there.
    pub logical_id: Option<String>,
    /// Its Name tag.
    pub name_tag: Option<String>,
    /// Owner.
    pub account: String,
    /// Region.
    pub region: String,
    /// Its VPC, or `internet` outside of all.
    pub vpc_id: String,
    /// `ip-10-0-1-10`.
    pub hostname: String,
    /// Resolver of its VPC.
    pub resolver: Ipv4Addr,
    /// Domain to complete short names with; empty: none.
    pub search: String,
    /// Interfaces in order of device index.
    pub interfaces: Vec<GuestInterface>,
    /// First-boot script.
    pub user_data: Option<String>,
}

/// An interface of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestInterface {
    /// Its link.
    pub link: LinkIndex,
    /// `eth0`, `eth1`, …
    pub name: String,
    /// MAC address.
    pub mac: Mac,
    /// Private addresses, primary first.
    pub addresses: Vec<Ipv4Addr>,
    /// Prefix length of its subnet.
    pub prefix_length: u8,
    /// The VPC router in its subnet; default route of the primary interface only.
    pub gateway: Ipv4Addr,
}

/// Jumbo frames, as instances have them (B1.5).
pub(super) const GUEST_MTU: u16 = 9001;

impl Guest {
    /// The name people use: logical id, else Name tag, else instance id.
    pub fn name(&self) -> &str {
        self.logical_id.as_deref().or(self.name_tag.as_deref()).unwrap_or(&self.instance_id)
    }
}

/// A guest outside of all VPCs: in a network of its own, whose router answers at its first address, and with the internet's
/// names.
pub(super) fn outside(id: &str, meta: Option<&model::Meta>, link: LinkIndex, mac: Mac, address: Ipv4Addr) -> Guest {
    let gateway = Ipv4Addr::from(u32::from(address) & 0xffff_ff00 | 1);
    let interface =
        GuestInterface { link, name: "eth0".to_owned(), mac, addresses: vec![address], prefix_length: 24, gateway };
    let logical_id = meta.map_or(Some(id.to_owned()), |meta| meta.logical_id.clone());
    Guest {
        instance_id: id.to_owned(),
        stack: meta.and_then(|meta| meta.stack.clone()),
        hostname: logical_id.as_deref().unwrap_or(id).to_ascii_lowercase(),
        logical_id,
        name_tag: meta.and_then(|meta| meta.tags.get("Name").cloned()),
        account: meta.map(|meta| meta.account.clone()).unwrap_or_default(),
        region: meta.map(|meta| meta.region.clone()).unwrap_or_default(),
        vpc_id: INTERNET.to_owned(),
        resolver: RESOLVER,
        search: String::new(),
        interfaces: vec![interface],
        user_data: None,
    }
}

impl<'w> Compiler<'w> {
    /// A link for each interface of each instance.
    pub(super) fn add_guest_links(&mut self) -> Vec<Guest> {
        self.world.instances.values().filter_map(|instance| self.guest(instance)).collect()
    }

    fn guest(&mut self, instance: &'w Instance) -> Option<Guest> {
        let interfaces: Vec<GuestInterface> = instance
            .network_interface_ids
            .iter()
            .enumerate()
            .filter_map(|(device, id)| self.guest_interface(device, self.world.network_interfaces.get(id)?))
            .collect();
        let primary = self.world.network_interfaces.get(instance.network_interface_ids.first()?)?;
        let vpc = self.world.vpcs.get(&primary.vpc_id)?;
        let model::Meta { account, region, stack, logical_id, tags, .. } = &instance.meta;
        Some(Guest {
            instance_id: instance.instance_id.clone(),
            stack: stack.clone(),
            logical_id: logical_id.clone(),
            name_tag: tags.get("Name").cloned(),
            account: account.clone(),
            region: region.clone(),
            vpc_id: vpc.vpc_id.clone(),
            hostname: instance.private_dns_name.split('.').next().unwrap_or_default().to_owned(),
            resolver: network::vpc_resolver(vpc),
            search: View::instance_domain(region),
            interfaces,
            user_data: instance.user_data.clone(),
        })
    }

    fn guest_interface(&mut self, device: usize, interface: &'w model::NetworkInterface) -> Option<GuestInterface> {
        let subnet = self.world.subnets.get(&interface.subnet_id)?;
        let link = LinkIndex(self.tables.links.len() as u32);
        self.links.insert(&interface.network_interface_id, link);
        // Who is behind it is filled in when the interface gets its index.
        let behind = Behind::Interface(InterfaceIndex(u32::MAX));
        self.tables.links.push(Link { behind, mac: interface.mac_address, mtu: GUEST_MTU });
        Some(GuestInterface {
            link,
            name: format!("eth{device}"),
            mac: interface.mac_address,
            addresses: interface.private_ip_addresses.clone(),
            prefix_length: subnet.cidr_block.prefix_len(),
            gateway: Ipv4Addr::from(u32::from(subnet.cidr_block.network()) + 1),
        })
    }
}
