//! The finished configuration: every value checked, every file read, nothing optional that has a default.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use http::uri::{Authority, PathAndQuery};

use crate::forwarded::TrustedProxies;
use crate::jwt::Verifier;
use crate::origin::{Host, Origin, PublicOrigins, Scheme};
use crate::secret::Secret;
use crate::tls::{ClientTls, ListenTls};
/// `tickets.approval`
pub use crate::token::Approval;

/// A whole proxy.toml, as the parts of qrgate ask for it.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[listen]`
    pub listen: Listen,
    /// `public.url` and `public.hosts`
    pub public: PublicOrigins,
    /// `public.trusted_proxies`
    pub trusted_proxies: TrustedProxies,
    /// `public.proxy_headers`
    pub proxy_headers: Vec<HeaderName>,
    /// `[application]`
    pub application: Application,
    /// `[identify]`
    pub identify: Identify,
    /// `[login]`
    pub login: Login,
    /// `[tickets]`
    pub tickets: Tickets,
    /// `[store]`
    pub store: Store,
    /// `[limits]`
    pub limits: Limits,
    /// `[pages]`
    pub pages: Pages,
    /// `[log]`
    pub log: Log,
    /// What an operator should know although it is no error, one sentence each.
    pub warnings: Vec<String>,
}

/// Where connections come in.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The public addresses, at least one.
    pub addresses: Vec<Address>,
    /// The admin listener; none when `off`.
    pub admin: Option<SocketAddr>,
    /// Whether a PROXY preamble is required (from trusted proxies only).
    pub proxy_protocol: bool,
    /// How many workers; never 0.
    pub workers: usize,
    /// Whether a request that came by http is sent to `public.url`.
    pub redirect_to_https: bool,
    /// `[listen.tls]`: paths, so that a reload can read the files again.
    pub tls: Option<ListenTls>,
}

/// One public address and whether TLS is spoken there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The socket.
    pub socket: Socket,
    /// Whether it is an `https` address.
    pub tls: bool,
}

/// A socket to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Socket {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// A path in the file system.
    Unix(PathBuf),
    /// A socket handed over by systemd, by its name.
    Systemd(String),
}

/// The origin server behind us.
#[derive(Clone, Debug)]
pub struct Application {
    /// Where it is.
    pub url: ApplicationUrl,
    /// The `Host` it gets.
    pub host: HostMode,
    /// Until the connection stands, TLS included.
    pub connect_timeout: Duration,
    /// Until the response head; none when `off`.
    pub response_timeout: Option<Duration>,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long a body or an upgraded connection may be silent.
    pub idle_timeout: Duration,
    /// Whether `Forwarded` (RFC 7239) is sent too.
    pub forwarded: bool,
    /// Whether a client's field passes whose name holds `_`.
    pub underscores_in_headers: bool,
    /// `[application.tls]`
    pub tls: ClientTls,
}

/// Where an origin server is and how it is spoken to. `Display` gives it back as the operator wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplicationUrl {
    /// `http://host:port`
    Http(Authority),
    /// `https://host:port`
    Https(Authority),
    /// `h2c://host:port`: HTTP/2 without TLS, by prior knowledge
    H2c(Authority),
    /// `unix:/path`
    Unix(PathBuf),
}

/// Which `Host` the application gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostMode {
    /// The public one.
    Preserve,
    /// That of `application.url`.
    Application,
    /// This one.
    Fixed(Host),
}

