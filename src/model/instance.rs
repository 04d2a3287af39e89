//! `AWS::EC2::Instance`.

use std::collections::BTreeMap;

use super::world::Meta;
use super::*;

/// An instance; it runs as a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// `i-…`.
    pub instance_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Interfaces by device index; the first is primary.
    pub network_interface_ids: Vec<String>,
    /// First-boot script, decoded.
    pub user_data: Option<String>,
    /// ARN of its instance profile.
    pub iam_instance_profile: Option<String>,
    /// How its metadata can be read.
    pub metadata_options: MetadataOptions,
    /// Shown only.
    pub instance_type: String,
    /// Shown only.
    pub image_id: String,
    /// `ip-10-0-1-10.ec2.internal` (us-east-1) or `ip-10-0-1-10.REGION.compute.internal`.
    pub private_dns_name: String,
}

/// How an instance's metadata can be read: EC2's InstanceMetadataOptions.
///
/// The defaults are the API's own. On AWS an image or the account's settings can say otherwise; a lab has neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataOptions {
    /// `HttpEndpoint`: the service answers at all.
    pub enabled: bool,
    /// `HttpTokens: required`: only with a session token (IMDSv2).
    pub tokens_required: bool,
    /// `HttpPutResponseHopLimit`: IP hops that a token's answer survives, 1 to 64.
    pub hop_limit: u8,
    /// `InstanceMetadataTags`: the instance's tags can be read.
    pub tags: bool,
}

impl Default for MetadataOptions {
    fn default() -> Self {
        Self { enabled: true, tokens_required: false, hop_limit: 1, tags: false }
    }
}

impl MetadataOptions {
    fn check(self) -> Result<(), Refusal> {
        if (1..=64).contains(&self.hop_limit) {
            return Ok(());
        }
        let message = format!("Value ({}) for parameter HttpPutResponseHopLimit is invalid.", self.hop_limit);
        Err(Refusal::new("InvalidParameterValue", message).help("it is a number from 1 to 64"))
    }

    /// Keys become names in the metadata's tree, so what a path can't hold is refused where tags are told.
    fn check_tags(self, tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
        let fits = |key: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+=,.@:".contains(&byte);
            (1..=255).contains(&key.len()) && key.bytes().all(allowed) && ![".", "..", "_index"].contains(&key)
        };
        match tags.keys().find(|key| self.tags && !fits(key)) {
            None => Ok(()),
            Some(key) => Err(Refusal::new(
                "InvalidParameterValue",
                format!(
                    "'{key}' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\-_+=,.@:]{{1,255}}), and must \
                     not be a reserved name ('.', '..', '_index')"
                ),
            )
            .help("leave InstanceMetadataTags disabled, or give the tag another key")),
        }
    }
}

impl World {
    pub(super) fn run_instance(&mut self, request: &Request, members: &RunInstance) -> Result<ObjectId, Refusal> {
        members.metadata_options.check()?;
        members.metadata_options.check_tags(&request.tags)?;
        let profile = members.iam_instance_profile.as_deref();
        let profile = profile.map(|wanted| self.instance_profile_for(request, wanted)).transpose()?;
        let iam_instance_profile = profile.map(|profile| profile.arn.clone());
        let instance_id = id::for_request(request, "i", |id| self.instances.contains_key(id));
        // Interfaces as they will be, device index in order; nothing is written before all of them are known.
        let interfaces = if members.network_interface_ids.is_empty() {
            vec![self.new_primary_interface(request, members, &instance_id)?]
        } else {
            self.given_interfaces(request, members, &instance_id)?
        };
        let primary = &interfaces[0];
        let instance = Instance {
            instance_id: instance_id.clone(),
            meta: request.meta(),
            network_interface_ids: interfaces.iter().map(|each| each.network_interface_id.clone()).collect(),
            user_data: members.user_data.clone(),
            iam_instance_profile,
            metadata_options: members.metadata_options,
            instance_type: members.instance_type.clone().unwrap_or_else(|| "t3.micro".to_owned()),
            image_id: members.image_id.clone().unwrap_or_default(),
            private_dns_name: address::private_dns_name(&request.region, primary.private_ip_address()),
        };
        for interface in interfaces {
            self.network_interfaces.insert(interface.network_interface_id.clone(), interface);
        }
        self.instances.insert(instance_id.clone(), instance);
        Ok(instance_id)
    }

