//! proxy.toml as written: every key with its place, defaults filled in. The only list of keys there is.

use std::time::Duration;

use super::model::{Approval, Level, LogFormat, Rate, SameNetwork, ShowAccount};
use super::place::{At, Place};
use super::reader::{SecretForms, Section};
use crate::jwt::Algorithm;

type Text = At<String>;
type Optional = Option<At<String>>;
type List = At<Vec<At<String>>>;

/// The whole file.
pub struct Raw {
    pub listen: Listen,
    pub public: Public,
    pub application: Application,
    pub identify: Identify,
    pub login: Login,
    pub tickets: Tickets,
    pub store: Store,
    pub limits: Limits,
    pub pages: Pages,
    pub log: Log,
}

impl Raw {
    /// Reads every section, in the order a request travels.
    pub fn read(file: &mut Section<'_, '_>) -> Raw {
        Raw {
            listen: file.table("listen", Listen::read),
            public: file.table("public", Public::read),
            application: file.table("application", Application::read),
            identify: file.table("identify", Identify::read),
            login: file.table("login", Login::read),
            tickets: file.table("tickets", Tickets::read),
            store: file.table("store", Store::read),
            limits: file.table("limits", Limits::read),
            pages: file.table("pages", Pages::read),
            log: file.table("log", Log::read),
        }
    }
}

/// `[listen]`
pub struct Listen {
    pub address: List,
    pub admin: Text,
    pub proxy_protocol: At<bool>,
    pub workers: At<usize>,
    pub redirect_to_https: At<bool>,
    pub tls: ListenTls,
}

impl Listen {
    fn read(section: &mut Section<'_, '_>) -> Listen {
        Listen {
            address: section.list("address", &["127.0.0.1:8080"]),
            admin: section.text("admin", "127.0.0.1:9180"),
            proxy_protocol: section.flag("proxy_protocol", false),
            workers: section.integer("workers", 0),
            redirect_to_https: section.flag("redirect_to_https", false),
            tls: section.table("tls", ListenTls::read),
        }
    }
}

/// `[listen.tls]`
pub struct ListenTls {
    pub header: Option<Place>,
    pub certificate: Optional,
    pub key: Optional,
}

impl ListenTls {
    fn read(section: &mut Section<'_, '_>) -> ListenTls {
        let (certificate, key) = (section.optional("certificate"), section.optional("key"));
        ListenTls { header: section.header(), certificate, key }
    }
}

/// `[public]`
pub struct Public {
    pub url: Text,
    pub hosts: List,
    pub trusted_proxies: List,
    pub proxy_headers: List,
}

impl Public {
    fn read(section: &mut Section<'_, '_>) -> Public {
        Public {
            url: section.text("url", ""),
            hosts: section.list("hosts", &[]),
            trusted_proxies: section.list("trusted_proxies", &[]),
            proxy_headers: section.list("proxy_headers", &[]),
        }
    }
}

/// `[application]`
pub struct Application {
    pub url: Optional,
    pub host: Text,
    pub connect_timeout: At<Duration>,
    pub response_timeout: At<Option<Duration>>,
    pub keep_alive: At<Duration>,
    pub idle_timeout: At<Duration>,
    pub forwarded: At<bool>,
    pub underscores_in_headers: At<bool>,
    pub tls: ClientTls,
}

impl Application {
    fn read(section: &mut Section<'_, '_>) -> Application {
        Application {
            url: section.required("url", "url = \"http://127.0.0.1:8000\""),
            host: section.text("host", "preserve"),
            connect_timeout: section.duration("connect_timeout", "5s"),
            response_timeout: section.duration_or_off("response_timeout", "60s"),
            keep_alive: section.duration("keep_alive", "4s"),
            idle_timeout: section.duration("idle_timeout", "300s"),
            forwarded: section.flag("forwarded", false),
            underscores_in_headers: section.flag("underscores_in_headers", false),
            tls: section.table("tls", |section| ClientTls::read(section, true)),
        }
    }
}

/// `[application.tls]` and `[store.tls]`
pub struct ClientTls {
    pub header: Option<Place>,
    pub ca: Optional,
    pub certificate: Optional,
    pub key: Optional,
    pub server_name: Optional,
}

impl ClientTls {
    fn read(section: &mut Section<'_, '_>, with_name: bool) -> ClientTls {
        let ca = section.optional("ca");
        let (certificate, key) = (section.optional("certificate"), section.optional("key"));
        let server_name = if with_name { section.optional("server_name") } else { None };
        ClientTls { header: section.header(), ca, certificate, key, server_name }
    }
}

/// `[identify]`
pub struct Identify {
    pub session_cookies: List,
    pub path: Text,
    pub url: Optional,
    pub user_id: Text,
    pub name: Text,
    pub allowed: Text,
    pub auth_time: Text,
    pub hidden: At<bool>,
    pub login_url: Text,
    pub reauth_url: Text,
    pub max_auth_age: At<Option<Duration>>,
    pub timeout: At<Duration>,
    pub jwt: Jwt,
}

impl Identify {
    fn read(section: &mut Section<'_, '_>) -> Identify {
        Identify {
            session_cookies: section.list("session_cookies", &["sessionid"]),
            path: section.text("path", "/_qr/whoami"),
            url: section.optional("url"),
            user_id: section.text("user_id", "/user_id"),
            name: section.text("name", "/name"),
            allowed: section.text("allowed", "/allow"),
            auth_time: section.text("auth_time", "/auth_time"),
            hidden: section.flag("hidden", true),
            login_url: section.text("login_url", ""),
            reauth_url: section.text("reauth_url", ""),
            max_auth_age: section.duration_or_off("max_auth_age", "off"),
            timeout: section.duration("timeout", "3s"),
            jwt: section.table("jwt", Jwt::read),
        }
    }
}

