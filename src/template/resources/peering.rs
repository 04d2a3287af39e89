//! VPC peering connections.

use super::super::deploy::Maker;
use super::super::error::Diagnostic;
use super::super::evaluate::{Made, Stop};
use super::super::properties::Properties;
use crate::model::{Change, CreateVpcPeeringConnection, PeeringStatus};

pub(super) fn connection(maker: &mut Maker<'_>, mut properties: Properties) -> Result<Made, Stop> {
    let tags = properties.tags();
    let members = CreateVpcPeeringConnection {
        vpc_id: properties.required_text("VpcId"),
        peer_vpc_id: properties.required_text("PeerVpcId"),
        peer_owner_id: properties.text("PeerOwnerId"),
        peer_region: properties.text("PeerRegion"),
    };
    // The role lets CloudFormation accept in the other account; that there is one suffices here.
    properties.known("PeerRoleArn");
    properties.known("AssumeRoleRegion");
    let own_account = members.peer_owner_id.as_ref().is_none_or(|owner| *owner == maker.stack.account);
    let accepts = own_account || properties.has("PeerRoleArn");
    if !accepts {
        properties
            .ignored("PeerOwnerId", "the peer's acceptance, which takes a PeerRoleArn: no packet passes until then,");
    }
    let peer = properties.span_of("PeerVpcId");
    let made = maker.make(properties, tags, Change::CreateVpcPeeringConnection(members))?;
    let connection = &maker.site.world.vpc_peering_connections[&made.reference];
    if connection.status == PeeringStatus::Failed {
        let message = format!("VPC peering connection failed to stabilize: {}", connection.status_message());
        let help = maker.site.world.peering_obstacle(&connection.requester, &connection.accepter);
        return Err(Diagnostic::at(&peer, message).maybe_help(help).into());
    }
    if accepts {
        let accepter = connection.accepter.clone();
        let change = Change::AcceptVpcPeeringConnection { vpc_peering_connection_id: made.reference.clone() };
        maker.apply_in(&accepter.account, &accepter.region, change)?;
    }
    Ok(made)
}
