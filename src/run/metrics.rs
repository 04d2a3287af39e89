//! Counters for Prometheus, on this machine's loopback: CloudWatch's PrivateLink metrics (B8.3), and drops by reason.
//!
//! **Purpose.** `GET /metrics` says what `status` says of endpoints, in a form that is gathered by whoever watches. Names follow
//! CloudWatch's: `AWS/PrivateLinkEndpoints` BytesProcessed by `VPC Endpoint Id` is
//! `vpclab_privatelink_endpoint_bytes_processed_total{vpc_endpoint_id="…"}`.
//!
//! **Identity.** One row for each network interface of an interface endpoint; the provider's rows are those of endpoints that
//! lead to a balancer. Labels are ids of the lab's objects and reasons from a closed list.
//!
//! **Time.** Read when somebody asks, not by the minute. A request has [`PATIENCE`] for its header.
//!
//! **Limits.** [`CONNECTIONS`] at once; more wait. Rows of endpoints that are gone are gone, too.
//!
//! **Not done.** Percentiles and the sums over other dimensions: whoever gathers can add. Gateway endpoints have no metrics at AWS.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::lab::Lab;
use crate::dataplane::{DropReason, EndpointCounts, InterfaceIndex, Tables};
use crate::model::{VpcEndpointType, World};
use crate::services::Shutdown;

/// Connections that are served at once.
const CONNECTIONS: usize = 16;
/// Time for a request's header.
const PATIENCE: Duration = Duration::from_secs(5);

/// An endpoint's network interface with its names and counts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    vpc_endpoint_id: String,
    vpc_id: String,
    subnet_id: String,
    service_name: String,
    /// Of a service of the lab: its id, the balancer, the zone.
    provider: Option<[String; 3]>,
    counts: EndpointCounts,
}

