//! Instances and network interfaces. Images, disks and keys are not emulated: a guest is a network namespace.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use base64::Engine;

use super::super::deploy::Maker;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{Change, ConnectionTracking, CreateNetworkInterface, MetadataOptions, RunInstance};

/// One entry of an instance's `NetworkInterfaces`.
struct Interface {
    device_index: u32,
    existing: Option<String>,
    subnet_id: Option<String>,
    addresses: Addresses,
    groups: Vec<String>,
    associate_public_ip_address: Option<bool>,
    description: String,
}

/// Primary and secondary private addresses.
#[derive(Default)]
struct Addresses {
    primary: Option<Ipv4Addr>,
    secondary: Vec<Ipv4Addr>,
}

/// `PrivateIpAddress` and `PrivateIpAddresses`.
fn addresses(properties: &mut Properties) -> Addresses {
    let mut addresses = Addresses { primary: properties.address("PrivateIpAddress"), secondary: Vec::new() };
    let listed = properties.objects("PrivateIpAddresses", |entry| {
        (entry.address("PrivateIpAddress"), entry.boolean("Primary").unwrap_or(false))
    });
    for (address, is_primary) in listed {
        match address {
            Some(address) if is_primary => addresses.primary = Some(address),
            Some(address) => addresses.secondary.push(address),
            None => {}
        }
    }
    addresses
}

pub(super) fn instance(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let mut interfaces = properties.objects("NetworkInterfaces", interface);
    interfaces.sort_by_key(|interface| interface.device_index);
    let mut run = RunInstance {
        subnet_id: properties.decisive_text("SubnetId"),
        private_ip_address: properties.address("PrivateIpAddress"),
        security_group_ids: properties.texts("SecurityGroupIds"),
        source_dest_check: properties.boolean("SourceDestCheck"),
        user_data: user_data(&mut properties),
        iam_instance_profile: properties.text("IamInstanceProfile"),
        metadata_options: metadata_options(&mut properties),
        instance_type: properties.text("InstanceType"),
        image_id: properties.text("ImageId"),
        ..RunInstance::default()
    };
    if interfaces.is_empty() && !properties.has("SubnetId") {
        let help = "add `SubnetId`: a lab has no default VPC";
        properties.error("", format!("{} needs the property `SubnetId`", maker.resource.title()), Some(help));
    }
    for name in ["SubnetId", "SecurityGroupIds", "PrivateIpAddress"] {
        if !interfaces.is_empty() && properties.has(name) {
            let message = format!(
                "InvalidParameterCombination: Network interfaces and an instance-level {name} may not be specified on the same request"
            );
            properties.error(name, message, Some("write it in `NetworkInterfaces`"));
        }
    }
    // The subnet decides the zone.
    properties.text("AvailabilityZone");
    maker.finish(properties)?;
    attach(maker, &mut run, interfaces)?;
    let id = maker.apply(tags, Change::RunInstance(run))?;
    Ok(Made { reference: id.clone(), object: Some(id), ..Made::default() })
}

fn interface(entry: &mut Properties) -> Interface {
    if !entry.has("NetworkInterfaceId") && !entry.has("SubnetId") {
        entry.required_text("SubnetId");
    }
    // Nothing outlives a lab.
    entry.boolean("DeleteOnTermination");
    Interface {
        device_index: entry.required_integer("DeviceIndex"),
        existing: entry.decisive_text("NetworkInterfaceId"),
        subnet_id: entry.decisive_text("SubnetId"),
        addresses: addresses(entry),
        groups: entry.texts("GroupSet"),
        associate_public_ip_address: entry.boolean("AssociatePublicIpAddress"),
        description: entry.text("Description").unwrap_or_default(),
    }
}

