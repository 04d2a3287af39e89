//! Real sockets on loopback; the client's address says which VPC asks.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};

use hickory_proto::op::{Message, MessageType, Query};
use tokio::sync::watch;

use super::*;
use crate::dns::{Records, View};
use crate::model::Origin;

/// Guests of two VPCs with the same private zone, one of a VPC without DNS support, and nobody's.
const APP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const DEAF: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);

struct Lab {
    server: SocketAddr,
    stop: watch::Sender<bool>,
    ended: std::thread::JoinHandle<anyhow::Result<()>>,
}

fn origin(vpc_id: &str) -> Origin {
    Origin {
        account: "111122223333".into(),
        region: "us-east-1".into(),
        vpc_id: vpc_id.into(),
        network_interface_id: "eni-1".into(),
        instance_id: None,
        private_ip: Ipv4Addr::new(10, 0, 1, 10),
        vpc_endpoint_id: None,
        resolver_endpoint_id: None,
        endpoint_vpc_id: None,
        endpoint_vpc_arn: None,
        endpoint_account: None,
        name: "app".into(),
    }
}

fn zones() -> Zones {
    let mut zones = Zones::new();
    zones.add_public("ec2.us-east-1.amazonaws.com", Records::endpoint([Ipv4Addr::new(52, 46, 0, 1)])).unwrap();
    // Three aliases of long names: more than the 512 bytes of UDP without EDNS.
    let long = |index: usize| format!("{index}{}.amazonaws.com", format!(".{}", "x".repeat(60)).repeat(3));
    for index in 0..3 {
        let target = dns::Name::parse(&long(index + 1)).unwrap();
        zones.add_public(&long(index), Records::Cname { ttl: 60, target }).unwrap();
    }
    zones.add_public(&long(3), Records::endpoint([Ipv4Addr::new(52, 46, 0, 2)])).unwrap();
    let text = Records::text(60, [vec![vec![b'x'; 600]], vec![b"two".to_vec(), b"strings".to_vec()]]);
    zones.public_zone("shop.example").unwrap().add("shop.example", text).unwrap();
    for (vpc_id, support, last) in [("vpc-app", true, 2), ("vpc-other", true, 3), ("vpc-deaf", false, 4)] {
        let mut view = View::new(support, true);
        let zone = view.private_zone("orders.internal").unwrap();
        zone.add("orders.internal", Records::endpoint([Ipv4Addr::new(10, 0, 0, last)])).unwrap();
        zones.add_view(vpc_id, view);
    }
    zones
}

fn start() -> Lab {
    // One number for both, as on port 53; another process may hold the UDP half of a free TCP port.
    let pair = (0..20).find_map(|_| {
        let tcp = TcpListener::bind("127.0.0.1:0").ok()?;
        Some((UdpSocket::bind(tcp.local_addr().ok()?).ok()?, tcp))
    });
    let (udp, tcp) = pair.expect("a port that is free for UDP and TCP");
    let server = udp.local_addr().unwrap();
    let (stop, shutdown) = watch::channel(false);
    let origins = [(APP, "vpc-app"), (OTHER, "vpc-other"), (DEAF, "vpc-deaf")].map(|(ip, vpc)| (ip, origin(vpc)));
    let (zones, origins) = (Arc::new(ArcSwap::from_pointee(zones())), Arc::new(Origins::new(origins)));
    let ended = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(serve(udp, tcp, zones, origins, shutdown))
    });
    Lab { server, stop, ended }
}

impl Lab {
    fn end(self) {
        self.stop.send(true).unwrap();
        self.ended.join().unwrap().unwrap();
    }

    /// Asks over UDP; `None` when nothing comes within `patience`.
    fn raw(&self, source: Ipv4Addr, message: &[u8], patience: Duration) -> Option<Vec<u8>> {
        let socket = UdpSocket::bind((source, 0)).unwrap();
        socket.set_read_timeout(Some(patience)).unwrap();
        socket.send_to(message, self.server).unwrap();
        let mut buffer = [0; 4096];
        socket.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec())
    }

    fn udp(&self, source: Ipv4Addr, question: &Message) -> Message {
        let answer = self.raw(source, &question.to_vec().unwrap(), Duration::from_secs(5)).expect("an answer");
        Message::from_vec(&answer).unwrap()
    }

    fn tcp(&self, question: &Message, times: usize) -> Vec<Message> {
        let mut stream = connect_from(APP, self.server);
        let message = question.to_vec().unwrap();
        let framed = [&(message.len() as u16).to_be_bytes(), message.as_slice()].concat();
        stream.write_all(&framed.repeat(times)).unwrap();
        let answers = (0..times).map(|_| {
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut answer).unwrap();
            Message::from_vec(&answer).unwrap()
        });
        answers.collect()
    }
}

/// A TCP client of std can't choose its source address.
fn connect_from(source: Ipv4Addr, server: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        socket.connect(server).await.unwrap()
    });
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream
}

fn question(name: &str, record_type: RecordType) -> Message {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), record_type));
    message
}

fn long_name() -> String {
    format!("0{}.amazonaws.com.", format!(".{}", "x".repeat(60)).repeat(3))
}

fn addresses(message: &Message) -> Vec<Ipv4Addr> {
    let addresses = message.answers.iter().filter_map(|record| match &record.data {
        RData::A(address) => Some(address.0),
        _ => None,
    });
    addresses.collect()
}

