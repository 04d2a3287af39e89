//! The way back: the legs in reverse, through the same hops.

use super::*;
use crate::dataplane::filter::Side;

impl Walk<'_> {
    /// Walks the answer of a packet that arrived.
    pub(super) fn walk_back(&mut self) -> Result<Arrival, Refused> {
        self.traits = self.traits.answer();
        self.back = Some(self.legs.len());
        let first = self.leg_walked_back()?;
        match self.run(first)? {
            Step::Arrived(arrival) => Ok(arrival),
            // Nobody answers an answer with a reset.
            Step::Reset(object) | Step::TimeExceeded(object, _) => {
                Err(Refused { reason: DropReason::AsymmetricReturn, object: Some(object) })
            }
            _ => Err(Refused::BAD_TABLES),
        }
    }

    /// On the way back, a place where the leg that is being walked began.
    pub(super) fn is_home(&self, place: Place) -> bool {
        self.back.and_then(|number| self.legs.get(number)).is_some_and(|leg| leg.from == place)
    }

    /// The answer stands where a leg began: the leg before it is next, with the addresses that were valid there.
    pub(super) fn leg_walked_back(&mut self) -> Result<Step, Refused> {
        let walked = self.back.ok_or(Refused::BAD_TABLES)?;
        let Some(number) = walked.checked_sub(1) else { return self.deliver_home() };
        let leg = *self.legs.get(number).ok_or(Refused::BAD_TABLES)?;
        self.back = Some(number);
        let before = std::mem::replace(&mut self.header, leg.sent.answer());
        if let Some((kind, object)) = self.legs.get(walked).and_then(|walked| self.who_is(walked.from)) {
            self.record(kind, object, None, before, || "takes the answer back".to_owned());
        }
        self.sender = leg.to;
        match (leg.from, leg.to) {
            (from, Place::Interface(index)) if leg.keeps_client => {
                let Place::Interface(node) = from else { return Err(Refused::BAD_TABLES) };
                let (here, there) = (self.interface(node)?.subnet, self.interface(index)?.subnet);
                self.observe(index, Side::Egress);
                if here != there {
                    self.check_acl(there, Side::Egress)?;
                }
                self.observe(node, Side::Ingress);
                if here != there {
                    self.check_acl(here, Side::Ingress)?;
                }
                Ok(Step::LegWalkedBack)
            }
            // The node hands the answer over.
            (Place::HealthCheck(_), _) => Ok(Step::LegWalkedBack),
            (_, Place::Interface(index)) => Ok(Step::Leave(index, self.addressed_by_arp(index)?)),
            (Place::Interface(_), Place::InternetGateway(gateway)) => {
                let gateway = self.tables.internet_gateways.get(gateway.at()).ok_or(Refused::BAD_TABLES)?;
                Ok(Step::Inside(gateway.vpc, gateway.route_table))
            }
            (Place::Interface(_), Place::GatewayEndpoint(endpoint)) => {
                let endpoint = self.tables.endpoints.get(endpoint.at()).ok_or(Refused::BAD_TABLES)?;
                Ok(Step::Inside(endpoint.vpc, None))
            }
            (Place::Interface(_), Place::VpnGateway(gateway)) => {
                let gateway = self.tables.vpn_gateways.get(gateway.at()).ok_or(Refused::BAD_TABLES)?;
                Ok(Step::Inside(gateway.vpc, gateway.route_table))
            }
            // Between gateways and what is outside of VPCs nothing decides.
            _ => Ok(Step::LegWalkedBack),
        }
    }

    /// The object that sent a packet on, in AWS's nouns.
    fn who_is(&self, place: Place) -> Option<(&'static str, ObjectIndex)> {
        let tables = self.tables;
        match place {
            Place::Interface(index) => match tables.interfaces.get(index.at())?.role {
                Role::BalancerNode { balancer, .. } => {
                    Some(("load balancer", tables.balancers.get(balancer.at())?.object))
                }
                Role::NatGateway(gateway) => Some(("NAT gateway", tables.nat_gateways.get(gateway.at())?.object)),
                Role::Endpoint { endpoint, .. } => {
                    Some(("interface endpoint", tables.endpoints.get(endpoint.at())?.object))
                }
                Role::ResolverEndpoint(endpoint) => {
                    Some(("resolver endpoint", tables.resolver_endpoints.get(endpoint.at())?.object))
                }
                Role::Guest(_) | Role::Detached => None,
            },
            Place::InternetGateway(index) => {
                Some(("internet gateway", tables.internet_gateways.get(index.at())?.object))
            }
            Place::GatewayEndpoint(index) => Some(("gateway endpoint", tables.endpoints.get(index.at())?.object)),
            Place::VpnGateway(index) => Some(("virtual private gateway", tables.vpn_gateways.get(index.at())?.object)),
            Place::Service(_) | Place::Internet | Place::OnPremises(_) | Place::HealthCheck(_) => None,
        }
    }

    /// Whom a kernel would send to: a neighbour in its own subnet, else the router.
    fn addressed_by_arp(&self, index: InterfaceIndex) -> Result<Addressed, Refused> {
        let sender = self.interface(index)?;
        let owner = self.vpc(sender.vpc)?.addresses.get(&self.header.destination).copied();
        let neighbour = owner.filter(|owner| self.interface(*owner).is_ok_and(|it| it.subnet == sender.subnet));
        Ok(neighbour.map_or(Addressed::Router, Addressed::Neighbour))
    }

    /// The answer is where the question came from.
    fn deliver_home(&mut self) -> Result<Step, Refused> {
        let client = self.legs.first().ok_or(Refused::BAD_TABLES)?.from;
        match client {
            Place::Interface(index) => {
                let Role::Guest(link) = self.interface(index)?.role else { return Err(Refused::BAD_TABLES) };
                let (object, before) = (self.interface(index)?.object, self.header);
                self.record("network interface", object, None, before, || "receives: tracked".to_owned());
                self.deliver_to_guest(index, link)
            }
            Place::Internet => {
                let guest = self.tables.internet.guest.ok_or(Refused::BAD_TABLES)?;
                self.deliver_outside(guest.link)
            }
            Place::OnPremises(index) => {
                let link = self.tables.customers.get(index.at()).ok_or(Refused::BAD_TABLES)?.link;
                self.deliver_outside(link)
            }
            Place::HealthCheck(_) => {
                let link = self.tables.health_checks.as_ref().ok_or(Refused::BAD_TABLES)?.link;
                self.deliver_outside(link)
            }
            _ => Err(Refused::BAD_TABLES),
        }
    }
}
