//! Operations that change the world: from a form to changes, and from what became of them to the answer.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::form::{self, Form, shown};
use super::listings::{self, Listing, allowed_principal};
use super::operations::Operation;
use super::{Api, Asker, dry_run, of_model, refused};
use crate::model::{
    self, Change, CreateConnectionNotification, CreateVpcEndpoint, ModifyVpcEndpoint,
    ModifyVpcEndpointServiceConfiguration, ObjectId, PolicyDocument,
};
use crate::services::failure::Failure;

/// Most tags of an object.
const MOST_TAGS: usize = 50;

/// What an operation asks of the world.
pub enum Plan {
    /// Makes an object, once for each client token; the answer's member and the listing that has the row.
    Make(Change, BTreeMap<String, String>, &'static str, &'static Listing),
    /// Does one thing; more members of the answer.
    Do(Change, Value),
    /// Does something to each of several objects: what can't be done is said in the answer, the rest is done.
    Each(Vec<(String, Change)>),
}

impl Api {
    /// Does what was planned, or only tries where `DryRun` is set.
    pub(super) fn change(
        &self,
        operation: &'static Operation,
        asker: &Asker,
        form: &Form,
        plan: Plan,
    ) -> Result<Value, Failure> {
        let dry = form.boolean("DryRun")? == Some(true);
        let ask = |tags: BTreeMap<String, String>, change: Change| {
            let request = model::Request {
                account: asker.account.clone(),
                region: asker.region.clone(),
                principal: asker.principal.clone(),
                stack: None,
                logical_id: None,
                source: None,
                tags,
                change,
            };
            // A trial takes place in a world of its own.
            if dry { model::World::clone(&self.lab.world()).apply(request) } else { self.lab.change(request) }
        };
        let answer = match plan {
            Plan::Make(change, tags, member, listing) => {
                let make = || ask(tags, change).map_err(|refusal| of_model(&refusal));
                if dry {
                    return make().and(Err(dry_run()));
                }
                let id: ObjectId = self.tokens.once(operation.name, asker, form, make)?;
                let mut answer = json!({ member: listings::row(listing, &self.lab.world(), asker, &id)? });
                if let Some(token) = form.text("ClientToken") {
                    answer["ClientToken"] = token.into();
                }
                answer
            }
            Plan::Do(change, answer) => ask(BTreeMap::new(), change).map(|_| answer).map_err(|it| of_model(&it))?,
            Plan::Each(changes) => {
                let mut unsuccessful = Vec::new();
                for (id, change) in changes {
                    match ask(BTreeMap::new(), change) {
                        Ok(_) => {}
                        // Without the service there is nothing that any of them could be done to.
                        Err(refusal) if form.text("ServiceId").is_some() && refusal.code.contains("ServiceId") => {
                            return Err(of_model(&refusal));
                        }
                        Err(refusal) if refusal.code == "InternalError" => return Err(of_model(&refusal)),
                        Err(refusal) => {
                            let error = json!({ "Code": refusal.code, "Message": shown(&refusal.message) });
                            unsuccessful.push(json!({ "Error": error, "ResourceId": shown(&id) }));
                        }
                    }
                }
                json!({ "Unsuccessful": unsuccessful })
            }
        };
        if dry { Err(dry_run()) } else { Ok(answer) }
    }
}

pub fn create_endpoint(form: &Form) -> Result<Plan, Failure> {
    ipv4_only(form)?;
    let members = CreateVpcEndpoint {
        vpc_endpoint_type: form.text("VpcEndpointType").map(str::to_owned),
        vpc_id: form.need("VpcId")?,
        service_name: form.need("ServiceName")?,
        policy_document: policy(form)?,
        route_table_ids: form.list("RouteTableId")?,
        subnet_ids: form.list("SubnetId")?,
        security_group_ids: form.list("SecurityGroupId")?,
        private_dns_enabled: form.boolean("PrivateDnsEnabled")?,
        private_dns_only_for_inbound_resolver_endpoint: only_for_inbound_resolver(form)?,
    };
    let tags = tags(form, "vpc-endpoint")?;
    Ok(Plan::Make(Change::CreateVpcEndpoint(members), tags, "VpcEndpoint", &listings::VPC_ENDPOINTS))
}

