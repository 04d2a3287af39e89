//! Records as they are kept ([`Records`], one set per name) and as they are answered ([`Record`]).

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::absences::Absences;
use super::name::Name;

/// Bytes of a character string (RFC 1035 3.3).
const LONGEST_STRING: usize = 255;

/// What a question asks for (RFC 1035 3.2.2). Types that the lab has no data for are told apart by number only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordType {
    /// IPv4 address.
    A,
    /// IPv6 address; the lab has none, so names that exist answer NODATA.
    Aaaa,
    /// Canonical name.
    Cname,
    /// Reverse name.
    Ptr,
    /// Text.
    Txt,
    /// Start of a zone.
    Soa,
    /// Name server of a zone.
    Ns,
    /// Everything.
    Any,
    /// Any other type, by its number.
    Other(u16),
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Owner; the question's own case for the first one.
    pub name: Name,
    /// Seconds that a client may keep it.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// `A`.
    A(Ipv4Addr),
    /// `CNAME`.
    Cname(Name),
    /// `PTR`.
    Ptr(Name),
    /// `TXT`: its character strings, each of 255 bytes at most (RFC 1035 3.3).
    Txt(Vec<Box<[u8]>>),
    /// `NS`.
    Ns(Name),
    /// `SOA`.
    Soa(Soa),
}

/// Start of a zone; its `minimum` is how long a "no" may be kept (RFC 2308).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of RFC 1035 3.3.13")]
pub struct Soa {
    pub mname: Name,
    pub rname: Name,
    pub serial: u32,
    pub refresh: u32,
    pub retry: u32,
    pub expire: u32,
    pub minimum: u32,
}

/// All records of one name that have one type; a name may have several sets, but nothing beside a [`Records::Cname`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// Some addresses. None at all: the name exists and has no record (NODATA).
    Addresses {
        /// Seconds to keep.
        ttl: u32,
        /// All are answered, each time from another start.
        addresses: Vec<Ipv4Addr>,
    },
    /// The nodes of a balancer, or what leads to them: those that are absent are left out, unless all are.
    Nodes {
        /// Seconds to keep.
        ttl: u32,
        /// Addresses, with the number of the node whose absence takes it out; without one it always stays.
        nodes: Vec<(Ipv4Addr, Option<usize>)>,
    },
    /// A public service that owns whole ranges: [`Records::MOST`] addresses of them at a time.
    Pool {
        /// Seconds to keep.
        ttl: u32,
        /// The ranges.
        prefixes: Vec<Ipv4Net>,
    },
    /// Alias.
    Cname {
        /// Seconds to keep.
        ttl: u32,
        /// Canonical name.
        target: Name,
    },
    /// Reverse name.
    Pointer {
        /// Seconds to keep.
        ttl: u32,
        /// Whose address it is.
        target: Name,
    },
    /// Texts, each of one or more character strings.
    Text {
        /// Seconds to keep.
        ttl: u32,
        /// What they say.
        texts: Vec<Vec<Box<[u8]>>>,
    },
    /// Route 53's alias: the addresses of another name, answered as this name's own. The other name is one of the same zone or
    /// a public one; it is looked up when somebody asks, so that the answer follows it.
    Alias {
        /// Whose addresses they are.
        target: Name,
    },
}

impl Records {
    /// Addresses of a pool in one answer, as S3 has them.
    pub const MOST: usize = 8;
    /// TTL of endpoint, load balancer and instance names (B3.3, B9).
    pub const ENDPOINT_TTL: u32 = 60;
    /// TTL of S3's public names: AWS moves traffic within seconds, and clients see new addresses as often.
    pub const SERVICE_TTL: u32 = 5;

    /// Addresses of an endpoint or a load balancer.
    pub fn endpoint(addresses: impl IntoIterator<Item = Ipv4Addr>) -> Self {
        Self::Addresses { ttl: Self::ENDPOINT_TTL, addresses: addresses.into_iter().collect() }
    }

    /// Addresses that depend on nodes.
    pub fn nodes(nodes: impl IntoIterator<Item = (Ipv4Addr, Option<usize>)>) -> Self {
        Self::Nodes { ttl: Self::ENDPOINT_TTL, nodes: nodes.into_iter().collect() }
    }

