//! The VPC resolver at base+2, 169.254.169.253 and inbound resolver endpoints: DNS over UDP and TCP for all VPCs of a lab.
//!
//! Which view answers follows from the source address ([`Origins`]); what it answers is [`crate::dns`]; the wire format
//! is hickory's. Nothing is forwarded anywhere: the emulated internet has the lab's names and no others.
//!
//! All resolver addresses of a lab reach this one socket, translated by the dataplane, so replies leave from the address
//! that was called as long as the namespace has a single one.
//!
//! Limits: a message over TCP is at most 64 KiB, [`TCP_CONNECTIONS`] connections at once (a further one waits in the
//! listen queue), each for [`TCP_IDLE`] without a question. Over UDP a question is answered before the next is read.
//!
//! Not done: DNSSEC, cookies, zone transfers, the Resolver's limit of 1,024 packets per second and interface.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use hickory_proto::op::{Edns, Header, HeaderCounts, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, rdata};
use hickory_proto::serialize::binary::BinEncoder;
use hickory_server::net::NetError;
use hickory_server::net::runtime::{Time, TokioTime};
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{MessageResponse, MessageResponseBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::origins::Origins;
use super::{Shutdown, stopped};
use crate::dns::{self, Zones};

/// TCP connections at once.
const TCP_CONNECTIONS: usize = 256;
/// How long a TCP connection may be silent (RFC 7766 6.2.3 asks for a few seconds at least).
const TCP_IDLE: Duration = Duration::from_secs(10);
/// Largest UDP answer that we offer with EDNS; the links carry it in one frame.
const UDP_PAYLOAD: u16 = 4096;

/// Answers on the given sockets until `shutdown`.
pub async fn serve(
    udp: std::net::UdpSocket,
    tcp: std::net::TcpListener,
    zones: Arc<ArcSwap<Zones>>,
    origins: Arc<Origins>,
    mut shutdown: Shutdown,
) -> anyhow::Result<()> {
    let resolver = Resolver { zones, origins, asked: Arc::default() };
    udp.set_nonblocking(true).context("resolver: making the UDP socket non-blocking")?;
    tcp.set_nonblocking(true).context("resolver: making the TCP socket non-blocking")?;
    let udp = tokio::net::UdpSocket::from_std(udp).context("resolver: handing the UDP socket to the runtime")?;
    let tcp = tokio::net::TcpListener::from_std(tcp).context("resolver: handing the TCP socket to the runtime")?;
    let mut server = hickory_server::Server::new(resolver.clone());
    server.register_socket(udp);
    tokio::select! {
        ended = server.block_until_done() => ended.context("resolver: the UDP socket failed")?,
        () = serve_tcp(tcp, resolver) => {}
        () = stopped(&mut shutdown) => {}
    }
    server.shutdown_gracefully().await.context("resolver: ending")
}

/// Accepts connections for ever. hickory's own loop has no bound on them.
async fn serve_tcp(listener: tokio::net::TcpListener, resolver: Resolver) {
    let places = Arc::new(Semaphore::new(TCP_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, peer)) => {
                let resolver = resolver.clone();
                connections.spawn(async move {
                    let _place = place;
                    if let Err(error) = converse(stream, peer, &resolver).await {
                        tracing::debug!(%peer, %error, "resolver: TCP connection ended");
                    }
                });
            }
            Err(error) => super::accept_failed("resolver", &error).await,
        }
    }
}

/// Questions and answers of one TCP connection, each after a length of two bytes (RFC 1035 4.2.2).
async fn converse(mut stream: tokio::net::TcpStream, peer: SocketAddr, resolver: &Resolver) -> anyhow::Result<()> {
    loop {
        let mut message = vec![0; usize::from(timeout(TCP_IDLE, stream.read_u16()).await??)];
        timeout(TCP_IDLE, stream.read_exact(&mut message)).await??;
        let request = Request::from_bytes(message, peer, Protocol::Tcp)?;
        let reply = TcpReply::default();
        resolver.handle_request::<_, TokioTime>(&request, reply.clone()).await;
        let bytes = std::mem::take(&mut *reply.0.lock());
        let Ok(length) = u16::try_from(bytes.len()) else { continue };
        if length > 0 {
            let framed = [&length.to_be_bytes(), bytes.as_slice()].concat();
            timeout(TCP_IDLE, stream.write_all(&framed)).await??;
        }
    }
}

/// Collects the encoded answer to a question over TCP.
#[derive(Clone, Default)]
struct TcpReply(Arc<parking_lot::Mutex<Vec<u8>>>);

#[async_trait::async_trait]
impl ResponseHandler for TcpReply {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let mut bytes = Vec::with_capacity(512);
        let mut encoder = BinEncoder::new(&mut bytes);
        encoder.set_max_size(u16::MAX);
        let info = response.destructive_emit(&mut encoder)?;
        *self.0.lock() = bytes;
        Ok(info)
    }
}

#[derive(Clone)]
struct Resolver {
    zones: Arc<ArcSwap<Zones>>,
    origins: Arc<Origins>,
    /// Questions so far: what rotation counts.
    asked: Arc<AtomicU64>,
}