/// Who is signed in on this computer?
#[derive(Clone, Debug)]
pub struct Identify {
    /// Names or globs of the session cookies.
    pub session_cookies: Vec<String>,
    /// Where the hook is.
    pub target: HookTarget,
    /// JSON pointer of the user id in the answer.
    pub user_id: String,
    /// JSON pointer of the display name.
    pub name: String,
    /// JSON pointer of the permission.
    pub allowed: String,
    /// JSON pointer of the time of the last proof.
    pub auth_time: String,
    /// Whether clients get 404 for the hook's path.
    pub hidden: bool,
    /// Where a signed-out visitor goes; `{return}` not yet filled in. Empty: nowhere.
    pub login_url: String,
    /// Where a person with too old a sign-in goes. Empty: nowhere.
    pub reauth_url: String,
    /// The oldest sign-in that may show a code; none when `off`.
    pub max_auth_age: Option<Duration>,
    /// For the whole call.
    pub timeout: Duration,
    /// `[identify.jwt]`, instead of a hook.
    pub jwt: Option<Jwt>,
}

/// Where a hook is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookTarget {
    /// A path of the application.
    Path(PathAndQuery),
    /// An address elsewhere; nothing is hidden then.
    Url(ApplicationUrl, PathAndQuery),
}

/// The session cookie is a JWT that we can judge ourselves.
#[derive(Clone, Debug)]
pub struct Jwt {
    /// Algorithm, keys, issuer and audience.
    pub verifier: Verifier,
    /// Claim with the user id.
    pub user_id: String,
    /// Claim with the display name.
    pub name: String,
}

/// Asks the application for a session.
#[derive(Clone, Debug)]
pub struct Login {
    /// Where the hook is.
    pub target: HookTarget,
    /// What calls are signed with; the first is the newest, several while rotating. Never empty.
    pub secrets: Vec<Secret>,
    /// For the whole call.
    pub timeout: Duration,
    /// Whether the new session must identify as the same user.
    pub verify: bool,
    /// Where the phone lands: a path of the application.
    pub redirect: String,
}

/// The codes.
#[derive(Clone, Debug)]
pub struct Tickets {
    /// Begins and ends with a slash.
    pub path: String,
    /// From the mint on.
    pub lifetime: Duration,
    /// Who consents.
    pub approval: Approval,
    /// Newest first. Empty: made afresh at start (in-memory store only).
    pub secrets: Vec<Secret>,
    /// What the network of a phone means.
    pub same_network: SameNetwork,
    /// How the account is named on the phone.
    pub show_account: ShowAccount,
    /// `false`: "never".
    pub require_fetch_metadata: bool,
}

/// `tickets.same_network`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameNetwork {
    /// Left out everywhere.
    Off,
    /// Told.
    Hint,
    /// Demanded.
    Require,
}

/// `tickets.show_account`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowAccount {
    /// `ana@example.com`
    Full,
    /// `a••@example.com`
    Masked,
    /// Not at all.
    None,
}

/// Where tickets are kept.
#[derive(Clone, Debug)]
pub struct Store {
    /// Which store.
    pub url: StoreUrl,
    /// In front of every key.
    pub prefix: String,
    /// For each command.
    pub timeout: Duration,
    /// `[store.tls]`
    pub tls: ClientTls,
}

/// `store.url`. Passwords stay out of `Debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// In this process.
    Memory,
    /// In Redis or Valkey.
    Redis(StoreAddress),
}

/// The address of a Redis: where its servers are, and how one gets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreAddress {
    /// What the servers are to each other.
    pub kind: StoreKind,
    /// Whether they are reached by TLS.
    pub tls: bool,
    /// The servers; at least one, and exactly one where it stands alone.
    pub servers: Vec<ServerAddress>,
    /// The ACL user, percent-decoded.
    pub user: Option<String>,
    /// The password, percent-decoded; UTF-8 and not empty.
    pub password: Option<Secret>,
    /// The number of the database.
    pub database: i64,
}

/// What the servers of an address are to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// There is one.
    One,
    /// They are sentinels, who know the master of this service.
    Sentinel(String),
    /// They are some nodes of a cluster.
    Cluster,
}

/// Host and port of a server. An IPv6 address has no brackets here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    /// A name or an address.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

