//! vpclab: AWS-style VPC networks on one Linux machine, with real packets.

pub mod compile;
pub mod dataplane;
pub mod dns;
pub mod model;
pub mod packet;
pub mod template;

#[cfg(target_os = "linux")]
pub mod command;
#[cfg(target_os = "linux")]
pub mod host;
#[cfg(target_os = "linux")]
pub mod run;
#[cfg(target_os = "linux")]
pub mod services;
