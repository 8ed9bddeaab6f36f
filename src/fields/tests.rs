//! What may pass, either way.

use std::rc::Rc;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Version};

use super::managed::is_managed;
use super::*;
use crate::forwarded::{
    Client, Downstream, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO, X_REAL_IP,
};
use crate::origin::Scheme;
use crate::peer::PeerAddress;
use proptest::prelude::*;

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

fn prepared(mut headers: HeaderMap) -> HeaderMap {
    let address = "203.0.113.7:9".parse().unwrap();
    let client = Client { peer: PeerAddress::ip(address), address: Some(address.ip()), many: false };
    let host = HeaderValue::from_static("app.example");
    let downstream = Downstream {
        client,
        scheme: Scheme::Http,
        host: host.clone(),
        port: 80,
        ignored: None,
        doubtful_proto: false,
        trusted: false,
    };
    let (request_id, rules) = (HeaderValue::from_static("id"), Rc::new(FieldRules::default()));
    let managed =
        ManagedFields { downstream: &downstream, request_id: &request_id, host, forwarded: false, rules: &rules };
    Edit::of_client(&mut headers, managed).apply(&mut headers);
    headers
}

#[test]
fn no_spelling_of_a_managed_name_passes() {
    for name in [
        "X-Forwarded-Proto",
        "x_forwarded_proto",
        "X.Forwarded.Proto",
        "x-forwarded~proto",
        "X_REAL_IP",
        "front_end_https",
        "transfer_encoding",
        "content_length",
        "X-Qrgate-User",
        "x_qrgate_user",
        "x-scheme",
        "x_request_id",
        "SCRIPT_NAME",
        "Path.Info",
        "daphne~root~path",
        "Proxy",
        "CF-Connecting-IP",
    ] {
        assert!(is_managed(name), "{name}");
    }
    for name in [
        "x-forwarded-x",
        "x-request-id",
        "content-length",
        "host",
        "cookie",
        "xforwarded-proto",
        "x-qrgates",
        "webhook-id",
        "x-http-method-override",
        "x-requested-with",
        "x-csrf-token",
        "sec-fetch-site",
    ] {
        assert!(!is_managed(name), "{name}");
    }
}

#[test]
fn connection_takes_away_what_is_its_own_and_nothing_else() {
    let headers = prepared(map(&[
        ("connection", "close, X-Forwarded-Proto, x-hop"),
        ("connection", "Cookie, authorization, Keep-Alive, If-Match, Sec-Fetch-Site, Accept, Content-Type"),
        ("x-hop", "1"),
        ("if-match", "x"),
        ("sec-fetch-site", "same-origin"),
        ("accept", "text/html"),
        ("content-type", "text/plain"),
        ("cookie", "a=b"),
        ("authorization", "Basic x"),
        ("keep-alive", "timeout=5"),
        ("te", "gzip"),
    ]));
    for gone in ["connection", "x-hop", "keep-alive", "te"] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
    for kept in ["if-match", "sec-fetch-site", "accept", "content-type"] {
        assert!(headers.contains_key(kept), "{kept}");
    }
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(
        (&headers["cookie"], &headers["authorization"]),
        (&HeaderValue::from_static("a=b"), &HeaderValue::from_static("Basic x"))
    );
}

#[test]
fn cookie_crumbs_are_joined_once() {
    assert_eq!(
        prepared(map(&[("cookie", "a=1"), ("cookie", "qrgate=x; b=2"), ("cookie", "qrgate=y")]))["cookie"],
        "a=1; b=2"
    );
}

#[test]
fn framing_that_hyper_lets_through_is_refused() {
    let judge = |version, fields: &[(&str, &str)]| check_framing(version, &map(fields), 3);
    let h1 = Version::HTTP_11;
    assert_eq!(judge(h1, &[("transfer-encoding", "Chunked")]), Ok(()));
    for value in ["xchunked", "identity", "gzip, chunked", "chunked;q=1", ""] {
        assert_eq!(judge(h1, &[("transfer-encoding", value)]), Err(Malformed::TransferEncoding), "{value}");
    }
    assert_eq!(
        judge(h1, &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]),
        Err(Malformed::TransferEncoding)
    );
    assert_eq!(judge(Version::HTTP_10, &[("transfer-encoding", "chunked")]), Err(Malformed::TransferEncoding));
    for value in ["+5", "-1", "0x5", "", "5, 5", "010", "00"] {
        assert_eq!(judge(h1, &[("content-length", value)]), Err(Malformed::ContentLength), "{value}");
    }
    assert_eq!(judge(h1, &[("content-length", "0")]), Ok(()));
    assert_eq!(judge(h1, &[("expect", "foo")]), Err(Malformed::Expectation));
    assert_eq!(judge(h1, &[("expect", "100-continue"), ("expect", "foo")]), Err(Malformed::Expectation));
    for value in [" a", "a ", "\ta", " "] {
        assert_eq!(judge(Version::HTTP_2, &[("x-a", value)]), Err(Malformed::Whitespace), "{value:?}");
    }
    assert_eq!(judge(Version::HTTP_2, &[("x-a", ""), ("x-b", "a b")]), Ok(()));
    assert_eq!(judge(Version::HTTP_2, &[("te", "gzip")]), Err(Malformed::ConnectionSpecific));
    assert_eq!(judge(Version::HTTP_2, &[("te", "trailers")]), Ok(()));
}

