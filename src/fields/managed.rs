//! Names of request fields that the application must not get from a client: those that qrgate sets, those that change
//! the path or host of a request, and those in which a proxy describes the client's connection.
//!
//! A name is compared with every byte that is neither a letter nor a digit read as `-`, because CGI and its relatives
//! (WSGI, PHP, Rack) turn several of these bytes into `_` (RFC 3875, section 4.1.18).

use http::header::{self, HeaderName};

/// Fields that qrgate sets or rewrites.
pub(super) const OURS: [&str; 6] =
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-real-ip", "forwarded"];

/// Fields from which an application or its server takes a path or host instead of the request's own. With one of them
/// a client could reach a hook under another path.
pub(super) const MOVING: [&str; 66] = [
    // WSGI and ASGI servers: gunicorn's `forwarder_headers`, daphne, middleware after Werkzeug's ProxyFix, mod_wsgi.
    "script-name",
    "path-info",
    "daphne-root-path",
    "root-path",
    "x-root-path",
    "x-script-name",
    "x-path-info",
    "x-forwarded-script-name",
    "x-forwarded-root-path",
    "x-forwarded-path-info",
    // Prefixes: Spring, Symfony, ASP.NET Core, Traefik, Knox, NiFi.
    "x-forwarded-prefix",
    "x-forwarded-path",
    "x-forwarded-pathbase",
    "x-forwarded-path-base",
    "x-forwarded-base",
    "x-forwarded-base-path",
    "x-forwarded-basepath",
    "x-forwarded-base-url",
    "x-forwarded-root",
    "x-forwarded-context",
    "x-forwarded-context-path",
    "x-original-prefix",
    "x-proxycontextpath",
    "x-proxyhost",
    "x-proxyport",
    // Home Assistant, RStudio; Next.js.
    "x-ingress-path",
    "x-rstudio-request",
    "x-rstudio-root-path",
    "x-rsc-request",
    "x-matched-path",
    "x-invoke-path",
    "x-middleware-rewrite",
    // Plack, Catalyst and Dancer; Pyramid and Zope.
    "x-traversal-path",
    "x-request-base",
    "request-base",
    "x-vhm-root",
    "x-vhm-host",
    // Whole paths: IIS and Azure, Envoy, Traefik, ingress-nginx, PHP frameworks.
    "x-original-url",
    "x-original-uri",
    "x-original-path",
    "x-original-request-uri",
    "x-rewrite-url",
    "x-rewrite-uri",
    "x-rewrite-path",
    "x-replaced-path",
    "x-envoy-original-path",
    "x-waws-unencoded-url",
    "x-forwarded-uri",
    "x-forwarded-url",
    "x-forwarded-request-uri",
    "x-override-url",
    "x-http-destinationurl",
    "x-proxy-url",
    "proxy-url",
    "base-url",
    "http-url",
    "uri",
    "request-uri",
    "x-request-uri",
    "x-request-path",
    // Hosts.
    "x-original-host",
    "x-envoy-original-host",
    "x-http-host-override",
    // CGI turns it into the proxy of the application's own requests (httpoxy, CVE-2016-5385).
    "proxy",
    "http-proxy",
    "https-proxy",
];

/// Fields in which proxies and content delivery networks describe the client and its connection. The application gets
/// one of them if `public.proxy_headers` lists it and a trusted proxy sends it.
pub(super) const OF_PROXIES: [&str; 104] = [
    // The client's address.
    "client-ip",
    "true-client-ip",
    "x-client-ip",
    "x-clientip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-original-for",
    "x-originating-ip",
    "x-true-client-ip",
    "x-true-ip",
    "x-real-client-ip",
    "x-client-real-ip",
    "x-client-addr",
    "x-source-ip",
    "x-custom-ip-authorization",
    "x-remote-ip",
    "x-remote-addr",
    "remote-addr",
    "x-forwarded",
    "x-forwarded-by",
    "x-forwarded-ip",
    "x-forwarded-client-ip",
    "x-forwarded-for-original",
    "x-forward-for",
    "x-forwarder-for",
    "forwarded-for",
    "forwarded-for-ip",
    "x-proxyuser-ip",
    "x-envoy-external-address",
    "x-envoy-internal",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "cloudfront-viewer-address",
    "fastly-client-ip",
    "fly-client-ip",
    "do-connecting-ip",
    "incap-client-ip",
    "eo-connecting-ip",
    "eo-client-ip",
    "ali-cdn-real-ip",
    "cdn-real-ip",
    "cdn-src-ip",
    "http-client-ip",
    "proxy-client-ip",
    "wl-proxy-client-ip",
    "x-appengine-user-ip",
    "x-appengine-remote-addr",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-nf-client-connection-ip",
    "x-sucuri-clientip",
    "x-vercel-forwarded-for",
    "x-vercel-proxied-for",
    "x-vercel-ip",
    // The scheme.
    "x-forwarded-ssl",
    "x-forwarded-scheme",
    "x-forwarded-protocol",
    "x-forwarded-https",
    "x-forwarded-tls",
    "x-original-proto",
    "x-original-scheme",
    "x-appengine-https",
    "x-client-scheme",
    "x-proxied-https",
    "x-proxyscheme",
    "x-arr-ssl",
    "x-https",
    "x-ssl",
    "x-proto",
    "x-scheme",
    "x-url-scheme",
    "front-end-https",
    "https",
    "cf-visitor",
    "cloudfront-forwarded-proto",
    "fastly-ssl",
    "fly-forwarded-proto",
    "fly-forwarded-port",
    "fly-forwarded-ssl",
    "wl-proxy-ssl",
    // The host.
    "x-host",
    "x-forwarded-server",
    // The client's certificate (RFC 9440, section 2.4).
    "client-cert",
    "client-cert-chain",
    "wl-proxy-client-cert",
    "proxy-auth-cert",
    "proxy-ssl-id",
    "x-arr-clientcert",
    "x-client-cert",
    "x-forwarded-client-cert",
    "x-forwarded-tls-client-cert",
    "x-forwarded-tls-client-cert-info",
    "x-ssl-client-cert",
    "x-ssl-client-verify",
    "x-ssl-client-s-dn",
    "ssl-client-cert",
    "ssl-client-verify",
    "ssl-client-subject-dn",
    "ssl-client-issuer-dn",
    // The request that a proxy asks about.
    "x-forwarded-method",
    "x-original-method",
    // Where a proxy serves files for the application (CVE-2025-61780).
    "x-sendfile-type",
    "x-accel-mapping",
];