/// A metric: its name behind the prefix, CloudWatch's name, its type, and its value.
type Metric = (&'static str, &'static str, &'static str, fn(&EndpointCounts) -> u64);

const OF_ENDPOINTS: [Metric; 5] = [
    ("active_connections", "ActiveConnections", "gauge", |it| it.active_connections),
    ("bytes_processed_total", "BytesProcessed", "counter", |it| it.bytes_processed),
    ("new_connections_total", "NewConnections", "counter", |it| it.new_connections),
    ("packets_dropped_total", "PacketsDropped", "counter", |it| it.packets_dropped),
    ("rst_packets_received_total", "RstPacketsReceived", "counter", |it| it.resets),
];

/// What the service's side sends is what the endpoint receives.
const OF_SERVICES: [Metric; 4] = [
    ("active_connections", "ActiveConnections", "gauge", |it| it.active_connections),
    ("bytes_processed_total", "BytesProcessed", "counter", |it| it.bytes_processed),
    ("new_connections_total", "NewConnections", "counter", |it| it.new_connections),
    ("rst_packets_sent_total", "RstPacketsSent", "counter", |it| it.resets),
];

/// All interface endpoints' interfaces, those that carried nothing among them.
fn rows(world: &World, tables: &Tables, counts: &[EndpointCounts]) -> Vec<Row> {
    let id = |index: InterfaceIndex| tables.interfaces.get(index.at()).map(|it| tables.object(it.object).id.as_str());
    let by_id: HashMap<&str, &EndpointCounts> =
        counts.iter().filter_map(|counts| Some((id(counts.interface)?, counts))).collect();
    let mut rows = Vec::new();
    for endpoint in world.vpc_endpoints.values().filter(|it| it.vpc_endpoint_type == VpcEndpointType::Interface) {
        for interface_id in &endpoint.network_interface_ids {
            let Some(interface) = world.network_interfaces.get(interface_id) else { continue };
            let counts = by_id.get(interface_id.as_str()).copied().copied().unwrap_or(NOTHING);
            rows.push(Row {
                vpc_endpoint_id: endpoint.vpc_endpoint_id.clone(),
                vpc_id: endpoint.vpc_id.clone(),
                subnet_id: interface.subnet_id.clone(),
                service_name: endpoint.service_name.clone(),
                provider: provider(world, &endpoint.service_name, &interface.subnet_id),
                counts,
            });
        }
    }
    rows
}

const NOTHING: EndpointCounts = EndpointCounts {
    interface: InterfaceIndex(u32::MAX),
    active_connections: 0,
    bytes_processed: 0,
    new_connections: 0,
    packets_dropped: 0,
    resets: 0,
};

/// The lab's service of that name, its balancer with a node in the subnet's zone, and that zone as the provider names it.
fn provider(world: &World, service_name: &str, subnet_id: &str) -> Option<[String; 3]> {
    let service = world.vpc_endpoint_services.values().find(|service| service.service_name == service_name)?;
    let zone = &world.subnets.get(subnet_id)?.availability_zone_id;
    let mut nodes = service.network_load_balancer_arns.iter().flat_map(|arn| {
        let nodes = world.load_balancers.get(arn).map(|balancer| balancer.nodes.as_slice()).unwrap_or_default();
        nodes.iter().map(move |node| (arn, node))
    });
    nodes.find_map(|(arn, node)| {
        let subnet = world.subnets.get(&node.subnet_id).filter(|subnet| subnet.availability_zone_id == *zone)?;
        Some([service.service_id.clone(), arn.clone(), subnet.availability_zone.clone()])
    })
}

/// Prometheus' text format, version 0.0.4.
fn text(world: &World, rows: &[Row], drops: &[(DropReason, u64)], flows: usize) -> String {
    let mut text = String::new();
    for (name, cloudwatch, kind, value) in OF_ENDPOINTS {
        let name = format!("vpclab_privatelink_endpoint_{name}");
        head(&mut text, &name, kind, &format!("AWS/PrivateLinkEndpoints {cloudwatch}"));
        for row in rows {
            let labels = [
                ("endpoint_type", "Interface"),
                ("service_name", row.service_name.as_str()),
                ("subnet_id", &row.subnet_id),
                ("vpc_endpoint_id", &row.vpc_endpoint_id),
                ("vpc_id", &row.vpc_id),
            ];
            sample(&mut text, &name, &labels, value(&row.counts));
        }
    }
    for (name, cloudwatch, kind, value) in OF_SERVICES {
        let name = format!("vpclab_privatelink_service_{name}");
        head(&mut text, &name, kind, &format!("AWS/PrivateLinkServices {cloudwatch}"));
        for (row, [service_id, arn, zone]) in rows.iter().filter_map(|row| Some((row, row.provider.as_ref()?))) {
            let labels = [
                ("az", zone.as_str()),
                ("load_balancer_arn", arn),
                ("service_id", service_id),
                ("vpc_endpoint_id", &row.vpc_endpoint_id),
            ];
            sample(&mut text, &name, &labels, value(&row.counts));
        }
    }
    let name = "vpclab_privatelink_service_endpoints";
    head(&mut text, name, "gauge", "AWS/PrivateLinkServices EndpointsCount");
    for (service_id, endpoints) in endpoints_of_services(world) {
        sample(&mut text, name, &[("service_id", service_id)], endpoints);
    }
    head(&mut text, "vpclab_drops_total", "counter", "Frames that the lab dropped, by reason");
    for (reason, count) in drops {
        sample(&mut text, "vpclab_drops_total", &[("reason", reason.code())], *count);
    }
    head(&mut text, "vpclab_flows", "gauge", "Flows that stand");
    sample(&mut text, "vpclab_flows", &[], flows as u64);
    text
}

/// How many endpoints lead to each service, whatever their state.
fn endpoints_of_services(world: &World) -> BTreeMap<&str, u64> {
    let of = |name: &str| world.vpc_endpoints.values().filter(|endpoint| endpoint.service_name == name).count() as u64;
    let services = world.vpc_endpoint_services.values();
    services.map(|service| (service.service_id.as_str(), of(&service.service_name))).collect()
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}");
}

/// One line. Labels are ids and names of AWS's form, which need no escaping; what would is replaced.
fn sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: u64) {
    let plain = |value: &str| value.replace(['"', '\\', '\n'], "_");
    let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", plain(value))).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let _ = writeln!(text, "{name}{labels} {value}");
}

/// The URL of a lab's metrics.
pub fn url(lab: &Lab) -> String {
    format!("http://{}/metrics", lab.metrics)
}