pub fn modify_endpoint(form: &Form) -> Result<Plan, Failure> {
    ipv4_only(form)?;
    let members = ModifyVpcEndpoint {
        vpc_endpoint_id: form.need("VpcEndpointId")?,
        policy_document: policy(form)?,
        reset_policy: form.boolean("ResetPolicy")? == Some(true),
        add_route_table_ids: form.list("AddRouteTableId")?,
        remove_route_table_ids: form.list("RemoveRouteTableId")?,
        add_subnet_ids: form.list("AddSubnetId")?,
        remove_subnet_ids: form.list("RemoveSubnetId")?,
        add_security_group_ids: form.list("AddSecurityGroupId")?,
        remove_security_group_ids: form.list("RemoveSecurityGroupId")?,
        private_dns_enabled: form.boolean("PrivateDnsEnabled")?,
        private_dns_only_for_inbound_resolver_endpoint: only_for_inbound_resolver(form)?,
    };
    Ok(Plan::Do(Change::ModifyVpcEndpoint(members), json!({ "Return": true })))
}

pub fn delete_endpoints(form: &Form) -> Result<Plan, Failure> {
    each(form, "VpcEndpointId", |id| Change::DeleteVpcEndpoints { vpc_endpoint_ids: vec![id] })
}

pub fn create_service(form: &Form) -> Result<Plan, Failure> {
    if let Some(other) = form.list("SupportedIpAddressType")?.iter().find(|kind| *kind != "ipv4") {
        return Err(form::invalid("SupportedIpAddressType", other, "vpclab emulates ipv4"));
    }
    let change = Change::CreateVpcEndpointServiceConfiguration {
        network_load_balancer_arns: form.list("NetworkLoadBalancerArn")?,
        // Endpoints wait for the provider unless it says otherwise (B4).
        acceptance_required: form.boolean("AcceptanceRequired")?.unwrap_or(true),
        private_dns_name: form.text("PrivateDnsName").map(str::to_owned),
    };
    let tags = tags(form, "vpc-endpoint-service")?;
    Ok(Plan::Make(change, tags, "ServiceConfiguration", &listings::SERVICE_CONFIGURATIONS))
}

pub fn modify_service(form: &Form) -> Result<Plan, Failure> {
    let members = ModifyVpcEndpointServiceConfiguration {
        service_id: form.need("ServiceId")?,
        add_network_load_balancer_arns: form.list("AddNetworkLoadBalancerArn")?,
        remove_network_load_balancer_arns: form.list("RemoveNetworkLoadBalancerArn")?,
        acceptance_required: form.boolean("AcceptanceRequired")?,
        private_dns_name: form.text("PrivateDnsName").map(str::to_owned),
        remove_private_dns_name: form.boolean("RemovePrivateDnsName")? == Some(true),
    };
    Ok(Plan::Do(Change::ModifyVpcEndpointServiceConfiguration(members), json!({ "Return": true })))
}

pub fn delete_services(form: &Form) -> Result<Plan, Failure> {
    let ids = form.need_list("ServiceId")?;
    let change = |id: String| (id.clone(), Change::DeleteVpcEndpointServiceConfigurations { service_ids: vec![id] });
    Ok(Plan::Each(ids.into_iter().map(change).collect()))
}

pub fn modify_permissions(form: &Form) -> Result<Plan, Failure> {
    let service_id = form.need("ServiceId")?;
    let add_allowed_principals = form.list("AddAllowedPrincipals")?;
    let added: Value = add_allowed_principals.iter().map(|it| allowed_principal(&service_id, it)).collect();
    let change = Change::ModifyVpcEndpointServicePermissions {
        service_id,
        add_allowed_principals,
        remove_allowed_principals: form.list("RemoveAllowedPrincipals")?,
    };
    Ok(Plan::Do(change, json!({ "AddedPrincipals": added, "ReturnValue": true })))
}

pub fn accept(form: &Form) -> Result<Plan, Failure> {
    let service_id = form.need("ServiceId")?;
    each(form, "VpcEndpointId", |id| Change::AcceptVpcEndpointConnections {
        service_id: service_id.clone(),
        vpc_endpoint_ids: vec![id],
    })
}

pub fn reject(form: &Form) -> Result<Plan, Failure> {
    let service_id = form.need("ServiceId")?;
    each(form, "VpcEndpointId", |id| Change::RejectVpcEndpointConnections {
        service_id: service_id.clone(),
        vpc_endpoint_ids: vec![id],
    })
}

