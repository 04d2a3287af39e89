//! `vpclab compare`: one URL fetched by several guests, side by side: by which way, as whom, how fast, at what price.
//!
//! Each guest fetches with its own `curl`, in turn, several times; way, source address and bytes are the lab's own records of
//! those very connections. Rounds alternate between the guests, so that a machine that is busy for a moment is so for both.
//!
//! Not here: what AWS charges besides a NAT gateway's bytes (hours, requests), and a measurement of the machine: figures of
//! two ways mean something beside each other only.

use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use super::output;
use crate::expect::Destination;
use crate::run::BadInput;
use crate::run::client::Client;
use crate::run::protocol::{Answer, FlowLine, Request, TraceReport};
use crate::run::state::{self, Folder};

/// Fetch a URL from several guests and show their ways side by side: hops, source address, times, bytes and price.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vpclab up examples/nat-vs-endpoint.yaml --seed Bucket=examples/files
  vpclab compare natted direct -- https://compare-123456789012.s3.us-east-1.amazonaws.com/hello.txt
  vpclab compare natted direct --rounds 20 --nat-price 0.052 -- URL

The price is what a NAT gateway's bytes cost, in dollars per GB; without
--nat-price it is us-east-1's 0.045. SOURCE SEEN is whom the service saw.")]
pub struct Arguments {
    /// Who fetches.
    #[arg(required = true)]
    guests: Vec<String>,
    /// What: an http or https URL.
    #[arg(last = true, required = true)]
    url: String,
    /// How often each guest fetches.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Dollars for a GB through a NAT gateway.
    #[arg(long, default_value_t = 0.045)]
    nat_price: f64,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

/// What one guest's fetches came to.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Column {
    guest: String,
    /// The objects that lead on, in order.
    way: Vec<String>,
    hops: usize,
    source_seen: String,
    connect_ms: f64,
    megabits_per_second: f64,
    bytes_fetched: u64,
    nat_gateway_bytes: u64,
    nat_gateway_dollars_per_tb: f64,
}

/// What curl says of one fetch.
#[derive(Clone, Copy, Debug)]
struct Fetch {
    bytes: u64,
    seconds: f64,
    connect_seconds: f64,
    local_port: u16,
}

/// Runs the verb.
pub fn run(arguments: Arguments, name: Option<&str>) -> Result<u8> {
    let folder = state::choose(name)?;
    let columns = measure(&folder, &arguments.guests, &arguments.url, arguments.rounds, arguments.nat_price)?;
    if arguments.json {
        output::print_json(&columns)?;
    } else {
        output::print(&text(&columns, arguments.nat_price))?;
    }
    Ok(0)
}

fn measure(folder: &Folder, guests: &[String], url: &str, rounds: u32, price: f64) -> Result<Vec<Column>> {
    let destination = Destination::parse(url).map_err(BadInput)?;
    if !url.starts_with("http") {
        return Err(BadInput(format!("`{url}` is no http or https URL")).into());
    }
    let mut fetches: Vec<Vec<Fetch>> = guests.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (guest, fetched) in guests.iter().zip(&mut fetches) {
            fetched.push(fetch(folder, guest, url)?);
        }
    }
    let mut columns = Vec::new();
    for (guest, fetched) in guests.iter().zip(fetches) {
        let Destination { host, port } = destination.clone();
        let request =
            Request::Trace { guest: guest.clone(), host, port, protocol: "tcp".into(), from: None, call: None };
        let Answer::Trace(report) = Client::connect(folder)?.call(&request)? else {
            bail!("the lab did not answer with a path");
        };
        columns.push(column(guest, &report, &flows(folder, guest)?, &fetched, price));
    }
    Ok(columns)
}

/// What curl is asked to tell, in this order.
const TOLD: &str = "%{size_download} %{time_total} %{time_connect} %{time_namelookup} %{local_port}";

fn fetch(folder: &Folder, guest: &str, url: &str) -> Result<Fetch> {
    let program = std::env::current_exe().context("finding vpclab's own program file")?;
    let curl = ["curl", "-sS", "--fail", "--max-time", "60", "-o", "/dev/null", "-w", TOLD, url];
    let output = Command::new(program)
        .args(["--name", folder.name(), "exec", guest, "--"])
        .args(curl)
        .output()
        .context("starting curl in a guest")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("`{guest}` could not fetch {url}: {}", complaint.trim());
    }
    let told = String::from_utf8_lossy(&output.stdout);
    read(&told).with_context(|| format!("curl told `{told}`"))
}

