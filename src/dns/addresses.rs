//! A host's addresses, as a client in a VPC would learn them, or the named reason why it learns none.

use std::net::Ipv4Addr;

use super::answer::{ResponseCode, answer};
use super::record::{Data, RecordType};
use super::zones::Zones;

/// Why a client learns no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAddress {
    /// One of [`NoAddress::CODES`], or `DNS_SUPPORT_DISABLED`.
    pub code: &'static str,
    /// The same as a sentence.
    pub sentence: String,
}

impl NoAddress {
    /// What the resolver may say.
    pub const CODES: [&str; 3] = ["NXDOMAIN", "REFUSED", "NODATA"];
}

/// The addresses of a host name, asked from a VPC; an address in text is itself.
///
/// # Errors
/// The resolver's "no", or its silence.
pub fn addresses(zones: &Zones, vpc_id: &str, host: &str) -> Result<Vec<Ipv4Addr>, NoAddress> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let Some(answer) = answer(zones, vpc_id, host, RecordType::A, 0) else {
        let sentence = "the VPC's enableDnsSupport is false: its resolver is silent".to_owned();
        return Err(NoAddress { code: "DNS_SUPPORT_DISABLED", sentence });
    };
    let data = answer.records.iter().map(|record| &record.data);
    let addresses: Vec<Ipv4Addr> = data.filter_map(|it| if let Data::A(it) = it { Some(*it) } else { None }).collect();
    if !addresses.is_empty() {
        return Ok(addresses);
    }
    let [no_such_name, refused, no_data] = NoAddress::CODES;
    let code = match answer.response_code {
        ResponseCode::NxDomain => no_such_name,
        ResponseCode::Refused => refused,
        _ => no_data,
    };
    Err(NoAddress { code, sentence: format!("the VPC's resolver has no address for {host}") })
}
