//! Who knows which names: public zones for everybody, private ones for one VPC.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::absences::Absences;
use super::name::{BadName, Key, Name, ancestors, wildcard};
use super::record::{Records, Soa};

/// All names of a lab.
#[derive(Clone, Debug)]
pub struct Zones {
    /// By apex; the root is always there and knows that a name does not exist.
    public: HashMap<Key, Zone>,
    /// By the id of a VPC or of an inbound resolver endpoint.
    views: BTreeMap<String, View>,
    absences: Arc<Absences>,
}

/// What one VPC's resolver knows besides the public names.
#[derive(Clone, Debug)]
pub struct View {
    enable_dns_support: bool,
    enable_dns_hostnames: bool,
    zones: HashMap<Key, Zone>,
}

/// An authoritative piece of the name tree: what is under its apex exists here or nowhere.
#[derive(Clone, Debug)]
pub struct Zone {
    apex: Name,
    soa: Soa,
    name_servers: Vec<Name>,
    /// Empty for a name that exists only because something stands under it (RFC 8020).
    nodes: HashMap<Key, Vec<Records>>,
}

/// What a zone says about a name.
pub(super) enum Found<'a> {
    /// Its records, a set for each type.
    Records(&'a [Records]),
    /// It exists without records.
    Nothing,
    /// It doesn't exist.
    NoSuchName,
}

impl Zones {
    /// An internet that knows the root and `amazonaws.com`, both without names.
    pub fn new() -> Self {
        let mut zones = Self { public: HashMap::new(), views: BTreeMap::new(), absences: Arc::default() };
        for apex in [".", "amazonaws.com"] {
            zones.add_public_zone(apex).expect("both are names");
        }
        zones
    }

    /// Makes a public zone of its own: a "no" for names under it carries its SOA. Names already there stay where they are.
    pub fn add_public_zone(&mut self, apex: &str) -> Result<(), BadName> {
        let apex = Name::parse(apex)?;
        let key = apex.key();
        // A delegation: the apex and what stands between exist in the zone above as well.
        let parent = ancestors(&key).skip(1).find(|parent| self.public.contains_key(*parent)).map(Key::from);
        if let Some(parent) = parent.and_then(|parent| self.public.get_mut(&parent)) {
            parent.touch(&key);
        }
        self.public.entry(key).or_insert_with(|| Zone::new(apex));
        Ok(())
    }

    /// The public zone at `apex`, made if need be, to add to. What stands in a zone of its own below it hides what is added.
    pub fn public_zone(&mut self, apex: &str) -> Result<&mut Zone, BadName> {
        self.add_public_zone(apex)?;
        let key = Name::parse(apex)?.key();
        Ok(self.public.get_mut(&key).expect("made just before"))
    }

    /// Gives a public name its records; a leading `*.` stands for every name under the rest (RFC 4592).
    pub fn add_public(&mut self, name: &str, records: Records) -> Result<(), BadName> {
        let name = Name::parse(name)?;
        let key = name.key();
        let apex = ancestors(&key).find(|apex| self.public.contains_key(*apex)).expect("the root holds every name");
        let zone = self.public.get_mut(apex).expect("found just before");
        zone.insert(&name, records)
    }

    /// Makes or replaces the view of a VPC, or of an inbound resolver endpoint. Who has none is refused.
    pub fn add_view(&mut self, vpc_id: impl Into<String>, view: View) {
        self.views.insert(vpc_id.into(), view);
    }

    /// The view of a VPC.
    pub fn view(&self, vpc_id: &str) -> Option<&View> {
        self.views.get(vpc_id)
    }

    /// The view of a VPC, to add to.
    pub fn view_mut(&mut self, vpc_id: &str) -> Option<&mut View> {
        self.views.get_mut(vpc_id)
    }

    /// Has so many nodes watched: none of them is absent yet.
    pub fn watch(&mut self, nodes: usize) {
        self.absences = Arc::new(Absences::none_of(nodes));
    }

    /// Which nodes are left out of answers. Zones that take the place of these have absences of their own.
    pub fn absences(&self) -> &Arc<Absences> {
        &self.absences
    }

    /// The zone that decides about a name in this view.
    pub(super) fn zone_for<'a>(&'a self, view: &'a View, key: &[u8]) -> &'a Zone {
        view.zone_for(key).unwrap_or_else(|| self.public_zone_for(key))
    }

    /// The zone that decides about a name on the internet.
    pub(super) fn public_zone_for(&self, key: &[u8]) -> &Zone {
        ancestors(key).find_map(|apex| self.public.get(apex)).expect("the root holds every name")
    }
}

impl Default for Zones {
    fn default() -> Self {
        Self::new()
    }
}

impl View {
    /// A view with the VPC's two attributes: without support nothing is answered at all, without hostnames the private
    /// names are not there (B1.2).
    pub fn new(enable_dns_support: bool, enable_dns_hostnames: bool) -> Self {
        Self { enable_dns_support, enable_dns_hostnames, zones: HashMap::new() }
    }

    /// The VPC's `enableDnsSupport`.
    pub fn enable_dns_support(&self) -> bool {
        self.enable_dns_support
    }