/// Names of which only other spellings are dropped: CGI reads `Content_Length` as the real one.
const ALIASES_ONLY: [&str; 5] = ["transfer-encoding", "content-length", "host", "connection", "x-request-id"];

/// Longer names are not managed.
const LONGEST: usize = 33;

/// The names that are managed in every spelling, shortest first.
static SORTED: [&str; OURS.len() + MOVING.len() + OF_PROXIES.len()] = sorted();

const fn sorted() -> [&'static str; OURS.len() + MOVING.len() + OF_PROXIES.len()] {
    let lists: [&[&str]; 3] = [&OURS, &MOVING, &OF_PROXIES];
    let mut sorted = [""; OURS.len() + MOVING.len() + OF_PROXIES.len()];
    let (mut length, mut at) = (0, 0);
    while length < LONGEST {
        let mut list = 0;
        while list < lists.len() {
            let mut name = 0;
            while name < lists[list].len() {
                if lists[list][name].len() == length {
                    sorted[at] = lists[list][name];
                    at += 1;
                }
                name += 1;
            }
            list += 1;
        }
        length += 1;
    }
    assert!(at == sorted.len(), "a name is longer than LONGEST");
    sorted
}

/// For each length: the managed names, and the first letters of all names that matter as a bit set.
static BY_LENGTH: [(&[&str], u32); LONGEST] = by_length();

const fn by_length() -> [(&'static [&'static str], u32); LONGEST] {
    let mut lengths: [(&[&str], u32); LONGEST] = [(&[], 0); LONGEST];
    let mut at = 0;
    while at < ALIASES_ONLY.len() {
        lengths[ALIASES_ONLY[at].len()].1 |= letter(ALIASES_ONLY[at]);
        at += 1;
    }
    let (mut rest, mut length): (&[&str], usize) = (&SORTED, 0);
    while length < LONGEST {
        let mut count = 0;
        while count < rest.len() && rest[count].len() == length {
            lengths[length].1 |= letter(rest[count]);
            count += 1;
        }
        (lengths[length].0, rest) = rest.split_at(count);
        length += 1;
    }
    lengths
}

const fn letter(name: &str) -> u32 {
    1 << (name.as_bytes()[0] & 31)
}

/// Names that browsers send with most requests: not managed, and without `_`. `http` knows them by number.
pub(super) fn is_usual(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::ACCEPT
            | header::ACCEPT_ENCODING
            | header::ACCEPT_LANGUAGE
            | header::CACHE_CONTROL
            | header::CONTENT_LENGTH
            | header::CONTENT_TYPE
            | header::COOKIE
            | header::IF_MODIFIED_SINCE
            | header::IF_NONE_MATCH
            | header::ORIGIN
            | header::REFERER
            | header::UPGRADE_INSECURE_REQUESTS
            | header::USER_AGENT
    )
}

/// Whether a name is any spelling of a managed name, an unusual spelling of one of `ALIASES_ONLY`, `X-Qrgate-*`, or a
/// private field of WebSphere's plug-in.
pub fn is_managed(name: &str) -> bool {
    is_qrgate(name)
        || is_of_plug_in(name)
        || like(name).is_some_and(|like| like.iter().any(|known| is_spelling(name, known)) || is_alias(name))
}