fn read(told: &str) -> Option<Fetch> {
    let mut words = told.split_whitespace();
    let bytes = words.next()?.parse().ok()?;
    let mut seconds = || words.next()?.parse::<f64>().ok();
    let (total, connect, name) = (seconds()?, seconds()?, seconds()?);
    let local_port = words.next()?.parse().ok()?;
    Some(Fetch { bytes, seconds: total - connect, connect_seconds: connect - name, local_port })
}

fn flows(folder: &Folder, guest: &str) -> Result<Vec<FlowLine>> {
    let mut client = Client::connect(folder)?;
    client.send(&Request::Flows { guest: Some(guest.to_owned()), among: None })?;
    let mut flows = Vec::new();
    loop {
        match client.expect()? {
            Answer::Flow(flow) => flows.push(flow),
            Answer::End => return Ok(flows),
            other => bail!("the lab answered {other:?} instead of a flow"),
        }
    }
}

fn column(guest: &str, report: &TraceReport, flows: &[FlowLine], fetched: &[Fetch], price: f64) -> Column {
    let leads_on = |kind: &str| kind.contains("gateway") || kind.contains("endpoint") || kind.contains("balancer");
    let way: Vec<String> = report.hops.iter().map(|hop| hop.kind.clone()).filter(|kind| leads_on(kind)).collect();
    // The lab's records of these very connections, by the port that each left from.
    let of_fetch = |flow: &&FlowLine| {
        flow.header.protocol == 6 && fetched.iter().any(|fetch| fetch.local_port == flow.header.source_port)
    };
    let own: Vec<&FlowLine> = flows.iter().filter(of_fetch).collect();
    let fetched_bytes: u64 = fetched.iter().map(|fetch| fetch.bytes).sum();
    let carried: u64 = own.iter().map(|flow| flow.bytes).sum();
    let through_nat = way.iter().any(|kind| kind == "NAT gateway");
    let nat_gateway_bytes = if through_nat { carried } else { 0 };
    // Overhead included: a terabyte of objects is more than a terabyte on the wire.
    let overhead = carried as f64 / fetched_bytes.max(1) as f64;
    Column {
        guest: guest.to_owned(),
        hops: report.hops.len(),
        source_seen: own.first().map_or_else(|| "-".to_owned(), |flow| flow.answers.destination.to_string()),
        connect_ms: 1000.0 * median(fetched.iter().map(|fetch| fetch.connect_seconds)),
        megabits_per_second: median(fetched.iter().map(|fetch| fetch.bytes as f64 * 8e-6 / fetch.seconds.max(1e-6))),
        bytes_fetched: fetched_bytes,
        nat_gateway_bytes,
        nat_gateway_dollars_per_tb: if through_nat { price * 1000.0 * overhead.max(1.0) } else { 0.0 },
        way,
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        len if len % 2 == 1 => sorted[len / 2],
        len => (sorted[len / 2 - 1] + sorted[len / 2]) / 2.0,
    }
}

fn text(columns: &[Column], price: f64) -> String {
    let row = |title: &str, value: &dyn Fn(&Column) -> String| {
        std::iter::once(title.to_owned()).chain(columns.iter().map(value)).collect::<Vec<String>>()
    };
    let rows = [
        row("way", &|it| it.way.join(", ")),
        row("hops", &|it| it.hops.to_string()),
        row("source seen", &|it| it.source_seen.clone()),
        row("connect, median", &|it| format!("{:.2} ms", it.connect_ms)),
        row("throughput, median", &|it| format!("{:.0} Mbit/s", it.megabits_per_second)),
        row("fetched", &|it| format!("{} bytes", it.bytes_fetched)),
        row("through NAT gateway", &|it| format!("{} bytes", it.nat_gateway_bytes)),
        row(&format!("a TB at ${price}/GB"), &|it| format!("${:.2}", it.nat_gateway_dollars_per_tb)),
    ];
    let headings: Vec<&str> = std::iter::once("").chain(columns.iter().map(|it| it.guest.as_str())).collect();
    output::table(&headings, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curls_words_are_read_in_their_order() {
        let fetch = read("1000 0.5 0.2 0.1 40000").unwrap();
        assert_eq!((fetch.bytes, fetch.local_port), (1000, 40000));
        assert!((fetch.seconds - 0.3).abs() < 1e-9 && (fetch.connect_seconds - 0.1).abs() < 1e-9);
        assert!(read("1000 0.5 0.2 0.1").is_none());
        assert!(read("").is_none());
    }

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert_eq!(median(std::iter::empty()), 0.0);
    }
}
