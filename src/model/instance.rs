//! `AWS::EC2::Instance`.

use super::world::Meta;

/// An instance; it runs as a guest.
#[derive(Clone, Debug)]
pub struct Instance {
    /// `i-…`.
    pub instance_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// Interfaces by device index; the first is primary.
    pub network_interface_ids: Vec<String>,
    /// First-boot script, decoded.
    pub user_data: Option<String>,
    /// Shown only.
    pub instance_type: String,
    /// Shown only.
    pub image_id: String,
    /// `ip-10-0-1-10.ec2.internal` (us-east-1) or `ip-10-0-1-10.REGION.compute.internal`.
    pub private_dns_name: String,
}