/// Adds to `status` where the metrics are, and what they say of endpoints, with CloudWatch's names.
pub fn complete_status(status: &mut Value, lab: &Lab) {
    status["Metrics"] = json!(url(lab));
    let rows = rows(&lab.world.load(), &lab.dataplane.tables(), &lab.dataplane.endpoint_counts());
    let shape = |row: &Row| {
        let mut shape = json!({
            "VpcEndpointId": row.vpc_endpoint_id,
            "SubnetId": row.subnet_id,
            "ServiceName": row.service_name,
        });
        for (_, cloudwatch, _, value) in OF_ENDPOINTS {
            shape[cloudwatch] = json!(value(&row.counts));
        }
        shape
    };
    status["EndpointMetrics"] = rows.iter().map(shape).collect();
}

/// Serves until the lab ends.
pub async fn serve(socket: std::net::TcpListener, lab: Arc<Lab>, mut shutdown: Shutdown) -> Result<()> {
    socket.set_nonblocking(true).context("the metrics' socket")?;
    let listener = tokio::net::TcpListener::from_std(socket).context("the metrics' socket")?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.context("the metrics' places")?;
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.changed() => return Ok(()),
        };
        let Ok((stream, _)) = accepted else {
            // No descriptor is free: the next one may be.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let lab = Arc::clone(&lab);
        tokio::spawn(async move {
            let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&lab, &request))));
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!("a reader of metrics: {error}");
            }
            drop(place);
        });
    }
}

fn answer(lab: &Lab, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => {
            let (world, dataplane) = (lab.world.load(), &lab.dataplane);
            let rows = rows(&world, &dataplane.tables(), &dataplane.endpoint_counts());
            (StatusCode::OK, text(&world, &rows, &dataplane.counters(), dataplane.standing()))
        }
        (&Method::GET | &Method::HEAD, _) => (StatusCode::NOT_FOUND, "metrics are at /metrics\n".to_owned()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "metrics are read by GET\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(provider: Option<[String; 3]>) -> Row {
        let counts = EndpointCounts {
            interface: InterfaceIndex(7),
            active_connections: 1,
            bytes_processed: 2000,
            new_connections: 3,
            packets_dropped: 4,
            resets: 5,
        };
        Row {
            vpc_endpoint_id: "vpce-1".into(),
            vpc_id: "vpc-1".into(),
            subnet_id: "subnet-1".into(),
            service_name: "com.amazonaws.vpce.us-east-1.vpce-svc-1".into(),
            provider,
            counts,
        }
    }

    #[test]
    fn metrics_have_cloudwatchs_names_and_dimensions() {
        let provider = ["vpce-svc-1", "arn:x", "us-east-1a"].map(str::to_owned);
        let drops = [(DropReason::NoRoute, 9)];
        let text = text(&World::default(), &[row(Some(provider))], &drops, 6);
        let endpoint = "{endpoint_type=\"Interface\",service_name=\"com.amazonaws.vpce.us-east-1.vpce-svc-1\",subnet_id=\"subnet-1\",vpc_endpoint_id=\"vpce-1\",vpc_id=\"vpc-1\"}";
        let service =
            "{az=\"us-east-1a\",load_balancer_arn=\"arn:x\",service_id=\"vpce-svc-1\",vpc_endpoint_id=\"vpce-1\"}";
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let expected = [
            format!("vpclab_privatelink_endpoint_active_connections{endpoint} 1"),
            format!("vpclab_privatelink_endpoint_bytes_processed_total{endpoint} 2000"),
            format!("vpclab_privatelink_endpoint_new_connections_total{endpoint} 3"),
            format!("vpclab_privatelink_endpoint_packets_dropped_total{endpoint} 4"),
            format!("vpclab_privatelink_endpoint_rst_packets_received_total{endpoint} 5"),
            format!("vpclab_privatelink_service_active_connections{service} 1"),
            format!("vpclab_privatelink_service_bytes_processed_total{service} 2000"),
            format!("vpclab_privatelink_service_new_connections_total{service} 3"),
            format!("vpclab_privatelink_service_rst_packets_sent_total{service} 5"),
            "vpclab_drops_total{reason=\"NO_ROUTE_TO_DESTINATION\"} 9".to_owned(),
            "vpclab_flows 6".to_owned(),
        ];
        assert_eq!(samples, expected);
        // Each name is described once, before its samples.
        let described = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
        assert_eq!(described, OF_ENDPOINTS.len() + OF_SERVICES.len() + 3, "{text}");
    }

    #[test]
    fn an_aws_service_has_no_providers_rows() {
        let text = text(&World::default(), &[row(None)], &[], 0);
        assert!(!text.lines().any(|line| line.starts_with("vpclab_privatelink_service_")), "{text}");
    }
}
