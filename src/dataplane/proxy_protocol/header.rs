//! The header itself: PROXY protocol version 2 with the TLVs that AWS sends, in AWS's order (B4.1).
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt> (2.2),
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/edit-target-group-attributes.html#proxy-protocol>

use crc_fast::{CrcAlgorithm, checksum};

use crate::dataplane::path::Header;

/// Every header has this length, whoever connects: padding fills it up, as in AWS's captures.
pub const LENGTH: usize = 100;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, command PROXY.
const PROXY: u8 = 0x21;
/// AF_INET, SOCK_STREAM.
const TCP_OVER_IPV4: u8 = 0x11;
const CRC32C: u8 = 0x03;
const NO_OPERATION: u8 = 0x04;
/// PP2_TYPE_AWS …
const AWS: u8 = 0xea;
/// … PP2_SUBTYPE_AWS_VPCE_ID.
const AWS_VPC_ENDPOINT_ID: u8 = 0x01;

/// The header for a connection as its client sees it, TCP over IPv4; `vpc_endpoint_id` where it came through an endpoint.
///
/// An id that does not fit (AWS's have at most 22 characters) is left out.
pub fn header(connection: &Header, vpc_endpoint_id: Option<&str>) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(LENGTH);
    bytes.extend(SIGNATURE);
    bytes.extend([PROXY, TCP_OVER_IPV4]);
    bytes.extend(((LENGTH - 16) as u16).to_be_bytes());
    bytes.extend(connection.source.octets());
    bytes.extend(connection.destination.octets());
    bytes.extend(connection.source_port.to_be_bytes());
    bytes.extend(connection.destination_port.to_be_bytes());
    let crc = bytes.len() + 3;
    tlv(&mut bytes, CRC32C, &[0; 4]);
    // Behind the id its padding needs three bytes at least.
    let fits = |id: &&str| bytes.len() + 4 + id.len() + 3 <= LENGTH;
    if let Some(id) = vpc_endpoint_id.filter(fits) {
        tlv(&mut bytes, AWS, &[&[AWS_VPC_ENDPOINT_ID], id.as_bytes()].concat());
    }
    let padding = LENGTH - bytes.len() - 3;
    tlv(&mut bytes, NO_OPERATION, &vec![0; padding]);
    let sum = checksum(CrcAlgorithm::Crc32Iscsi, &bytes) as u32;
    if let Some(field) = bytes.get_mut(crc..).and_then(<[u8]>::first_chunk_mut::<4>) {
        *field = sum.to_be_bytes();
    }
    bytes.into()
}

fn tlv(bytes: &mut Vec<u8>, kind: u8, value: &[u8]) {
    bytes.push(kind);
    bytes.extend((value.len() as u16).to_be_bytes());
    bytes.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::protocol;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn connection(source: &str, destination: &str, source_port: u16, destination_port: u16) -> Header {
        let [source, destination] = [source, destination].map(|address| address.parse().expect("an address"));
        Header { protocol: protocol::TCP, source, destination, source_port, destination_port }
    }

    /// B4.1: the two captures that are known.
    #[test]
    fn the_header_is_what_aws_sends() {
        let first = connection("172.31.7.113", "172.31.10.31", 0xc8f2, 80);
        let expected = "0d0a0d0a000d0a515549540a21110054ac1f0771ac1f0a1fc8f2005003\
                        0004e8d6892dea001701767063652d3038643262663135666163353030316339040024"
            .to_owned()
            + &"00".repeat(36);
        assert_eq!(hex(&header(&first, Some("vpce-08d2bf15fac5001c9"))), expected);
        let second = connection("192.168.44.10", "192.168.44.7", 0xcc3e, 0x241b);
        let bytes = hex(&header(&second, Some("vpce-00eafc458ec97b833")));
        assert_eq!(&bytes[62..72], "b9286fa6ea");
    }

    #[test]
    fn without_an_endpoint_padding_takes_its_place() {
        let bytes = header(&connection("10.0.0.1", "10.0.0.2", 1, 2), None);
        assert_eq!(bytes.len(), LENGTH);
        assert_eq!(hex(&bytes[35..38]), "04003e");
        let long = header(&connection("10.0.0.1", "10.0.0.2", 1, 2), Some(&"v".repeat(66)));
        assert_eq!(long, bytes, "an id that does not fit is none");
    }
}