    /// Without an address, whoever is absent.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Addresses { addresses, .. } => addresses.is_empty(),
            Self::Nodes { nodes, .. } => nodes.is_empty(),
            Self::Pool { prefixes, .. } => prefixes.is_empty(),
            Self::Text { texts, .. } => texts.is_empty(),
            Self::Cname { .. } | Self::Pointer { .. } | Self::Alias { .. } => false,
        }
    }

    /// A public service that answers on all of its published ranges.
    pub fn service(prefixes: impl IntoIterator<Item = Ipv4Net>) -> Self {
        Self::Pool { ttl: Self::SERVICE_TTL, prefixes: prefixes.into_iter().collect() }
    }

    /// Texts of character strings; a string that is longer than DNS can carry continues in the next.
    pub fn text<T>(ttl: u32, texts: impl IntoIterator<Item = T>) -> Self
    where
        T: IntoIterator<Item = Vec<u8>>,
    {
        let pieces = |string: Vec<u8>| -> Vec<Box<[u8]>> {
            if string.is_empty() {
                vec![Box::default()]
            } else {
                string.chunks(LONGEST_STRING).map(Box::from).collect()
            }
        };
        Self::Text { ttl, texts: texts.into_iter().map(|text| text.into_iter().flat_map(pieces).collect()).collect() }
    }

    /// Whether both may belong to one name: sets of two types, neither of them a canonical name (RFC 1034 3.6.2).
    pub(super) fn stands_beside(&self, other: &Self) -> bool {
        let (own, others) = (self.record_type(), other.record_type());
        own != others && own != RecordType::Cname && others != RecordType::Cname
    }

    pub(super) fn record_type(&self) -> RecordType {
        match self {
            Self::Addresses { .. } | Self::Nodes { .. } | Self::Pool { .. } | Self::Alias { .. } => RecordType::A,
            Self::Cname { .. } => RecordType::Cname,
            Self::Pointer { .. } => RecordType::Ptr,
            Self::Text { .. } => RecordType::Txt,
        }
    }

    /// What to answer to `rotation`'s question, in order; empty for a type that this set doesn't hold. An alias holds nothing
    /// itself.
    pub(super) fn data(&self, record_type: RecordType, rotation: u64, absences: &Absences) -> Vec<Data> {
        let any = record_type == RecordType::Any;
        match self {
            Self::Addresses { addresses, .. } if any || record_type == RecordType::A => {
                rotated(addresses, rotation).map(Data::A).collect()
            }
            Self::Nodes { nodes, .. } if any || record_type == RecordType::A => {
                rotated(&present(nodes, absences), rotation).map(Data::A).collect()
            }
            Self::Pool { prefixes, .. } if any || record_type == RecordType::A => {
                drawn(prefixes, rotation).into_iter().map(Data::A).collect()
            }
            Self::Pointer { target, .. } if any || record_type == RecordType::Ptr => vec![Data::Ptr(target.clone())],
            Self::Text { texts, .. } if any || record_type == RecordType::Txt => {
                texts.iter().cloned().map(Data::Txt).collect()
            }
            // An alias answers every type: the client (or `answer`) goes on at its target (RFC 1034 3.6.2).
            Self::Cname { target, .. } => vec![Data::Cname(target.clone())],
            _ => Vec::new(),
        }
    }

    /// Seconds that the set may be kept.
    pub(super) fn ttl(&self) -> u32 {
        match self {
            Self::Addresses { ttl, .. }
            | Self::Nodes { ttl, .. }
            | Self::Pool { ttl, .. }
            | Self::Cname { ttl, .. }
            | Self::Text { ttl, .. }
            | Self::Pointer { ttl, .. } => *ttl,
            Self::Alias { .. } => Self::ENDPOINT_TTL,
        }
    }
}

/// Who is not absent; if all are, everybody: Route 53 answers with what is unhealthy before it answers with nothing.
///
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html>
fn present(nodes: &[(Ipv4Addr, Option<usize>)], absences: &Absences) -> Vec<Ipv4Addr> {
    let here = |node: &Option<usize>| node.is_none_or(|node| !absences.has(node));
    let any = nodes.iter().any(|(_, node)| here(node));
    nodes.iter().filter(|(_, node)| !any || here(node)).map(|(address, _)| *address).collect()
}

/// The list from a different start each time: clients take the first, so rotation is what spreads them.
fn rotated(addresses: &[Ipv4Addr], rotation: u64) -> impl Iterator<Item = Ipv4Addr> {
    let length = addresses.len();
    let start = (rotation % length.max(1) as u64) as usize;
    (0..length).map(move |step| addresses[(start + step) % length])
}

/// Distinct addresses spread over the ranges, a different handful for each rotation.
fn drawn(prefixes: &[Ipv4Net], rotation: u64) -> Vec<Ipv4Addr> {
    let sizes: Vec<u64> = prefixes.iter().map(|prefix| 1u64 << (32 - prefix.prefix_len())).collect();
    let total: u64 = sizes.iter().sum();
    let mut chosen = Vec::with_capacity(Records::MOST);
    if total == 0 {
        return chosen;
    }
    // More draws than answers, since a draw may repeat or hit an address that looks like a network or broadcast one.
    for draw in 0..(4 * Records::MOST as u64) {
        let address = nth(prefixes, &sizes, mixed(rotation.wrapping_mul(64).wrapping_add(draw)) % total);
        let usable = total < 256 || !matches!(address.octets()[3], 0 | 255);
        if usable && !chosen.contains(&address) {
            chosen.push(address);
            if chosen.len() == Records::MOST {
                break;
            }
        }
    }
    if chosen.is_empty() {
        chosen.push(nth(prefixes, &sizes, total / 2));
    }
    chosen
}

/// Address number `index` of the ranges laid end to end; `index` is below the sum of `sizes`.
fn nth(prefixes: &[Ipv4Net], sizes: &[u64], mut index: u64) -> Ipv4Addr {
    for (prefix, size) in prefixes.iter().zip(sizes) {
        if index < *size {
            return Ipv4Addr::from_bits(prefix.network().to_bits() + index as u32);
        }
        index -= size;
    }
    prefixes.last().map_or(Ipv4Addr::UNSPECIFIED, Ipv4Net::broadcast)
}

/// SplitMix64's output function: neighbours in, unrelated numbers out.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
