//! Internet gateways and NAT gateways (B7), peering (B1.8), gateway endpoints (B2), VPN gateways.

use super::super::lab::*;
use super::super::published;
use super::interface::{self, Interface};
use super::{Arrival, CHOSEN, Header, Kind, Place, Reason, Stop, Translation, Walk, Walker, dropped, lost};

/// RFC 1918.
const PRIVATE: [(u8, u8, u8); 3] = [(10, 0, 8), (172, 16, 12), (192, 168, 16)];

impl Walker<'_> {
    /// B7: one-to-one, between private and public address; what has no public address, or a destination that can't be
    /// on the internet, does not pass. Which of the two it looks at first is not said.
    pub(super) fn internet_gateway_out(
        &mut self,
        vpc: usize,
        header: Header,
        trail: Vec<Translation>,
    ) -> Walk<Vec<Arrival>> {
        let mut codes = Vec::new();
        if PRIVATE.iter().any(|(a, b, length)| Block::new(*a, *b, 0, 0, *length).contains(header.destination)) {
            codes.push("IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS");
        }
        if Block::new(100, 64, 0, 0, 10).contains(header.destination) {
            codes.push("IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS");
        }
        let source = interface::with_address(self.lab, vpc, header.source);
        let public = source.and_then(|interface| interface.public_address(self.lab));
        if public.is_none() {
            codes.push("IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS");
        }
        match public {
            Some(public) if codes.is_empty() => self.internet(Header { source: public, ..header }, trail),
            _ => Err(Stop::Dropped(Reason {
                codes,
                objects: vec![format!("{}Internet", self.lab.vpcs[vpc].name)],
                why: "B7: the internet gateway refuses it".into(),
            })),
        }
    }

    /// The emulated internet: one guest, the public services, and the public addresses of the VPCs.
    pub(super) fn internet(&mut self, header: Header, trail: Vec<Translation>) -> Walk<Vec<Arrival>> {
        if header.destination == INTERNET {
            return Ok(vec![Arrival { place: Place::Internet, header, trail }]);
        }
        if let Some((vpc, interface)) = interface::with_public_address(self.lab, header.destination) {
            let header = Header { destination: interface.address(self.lab), ..header };
            return self.deliver(vpc, header, None, trail);
        }
        for service in [PublicService::S3, PublicService::DynamoDb] {
            if published::prefixes(service).iter().any(|block| block.contains(header.destination)) {
                return match (header.protocol, header.destination_ports) {
                    (Protocol::Tcp, (80, 80) | (443, 443)) | (Protocol::Icmp, _) => {
                        Ok(vec![Arrival { place: Place::OverInternet(service), header, trail }])
                    }
                    // What S3 does with them is not described.
                    _ => Err(Stop::Unknown),
                };
            }
        }
        lost("nobody on the emulated internet has the address")
    }

    /// B7: the source becomes the gateway's own private address, then its own subnet's rules and routes apply.
    pub(super) fn nat(
        &mut self,
        gateway: usize,
        header: Header,
        from: usize,
        mut trail: Vec<Translation>,
    ) -> Walk<Vec<Arrival>> {
        let NatGateway { subnet, address, .. } = self.lab.nat_gateways[gateway];
        if from != subnet {
            self.acl_lets_in(subnet, &header)?;
        }
        if self.kind == Kind::Reply {
            return lost("B7: a NAT gateway knows no such connection");
        }
        if interface::with_address(self.lab, self.lab.vpc_of(subnet), header.source).is_none() {
            let why = "B7: only what comes from its own VPC's interfaces";
            return dropped("NGW_REQUIRES_SOURCE_IN_VPC", &self.lab.nat_gateways[gateway].name, why);
        }
        trail.push(Translation { by: Interface::Nat(gateway), before: header, preserved: false });
        let source_ports = if header.protocol == Protocol::Icmp { header.source_ports } else { CHOSEN };
        self.travel(subnet, Header { source: address, source_ports, ..header }, trail)
    }

    /// B1.8, B11: only towards an address of the VPC at the other end, and no further.
    pub(super) fn peering(
        &mut self,
        peering: usize,
        from: usize,
        header: Header,
        trail: Vec<Translation>,
    ) -> Walk<Vec<Arrival>> {
        let Peering { requester, accepter, .. } = self.lab.peerings[peering];
        let to = if from == requester { accepter } else { requester };
        if !self.lab.vpcs[to].blocks.iter().any(|block| block.contains(header.destination)) {
            let name = &self.lab.peerings[peering].name;
            return dropped("PCX_REQUIRES_ADDRESS_IN_VPC_CIDR", name, "B11: not an address of the peer VPC");
        }
        self.deliver(to, header, None, trail)
    }

    /// B2: TCP and ICMP echo only; the source stays.
    pub(super) fn gateway_endpoint(
        &mut self,
        endpoint: usize,
        header: Header,
        trail: Vec<Translation>,
    ) -> Walk<Vec<Arrival>> {
        let service = self.lab.gateway_endpoints[endpoint].service;
        match (header.protocol, header.destination_ports) {
            (Protocol::Udp, _) => {
                let name = &self.lab.gateway_endpoints[endpoint].name;
                dropped("VPCE_GATEWAY_PROTOCOL_RESTRICTION", name, "B2: gateway endpoints accept TCP and ICMP echo")
            }
            (Protocol::Tcp, (80, 80) | (443, 443)) | (Protocol::Icmp, _) => {
                Ok(vec![Arrival { place: Place::ThroughEndpoint(service, endpoint), header, trail }])
            }
            // What S3 does with other ports is not described.
            (Protocol::Tcp, _) => Err(Stop::Unknown),
        }
    }

    /// Through the tunnel goes what the connection's static routes hold; one guest is there.
    pub(super) fn vpn_gateway_out(&mut self, header: Header, trail: Vec<Translation>) -> Walk<Vec<Arrival>> {
        let vpn = self.lab.vpn.as_ref().expect("a route leads to its gateway");
        let routed = vpn.routes.iter().any(|block| block.contains(header.destination));
        match routed && header.destination == vpn.address {
            true => Ok(vec![Arrival { place: Place::OnPremises, header, trail }]),
            false => lost("nobody on premises has the address"),
        }
    }

    /// B1.8, B2: from a VPN into the VPC itself; no edge-to-edge routing, no gateway endpoint.
    pub(super) fn in_by_vpn(&mut self, header: Header, trail: Vec<Translation>) -> Walk<Vec<Arrival>> {
        let vpn = self.lab.vpn.as_ref().expect("the guest is behind it");
        match self.lab.vpcs[vpn.vpc].blocks.iter().any(|block| block.contains(header.destination)) {
            true => self.deliver(vpn.vpc, header, None, trail),
            false => lost("B1.8: a VPN leads into the VPC and no further"),
        }
    }
}
