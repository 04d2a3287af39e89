//! How a frame ends: forwarded, answered or dropped with a named reason.
//!
//! The reasons are a closed list: they are metric labels, `drops` lines and what tests expect. Where AWS has an explanation
//! code for the same refusal (B11, VPC Reachability Analyzer), the reason carries it.

use super::tables::LinkIndex;
use crate::packet::VNET_HEADER_LEN;

/// How a frame ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send the rewritten frame to that link, behind this offload header if the link takes one.
    Forward {
        /// Where to.
        link: LinkIndex,
        /// Offload header, built from our own parse.
        vnet: [u8; VNET_HEADER_LEN],
    },
    /// The answer stands in the outbox.
    Answer,
    /// It goes no further for now: it waits, or what it says is said in another frame, which may stand in the outbox.
    Kept,
    /// Gone, counted and logged.
    Drop(DropReason),
}

macro_rules! reasons {
    ($($name:ident $code:literal $sentence:literal;)*) => {
        /// Why a frame was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum DropReason {$(
            #[doc = $sentence]
            $name,
        )*}

        impl DropReason {
            /// All reasons, in order of their numbers.
            pub const ALL: &'static [DropReason] = &[$(DropReason::$name),*];

            /// The name that `drops`, `trace` and metrics show: AWS's explanation code where there is one.
            pub fn code(self) -> &'static str {
                match self {$(DropReason::$name => $code),*}
            }

            /// One sentence for people.
            pub fn sentence(self) -> &'static str {
                match self {$(DropReason::$name => $sentence),*}
            }
        }
    };
}

