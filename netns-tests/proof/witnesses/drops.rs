//! What `vpclab drops --json` lists.

use anyhow::Result;
use serde_json::Value;

use super::super::lab::{Block, Lab, Packet, Party, Protocol};
use super::super::packets::Pair;
use super::sockets::Saw;
use super::trace::Trace;
use crate::harness;

/// What `drops --json` lists: what really became of frames.
pub struct Drops(Vec<Value>);

impl Drops {
    pub fn of(running: &harness::Lab<'_>) -> Result<Self> {
        let listed = running.vpclab(&["drops", "--json"])?.ok()?;
        Ok(Self(listed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?))
    }

    /// The reason for which a packet was dropped, if it was.
    fn reason(&self, lab: &Lab, pair: &Pair, saw: &Saw) -> Option<&str> {
        let (guest, own) = lab.party(pair.packet.from);
        let Packet { to, port, protocol, .. } = pair.packet;
        let shown = saw.from_ports.iter().map(|from| format!("{own}:{from} > {to}:{port} {}", protocol.name()));
        let shown: Vec<String> = shown.collect();
        let found = self.0.iter().find(|drop| {
            let by = drop["guest"].as_str().unwrap_or_default();
            let packet = drop["packet"].as_str().unwrap_or_default();
            by.rsplit('/').next() == Some(guest) && shown.iter().any(|shown| packet.contains(shown.as_str()))
        });
        found?["reason"].as_str()
    }

    /// Where they and the others part: a packet that is sent and does not arrive is dropped for the reason that `trace` says.
    pub fn differ(&self, lab: &Lab, pair: &Pair, trace: &Trace, saw: &Saw) -> Option<String> {
        // A ping has no port by which it is told apart from the answer to another, and what is for a neighbour may end
        // with a question by ARP.
        if pair.packet.protocol == Protocol::Icmp || is_for_a_neighbour(lab, &pair.packet) {
            return None;
        }
        match (&pair.judgement.forward, self.reason(lab, pair, saw)) {
            (Ok(_), Some(reason)) => Some(format!("drops: {reason}, and by the reference it arrives")),
            (Err(_), Some(reason)) if Some(reason) != trace.code.as_deref() => {
                Some(format!("drops: {reason}, and trace says {:?}", trace.code))
            }
            (Err(_), None) => Some("drops: nothing of it".into()),
            (Err(_), Some(_)) | (Ok(_), None) => None,
        }
    }
}

/// Whether it is for an address of the sender's own network.
fn is_for_a_neighbour(lab: &Lab, packet: &Packet) -> bool {
    match packet.from {
        Party::Instance(instance) => lab.subnets[lab.instances[instance].subnet].block.contains(packet.to),
        Party::Internet => Block::new(198, 51, 100, 0, 24).contains(packet.to),
        Party::OnPremises => lab.vpn.iter().flat_map(|vpn| &vpn.routes).any(|network| network.contains(packet.to)),
    }
}
