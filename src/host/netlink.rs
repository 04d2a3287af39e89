//! Addresses, routes and neighbours of a namespace, by rtnetlink.
//!
//! A [`Plan`] says what shall stand; [`configure`] asks the kernel for it in one go, on a small runtime of the calling
//! thread, whose namespace it is. Nothing is read back or watched: the namespaces are ours alone.

use std::net::Ipv4Addr;

use anyhow::Context;
use futures::TryStreamExt;
use ipnet::Ipv4Net;
use rtnetlink::packet_route::neighbour::NeighbourState;
use rtnetlink::packet_route::route::{RouteScope, RouteType};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, RouteMessageBuilder};

use super::namespace::{InterfaceSpec, ServiceSpec};

/// The kernel's table of addresses that are its own (`RT_TABLE_LOCAL`).
const LOCAL_TABLE: u32 = 255;

/// What shall stand in a namespace.
pub(super) struct Plan {
    links: Vec<Link>,
    local_prefixes: Vec<Ipv4Net>,
    /// A neighbour that never answers ARP, known from the start.
    neighbour: Option<(Ipv4Addr, [u8; 6])>,
}

struct Link {
    name: String,
    mac: [u8; 6],
    mtu: u32,
    addresses: Vec<(Ipv4Addr, u8)>,
    gateway: Option<Ipv4Addr>,
}

impl Plan {
    /// A guest's interfaces.
    pub fn guest(interfaces: &[InterfaceSpec]) -> Plan {
        let links = interfaces.iter().map(|interface| Link {
            name: interface.name.clone(),
            mac: interface.mac,
            mtu: interface.mtu,
            addresses: interface.addresses.clone(),
            gateway: interface.gateway,
        });
        Plan { links: links.collect(), local_prefixes: Vec::new(), neighbour: None }
    }

    /// A service's one interface, its prefixes, and the way back.
    pub fn service(spec: &ServiceSpec, router: Ipv4Addr, router_mac: [u8; 6]) -> Plan {
        Plan {
            links: vec![Link {
                name: "eth0".to_owned(),
                mac: spec.mac,
                mtu: spec.mtu,
                addresses: spec.addresses.iter().map(|address| (*address, 32)).collect(),
                gateway: Some(router),
            }],
            local_prefixes: spec.local_prefixes.clone(),
            neighbour: Some((router, router_mac)),
        }
    }
}

/// Makes the calling thread's network namespace as `plan` says.
pub(super) fn configure(plan: Plan) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().context("starting a runtime for netlink")?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection().context("opening a netlink socket")?;
        // Ends with the runtime; an error of it fails the requests below.
        tokio::spawn(connection);
        apply(&handle, plan).await
    })
}

async fn apply(handle: &Handle, plan: Plan) -> anyhow::Result<()> {
    let loopback = index(handle, "lo").await?;
    handle.link().set(LinkUnspec::new_with_index(loopback).up().build()).execute().await.context("setting `lo` up")?;
    for link in plan.links {
        let interface = index(handle, &link.name).await?;
        bring_up(handle, interface, &link).await.with_context(|| format!("configuring `{}`", link.name))?;
        if let Some((address, mac)) = plan.neighbour {
            handle
                .neighbours()
                .add(interface, address.into())
                .link_layer_address(&mac)
                .state(NeighbourState::Permanent)
                .execute()
                .await
                .with_context(|| format!("adding the neighbour {address}"))?;
        }
    }
    for prefix in plan.local_prefixes {
        // `ip route add local PREFIX dev lo`: the whole prefix is this machine's own.
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(prefix.network(), prefix.prefix_len())
            .output_interface(loopback)
            .kind(RouteType::Local)
            .scope(RouteScope::Host)
            .table_id(LOCAL_TABLE)
            .build();
        handle.route().add(route).replace().execute().await.with_context(|| format!("making {prefix} local"))?;
    }
    Ok(())
}

async fn bring_up(handle: &Handle, interface: u32, link: &Link) -> anyhow::Result<()> {
    let message =
        LinkMessageBuilder::<LinkUnspec>::new().index(interface).address(link.mac.to_vec()).mtu(link.mtu).up().build();
    handle
        .link()
        .set(message)
        .execute()
        .await
        .with_context(|| format!("MAC {:02x?}, MTU {}, up", link.mac, link.mtu))?;
    for (address, prefix_len) in &link.addresses {
        handle
            .address()
            .add(interface, (*address).into(), *prefix_len)
            .execute()
            .await
            .with_context(|| format!("address {address}/{prefix_len}"))?;
    }
    if let Some(gateway) = link.gateway {
        let mut route = RouteMessageBuilder::<Ipv4Addr>::new().gateway(gateway).output_interface(interface);
        let on_subnet = |(address, prefix_len): &(Ipv4Addr, u8)| {
            Ipv4Net::new(*address, *prefix_len).is_ok_and(|subnet| subnet.contains(&gateway))
        };
        if !link.addresses.iter().any(on_subnet) {
            route = route.onlink();
        }
        handle.route().add(route.build()).execute().await.with_context(|| format!("default route by {gateway}"))?;
    }
    Ok(())
}

async fn index(handle: &Handle, name: &str) -> anyhow::Result<u32> {
    let link = handle
        .link()
        .get()
        .match_name(name.to_owned())
        .execute()
        .try_next()
        .await
        .with_context(|| format!("looking `{name}` up"))?
        .with_context(|| format!("no interface `{name}`"))?;
    Ok(link.header.index)
}
