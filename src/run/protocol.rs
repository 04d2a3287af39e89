//! What is said on the control socket: one JSON document per line, both ways.
//!
//! A connection carries one [`Request`] and its answers; the lab closes it after the last one. Two requests keep it
//! open: [`Request::Ready`] (a lease) and whatever follows. The namespaces of a guest travel as file descriptors
//! (SCM_RIGHTS) beside the [`Answer::Entered`] line; a capture turns into plain pcapng bytes after [`Answer::Capturing`].
//!
//! Both sides are the same binary, so there is no versioning: the lab refuses what it can't read.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::launch::Definition;
use crate::model::access::AccessReport;

/// What the command line asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Say how the start goes, then [`Answer::Ready`]. Closing the connection before that ends the lab.
    Ready {
        /// Closing the connection later ends the lab, too: `run` and `demo` hold such a lease.
        for_life: bool,
    },
    /// The namespaces of a guest and the environment of commands in it.
    Enter {
        /// As the user named it.
        guest: String,
    },
    /// AWS's Describe shapes of everything.
    Status,
    /// The path of a packet.
    Trace {
        /// Who would send.
        guest: String,
        /// Guest, host or address, already taken out of a URL; `s3://BUCKET` for the bucket's host in the guest's Region.
        host: String,
        /// Port, where the protocol has ports.
        port: Option<u16>,
        /// `tcp`, `udp` or `icmp`.
        protocol: String,
        /// Address and port (of a ping, its identifier) that it really sent from; else its primary address and any port.
        from: Option<(Ipv4Addr, u16)>,
        /// An API call whose request would take that path: policies are asked, too, and its host is the call's.
        call: Option<CallQuestion>,
    },
    /// Decisions of policies from a number on.
    Decisions {
        /// Only requests of this guest.
        guest: Option<String>,
        /// 0 for all that are remembered.
        since: u64,
    },
    /// Dropped packets from sequence number `since` on.
    Drops {
        /// Only what this guest sent or should have received.
        guest: Option<String>,
        /// 0 for all that are remembered.
        since: u64,
        /// Go on until the connection closes.
        follow: bool,
    },
    /// Flows that are known now.
    Flows {
        /// Only those of this guest.
        guest: Option<String>,
        /// Only those that these packets opened.
        among: Option<Vec<PacketHeader>>,
    },
    /// Frames of a guest's network interfaces as pcapng.
    Capture {
        /// Whose.
        guest: String,
        /// `host ADDRESS`, `port NUMBER`, `tcp`, `udp`, `icmp`, `arp`, joined by `and`.
        filter: String,
        /// End after so many frames.
        count: Option<u64>,
        /// Add the secrets of the services' TLS connections.
        tls_secrets: bool,
    },
    /// Take an availability zone down, or up again; answered with [`Answer::Applied`].
    Fault {
        /// Its id or name.
        zone: String,
        /// Down, or up.
        down: bool,
    },
    /// Become what a definition says, without loss.
    Apply {
        /// As asked.
        definition: Definition,
        /// Where its file really is: the lab may live in another folder than who asks.
        file: std::path::PathBuf,
    },
    /// Where the EC2 API is, and who a stack's account is there.
    Api {
        /// The stack.
        stack: String,
    },
    /// End.
    Down,
}

/// What the lab says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// A step of the start.
    Progress {
        /// What is being done.
        step: String,
        /// How much of it is done.
        done: usize,
        /// Of how much.
        total: usize,
    },
    /// The lab stands.
    Ready(Summary),
    /// Namespaces came beside this line.
    Entered {
        /// The guest's unique name.
        guest: String,
        /// Variables of commands in it.
        environment: Vec<(String, String)>,
        /// A folder to look for programs in, after the user's own.
        programs: std::path::PathBuf,
        /// Sequence number of the next drop.
        drops_seen: u64,
        /// Number of the next decision.
        decisions_seen: u64,
    },
    /// Of [`Request::Status`].
    Status(serde_json::Value),
    /// Of [`Request::Trace`].
    Trace(TraceReport),
    /// One decision.
    Decision(DecisionLine),
    /// One dropped packet.
    Drop(DropLine),
    /// One flow.
    Flow(FlowLine),
    /// From here on the connection carries pcapng bytes.
    Capturing,
    /// Of [`Request::Api`].
    Api(ApiAccess),
    /// Of [`Request::Apply`].
    Applied(Applied),
    /// The list is complete.
    End,
    /// The lab ends now.
    Ending,
    /// It can't be done.
    Refused {
        /// What, where, what to do.
        message: String,
        /// Who can mend it.
        fault: Fault,
    },
}