/// The managed names of the same length. `None` if no name of that length begins with the same letter.
fn like(name: &str) -> Option<&'static [&'static str]> {
    let (first, (names, letters)) = (name.as_bytes().first()?, BY_LENGTH.get(name.len())?);
    (letters >> (first & 31) & 1 == 1).then_some(names)
}

/// Whether a name is an unusual spelling of one of `ALIASES_ONLY`.
fn is_alias(name: &str) -> bool {
    ALIASES_ONLY.iter().any(|known| is_spelling(name, known) && !name.eq_ignore_ascii_case(known))
}

/// Whether a name equals `known` if each byte other than letters and digits is read as `-`. `known` is in lower case
/// and ends in a letter or digit.
pub(super) fn is_spelling(name: &str, known: &str) -> bool {
    let (name, known) = (name.as_bytes(), known.as_bytes());
    let folded = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    let last = |name: &[u8]| name.last().map(|byte| byte | 0x20);
    name.len() == known.len()
        && last(name) == last(known)
        && (name == known || name.iter().zip(known).all(|(byte, known)| folded(*byte) == *known))
}

/// `X-Qrgate-*`, however its separators are written.
pub(super) fn is_qrgate(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.len() >= 8
        && bytes[0].eq_ignore_ascii_case(&b'x')
        && !bytes[1].is_ascii_alphanumeric()
        && bytes[2..8].eq_ignore_ascii_case(b"qrgate")
        && bytes.get(8).is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

/// `$WS…`, the fields in which WebSphere's web server plug-in names host (`$WSSN`), scheme (`$WSSC`), client (`$WSRA`)
/// and user (`$WSRU`). Liberty believes the first three from any peer by default (`trustedHeaderOrigin`).
fn is_of_plug_in(name: &str) -> bool {
    matches!(name.as_bytes(), [b'$', b'w' | b'W', b's' | b'S', ..])
}

/// Whether a name contains `BYTE`, which no usual name does.
pub fn contains<const BYTE: u8>(name: &HeaderName) -> bool {
    !is_usual(name) && contains_byte::<BYTE>(name.as_str().as_bytes())
}

/// Eight bytes at a time: a zero byte is the one from which a borrow sets the high bit.
pub(super) fn contains_byte<const BYTE: u8>(name: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let in_word = |word: &[u8; 8]| {
        let difference = u64::from_ne_bytes(*word) ^ u64::from_ne_bytes([BYTE; 8]);
        difference.wrapping_sub(ONES) & !difference & (ONES << 7) != 0
    };
    match name.last_chunk() {
        // The last word overlaps the one before it.
        Some(last) => in_word(last) || name.as_chunks().0.iter().any(in_word),
        None => name.contains(&BYTE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_managed_name_is_written_once_in_lower_case() {
        let all: Vec<&str> = OURS.iter().chain(&MOVING).chain(&OF_PROXIES).chain(&ALIASES_ONLY).copied().collect();
        for (at, name) in all.iter().enumerate() {
            assert!(name.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit()));
            assert!(!all[..at].contains(name), "{name} is there twice");
        }
        for name in OURS.iter().chain(&MOVING).chain(&OF_PROXIES) {
            for spelled in [(*name).to_owned(), name.to_uppercase(), name.replace('-', "."), name.replace('-', "_")] {
                assert!(is_managed(&spelled), "{spelled}");
            }
        }
    }

    #[test]
    fn fields_of_the_plug_in_are_managed() {
        assert!(["$WSRA", "$wssn", "$WSRU", "$WSSC", "$WSPR"].iter().all(|name| is_managed(name)));
        assert!(!is_managed("$x") && !is_managed("wsra"));
    }

    #[test]
    fn a_usual_name_is_neither_managed_nor_odd() {
        for name in
            ["accept", "cookie", "user-agent", "referer", "content-length", "content-type", "origin", "cache-control"]
        {
            let header = HeaderName::from_static(name);
            assert!(is_usual(&header) && !is_managed(name) && !contains_byte::<b'_'>(name.as_bytes()), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_byte_is_found_wherever_it_stands(name in "[a-z\\^_`\"!#.-]{1,40}") {
            let header = HeaderName::from_lowercase(name.as_bytes()).unwrap();
            prop_assert_eq!(contains::<b'_'>(&header), name.contains('_'));
            prop_assert_eq!(contains::<b'"'>(&header), name.contains('"'));
        }

        #[test]
        fn a_look_at_length_and_first_letter_misses_none(name in "[ -~]{0,34}") {
            let all = OURS.iter().chain(&MOVING).chain(&OF_PROXIES);
            let aliased = ALIASES_ONLY.iter().any(|known| is_spelling(&name, known) && !name.eq_ignore_ascii_case(known));
            let private = is_qrgate(&name) || is_of_plug_in(&name);
            let expected = all.clone().any(|known| is_spelling(&name, known)) || aliased || private;
            prop_assert_eq!(is_managed(&name), expected);
        }
    }
}
