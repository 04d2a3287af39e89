//! `Fn::GetAtt`: what CloudFormation returns for an attribute of a resource.
//!
//! Attributes of things that a lab does not emulate (IPv6 blocks, creation times) are not answered.

use serde_json::{Value, json};

use super::*;

impl World {
    /// The attribute of the object with that id (or ARN, or bucket name: whatever `Ref` gave), as `Fn::GetAtt` returns it.
    /// `None` for an unknown object or an attribute that its type does not have.
    pub fn attribute(&self, object_id: &str, name: &str) -> Option<Value> {
        let text = |value: &str| Some(Value::from(value));
        if let Some(vpc) = self.vpcs.get(object_id) {
            return vpc_attribute(vpc, name);
        }
        if let Some(subnet) = self.subnets.get(object_id) {
            return self.subnet_attribute(subnet, name);
        }
        if let Some(instance) = self.instances.get(object_id) {
            return self.instance_attribute(instance, name);
        }
        if let Some(interface) = self.network_interfaces.get(object_id) {
            return interface_attribute(interface, name);
        }
        if let Some(endpoint) = self.vpc_endpoints.get(object_id) {
            return endpoint_attribute(endpoint, name);
        }
        if let Some(group) = self.security_groups.get(object_id) {
            return match name {
                "GroupId" | "Id" => text(&group.group_id),
                "VpcId" => text(&group.vpc_id),
                _ => None,
            };
        }
        if let Some(list) = self.prefix_lists.values().find(|list| list.prefix_list_id == object_id) {
            return match name {
                "PrefixListId" => text(&list.prefix_list_id),
                "OwnerId" => text(&list.meta.account),
                "Arn" => text(&list.arn()),
                "Version" => list.max_entries.map(|_| json!(1)),
                _ => None,
            };
        }
        if let Some(zone) = self.hosted_zones.get(object_id) {
            return match name {
                "Id" => text(&zone.hosted_zone_id),
                "NameServers" => Some(json!(zone.name_servers)),
                _ => None,
            };
        }
        if let Some(value) = self.iam_attribute(object_id, name) {
            return Some(value);
        }
        let made = self.provider_attribute(object_id, name).or_else(|| self.gateway_attribute(object_id, name));
        made.or_else(|| match name {
            "RouteTableId" => self.route_tables.get(object_id).map(|table| json!(table.route_table_id)),
            "InternetGatewayId" => {
                self.internet_gateways.get(object_id).map(|gateway| json!(gateway.internet_gateway_id))
            }
            // AWS::EC2::SubnetRouteTableAssociation has one attribute: its own id.
            "Id" if object_id.starts_with("rtbassoc-") => text(object_id),
            _ => None,
        })
    }

    /// Roles, instance profiles, users, groups, managed policies, access keys.
    fn iam_attribute(&self, object_id: &str, name: &str) -> Option<Value> {
        if let Some(role) = self.roles.get(object_id) {
            return match name {
                "Arn" => Some(json!(role.arn)),
                "RoleId" => Some(json!(role.role_id)),
                _ => None,
            };
        }
        if let Some(policy) = self.managed_policies.get(object_id) {
            return match name {
                "PolicyArn" => Some(json!(policy.arn)),
                "PolicyId" => Some(json!(policy.policy_id)),
                "AttachmentCount" => Some(json!(self.attachments_of(&policy.arn))),
                "DefaultVersionId" => Some(json!("v1")),
                "IsAttachable" => Some(json!(true)),
                _ => None,
            };
        }
        let has_arn = self.instance_profiles.contains_key(object_id)
            || self.users.contains_key(object_id)
            || self.groups.contains_key(object_id);
        match name {
            "Arn" if has_arn => Some(json!(object_id)),
            "SecretAccessKey" => self.access_keys.get(object_id).map(|key| json!(key.secret_access_key)),
            _ => None,
        }
    }

    /// Network ACLs, public addresses, gateways, peerings, VPN, flow logs.
    fn gateway_attribute(&self, object_id: &str, name: &str) -> Option<Value> {
        let has = |is_there: bool| is_there.then(|| json!(object_id));
        match name {
            "AllocationId" => has(self.addresses.contains_key(object_id)),
            "PublicIp" => self.addresses.get(object_id).map(|address| json!(address.public_ip)),
            "NatGatewayId" => has(self.nat_gateways.contains_key(object_id)),
            "EniId" => {
                let gateway = self.nat_gateways.get(object_id)?;
                gateway.addresses.first().map(|address| json!(address.network_interface_id))
            }
            "VPNGatewayId" => has(self.vpn_gateways.contains_key(object_id)),
            "CustomerGatewayId" => has(self.customer_gateways.contains_key(object_id)),
            "VpnConnectionId" => has(self.vpn_connections.contains_key(object_id)),
            "Id" => has(self.network_acls.contains_key(object_id)
                || self.vpc_peering_connections.contains_key(object_id)
                || self.flow_logs.contains_key(object_id)),
            _ => None,
        }
    }

