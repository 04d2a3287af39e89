//! The pump: carries frames from link to link as the dataplane says.
//!
//! **Purpose.** The one loop that a lab's speed depends on: read a frame, decide, write it. Everything else in this room
//! may be slow.
//!
//! **Identity.** One worker for every two cores (at most one per link), each a thread with its own current-thread runtime. A link is
//! pinned to a worker: that worker alone reads it, so frames of a flow stay in order. Any worker writes to any link.
//!
//! **Life.** A worker wakes when a link is readable, reads up to [`BATCH`] frames into its one buffer, and lets its other
//! links have a turn. Frames are rewritten in place and written at once: nothing is queued here, the kernel's own queues
//! are the only ones.
//!
//! **Time.** `now` is read once per wake. The first worker also runs the dataplane's `tick`.
//!
//! **Limits.** A link that does not take a frame loses it: the drop is counted as LINK_FULL. A worker never waits for a
//! writer, so a slow guest can't hold up a fast one.
//!
//! **Not done.** No queue per core within one link (DESIGN decision 11), no io_uring.
//!
//! A panic in a worker is a bug, and half a pump is worse than none: it ends the lab, loudly.

use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};

use super::capture::Captures;
use crate::dataplane::{Dataplane, LinkIndex, Outbox, Verdict};
use crate::host::{self, AsyncTap, LinkKind, READ_BUFFER, Tap};
use crate::packet::VNET_HEADER_LEN;

/// Frames read from one link before another one has its turn.
const BATCH: usize = 64;

/// An offload header that asks for nothing: the frame is whole and its checksums complete.
const PLAIN_HEADER: [u8; VNET_HEADER_LEN] = [0; VNET_HEADER_LEN];

/// What all workers share.
pub struct Pump {
    dataplane: Arc<Dataplane>,
    captures: Arc<Captures>,
    links: Vec<OnceLock<AsyncTap>>,
    kind: LinkKind,
    started: Instant,
}

/// Buffers of one worker: hot in its cache, whichever link they serve.
struct Scratch {
    buffer: Vec<u8>,
    outbox: Outbox,
}

impl Pump {
    /// Starts the workers. `taps` are in order of their link numbers; a worker that ends says why on `failed`.
    pub fn start(
        taps: Vec<Tap>,
        kind: LinkKind,
        dataplane: Arc<Dataplane>,
        captures: Arc<Captures>,
        failed: &mpsc::UnboundedSender<String>,
    ) -> Result<Arc<Self>> {
        let links = taps.iter().map(|_| OnceLock::new()).collect();
        let pump = Arc::new(Self { dataplane, captures, links, kind, started: Instant::now() });
        // Half of the cores: the guests and services that send all this run on the other half. On two quiet cores one
        // worker carried 1.07, 1.00 and 1.02 times what two did (one stream, four, reverse; medians of four rounds).
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = (cores / 2).clamp(1, taps.len().max(1));
        let mut shares: Vec<Vec<(usize, Tap)>> = (0..workers).map(|_| Vec::new()).collect();
        for (number, tap) in taps.into_iter().enumerate() {
            shares[number % workers].push((number, tap));
        }
        let all_registered = Arc::new(Barrier::new(workers + 1));
        for (worker, share) in shares.into_iter().enumerate() {
            let (pump, failed, barrier) = (Arc::clone(&pump), failed.clone(), Arc::clone(&all_registered));
            thread::Builder::new()
                .name(format!("pump-{worker}"))
                .spawn(move || {
                    let ended = catch_unwind(AssertUnwindSafe(|| pump.work(worker, share, &barrier)));
                    let why = match ended {
                        Ok(Ok(())) => "it ended".to_owned(),
                        Ok(Err(error)) => format!("{error:#}"),
                        Err(panic) => panic_text(panic.as_ref()),
                    };
                    // Nobody listens any more when the lab is already ending.
                    let _ = failed.send(format!("worker {worker} of the pump: {why}"));
                })
                .context("starting a worker of the pump")?;
        }
        all_registered.wait();
        Ok(pump)
    }