reasons! {
    // What is not a packet we forward.
    MalformedFrame "MALFORMED_FRAME" "the frame is not a whole, well-formed packet";
    ForgedOffload "FORGED_OFFLOAD_HEADER" "the offload header does not fit the packet it stands before";
    PacketTooBig "PACKET_TOO_BIG" "the packet is larger than the MTU of the link";
    UnsupportedEtherType "UNSUPPORTED_ETHER_TYPE" "only ARP and IPv4 are emulated; IPv6 and others are not forwarded";
    Multicast "MULTICAST" "a VPC does not carry broadcast or multicast";
    // Who sends.
    SpoofedMac "SPOOFED_MAC" "the source MAC address is not the network interface's own";
    SourceDestCheck "ENI_SOURCE_DEST_CHECK_RESTRICTION" "the address is not one of the network interface's own, and its source/destination check is on";
    InterfaceAddress "ENI_ADDRESS_RESTRICTION" "the network interface of an endpoint, load balancer or NAT gateway takes only what is addressed to it";
    UnknownMac "UNKNOWN_MAC" "the destination MAC address belongs to nobody in this subnet";
    ArpNoAnswer "ARP_NO_SUCH_ADDRESS" "nobody in this subnet has the address that ARP asks for";
    // Routing.
    NoRoute "NO_ROUTE_TO_DESTINATION" "no route of the subnet's route table holds the destination";
    BlackholeRoute "BAD_STATE_ROUTE" "the route's target is gone: its state is blackhole";
    ZoneDown "ZONE_DOWN" "the availability zone of the subnet is down: an injected fault";
    NoSuchAddress "NO_SUCH_ADDRESS" "the destination lies in the VPC, but no network interface has it";
    ReservedAddress "RESERVED_ADDRESS" "the destination is a reserved address of a subnet";
    RouteNotEmulated "ROUTE_TARGET_NOT_EMULATED" "the route's target is of a kind that this version does not emulate";
    InternetGatewayNoPublicAddress "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS" "the internet gateway carries only sources that have a public address";
    InternetGatewayPrivateDestination "IGW_DESTINATION_ADDRESS_NOT_IN_RFC1918_EGRESS" "the internet gateway carries nothing to private addresses (RFC 1918)";
    InternetGatewaySharedDestination "IGW_DESTINATION_ADDRESS_NOT_IN_RFC6598_EGRESS" "the internet gateway carries nothing to shared addresses (RFC 6598)";
    InternetGatewayPrivateSource "IGW_SOURCE_ADDRESS_NOT_IN_RFC1918_INGRESS" "the internet gateway takes nothing from private addresses (RFC 1918)";
    InternetGatewaySharedSource "IGW_SOURCE_ADDRESS_NOT_IN_RFC6598_INGRESS" "the internet gateway takes nothing from shared addresses (RFC 6598)";
    InternetGatewayNoPrivateAddress "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS" "the internet gateway takes only what is addressed to the public address of an interface that is attached to something";
    NoSuchPublicAddress "NO_SUCH_PUBLIC_ADDRESS" "nobody on the emulated internet has the destination";
    InternetPort "INTERNET_PORT_RESTRICTION" "the public service does not listen on this protocol and port";
    NatGatewaySource "NGW_REQUIRES_SOURCE_IN_VPC" "a NAT gateway carries only what a network interface of its own VPC sends";
    NatGatewayInbound "NGW_INBOUND_CONNECTION" "nobody opens a connection to a NAT gateway: it only takes answers, and answers no ping";
    PeeringAddress "PCX_REQUIRES_ADDRESS_IN_VPC_CIDR" "a peering connection carries a packet only to addresses of the VPC at its other end";
    VpnDestination "VGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS" "the virtual private gateway takes only what is addressed to a private address of an interface of its VPC";
    VpnSource "VGW_PRIVATE_IP_ASSOCIATION_FOR_EGRESS" "the virtual private gateway carries only sources that are an interface's of its VPC";
    SpoofedSource "GATEWAY_REJECTS_SPOOFED_TRAFFIC" "the source is no address of the VPC, and gateways take no spoofed packets, whatever the source/destination check";
    AnswerElsewhere "ANSWER_LED_ELSEWHERE" "routes lead the answer to another guest, which would have to pass it on";
    AsymmetricReturn "ASYMMETRIC_RETURN" "the answer would not come back through the object that translated the question";
    // Filters.
    SecurityGroupMismatch "ENI_SG_RULES_MISMATCH" "no rule of the network interface's security groups allows it";
    SecurityGroupNoRules "SG_HAS_NO_RULES" "the network interface's security groups have no rule in this direction";
    SecurityGroupReference "SG_REFERENCES_NOT_PRESERVED" "a rule names the sender's security group, but the packet came through another object, which does not pass group membership on";
    NetworkAcl "SUBNET_ACL_RESTRICTION" "the subnet's network ACL refuses it";
    // Sizes and life.
    PathMtu "PATH_MTU_EXCEEDED" "the packet is larger than an object on its way carries";
    TtlExceeded "TTL_EXCEEDED" "the packet's time to live ended at a NAT gateway";
    FragmentOverlap "FRAGMENT_OVERLAP" "the fragment overlaps another one of its datagram";
    FragmentFirstMissing "FRAGMENT_FIRST_MISSING" "the fragment came before its datagram's first one, so its ports are not known";
    FragmentLimit "FRAGMENT_LIMIT" "the link has as many datagrams in fragments as one may have";
    DetachedInterface "BAD_STATE_ATTACHMENT" "the network interface is attached to nothing";
    TooManyHops "TOO_MANY_HOPS" "the packet met sixteen objects and did not arrive: a routing loop";
    // Endpoints.
    GatewayEndpointProtocol "VPCE_GATEWAY_PROTOCOL_RESTRICTION" "a gateway endpoint accepts only TCP and ICMP echo, and emits only TCP and ICMP echo replies";
    GatewayEndpointSource "VPCE_GATEWAY_EGRESS_SOURCE_ADDRESS_RESTRICTION" "a gateway endpoint emits only sources of its prefix list";
    EndpointPort "ENDPOINT_PORT_RESTRICTION" "the service behind the endpoint does not listen on this protocol and port";
    EndpointPing "ENDPOINT_NO_PING" "an interface endpoint does not answer ping and carries only TCP and UDP";
    EndpointUnavailable "BAD_STATE" "the endpoint, gateway or peering connection is in no state to carry packets";
    EndpointNotInZone "VPCE_SERVICE_NOT_INSTALLED_IN_AZ" "the endpoint's service has nobody in this availability zone";
    EndpointInitiates "VPCE_INTRA_VPC_TRAFFIC" "an endpoint's service can't open connections into the VPC";
    UnknownToService "UNKNOWN_TO_SERVICE" "the service can't be told who sends this: the source is no address of a guest or balancer that uses this endpoint";
    LinkLocalService "LINK_LOCAL_SERVICE_NOT_EMULATED" "this link-local service is not emulated yet";
    LinkLocalRate "LINK_LOCAL_RATE" "the network interface sends more than 1,024 packets a second to link-local services";
    ResolverPort "RESOLVER_PORT_RESTRICTION" "the resolver answers DNS on UDP and TCP port 53 only";
    TimePort "TIME_PORT_RESTRICTION" "Amazon Time Sync answers NTP on UDP port 123 only";
    MetadataPort "METADATA_PORT_RESTRICTION" "instance metadata answers HTTP on TCP port 80 only";
    DnsSupportOff "DNS_SUPPORT_DISABLED" "the VPC's enableDnsSupport is false: its resolver does not answer";
    // Load balancers.
    ListenersMismatch "ELBV2_LISTENERS_MISMATCH" "no listener of the load balancer takes this protocol";
    ListenerPort "ELBV2_LISTENER_PORT_RESTRICTION" "the load balancer has no listener for this protocol and port";
    NoTargetsInZone "ELBV2_NO_TARGETS_IN_AZ" "the listener's target group has no target that this node may use";
    NoTargets "ELBV2_LISTENER_HAS_NO_TG" "the listener's target group is empty";
    ProtocolRestriction "PROTOCOL_RESTRICTION" "the object carries other protocols only: a load balancer TCP and UDP, a NAT gateway TCP, UDP and ICMP echo; and of fragments both only UDP's";
    Hairpin "ELBV2_HAIRPIN" "the load balancer chose the client itself as target, and with its address preserved the answer can't come back";
    PortAllocation "ERROR_PORT_ALLOCATION" "55,000 connections from this address to this destination are open: no source port is left";
    ProxyProtocolWaits "PROXY_PROTOCOL_WAITS" "as much waits for the target to acknowledge the PROXY protocol header as may; the sender sends it again";
    // The house itself.
    FlowLimit "FLOW_LIMIT" "the network interface has as many tracked flows as one may have";
    UnknownFlow "UNKNOWN_FLOW" "the packet answers no flow that is known";
    TranslatedIcmpError "ICMP_ERROR_OF_UNKNOWN_FLOW" "the ICMP error quotes no flow that is known";
    LinkFull "LINK_FULL" "the receiving guest did not take frames as fast as they came";
    BadTables "BAD_TABLES" "the compiled tables point nowhere; this is a bug of vpclab";
}
