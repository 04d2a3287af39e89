//! Bringing a running lab to another file, without loss.
//!
//! **Purpose.** `apply FILE`: policies, roles, rules, routes, names and attributes change under running guests, and the next
//! packet or request sees it (DESIGN decision 12).
//!
//! **Life.** The file is read and deployed anew; ids follow from names, so what did not change is the same. What the EC2 API
//! changed since the start is done to it again, in the order in which it was asked; what no longer fits is said. Then
//! everything that is read by others is swapped, tables last. An API call takes the same way from the world as it is. Whoever
//! changes the lab has its turn ([`Lab::turn`]); a refusal changes nothing.
//!
//! **Limits.** What holds numbers in the tables must stay ([`Shape`]): endpoints come and go, but new guests, interfaces, balancers
//! or NAT gateways need `down` and `up`. Every flow is decided again at its next packet, also those of VPCs that did not change.
//!
//! **Not done.** Changed `UserData` is not run again; seeds are not filled in again.

use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::sync::Arc;

use super::BadInput;
use super::lab::{Lab, Prepared};
use super::launch::Definition;
use super::notifications::Webhooks;
use super::protocol::Applied;
use crate::compile::{self, Compiled, Shape};
use crate::model::access::Directory;
use crate::model::{Change, ObjectId, Refusal, Request, World, describe};
use crate::services::s3;

/// Makes the lab what the definition says, or says what it can't do and leaves it as it is.
pub fn apply(lab: &Lab, definition: &Definition) -> Result<Applied> {
    let mut asked = lab.turn.lock();
    let Prepared { mut world, mut notices, webhooks, .. } = (lab.prepare)(definition)?;
    world.zones_down.clone_from(&lab.world.load().zones_down);
    let mut kept = Vec::with_capacity(asked.len());
    for request in asked.iter() {
        match world.apply(request.clone()) {
            Ok(_) => kept.push(request.clone()),
            Err(refusal) => notices.push(format!(
                "an EC2 API call of account {} no longer fits: {}: {refusal}",
                request.account,
                name_of(&request.change)
            )),
        }
    }
    let webhooks = Arc::new(webhooks);
    let changes = install(lab, world, &webhooks).map_err(|failed| match failed {
        NotInstalled::Obstacles(obstacles) => BadInput(format!(
            "lab `{}` can't become that while it runs, and stays as it is:\n  {}\nend it with `vpclab down` and start it anew \
             with `vpclab up`",
            lab.folder.name(),
            obstacles.join("\n  ")
        ))
        .into(),
        NotInstalled::Failed(error) => error,
    })?;
    lab.webhooks.store(webhooks);
    *asked = kept;
    Ok(Applied { changes, notices })
}

/// Takes an availability zone down, or up again.
pub fn set_zone_down(lab: &Lab, zone: &str, down: bool) -> Result<Applied> {
    let _turn = lab.turn.lock();
    let mut world = World::clone(&lab.world.load());
    let was = world.zones_down.clone();
    let id = world.set_zone_down(zone, down).map_err(BadInput)?;
    let state = if down { "down" } else { "up" };
    if world.zones_down == was {
        return Ok(Applied { changes: Vec::new(), notices: vec![format!("zone {id} is {state} already")] });
    }
    let here = world.subnets.values().filter(|subnet| subnet.availability_zone_id == id).count();
    install(lab, world, &lab.webhooks.load()).map_err(|failed| match failed {
        NotInstalled::Obstacles(obstacles) => anyhow::anyhow!(obstacles.join("; ")),
        NotInstalled::Failed(error) => error,
    })?;
    let subnets = if here == 1 { "subnet" } else { "subnets" };
    Ok(Applied { changes: vec![format!("zone {id} is {state}: {here} {subnets}")], notices: Vec::new() })
}

/// Does one API operation to the lab.
pub fn change(lab: &Lab, request: Request) -> Result<ObjectId, Refusal> {
    let mut asked = lab.turn.lock();
    let mut world = World::clone(&lab.world.load());
    let id = world.apply(request.clone())?;
    install(lab, world, &lab.webhooks.load()).map_err(|failed| match failed {
        NotInstalled::Obstacles(obstacles) => {
            Refusal::new("UnsupportedOperation", format!("A running lab can't take that: {}", obstacles.join("; ")))
        }
        NotInstalled::Failed(error) => Refusal::new("InternalError", format!("{error:#}")),
    })?;
    asked.push(request);
    Ok(id)
}

/// Why a world did not take the place of the lab's.
enum NotInstalled {
    /// What would have to stay.
    Obstacles(Vec<String>),
    /// Something around the lab.
    Failed(anyhow::Error),
}