/// `[identify.jwt]`
pub struct Jwt {
    pub header: Option<Place>,
    pub algorithm: Option<Option<At<Algorithm>>>,
    pub key: SecretForms,
    pub jwks_file: Optional,
    pub issuer: Optional,
    pub audience: Optional,
    pub user_id: Text,
    pub name: Text,
}

impl Jwt {
    fn read(section: &mut Section<'_, '_>) -> Jwt {
        let algorithms = [
            ("HS256", Algorithm::Hs256),
            ("RS256", Algorithm::Rs256),
            ("ES256", Algorithm::Es256),
            ("EdDSA", Algorithm::EdDsa),
        ];
        let mut jwt = Jwt {
            header: None,
            algorithm: section.optional_choice("algorithm", &algorithms),
            key: section.secret("key"),
            jwks_file: section.optional("jwks_file"),
            issuer: section.optional("issuer"),
            audience: section.optional("audience"),
            user_id: section.text("user_id", "sub"),
            name: section.text("name", "name"),
        };
        jwt.header = section.header();
        jwt
    }
}

/// `[login]`
pub struct Login {
    pub path: Text,
    pub url: Optional,
    pub secret: SecretForms,
    pub timeout: At<Duration>,
    pub verify: At<bool>,
    pub redirect: Text,
}

impl Login {
    fn read(section: &mut Section<'_, '_>) -> Login {
        Login {
            path: section.text("path", "/_qr/login"),
            url: section.optional("url"),
            secret: section.secret("secret"),
            timeout: section.duration("timeout", "5s"),
            verify: section.flag("verify", true),
            redirect: section.text("redirect", "/"),
        }
    }
}

/// `[tickets]`
pub struct Tickets {
    pub path: Text,
    pub lifetime: At<Duration>,
    pub approval: At<Approval>,
    pub secret: SecretForms,
    pub same_network: At<SameNetwork>,
    pub show_account: At<ShowAccount>,
    pub require_fetch_metadata: At<bool>,
}

impl Tickets {
    fn read(section: &mut Section<'_, '_>) -> Tickets {
        let networks = [("hint", SameNetwork::Hint), ("off", SameNetwork::Off), ("require", SameNetwork::Require)];
        let accounts = [("masked", ShowAccount::Masked), ("full", ShowAccount::Full), ("none", ShowAccount::None)];
        Tickets {
            path: section.text("path", "/qr/"),
            lifetime: section.duration("lifetime", "2m"),
            approval: section.choice("approval", [("number", Approval::Number), ("phone", Approval::Phone)]),
            secret: section.secret("secret"),
            same_network: section.choice("same_network", networks),
            show_account: section.choice("show_account", accounts),
            require_fetch_metadata: section.choice("require_fetch_metadata", [("auto", true), ("never", false)]),
        }
    }
}

/// `[store]`
pub struct Store {
    pub url: SecretForms,
    pub prefix: Text,
    pub timeout: At<Duration>,
    pub tls: ClientTls,
}

impl Store {
    fn read(section: &mut Section<'_, '_>) -> Store {
        Store {
            url: section.secret_text("url", "memory:"),
            prefix: section.text("prefix", "qrgate:"),
            timeout: section.duration("timeout", "1s"),
            tls: section.table("tls", |section| ClientTls::read(section, false)),
        }
    }
}

/// `[limits]`
pub struct Limits {
    pub header_size: At<usize>,
    pub header_count: At<usize>,
    pub connections: At<usize>,
    pub connections_per_client: At<usize>,
    pub header_timeout: At<Duration>,
    pub keep_alive: At<Duration>,
    pub drain_timeout: At<Duration>,
    pub codes_per_user: At<Rate>,
    pub opens_per_client: At<Rate>,
    pub redeems_per_client: At<Rate>,
}

impl Limits {
    fn read(section: &mut Section<'_, '_>) -> Limits {
        Limits {
            header_size: section.size("header_size", "16KiB"),
            header_count: section.integer("header_count", 100),
            connections: section.integer("connections", 10_000),
            connections_per_client: section.integer("connections_per_client", 0),
            header_timeout: section.duration("header_timeout", "10s"),
            keep_alive: section.duration("keep_alive", "75s"),
            drain_timeout: section.duration("drain_timeout", "30s"),
            codes_per_user: section.rate("codes_per_user", "20/15m"),
            opens_per_client: section.rate("opens_per_client", "120/1m"),
            redeems_per_client: section.rate("redeems_per_client", "60/1m"),
        }
    }
}

/// `[pages]`
pub struct Pages {
    pub site: Text,
    pub templates: Text,
    pub language: Text,
    pub accent: Text,
    pub logo: Text,
    pub logo_dark: Text,
    pub links: Vec<[Text; 2]>,
}

impl Pages {
    fn read(section: &mut Section<'_, '_>) -> Pages {
        Pages {
            site: section.text("site", "Example"),
            templates: section.text("templates", ""),
            language: section.text("language", "auto"),
            accent: section.text("accent", "#0b57d0"),
            logo: section.text("logo", ""),
            logo_dark: section.text("logo_dark", ""),
            links: section.pairs("links", ["text", "url"]),
        }
    }
}

/// `[log]`
pub struct Log {
    pub format: At<LogFormat>,
    pub access: At<bool>,
    pub level: At<Level>,
}

impl Log {
    fn read(section: &mut Section<'_, '_>) -> Log {
        let levels = [
            ("info", Level::Info),
            ("trace", Level::Trace),
            ("debug", Level::Debug),
            ("warn", Level::Warn),
            ("error", Level::Error),
        ];
        Log {
            format: section
                .choice("format", [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)]),
            access: section.flag("access", true),
            level: section.choice("level", levels),
        }
    }
}