    /// Load balancers, target groups, listeners, endpoint services, buckets, tables, resolver endpoints.
    fn provider_attribute(&self, object_id: &str, name: &str) -> Option<Value> {
        if let Some(balancer) = self.load_balancers.get(object_id) {
            return balancer_attribute(balancer, name);
        }
        if let Some(group) = self.target_groups.get(object_id) {
            return self.target_group_attribute(group, name);
        }
        if let Some(bucket) = self.buckets.get(object_id) {
            return bucket_attribute(bucket, name);
        }
        if let Some(table) = self.tables.get(object_id) {
            return match name {
                "Arn" => Some(json!(table.table_arn)),
                "StreamArn" => table.latest_stream_arn().map(Value::from),
                _ => None,
            };
        }
        if let Some(endpoint) = self.resolver_endpoints.get(object_id) {
            return match name {
                "Arn" => Some(json!(endpoint.arn())),
                "Direction" => Some(json!("INBOUND")),
                "HostVPCId" => Some(json!(endpoint.host_vpc_id)),
                "IpAddressCount" => Some(json!(endpoint.ip_addresses.len().to_string())),
                "Name" => Some(json!(endpoint.name)),
                "ResolverEndpointId" => Some(json!(endpoint.resolver_endpoint_id)),
                _ => None,
            };
        }
        match name {
            "ListenerArn" => self.listeners.get(object_id).map(|listener| json!(listener.listener_arn)),
            "ServiceId" => self.vpc_endpoint_services.get(object_id).map(|service| json!(service.service_id)),
            _ => None,
        }
    }

    fn subnet_attribute(&self, subnet: &Subnet, name: &str) -> Option<Value> {
        Some(match name {
            "SubnetId" => json!(subnet.subnet_id),
            "VpcId" => json!(subnet.vpc_id),
            "CidrBlock" => json!(subnet.cidr_block),
            "AvailabilityZone" => json!(subnet.availability_zone),
            "AvailabilityZoneId" => json!(subnet.availability_zone_id),
            "NetworkAclAssociationId" => {
                json!(self.network_acl_of(&subnet.subnet_id)?.association_with(&subnet.subnet_id)?.association_id)
            }
            "Ipv6CidrBlocks" => json!([]),
            _ => return None,
        })
    }

    fn instance_attribute(&self, instance: &Instance, name: &str) -> Option<Value> {
        let primary = self.network_interfaces.get(instance.network_interface_ids.first()?)?;
        Some(match name {
            "InstanceId" => json!(instance.instance_id),
            "PrivateIp" => json!(primary.private_ip_address()),
            "PrivateDnsName" => json!(instance.private_dns_name),
            "PublicIp" => json!(self.public_ip_of(primary)?),
            "PublicDnsName" => json!(self.public_dns_name_of(primary)),
            "AvailabilityZone" => json!(self.subnets.get(&primary.subnet_id)?.availability_zone),
            "VpcId" => json!(primary.vpc_id),
            "State.Name" => json!("running"),
            "State.Code" => json!("16"),
            _ => return None,
        })
    }

    /// The public name of an interface's primary address: empty without a public address or without `enableDnsHostnames`.
    pub fn public_dns_name_of(&self, interface: &NetworkInterface) -> String {
        self.public_ip_of(interface).map(|public_ip| self.public_dns_name(interface, public_ip)).unwrap_or_default()
    }

    /// The name of one public address of an interface: empty without `enableDnsHostnames`.
    pub fn public_dns_name(&self, interface: &NetworkInterface, public_ip: std::net::Ipv4Addr) -> String {
        let has_names = self.vpcs.get(&interface.vpc_id).is_some_and(|vpc| vpc.enable_dns_hostnames);
        if has_names { address::public_dns_name(&interface.meta.region, public_ip) } else { String::new() }
    }

