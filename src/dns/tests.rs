//! Stories: one lab of two VPCs, asked as its guests would. Laws: names, wildcards and rotation on random input.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use proptest::prelude::*;

use super::*;

mod hosted;

/// `vpc-app` has private DNS for ec2, ssm (no subnets, so no address) and S3; `vpc-plain` shares nothing private;
/// `vpc-deaf` has support off, `vpc-nameless` hostnames off.
fn lab() -> Zones {
    let mut zones = Zones::new();
    let pool: Vec<Ipv4Net> = vec!["52.216.0.0/15".parse().unwrap(), "3.5.0.0/19".parse().unwrap()];
    zones.add_public_zone("s3.us-east-1.amazonaws.com").unwrap();
    zones.add_public("s3.us-east-1.amazonaws.com", Records::service(pool.clone())).unwrap();
    zones.add_public("*.s3.us-east-1.amazonaws.com", Records::service(pool)).unwrap();
    zones.add_public("ec2.us-east-1.amazonaws.com", Records::endpoint([address("52.46.0.1")])).unwrap();
    zones.add_public("ssm.us-east-1.amazonaws.com", Records::endpoint([address("52.46.0.2")])).unwrap();
    let regional = Records::endpoint([address("10.0.1.5"), address("10.0.2.5"), address("10.0.3.5")]);
    zones.add_public("vpce-1-h.ec2.us-east-1.vpce.amazonaws.com", regional.clone()).unwrap();
    let alias = |target: &str| Records::Cname { ttl: 60, target: Name::parse(target).unwrap() };
    zones.add_public("alias.amazonaws.com", alias("vpce-1-h.ec2.us-east-1.vpce.amazonaws.com")).unwrap();
    zones.add_public("dangling.amazonaws.com", alias("nowhere.amazonaws.com")).unwrap();
    zones.add_public("round.amazonaws.com", alias("about.amazonaws.com")).unwrap();
    zones.add_public("about.amazonaws.com", alias("round.amazonaws.com")).unwrap();

    let mut app = View::new(true, true);
    app.private_zone("ec2.us-east-1.amazonaws.com").unwrap().add("ec2.us-east-1.amazonaws.com", regional).unwrap();
    app.private_zone("ssm.us-east-1.amazonaws.com").unwrap();
    let bucket = app.private_zone("s3.us-east-1.amazonaws.com").unwrap();
    for name in ["s3.us-east-1.amazonaws.com", "*.s3.us-east-1.amazonaws.com"] {
        bucket.add(name, Records::endpoint([address("10.0.1.9")])).unwrap();
    }
    app.add_instance("us-east-1", address("10.0.1.10")).unwrap();
    zones.add_view("vpc-app", app);
    let mut plain = View::new(true, true);
    plain.add_instance("eu-west-1", address("10.0.1.10")).unwrap();
    zones.add_view("vpc-plain", plain);
    zones.add_view("vpc-deaf", View::new(false, true));
    let mut nameless = View::new(true, false);
    nameless.private_zone("ec2.us-east-1.amazonaws.com").unwrap();
    nameless.add_instance("us-east-1", address("10.0.1.10")).unwrap();
    zones.add_view("vpc-nameless", nameless);
    zones
}

