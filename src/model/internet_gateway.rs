//! `AWS::EC2::InternetGateway`.

use super::world::Meta;
use super::*;

/// An internet gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternetGateway {
    /// `igw-…`.
    pub internet_gateway_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// The VPC it is attached to.
    pub vpc_id: Option<String>,
}

impl World {
    pub(super) fn create_internet_gateway(&mut self, request: &Request) -> Result<ObjectId, Refusal> {
        let internet_gateway_id = id::for_request(request, "igw", |id| self.internet_gateways.contains_key(id));
        let gateway =
            InternetGateway { internet_gateway_id: internet_gateway_id.clone(), meta: request.meta(), vpc_id: None };
        self.internet_gateways.insert(internet_gateway_id.clone(), gateway);
        Ok(internet_gateway_id)
    }

    pub(super) fn attach_internet_gateway(
        &mut self,
        request: &Request,
        internet_gateway_id: &str,
        vpc_id: &str,
    ) -> Result<ObjectId, Refusal> {
        let gateway = self.own_internet_gateway(internet_gateway_id, request)?;
        self.own_vpc(vpc_id, request)?;
        if let Some(network) = &gateway.vpc_id {
            return Err(Refusal::new(
                "Resource.AlreadyAssociated",
                format!("resource {internet_gateway_id} is already attached to network {network}"),
            ));
        }
        if self.internet_gateway_of(vpc_id).is_some() {
            return Err(Refusal::new(
                "InvalidParameterValue",
                format!("Network {vpc_id} already has an internet gateway attached"),
            ));
        }
        let gateway = self.internet_gateways.get_mut(internet_gateway_id).expect("own_internet_gateway found it");
        gateway.vpc_id = Some(vpc_id.to_owned());
        Ok(internet_gateway_id.to_owned())
    }

    /// The internet gateway that is attached to a VPC.
    pub fn internet_gateway_of(&self, vpc_id: &str) -> Option<&InternetGateway> {
        self.internet_gateways.values().find(|gateway| gateway.vpc_id.as_deref() == Some(vpc_id))
    }
}
