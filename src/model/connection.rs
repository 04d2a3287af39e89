//! Connections of endpoints to an endpoint service, as its provider decides on them (B3.4, B4).
//!
//! An endpoint of a service that wants acceptance waits as `pendingAcceptance`. The provider accepts or rejects it, and may
//! reject it later or accept it after all; only its consumer deletes it. AWS's `pending` on the way takes minutes, here no
//! time, and nobody waits the days after which AWS lets a connection expire: the model has no clock.

use super::*;

impl World {
    /// The provider lets endpoints in that wait, or that were rejected; all of them or none.
    pub(super) fn accept_endpoint_connections(
        &mut self,
        request: &Request,
        service_id: &str,
        vpc_endpoint_ids: &[String],
    ) -> Result<ObjectId, Refusal> {
        self.decide(request, service_id, vpc_endpoint_ids, VpcEndpointState::Available)
    }

    /// The provider keeps endpoints out, also those that it let in; all of them or none.
    pub(super) fn reject_endpoint_connections(
        &mut self,
        request: &Request,
        service_id: &str,
        vpc_endpoint_ids: &[String],
    ) -> Result<ObjectId, Refusal> {
        self.decide(request, service_id, vpc_endpoint_ids, VpcEndpointState::Rejected)
    }

    fn decide(
        &mut self,
        request: &Request,
        service_id: &str,
        vpc_endpoint_ids: &[String],
        decision: VpcEndpointState,
    ) -> Result<ObjectId, Refusal> {
        let service = self.own_service(service_id, request)?;
        for id in vpc_endpoint_ids {
            self.check_connection(service, id, decision)?;
        }
        for id in vpc_endpoint_ids {
            self.vpc_endpoints.get_mut(id).expect("each was looked up above").state = decision;
        }
        Ok(service_id.to_owned())
    }

    /// There is such a connection, and the decision is another than the one that stands.
    fn check_connection(
        &self,
        service: &VpcEndpointService,
        vpc_endpoint_id: &str,
        decision: VpcEndpointState,
    ) -> Result<(), Refusal> {
        use VpcEndpointState::{Available, Pending, PendingAcceptance, Rejected};
        lookup::check_endpoint_id(vpc_endpoint_id)?;
        let endpoint = self.vpc_endpoints.get(vpc_endpoint_id).filter(|each| each.service_name == service.service_name);
        let Some(endpoint) = endpoint else {
            return Err(Self::no_such("InvalidVpcEndpointId.NotFound", "Vpc Endpoint Id", vpc_endpoint_id)
                .help(format!("no endpoint of that id connects to {}", service.service_id)));
        };
        match (decision, endpoint.state) {
            (Available, PendingAcceptance | Rejected) | (Rejected, PendingAcceptance | Pending | Available) => Ok(()),
            (_, state) => Err(Refusal::new(
                "IncorrectState",
                format!(
                    "The Vpc Endpoint '{vpc_endpoint_id}' is in state {}, from which it can't become {}",
                    state.as_str(),
                    decision.as_str()
                ),
            )),
        }
    }
}