fn address(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

/// `VPC NAME TYPE` and what comes back, as one line: `name ttl data, …` or the code, with the zone that says no.
fn ask(zones: &Zones, question: &str) -> String {
    let [vpc_id, name, record_type] = question.split(' ').collect::<Vec<_>>()[..] else { panic!("{question}") };
    let record_type = match record_type {
        "A" => RecordType::A,
        "AAAA" => RecordType::Aaaa,
        "CNAME" => RecordType::Cname,
        "PTR" => RecordType::Ptr,
        "SOA" => RecordType::Soa,
        "NS" => RecordType::Ns,
        "ANY" => RecordType::Any,
        "TXT" => RecordType::Txt,
        other => panic!("{other}"),
    };
    let Some(answer) = answer(zones, vpc_id, name, record_type, 0) else { return "silence".to_owned() };
    let mut said: Vec<String> = answer.records.iter().map(shown).collect();
    if answer.response_code != ResponseCode::NoError {
        said.push(format!("{:?}", answer.response_code));
    }
    said.extend(answer.soa.map(|soa| format!("no, says {}", soa.name)));
    said.join(", ")
}

fn shown(record: &Record) -> String {
    let data = match &record.data {
        Data::A(address) => address.to_string(),
        Data::Cname(name) | Data::Ptr(name) | Data::Ns(name) => name.to_string(),
        Data::Soa(soa) => format!("soa {}", soa.mname),
        Data::Txt(strings) => strings.iter().map(|it| format!("{:?}", String::from_utf8_lossy(it))).collect(),
    };
    format!("{} {} {data}", record.name, record.ttl)
}

fn check(cases: &[(&str, &str)]) {
    let zones = lab();
    for (question, expected) in cases {
        assert_eq!(ask(&zones, question), *expected, "{question}");
    }
}

#[test]
fn private_dns_shadows_the_public_name_in_its_own_vpc_only() {
    check(&[
        (
            "vpc-app ec2.us-east-1.amazonaws.com A",
            "ec2.us-east-1.amazonaws.com 60 10.0.1.5, ec2.us-east-1.amazonaws.com 60 10.0.2.5, \
             ec2.us-east-1.amazonaws.com 60 10.0.3.5",
        ),
        ("vpc-plain ec2.us-east-1.amazonaws.com A", "ec2.us-east-1.amazonaws.com 60 52.46.0.1"),
        ("vpc-nameless ec2.us-east-1.amazonaws.com A", "ec2.us-east-1.amazonaws.com 60 52.46.0.1"),
        // B3.3: a name under the hidden zone without a record does not exist, whatever is public.
        ("vpc-app x.ec2.us-east-1.amazonaws.com A", "NxDomain, no, says ec2.us-east-1.amazonaws.com"),
        // An endpoint without subnets: the zone is there and has no record (B3.1).
        ("vpc-app ssm.us-east-1.amazonaws.com A", "no, says ssm.us-east-1.amazonaws.com"),
        ("vpc-plain ssm.us-east-1.amazonaws.com A", "ssm.us-east-1.amazonaws.com 60 52.46.0.2"),
        // S3's private zone has a wildcard, for buckets with dots in their names too.
        ("vpc-app my.bucket.s3.us-east-1.amazonaws.com A", "my.bucket.s3.us-east-1.amazonaws.com 60 10.0.1.9"),
    ]);
}

#[test]
fn endpoint_names_are_public() {
    let expected = "vpce-1-h.ec2.us-east-1.vpce.amazonaws.com 60 10.0.1.5, \
                    vpce-1-h.ec2.us-east-1.vpce.amazonaws.com 60 10.0.2.5, \
                    vpce-1-h.ec2.us-east-1.vpce.amazonaws.com 60 10.0.3.5";
    check(&[
        ("vpc-app vpce-1-h.ec2.us-east-1.vpce.amazonaws.com A", expected),
        ("vpc-plain vpce-1-h.ec2.us-east-1.vpce.amazonaws.com A", expected),
    ]);
}

#[test]
fn what_does_not_exist_is_denied_by_the_zone_that_would_hold_it() {
    check(&[
        ("vpc-app no-such.us-east-1.amazonaws.com A", "NxDomain, no, says amazonaws.com"),
        ("vpc-app example.com A", "NxDomain, no, says ."),
        ("vpc-app com A", "no, says ."),
        ("vpc-app us-east-1.amazonaws.com A", "no, says amazonaws.com"),
        // A name that only has others under it exists (RFC 8020).
        ("vpc-app vpce.amazonaws.com A", "no, says amazonaws.com"),
        ("vpc-app ec2.us-east-1.amazonaws.com AAAA", "no, says ec2.us-east-1.amazonaws.com"),
        ("vpc-app bucket.s3.us-east-1.amazonaws.com AAAA", "no, says s3.us-east-1.amazonaws.com"),
        ("vpc-app ec2.us-east-1.amazonaws.com TXT", "no, says ec2.us-east-1.amazonaws.com"),
        ("vpc-app amazonaws.com SOA", "amazonaws.com 60 soa ns-1536.awsdns-00.co.uk"),
        ("vpc-app amazonaws.com NS", "amazonaws.com 60 ns-1536.awsdns-00.co.uk"),
        ("vpc-app . SOA", ". 86400 soa a.root-servers.net"),
        ("vpc-unknown ec2.us-east-1.amazonaws.com A", "Refused"),
        ("vpc-deaf ec2.us-east-1.amazonaws.com A", "silence"),
    ]);
}

#[test]
fn instances_have_names_both_ways() {
    check(&[
        ("vpc-app ip-10-0-1-10.ec2.internal A", "ip-10-0-1-10.ec2.internal 60 10.0.1.10"),
        ("vpc-app 10.1.0.10.in-addr.arpa PTR", "10.1.0.10.in-addr.arpa 60 ip-10-0-1-10.ec2.internal"),
        ("vpc-plain 10.1.0.10.in-addr.arpa PTR", "10.1.0.10.in-addr.arpa 60 ip-10-0-1-10.eu-west-1.compute.internal"),
        ("vpc-app 11.1.0.10.in-addr.arpa PTR", "NxDomain, no, says in-addr.arpa"),
        ("vpc-app ip-10-0-1-11.ec2.internal A", "NxDomain, no, says ec2.internal"),
        ("vpc-plain ip-10-0-1-10.ec2.internal A", "NxDomain, no, says ."),
        ("vpc-nameless ip-10-0-1-10.ec2.internal A", "NxDomain, no, says ."),
        ("vpc-nameless 10.1.0.10.in-addr.arpa PTR", "NxDomain, no, says ."),
    ]);
}

#[test]
fn aliases_are_followed_to_their_end() {
    check(&[
        (
            "vpc-plain alias.amazonaws.com A",
            "alias.amazonaws.com 60 vpce-1-h.ec2.us-east-1.vpce.amazonaws.com, \
             vpce-1-h.ec2.us-east-1.vpce.amazonaws.com 60 10.0.1.5, \
             vpce-1-h.ec2.us-east-1.vpce.amazonaws.com 60 10.0.2.5, \
             vpce-1-h.ec2.us-east-1.vpce.amazonaws.com 60 10.0.3.5",
        ),
        ("vpc-plain alias.amazonaws.com CNAME", "alias.amazonaws.com 60 vpce-1-h.ec2.us-east-1.vpce.amazonaws.com"),
        (
            "vpc-plain alias.amazonaws.com AAAA",
            "alias.amazonaws.com 60 vpce-1-h.ec2.us-east-1.vpce.amazonaws.com, no, says amazonaws.com",
        ),
        // RFC 6604 3: the code is that of the last name in the chain.
        (
            "vpc-plain dangling.amazonaws.com A",
            "dangling.amazonaws.com 60 nowhere.amazonaws.com, NxDomain, no, says amazonaws.com",
        ),
        ("vpc-plain round.amazonaws.com A", "ServFail"),
    ]);
}

#[test]
fn the_question_s_case_is_echoed() {
    check(&[
        ("vpc-plain EC2.us-EAST-1.amazonaws.com A", "EC2.us-EAST-1.amazonaws.com 60 52.46.0.1"),
        ("vpc-plain EC2.us-EAST-1.amazonaws.com. A", "EC2.us-EAST-1.amazonaws.com 60 52.46.0.1"),
    ]);
}

#[test]
fn names_have_dns_limits() {
    let label = |length| "x".repeat(length);
    assert!(Name::parse(&label(63)).is_ok());
    assert!(matches!(Name::parse(&label(64)), Err(BadName::LongLabel(_))));
    // Four labels of 62 bytes are 4 × 63 + 1 = 253 wire bytes; two more make 255, a third 256.
    let long = vec![label(62); 4].join(".");
    assert!(Name::parse(&format!("{long}.a")).is_ok());
    assert!(matches!(Name::parse(&format!("{long}.ab")), Err(BadName::LongName(_))));
    assert!(matches!(Name::parse("a..b"), Err(BadName::EmptyLabel(_))));
    assert!(matches!(Name::parse(".a"), Err(BadName::EmptyLabel(_))));
    assert!(matches!(Name::parse("a\\"), Err(BadName::BadEscape(_))));
    assert!(matches!(Name::parse("a\\256"), Err(BadName::BadEscape(_))));
    assert_eq!(Name::parse("a\\.b.c").unwrap().labels().collect::<Vec<_>>(), [b"a.b".as_slice(), b"c"]);
}

#[test]
fn a_zone_holds_only_names_under_its_apex() {
    let mut view = View::new(true, true);
    let zone = view.private_zone("ec2.us-east-1.amazonaws.com").unwrap();
    let error = zone.add("s3.us-east-1.amazonaws.com", Records::endpoint([])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`s3.us-east-1.amazonaws.com` is not under `ec2.us-east-1.amazonaws.com`, so that zone can't hold it"
    );
}

fn addresses(answer: &Answer) -> Vec<Ipv4Addr> {
    let addresses = answer.records.iter().filter_map(|record| match record.data {
        Data::A(address) => Some(address),
        _ => None,
    });
    addresses.collect()
}

fn label() -> impl Strategy<Value = String> {
    "[a-z*]{1,3}"
}

proptest! {
    /// print ∘ parse = id, for any bytes in labels.
    #[test]
    fn names_survive_printing(labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 1..8)) {
        let name = Name::from_labels(labels.iter().map(Vec::as_slice)).unwrap();
        let again = Name::parse(&name.to_string()).unwrap();
        prop_assert_eq!(again.labels().collect::<Vec<_>>(), name.labels().collect::<Vec<_>>());
    }

    #[test]
    fn noise_is_a_name_or_refused(text in ".{0,300}") {
        if let Ok(name) = Name::parse(&text) {
            prop_assert_eq!(&Name::parse(&name.to_string()).unwrap(), &name);
        }
    }

    /// Every answer of a pool comes from its ranges, is at most eight long and repeats nothing; neighbours differ.
    #[test]
    fn pools_answer_from_their_ranges(
        ranges in prop::collection::vec((any::<u32>(), 8u8..=32), 1..6), rotation in any::<u64>(),
    ) {
        let prefixes: Vec<Ipv4Net> =
            ranges.iter().map(|(bits, length)| Ipv4Net::new((*bits).into(), *length).unwrap().trunc()).collect();
        let mut zones = Zones::new();
        zones.add_public("s3.amazonaws.com", Records::service(prefixes.clone())).unwrap();
        zones.add_view("vpc", View::new(true, false));
        let ask = |rotation| addresses(&answer(&zones, "vpc", "s3.amazonaws.com", RecordType::A, rotation).unwrap());
        let got = ask(rotation);
        prop_assert!(!got.is_empty() && got.len() <= Records::MOST);
        prop_assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), got.len());
        prop_assert!(got.iter().all(|address| prefixes.iter().any(|prefix| prefix.contains(address))));
        prop_assert_eq!(&ask(rotation), &got);
        if ranges.iter().any(|(_, length)| *length <= 16) {
            prop_assert_ne!(ask(rotation.wrapping_add(1)), got);
        }
    }

    /// A list is answered whole, and each address leads equally often.
    #[test]
    fn lists_rotate(count in 1u8..30, rotation in 0u64..1_000_000) {
        let list: Vec<_> = (0..count).map(|last| Ipv4Addr::new(10, 0, 0, last)).collect();
        let mut zones = Zones::new();
        zones.add_public("n.amazonaws.com", Records::endpoint(list.clone())).unwrap();
        zones.add_view("vpc", View::new(true, false));
        let ask = |rotation| addresses(&answer(&zones, "vpc", "n.amazonaws.com", RecordType::A, rotation).unwrap());
        let leaders: BTreeSet<_> = (0..u64::from(count)).map(|step| ask(rotation + step)[0]).collect();
        prop_assert_eq!(leaders.into_iter().collect::<Vec<_>>(), list);
        prop_assert_eq!(ask(rotation).len(), usize::from(count));
    }

    /// Against a reference that reads RFC 4592 word by word on label lists.
    #[test]
    fn wildcards_are_as_the_rfc_says(
        entries in prop::collection::vec(prop::collection::vec(label(), 1..4), 0..6),
        question in prop::collection::vec(label(), 1..4),
    ) {
        let mut zones = Zones::new();
        let mut known: HashMap<Vec<String>, u8> = HashMap::new();
        for (index, labels) in entries.iter().enumerate() {
            zones.add_public(&labels.join("."), Records::endpoint([Ipv4Addr::new(10, 0, 0, index as u8)])).unwrap();
            known.insert(labels.clone(), index as u8);
        }
        zones.add_view("vpc", View::new(true, false));
        // `amazonaws.com` is delegated from the root, so `com` exists there.
        let exists = |name: &[String]| name.is_empty() || name == ["com"] || known.keys().any(|known| known.ends_with(name));
        let got = answer(&zones, "vpc", &question.join("."), RecordType::A, 0).unwrap();
        let expected = if exists(&question) {
            (ResponseCode::NoError, known.get(&question).copied())
        } else {
            let encloser = (1..=question.len()).map(|skip| &question[skip..]).find(|name| exists(name)).unwrap();
            let wildcard: Vec<String> = std::iter::once("*".to_owned()).chain(encloser.iter().cloned()).collect();
            match (exists(&wildcard), known.get(&wildcard)) {
                (true, found) => (ResponseCode::NoError, found.copied()),
                (false, _) => (ResponseCode::NxDomain, None),
            }
        };
        prop_assert_eq!((got.response_code, addresses(&got).first().map(|address| address.octets()[3])), expected);
    }
}
