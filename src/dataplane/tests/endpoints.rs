//! Gateway endpoints, interface endpoints to AWS services, the resolver.

use super::lab::*;
use crate::dataplane::DropReason;
use crate::dataplane::tables::*;
use crate::dataplane::{Header, TraceQuery};

#[test]
fn a_gateway_endpoint_keeps_the_destination_and_tells_the_service_who_came() {
    let mut lab = Lab::new();
    let source = fabric(&lab.dataplane.tables(), APP, Way::Endpoint(GATEWAY_ENDPOINT));
    lab.passes(
        "app: 10.0.1.10:40000 > 52.216.0.5:443 tcp SYN seq 7",
        &format!("s3: {source}:40000 > 52.216.0.5:443 tcp SYN seq 7"),
    );
    lab.passes(
        &format!("s3: 52.216.0.5:443 > {source}:40000 tcp SYN|ACK seq 1 ack 8"),
        "app: 52.216.0.5:443 > 10.0.1.10:40000 tcp SYN|ACK seq 1 ack 8",
    );
    // A second client of the same port is somebody else.
    let other = fabric(&lab.dataplane.tables(), PEER, Way::Endpoint(GATEWAY_ENDPOINT));
    assert_ne!(source, other);
    lab.passes("peer: 10.0.1.11:40000 > 3.5.0.9:80 tcp SYN", &format!("s3: {other}:40000 > 3.5.0.9:80 tcp SYN"));
}

#[test]
fn a_gateway_endpoint_accepts_tcp_and_ping_only() {
    let mut lab = Lab::new();
    lab.drops("app: 10.0.1.10:40000 > 52.216.0.5:443 udp 1200", DropReason::GatewayEndpointProtocol);
    lab.drops("app: 10.0.1.10 > 52.216.0.5 proto 47 100", DropReason::GatewayEndpointProtocol);
    let source = fabric(&lab.dataplane.tables(), APP, Way::Endpoint(GATEWAY_ENDPOINT));
    lab.passes(
        "app: 10.0.1.10 > 52.216.0.5 icmp echo-request id 9",
        &format!("s3: {source} > 52.216.0.5 icmp echo-request id 9"),
    );
    lab.passes(
        &format!("s3: 52.216.0.5 > {source} icmp echo-reply id 9"),
        "app: 52.216.0.5 > 10.0.1.10 icmp echo-reply id 9",
    );
}

#[test]
fn a_service_never_opens_a_connection_into_a_vpc() {
    let mut lab = Lab::new();
    let source = fabric(&lab.dataplane.tables(), APP, Way::Endpoint(GATEWAY_ENDPOINT));
    lab.drops(&format!("s3: 52.216.0.5:443 > {source}:22 tcp SYN"), DropReason::EndpointInitiates);
    lab.drops(&format!("s3: 52.216.0.5:443 > {source}:22 tcp ACK"), DropReason::UnknownFlow);
    let shown = lab.dataplane.drops(0).pop().and_then(|drop| drop.header).expect("a header");
    assert_eq!(shown.destination.to_string(), "10.0.1.10", "nobody ever sees a fabric address");
}

#[test]
fn an_interface_endpoint_leads_to_the_service_on_its_ports_only() {
    let mut lab = Lab::new();
    let source = fabric(&lab.dataplane.tables(), APP, Way::Endpoint(EndpointIndex(2)));
    lab.passes("app: 10.0.1.10:40000 > 10.0.2.60:443 tcp SYN", &format!("s3: {source}:40000 > 52.216.0.1:443 tcp SYN"));
    lab.passes(
        &format!("s3: 52.216.0.1:443 > {source}:40000 tcp SYN|ACK"),
        "app: 10.0.2.60:443 > 10.0.1.10:40000 tcp SYN|ACK",
    );
    // 350 s of silence: the endpoint no longer knows the connection (B3.2).
    lab.after(351);
    let late = lab.send("app: 10.0.1.10:40000 > 10.0.2.60:443 tcp ACK seq 9 ack 77");
    assert_eq!(late, Effect::Answered("app: 10.0.2.60:443 > 10.0.1.10:40000 tcp RST seq 77".to_owned()));
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.60:22 tcp SYN", DropReason::EndpointPort);
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.60:443 udp 9", DropReason::EndpointPort);
    lab.drops("app: 10.0.1.10 > 10.0.2.60 icmp echo-request id 1", DropReason::EndpointPing);
}