/// One inline interface is RunInstances' own; several, existing ones and secondary addresses are made before.
fn attach(maker: &mut Maker<'_>, run: &mut RunInstance, interfaces: Vec<Interface>) -> Result<(), Stop> {
    run.associate_public_ip_address = interfaces.first().and_then(|interface| interface.associate_public_ip_address);
    if let [only] = interfaces.as_slice()
        && only.existing.is_none()
        && only.addresses.secondary.is_empty()
    {
        run.subnet_id.clone_from(&only.subnet_id);
        run.private_ip_address = only.addresses.primary;
        run.security_group_ids.clone_from(&only.groups);
        return Ok(());
    }
    for interface in interfaces {
        if let Some(id) = interface.existing {
            run.network_interface_ids.push(id);
            continue;
        }
        let logical_id = format!("{}-eth{}", maker.resource.logical_id.text, interface.device_index);
        let change = Change::CreateNetworkInterface(CreateNetworkInterface {
            subnet_id: interface.subnet_id.unwrap_or_default(),
            private_ip_address: interface.addresses.primary,
            secondary_private_ip_addresses: interface.addresses.secondary,
            groups: interface.groups,
            source_dest_check: run.source_dest_check.unwrap_or(true),
            connection_tracking: ConnectionTracking::default(),
            description: interface.description,
        });
        let id = maker.apply_as(logical_id, BTreeMap::new(), change)?;
        run.network_interface_ids.push(id);
    }
    Ok(())
}

/// `MetadataOptions`; what is not said is as the API has it.
fn metadata_options(properties: &mut Properties) -> MetadataOptions {
    let options = properties.object("MetadataOptions", |options| {
        let default = MetadataOptions::default();
        options.known("HttpProtocolIpv6");
        MetadataOptions {
            enabled: switch(options, "HttpEndpoint", "disabled", "enabled").unwrap_or(default.enabled),
            tokens_required: switch(options, "HttpTokens", "optional", "required").unwrap_or(default.tokens_required),
            hop_limit: options.integer("HttpPutResponseHopLimit").unwrap_or(default.hop_limit),
            tags: switch(options, "InstanceMetadataTags", "disabled", "enabled").unwrap_or(default.tags),
        }
    });
    options.unwrap_or_default()
}

/// One of two words.
fn switch(properties: &mut Properties, name: &str, off: &str, on: &str) -> Option<bool> {
    let word = properties.text(name)?;
    if word != on && word != off {
        properties.error(name, format!("`{name}` can't be `{word}`"), Some(&format!("write {on} or {off}")));
    }
    Some(word == on)
}

/// `UserData` is base64 as the API takes it.
fn user_data(properties: &mut Properties) -> Option<String> {
    let text = properties.text("UserData")?;
    let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    match base64::engine::general_purpose::STANDARD.decode(packed).map(String::from_utf8) {
        Ok(Ok(script)) => Some(script),
        Ok(Err(_)) => {
            properties.ignored("UserData", "a UserData that is not text");
            None
        }
        Err(_) => {
            properties.error(
                "UserData",
                "`UserData` is not base64",
                Some("write `UserData: !Base64 |` and the script below it"),
            );
            None
        }
    }
}

pub(super) fn network_interface(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let addresses = addresses(&mut properties);
    let tracking = properties.object("ConnectionTrackingSpecification", |tracking| ConnectionTracking {
        tcp_established_timeout: tracking.integer("TcpEstablishedTimeout"),
        udp_timeout: tracking.integer("UdpTimeout"),
        udp_stream_timeout: tracking.integer("UdpStreamTimeout"),
    });
    let change = Change::CreateNetworkInterface(CreateNetworkInterface {
        subnet_id: properties.required_text("SubnetId"),
        private_ip_address: addresses.primary,
        secondary_private_ip_addresses: addresses.secondary,
        groups: properties.texts("GroupSet"),
        source_dest_check: properties.boolean("SourceDestCheck").unwrap_or(true),
        connection_tracking: tracking.unwrap_or_default(),
        description: properties.text("Description").unwrap_or_default(),
    });
    maker.make(properties, tags, change)
}

pub(super) fn attachment(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let change = Change::AttachNetworkInterface {
        network_interface_id: properties.required_text("NetworkInterfaceId"),
        instance_id: properties.required_text("InstanceId"),
        device_index: properties.required_integer("DeviceIndex"),
    };
    properties.boolean("DeleteOnTermination");
    maker.finish(properties)?;
    let id = maker.apply(Default::default(), change)?;
    Ok(Made { attributes: [("AttachmentId", id.clone())].into(), reference: id, object: None })
}
