//! Client and origin of a request, and the fields that the application gets: only a trusted proxy's fields count.

use std::net::IpAddr;
use std::rc::Rc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Uri};

use super::lines::fields;
use crate::fields::{Edit, FieldRules, ManagedFields};
use crate::forwarded::{
    Downstream, TrustedProxies, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO, X_REAL_IP,
    resolve,
};
use crate::origin::{Host, Scheme};
use crate::peer::{Peer, PeerAddress, Source};

const SPOKEN: [HeaderName; 6] =
    [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST, X_FORWARDED_PORT, X_REAL_IP, header::FORWARDED];
/// `public.proxy_headers`
const LISTED: HeaderName = HeaderName::from_static("true-client-ip");
const PROXY: &str = "10.0.0.1:443";
const STRANGERS: [&str; 3] = ["198.51.100.7:5000", "192.168.1.20:5000", "[2001:db8::7]:5000"];

/// The input is a request: its target, then its field lines, one a line.
///
/// - An untrusted peer is the client. Its fields for scheme, host and port have no effect. The same holds for the
///   client that a PROXY preamble names. With no trusted proxies, a peer on a private network that names a client is
///   recorded as an undeclared proxy.
/// - Behind a trusted proxy the client is the proxy, or an address in its fields. Text that a client put before the
///   part that the proxy appended has no effect.
/// - An accepted host is syntactically a host. A request with no host or two is refused for every peer.
/// - The application gets each managed field exactly once and in no other spelling. A second qrgate that reads them
///   derives the same client, scheme and host.
pub fn check(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let Ok(target) = Uri::try_from(lines.next().unwrap_or_default()) else { return };
    let mut head = Request::new(()).into_parts().0;
    head.uri = target;
    head.headers = fields(lines);
    let silent = without(&head, &SPOKEN);
    for tls in [false, true] {
        for peer in STRANGERS {
            stranger(&head, &silent, &at(peer, tls));
        }
        stranger(&head, &silent, &Peer { address: PeerAddress::Unix, tls, source: Source::Socket });
        proxy(&head, &silent, &at(PROXY, tls));
        after_preamble(&head, &silent, &at(PROXY, tls));
    }
}

fn stranger(head: &Parts, silent: &Parts, peer: &Peer) {
    let (seen, own) = match (resolve(head, peer, &trusted()), resolve(silent, peer, &trusted())) {
        (Ok(seen), Ok(own)) => (seen, own),
        (seen, own) => return assert_eq!(seen.map(drop), own.map(drop), "a stranger's word"),
    };
    assert_eq!((seen.scheme, &seen.host, seen.port), (own.scheme, &own.host, own.port), "a stranger's word");
    assert_eq!(seen.scheme == Scheme::Https, peer.tls);
    assert!(seen.client.peer == peer.address && !seen.doubtful_proto && own.client.address == peer.address.as_ip());
    assert_eq!(seen.client.address, peer.address.as_ip(), "a stranger is the client");
    assert!(!seen.client.many && !seen.behind_undeclared_proxy());
    assert_eq!(seen.ignored.is_some(), SPOKEN.iter().any(|name| head.headers.contains_key(name)));
    check_forwarding_fields(head, &seen);

    let nearby = peer.address.as_ip().is_none_or(|address| address.to_string().starts_with("192.168."));
    let names_a_client =
        [X_FORWARDED_FOR, X_REAL_IP, header::FORWARDED].iter().any(|name| head.headers.contains_key(name));
    let seen = resolve(head, peer, &TrustedProxies::default()).expect("a good request");
    assert_eq!(seen.client.address, peer.address.as_ip().filter(|_| !(nearby && names_a_client)), "undeclared");
    assert!(seen.client.many == seen.client.address.is_none());
}

/// A request after a PROXY preamble from a trusted proxy: its forwarding fields have no effect.
fn after_preamble(head: &Parts, silent: &Parts, proxy: &Peer) {
    for source in [Source::Preamble, Source::Unknown] {
        let peer = Peer { source, ..*proxy };
        let (Ok(seen), Ok(own)) = (resolve(head, &peer, &trusted()), resolve(silent, &peer, &trusted())) else {
            return;
        };
        assert_eq!((seen.scheme, &seen.host, seen.port), (own.scheme, &own.host, own.port), "after a preamble");
        assert!(!seen.trusted && !seen.doubtful_proto && seen.client.many == (source == Source::Unknown));
        assert_eq!(seen.client.address, peer.address.as_ip().filter(|_| source == Source::Preamble));
        check_forwarding_fields(head, &seen);
    }
}

fn proxy(head: &Parts, silent: &Parts, peer: &Peer) {
    let (seen, own) = match (resolve(head, peer, &trusted()), resolve(silent, peer, &trusted())) {
        (Ok(seen), Ok(own)) => (seen, own),
        (seen, own) => return assert_eq!(seen.map(drop), own.map(drop), "a malformed request"),
    };
    let client = seen.client.address.expect("the client behind a trusted proxy is known");
    let said = |name: &HeaderName| head.headers.get_all(name).iter().any(|line| mentions(line, client));
    assert!(Some(client) == peer.address.as_ip() || said(&X_FORWARDED_FOR) || said(&header::FORWARDED), "{client}");
    if let Some(scheme) = once(&head.headers, &X_FORWARDED_PROTO) {
        let believed = scheme.and_then(Scheme::parse);
        assert_eq!((seen.scheme, seen.doubtful_proto), (believed.unwrap_or(own.scheme), believed.is_none()));
    }
    assert!(Host::is_valid(seen.host.to_str().expect("text")) && seen.host().is_some());

    let mut appended = head.clone();
    appended.headers.append(X_FORWARDED_FOR, HeaderValue::from_static("203.0.113.9, 10.7.7.7"));
    assert_eq!(client_by(&appended, peer), Some([203, 0, 113, 9].into()), "what the proxy appended counts");
    let mut appended = without(head, &[X_FORWARDED_FOR]);
    appended.headers.append(header::FORWARDED, HeaderValue::from_static("for=203.0.113.9"));
    let client = client_by(&appended, peer);
    assert!(
        client == Some([203, 0, 113, 9].into()) || client == peer.address.as_ip(),
        "what the proxy appended counts"
    );
    check_forwarding_fields(head, &seen);
}

