//! Network ACLs (B1.7).

use super::*;

fn entry(network_acl_id: &str, rule_number: i64) -> CreateNetworkAclEntry {
    CreateNetworkAclEntry {
        network_acl_id: network_acl_id.to_owned(),
        rule_number,
        protocol: "-1".to_owned(),
        rule_action: "allow".to_owned(),
        egress: false,
        cidr_block: "0.0.0.0/0".to_owned(),
        ..Default::default()
    }
}

fn acl_of(asker: &Asker, subnet_id: &str) -> String {
    asker.world.network_acl_of(subnet_id).expect("every subnet has one").network_acl_id.clone()
}

#[test]
fn a_subnet_has_exactly_one_acl_at_first_the_default_one() {
    let mut asker = Asker::default();
    let (vpc_id, other_vpc) = (asker.vpc(), asker.make(vpc("10.9.0.0/16")));
    let [one, two] = ["10.0.1.0/24", "10.0.2.0/24"].map(|block| asker.subnet(&vpc_id, block, "us-east-1a"));
    let default = asker.world.attribute(&vpc_id, "DefaultNetworkAcl").unwrap();
    assert_eq!(
        (acl_of(&asker, &one), acl_of(&asker, &two)),
        (default.as_str().unwrap().to_owned(), acl_of(&asker, &one))
    );
    let all = |egress| (egress, 100, None, RuleAction::Allow, "0.0.0.0/0".parse().unwrap());
    let entries: Vec<_> = asker.world.network_acls[&acl_of(&asker, &one)]
        .entries
        .iter()
        .map(|entry| (entry.egress, entry.rule_number, entry.protocol, entry.rule_action, entry.cidr_block))
        .collect();
    assert_eq!(entries, [all(false), all(true)]);

    let acl = asker.make(Change::CreateNetworkAcl { vpc_id });
    assert_eq!(asker.world.network_acls[&acl].entries, [], "a new one denies everything");
    let put = |subnet_id: &str, acl: &str| Change::ReplaceNetworkAclAssociation {
        subnet_id: subnet_id.to_owned(),
        network_acl_id: acl.to_owned(),
    };
    let association = asker.make(put(&one, &acl));
    assert!(id::is_well_formed("aclassoc", &association), "{association}");
    assert_eq!(asker.world.attribute(&one, "NetworkAclAssociationId").unwrap(), association);
    assert_eq!((acl_of(&asker, &one), acl_of(&asker, &two) == acl), (acl.clone(), false));
    assert_eq!(asker.make(put(&one, &acl)), association, "once more changes nothing");

    let foreign = asker.make(Change::CreateNetworkAcl { vpc_id: other_vpc });
    asker.all_refused([
        (
            put(&one, &foreign),
            format!("InvalidParameterValue: Network ACL {foreign} and subnet {one} belong to different"),
        ),
        (
            put(&one, "acl-00000000"),
            "InvalidNetworkAclID.NotFound: The networkAcl ID 'acl-00000000' does not".to_owned(),
        ),
        (put(&one, "acl"), "InvalidNetworkAclId.Malformed: Invalid Id: 'acl'".to_owned()),
        (put("subnet-00000000", &acl), "InvalidSubnetID.NotFound".to_owned()),
    ]);
    asker.refused_as(OTHER_ACCOUNT, Change::CreateNetworkAclEntry(entry(&acl, 1)), "InvalidNetworkAclID.NotFound");
}

#[test]
fn entries_are_canonical_and_in_the_order_in_which_they_decide() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let acl = asker.make(Change::CreateNetworkAcl { vpc_id });
    let add = |asker: &mut Asker, members| asker.make(Change::CreateNetworkAclEntry(members));
    for (rule_number, egress) in [(32766, false), (100, true), (1, false), (100, false)] {
        add(&mut asker, CreateNetworkAclEntry { egress, ..entry(&acl, rule_number) });
    }
    let numbers: Vec<_> =
        asker.world.network_acls[&acl].entries.iter().map(|entry| (entry.egress, entry.rule_number)).collect();
    assert_eq!(numbers, [(false, 1), (false, 100), (false, 32766), (true, 100)]);

    let written = CreateNetworkAclEntry {
        protocol: "6".to_owned(),
        rule_action: "DENY".to_owned(),
        cidr_block: "100.68.0.18/18".to_owned(),
        port_range: Some((1024, 65535)),
        // Of no meaning for TCP.
        icmp_type_code: Some((8, 0)),
        ..entry(&acl, 2)
    };
    add(&mut asker, written);
    let kept = &asker.world.network_acls[&acl].entries[1];
    assert_eq!((kept.protocol, kept.rule_action, kept.port_range), (Some(6), RuleAction::Deny, Some((1024, 65535))));
    assert_eq!((kept.cidr_block.to_string().as_str(), kept.icmp_type_code), ("100.68.0.0/18", None));
    // Ports of a protocol that has none are not kept either, as AWS lets all of it pass.
    add(&mut asker, CreateNetworkAclEntry { protocol: "47".to_owned(), port_range: Some((1, 2)), ..entry(&acl, 3) });
    assert_eq!(asker.world.network_acls[&acl].entries[2].port_range, None);
    add(&mut asker, CreateNetworkAclEntry { protocol: "1".to_owned(), icmp_type_code: Some((3, 4)), ..entry(&acl, 4) });
    assert_eq!(asker.world.network_acls[&acl].entries[3].icmp_type_code, Some((3, 4)));
}

