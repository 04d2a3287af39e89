//! `AWS::Route53::HostedZone`: the names of a domain, for everybody or for some VPCs.
//!
//! Every public zone is delegated to: the emulated internet asks no registrar. Not done: VPCs of other accounts
//! (AssociateVPCWithHostedZone), DNSSEC, query logging, delegation sets.

use std::collections::BTreeMap;

use super::record_set::{batch, domain_name};
use super::world::Meta;
use super::*;

/// A hosted zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedZone {
    /// `Z…`.
    pub hosted_zone_id: String,
    /// Owner and origin; the Region is the asker's, a zone has none.
    pub meta: Meta,
    /// The domain, in small letters and with a dot at its end.
    pub name: String,
    /// The asker's own word for the request: the same again makes no second zone.
    pub caller_reference: String,
    /// Free text.
    pub comment: Option<String>,
    /// Private: the VPCs whose resolvers know it. A public zone has none.
    pub vpcs: Vec<HostedZoneVpc>,
    /// What its NS records say.
    pub name_servers: Vec<String>,
    /// By name and type.
    pub record_sets: BTreeMap<(String, String), ResourceRecordSet>,
}

/// A VPC that a private zone is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedZoneVpc {
    /// Its id.
    pub vpc_id: String,
    /// Its Region.
    pub vpc_region: String,
}

/// Members of CreateHostedZone; with VPCs the zone is private.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateHostedZone {
    /// The domain.
    pub name: String,
    /// Unlike that of every other zone of the account.
    pub caller_reference: String,
    /// Free text.
    pub comment: Option<String>,
    /// More than one only where CloudFormation associates them in the same breath.
    pub vpcs: Vec<HostedZoneVpc>,
}

/// Members of ChangeResourceRecordSets; all of the changes or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeResourceRecordSets {
    /// The zone.
    pub hosted_zone_id: String,
    /// What is done to which set, in order.
    pub changes: Vec<(ChangeAction, ResourceRecordSet)>,
}

/// What is done to a record set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeAction {
    /// It is new.
    Create,
    /// It goes; all that it says must be named.
    Delete,
    /// It is new, or takes the place of the one that is there.
    Upsert,
}

impl ChangeAction {
    /// AWS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
            Self::Upsert => "UPSERT",
        }
    }
}

impl HostedZone {
    /// Whether only its VPCs know it.
    pub fn is_private(&self) -> bool {
        !self.vpcs.is_empty()
    }

    /// The domain without the dot at its end.
    pub fn domain(&self) -> &str {
        self.name.trim_end_matches('.')
    }

    fn spans(&self, name: &str) -> bool {
        name == self.name || name.strip_suffix(&self.name).is_some_and(|rest| rest.ends_with('.'))
    }
}

impl World {
    pub(super) fn create_hosted_zone(
        &mut self,
        request: &Request,
        members: &CreateHostedZone,
    ) -> Result<ObjectId, Refusal> {
        let invalid = || Refusal::new("InvalidDomainName", format!("'{}' is not a domain name", members.name));
        let name = domain_name(&members.name).map_err(|_| invalid())?;
        if name.contains('*') {
            return Err(invalid());
        }
        let again = |zone: &&HostedZone| {
            zone.meta.account == request.account && zone.caller_reference == members.caller_reference
        };
        if self.hosted_zones.values().any(|zone| again(&zone)) {
            return Err(Refusal::new(
                "HostedZoneAlreadyExists",
                "A hosted zone has already been created with the specified caller reference.",
            ));
        }
        for vpc in &members.vpcs {
            self.check_zone_vpc(request, &name, vpc)?;
        }
        let digest =
            |attempt: u32| id::derived("zone", &[&request.account, &members.caller_reference, &attempt.to_string()]);
        let hosted_zone_id = (0..)
            .map(|attempt| format!("Z{}", id::Digest::of(&[&digest(attempt)]).base32(20)))
            .find(|id| !self.hosted_zones.contains_key(id))
            .expect("a world holds fewer zones than there are attempts");
        let zone = HostedZone {
            name_servers: name_servers(&hosted_zone_id, members.vpcs.is_empty()),
            hosted_zone_id: hosted_zone_id.clone(),
            meta: request.meta(),
            name,
            caller_reference: members.caller_reference.clone(),
            comment: members.comment.clone(),
            vpcs: members.vpcs.clone(),
            record_sets: BTreeMap::new(),
        };
        self.hosted_zones.insert(hosted_zone_id.clone(), zone);
        Ok(hosted_zone_id)
    }

