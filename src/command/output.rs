//! How results look: aligned tables on a terminal, the same as plain text in a pipe, and progress on a terminal only.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result};
use indicatif::ProgressBar;

use crate::model::access::AccessReport;
use crate::run::protocol::{DropLine, FlowLogSummary, ResolverEndpointSummary, Summary};

/// Prints to stdout, and fails instead of panicking when the reader is gone.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("writing the result")
}

/// One JSON document on stdout.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&(serde_json::to_string_pretty(value).context("writing JSON")? + "\n"))
}

/// Rows under headings, columns as wide as their widest entry; indented by two.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    for row in rows {
        for (width, entry) in widths.iter_mut().zip(row) {
            *width = (*width).max(entry.chars().count());
        }
    }
    let mut text = String::new();
    let mut line = |entries: &mut dyn Iterator<Item = &str>| {
        let mut row = String::from("  ");
        for (entry, width) in entries.zip(&widths) {
            let _ = write!(row, "{entry:<width$}  ");
        }
        text.push_str(row.trim_end());
        text.push('\n');
    };
    line(&mut headings.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    text
}

/// What stands, as `up` prints it.
pub fn summary(summary: &Summary) -> String {
    let mut text = format!("lab {} is up\n", summary.lab);
    let guests: Vec<Vec<String>> = summary
        .guests
        .iter()
        .map(|guest| {
            let addresses: Vec<String> = guest.private_ip_addresses.iter().map(ToString::to_string).collect();
            vec![
                guest.guest.clone(),
                addresses.join(","),
                format!("{} {}", guest.subnet, guest.subnet_cidr),
                guest.vpc.clone(),
                guest.account.clone(),
                guest.instance_id.clone(),
            ]
        })
        .collect();
    if !guests.is_empty() {
        text.push('\n');
        text.push_str(&table(&["GUEST", "PRIVATE IP", "SUBNET", "VPC", "ACCOUNT", "INSTANCE"], &guests));
    }
    let endpoints: Vec<Vec<String>> = summary
        .endpoints
        .iter()
        .map(|endpoint| {
            vec![
                endpoint.name.clone(),
                endpoint.vpc_endpoint_type.clone(),
                endpoint.service_name.clone(),
                endpoint.state.clone(),
                endpoint.vpc_endpoint_id.clone(),
            ]
        })
        .collect();
    if !endpoints.is_empty() {
        text.push('\n');
        text.push_str(&table(&["ENDPOINT", "TYPE", "SERVICE", "STATE", "ID"], &endpoints));
        for endpoint in &summary.endpoints {
            for name in &endpoint.dns_names {
                let _ = writeln!(text, "  {}: {name}", endpoint.name);
            }
        }
    }
    if !summary.resolver_endpoints.is_empty() {
        let row = |endpoint: &ResolverEndpointSummary| {
            let addresses: Vec<String> = endpoint.ip_addresses.iter().map(ToString::to_string).collect();
            let (name, id) = (endpoint.name.clone(), endpoint.resolver_endpoint_id.clone());
            vec![name, addresses.join(","), endpoint.host_vpc.clone(), id]
        };
        text.push('\n');
        let rows: Vec<Vec<String>> = summary.resolver_endpoints.iter().map(row).collect();
        text.push_str(&table(&["RESOLVER ENDPOINT", "ASK AT", "VPC", "ID"], &rows));
    }
    if !summary.flow_logs.is_empty() {
        let row =
            |log: &FlowLogSummary| vec![log.name.clone(), log.flow_log_id.clone(), log.log_file.display().to_string()];
        text.push('\n');
        let rows: Vec<Vec<String>> = summary.flow_logs.iter().map(row).collect();
        text.push_str(&table(&["FLOW LOG", "ID", "FILE"], &rows));
    }
    let _ = writeln!(text, "\n  metrics: {}", summary.metrics);
    if !summary.notices.is_empty() {
        text.push('\n');
        for notice in &summary.notices {
            let _ = writeln!(text, "  note: {notice}");
        }
    }
    text
}

/// A drop as `drops` and `exec` print it: flow, reason, object, file:line.
pub fn drop_line(drop: &DropLine) -> String {
    let packet = if drop.packet.is_empty() { format!("{}: a frame", drop.guest) } else { drop.packet.clone() };
    let object = if drop.object.is_empty() { String::new() } else { format!("  by {}", drop.object) };
    let source = drop.source.as_ref().map(|source| format!(" at {source}")).unwrap_or_default();
    let count = if drop.count > 1 { format!("  ({} times)", drop.count) } else { String::new() };
    format!("{packet}  {}{object}{source}{count}\n", drop.reason)
}

/// What a drop's reason means.
pub fn drop_reason(drop: &DropLine) -> String {
    format!("{}: {}\n", drop.reason, drop.sentence)
}

/// A decision of policies: who did what, and which statement said so, or which came nearest.
pub fn decision(report: &AccessReport) -> String {
    let mut text = format!("{} on {} by {}: {}", report.action, report.resource, report.principal, report.sentence);
    if let Some(nearest) = &report.nearest
        && !report.sentence.contains("nearest")
    {
        let place = report.nearest_place.as_ref().map(|place| format!("  [{place}]")).unwrap_or_default();
        let _ = write!(text, "; nearest is {nearest}{place}");
    }
    text
}

/// Steps of a start: one changing line on a terminal, one line per step elsewhere, always on stderr.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    last: String,
}

impl Progress {
    /// Nothing is shown before the first step.
    pub fn new() -> Self {
        // No steady tick: it would be a thread, and `run` forks into a guest, which needs a process with one.
        let bar = io::stderr().is_terminal().then(ProgressBar::new_spinner);
        Self { bar, last: String::new() }
    }

    /// A step, and how far it is.
    pub fn step(&mut self, step: &str, done: usize, total: usize) {
        match &self.bar {
            Some(bar) if total > 1 => bar.set_message(format!("{step} ({done} of {total})")),
            Some(bar) => bar.set_message(step.to_owned()),
            None if self.last != step => eprintln!("{step} …"),
            None => {}
        }
        if let Some(bar) = &self.bar {
            bar.tick();
        }
        self.last = step.into();
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_entry() {
        let rows = vec![vec!["app".into(), "10.0.1.10".into()], vec!["provider".into(), "-".into()]];
        assert_eq!(table(&["GUEST", "IP"], &rows), "  GUEST     IP\n  app       10.0.1.10\n  provider  -\n");
    }
}
