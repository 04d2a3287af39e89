//! A template as a lab without a kernel: guests and services by name, packets in text, the clock in the test's hand.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::compile::{Compiled, Shape, compile, recompile};
use crate::dataplane::flow::FlowTable;
use crate::dataplane::tables::*;
use crate::dataplane::{Dataplane, DropReason, Outbox, Verdict};
use crate::model::{Change, Origin, Request, World};
use crate::packet::{Mac, Notation, Packet, Parsed, VNET_HEADER_LEN, parse};
use crate::template::{Files, LoadOptions, ReadError, load};

/// The one file of a test.
struct OneFile<'t>(&'t str);

impl Files for OneFile<'_> {
    fn read(&self, path: &Path) -> Result<String, ReadError> {
        if path == Path::new("t.yaml") { Ok(self.0.to_owned()) } else { Err(ReadError::NotFound) }
    }
}

/// The world of a template in us-east-1.
pub fn world(template: &str) -> World {
    world_in("us-east-1", template)
}

pub fn world_in(region: &str, template: &str) -> World {
    let options = LoadOptions { region: Some(region.to_owned()), ..LoadOptions::default() };
    match load(&OneFile(template), &PathBuf::from("t.yaml"), &options) {
        Ok(lab) => lab.world,
        Err(error) => panic!("{error}"),
    }
}

/// A compiled world whose packets are sent by hand.
pub struct Lab {
    pub world: World,
    pub dataplane: Dataplane,
    pub origins: std::collections::HashMap<Ipv4Addr, Origin>,
    pub now: Duration,
    names: BTreeMap<u32, String>,
    generation: u32,
    /// Where the last packet arrived, and as what.
    arrived: Option<(LinkIndex, Packet)>,
}

impl Lab {
    pub fn new(template: &str) -> Self {
        Self::of(world(template))
    }

    pub fn of(world: World) -> Self {
        let Compiled { tables, origins, guests, services, .. } = compile(&world);
        assert_eq!(tables.validate(), Ok(()));
        let services = services.iter().map(|service| (service.link.0, service.name.to_owned()));
        let guests = guests.iter().flat_map(|guest| {
            let interfaces = guest.interfaces.iter().enumerate();
            interfaces.map(|(number, it)| match number {
                0 => (it.link.0, guest.name().to_owned()),
                _ => (it.link.0, format!("{}.{}", guest.name(), it.name)),
            })
        });
        let names = services.chain(guests).collect();
        let dataplane = Dataplane::new(Arc::new(tables), [1, 2, 3, 4]);
        Self { world, dataplane, origins, now: Duration::from_secs(1), names, generation: 1, arrived: None }
    }

    /// Another template takes this one's place, with the same guests.
    pub fn change(&mut self, template: &str) {
        self.world = world(template);
        let Compiled { mut tables, origins, .. } = compile(&self.world);
        self.generation += 1;
        tables.vpcs.iter_mut().for_each(|vpc| vpc.generation = self.generation);
        self.origins = origins;
        self.dataplane.swap(Arc::new(tables));
    }

    /// One API call to the lab while it runs; the id that it returns.
    pub fn ask(&mut self, change: Change) -> String {
        let account = self.world.vpcs.values().next().expect("a VPC").meta.account.clone();
        let request = Request {
            account,
            region: "us-east-1".to_owned(),
            principal: None,
            stack: None,
            logical_id: None,
            source: None,
            tags: BTreeMap::new(),
            change,
        };
        let id = self.world.apply(request).unwrap_or_else(|refusal| panic!("{refusal}"));
        self.become_world();
        id
    }

    /// What was done to the world, done to the lab while it runs.
    pub fn become_world(&mut self) {
        let before = self.dataplane.tables();
        let Compiled { mut tables, origins, .. } = recompile(&self.world, &before);
        assert_eq!(tables.validate(), Ok(()));
        assert_eq!(Shape::of(&before).changes(&Shape::of(&tables)), Vec::<String>::new());
        self.generation += 1;
        tables.vpcs.iter_mut().for_each(|vpc| vpc.generation = self.generation);
        self.origins = origins;
        self.dataplane.swap(Arc::new(tables));
    }

    fn link(&self, name: &str) -> LinkIndex {
        let found = self.names.iter().find(|(_, own)| *own == name);
        LinkIndex(*found.unwrap_or_else(|| panic!("no guest {name} among {:?}", self.names.values())).0)
    }

