//! A question in, an answer out: the behaviour of a VPC's resolver.

use super::name::Name;
use super::record::{Data, Record, RecordType, Records, Soa};
use super::zones::{Found, View, Zone, Zones};

/// Aliases followed before giving up; Route 53 Resolver gives up after about as many.
const MOST_ALIASES: usize = 8;

/// How a question was answered (RFC 1035 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// The name exists; with no records of the type asked for, that is NODATA.
    NoError,
    /// An alias that never ends.
    ServFail,
    /// The name doesn't exist.
    NxDomain,
    /// Nobody that this resolver serves.
    Refused,
}

/// What the resolver says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Yes, no, or not you.
    pub response_code: ResponseCode,
    /// Aliases followed, then what was asked for.
    pub records: Vec<Record>,
    /// With a "no", the zone that says so.
    pub soa: Option<Record>,
}

/// Answers a question asked from a VPC, with the name in presentation form; see [`answer_name`].
///
/// A text that is no domain name can't have been asked on the wire; it doesn't exist.
pub fn answer(zones: &Zones, vpc_id: &str, name: &str, record_type: RecordType, rotation: u64) -> Option<Answer> {
    match Name::parse(name) {
        Ok(name) => answer_name(zones, vpc_id, &name, record_type, rotation),
        Err(_) => Some(Answer { response_code: ResponseCode::NxDomain, records: Vec::new(), soa: None }),
    }
}

/// Answers a question asked from a VPC.
///
/// `None` is silence: with `enableDnsSupport` off, the resolver's address doesn't answer, and clients time out (B1.2).
/// `rotation` picks which addresses come, and in which order; the caller counts.
pub fn answer_name(zones: &Zones, vpc_id: &str, name: &Name, record_type: RecordType, rotation: u64) -> Option<Answer> {
    let Some(view) = zones.view(vpc_id) else {
        return Some(Answer { response_code: ResponseCode::Refused, records: Vec::new(), soa: None });
    };
    view.enable_dns_support().then(|| Question { zones, view, record_type, rotation }.resolve(name))
}

struct Question<'a> {
    zones: &'a Zones,
    view: &'a View,
    record_type: RecordType,
    rotation: u64,
}

impl Question<'_> {
    fn resolve(&self, name: &Name) -> Answer {
        let mut records = Vec::new();
        let mut name = name.clone();
        for _ in 0..=MOST_ALIASES {
            let key = name.key();
            let zone = self.zones.zone_for(self.view, &key);
            let (found, response_code) = match zone.find(&key) {
                Found::Records(sets) => (self.records(&name, zone, sets), ResponseCode::NoError),
                Found::Nothing => (Vec::new(), ResponseCode::NoError),
                Found::NoSuchName => (Vec::new(), ResponseCode::NxDomain),
            };
            let alias = match found.as_slice() {
                [Record { data: Data::Cname(target), .. }] if self.follows_aliases() => Some(target.clone()),
                _ => None,
            };
            let known = records.len();
            records.extend(found);
            if let Some(target) = alias {
                name = target;
                continue;
            }
            records.extend(self.of_apex(&name, zone));
            let soa = (records.len() == known).then(|| negative(zone));
            return Answer { response_code, records, soa };
        }
        Answer { response_code: ResponseCode::ServFail, records: Vec::new(), soa: None }
    }

    fn follows_aliases(&self) -> bool {
        !matches!(self.record_type, RecordType::Cname | RecordType::Any)
    }

    fn records(&self, name: &Name, zone: &Zone, sets: &[Records]) -> Vec<Record> {
        let sets = sets.iter().filter_map(|set| self.behind_alias(zone, set));
        let record = |ttl, data| Record { name: name.clone(), ttl, data };
        sets.flat_map(|set| {
            set.data(self.record_type, self.rotation, self.zones.absences())
                .into_iter()
                .map(move |data| record(set.ttl(), data))
        })
        .collect()
    }

    /// The set itself, or the addresses that an alias stands for: of its own zone, or public. A view does not count: Route 53
    /// follows aliases where the zone is, not where the question comes from.
    fn behind_alias<'z>(&'z self, zone: &'z Zone, mut set: &'z Records) -> Option<&'z Records> {
        for _ in 0..=MOST_ALIASES {
            let Records::Alias { target } = set else { return Some(set) };
            let key = target.key();
            let holder = if zone.spans(&key) { zone } else { self.zones.public_zone_for(&key) };
            let Found::Records(sets) = holder.find(&key) else { return None };
            set = sets.iter().find(|set| set.record_type() == RecordType::A)?;
        }
        None
    }

    /// SOA and NS, which a zone has at its apex only.
    fn of_apex(&self, name: &Name, zone: &Zone) -> Vec<Record> {
        let data = match self.record_type {
            _ if name != zone.apex() => Vec::new(),
            RecordType::Soa => vec![Data::Soa(zone.soa().clone())],
            RecordType::Ns => zone.name_servers().iter().cloned().map(Data::Ns).collect(),
            _ => Vec::new(),
        };
        data.into_iter().map(|data| Record { name: name.clone(), ttl: negative_ttl(zone.soa()), data }).collect()
    }
}

/// The SOA that makes a "no" cachable (RFC 2308 3).
fn negative(zone: &Zone) -> Record {
    Record { name: zone.apex().clone(), ttl: negative_ttl(zone.soa()), data: Data::Soa(zone.soa().clone()) }
}

fn negative_ttl(soa: &Soa) -> u32 {
    soa.minimum
}
