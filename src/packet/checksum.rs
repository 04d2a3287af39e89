//! The Internet checksum (RFC 1071): whole sums, and differences for updates in place (RFC 1624).
//!
//! A one's-complement sum has two zeros. `fold` of anything but all-zero data is 1..=0xffff, and RFC 1624's third
//! equation keeps it so; that is why an incremental update gives the very bytes that a full computation gives.
//! It does not know protocols: which fields a checksum covers is the caller's knowledge.

use std::net::Ipv4Addr;

/// The change of a one's-complement sum: old words complemented, new words plain.
/// At most some dozen 16-bit words are collected, so 32 bits never overflow.
#[derive(Clone, Copy, Default)]
pub(super) struct Delta(u32);

impl Delta {
    /// The change of one aligned word.
    #[inline]
    pub(super) fn word(old: u16, new: u16) -> Delta {
        Delta(u32::from(!old) + u32::from(new))
    }

    /// The change of an aligned IPv4 address.
    #[inline]
    pub(super) fn address(old: [u8; 4], new: [u8; 4]) -> Delta {
        let ([o0, o1, o2, o3], [n0, n1, n2, n3]) = (old, new);
        Delta::word(u16::from_be_bytes([o0, o1]), u16::from_be_bytes([n0, n1]))
            + Delta::word(u16::from_be_bytes([o2, o3]), u16::from_be_bytes([n2, n3]))
    }

    /// The same change at an odd offset: its bytes fall into the other half of the words (RFC 1071 2.B).
    #[inline]
    pub(super) fn at_odd_offset(self) -> Delta {
        Delta(u32::from(fold(u64::from(self.0)).swap_bytes()))
    }

    /// The updated value of a complemented checksum field: RFC 1624, equation 3.
    #[inline]
    pub(super) fn update(self, field: u16) -> u16 {
        !fold(u64::from(self.0) + u64::from(!field))
    }

    /// The updated value of a field that holds an uncomplemented sum, as a partial checksum does.
    #[inline]
    pub(super) fn update_partial(self, field: u16) -> u16 {
        fold(u64::from(self.0) + u64::from(field))
    }
}

impl std::ops::Add for Delta {
    type Output = Delta;
    #[inline]
    fn add(self, other: Delta) -> Delta {
        Delta(self.0 + other.0)
    }
}

impl std::ops::AddAssign for Delta {
    #[inline]
    fn add_assign(&mut self, other: Delta) {
        *self = *self + other;
    }
}

/// Adds the carries back in (RFC 1071 1). Each pair of lines halves the width: at most 33 bits after the first line,
/// 32 after the second, 17 after the third, 16 after the last.
#[inline]
pub(super) fn fold(mut sum: u64) -> u16 {
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

/// The unfolded sum of the bytes as big-endian words, the last odd byte padded with zero.
/// Sums 32-bit words in host order and swaps once at the end (RFC 1071 2.B): a loop that compilers vectorise.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut total: u64 = words.iter().map(|&word| u64::from(u32::from_ne_bytes(word))).sum();
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    total += u64::from(u32::from_ne_bytes(last));
    u64::from(u16::from_be_bytes(fold(total).to_ne_bytes()))
}

/// The sum of TCP's and UDP's pseudo-header (RFC 9293 3.1, RFC 768).
#[inline]
pub(super) fn pseudo_header(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, l4_len: usize) -> u64 {
    let (source, destination) = (u32::from(source), u32::from(destination));
    // 32-bit words fold to the same 16 bits as their halves do.
    u64::from(source) + u64::from(destination) + u64::from(protocol) + l4_len as u64
}
