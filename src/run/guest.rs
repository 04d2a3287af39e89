//! A guest that runs: what the kernel is asked for, and what commands in it find in their environment.
//!
//! What it does not do: make namespaces (`host` does), or start commands ([`control`](super::control) hands out what they need).

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::compile;
use crate::host::{self, GuestSpec, InterfaceSpec, Namespaces};
use crate::model::World;
use crate::model::access::root_key;
use crate::model::naming::GuestName;

/// A guest that runs.
#[derive(Debug)]
pub struct Guest {
    /// Its names.
    pub name: GuestName,
    /// `i-…`.
    pub instance_id: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Its Region.
    pub region: String,
    /// Its account; empty on the internet.
    pub account: String,
    /// Its private addresses, primary first.
    pub addresses: Vec<Ipv4Addr>,
    /// Its links by device index, with the interface's name.
    pub links: Vec<(usize, String)>,
    /// Where commands run.
    pub namespaces: Namespaces,
    /// Variables of commands in it.
    pub environment: Vec<(String, String)>,
    /// A folder to look for programs in, after the usual ones.
    pub programs: PathBuf,
    /// It has a first-boot script.
    pub has_user_data: bool,
}

/// What the kernel makes of it.
pub fn spec(plan: &compile::Guest, name: &GuestName, ca_pem: &str, state: &Path) -> GuestSpec {
    let interfaces = plan.interfaces.iter().enumerate().map(|(device, interface)| InterfaceSpec {
        name: interface.name.clone(),
        mac: interface.mac,
        addresses: interface.addresses.iter().map(|address| (*address, interface.prefix_length)).collect(),
        mtu: host::GUEST_MTU,
        gateway: (device == 0).then_some(interface.gateway),
    });
    let home = std::env::home_dir();
    GuestSpec {
        name: name.shown.clone(),
        hostname: plan.hostname.clone(),
        interfaces: interfaces.collect(),
        resolver: plan.resolver,
        search: Some(plan.search.clone()).filter(|search| !search.is_empty()),
        hosts: Vec::new(),
        files: vec![(AWS_CONFIG_FILE, AWS_CONFIG)],
        ca_pem: ca_pem.into(),
        state: state.into(),
        hidden: home.map(|home| home.join(".aws")).into_iter().collect(),
    }
}

/// The guest that was made by its [`spec`].
pub fn running(
    world: &World,
    plan: &compile::Guest,
    name: GuestName,
    namespaces: Namespaces,
    state: &Path,
) -> Result<Guest> {
    Ok(Guest {
        environment: environment(world, plan, &name, state),
        name,
        instance_id: plan.instance_id.clone(),
        vpc_id: plan.vpc_id.clone(),
        region: plan.region.clone(),
        account: plan.account.clone(),
        addresses: plan.interfaces.iter().flat_map(|interface| interface.addresses.iter().copied()).collect(),
        links: plan.interfaces.iter().map(|interface| (interface.link.at(), interface.name.clone())).collect(),
        namespaces,
        programs: host::guest_bin(state),
        has_user_data: plan.user_data.is_some(),
    })
}

/// What makes unmodified clients trust the lab's CA and find credentials: the instance's role by its metadata, as on AWS, or the
/// account's own key where there is no role. The configuration files are the lab's: the caller's own never reach a command in a
/// guest.
fn environment(world: &World, plan: &compile::Guest, name: &GuestName, state: &Path) -> Vec<(String, String)> {
    let bundle = host::guest_ca_bundle(state).display().to_string();
    let config = state.join(AWS_CONFIG_FILE).display().to_string();
    // Who is on the internet is in no Region and of no account.
    let region = if plan.region.is_empty() { "us-east-1" } else { &plan.region };
    let (access_key_id, secret_access_key) = root_key(&plan.account);
    let mut variables = vec![
        ("SSL_CERT_FILE", bundle.as_str()),
        ("CURL_CA_BUNDLE", &bundle),
        ("REQUESTS_CA_BUNDLE", &bundle),
        ("AWS_CA_BUNDLE", &bundle),
        ("NODE_EXTRA_CA_CERTS", &bundle),
        ("AWS_CONFIG_FILE", &config),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        // Version 1 of the AWS CLI would ask us-east-1 by the global names, which lead past endpoints as they do on AWS.
        ("AWS_S3_US_EAST_1_REGIONAL_ENDPOINT", "regional"),
        ("AWS_STS_REGIONAL_ENDPOINTS", "regional"),
        // Nor the names that the AWS CLI knew some services by before they had Regions, which have no endpoints.
        ("BOTO_DISABLE_COMMONNAME", "true"),
        ("VPCLAB_GUEST", &name.shown),
    ];
    let instance = world.instances.get(&plan.instance_id);
    let profile = instance.and_then(|instance| world.instance_profiles.get(instance.iam_instance_profile.as_ref()?));
    let has_role = profile.is_some_and(|profile| profile.role.is_some());
    if !has_role && !plan.account.is_empty() {
        variables.push(("AWS_ACCESS_KEY_ID", &access_key_id));
        variables.push(("AWS_SECRET_ACCESS_KEY", &secret_access_key));
    }
    // Who has no role has nothing to look for there, and clients would wait.
    if !has_role || instance.is_some_and(|instance| !instance.metadata_options.enabled) {
        variables.push(("AWS_EC2_METADATA_DISABLED", "true"));
    }
    variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// In the guest's folder.
const AWS_CONFIG_FILE: &str = "aws-config";
/// The AWS CLI presigns with Signature Version 2 in us-east-1 unless it is told: AWS takes that for buckets made before 2020 only.
/// On a terminal, version 2 of it fails where there is no pager; `exec` prints, as everywhere.
const AWS_CONFIG: &str = "[default]\ncli_pager =\ns3 =\n  signature_version = s3v4\n";
