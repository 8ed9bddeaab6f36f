//! `[store]`

use std::time::Duration;

use super::tls::client_tls;
use crate::config::complaint::{Complaint, accept};
use crate::config::reader::Section;
use crate::config::secrets;
use crate::config::store_address::{self, StoreUrl};
use crate::tls::ClientTls;

#[derive(Clone, Debug)]
pub struct Store {
    pub url: StoreUrl,
    /// The prefix of every key.
    pub prefix: String,
    /// The timeout of each command.
    pub timeout: Duration,
    pub tls: ClientTls,
}

impl Store {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Store {
        let url = url(section);
        let prefix = section.parsed("prefix", "qrgate:", key_prefix);
        let timeout = section.timeout("timeout", "1s");
        let speaks_tls = url.as_ref().is_none_or(|url| matches!(url, StoreUrl::Redis(address) if address.tls));
        let tls = section.table("tls", |section| client_tls(section, speaks_tls, false));
        Store { url: url.unwrap_or(StoreUrl::Memory), prefix, timeout, tls }
    }
}

/// The address with its password, which may be in a separate file.
fn url(section: &mut Section<'_, '_>) -> Option<StoreUrl> {
    let Some(source) = secrets::source_of_text(section, "url", "memory:") else { return Some(StoreUrl::Memory) };
    let text = secrets::text(section, "url", source)?;
    section.parse("url", text.trim(), store_address::store_url)
}

/// Braces in a key choose its slot in a cluster, so the prefix must not have any.
fn key_prefix(text: &str) -> Result<String, Complaint> {
    let is_valid = text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'{' | b'}'));
    accept(text, is_valid, "at most 64 visible ASCII characters without braces go in front of a key")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::config::StoreUrl;
    use crate::config::tests::{LEAST, SECRET, read_in};

    #[test]
    fn the_address_of_the_store_may_be_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("redis.url"), "redis://u:hush@h:6379/1\n").unwrap();
        let text = format!("{LEAST}[tickets]\nsecret = \"{SECRET}\"\n[store]\nurl_file = \"redis.url\"\n");
        let config = read_in(folder.path(), &text, &[]).unwrap();
        assert!(matches!(&config.store.url, StoreUrl::Redis(at) if at.database == 1 && at.password.is_some()));
        assert!(!format!("{config:?}").contains("hush"));
        let both = format!("{text}url = \"memory:\"\n");
        assert!(read_in(folder.path(), &both, &[]).is_err());
        let config = read_in(folder.path(), &text, &[("QRGATE_STORE__URL", "redis://other,h")]);
        assert!(config.is_err(), "the environment's counts, and is no list");
    }
}
