//! Known-bad packets: each a file in `bad/` with a sentence about it, and a test for ever.
//!
//! A file is `#` lines (the sentence), `verdict: LABEL`, `frame:` in hex, and `vnet:` in hex when the lie is in the
//! offload header. Hex may be spaced as the reader likes; `00*8000` repeats a byte. The MTU is 1500.
//! The words of `vnet:` are little-endian.

use super::super::{offload, quoted};
use super::*;

macro_rules! bad_packets {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            judge(include_str!(concat!("bad/", stringify!($name), ".txt")));
        })*

        /// A file that no test names would rot.
        #[test]
        fn every_file_is_tested() {
            let named = [$(concat!(stringify!($name), ".txt")),*];
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/packet/tests/bad");
            for entry in std::fs::read_dir(folder).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!(named.contains(&name.as_str()), "bad/{name} has no test");
            }
        }
    };
}

bad_packets! {
    arp_cut_off,
    arp_of_another_medium,
    empty_fragment,
    fragment_of_udp_length_seven,
    fragment_past_the_end,
    frame_of_addresses_only,
    icmp_error_without_quote,
    icmp_of_seven_bytes,
    icmp_quote_cut_off_in_its_options,
    icmp_quote_of_version_six,
    icmp_quote_without_ports_behind_options,
    ip_header_cut_off,
    ip_header_missing,
    ip_header_of_four_words,
    ip_header_past_the_end,
    ip_length_inside_the_header,
    ip_length_of_big_tcp,
    ip_length_past_the_end,
    ip_options_of_nothing,
    ip_options_on_a_fragment,
    ip_options_router_alert,
    ip_options_source_route,
    ip_version_six_as_four,
    odd_fragment,
    offload_checksum_into_addresses,
    offload_checksum_on_a_fragment,
    offload_plain_jumbo,
    offload_segments_of_a_fragment,
    offload_segments_of_one_byte,
    offload_segments_with_padding,
    overlapping_fragment,
    ping_of_death,
    runt_frame,
    tcp_header_of_four_words,
    tcp_header_past_the_end,
    tiny_fragment,
    tiny_fragment_of_udp,
    tiny_fragment_with_flags,
    udp_length_past_the_end,
    udp_length_seven,
}

/// The name under which the packet is dropped.
fn judge(file: &str) {
    assert!(file.starts_with("# "), "a known-bad packet starts with its sentence");
    let frame = hex(section(file, "frame:").expect("a frame"));
    let verdict = match parse(&frame) {
        Err(malformed) => malformed.label(),
        Ok(Parsed::Ipv4(packet)) if packet.is_icmp_error() => quoted(&frame, &packet).unwrap_err().label(),
        Ok(Parsed::Ipv4(packet)) => {
            let header = hex(section(file, "vnet:").expect("the packet parses, so its offload header is bad"));
            let header = header.try_into().expect("an offload header has ten bytes");
            offload::check(&header, &packet, frame.len(), 1500).unwrap_err().label()
        }
        Ok(other) => panic!("{other:?} is not bad"),
    };
    assert_eq!(verdict, section(file, "verdict:").expect("a verdict").trim(), "{file}");
}

/// The text behind `key` up to the next key.
fn section<'a>(file: &'a str, key: &str) -> Option<&'a str> {
    let rest = &file[file.find(&format!("\n{key}"))? + 1 + key.len()..];
    let end = ["\nverdict:", "\nframe:", "\nvnet:"].iter().filter_map(|next| rest.find(next)).min();
    Some(&rest[..end.unwrap_or(rest.len())])
}

fn hex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in text.split_ascii_whitespace() {
        let (digits, times) =
            word.split_once('*').map_or((word, 1), |(digits, times)| (digits, times.parse().unwrap()));
        let pairs = digits.as_bytes().chunks(2);
        let word: Vec<u8> =
            pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
        bytes.extend(word.repeat(times));
    }
    bytes
}