    /// The lab's time: monotonic since the pump started.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn work(self: Arc<Self>, worker: usize, share: Vec<(usize, Tap)>, all_registered: &Barrier) -> Result<()> {
        let prepared = self.register(share);
        // Even a worker that failed must come here, or the others and the starter would wait for ever.
        all_registered.wait();
        let (runtime, numbers) = prepared?;
        let scratch = Rc::new(RefCell::new(Scratch { buffer: vec![0; READ_BUFFER], outbox: Outbox::default() }));
        LocalSet::new().block_on(&runtime, async move {
            let mut tasks = JoinSet::new();
            for number in numbers {
                tasks.spawn_local(Arc::clone(&self).drain(number, Rc::clone(&scratch)));
            }
            if worker == 0 {
                tasks.spawn_local(Arc::clone(&self).tick());
            }
            while let Some(ended) = tasks.join_next().await {
                match ended {
                    Ok(()) => {}
                    Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    Err(error) => return Err(error).context("a task of the pump"),
                }
            }
            // A worker without links has nothing to do, which is no reason to end.
            std::future::pending().await
        })
    }

    /// Makes the worker's runtime and registers its links there.
    fn register(&self, share: Vec<(usize, Tap)>) -> Result<(tokio::runtime::Runtime, Vec<usize>)> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("making its runtime")?;
        let entered = runtime.enter();
        let mut numbers = Vec::with_capacity(share.len());
        for (number, tap) in share {
            let tap = host::register(tap).with_context(|| format!("registering link {number}"))?;
            self.links[number].set(tap).expect("each link is in one share");
            numbers.push(number);
        }
        drop(entered);
        Ok((runtime, numbers))
    }

    async fn tick(self: Arc<Self>) {
        let mut outbox = Outbox::default();
        loop {
            let now = self.now();
            let next = self.dataplane.tick(now, &mut outbox);
            self.send_out(&mut outbox, now);
            tokio::time::sleep(next.saturating_sub(now).max(Duration::from_millis(1))).await;
        }
    }

    /// Reads a link for ever.
    async fn drain(self: Arc<Self>, number: usize, scratch: Rc<RefCell<Scratch>>) {
        let tap = self.links[number].get().expect("registered before its worker starts");
        loop {
            let mut ready = match tap.readable().await {
                Ok(ready) => ready,
                Err(error) => return self.link_is_dead(number, &error),
            };
            let drained = self.drain_batch(number, tap.get_ref(), &mut scratch.borrow_mut());
            match drained {
                Ok(true) => ready.clear_ready(),
                Ok(false) => tokio::task::yield_now().await,
                Err(error) => return self.link_is_dead(number, &error),
            }
        }
    }

    /// A guest's root may delete its own interface; nothing comes from there any more.
    fn link_is_dead(&self, number: usize, error: &io::Error) {
        tracing::warn!(link = number, %error, "a link is gone; the lab goes on without it");
    }

    /// Carries up to [`BATCH`] frames; whether the link is empty now.
    fn drain_batch(&self, number: usize, tap: &Tap, scratch: &mut Scratch) -> io::Result<bool> {
        let now = self.now();
        for _ in 0..BATCH {
            match tap.read(&mut scratch.buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => self.carry(number, len, scratch, now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Decides one frame that was read, and sends what comes of it.
    #[inline]
    fn carry(&self, number: usize, len: usize, scratch: &mut Scratch, now: Duration) {
        let Scratch { buffer, outbox } = scratch;
        let header_len = self.header_len();
        let Some((header, frame)) = buffer.get_mut(..len).and_then(|read| read.split_at_mut_checked(header_len)) else {
            return;
        };
        let vnet: Option<[u8; VNET_HEADER_LEN]> = (&*header).try_into().ok();
        self.captures.offer(number, true, vnet.as_ref(), frame);
        match self.dataplane.handle(LinkIndex(number as u32), vnet.as_ref(), frame, now, outbox) {
            Verdict::Forward { link, vnet } => {
                self.captures.offer(link.at(), false, Some(&vnet), frame);
                if header_len != 0 {
                    header.copy_from_slice(&vnet);
                }
                self.write(link, &buffer[..len], now);
            }
            Verdict::Answer | Verdict::Kept | Verdict::Drop(_) => {}
        }
        // Also a drop may have something to tell its sender.
        if !outbox.is_empty() {
            self.send_out(outbox, now);
        }
    }

    /// Sends the frames that the dataplane made itself, and those that it kept back.
    fn send_out(&self, outbox: &mut Outbox, now: Duration) {
        for (link, frame) in outbox.frames.drain(..) {
            self.captures.offer(link.at(), false, None, &frame);
            if self.header_len() == 0 {
                self.write(link, &frame, now);
            } else {
                self.write(link, &[&PLAIN_HEADER[..], &frame].concat(), now);
            }
        }
        for (link, vnet, frame) in outbox.released.drain(..) {
            self.captures.offer(link.at(), false, Some(&vnet), &frame);
            if self.header_len() == 0 {
                self.write(link, &frame, now);
            } else {
                self.write(link, &[&vnet[..], &frame].concat(), now);
            }
        }
    }

    #[inline]
    fn write(&self, link: LinkIndex, bytes: &[u8], now: Duration) {
        let written = self.links.get(link.at()).and_then(OnceLock::get).map(|tap| tap.get_ref().write(bytes));
        if !matches!(written, Some(Ok(_))) {
            self.dataplane.note_undelivered(link, now);
        }
    }

    #[inline]
    fn header_len(&self) -> usize {
        match self.kind {
            LinkKind::Offload => VNET_HEADER_LEN,
            LinkKind::Plain => 0,
        }
    }
}

/// What a panic said.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.unwrap_or_else(|| "without a word".into()))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::net::Ipv4Addr;
    use std::path::Path;

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    use super::*;
    use crate::compile::compile;
    use crate::dataplane::verdict::DropReason;
    use crate::host::Offloads;
    use crate::packet::{Notation, Parsed, build, parse};
    use crate::template::{Files, LoadOptions, ReadError, load};

    const TEMPLATE: &str = "Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.1.0/24}}
  a: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.10, ImageId: ami-0}}
  b: {Type: AWS::EC2::Instance, Properties: {SubnetId: !Ref Subnet, PrivateIpAddress: 10.0.1.11, ImageId: ami-0}}
";

    struct OneFile;

    impl Files for OneFile {
        fn read(&self, path: &Path) -> Result<String, ReadError> {
            if path == Path::new("two.yaml") { Ok(TEMPLATE.into()) } else { Err(ReadError::NotFound) }
        }
    }

    /// A pump whose links are sockets that keep message boundaries: the kernel's side is the test's.
    struct Rig {
        dataplane: Arc<Dataplane>,
        far: Vec<File>,
        a: (usize, [u8; 6]),
        b: (usize, [u8; 6]),
        failed: mpsc::UnboundedReceiver<String>,
    }

    fn rig() -> Rig {
        let lab = load(&OneFile, Path::new("two.yaml"), &LoadOptions::default()).unwrap();
        let compiled = compile(&lab.world);
        let (mut taps, mut far) = (Vec::new(), Vec::new());
        for _ in &compiled.tables.links {
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap();
            taps.push(Tap::Offload { file: File::from(ours), offloads: Offloads::default() });
            far.push(File::from(theirs));
        }
        let guest = |name: &str| {
            let guest = compiled.guests.iter().find(|guest| guest.name() == name).unwrap();
            (guest.interfaces[0].link.at(), guest.interfaces[0].mac)
        };
        let (a, b) = (guest("a"), guest("b"));
        let captures = Arc::new(Captures::new(taps.len()));
        let dataplane = Arc::new(Dataplane::new(Arc::new(compiled.tables), [1, 2, 3, 4]));
        let (sender, failed) = mpsc::unbounded_channel();
        Pump::start(taps, LinkKind::Offload, Arc::clone(&dataplane), captures, &sender).unwrap();
        Rig { dataplane, far, a, b, failed }
    }

    impl Rig {
        fn send(&self, link: usize, frame: &[u8]) {
            (&self.far[link]).write_all(&[&PLAIN_HEADER[..], frame].concat()).unwrap();
        }

        fn receive(&self, link: usize) -> Vec<u8> {
            let mut buffer = vec![0; READ_BUFFER];
            let len = wait_for(|| (&self.far[link]).read(&mut buffer).ok());
            buffer[VNET_HEADER_LEN..len].to_vec()
        }

        fn counted(&self, reason: DropReason) -> u64 {
            self.dataplane.counters().into_iter().find(|(it, _)| *it == reason).map_or(0, |(_, count)| count)
        }
    }

    fn wait_for<T>(mut condition: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(value) = condition() {
                return value;
            }
            assert!(Instant::now() < end, "waited too long");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn ping(rig: &Rig) -> Vec<u8> {
        "a: 10.0.1.10 > 10.0.1.11 icmp echo-request id 7".parse::<Notation>().unwrap().frame(rig.a.1, rig.b.1)
    }

    #[test]
    fn frames_are_answered_carried_and_dropped() {
        let rig = rig();
        rig.send(rig.a.0, &build::arp_request(rig.a.1, Ipv4Addr::new(10, 0, 1, 10), Ipv4Addr::new(10, 0, 1, 11)));
        let Ok(Parsed::Arp(reply)) = parse(&rig.receive(rig.a.0)) else { panic!("ARP is answered on the same link") };
        assert_eq!((reply.operation, reply.sender_mac), (2, rig.b.1));

        let ping = ping(&rig);
        rig.send(rig.a.0, &ping);
        assert_eq!(rig.receive(rig.b.0), ping, "a neighbour gets the frame as it was");

        rig.send(rig.a.0, &ping[..20]);
        wait_for(|| (rig.counted(DropReason::MalformedFrame) == 1).then_some(()));
        (&rig.far[rig.a.0]).write_all(&[0; 5]).unwrap(); // shorter than an offload header: not a frame
        rig.send(rig.a.0, &ping);
        assert_eq!(rig.receive(rig.b.0), ping, "and the pump goes on");
    }

    #[test]
    fn a_guest_that_takes_nothing_loses_frames_and_holds_nobody_up() {
        let rig = rig();
        let ping = ping(&rig);
        wait_for(|| {
            // The near side of `b` fills up, as nobody reads it.
            let _ = (&rig.far[rig.a.0]).write(&[&PLAIN_HEADER[..], &ping].concat());
            (rig.counted(DropReason::LinkFull) > 0).then_some(())
        });
        let request = build::arp_request(rig.a.1, Ipv4Addr::new(10, 0, 1, 10), Ipv4Addr::new(10, 0, 1, 1));
        wait_for(|| (&rig.far[rig.a.0]).write(&[&PLAIN_HEADER[..], &request].concat()).ok());
        assert!(matches!(parse(&rig.receive(rig.a.0)), Ok(Parsed::Arp(_))), "the sender is still served");
        assert_eq!(rig.receive(rig.b.0), ping, "what it was given in time waits for it");
    }

    #[test]
    fn a_link_that_dies_takes_nobody_with_it() {
        let mut rig = rig();
        let ping = ping(&rig);
        drop(std::mem::replace(&mut rig.far[0], File::open("/dev/null").unwrap()));
        rig.send(rig.a.0, &ping);
        assert_eq!(rig.receive(rig.b.0), ping);
        assert!(rig.failed.try_recv().is_err(), "no worker ended");
    }

    #[test]
    fn what_a_panic_said_is_told() {
        let said = |panic: Box<dyn std::any::Any + Send>| panic_text(panic.as_ref());
        assert_eq!(said(catch_unwind(|| panic!("plain")).unwrap_err()), "panicked: plain");
        let number = 7;
        assert_eq!(said(catch_unwind(|| panic!("with {number}")).unwrap_err()), "panicked: with 7");
    }
}