impl StoreAddress {
    /// Whether both lead to the same keys, whoever asks for them.
    pub fn has_same_keys(&self, other: &StoreAddress) -> bool {
        (&self.kind, &self.servers, self.database) == (&other.kind, &other.servers, other.database)
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// `[limits]`
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a head.
    pub header_size: usize,
    /// Fields of a head.
    pub header_count: usize,
    /// Client connections in all.
    pub connections: usize,
    /// Client connections of one address; none when 0.
    pub connections_per_client: Option<usize>,
    /// From the first byte to the end of the head; also for the first byte and the TLS handshake.
    pub header_timeout: Duration,
    /// How long an idle client connection is kept.
    pub keep_alive: Duration,
    /// At SIGTERM.
    pub drain_timeout: Duration,
    /// Mints of one user.
    pub codes_per_user: Rate,
    /// GETs of a code and POSTs of `/qr/` by one client.
    pub opens_per_client: Rate,
    /// Presses that begin a redeem by one client.
    pub redeems_per_client: Rate,
}

/// So many in so long: `"20/15m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In this span.
    pub per: Duration,
}

/// `[pages]`
#[derive(Clone, Debug)]
pub struct Pages {
    /// The site's name.
    pub site: String,
    /// Folder of replacements.
    pub templates: Option<PathBuf>,
    /// A fixed language tag; none: from Accept-Language.
    pub language: Option<String>,
    /// `#rrggbb` or `#rgb`
    pub accent: String,
    /// A `data:` URL (a file is read and inlined at start), or empty.
    pub logo: String,
    /// The same for dark pages; empty: `logo` serves there too.
    pub logo_dark: String,
    /// Links at the foot of every page.
    pub links: Vec<PageLink>,
}

/// One of `pages.links`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageLink {
    /// What it says.
    pub text: String,
    /// `https:`, `http:` or `mailto:`, or a path of the public origin, without the sub-path.
    pub url: String,
}

/// `[log]`
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// Whether requests are logged.
    pub access: bool,
    /// The least that is logged.
    pub level: Level,
}

/// `log.format`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// `log.level`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    Trace,
    /// What helps a developer.
    Debug,
    /// What an operator reads.
    Info,
    /// What an operator should look at.
    Warn,
    /// What is broken.
    Error,
}

impl ApplicationUrl {
    /// What a request there names as its `Host`; `localhost` for a unix socket, as others send there.
    pub fn authority(&self) -> &str {
        match self {
            ApplicationUrl::Http(authority) | ApplicationUrl::Https(authority) | ApplicationUrl::H2c(authority) => {
                authority.as_str()
            }
            ApplicationUrl::Unix(_) => "localhost",
        }
    }
}

impl ApplicationUrl {
    /// Whether a `Location` names this very address, which browsers know nothing of.
    pub fn is_named_by(&self, location: &str) -> bool {
        let after_scheme = location.split_once("://").filter(|(scheme, _)| Scheme::parse(scheme).is_some());
        let scheme = after_scheme.and_then(|(scheme, _)| Scheme::parse(scheme));
        let Some(rest) = after_scheme.map(|(_, rest)| rest).or_else(|| location.strip_prefix("//")) else {
            return false;
        };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let usual = match self {
            ApplicationUrl::Https(_) => Scheme::Https,
            ApplicationUrl::Http(_) | ApplicationUrl::H2c(_) => Scheme::Http,
            ApplicationUrl::Unix(_) => return false,
        };
        let origin = |scheme: Scheme, text: &str| Host::parse(text).ok().map(|host| Origin::new(scheme, &host));
        let (theirs, ours) = (origin(scheme.unwrap_or(usual), host), origin(usual, self.authority()));
        theirs.zip(ours).is_some_and(|(theirs, ours)| theirs.name() == ours.name() && theirs.port() == ours.port())
    }
}

impl fmt::Display for ApplicationUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApplicationUrl::Http(authority) => write!(f, "http://{authority}"),
            ApplicationUrl::Https(authority) => write!(f, "https://{authority}"),
            ApplicationUrl::H2c(authority) => write!(f, "h2c://{authority}"),
            ApplicationUrl::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
