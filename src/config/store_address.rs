//! `store.url` (RFC 3986). The store connects to the address that was checked here; nothing parses the text again.
//!
//! Strict where parsers differ: a raw `#` in a password ends the host for one parser and not for another. No message
//! repeats a part of the address, since any part may be the password.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

use percent_encoding::percent_decode_str;

use super::addresses;
use super::complaint::{Complaint, accept};
use crate::endpoint::HostPort;
use crate::secret::{Secret, Wrapping};

const KINDS: &str =
    "\"memory:\", \"redis://host:port/db\", \"rediss://…\", \"redis+sentinel://…\" or \"redis+cluster://…\"";
const RESERVED: &str = "/ is written %2F, ? %3F, # %23, @ %40, % %25, a space %20";

/// `store.url`. `Debug` shows no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// In the memory of this process.
    Memory,
    /// In Redis or Valkey.
    Redis(StoreAddress),
}

/// The servers of a Redis, and the credentials for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreAddress {
    pub kind: StoreKind,
    /// Whether connections use TLS.
    pub tls: bool,
    /// At least one server; exactly one for [`StoreKind::One`].
    pub servers: Vec<HostPort>,
    /// The ACL user, percent-decoded.
    pub user: Option<String>,
    /// The password, percent-decoded; UTF-8 and not empty.
    pub password: Option<Secret>,
    pub database: i64,
}

/// The topology of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreKind {
    One,
    /// The servers are Sentinels, which know the master of this service.
    Sentinel(String),
    /// The servers are nodes of a cluster.
    Cluster,
}

impl StoreAddress {
    /// Whether both lead to the same keys, whatever the credentials.
    pub fn has_same_keys(&self, other: &StoreAddress) -> bool {
        (&self.kind, &self.servers, self.database) == (&other.kind, &other.servers, other.database)
    }
}

/// The address without user and password, for the log.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StoreUrl::Redis(address) = self else { return f.write_str("memory:") };
        let scheme = if address.tls { "rediss" } else { "redis" };
        let (kind, service) = match &address.kind {
            StoreKind::One => ("", String::new()),
            StoreKind::Sentinel(service) => ("+sentinel", format!("/{service}")),
            StoreKind::Cluster => ("+cluster", String::new()),
        };
        let servers: Vec<String> = address.servers.iter().map(ToString::to_string).collect();
        write!(f, "{scheme}{kind}://{}{service}", servers.join(","))
    }
}

pub fn store_url(text: &str) -> Result<StoreUrl, Complaint> {
    if matches!(text, "memory:" | "memory") {
        return Ok(StoreUrl::Memory);
    }
    if let Some(wrapping) = Wrapping::of(text, "redis") {
        return Err(Complaint::with_help(format!("the address {wrapping}"), wrapping.advice()));
    }
    store_address(text).map(StoreUrl::Redis)
}

fn store_address(text: &str) -> Result<StoreAddress, Complaint> {
    let (scheme, rest) =
        text.split_once("://").ok_or_else(|| Complaint::with_help("this is not the address of a store", KINDS))?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (tls, kind, database) = scheme_and_path(scheme, path)?;
    let (user, password, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => {
            let (user, password) = credentials_of(credentials)?;
            (user, Some(password), hosts)
        }
        None => (None, None, authority),
    };
    let servers = servers(hosts, &kind)?;
    Ok(StoreAddress { kind, tls, servers, user, password, database })
}

/// Refuses a query or fragment, which have no meaning here, and an `@`, which belongs to the credentials.
fn only_a_path(path: &str) -> Result<&str, Complaint> {
    if path.contains('@') {
        let message = "the user or password holds a raw /, ? or #, which ends it";
        return Err(Complaint::with_help(message, RESERVED));
    }
    if path.contains('#') {
        return Err("an address of a store has no # with something after it".into());
    }
    if path.contains('?') {
        let help = "the database follows the host: /3; TLS is rediss://; the time limit is store.timeout";
        return Err(Complaint::with_help("no parameters are known after a ?", help));
    }
    Ok(path.strip_prefix('/').unwrap_or(path))
}