/// Puts a world in the place of the lab's; the caller has the turn. Says what changed.
fn install(lab: &Lab, world: World, webhooks: &Webhooks) -> Result<Vec<String>, NotInstalled> {
    let before = lab.dataplane.tables();
    let Compiled { mut tables, zones, origins, health, .. } = compile::recompile(&world, &before);
    let obstacles = Shape::of(&before).changes(&Shape::of(&tables));
    if !obstacles.is_empty() {
        return Err(NotInstalled::Obstacles(obstacles));
    }
    let changes = changes(&describe(&lab.world.load()), &describe(&world));
    for (vpc, old) in tables.vpcs.iter_mut().zip(&before.vpcs) {
        vpc.generation = old.generation + 1;
    }
    if let Some(known) = &lab.health {
        known.renew(health, &tables, &zones);
    }
    lab.origins.swap(origins);
    lab.zones.store(Arc::new(zones));
    lab.access.directory.store(Arc::new(Directory::of(&world)));
    declare_buckets(lab, &world).map_err(NotInstalled::Failed)?;
    lab.metadata.swap(&world, &lab.access.directory.load());
    let world = Arc::new(world);
    let before = lab.world.swap(Arc::clone(&world));
    lab.dataplane.swap(Arc::new(tables));
    // Who hears of it finds it done.
    lab.notifications.tell(&before, &world, webhooks);
    for change in &changes {
        tracing::info!("changed: {change}");
    }
    Ok(changes)
}

/// An operation's name, without its members.
fn name_of(change: &Change) -> String {
    let text = format!("{change:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// What templates say of a bucket changes it when they say something new; what clients changed since stays otherwise.
fn declare_buckets(lab: &Lab, world: &World) -> Result<()> {
    let before = lab.world.load();
    let directory = lab.access.directory.load();
    for bucket in world.buckets.values().filter(|bucket| before.buckets.get(&bucket.bucket) != Some(*bucket)) {
        lab.store.declare(&s3::Bucket::of(bucket, &directory)).with_context(|| format!("bucket {}", bucket.bucket))?;
    }
    Ok(())
}

/// The differences of two descriptions: `VpcEndpoints vpce-1: PolicyDocument`, `Roles R is new`.
fn changes(old: &Value, new: &Value) -> Vec<String> {
    let empty = Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let mut said = Vec::new();
    for (list, wanted) in new {
        let (before, after) = (by_id(old.get(list)), by_id(Some(wanted)));
        let gone = before.iter().filter(|(id, _)| !after.iter().any(|(other, _)| other == id));
        said.extend(gone.map(|(id, _)| format!("{list} {id} is gone")));
        for (id, entry) in after {
            match before.iter().find(|(other, _)| *other == id) {
                None => said.push(format!("{list} {id} is new")),
                Some((_, was)) if was == &entry => {}
                Some((_, was)) => said.push(format!("{list} {id}: {}", members(was, entry).join(", "))),
            }
        }
    }
    said
}

/// Entries of a list with what identifies them: the first member, as every shape begins with its id or name; IAM's with the path
/// before it.
fn by_id(list: Option<&Value>) -> Vec<(String, &Value)> {
    let entries = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let id = |entry: &Value| {
        let mut members = entry.as_object().into_iter().flatten().filter(|(name, _)| *name != "Path");
        let first = members.next().map(|(_, value)| value);
        first.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default()
    };
    entries.iter().map(|entry| (id(entry), entry)).collect()
}

/// The names of members that differ.
fn members(was: &Value, is: &Value) -> Vec<String> {
    let (Value::Object(was), Value::Object(is)) = (was, is) else { return vec!["another value".to_owned()] };
    let mut names: Vec<String> =
        is.iter().filter(|(name, value)| was.get(*name) != Some(value)).map(|(name, _)| name.clone()).collect();
    names.extend(was.keys().filter(|name| !is.contains_key(*name)).cloned());
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_have_names() {
        let unit = Change::CreateInternetGateway;
        let members = Change::DeleteVpcEndpoints { vpc_endpoint_ids: vec!["vpce-1".to_owned()] };
        assert_eq!([unit, members].map(|change| name_of(&change)), ["CreateInternetGateway", "DeleteVpcEndpoints"]);
    }

    #[test]
    fn changes_name_the_object_and_its_members() {
        let old = json!({
            "VpcEndpoints": [{"VpcEndpointId": "vpce-1", "PolicyDocument": "a", "State": "available"}, {"VpcEndpointId": "vpce-2"}],
            "Roles": [{"Path": "/", "RoleName": "Q"}],
        });
        let new = json!({
            "VpcEndpoints": [{"VpcEndpointId": "vpce-1", "PolicyDocument": "b", "State": "available"}],
            "Roles": [{"Path": "/", "RoleName": "Q"}, {"Path": "/", "RoleName": "R"}],
        });
        assert_eq!(
            changes(&old, &new),
            ["VpcEndpoints vpce-2 is gone", "VpcEndpoints vpce-1: PolicyDocument", "Roles R is new"]
        );
        assert_eq!(changes(&old, &old), Vec::<String>::new());
    }
}