#[test]
fn entries_that_are_refused() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    let acl = asker.make(Change::CreateNetworkAcl { vpc_id });
    asker.make(Change::CreateNetworkAclEntry(entry(&acl, 100)));
    let of = |protocol: &str| CreateNetworkAclEntry { protocol: protocol.to_owned(), ..entry(&acl, 1) };
    let ports = |range| CreateNetworkAclEntry { port_range: range, ..of("17") };
    let icmp = |kinds| CreateNetworkAclEntry { icmp_type_code: kinds, ..of("1") };
    let block = |text: &str| CreateNetworkAclEntry { cidr_block: text.to_owned(), ..entry(&acl, 1) };
    let cases = [
        (entry(&acl, 0), "InvalidParameterValue: Value (0) for parameter ruleNumber is invalid."),
        (entry(&acl, 32767), "InvalidParameterValue: Value (32767) for parameter ruleNumber is invalid."),
        (entry(&acl, 100), "NetworkAclEntryAlreadyExists: The network acl entry identified by 100 already exists."),
        (of("tcp"), "InvalidParameterValue: Invalid value 'tcp' for IP protocol. Unknown protocol."),
        (of("256"), "InvalidParameterValue: Invalid value '256' for IP protocol."),
        (of("-2"), "InvalidParameterValue: Invalid value '-2' for IP protocol."),
        (
            of("6"),
            "InvalidParameterValue: Invalid value for portRange. Must specify both from and to ports with TCP/UDP.",
        ),
        (ports(Some((80, 79))), "InvalidParameterValue: Invalid TCP/UDP port range (80:79)"),
        (ports(Some((0, 65536))), "InvalidParameterValue: Invalid TCP/UDP port range (0:65536)"),
        (ports(Some((-1, -1))), "InvalidParameterValue: Invalid TCP/UDP port range (-1:-1)"),
        (icmp(None), "InvalidParameterValue: Invalid value for icmpTypeCode."),
        (icmp(Some((256, 0))), "InvalidParameterValue: Invalid ICMP type and code (256:0)"),
        (icmp(Some((-1, 4))), "InvalidParameterValue: Invalid ICMP type and code (-1:4)"),
        (block("10.0.0.0/33"), "InvalidParameterValue: Value (10.0.0.0/33) for parameter cidrBlock is invalid."),
        (block("pl-63a5400a"), "InvalidParameterValue: Value (pl-63a5400a) for parameter cidrBlock is invalid."),
    ];
    asker.all_refused(cases.map(|(members, expected)| (Change::CreateNetworkAclEntry(members), expected)));
    let action = CreateNetworkAclEntry { rule_action: "drop".to_owned(), ..entry(&acl, 1) };
    asker.refused(
        Change::CreateNetworkAclEntry(action),
        "InvalidParameterValue: Value (drop) for parameter ruleAction is invalid.",
    );
    for rule_number in 101..120 {
        asker.make(Change::CreateNetworkAclEntry(entry(&acl, rule_number)));
    }
    asker.refused(Change::CreateNetworkAclEntry(entry(&acl, 1)), "NetworkAclEntryLimitExceeded");
    let egress = CreateNetworkAclEntry { egress: true, ..entry(&acl, 1) };
    asker.make(Change::CreateNetworkAclEntry(egress));
}

#[test]
fn describe_shows_the_last_rule() {
    let mut asker = Asker::default();
    let vpc_id = asker.vpc();
    asker.subnet(&vpc_id, "10.0.1.0/24", "us-east-1a");
    let acl = asker.make(Change::CreateNetworkAcl { vpc_id });
    let members = CreateNetworkAclEntry { protocol: "6".to_owned(), port_range: Some((443, 443)), ..entry(&acl, 100) };
    asker.make(Change::CreateNetworkAclEntry(members));
    let described = describe(&asker.world);
    let find = |id: &str| {
        described["NetworkAcls"].as_array().unwrap().iter().find(|acl| acl["NetworkAclId"] == id).unwrap().clone()
    };
    let deny = |egress: bool| {
        serde_json::json!({
            "RuleNumber": 32767, "Protocol": "-1", "RuleAction": "deny", "Egress": egress, "CidrBlock": "0.0.0.0/0",
        })
    };
    assert_eq!(
        find(&acl)["Entries"],
        serde_json::json!([
            deny(true),
            {
                "RuleNumber": 100, "Protocol": "6", "RuleAction": "allow", "Egress": false, "CidrBlock": "0.0.0.0/0",
                "PortRange": { "From": 443, "To": 443 },
            },
            deny(false),
        ])
    );
    let default = described["NetworkAcls"].as_array().unwrap().iter().find(|acl| acl["IsDefault"] == true).unwrap();
    assert_eq!(default["Entries"].as_array().unwrap().len(), 4);
    assert_eq!(default["Associations"].as_array().unwrap().len(), 1);
}