/// What goes back, before it is encoded.
struct Reply {
    metadata: Metadata,
    edns: Option<Edns>,
    answers: Vec<Record>,
    soa: Option<Record>,
}

#[async_trait::async_trait]
impl RequestHandler for Resolver {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response_handle: R,
    ) -> ResponseInfo {
        let header = |metadata| ResponseInfo::from(Header { metadata, counts: HeaderCounts::default() });
        let Some(reply) = self.reply(request) else {
            return header(Metadata::response_from_request(&request.metadata));
        };
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if let Some(edns) = &reply.edns {
            builder.edns(edns);
        }
        let response = builder.build(reply.metadata, &reply.answers, [], &reply.soa, []);
        response_handle.send_response(response).await.unwrap_or_else(|error| {
            tracing::debug!(source = %request.src(), %error, "resolver: an answer could not be sent");
            header(reply.metadata)
        })
    }
}

impl Resolver {
    /// The answer to a message; `None` is silence.
    fn reply(&self, request: &Request) -> Option<Reply> {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.recursion_available = true;
        let edns = request.edns.as_ref().map(|asked| {
            let mut edns = Edns::new();
            edns.set_max_payload(asked.max_payload().clamp(512, UDP_PAYLOAD));
            edns
        });
        let (response_code, answers, soa) = match self.refusal(request) {
            Some(response_code) => (response_code, Vec::new(), None),
            None => {
                let answer = self.ask(request)?;
                let answers = answer.records.iter().map(record).collect();
                (response_code(answer.response_code), answers, answer.soa.as_ref().map(record))
            }
        };
        metadata.response_code = response_code;
        Some(Reply { metadata, edns, answers, soa })
    }

    /// Why a message is no question for this resolver.
    fn refusal(&self, request: &Request) -> Option<ResponseCode> {
        if request.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
            return Some(ResponseCode::BADVERS);
        }
        if request.metadata.op_code != OpCode::Query {
            return Some(ResponseCode::NotImp);
        }
        let [query] = request.queries.queries() else { return Some(ResponseCode::FormErr) };
        let transfer = matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR);
        (transfer || query.query_class() != DNSClass::IN).then_some(ResponseCode::Refused)
    }

    fn ask(&self, request: &Request) -> Option<dns::Answer> {
        let query = request.queries.queries().first().expect("a message without one question was refused").original();
        let origin = self.origins.get(request.src().ip());
        let view = origin.as_ref().map_or("", |origin| origin.dns_view());
        let name = dns::Name::from_labels(query.name().iter()).expect("hickory's names have the same limits");
        let rotation = self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = dns::answer_name(&self.zones.load(), view, &name, record_type(query.query_type()), rotation);
        tracing::debug!(
            origin = origin.as_ref().map_or("unknown", |origin| origin.name.as_str()),
            view,
            question = %name,
            record_type = %query.query_type(),
            answer = ?answer.as_ref().map(|answer| answer.response_code),
            "resolver"
        );
        answer
    }
}

fn record_type(record_type: RecordType) -> dns::RecordType {
    match record_type {
        RecordType::A => dns::RecordType::A,
        RecordType::AAAA => dns::RecordType::Aaaa,
        RecordType::CNAME => dns::RecordType::Cname,
        RecordType::PTR => dns::RecordType::Ptr,
        RecordType::TXT => dns::RecordType::Txt,
        RecordType::SOA => dns::RecordType::Soa,
        RecordType::NS => dns::RecordType::Ns,
        RecordType::ANY => dns::RecordType::Any,
        other => dns::RecordType::Other(other.into()),
    }
}

fn response_code(response_code: dns::ResponseCode) -> ResponseCode {
    match response_code {
        dns::ResponseCode::NoError => ResponseCode::NoError,
        dns::ResponseCode::ServFail => ResponseCode::ServFail,
        dns::ResponseCode::NxDomain => ResponseCode::NXDomain,
        dns::ResponseCode::Refused => ResponseCode::Refused,
    }
}

fn record(record: &dns::Record) -> Record {
    let data = match &record.data {
        dns::Data::A(address) => RData::A(rdata::A(*address)),
        dns::Data::Cname(target) => RData::CNAME(rdata::CNAME(wire_name(target))),
        dns::Data::Ptr(target) => RData::PTR(rdata::PTR(wire_name(target))),
        dns::Data::Txt(strings) => RData::TXT(rdata::TXT::from_bytes(strings.iter().map(AsRef::as_ref).collect())),
        dns::Data::Ns(target) => RData::NS(rdata::NS(wire_name(target))),
        dns::Data::Soa(soa) => RData::SOA(rdata::SOA::new(
            wire_name(&soa.mname),
            wire_name(&soa.rname),
            soa.serial,
            soa.refresh.cast_signed(),
            soa.retry.cast_signed(),
            soa.expire.cast_signed(),
            soa.minimum,
        )),
    };
    Record::from_rdata(wire_name(&record.name), record.ttl, data)
}

fn wire_name(name: &dns::Name) -> Name {
    let mut name = Name::from_labels(name.labels()).expect("our names have the same limits");
    name.set_fqdn(true);
    name
}

#[cfg(test)]
mod tests;