    fn new_primary_interface(
        &self,
        request: &Request,
        members: &RunInstance,
        instance_id: &str,
    ) -> Result<NetworkInterface, Refusal> {
        let Some(subnet_id) = &members.subnet_id else {
            return Err(Refusal::new("VPCIdNotSpecified", "No default VPC for this user")
                .help("a lab has no default VPC: name a SubnetId or network interfaces"));
        };
        let subnet = self.own_subnet(subnet_id, request)?;
        let groups = self.interface_groups(request, subnet, &members.security_group_ids)?;
        let address = self.subnet_addresses(subnet).take(members.private_ip_address)?;
        let wants_public = members.associate_public_ip_address.unwrap_or(subnet.map_public_ip_on_launch);
        let public_ip = if wants_public { self.free_public_addresses(1)?.pop() } else { None };
        let network_interface_id = id::derived("eni", &[instance_id, "0"]);
        Ok(NetworkInterface {
            source_dest_check: members.source_dest_check.unwrap_or(true),
            attachment: Some(Attachment::to_instance(&network_interface_id, instance_id, 0)),
            public_ip,
            ..NetworkInterface::new(network_interface_id, request.meta_of_dependent(), subnet, vec![address], groups)
        })
    }

    /// The named interfaces, attached to the instance in their order.
    fn given_interfaces(
        &self,
        request: &Request,
        members: &RunInstance,
        instance_id: &str,
    ) -> Result<Vec<NetworkInterface>, Refusal> {
        members.check_no_instance_level_network()?;
        let mut interfaces: Vec<NetworkInterface> = Vec::with_capacity(members.network_interface_ids.len());
        for (device_index, id) in (0u32..).zip(&members.network_interface_ids) {
            let interface = self.own_network_interface(id, request)?;
            interface.check_free_for_customer()?;
            if interfaces.iter().any(|other| other.network_interface_id == *id) {
                return Err(Refusal::new("InvalidNetworkInterface.InUse", format!("Interface: [{id}] in use.")));
            }
            let zone = |interface: &NetworkInterface| &self.subnets[&interface.subnet_id].availability_zone;
            if interfaces.first().is_some_and(|primary| zone(primary) != zone(interface)) {
                return Err(Refusal::new(
                    "InvalidParameterCombination",
                    "You may not attach a network interface to an instance if they are not in the same availability zone",
                ));
            }
            let mut attached = interface.clone();
            attached.attachment = Some(Attachment::to_instance(id, instance_id, device_index));
            if let (0, Some(check)) = (device_index, members.source_dest_check) {
                attached.source_dest_check = check;
            }
            interfaces.push(attached);
        }
        Ok(interfaces)
    }
}

impl RunInstance {
    /// Named interfaces bring their subnet, groups and addresses.
    fn check_no_instance_level_network(&self) -> Result<(), Refusal> {
        let refuse = |what: &str| {
            Err(Refusal::new(
                "InvalidParameterCombination",
                format!("Network interfaces and an instance-level {what} may not be specified on the same request"),
            ))
        };
        if self.subnet_id.is_some() {
            return refuse("subnet ID");
        }
        if !self.security_group_ids.is_empty() {
            return refuse("security groups");
        }
        if self.private_ip_address.is_some() {
            return refuse("private address");
        }
        if self.associate_public_ip_address == Some(true) {
            return Err(Refusal::new(
                "InvalidParameterCombination",
                "The associatePublicIPAddress parameter cannot be specified when launching with an existing network interface",
            ));
        }
        Ok(())
    }
}