/// Whether TLS is used, the kind with the name of the Sentinel service, and the number of the database.
fn scheme_and_path(scheme: &str, path: &str) -> Result<(bool, StoreKind, i64), Complaint> {
    let scheme = scheme.to_ascii_lowercase();
    let (base, kind) = scheme.split_at(scheme.find('+').unwrap_or(scheme.len()));
    if !matches!((base, kind), ("redis" | "rediss", "" | "+sentinel" | "+cluster")) {
        return Err(Complaint::with_help("this kind of store is not known", KINDS));
    }
    let path = only_a_path(path)?;
    let (kind, database) = match kind {
        "" => (StoreKind::One, database(path)?),
        "+sentinel" => {
            let (name, rest) = path.split_once('/').unwrap_or((path, ""));
            (StoreKind::Sentinel(service(name)?), database(rest)?)
        }
        _ if path.is_empty() => (StoreKind::Cluster, 0),
        _ => return Err("a cluster has no database number".into()),
    };
    Ok((base == "rediss", kind, database))
}

fn service(name: &str) -> Result<String, Complaint> {
    let example = "redis+sentinel://host,host/service/db";
    if name.is_empty() {
        return Err(Complaint::with_help("the service's name after the hosts is missing", example));
    }
    let is_valid = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    let message = "the service's name consists of letters, digits, - . and _";
    accept(name, is_valid, Complaint::with_help(message, example))
}

fn database(text: &str) -> Result<i64, Complaint> {
    let is_number = text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
    let number = if text.is_empty() { Some(0) } else { text.parse().ok().filter(|_| is_number) };
    number.ok_or_else(|| "the last part, the database, is a number such as /0, or nothing".into())
}

/// User and password. Redis takes no user without a password.
fn credentials_of(text: &str) -> Result<(Option<String>, Secret), Complaint> {
    if text.contains('@') {
        let message = "the user or password holds a raw @";
        return Err(Complaint::with_help(message, "%40; user and password come once, before the first host"));
    }
    let Some((user, password)) = text.split_once(':').filter(|(_, password)| !password.is_empty()) else {
        let help = "user:password@host, :password@host, or the host alone";
        return Err(Complaint::with_help("the password before the @ is missing", help));
    };
    let user = if user.is_empty() { None } else { Some(decoded("user", user)?) };
    Ok((user, Secret::from_bytes(decoded("password", password)?.into_bytes())))
}

