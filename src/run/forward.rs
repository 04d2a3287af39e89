//! The pump: carries frames from link to link as the dataplane says.
//!
//! **Purpose.** The one loop that a lab's speed depends on: read a frame, decide, write it. Everything else in this room
//! may be slow.
//!
//! **Identity.** One worker per core (at most one per link), each a thread with its own current-thread runtime. A link is
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
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = cores.clamp(1, taps.len().max(1));
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
            Verdict::Answer => self.send_out(outbox, now),
            Verdict::Drop(_) => {}
        }
    }

    /// Sends the frames that the dataplane made itself.
    fn send_out(&self, outbox: &mut Outbox, now: Duration) {
        for (link, frame) in outbox.frames.drain(..) {
            self.captures.offer(link.at(), false, None, &frame);
            if self.header_len() == 0 {
                self.write(link, &frame, now);
            } else {
                self.write(link, &[&PLAIN_HEADER[..], &frame].concat(), now);
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
