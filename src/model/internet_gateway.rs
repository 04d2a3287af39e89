//! `AWS::EC2::InternetGateway`.

use super::world::Meta;

/// An internet gateway.
#[derive(Clone, Debug)]
pub struct InternetGateway {
    /// `igw-…`.
    pub internet_gateway_id: String,
    /// Owner and origin.
    pub meta: Meta,
    /// The VPC it is attached to.
    pub vpc_id: Option<String>,
}
