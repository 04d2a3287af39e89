//! region

/// A zone of a Region as one account names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvailabilityZone {
    /// `us-east-1a`.
    pub name: String,
    /// `use1-az1`, the same for every account.
    pub id: String,
}

/// Zones of a Region by an account's own names, in name order.
pub fn availability_zones(region: &str, account: &str) -> Vec<AvailabilityZone> {
    let _ = (region, account);
    Vec::new()
}

/// Service names that AWS offers as interface endpoints in every Region: the part after `com.amazonaws.REGION.`.
pub fn aws_services() -> &'static [&'static str] {
    &[]
}
