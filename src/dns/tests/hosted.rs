//! Customers' hosted zones: several types at one name, texts, aliases, name servers.

use super::*;

/// `shop.example` is public, `shop.example` of `vpc-app` another one; an alias leads to an endpoint's name.
fn hosted() -> Zones {
    let mut zones = lab();
    let endpoint = Name::parse("vpce-1-h.ec2.us-east-1.vpce.amazonaws.com").unwrap();
    let public = zones.public_zone("shop.example").unwrap();
    public.serve_by(&["ns-1.awsdns-01.org".to_owned(), "ns-2.awsdns-02.com".to_owned()]).unwrap();
    let strings = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
    public.add("shop.example", Records::text(300, [strings(&["v=spf1", " -all"]), strings(&["second"])])).unwrap();
    public.add("shop.example", Records::Alias { target: endpoint.clone() }).unwrap();
    public.add("api.shop.example", Records::Alias { target: Name::parse("shop.example").unwrap() }).unwrap();
    public.add("lost.shop.example", Records::Alias { target: Name::parse("nobody.shop.example").unwrap() }).unwrap();
    for (name, target) in [("left", "right"), ("right", "left")] {
        let target = Name::parse(&format!("{target}.shop.example")).unwrap();
        public.add(&format!("{name}.shop.example"), Records::Alias { target }).unwrap();
    }
    public.add("www.shop.example", Records::text(300, [strings(&["gone"])])).unwrap();
    public.add("www.shop.example", Records::Cname { ttl: 120, target: endpoint }).unwrap();
    let view = zones.view_mut("vpc-app").unwrap();
    let private = view.private_zone("shop.example").unwrap();
    private.add("db.shop.example", Records::Addresses { ttl: 30, addresses: vec![address("10.0.1.77")] }).unwrap();
    zones
}

fn check(cases: &[(&str, &str)]) {
    let zones = hosted();
    for (question, expected) in cases {
        assert_eq!(ask(&zones, question), *expected, "{question}");
    }
}

#[test]
fn a_name_has_records_of_several_types() {
    check(&[
        ("vpc-plain shop.example TXT", "shop.example 300 \"v=spf1\"\" -all\", shop.example 300 \"second\""),
        ("vpc-plain SHOP.example NS", "SHOP.example 60 ns-1.awsdns-01.org, SHOP.example 60 ns-2.awsdns-02.com"),
        ("vpc-plain shop.example SOA", "shop.example 60 soa ns-1.awsdns-01.org"),
        ("vpc-plain shop.example CNAME", "no, says shop.example"),
        ("vpc-plain shop.example AAAA", "no, says shop.example"),
        ("vpc-plain none.shop.example TXT", "NxDomain, no, says shop.example"),
        // A canonical name stands alone, and its target's "no" is its own zone's.
        ("vpc-plain www.shop.example CNAME", "www.shop.example 120 vpce-1-h.ec2.us-east-1.vpce.amazonaws.com"),
        (
            "vpc-plain www.shop.example TXT",
            "www.shop.example 120 vpce-1-h.ec2.us-east-1.vpce.amazonaws.com, no, says amazonaws.com",
        ),
    ]);
}

#[test]
fn an_alias_answers_with_the_addresses_of_its_target_as_its_own() {
    let of = |name: &str| ["10.0.1.5", "10.0.2.5", "10.0.3.5"].map(|ip| format!("{name} 60 {ip}")).join(", ");
    check(&[
        ("vpc-plain shop.example A", &of("shop.example")),
        ("vpc-plain api.shop.example A", &of("api.shop.example")),
        ("vpc-plain lost.shop.example A", "no, says shop.example"),
        ("vpc-plain left.shop.example A", "no, says shop.example"),
        // The private zone of the same name hides the whole public one, in its VPC alone.
        ("vpc-app db.shop.example A", "db.shop.example 30 10.0.1.77"),
        ("vpc-app shop.example TXT", "no, says shop.example"),
        ("vpc-app api.shop.example A", "NxDomain, no, says shop.example"),
        ("vpc-plain db.shop.example A", "NxDomain, no, says shop.example"),
    ]);
}

#[test]
fn a_zone_below_hides_what_the_zone_above_has_there() {
    let mut zones = hosted();
    let above = zones.public_zone("shop.example").unwrap();
    above.add("x.eu.shop.example", Records::endpoint([address("10.0.0.1")])).unwrap();
    zones.public_zone("eu.shop.example").unwrap();
    assert_eq!(ask(&zones, "vpc-plain x.eu.shop.example A"), "NxDomain, no, says eu.shop.example");
}

#[test]
fn a_long_text_goes_in_pieces() {
    let Records::Text { texts, .. } = Records::text(60, [vec![vec![b'x'; 600], Vec::new()]]) else { panic!("a text") };
    assert_eq!(texts[0].iter().map(|piece| piece.len()).collect::<Vec<_>>(), [255, 255, 90, 0]);
}