    /// Sends a packet as its guest's kernel would; the text of where it arrived, with the private address for what services
    /// see, or why it did not.
    pub fn send(&mut self, text: &str) -> Result<String, DropReason> {
        let notation: Notation = text.parse().expect("a packet");
        let link = self.link(&notation.link);
        let (source_mac, destination_mac) = self.macs(link, notation.destination);
        let mut frame = notation.frame(source_mac, destination_mac);
        let mut outbox = Outbox::default();
        let vnet = Some(&[0; VNET_HEADER_LEN]);
        match self.dataplane.handle(link, vnet, &mut frame, self.now, &mut outbox) {
            Verdict::Forward { link, .. } => {
                let Ok(Parsed::Ipv4(packet)) = parse(&frame) else { panic!("not a packet") };
                self.arrived = Some((link, packet));
                let source = self.dataplane.tables().private_source(packet.source);
                Ok(Notation::new(&self.names[&link.0], &Packet { source, ..packet }).to_string())
            }
            Verdict::Drop(reason) => Err(reason),
            Verdict::Kept => Ok("kept".to_owned()),
            Verdict::Answer => match parse(&outbox.frames[0].1) {
                Ok(Parsed::Ipv4(packet)) => Ok(format!("answered {}", Notation::new(&notation.link, &packet))),
                other => panic!("{other:?}"),
            },
        }
    }

    /// What a guest is told when it sends a packet with that time to live.
    pub fn frame_with_ttl(&self, text: &str, ttl: u8) -> Vec<String> {
        let notation: Notation = text.parse().expect("a packet");
        let link = self.link(&notation.link);
        let (source_mac, destination_mac) = self.macs(link, notation.destination);
        let mut frame = notation.frame(source_mac, destination_mac);
        frame[22] = ttl;
        let header = etherparse::Ipv4HeaderSlice::from_slice(&frame[14..34]).expect("a header").to_header();
        frame[24..26].copy_from_slice(&header.calc_header_checksum().to_be_bytes());
        let mut outbox = Outbox::default();
        self.dataplane.handle(link, Some(&[0; VNET_HEADER_LEN]), &mut frame, self.now, &mut outbox);
        let told = outbox.frames.iter().map(|(link, frame)| match parse(frame) {
            Ok(Parsed::Ipv4(packet)) => Notation::new(&self.names[&link.0], &packet).to_string(),
            other => panic!("{other:?}"),
        });
        told.collect()
    }

    fn macs(&self, link: LinkIndex, destination: Ipv4Addr) -> (Mac, Mac) {
        let tables = self.dataplane.tables();
        let own = tables.links[link.at()].mac;
        let Behind::Interface(index) = tables.links[link.at()].behind else { return (own, OUTSIDE_ROUTER_MAC) };
        let interface = &tables.interfaces[index.at()];
        let owner = tables.vpcs[interface.vpc.at()].addresses.get(&destination);
        let neighbour = owner.map(|owner| &tables.interfaces[owner.at()]).filter(|it| it.subnet == interface.subnet);
        (own, neighbour.map_or(tables.subnets[interface.subnet.at()].router_mac, |it| it.mac))
    }

    /// Sends and expects that text to arrive.
    #[track_caller]
    pub fn passes(&mut self, sent: &str, arrives: &str) {
        assert_eq!(self.send(sent), Ok(arrives.to_owned()), "{sent}: {}", self.refuser());
    }

    /// Sends and expects it to arrive unchanged at that guest.
    #[track_caller]
    pub fn carries(&mut self, sent: &str, to: &str) {
        let (_, packet) = sent.split_once(": ").expect("a link and a packet");
        self.passes(sent, &format!("{to}: {packet}"));
    }

    #[track_caller]
    pub fn drops(&mut self, sent: &str, reason: DropReason) {
        assert_eq!(self.send(sent), Err(reason), "{sent}");
    }

    /// Answers what arrived last, from where it arrived; `content` is what follows the addresses: `tcp SYN|ACK`.
    pub fn answer(&mut self, content: &str) -> Result<String, DropReason> {
        let (link, packet) = self.arrived.expect("something arrived");
        let name = self.names[&link.0].clone();
        let Packet { source, destination, source_port, destination_port, .. } = packet;
        let text = if content.starts_with("tcp") || content.starts_with("udp") {
            format!("{name}: {destination}:{destination_port} > {source}:{source_port} {content}")
        } else {
            format!("{name}: {destination} > {source} {content}")
        };
        self.send(&text)
    }

    /// Who sent what arrived last at a service.
    pub fn origin(&self) -> &Origin {
        let (_, packet) = self.arrived.expect("something arrived");
        &self.origins[&packet.source]
    }

    /// Who refused last: `stack/LogicalId` or AWS's id.
    pub fn refuser(&self) -> String {
        let Some(object) = self.dataplane.drops(0).pop().and_then(|drop| drop.object) else { return String::new() };
        let tables = self.dataplane.tables();
        let object = tables.object(object);
        if object.name.is_empty() { object.id.clone() } else { object.name.clone() }
    }

    pub fn after(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        for _ in 0..FlowTable::SHARDS {
            self.dataplane.tick(self.now, &mut Outbox::default());
        }
    }

    /// The id of the object of a logical id.
    pub fn named<'a, T>(
        objects: &'a BTreeMap<String, T>,
        meta: impl Fn(&T) -> &crate::model::Meta,
        name: &str,
    ) -> &'a str {
        let found = objects.iter().find(|(_, object)| meta(object).logical_id.as_deref() == Some(name));
        found.unwrap_or_else(|| panic!("no {name}")).0
    }
}