/// Decodes what RFC 3986 allows in this place (section 3.2.1): unreserved characters, sub-delims, `:` and `%XX`.
fn decoded(part: &str, text: &str) -> Result<String, Complaint> {
    let is_escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !text.split('%').skip(1).all(is_escape) {
        let message = format!("the {part} holds a % without two hex digits after it");
        return Err(Complaint::with_help(message, "% itself is written %25"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:%".contains(&byte)) {
        let message = format!("the {part} holds a character that has to be percent-encoded");
        let help = format!("{RESERVED}; letters, digits and -._~!$&'()*+,;=: stand as they are");
        return Err(Complaint::with_help(message, help));
    }
    let decoded = percent_decode_str(text).decode_utf8().map(Cow::into_owned);
    decoded.map_err(|_| format!("the {part} is not UTF-8 once decoded").into())
}

fn servers(hosts: &str, kind: &StoreKind) -> Result<Vec<HostPort>, Complaint> {
    let usual_port = if matches!(kind, StoreKind::Sentinel(_)) { 26379 } else { 6379 };
    if *kind == StoreKind::One && hosts.contains(',') {
        let help = "redis+sentinel:// or redis+cluster:// for several";
        return Err(Complaint::with_help("redis:// leads to one host", help));
    }
    hosts.split(',').map(|host| server(host, usual_port)).collect()
}

fn server(text: &str, usual_port: u16) -> Result<HostPort, Complaint> {
    if text.is_empty() {
        return Err(Complaint::with_help("a host is missing", "redis://127.0.0.1:6379/0"));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(Complaint::with_help("an IPv6 address stands in brackets", "redis://[::1]:6379/0"));
    }
    let (name, port) = text.rsplit_once(':').filter(|(_, port)| !port.contains(']')).unwrap_or((text, ""));
    let is_number = !port.starts_with('+');
    let port = if port.is_empty() { Some(usual_port) } else { port.parse().ok().filter(|port| *port > 0 && is_number) };
    let port = port.ok_or_else(|| {
        Complaint::with_help("the port is a number from 1 to 65535", "a user and password end with an @")
    })?;
    let host = addresses::host(name).map_err(|Complaint { help, .. }| {
        let help = help.or_else(|| Some("a name, an IPv4 address, or an IPv6 address in brackets".to_owned()));
        Complaint { message: "the host is not a name or address".to_owned(), help }
    })?;
    Ok(HostPort::new(host.name(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> StoreAddress {
        store_address(text).unwrap_or_else(|complaint| panic!("{text}: {complaint:?}"))
    }

    /// Host, user, password and database.
    fn facts(text: &str) -> (String, Option<String>, Option<String>, i64) {
        let address = read(text);
        let servers: Vec<String> = address.servers.iter().map(HostPort::to_string).collect();
        let password = address.password.map(|secret| String::from_utf8(secret.expose().to_vec()).unwrap());
        (servers.join(" "), address.user, password, address.database)
    }

    fn owned(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn each_part_of_an_address_is_where_it_belongs() {
        assert!(matches!(store_url("memory:"), Ok(StoreUrl::Memory)));
        assert_eq!(facts("redis://h"), ("h:6379".into(), None, None, 0));
        assert_eq!(facts("redis://h:/"), ("h:6379".into(), None, None, 0));
        assert_eq!(facts("redis://u:p%2Fw@h:1/3"), ("h:1".into(), owned("u"), owned("p/w"), 3));
        assert_eq!(facts("redis://:a:b%40%C3%A4@h"), ("h:6379".into(), None, owned("a:b@ä"), 0));
        assert_eq!(facts("redis://name:1234%23x@host/0"), ("host:6379".into(), owned("name"), owned("1234#x"), 0));
        assert_eq!(facts("redis://[::1]/2"), ("[::1]:6379".into(), None, None, 2));
        assert_eq!(facts("redis://u:p@[fe80::1]:7"), ("[fe80::1]:7".into(), owned("u"), owned("p"), 0));
        let sentinels = "a:26379 [::1]:5 b:7".to_owned();
        assert_eq!(facts("redis+sentinel://:pw@a,[::1]:5,b:7/main/2"), (sentinels, None, owned("pw"), 2));
        assert_eq!(facts("rediss+cluster://a,[::1]"), ("a:6379 [::1]:6379".into(), None, None, 0));
        assert_eq!(read("redis+sentinel://a/main-1.x").kind, StoreKind::Sentinel("main-1.x".into()));
        assert_eq!(read("REDIS+cluster://a,b/").kind, StoreKind::Cluster);
        assert!(read("rediss://h").tls && read("rediss+sentinel://h/m").tls && !read("redis://h").tls);
    }

    #[test]
    fn what_is_wrong_is_said_of_the_part_that_is() {
        let secret = "whsec-like-1234";
        for (text, said) in [
            ("", "not the address of a store"),
            ("redis", "not the address of a store"),
            ("redis:/h", "not the address of a store"),
            ("mysql://h", "kind of store is not known"),
            ("mysql://h/?x=y", "kind of store is not known"),
            ("unix:///run/redis.sock#db", "kind of store is not known"),
            ("redis+x://h", "kind of store is not known"),
            ("redis+://h", "kind of store is not known"),
            ("\"redis://h\"", "is in quotes"),
            ("\u{feff}redis://h", "byte order mark"),
            ("REDIS_URL=redis://h", "has a name in front"),
            ("redis://name:S#x@host/0", "raw /, ? or #"),
            ("redis://:S#ss@h", "raw /, ? or #"),
            ("redis://u:S/x@h/0", "raw /, ? or #"),
            ("redis://u:1?S@h", "raw /, ? or #"),
            ("redis+sentinel://u:1/S@h/main", "raw /, ? or #"),
            ("redis://u:S@x@h", "raw @"),
            ("redis+cluster://u:S@a,u:S@b", "raw @"),
            ("redis://S@h", "password before the @ is missing"),
            ("redis://u:@h", "password before the @ is missing"),
            ("redis://@h", "password before the @ is missing"),
            ("redis://u:S%@h", "% without two hex digits"),
            ("redis://u:S%4@h", "% without two hex digits"),
            ("redis://u:S%zz@h", "% without two hex digits"),
            ("redis://u:S x@h", "password holds a character"),
            ("redis://ü:S@h", "user holds a character"),
            ("redis://u:S^@h", "password holds a character"),
            ("redis://u:S%ff@h", "password is not UTF-8"),
            ("redis://", "a host is missing"),
            ("redis://u:S@", "a host is missing"),
            ("redis+cluster://a,,b", "a host is missing"),
            ("redis://u:S", "the port is a number"),
            ("redis://h:0", "the port is a number"),
            ("redis://h:65536", "the port is a number"),
            ("redis://h:+1", "the port is a number"),
            ("redis://::1", "IPv6 address stands in brackets"),
            ("redis://[::1", "host is not a name"),
            ("redis://a b", "host is not a name"),
            ("redis://a,b", "leads to one host"),
            ("redis://h/x", "the database, is a number"),
            ("redis://h/0/1", "the database, is a number"),
            ("redis://h/-1", "the database, is a number"),
            ("redis://h/3?protocol=resp3", "no parameters are known"),
            ("redis://h?db=3", "no parameters are known"),
            ("redis://h/0?", "no parameters are known"),
            ("redis+cluster://a?x=y", "no parameters are known"),
            ("redis+sentinel://a/m/0?x=y", "no parameters are known"),
            ("redis://h/0#insecure", "has no # with"),
            ("redis://h#", "has no # with"),
            ("redis+sentinel://a", "service's name after the hosts is missing"),
            ("redis+sentinel://a//0", "service's name after the hosts is missing"),
            ("redis+sentinel://a/ma%69n", "service's name consists"),
            ("redis+sentinel://a/m/x", "the database, is a number"),
            ("redis+cluster://a/1", "a cluster has no database"),
        ] {
            let complaint = store_url(&text.replace('S', secret)).expect_err(text);
            let shown = format!("{} {}", complaint.message, complaint.help.unwrap_or_default());
            assert!(shown.contains(said), "{text}: {shown}");
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    /// As an operator would write these parts.
    fn encoded(text: &str) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric();
        text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
    }

    proptest::proptest! {
        #[test]
        fn what_was_encoded_comes_out_as_it_was(user in "\\PC{0,8}", password in "\\PC{1,12}", db in 0..16i64, port in 1..=u16::MAX) {
            let text = format!("redis://{}:{}@[::1]:{port}/{db}", encoded(&user), encoded(&password));
            let (host, read_user, read_password, database) = facts(&text);
            proptest::prop_assert_eq!(host, format!("[::1]:{port}"));
            proptest::prop_assert_eq!(read_user.unwrap_or_default(), user);
            proptest::prop_assert_eq!(read_password.unwrap(), password);
            proptest::prop_assert_eq!(database, db);
        }

        #[test]
        fn a_raw_password_leads_nowhere_else_and_is_never_shown(password in "[a-z0-9/?#@%:,\\[\\] é\"\\\\]{1,12}", tail in "(/[0-9a-z]{0,3})?") {
            let text = format!("redis://name:pw4{password}@host:1{tail}");
            match store_url(&text) {
                Ok(StoreUrl::Redis(address)) => proptest::prop_assert_eq!(
                    address.servers, vec![HostPort { host: "host".to_owned(), port: 1 }]
                ),
                Ok(StoreUrl::Memory) => unreachable!(),
                Err(complaint) => {
                    let shown = format!("{complaint:?}");
                    proptest::prop_assert!(!shown.contains("pw4"), "{}", shown);
                }
            }
        }

        #[test]
        fn no_address_makes_it_panic(text in "(redis|rediss)?(\\+sentinel|\\+cluster)?(://)?\\PC{0,30}") {
            let _ = store_url(&text);
        }
    }
}
