//! Tables for rows of docs/conformance.md (I3 to I9) and for what browsers do, and properties over any bytes.

use super::dropped::Prefix;
use super::names::fits;
use super::*;
use crate::clock::Timestamp;
use crate::origin::Origin;
use proptest::prelude::*;

fn headers(lines: &[&str]) -> HeaderMap {
    lines.iter().map(|line| (header::COOKIE, HeaderValue::from_str(line).unwrap())).collect()
}

fn lines(lines: &[&str]) -> Vec<HeaderValue> {
    lines.iter().map(|line| HeaderValue::from_str(line).unwrap()).collect()
}

fn https() -> Origin {
    Origin::parse("https://www.app.example").unwrap()
}

#[test]
fn session_cookies_are_found_by_name_and_glob() {
    let patterns = ["sessionid".to_owned(), "wordpress_*".to_owned()];
    let found = |h: &[&str]| sessions(&headers(h), &patterns);
    assert_eq!(found(&["a=1; sessionid=x%3A; wordpress_a=2"]), Ok(Some("sessionid=x%3A; wordpress_a=2".to_owned())));
    assert_eq!(found(&["a=1", "sessionid=x"]), Ok(Some("sessionid=x".to_owned())));
    assert_eq!(found(&["Sessionid=x; sessionidx=1; xsessionid=2; \"sessionid\"=3; sessionid"]), Ok(None));

    assert_eq!(sessions(&headers(&["qrgate=a; b=c"]), &["*".to_owned()]), Ok(Some("b=c".to_owned())));
}

#[test]
fn a_doubled_session_cookie_identifies_no_session() {
    let found = |h: &[&str]| sessions(&headers(h), &["sessionid".to_owned(), "x".to_owned()]);
    assert_eq!(found(&["sessionid=x; sessionid=x"]), Ok(Some("sessionid=x".to_owned())));
    for doubled in
        [&["sessionid=x; sessionid=y"][..], &["sessionid=x", "sessionid=y"], &["x=1; sessionid=; sessionid=y"]]
    {
        assert_eq!(found(doubled), Err(Doubled), "{doubled:?}");
    }
    let mut raw = headers(&["sessionid=x"]);
    raw.append(header::COOKIE, HeaderValue::from_bytes(b"sessionid=\xff").unwrap());
    assert_eq!(sessions(&raw, &["sessionid".to_owned()]), Err(Doubled));
}

#[test]
fn a_cookie_that_is_no_text_hides_no_other() {
    let mut raw = headers(&["a=1"]);
    raw.append(header::COOKIE, HeaderValue::from_bytes(b"b=\xff; c=3").unwrap());
    assert_eq!(sessions(&raw, &["*".to_owned()]), Ok(Some("a=1; c=3".to_owned())));
}

#[test]
fn globs_stand_for_any_bytes_and_cost_little() {
    for (pattern, name, expected) in [
        ("*", "", true),
        ("", "", true),
        ("a*", "a", true),
        ("*a", "ba", true),
        ("*a", "ab", false),
        ("a*b*c", "axbxbyc", true),
        ("a*b*c", "axbxbyd", false),
        ("wordpress_*", "wordpress_logged_in_0f", true),
        ("wordpress_*", "wordpress", false),
        ("**", "x", true),
        ("a.c", "abc", false),
    ] {
        assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
    }
    assert!(!fits("*a".repeat(40).as_bytes(), [b"a".repeat(4000), b"b".to_vec()].concat().as_slice()));
}