    /// The VPC is the asker's, and has no zone of that name yet: neither a customer's nor the hidden one of an endpoint (B3.3).
    fn check_zone_vpc(&self, request: &Request, name: &str, vpc: &HostedZoneVpc) -> Result<(), Refusal> {
        let HostedZoneVpc { vpc_id, vpc_region } = vpc;
        let own = self.vpcs.get(vpc_id);
        if !own.is_some_and(|it| it.meta.account == request.account && it.meta.region == *vpc_region) {
            return Err(Refusal::new(
                "InvalidVPCId",
                format!(
                    "The VPC: {vpc_id} in region {vpc_region} is not one that account {} is authorized to associate",
                    request.account
                ),
            ));
        }
        let hosted = self.hosted_zone_in(vpc_id, name).map(|zone| zone.hosted_zone_id.clone());
        let hidden =
            || self.hidden_zone_in(vpc_id, name.trim_end_matches('.'), None).map(|it| it.hosted_zone_id.clone());
        match hosted.or_else(hidden) {
            None => Ok(()),
            Some(other) => Err(Refusal::new(
                "ConflictingDomainExists",
                format!(
                    "The VPC {vpc_id} in region {vpc_region} has already been associated with the hosted zone {other} with the same domain name."
                ),
            )),
        }
    }

    /// The private hosted zone of exactly that name (with its dot) in a VPC.
    pub(super) fn hosted_zone_in(&self, vpc_id: &str, name: &str) -> Option<&HostedZone> {
        self.hosted_zones.values().find(|zone| zone.name == name && zone.vpcs.iter().any(|vpc| vpc.vpc_id == vpc_id))
    }

    /// The zones of an account by name, as a template finds one that it names so.
    pub fn hosted_zones_named(&self, account: &str, name: &str) -> Vec<&HostedZone> {
        let Ok(name) = domain_name(name) else { return Vec::new() };
        self.hosted_zones.values().filter(|zone| zone.meta.account == account && zone.name == name).collect()
    }

    /// Whether an alias may name the zone: one that is hosted here, or that endpoints or load balancers have their names in.
    pub fn knows_alias_zone(&self, hosted_zone_id: &str) -> bool {
        self.hosted_zones.contains_key(hosted_zone_id)
            || region::regions().any(|it| region::endpoint_hosted_zone(it) == hosted_zone_id)
            || self.load_balancers.values().any(|it| it.canonical_hosted_zone_id() == hosted_zone_id)
    }

    pub(super) fn change_resource_record_sets(
        &mut self,
        request: &Request,
        members: &ChangeResourceRecordSets,
    ) -> Result<ObjectId, Refusal> {
        let id = &members.hosted_zone_id;
        let own = self.hosted_zones.get(id).filter(|zone| zone.meta.account == request.account);
        let Some(zone) = own else {
            return Err(Refusal::new("NoSuchHostedZone", format!("No hosted zone found with ID: {id}")));
        };
        let mut changed = zone.clone();
        for (action, set) in &members.changes {
            let set = set.checked(*action)?;
            self.change_record_set(&mut changed, *action, set)?;
        }
        self.hosted_zones.insert(id.clone(), changed);
        self.verify_declared_names();
        Ok(id.clone())
    }

    fn change_record_set(
        &self,
        zone: &mut HostedZone,
        action: ChangeAction,
        set: ResourceRecordSet,
    ) -> Result<(), Refusal> {
        let (name, record_type) = (set.name.clone(), set.record_type.clone());
        if !zone.spans(&name) {
            return Err(batch(format!("RRSet with DNS name {name} is not permitted in zone {}", zone.name)));
        }
        let key = (name.clone(), record_type.clone());
        let called = format!("resource record set [name='{name}', type='{record_type}']");
        match (action, zone.record_sets.get(&key)) {
            (ChangeAction::Create, Some(_)) => {
                return Err(batch(format!("Tried to create {called} but it already exists")));
            }
            (ChangeAction::Delete, None) => {
                return Err(batch(format!("Tried to delete {called} but it was not found")));
            }
            (ChangeAction::Delete, Some(there)) if *there != set => {
                return Err(batch(format!(
                    "Tried to delete {called} but the values provided do not match the current values"
                )));
            }
            (ChangeAction::Delete, Some(_)) => {
                zone.record_sets.remove(&key);
                return Ok(());
            }
            (ChangeAction::Create | ChangeAction::Upsert, _) => {}
        }
        if record_type == "CNAME" && name == zone.name {
            return Err(batch(format!(
                "RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {}",
                zone.name
            )));
        }
        // A canonical name stands alone (RFC 1034 3.6.2).
        let mut others = zone.record_sets.keys().filter(|(other, kind)| *other == name && *kind != record_type);
        if others.any(|(_, kind)| record_type == "CNAME" || kind == "CNAME") {
            return Err(batch(format!(
                "RRSet of type {record_type} with DNS name {name} is not permitted as it conflicts with other records with the same DNS name in zone {}",
                zone.name
            )));
        }
        self.check_alias(zone, &set)?;
        zone.record_sets.insert(key, set);
        Ok(())
    }