    fn target_group_attribute(&self, group: &TargetGroup, name: &str) -> Option<Value> {
        Some(match name {
            "TargetGroupArn" => json!(group.target_group_arn),
            "TargetGroupName" => json!(group.target_group_name),
            "TargetGroupFullName" => json!(after_colons(&group.target_group_arn)),
            "LoadBalancerArns" => json!(self.load_balancers_of(&group.target_group_arn)),
            _ => return None,
        })
    }

    /// ARNs of the load balancers whose listeners forward to a target group.
    pub fn load_balancers_of(&self, target_group_arn: &str) -> Vec<&str> {
        let mut arns: Vec<&str> = self
            .listeners
            .values()
            .filter(|listener| listener.target_group_arns.iter().any(|arn| arn == target_group_arn))
            .map(|listener| listener.load_balancer_arn.as_str())
            .collect();
        arns.sort_unstable();
        arns.dedup();
        arns
    }
}

fn vpc_attribute(vpc: &Vpc, name: &str) -> Option<Value> {
    Some(match name {
        "VpcId" => json!(vpc.vpc_id),
        "CidrBlock" => json!(vpc.cidr_blocks[0]),
        "CidrBlockAssociations" => {
            vpc.cidr_blocks.iter().map(|block| Vpc::cidr_association_id(&vpc.vpc_id, *block)).collect()
        }
        "DefaultSecurityGroup" => json!(vpc.default_security_group_id),
        "DefaultNetworkAcl" => json!(vpc.default_network_acl_id),
        "Ipv6CidrBlocks" => json!([]),
        _ => return None,
    })
}

fn interface_attribute(interface: &NetworkInterface, name: &str) -> Option<Value> {
    Some(match name {
        "Id" => json!(interface.network_interface_id),
        "VpcId" => json!(interface.vpc_id),
        "PrimaryPrivateIpAddress" => json!(interface.private_ip_address()),
        "SecondaryPrivateIpAddresses" => json!(interface.private_ip_addresses[1..]),
        _ => return None,
    })
}

fn endpoint_attribute(endpoint: &VpcEndpoint, name: &str) -> Option<Value> {
    Some(match name {
        "Id" => json!(endpoint.vpc_endpoint_id),
        // `HOSTEDZONE:NAME`, which templates take apart with Fn::Split and Fn::Select.
        "DnsEntries" => endpoint
            .dns_entries
            .iter()
            .map(|entry| Value::from(format!("{}:{}", entry.hosted_zone_id, entry.dns_name)))
            .collect(),
        "NetworkInterfaceIds" => json!(endpoint.network_interface_ids),
        _ => return None,
    })
}

fn balancer_attribute(balancer: &LoadBalancer, name: &str) -> Option<Value> {
    Some(match name {
        "LoadBalancerArn" => json!(balancer.load_balancer_arn),
        "LoadBalancerName" => json!(balancer.load_balancer_name),
        "LoadBalancerFullName" => {
            json!(after_colons(&balancer.load_balancer_arn).strip_prefix("loadbalancer/")?)
        }
        "DNSName" => json!(balancer.dns_name),
        "CanonicalHostedZoneID" => json!(balancer.canonical_hosted_zone_id()),
        "SecurityGroups" => json!(balancer.security_groups),
        _ => return None,
    })
}

fn bucket_attribute(bucket: &Bucket, name: &str) -> Option<Value> {
    let (region, suffix) = (&bucket.meta.region, region::dns_suffix(&bucket.meta.region));
    let bucket_name = &bucket.bucket;
    Some(match name {
        "Arn" => json!(bucket.arn()),
        "DomainName" => json!(format!("{bucket_name}.s3.{suffix}")),
        "RegionalDomainName" => json!(format!("{bucket_name}.s3.{region}.{suffix}")),
        "DualStackDomainName" => json!(format!("{bucket_name}.s3.dualstack.{region}.{suffix}")),
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteEndpoints.html: the older Regions have a dash.
        "WebsiteURL" => {
            let dashed = matches!(
                region.as_str(),
                "us-east-1"
                    | "us-west-1"
                    | "us-west-2"
                    | "eu-west-1"
                    | "ap-southeast-1"
                    | "ap-southeast-2"
                    | "ap-northeast-1"
                    | "sa-east-1"
                    | "us-gov-west-1"
            );
            let separator = if dashed { '-' } else { '.' };
            json!(format!("http://{bucket_name}.s3-website{separator}{region}.{suffix}"))
        }
        _ => return None,
    })
}

/// The resource part of an ARN.
fn after_colons(arn: &str) -> &str {
    arn.splitn(6, ':').nth(5).unwrap_or_default()
}