#[test]
fn an_answer_with_two_framings_is_not_passed_on() {
    let mut both = map(&[("content-length", "5"), ("transfer-encoding", "chunked")]);
    assert_eq!(response_length(Version::HTTP_11, &mut both), Ok(Length::Chunked));
    assert!(!both.contains_key("content-length"));
    let mut octal = map(&[("content-length", "010")]);
    assert_eq!(response_length(Version::HTTP_11, &mut octal), Ok(Length::Known(10)));
    assert_eq!(octal["content-length"], "10");
    for lengths in [map(&[("content-length", "2, 2")]), map(&[("content-length", "2"), ("content-length", "3")])] {
        assert_eq!(response_length(Version::HTTP_2, &mut lengths.clone()), Err(BadResponse::ContentLength));
    }
    let mut coded = map(&[("transfer-encoding", "gzip, chunked")]);
    assert_eq!(response_length(Version::HTTP_11, &mut coded), Err(BadResponse::TransferEncoding));
}

#[test]
fn trailers_cannot_pass_for_the_head() {
    let never = ["host", "content-length", "x_forwarded_proto", "authorization", "cookie", "set-cookie", "location"];
    let mut trailers = map(&[("x-checksum", "1"), ("server-timing", "a")]);
    for name in never {
        trailers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("x"));
    }
    prepare_trailers(&mut trailers);
    assert_eq!(trailers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-checksum", "server-timing"]);
}

#[test]
fn no_response_of_the_application_sets_a_cookie_of_qrgate() {
    let mut answer = map(&[("set-cookie", "a=1"), ("set-cookie", "__Host-qrgate=x; Path=/"), ("set-cookie", "b=2")]);
    prepare_response(&mut answer);
    assert_eq!(answer.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
}

#[test]
fn only_a_complete_upgrade_is_one() {
    let ask = |method: Method, version, fields: &[(&str, &str)], content| {
        asks_for_upgrade(&method, version, &map(fields), content).is_some()
    };
    let complete = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
    assert!(ask(Method::GET, Version::HTTP_11, &complete, false));
    assert!(!ask(Method::GET, Version::HTTP_10, &complete, false));
    assert!(!ask(Method::POST, Version::HTTP_11, &complete, false));
    assert!(!ask(Method::GET, Version::HTTP_11, &complete, true));
    let exec = [("connection", "Upgrade"), ("upgrade", "tcp")];
    assert!(ask(Method::POST, Version::HTTP_11, &exec, true));
    assert!(!ask(Method::POST, Version::HTTP_10, &exec, true));
    assert!(!ask(Method::GET, Version::HTTP_11, &complete[1..], false));
    assert!(!ask(Method::GET, Version::HTTP_11, &[("connection", "upgrade"), ("upgrade", "h2c")], false));
}

#[test]
fn request_ids_are_kept_when_they_are_plain() {
    assert!(kept_request_id(&map(&[("x-request-id", "abc.DEF-1_2~+/=")])).is_some());
    for odd in ["", "a b", "a\"b", &"a".repeat(129)] {
        assert!(kept_request_id(&map(&[("x-request-id", odd)])).is_none(), "{odd}");
    }
    assert!(kept_request_id(&map(&[("x-request-id", "a"), ("x-request-id", "b")])).is_none());
}

proptest! {
    #[test]
    fn each_managed_field_reaches_the_application_once_whatever_the_client_sends(
        names in proptest::collection::vec("[xX][-_.~][fF]orwarded[-_.~]([pP]roto|[fF]or|[hH]ost|port|ssl)|connection|x-real-ip|x[-_.~]qrgate[-_.~]a", 0..8),
        value in "[a-z, -]{0,30}",
    ) {
        let fields: Vec<_> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
        let headers = prepared(map(&fields));
        prop_assert_eq!(headers.get_all("x-forwarded-proto").iter().collect::<Vec<_>>(), vec!["http"]);
        prop_assert_eq!(headers.get_all("x-forwarded-for").iter().count(), 1);
        let sent = [X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO, X_REAL_IP];
        for name in headers.keys() {
            prop_assert!(!is_managed(name.as_str()) || sent.contains(name), "{name} passed");
        }
    }
}

#[test]
fn fields_of_http2_are_counted_and_crumbs_of_a_cookie_are_one() {
    let pairs = [("cookie", "a=1"); 9];
    let judge = |fields: &[(&str, &str)]| check_framing(Version::HTTP_2, &map(fields), 3);
    assert_eq!(judge(&[&pairs[..], &[("a", "1"), ("b", "2")]].concat()), Ok(()));
    assert_eq!(judge(&[("a", "1"), ("a", "2"), ("b", "3"), ("c", "4")]), Err(Malformed::TooMany));
}
