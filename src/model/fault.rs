//! Faults that people inject. AWS has them as experiments of its Fault Injection Service; here a zone is down, or it is not.
//!
//! A zone that is down carries nothing: its subnets' interfaces neither send nor receive, and names leave out their addresses
//! wherever others are left. Not here: what a packet meets there (`dataplane`), and who asks for it (`run`).

use super::World;

impl World {
    /// Takes a zone down, or up again; returns its id. A zone is named by its id, such as `use1-az1`, or by its name.
    ///
    /// # Errors
    /// A sentence, when the lab has nothing there, or the name means different zones to different accounts.
    pub fn set_zone_down(&mut self, zone: &str, down: bool) -> Result<String, String> {
        let named = self
            .subnets
            .values()
            .filter(|it| [&it.availability_zone, &it.availability_zone_id].contains(&&zone.to_owned()));
        let mut ids: Vec<String> = named.map(|subnet| subnet.availability_zone_id.clone()).collect();
        ids.sort();
        ids.dedup();
        let id = match ids.as_slice() {
            [id] => id.clone(),
            [] => return Err(format!("the lab has no subnet in a zone `{zone}`: it has {}", self.zones().join(", "))),
            several => {
                return Err(format!(
                    "`{zone}` is another zone to each account: write its id, {}",
                    several.join(" or ")
                ));
            }
        };
        match down {
            true => self.zones_down.insert(id.clone()),
            false => self.zones_down.remove(&id),
        };
        Ok(id)
    }

    /// The zones in which the lab has subnets: `us-east-1a (use1-az1)`.
    fn zones(&self) -> Vec<String> {
        let subnets = self.subnets.values();
        let mut zones: Vec<String> =
            subnets.map(|it| format!("{} ({})", it.availability_zone, it.availability_zone_id)).collect();
        zones.sort();
        zones.dedup();
        zones
    }

    /// Whether a subnet's zone is down.
    pub fn is_down(&self, subnet_id: &str) -> bool {
        self.subnets.get(subnet_id).is_some_and(|subnet| self.zones_down.contains(&subnet.availability_zone_id))
    }
}