/// What a client of the EC2 API needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiAccess {
    /// URL on this machine's loopback.
    pub endpoint: String,
    /// The stack's Region.
    pub region: String,
    /// Key of its account's root user.
    pub access_key_id: String,
    /// The key's secret.
    pub secret_access_key: String,
}

/// What `apply` did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// What changed, one line each: the object and its members.
    pub changes: Vec<String>,
    /// What is ignored, as `up` says it.
    pub notices: Vec<String>,
}

/// Who can mend what was refused; decides the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The user, by asking differently: 2.
    Input,
    /// Whoever sets up this machine: 3.
    Machine,
    /// Nobody foresaw it: 1.
    Lab,
}

/// What `up` prints when the lab stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The lab's name.
    pub lab: String,
    /// Guests by name.
    pub guests: Vec<GuestSummary>,
    /// VPC endpoints.
    pub endpoints: Vec<EndpointSummary>,
    /// Inbound resolver endpoints.
    pub resolver_endpoints: Vec<ResolverEndpointSummary>,
    /// Flow logs.
    pub flow_logs: Vec<FlowLogSummary>,
    /// URL of the lab's counters, on this machine's loopback.
    pub metrics: String,
    /// What was ignored, parsed but not enforced, or went wrong without ending the lab.
    pub notices: Vec<String>,
}

/// A guest in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "members carry AWS's names")]
pub struct GuestSummary {
    pub guest: String,
    pub instance_id: String,
    pub account: String,
    pub private_ip_addresses: Vec<Ipv4Addr>,
    pub subnet: String,
    pub subnet_cidr: String,
    pub vpc: String,
}

/// An endpoint in a few lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "members carry AWS's names")]
pub struct EndpointSummary {
    pub name: String,
    pub vpc_endpoint_id: String,
    pub vpc_endpoint_type: String,
    pub service_name: String,
    pub state: String,
    pub dns_names: Vec<String>,
    pub private_ip_addresses: Vec<Ipv4Addr>,
}

/// An inbound resolver endpoint in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "members carry AWS's names")]
pub struct ResolverEndpointSummary {
    pub name: String,
    pub resolver_endpoint_id: String,
    pub host_vpc: String,
    pub ip_addresses: Vec<Ipv4Addr>,
}

/// A flow log and the file that it writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct FlowLogSummary {
    pub name: String,
    pub flow_log_id: String,
    pub log_file: std::path::PathBuf,
}

/// The path of a packet, hop by hop; `trace --json` prints it as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TraceReport {
    /// The packet arrives, and its answer comes back.
    pub network_path_found: bool,
    /// `delivered`, `dropped` or `denied`.
    pub verdict: String,
    /// The packet arrives, whatever becomes of its answer.
    pub delivered: bool,
    /// Why not: the packet's reason, or its answer's.
    pub explanation_code: Option<String>,
    /// The same as a sentence.
    pub explanation: Option<String>,
    /// What was asked, and how its name was resolved.
    pub question: TraceQuestion,
    /// In the order in which the packet meets them.
    pub hops: Vec<TraceHop>,
    /// In the order in which its answer meets them.
    pub return_hops: Vec<TraceHop>,
    /// What policies say of the call, where one was asked about and its packets arrive.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub access: Option<AccessReport>,
}