#[test]
fn the_resolver_answers_at_base_plus_two_and_at_253_and_keeps_vpcs_apart() {
    let mut lab = Lab::new();
    let tables = lab.dataplane.tables();
    let [app, web] = [APP, WEB].map(|link| fabric(&tables, link, Way::LinkLocal));
    assert_ne!(app, web, "two VPCs of one CIDR are two origins");
    lab.passes(
        "app: 10.0.1.10:5000 > 10.0.0.2:53 udp 30",
        &format!("resolver: {app}:5000 > 169.254.169.253:53 udp 30"),
    );
    lab.passes(
        &format!("resolver: 169.254.169.253:53 > {app}:5000 udp 90"),
        "app: 10.0.0.2:53 > 10.0.1.10:5000 udp 90",
    );
    lab.passes(
        "web: 10.0.1.20:5000 > 169.254.169.253:53 tcp SYN",
        &format!("resolver: {web}:5000 > 169.254.169.253:53 tcp SYN"),
    );
    lab.drops("app: 10.0.1.10:5000 > 10.0.0.2:80 tcp SYN", DropReason::ResolverPort);
    lab.drops("app: 10.0.1.10:5000 > 169.254.169.254:80 tcp SYN", DropReason::LinkLocalService);
}

#[test]
fn without_dns_support_the_resolver_is_silent() {
    let mut tables = tables();
    tables.vpcs[0].dns_support = false;
    let mut lab = Lab::with(tables);
    lab.drops("app: 10.0.1.10:5000 > 10.0.0.2:53 udp 30", DropReason::DnsSupportOff);
}

#[test]
fn an_endpoint_that_is_not_available_carries_nothing() {
    let mut tables = tables();
    tables.endpoints[0].available = false;
    for (endpoint, backend) in [(1, EndpointBackend::Unavailable), (2, EndpointBackend::NotInZone)] {
        tables.interfaces[2 + endpoint as usize].role = Role::Endpoint { endpoint: EndpointIndex(endpoint), backend };
    }
    let mut lab = Lab::with(tables);
    lab.drops("app: 10.0.1.10:40000 > 52.216.0.5:443 tcp SYN", DropReason::EndpointUnavailable);
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.50:80 tcp SYN", DropReason::EndpointUnavailable);
    lab.drops("app: 10.0.1.10:40000 > 10.0.2.60:80 tcp SYN", DropReason::EndpointNotInZone);
}

/// `trace` is `decide`: the same end as the packet's, hop by hop, and it leaves nothing behind.
#[test]
fn trace_ends_where_the_packet_ends() {
    let mut lab = Lab::new();
    let questions = [
        (
            "10.0.1.10:40000 > 52.216.0.5:443",
            Ok(S3_LINK),
            &["network interface", "route table", "gateway endpoint", "service"][..],
        ),
        ("10.0.1.10:40000 > 10.0.1.11:443", Ok(PEER), &["network interface", "network interface"]),
        ("10.0.1.10:40000 > 9.9.9.9:443", Err(DropReason::NoRoute), &["network interface", "route table"]),
        (
            "10.0.1.10:40000 > 10.0.2.60:443",
            Ok(S3_LINK),
            &["network interface", "route table", "interface endpoint", "service"],
        ),
    ];
    for (question, end, kinds) in questions {
        let (source, destination) = question.split_once(" > ").expect("two ends");
        let socket = |text: &str| -> std::net::SocketAddrV4 { text.parse().expect("a socket address") };
        let (source, destination) = (socket(source), socket(destination));
        let header = Header {
            protocol: 6,
            source: *source.ip(),
            destination: *destination.ip(),
            source_port: source.port(),
            destination_port: destination.port(),
        };
        let path = lab.dataplane.trace(APP, &TraceQuery { header });
        assert_eq!(path.hops.iter().map(|hop| hop.kind).collect::<Vec<_>>(), kinds, "{question}");
        assert_eq!(path.delivered.ok_or(path.dropped.unwrap_or(DropReason::BadTables)), end, "{question}");
        let shown = path.hops.iter().flat_map(|hop| [hop.before, hop.after]);
        assert!(
            shown.into_iter().all(|header| !header.source.octets().starts_with(&[100, 64])),
            "fabric is never shown"
        );
        assert_eq!((lab.dataplane.flows().len(), lab.dataplane.next_drop()), (0, 0), "trace leaves nothing behind");
    }
    let mut sent = |text: &str| lab.send(text);
    assert!(matches!(sent("app: 10.0.1.10:40000 > 52.216.0.5:443 tcp SYN"), Effect::Sent(..)));
    assert_eq!(sent("app: 10.0.1.10:40000 > 9.9.9.9:443 tcp SYN"), Effect::Dropped(DropReason::NoRoute));
}