#[test]
fn each_source_sees_its_own_vpc() {
    let lab = start();
    let orders = question("orders.internal.", RecordType::A);
    assert_eq!(addresses(&lab.udp(APP, &orders)), [Ipv4Addr::new(10, 0, 0, 2)]);
    assert_eq!(addresses(&lab.udp(OTHER, &orders)), [Ipv4Addr::new(10, 0, 0, 3)]);
    let stranger = lab.udp(STRANGER, &orders);
    assert_eq!(stranger.metadata.response_code, ResponseCode::Refused);
    assert!(stranger.answers.is_empty());
    assert!(lab.raw(DEAF, &orders.to_vec().unwrap(), Duration::from_millis(300)).is_none(), "B1.2: silence");
    lab.end();
}

#[test]
fn flags_are_those_of_a_recursive_resolver() {
    let lab = start();
    let answer = lab.udp(APP, &question("EC2.us-east-1.AMAZONAWS.com.", RecordType::A));
    assert!(answer.metadata.recursion_available && answer.metadata.recursion_desired);
    assert!(!answer.metadata.authoritative && !answer.metadata.truncation);
    assert_eq!(answer.metadata.id, 4711);
    assert_eq!(answer.queries[0].name().to_ascii(), "EC2.us-east-1.AMAZONAWS.com.");
    assert_eq!(answer.answers[0].name.to_ascii(), "EC2.us-east-1.AMAZONAWS.com.");
    assert_eq!(answer.answers[0].ttl, 60);
    let no = lab.udp(APP, &question("nothing.amazonaws.com.", RecordType::A));
    assert_eq!(no.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(no.authorities[0].name.to_ascii(), "amazonaws.com.");
    lab.end();
}

/// Strings stay apart, and what is longer than one can be continues in the next (RFC 1035 3.3.14).
#[test]
fn texts_go_in_character_strings() {
    let lab = start();
    let mut asked = question("Shop.example.", RecordType::TXT);
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    asked.set_edns(edns);
    let answer = lab.udp(APP, &asked);
    let texts = answer.answers.iter().map(|record| match &record.data {
        RData::TXT(text) => text.txt_data.iter().map(|string| string.len()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    });
    assert_eq!(texts.collect::<Vec<_>>(), [vec![255, 255, 90], vec![3, 7]]);
    lab.end();
}

#[test]
fn what_does_not_fit_is_truncated_and_whole_over_tcp_or_edns() {
    let lab = start();
    let mut long = question(&long_name(), RecordType::A);
    let cut = lab.udp(APP, &long);
    assert!(cut.metadata.truncation && addresses(&cut).is_empty());
    for whole in lab.tcp(&long, 3) {
        assert!(!whole.metadata.truncation);
        assert_eq!((whole.answers.len(), addresses(&whole)), (4, vec![Ipv4Addr::new(52, 46, 0, 2)]));
    }
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    long.set_edns(edns);
    let whole = lab.udp(APP, &long);
    assert!(!whole.metadata.truncation);
    assert_eq!(whole.answers.len(), 4);
    assert_eq!(whole.edns.unwrap().max_payload(), 1232);
    lab.end();
}

#[test]
fn what_is_no_question_is_told_so() {
    let lab = start();
    let code = |message: &Message| lab.udp(APP, message).metadata.response_code;
    let mut chaos = question("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(code(&chaos), ResponseCode::Refused);
    assert_eq!(code(&question("amazonaws.com.", RecordType::AXFR)), ResponseCode::Refused);
    let mut notify = question("amazonaws.com.", RecordType::SOA);
    notify.metadata.op_code = OpCode::Notify;
    assert_eq!(code(&notify), ResponseCode::NotImp);
    let mut two = question("amazonaws.com.", RecordType::SOA);
    two.add_query(two.queries[0].clone());
    assert_eq!(code(&two), ResponseCode::FormErr);
    let mut future = question("amazonaws.com.", RecordType::SOA);
    let mut edns = Edns::new();
    edns.set_version(1);
    future.set_edns(edns);
    // 16 is BADSIG as well, in another kind of record.
    assert_eq!(u16::from(code(&future)), 16);
    lab.end();
}

#[test]
fn noise_does_not_stop_it() {
    let lab = start();
    let valid = question("ec2.us-east-1.amazonaws.com.", RecordType::A).to_vec().unwrap();
    for length in 0..valid.len() {
        lab.raw(APP, &valid[..length], Duration::from_millis(1));
    }
    // Counts that promise 65,535 records of each kind, and an answer instead of a question.
    let mut counts = valid.clone();
    counts[4..12].fill(0xff);
    lab.raw(APP, &counts, Duration::from_millis(1));
    let mut answer = valid.clone();
    answer[2] |= 0x80;
    assert!(lab.raw(APP, &answer, Duration::from_millis(100)).is_none(), "an answer must not be answered");
    // TCP: a length that never comes, then silence, beside a connection that works.
    let mut stuck = connect_from(APP, lab.server);
    stuck.write_all(&[0xff, 0xff, 1, 2, 3]).unwrap();
    let question = question("ec2.us-east-1.amazonaws.com.", RecordType::A);
    assert_eq!(addresses(&lab.tcp(&question, 1)[0]).len(), 1);
    assert_eq!(addresses(&lab.udp(APP, &question)).len(), 1);
    lab.end();
}