/// An API call to ask policies about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallQuestion {
    /// Such as `s3:GetObject`.
    pub action: String,
    /// An ARN, `s3://BUCKET[/KEY]`, `dynamodb://TABLE`.
    pub on: Option<String>,
    /// Who signs; whoever the guest's credentials are where nothing is said.
    pub signer: Option<String>,
    /// Condition keys that only the live request would tell.
    #[serde(default)]
    pub context: BTreeMap<String, Vec<String>>,
}

/// What policies decided about a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionLine {
    /// Grows by one with each decision of the lab.
    pub number: u64,
    /// Who asked.
    pub guest: String,
    /// What was decided.
    pub report: AccessReport,
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the names say it")]
pub struct TraceQuestion {
    pub source: String,
    pub destination: String,
    pub protocol: String,
    pub resolved: Vec<Ipv4Addr>,
}

/// One object that looked at the packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TraceHop {
    /// What kind of object.
    pub kind: String,
    /// AWS id or ARN.
    pub id: String,
    /// The name that people gave it.
    pub name: String,
    /// What it decided.
    pub decision: String,
    /// The rule or route that decided.
    pub rule: Option<String>,
    /// The packet as it came to the hop.
    pub before: String,
    /// The packet as it left the hop.
    pub after: String,
    /// `file:line` of what decided.
    pub source: Option<String>,
}

/// Addresses and ports of a packet: by them it is the same one in what a guest sent, flows, drops and traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PacketHeader {
    /// IP protocol; 0 for an ARP request, whose destination is the address asked for.
    pub protocol: u8,
    /// Source address.
    pub source: Ipv4Addr,
    /// Source port; of an ICMP echo its identifier.
    pub source_port: u16,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Destination port; of an ICMP echo its identifier.
    pub destination_port: u16,
}

/// A dropped packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropLine {
    /// Grows by one with each drop of the lab.
    pub sequence: u64,
    /// Milliseconds since the lab's start.
    pub at_ms: u64,
    /// Whose link it came from.
    pub guest: String,
    /// The packet, in text notation.
    pub packet: String,
    /// The same in parts, when it was one.
    pub header: Option<PacketHeader>,
    /// The named reason.
    pub reason: String,
    /// The same as a sentence.
    pub sentence: String,
    /// The object that decided: id and name.
    pub object: String,
    /// Where that object is written.
    pub source: Option<String>,
    /// How many equal ones.
    pub count: u64,
}

/// A flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLine {
    /// Who opened it.
    pub guest: String,
    /// As its opener sees it, in text notation.
    pub flow: String,
    /// The same in parts.
    pub header: PacketHeader,
    /// As the far side sees it; of a service, its name.
    pub far_side: String,
    /// The far side's link, and the id of the network interface (of a service, its name) behind it.
    pub receiver: (String, Option<String>),
    /// The answers as they leave the receiver, in parts.
    pub answers: PacketHeader,
    /// Endpoint or balancer on the way.
    pub via: Option<String>,
    /// Its id or ARN.
    pub via_id: Option<String>,
    /// Frames, both directions.
    pub frames: u64,
    /// Bytes, both directions.
    pub bytes: u64,
    /// Where it stands.
    pub state: String,
    /// Milliseconds from its first frame to its last.
    pub age_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line() {
        let refused = Answer::Refused { message: "first\nsecond".into(), fault: Fault::Input };
        let line = serde_json::to_string(&refused).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Answer>(&line).unwrap(), refused);
    }

    #[test]
    fn trace_reports_print_in_the_promised_shape() {
        let report = TraceReport {
            network_path_found: false,
            delivered: false,
            verdict: "dropped".into(),
            explanation_code: Some("NO_ROUTE_TO_DESTINATION".into()),
            explanation: None,
            question: TraceQuestion {
                source: "app".into(),
                destination: "192.0.2.1".into(),
                protocol: "tcp".into(),
                resolved: vec![],
            },
            hops: vec![],
            return_hops: vec![],
            access: None,
        };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["NetworkPathFound"], false);
        assert_eq!(json["Verdict"], "dropped");
        assert_eq!(json["ExplanationCode"], "NO_ROUTE_TO_DESTINATION");
        assert!(json["Hops"].as_array().unwrap().is_empty());
    }
}