/// What it emits is TCP and echo replies, from its prefix list (B2).
#[test]
fn a_gateway_endpoint_emits_only_tcp_and_echo_replies_from_its_list() {
    use crate::packet::build::{Ends, icmp};
    let mut lab = Lab::new();
    let source = fabric(&lab.dataplane.tables(), APP, Way::Endpoint(GATEWAY_ENDPOINT));
    let syn = format!("s3: {source}:40000 > 52.216.0.5:443 tcp SYN");
    lab.passes("app: 10.0.1.10:40000 > 52.216.0.5:443 tcp SYN", &syn);
    lab.drops(&format!("s3: 52.216.0.5:443 > {source}:40000 udp 9"), DropReason::GatewayEndpointProtocol);
    lab.drops(&format!("s3: 52.216.0.5 > {source} icmp echo-request id 1"), DropReason::GatewayEndpointProtocol);
    let foreign = format!("s3: 9.9.9.9:443 > {source}:40000 tcp SYN|ACK");
    lab.drops(&foreign, DropReason::GatewayEndpointSource);
    let drop = lab.dataplane.drops(0).pop().and_then(|drop| drop.object).expect("an object");
    assert_eq!(lab.dataplane.tables().object(drop).id, "vpce-gateway");
    lab.drops(&foreign.replace("9.9.9.9", "52.216.0.6"), DropReason::UnknownFlow);
    // An ICMP error about a flow that stands, from either side.
    let error =
        |lab: &mut Lab, link, macs: [crate::packet::Mac; 2], [from, to]: [std::net::Ipv4Addr; 2], quoted: &str| {
            let quoted: crate::packet::Notation = quoted.parse().expect("a packet");
            let quoted = quoted.frame([0; 6], [0; 6]);
            let ends = Ends { source_mac: macs[0], destination_mac: macs[1], source: from, destination: to };
            lab.send_frame(link, &mut icmp(&ends, 3, 3, [0; 4], &quoted[14..14 + 28]))
        };
    let (service, app) = ([52, 216, 0, 5].into(), [10, 0, 1, 10].into());
    let macs = [lab.dataplane.tables().links[S3_LINK.at()].mac, OUTSIDE_ROUTER_MAC];
    let refused = Effect::Dropped(DropReason::GatewayEndpointProtocol);
    assert_eq!(error(&mut lab, S3_LINK, macs, [service, source], &syn), refused);
    let syn_ack = "app: 52.216.0.5:443 > 10.0.1.10:40000 tcp SYN|ACK";
    lab.passes(&format!("s3: 52.216.0.5:443 > {source}:40000 tcp SYN|ACK"), syn_ack);
    let macs = [mac(0, "10.0.1.10"), mac(0, "10.0.1.1")];
    assert_eq!(error(&mut lab, APP, macs, [app, service], syn_ack), refused);
}

/// 1,024 packets a second from an interface to all link-local services together (B1.2).
#[test]
fn link_local_services_have_a_packet_rate() {
    let mut lab = Lab::new();
    let ask =
        |lab: &mut Lab, from: &str, port: u32| lab.send(&format!("{from}:{} > 10.0.0.2:53 udp 30", 1024 + port % 600));
    for number in 0..1024 {
        assert!(matches!(ask(&mut lab, "app: 10.0.1.10", number), Effect::Sent(..)), "{number}");
    }
    assert_eq!(ask(&mut lab, "app: 10.0.1.10", 1024), Effect::Dropped(DropReason::LinkLocalRate));
    assert_eq!(ask(&mut lab, "app: 10.0.1.10", 9999), Effect::Dropped(DropReason::LinkLocalRate), "a new flow");
    assert!(matches!(ask(&mut lab, "peer: 10.0.1.11", 0), Effect::Sent(..)));
    // Everything else of the guest goes on, and answers are not counted.
    assert!(matches!(lab.send("app: 10.0.1.10:1 > 10.0.2.10:53 udp 30"), Effect::Sent(..)));
    let source = fabric(&lab.dataplane.tables(), APP, Way::LinkLocal);
    lab.passes(
        &format!("resolver: 169.254.169.253:53 > {source}:1024 udp 90"),
        "app: 10.0.0.2:53 > 10.0.1.10:1024 udp 90",
    );
    lab.after(1);
    assert!(matches!(ask(&mut lab, "app: 10.0.1.10", 0), Effect::Sent(..)));
}