    /// The private zone at `apex`, made if need be. It is authoritative: names under it that it doesn't hold do not exist
    /// in this VPC, whatever the public zones say (B3.3). The apex itself exists, without records until one is added.
    pub fn private_zone(&mut self, apex: &str) -> Result<&mut Zone, BadName> {
        let apex = Name::parse(apex)?;
        Ok(self.zones.entry(apex.key()).or_insert_with(|| Zone::new(apex)))
    }

    /// Gives a private address of the VPC its instance name, both ways: `ip-10-0-1-10.ec2.internal` in us-east-1,
    /// `ip-10-0-1-10.REGION.compute.internal` elsewhere.
    pub fn add_instance(&mut self, region: &str, private_ip: Ipv4Addr) -> Result<(), BadName> {
        let [a, b, c, d] = private_ip.octets();
        let apex = Self::instance_domain(region);
        let name = Name::parse(&format!("ip-{a}-{b}-{c}-{d}.{apex}"))?;
        self.private_zone(&apex)?.insert(&name, Records::endpoint([private_ip]))?;
        let reverse = Name::parse(&format!("{d}.{c}.{b}.{a}.in-addr.arpa"))?;
        let pointer = Records::Pointer { ttl: Records::ENDPOINT_TTL, target: name };
        // One zone for all reverse names: the emulated internet has no public ones that it could hide.
        self.private_zone("in-addr.arpa")?.insert(&reverse, pointer)
    }

    /// Domain of a Region's instance names; also the search domain that its DHCP hands out.
    pub fn instance_domain(region: &str) -> String {
        if region == "us-east-1" { "ec2.internal".to_owned() } else { format!("{region}.compute.internal") }
    }

    fn zone_for(&self, key: &[u8]) -> Option<&Zone> {
        if !self.enable_dns_hostnames {
            return None;
        }
        ancestors(key).find_map(|apex| self.zones.get(apex))
    }
}

impl Zone {
    fn new(apex: Name) -> Self {
        let soa = soa(&apex);
        let nodes = HashMap::from([(apex.key(), Vec::new())]);
        Self { name_servers: vec![soa.mname.clone()], apex, soa, nodes }
    }

    /// Names the servers that the zone's SOA and NS records name.
    pub fn serve_by(&mut self, names: &[String]) -> Result<(), BadName> {
        self.name_servers = names.iter().map(|name| Name::parse(name)).collect::<Result<_, _>>()?;
        if let Some(first) = self.name_servers.first() {
            self.soa.mname = first.clone();
        }
        Ok(())
    }

    /// Gives a name its records, replacing those of their type and what can't stand beside them; a leading `*.` stands for every name under the rest.
    pub fn add(&mut self, name: &str, records: Records) -> Result<(), BadName> {
        self.insert(&Name::parse(name)?, records)
    }

    fn insert(&mut self, name: &Name, records: Records) -> Result<(), BadName> {
        let key = name.key();
        if !self.spans(&key) {
            return Err(BadName::OutsideZone { name: name.to_string(), apex: self.apex.to_string() });
        }
        self.touch(&key);
        let sets = self.nodes.entry(key).or_default();
        sets.retain(|set| set.stands_beside(&records));
        sets.push(records);
        Ok(())
    }

    /// Makes a name and what stands between it and the apex exist.
    fn touch(&mut self, key: &[u8]) {
        let depth = self.apex.key().len();
        for name in ancestors(key).take_while(|ancestor| ancestor.len() > depth) {
            self.nodes.entry(name.into()).or_default();
        }
    }

    pub(super) fn apex(&self) -> &Name {
        &self.apex
    }

    pub(super) fn soa(&self) -> &Soa {
        &self.soa
    }

    pub(super) fn name_servers(&self) -> &[Name] {
        &self.name_servers
    }

    /// Whether the name is the apex or under it.
    pub(super) fn spans(&self, key: &[u8]) -> bool {
        let apex = self.apex.key();
        ancestors(key).any(|ancestor| *ancestor == *apex)
    }

    /// RFC 4592 3.3.1: the name itself, else the wildcard of its closest ancestor that exists.
    pub(super) fn find(&self, key: &[u8]) -> Found<'_> {
        let node = ancestors(key).enumerate().find_map(|(distance, ancestor)| {
            let node = self.nodes.get(ancestor)?;
            Some(if distance == 0 { Some(node) } else { self.nodes.get(&wildcard(ancestor)) })
        });
        match node.flatten().map(Vec::as_slice) {
            Some([]) => Found::Nothing,
            Some(sets) => Found::Records(sets),
            None => Found::NoSuchName,
        }
    }
}

/// SOA in the words of whoever runs such a zone: the root, or Route 53.
fn soa(apex: &Name) -> Soa {
    let name = |text: &str| Name::parse(text).expect("a constant");
    if *apex == Name::root() {
        return Soa {
            mname: name("a.root-servers.net"),
            rname: name("nstld.verisign-grs.com"),
            serial: 1,
            refresh: 1800,
            retry: 900,
            expire: 604_800,
            minimum: 86_400,
        };
    }
    Soa {
        mname: name("ns-1536.awsdns-00.co.uk"),
        rname: name("awsdns-hostmaster.amazon.com"),
        serial: 1,
        refresh: 7200,
        retry: 900,
        expire: 1_209_600,
        // Shorter than Route 53's 86,400: what a lab adds while it runs shall be seen soon.
        minimum: 60,
    }
}