/// The forwarding fields that the application gets.
fn check_forwarding_fields(head: &Parts, seen: &Downstream) {
    let mut sent = head.clone();
    let request_id = HeaderValue::from_static("id");
    let rules = Rc::new(FieldRules { underscores: true, proxy_headers: vec![LISTED] });
    let managed = ManagedFields {
        downstream: seen,
        request_id: &request_id,
        host: seen.host.clone(),
        forwarded: true,
        rules: &rules,
    };
    Edit::of_client(&mut sent.headers, managed).apply(&mut sent.headers);
    let client = seen.client.forwarded_for();
    for (name, expected) in [
        (X_FORWARDED_FOR, client.to_string()),
        (X_REAL_IP, client.to_string()),
        (X_FORWARDED_PROTO, seen.scheme.as_str().to_owned()),
        (X_FORWARDED_HOST, seen.host.to_str().expect("text").to_owned()),
        (X_FORWARDED_PORT, seen.port.to_string()),
        (header::HOST, seen.host.to_str().expect("text").to_owned()),
    ] {
        let lines: Vec<&HeaderValue> = sent.headers.get_all(&name).iter().collect();
        assert_eq!(lines, [expected.as_str()], "{name}");
    }
    for name in sent.headers.keys() {
        let read: String = name.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let is_spoken = SPOKEN.contains(name);
        assert!(is_spoken || !is_managed(&read), "{name} reaches the application");
        assert!(read != LISTED.as_str() || seen.trusted && *name == LISTED, "{name} reaches the application");
        let aliased =
            ["transfer-encoding", "content-length", "host", "connection", "x-request-id"].contains(&read.as_str());
        assert!(!aliased || read == name.as_str(), "{name} reaches the application");
        assert!(!read.starts_with("x-qrgate-"), "{name} reaches the application");
    }
    for gone in [header::UPGRADE, header::TRANSFER_ENCODING, header::EXPECT, header::PROXY_AUTHORIZATION] {
        assert!(!sent.headers.contains_key(gone));
    }
    assert!(sent.headers.get_all(header::COOKIE).iter().count() <= 1);

    sent.uri = Uri::from_static("/");
    for heard in [sent.clone(), without(&sent, &[X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO])] {
        let next = resolve(&heard, &at(PROXY, false), &trusted()).expect("a good request");
        assert_eq!(
            (next.client.address, next.scheme, &next.host),
            (Some(client), seen.scheme, &seen.host),
            "forwarded on"
        );
        assert!(!next.doubtful_proto);
    }
}

/// Names of forwarding fields and of fields that change the path, with `-` for each non-alphanumeric character
/// (docs/security.md, section E).
fn is_managed(name: &str) -> bool {
    let relatives = "for proto host port prefix uri server ssl scheme path pathbase by https";
    let others = "forwarded x-real-ip x-original-url x-original-uri x-rewrite-url x-url-scheme front-end-https script-name \
                  path-info daphne-root-path x-script-name x-original-path x-replaced-path x-envoy-original-path \
                  x-original-host proxy client-ip x-client-ip x-cluster-client-ip cf-connecting-ip cf-visitor \
                  cloudfront-forwarded-proto x-arr-ssl x-proxied-https x-https x-host";
    name.strip_prefix("x-forwarded-").is_some_and(|rest| relatives.split(' ').any(|known| known == rest))
        || others.split_whitespace().any(|known| known == name)
}

fn trusted() -> TrustedProxies {
    TrustedProxies::parse(&["10.0.0.0/8".to_owned(), "2001:db8:ffff::/48".to_owned()]).expect("addresses")
}

fn at(address: &str, tls: bool) -> Peer {
    Peer { address: PeerAddress::ip(address.parse().expect("an address")), tls, source: Source::Socket }
}

fn client_by(head: &Parts, peer: &Peer) -> Option<IpAddr> {
    resolve(head, peer, &trusted()).ok().and_then(|seen| seen.client.address)
}

fn without(head: &Parts, names: &[HeaderName]) -> Parts {
    let mut head = head.clone();
    for name in names {
        head.headers.remove(name);
    }
    head
}

/// The value of a field, if the field is present. The inner `None`: the field is repeated, empty or a list.
fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Option<&'a str>> {
    let lines: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
    match lines.as_slice() {
        [] => None,
        [line] => Some(line.to_str().ok().map(str::trim).filter(|text| !text.contains(','))),
        _ => Some(None),
    }
}

/// Whether a part of the field is this address.
fn mentions(line: &HeaderValue, address: IpAddr) -> bool {
    let text = line.to_str().unwrap_or_default().replace('\\', "");
    let pieces = text.split([',', ';', '=', '"', ' ', '\t', '[', ']']);
    let same = |piece: &str| piece.parse::<IpAddr>().is_ok_and(|piece| piece.to_canonical() == address);
    pieces.into_iter().any(|piece| same(piece) || piece.rsplit_once(':').is_some_and(|(host, _)| same(host)))
}