#[test]
fn disguised_names_are_not_those_of_qrgate() {
    let mut map = headers(&["$Version=1; __Host-qrgate=x; a=1", "b=2"]);
    assert_eq!(browser(&map, true), Ok(Some("x")));
    remove_own(&mut map);
    let left: Vec<_> = map.get_all(header::COOKIE).iter().collect();
    assert_eq!(left, ["$Version=1; a=1", "b=2"]);
    assert_eq!(browser(&headers(&["\"__Host-qrgate\"=x; __host-qrgate=y; __Host-qrgate =z"]), true), Ok(None));
    let unicode: HeaderMap = [(header::COOKIE, HeaderValue::from_bytes("\u{2000}__Host-qrgate=x".as_bytes()).unwrap())]
        .into_iter()
        .collect();
    assert_eq!(browser(&unicode, true), Ok(None));
    assert_eq!(browser(&headers(&["qrgate=x; qrgate=x"]), false), Err(Doubled));
    assert_eq!(browser(&headers(&["qrgate=x"]), true), Ok(None));
}

#[test]
fn a_line_with_nothing_else_goes() {
    for line in ["qrgate=1", "qrgate=1;", " ;; qrgate=1 ; __Host-qrgate=2;"] {
        let mut map = headers(&[line, "b=2"]);
        remove_own(&mut map);
        assert_eq!(map.get_all(header::COOKIE).iter().collect::<Vec<_>>(), ["b=2"], "{line}");
    }
    let mut map = headers(&["a=1;b=2 ;  c"]);
    remove_own(&mut map);
    assert_eq!(map[header::COOKIE], "a=1;b=2 ;  c");
}

#[test]
fn lines_are_relayed_as_they_came_but_for_secure() {
    let given = lines(&[
        "sessionid=a; Expires=Fri, 31 Dec 2100 23:59:59 GMT; Path=/; secure",
        "b=\"x,y\"; HttpOnly",
        "c=1; Domain=.App.example; Secure",
        "old=; Max-Age=0; Secure; Domain=www.app.example",
    ]);
    let relayed = relay(given.iter(), &https());
    assert_eq!(relayed.lines[0], given[0]);
    assert_eq!(relayed.lines[1], "b=\"x,y\"; HttpOnly; Secure");
    assert_eq!(relayed.lines[2..], given[2..]);
    assert!(relayed.dropped.is_empty());
    let plain = relay(given[1..2].iter(), &Origin::parse("http://www.app.example").unwrap());
    assert_eq!(plain.lines, given[1..2]);
}

#[test]
fn foreign_lines_and_our_own_are_dropped_with_a_reason_and_no_value() {
    for line in [
        "d=secret; Domain=evil.example",
        "d=secret; Domain=example",
        "d=secret; Domain=other.app.example",
        "d=secret; Domain=x.www.app.example",
        "d=secret; Domain=evilapp.example",
        "d=secret; Domain=app.example.",
        "d=secret; Domain=evil.example; Domain=",
        "d=secret; domain = evil.example; Domain=app.example",
        "__Host-qrgate=secret; Secure; Path=/",
        " qrgate =secret",
        "=qrgate=secret",
        "= __Host-qrgate =secret",
    ] {
        let relayed = relay(lines(&[line]).iter(), &https());
        assert!(relayed.lines.is_empty(), "{line}");
        assert_eq!(relayed.dropped.len(), 1, "{line}");
        assert!(!relayed.dropped[0].to_string().contains("secret"), "{line}");
    }
    let by_address = Origin::parse("http://192.168.1.20:8080").unwrap();
    assert_eq!(relay(lines(&["a=1; Domain=168.1.20"]).iter(), &by_address).lines.len(), 0);
    assert_eq!(relay(lines(&["a=1; Domain=192.168.1.20"]).iter(), &by_address).lines.len(), 1);
}

#[test]
fn our_cookie_is_recognised_in_answers() {
    for line in ["__Host-qrgate=x", "qrgate=", " qrgate = x; Path=/", "=qrgate=x"] {
        assert!(names_own(&HeaderValue::from_static(line)), "{line}");
    }
    for line in ["qrgatex=1", "a=qrgate=1", "qrgate", "QRGATE=1", "a=1; qrgate=2", ""] {
        assert!(!names_own(&HeaderValue::from_static(line)), "{line}");
    }
}

const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// Lines as a browser gets them, unjudged by qrgate.
fn received(given: &[&str]) -> Relayed {
    Relayed { lines: lines(given), dropped: Vec::new() }
}

