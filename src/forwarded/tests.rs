//! Which addresses, schemes and hosts are believed, and the fields that the application gets.

use super::*;
use proptest::prelude::*;

fn head(target: &str, fields: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().uri(target);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn peer(address: &str) -> Peer {
    Peer { address: PeerAddress::ip(address.parse().unwrap()), tls: false, source: Source::Socket }
}

fn trusting(entries: &[&str]) -> TrustedProxies {
    TrustedProxies::parse(&entries.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn seen(from: &str, trusted: &[&str], fields: &[(&str, &str)]) -> Downstream {
    let mut all = vec![("host", "app.example")];
    all.extend_from_slice(fields);
    resolve(&head("/", &all), &peer(from), &trusting(trusted)).unwrap()
}

#[test]
fn an_untrusted_peers_fields_are_ignored_and_the_first_is_named() {
    let downstream = seen("203.0.113.7:1", &[], &[("x-forwarded-proto", "https"), ("x-forwarded-for", "1.2.3.4")]);
    assert_eq!(downstream.scheme, Scheme::Http);
    assert_eq!(downstream.client.address, "203.0.113.7".parse().ok());
    assert_eq!(downstream.ignored, Some(X_FORWARDED_PROTO));
    assert!(!downstream.behind_undeclared_proxy(), "a public peer is shown by its own address");
}

#[test]
fn behind_an_undeclared_proxy_the_client_is_unknown() {
    for field in ["x-forwarded-for", "x-real-ip", "forwarded"] {
        let downstream = seen("10.0.0.5:1", &[], &[(field, "1.2.3.4")]);
        assert_eq!((downstream.client.address, downstream.client.many), (None, true), "{field}");
        assert!(downstream.behind_undeclared_proxy());
        assert_eq!(downstream.client.forwarded_for(), "10.0.0.5".parse::<IpAddr>().unwrap());
    }
    let proto_alone = seen("10.0.0.5:1", &[], &[("x-forwarded-proto", "https")]);
    assert!(proto_alone.client.address.is_some());
}

#[test]
fn where_proxies_are_declared_any_other_peer_is_a_client() {
    for from in ["127.0.0.1:1", "10.0.0.5:1", "192.168.1.9:1", "[fd00::5]:1", "[::1]:1"] {
        let downstream = seen(from, &["203.0.113.1"], &[("x-forwarded-for", "1.2.3.4")]);
        assert_eq!(downstream.client.address, peer(from).address.as_ip());
        assert_eq!(downstream.ignored, Some(X_FORWARDED_FOR), "and is reported");
        assert!(!downstream.behind_undeclared_proxy() && !downstream.client.many);
    }
    let unix = Peer { address: PeerAddress::Unix, ..peer("10.0.0.5:1") };
    let head = head("/", &[("host", "a"), ("x-forwarded-for", "1.2.3.4")]);
    let many = |entries: &[&str]| resolve(&head, &unix, &trusting(entries)).unwrap().client.many;
    assert!(many(&[]) && !many(&["203.0.113.1"]));
}

#[test]
fn after_a_preamble_no_field_is_believed() {
    let fields = [("host", "a"), ("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")];
    let (head, trusted) = (head("/", &fields), trusting(&["10.0.0.0/8"]));
    let seen = |address: &str, source| {
        resolve(&head, &Peer { source, ..peer(address) }, &trusted).map(|seen| (seen.client, seen.scheme)).unwrap()
    };
    for (address, source) in
        [("10.0.0.5:1", Source::Preamble), ("203.0.113.7:1", Source::Preamble), ("10.0.0.5:1", Source::Unknown)]
    {
        let (client, scheme) = seen(address, source);
        let known = source == Source::Preamble;
        assert_eq!((client.address.is_some(), client.many, scheme), (known, !known, Scheme::Http), "{address}");
        assert_eq!(client.forwarded_for(), peer(address).address.as_ip().unwrap());
    }
    assert_eq!(seen("10.0.0.5:1", Source::Socket).0.address, "1.2.3.4".parse().ok());
}

#[test]
fn the_client_is_the_right_most_hop_that_is_no_trusted_proxy() {
    let client = |value| seen("10.0.0.1:1", &["10.0.0.0/8"], &[("x-forwarded-for", value)]).client.address;
    assert_eq!(client("6.6.6.6, 203.0.113.7, 10.0.0.9"), "203.0.113.7".parse().ok());
    assert_eq!(client("203.0.113.7:443"), "203.0.113.7".parse().ok());
    assert_eq!(client("[2001:db8::1]:443"), "2001:db8::1".parse().ok());
    assert_eq!(client("::ffff:203.0.113.7"), "203.0.113.7".parse().ok());
    assert_eq!(client("203.0.113.7, unknown, 10.0.0.9"), "10.0.0.9".parse().ok());
    assert_eq!(client(""), "10.0.0.1".parse().ok());
}

#[test]
fn hops_before_the_client_are_not_read() {
    let mut read = 0;
    let hops = ["10.0.0.9", "203.0.113.7", "6.6.6.6"].map(parse_node).into_iter().inspect(|_| read += 1);
    let client = client_of(peer("10.0.0.1:1").address, hops, &trusting(&["10.0.0.0/8"]));
    assert_eq!((client, read), ("203.0.113.7".parse().ok(), 2));
}

#[test]
fn only_a_single_scheme_of_a_trusted_peer_is_believed() {
    let proto = |fields: &[(&str, &str)]| {
        let downstream = seen("10.0.0.1:1", &["10.0.0.1"], fields);
        (downstream.scheme, downstream.doubtful_proto)
    };
    assert_eq!(proto(&[("x-forwarded-proto", "HTTPS")]), (Scheme::Https, false));
    assert_eq!(proto(&[]), (Scheme::Http, false));
    for value in ["https, http", "", "wss", "https;"] {
        assert_eq!(proto(&[("x-forwarded-proto", value)]), (Scheme::Http, true), "{value}");
    }
    assert_eq!(proto(&[("x-forwarded-proto", "https"), ("x-forwarded-proto", "https")]), (Scheme::Http, true));
}

#[test]
fn forwarded_is_understood_from_trusted_proxies() {
    let value = "for=6.6.6.6;proto=http;host=evil.example, For=\"[2001:db8::7]:99\";proto=https;host=\"app.example\", for=10.0.0.9";
    let downstream = seen("10.0.0.1:1", &["10.0.0.0/8"], &[("forwarded", value)]);
    assert_eq!(downstream.client.address, "2001:db8::7".parse().ok());
    assert_eq!((downstream.scheme, downstream.host.to_str().unwrap()), (Scheme::Https, "app.example"));
    for value in ["for=1.2.3.4;;proto=https", "for=1.2.3.4;proto=https;proto=http", "for=1.2.3.4;for=5.6.7.8"] {
        let broken = seen("10.0.0.1:1", &["10.0.0.0/8"], &[("forwarded", value)]);
        assert_eq!((broken.client.address, broken.scheme), ("10.0.0.1".parse().ok(), Scheme::Http), "{value}");
    }
}

#[test]
fn host_and_port_come_from_a_trusted_peer_or_the_request() {
    let downstream = seen(
        "10.0.0.1:1",
        &["10.0.0.1"],
        &[("x-forwarded-host", "shop.example"), ("x-forwarded-port", "8443"), ("x-forwarded-proto", "https")],
    );
    let origin = crate::origin::Origin::at(downstream.scheme, &downstream.host().unwrap(), downstream.port);
    assert_eq!(origin.to_string(), "https://shop.example:8443");
    assert_eq!(seen("10.0.0.1:1", &["10.0.0.1"], &[("x-forwarded-host", "a, b")]).host, "app.example");
}

#[test]
fn a_request_names_exactly_one_host() {
    let judge = |target: &str, fields: &[(&str, &str)]| {
        resolve(&head(target, fields), &peer("1.2.3.4:1"), &TrustedProxies::default()).map(|_| ())
    };
    assert_eq!(judge("/", &[]), Err(ForwardedError::Missing));
    assert_eq!(judge("/", &[("host", "a"), ("host", "a")]), Err(ForwardedError::Malformed));
    for bad in ["", "a, b", "a b", "a/..", "user@a", "a:99999"] {
        assert_eq!(judge("/", &[("host", bad)]), Err(ForwardedError::Malformed), "{bad}");
    }
    assert_eq!(judge("http://a.example/", &[("host", "A.example")]), Ok(()));
    assert_eq!(judge("http://b.example/", &[("host", "a.example")]), Err(ForwardedError::Conflicting));
    assert_eq!(judge("http://user@a.example/", &[("host", "a.example")]), Err(ForwardedError::Conflicting));
}

#[test]
fn trust_is_not_given_by_accident() {
    assert!(
        TrustedProxies::parse(&["10.0.0.1".into(), "0.0.0.0/0".into()])
            .is_err_and(|why| why.starts_with("`0.0.0.0/0`"))
    );
    assert!(TrustedProxies::parse(&["::/0".into()]).is_err());
    let halves = ["10.0.0.1", "0.0.0.0/1", "::1", "128.0.0.0/1"].map(String::from);
    assert!(TrustedProxies::parse(&halves).is_err() && TrustedProxies::parse(&halves[..3]).is_ok());
    assert!(TrustedProxies::parse(&["proxy.example".into()]).is_err());
    let trusted = trusting(&["10.0.0.0/8", "::ffff:192.0.2.0/120"]);
    assert!(trusted.trusts(PeerAddress::ip("[::ffff:10.0.0.1]:80".parse().unwrap())));
    assert!(trusted.trusts(PeerAddress::ip("192.0.2.9:80".parse().unwrap())));
    assert!(!trusted.trusts(PeerAddress::Unix));
    assert!(trusting(&["unix"]).trusts(PeerAddress::Unix));
}

proptest! {
    #[test]
    fn no_forwarded_value_panics_or_misleads(value in "[ -~]{0,60}", trusted in any::<bool>()) {
        let Ok(value) = HeaderValue::from_str(&value) else { return Ok(()) };
        let mut parts = head("/", &[("host", "app.example")]);
        for name in [header::FORWARDED, X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST, X_FORWARDED_PORT] {
            parts.headers.insert(name, value.clone());
        }
        let list = if trusted { trusting(&["203.0.113.7"]) } else { TrustedProxies::default() };
        let downstream = resolve(&parts, &peer("203.0.113.7:1"), &list).unwrap();
        prop_assert!(Host::is_valid(downstream.host.to_str().unwrap()));
        prop_assert!(downstream.client.address.is_some());
    }
}
