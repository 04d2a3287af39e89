//! What objects on the way ask of each packet of a flow, and who tells the sender of one that does not keep to it (B1.5).
//!
//! The answer's way is as wide as the question's, so only the question's is looked at.

use super::*;

impl Walk<'_> {
    /// At most `mtu` from here on. The sender hears of it from `reporter`; whoever answers from `answers_reporter`, or from
    /// the address that it talks to: the last object of that MTU on the way there is the first on the way back.
    pub(super) fn narrow(
        &mut self,
        object: ObjectIndex,
        mtu: u16,
        reporter: Ipv4Addr,
        answers_reporter: Option<Ipv4Addr>,
    ) {
        if self.back.is_some() {
            return;
        }
        if mtu <= self.limits.mtu {
            self.answers_reporter = answers_reporter;
        }
        if mtu < self.limits.mtu {
            (self.limits.mtu, self.limits.reporter) = (mtu, Some(reporter));
            self.limiters.mtu = Some(object);
        }
    }

    /// At most `mtu`, without a word.
    pub(super) fn narrow_silently(&mut self, object: ObjectIndex, mtu: u16) {
        if mtu < self.limits.mtu {
            (self.limits.mtu, self.limits.reporter) = (mtu, None);
            self.limiters.mtu = Some(object);
        }
    }

    /// The object counts as a hop, and reports from this address.
    pub(super) fn hop(&mut self, object: ObjectIndex, reporter: Ipv4Addr) {
        self.limits.hop = Some(reporter);
        self.limiters.hop = Some(object);
    }

    /// The object carries no fragments of this flow.
    pub(super) fn carry_whole_only(&mut self, object: ObjectIndex) {
        self.limits.whole_only = true;
        self.limiters.whole_only = Some(object);
    }
}