fn sent(given: &[&str], origin: &str) -> Option<String> {
    let (received, origin) = (received(given), Origin::parse(origin).unwrap());
    Jar::receive(&received, &Browser::at(&origin, "/qr/x/", NOW)).sent_to("/_qr/whoami")
}

#[test]
fn lines_are_applied_as_a_browser_does() {
    let kept = |given: &[&str]| sent(given, "https://a.b.example");
    for (given, expected) in [
        (&["a=1; Path=/", "a=2; Path=/"][..], Some("a=2")),
        (&["a=1; Path=/", "b=2; Path=/", "a=3; Path=/"], Some("a=3; b=2")),
        (&["a=1; Path=/", "a=; Path=/; Max-Age=0"], None),
        (&["a=; Path=/; Max-Age=0", "a=1; Path=/"], Some("a=1")),
        (&["a=1; Path=/", "a=; Path=/; Max-Age=-99999999999999999999"], None),
        (&["a=1; Path=/; Max-Age=99999999999999999999"], Some("a=1")),
        (&["a=1; Path=/; Max-Age=0; Max-Age=soon"], Some("a=1")),
        (&["a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Expires=0"], Some("a=1")),
        (&["a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=soon"], None),
        (&["a=1; Path=/; Expires=1 Jan 1600 00:00:00"], None),
        (&["a=1; Path=/; Max-Age=+0"], None),
        (&["a=1; Path=/; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], Some("a=1")),
        (&["a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], None),
        (&["a=1; Path=/; Expires=Thu, 01-Jan-70 00:00:01 GMT"], None),
        (&["a=1; Path=/; Expires=Fri, 31 Dec 2100 23:59:59 GMT"], Some("a=1")),
        (&["a=1; Path=/; Expires=0"], Some("a=1")),
        (&["=nameless; Path=/", "nameless; Path=/"], None),
    ] {
        assert_eq!(kept(given).as_deref(), expected, "{given:?}");
    }
    assert_eq!(kept(&[&format!("a={}; Path=/", "x".repeat(4096))]), None);
}

#[test]
fn path_and_domain_tell_cookies_apart() {
    let kept = |given: &[&str]| sent(given, "https://a.b.example");
    for (given, expected) in [
        (&["a=1; Path=/admin", "b=2"][..], None),
        (&["a=1; Path=/_qr/who"], None),
        (&["a=1; Path=/_qr/"], Some("a=1")),
        (&["a=1; Path=/; Path=/_qr"], Some("a=1")),
        (&["a=1; Path=/", "a=2; Path=/_qr"], Some("a=2; a=1")),
        (&["a=1; Path=/; Domain=b.example", "a=; Path=/; Max-Age=0"], Some("a=1")),
        (&["a=1; Path=/; Domain=b.example", "a=; Path=/; Domain=.B.example; Max-Age=0"], None),
        (&["a=1; Path=/; Domain=c.example"], None),
    ] {
        assert_eq!(kept(given).as_deref(), expected, "{given:?}");
    }
    let (received, origin) = (received(&["a=1"]), https());
    let at_root = Jar::receive(&received, &Browser::at(&origin, "/x", NOW)).sent_to("/_qr/whoami");
    assert_eq!(at_root.as_deref(), Some("a=1"), "the default path of an address in the root is the root");
}

#[derive(serde::Deserialize)]
struct Seen {
    at: String,
    lines: Vec<String>,
    kept: String,
}

/// `{x*9}` is nine times x.
fn written(text: &str) -> String {
    let Some((before, rest)) = text.split_once('{') else { return text.to_owned() };
    let (times, after) = rest.split_once('}').unwrap();
    let (letter, count) = times.split_once('*').unwrap();
    format!("{before}{}{}", letter.repeat(count.parse().unwrap()), written(after))
}

/// The table is what both browsers do: `tests/browser/cookies.test.mjs` asks them.
#[test]
fn cookies_are_kept_and_sent_as_browsers_do() {
    let table: Vec<Seen> = serde_json::from_str(include_str!("../../tests/browser/cookies.json")).unwrap();
    assert!(table.len() > 150);
    let mut wrong = Vec::new();
    for row in &table {
        let lines = row.lines.iter().map(|line| HeaderValue::from_str(&written(line)));
        // Some control characters are no field's: the application's answer is malformed as a whole.
        let Ok(lines) = lines.collect::<Result<Vec<_>, _>>() else { continue };
        let (received, origin) = (Relayed { lines, dropped: Vec::new() }, Origin::parse(&row.at).unwrap());
        let jar = Jar::receive(&received, &Browser::at(&origin, "/qr/x/", NOW));
        let sent = jar.sent_to("/_qr/whoami").unwrap_or_default();
        if sent != written(&row.kept) {
            wrong.push(format!("{} {:?}: {sent:.60} instead of {:.60}", row.at, row.lines, row.kept));
        }
        let is_reported = !jar.lost("/_qr/whoami", &[]).is_empty();
        assert!(!sent.is_empty() || is_reported, "{} {:?} is lost without a reason", row.at, row.lines);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_lost_cookie_is_reported_with_the_rule_that_it_breaks() {
    use DropReason::{ControlCharacter, Expired, Nameless, Partitioned, SameSiteNone, SecureOnHttp, TooLong};
    let long = format!("a={}; Path=/", "x".repeat(4096));
    for (line, expected) in [
        ("a=1; Path=/; Secure", SecureOnHttp),
        ("a=1; Path=/; SameSite=None; Secure", SecureOnHttp),
        ("a=1; Path=/; SameSite=None", SameSiteNone),
        ("a=1; Path=/; Partitioned", Partitioned),
        ("__Host-a=1; Path=/", DropReason::Prefix(Prefix::Host)),
        ("__secure-a=1; Path=/", DropReason::Prefix(Prefix::Secure)),
        ("__Http-a=1; Path=/", DropReason::Prefix(Prefix::Http)),
        ("__Host-Http-a=1; Path=/", DropReason::Prefix(Prefix::HostHttp)),
        ("a=1; Path=/; Max-Age=0", Expired),
        ("a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", Expired),
        ("a=1; Path=/admin", DropReason::Path),
        ("a=1", DropReason::Path),
        ("a=1; Path=/; Domain=evil.example", DropReason::ForeignDomain),
        ("a=1\t2; Path=/", ControlCharacter),
        ("=1; Path=/", Nameless),
        (&long, TooLong),
    ] {
        let (received, origin) = (received(&[line]), Origin::parse("http://app.example").unwrap());
        let lost = Jar::receive(&received, &Browser::at(&origin, "/qr/x/", NOW)).lost("/_qr/whoami", &[]);
        let reasons: Vec<_> = lost.iter().map(|lost| lost.reason).collect();
        assert_eq!(reasons, [expected], "{line:.60}");
    }
}

#[test]
fn the_session_cookie_is_reported_before_others_and_only_if_it_is_lost() {
    let patterns = ["session*".to_owned()];
    let lost = |given: &[&str]| {
        let (received, origin) = (received(given), Origin::parse("http://app.example").unwrap());
        list(&Jar::receive(&received, &Browser::at(&origin, "/qr/x/", NOW)).lost("/_qr/whoami", &patterns))
    };
    let secure = "sessionid: is Secure, and the public origin is http";
    assert_eq!(lost(&["csrf=1; Path=/admin", "sessionid=hush; Path=/; Secure"]), secure);
    assert_eq!(lost(&["csrf=1; Path=/admin"]), "csrf: has a Path that does not cover identify.path");
    assert_eq!(lost(&["sessionid=1; Path=/", "sessionid=hush; Path=/; Secure"]), "", "it is sent all the same");
    assert_eq!(lost(&["sessionid=1; Path=/", "sessionid=; Path=/; Max-Age=0"]), "sessionid: is deleted or expired");
    let many: Vec<String> = (0..9).map(|n| format!("c{n}=1; Path=/; Secure")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(lost(&many).ends_with("; and 3 more"), "{}", lost(&many));
}

#[test]
fn secure_and_the_prefixes_ask_for_what_they_promise() {
    for (line, on_https, on_http) in [
        ("a=1; Path=/; Secure", true, false),
        ("__Host-a=1; Path=/; Secure", true, false),
        ("__Host-a=1; Path=/", false, false),
        ("__host-a=1; Secure", false, false),
        ("__Host-a=1; Path=/; Secure; Domain=a.example", false, false),
        ("__Host-a=1; Path=/_qr; Secure", false, false),
        ("__Secure-a=1; Path=/", false, false),
        ("__Secure-a=1; Path=/; Secure; Domain=a.example", true, false),
    ] {
        assert_eq!(sent(&[line], "https://a.example").is_some(), on_https, "{line}");
        assert_eq!(sent(&[line], "http://a.example").is_some(), on_http, "{line}");
    }
}

proptest! {
    #[test]
    fn removing_the_cookies_of_qrgate_leaves_every_other_pair(
        given in proptest::collection::vec("([ -~]{0,12}|[ ;\t]*(__Host-)?qrgate[ =]?|;){0,6}", 1..4))
    {
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let mut map = headers(&given);
        let owned = |map: &HeaderMap| pairs(map).map(|(n, v)| (n.to_vec(), v.to_vec())).collect::<Vec<_>>();
        let before: Vec<_> = owned(&map).into_iter().filter(|(name, _)| !is_own(name)).collect();
        let untouched: Vec<&str> =
            given.iter().copied().filter(|line| !pairs(&headers(&[line])).any(|(name, _)| is_own(name))).collect();
        remove_own(&mut map);
        prop_assert_eq!(before, owned(&map));
        for line in untouched {
            prop_assert!(map.get_all(header::COOKIE).iter().any(|left| left == line), "{}", line);
        }
    }

    #[test]
    fn no_line_of_bytes_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let all = [value];
            let relayed = relay(all.iter(), &https());
            prop_assert!(relayed.lines.len() + relayed.dropped.len() == 1);
            let (origin, received) = (https(), Relayed { lines: all.to_vec(), dropped: Vec::new() });
            let jar = Jar::receive(&received, &Browser::at(&origin, "/qr/x/", Timestamp(0)));
            let _ = (jar.sent_to("/_qr/whoami"), jar.lost("/_qr/whoami", &["*".to_owned()]));
            let mut map = HeaderMap::new();
            map.append(header::COOKIE, all[0].clone());
            let _ = (sessions(&map, &["*".to_owned()]), browser(&map, true).is_ok());
            remove_own(&mut map);
        }
    }

    /// A line that is relayed sets nothing that a browser would send under our name.
    #[test]
    fn no_relayed_cookie_is_one_of_qrgate(line in "[ =]{0,2}(__Host-)?(qrgate)?[ =x]{0,3}(; (Path=/|Secure|Domain=[a.]{0,3}|x)){0,3}") {
        let (origin, relayed) = (https(), relay(lines(&[&line]).iter(), &https()));
        if let Some(field) = Jar::receive(&relayed, &Browser::at(&origin, "/", NOW)).sent_to("/") {
            prop_assert!(!pairs(&headers(&[&field])).any(|(name, _)| is_own(name)), "{}", line);
        }
    }

    #[test]
    fn globs_agree_with_their_definition(pattern in "[ab*]{0,6}", name in "[ab]{0,8}") {
        fn slowly(pattern: &[u8], name: &[u8]) -> bool {
            match pattern {
                [] => name.is_empty(),
                [b'*', rest @ ..] => (0..=name.len()).any(|at| slowly(rest, &name[at..])),
                [byte, rest @ ..] => name.first() == Some(byte) && slowly(rest, &name[1..]),
            }
        }
        prop_assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), slowly(pattern.as_bytes(), name.as_bytes()));
    }
}