    /// The target of an alias is there, in the zone that the alias names.
    fn check_alias(&self, zone: &HostedZone, set: &ResourceRecordSet) -> Result<(), Refusal> {
        let Some(AliasTarget { hosted_zone_id, dns_name, .. }) = &set.alias_target else { return Ok(()) };
        let called = format!(
            "Tried to create an alias that targets {dns_name}, type {} in zone {hosted_zone_id}",
            set.record_type
        );
        let found = if *hosted_zone_id == zone.hosted_zone_id {
            if !zone.spans(dns_name) {
                return Err(batch(format!("{called}, but the alias target name does not lie within the target zone")));
            }
            zone.record_sets.contains_key(&(dns_name.clone(), set.record_type.clone()))
        } else {
            let name = dns_name.trim_end_matches('.');
            let lies = self.alias_domains(hosted_zone_id).any(|domain| name.ends_with(&domain));
            if !lies {
                return Err(batch(format!("{called}, but the alias target name does not lie within the target zone")));
            }
            set.record_type == "A" && self.is_public_aws_name(name)
        };
        if found { Ok(()) } else { Err(batch(format!("{called}, but that target was not found"))) }
    }

    /// Endings of the names in a hosted zone of AWS's.
    fn alias_domains(&self, hosted_zone_id: &str) -> impl Iterator<Item = String> {
        let suffix = region::dns_suffix;
        let endpoints = region::regions().filter(move |it| region::endpoint_hosted_zone(it) == hosted_zone_id);
        let balancers = self.load_balancers.values().filter(move |it| it.canonical_hosted_zone_id() == hosted_zone_id);
        let balancers = balancers.map(move |it| format!(".elb.{}.{}", it.meta.region, suffix(&it.meta.region)));
        endpoints.map(move |it| format!(".{it}.vpce.{}", suffix(it))).chain(balancers)
    }

    /// An endpoint or a load balancer has that name; S3's endpoints have all names below theirs.
    fn is_public_aws_name(&self, name: &str) -> bool {
        let endpoints = self.vpc_endpoints.values().flat_map(|endpoint| &endpoint.dns_entries);
        let mut public = endpoints.filter(|entry| entry.scope != DnsEntryScope::Private);
        let of_endpoint = public.any(|entry| match entry.dns_name.strip_prefix('*') {
            Some(below) => name.ends_with(below),
            None => entry.dns_name == name,
        });
        let of_balancer = |balancer: &LoadBalancer| {
            let mut zonal = balancer.nodes.iter().map(|it| format!("{}.{}", it.availability_zone, balancer.dns_name));
            balancer.dns_name.eq_ignore_ascii_case(name) || zonal.any(|it| it.eq_ignore_ascii_case(name))
        };
        of_endpoint || self.load_balancers.values().any(of_balancer)
    }

    /// What the internet's TXT records of a name say, each text whole; by the name itself, not by a wildcard or a canonical name.
    pub(super) fn public_texts(&self, name: &str) -> Vec<Vec<u8>> {
        let name = format!("{name}.");
        let public = self.hosted_zones.values().filter(|zone| !zone.is_private() && zone.spans(&name));
        // The nearest zone alone is asked; of two with one name the first, as `compile` takes them.
        let mut nearest: Option<&HostedZone> = None;
        for zone in public {
            if nearest.is_none_or(|it| it.name.len() < zone.name.len()) {
                nearest = Some(zone);
            }
        }
        let set = nearest.and_then(|zone| zone.record_sets.get(&(name, "TXT".to_owned())));
        set.map(|set| set.texts().map(|strings| strings.concat()).collect()).unwrap_or_default()
    }
}

/// Four for everybody; a private zone has reserved ones, which nobody asks.
fn name_servers(hosted_zone_id: &str, is_public: bool) -> Vec<String> {
    let numbers: Vec<usize> =
        id::Digest::of(&["name servers", hosted_zone_id]).base32(4).bytes().map(usize::from).collect();
    ["com", "net", "org", "co.uk"]
        .iter()
        .enumerate()
        .map(|(index, top)| {
            let number = if is_public { numbers[index] } else { 0 };
            format!("ns-{}.awsdns-{:02}.{top}", index * 512 + number, number % 64)
        })
        .collect()
}