pub fn create_notification(form: &Form) -> Result<Plan, Failure> {
    let members = CreateConnectionNotification {
        service_id: form.text("ServiceId").map(str::to_owned),
        vpc_endpoint_id: form.text("VpcEndpointId").map(str::to_owned),
        connection_notification_arn: form.need("ConnectionNotificationArn")?,
        connection_events: form.need_list("ConnectionEvents")?,
    };
    let change = Change::CreateVpcEndpointConnectionNotification(members);
    Ok(Plan::Make(change, BTreeMap::new(), "ConnectionNotification", &listings::NOTIFICATIONS))
}

pub fn modify_notification(form: &Form) -> Result<Plan, Failure> {
    let change = Change::ModifyVpcEndpointConnectionNotification {
        connection_notification_id: form.need("ConnectionNotificationId")?,
        connection_notification_arn: form.text("ConnectionNotificationArn").map(str::to_owned),
        connection_events: form.list("ConnectionEvents")?,
    };
    Ok(Plan::Do(change, json!({ "ReturnValue": true })))
}

pub fn delete_notifications(form: &Form) -> Result<Plan, Failure> {
    each(form, "ConnectionNotificationId", |id| Change::DeleteVpcEndpointConnectionNotifications {
        connection_notification_ids: vec![id],
    })
}

pub fn verify(form: &Form) -> Result<Plan, Failure> {
    let service_id = form.need("ServiceId")?;
    Ok(Plan::Do(Change::StartVpcEndpointServicePrivateDnsVerification { service_id }, json!({ "ReturnValue": true })))
}

fn each(form: &Form, parameter: &str, change: impl Fn(String) -> Change) -> Result<Plan, Failure> {
    let ids = form.need_list(parameter)?;
    Ok(Plan::Each(ids.into_iter().map(|id| (id.clone(), change(id))).collect()))
}

fn policy(form: &Form) -> Result<Option<PolicyDocument>, Failure> {
    let Some(text) = form.text("PolicyDocument") else { return Ok(None) };
    let value: Value = serde_json::from_str(text)
        .map_err(|error| refused(400, "InvalidPolicyDocument", format!("The policy is not valid JSON: {error}")))?;
    Ok(Some(value.into()))
}

fn ipv4_only(form: &Form) -> Result<(), Failure> {
    for parameter in ["IpAddressType", "DnsOptions.DnsRecordIpType"] {
        if let Some(other) = form.text(parameter).filter(|kind| !matches!(*kind, "ipv4" | "service-defined")) {
            return Err(form::invalid(parameter, other, "vpclab emulates ipv4"));
        }
    }
    Ok(())
}

fn only_for_inbound_resolver(form: &Form) -> Result<Option<bool>, Failure> {
    form.boolean("DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint")
}

/// `TagSpecification.N.ResourceType` and `TagSpecification.N.Tag.M.Key`, `…Value`.
fn tags(form: &Form, resource_type: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut tags = BTreeMap::new();
    for number in form.numbers("TagSpecification")? {
        let name = format!("TagSpecification.{number}");
        let kind = form.need(&format!("{name}.ResourceType"))?;
        if kind != resource_type {
            let why = format!("Only {resource_type} is made here");
            return Err(form::invalid(&format!("{name}.ResourceType"), &kind, &why));
        }
        for tag in form.numbers(&format!("{name}.Tag"))? {
            let key = form.need(&format!("{name}.Tag.{tag}.Key"))?;
            let value = form.text(&format!("{name}.Tag.{tag}.Value")).unwrap_or_default().to_owned();
            let shape = (key.chars().count(), value.chars().count());
            if key.starts_with("aws:") || shape.0 > 128 || shape.1 > 256 {
                let message = "Tag keys have at most 128 characters and do not begin with aws:, values at most 256";
                return Err(refused(400, "InvalidParameterValue", message));
            }
            if tags.insert(key.clone(), value).is_some() {
                return Err(refused(400, "InvalidParameterValue", format!("Duplicate tag key '{}'", shown(&key))));
            }
        }
    }
    if tags.len() > MOST_TAGS {
        return Err(refused(400, "TagLimitExceeded", format!("An object has at most {MOST_TAGS} tags")));
    }
    Ok(tags)
}
