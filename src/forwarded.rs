//! Who the client is and which public origin their browser shows.

use ipnet::IpNet;

/// The peers whose word about others is believed (`public.trusted_proxies`).
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
}

impl TrustedProxies {
    /// Reads addresses, CIDRs and `unix`.
    ///
    /// # Errors
    ///
    /// The index of the entry that is none of these, or trusts everybody, and why.
    pub fn parse(entries: &[String]) -> Result<TrustedProxies, (usize, String)> {
        let mut trusted = TrustedProxies::default();
        for (index, entry) in entries.iter().enumerate() {
            if entry == "unix" {
                trusted.unix = true;
                continue;
            }
            let network =
                entry.parse::<IpNet>().ok().or_else(|| entry.parse::<std::net::IpAddr>().ok().map(IpNet::from));
            match network {
                Some(network) if network.prefix_len() == 0 => {
                    return Err((index, format!("`{entry}` would believe everybody")));
                }
                Some(network) => trusted.networks.push(network),
                None => return Err((index, format!("`{entry}` is not an address, a CIDR or \"unix\""))),
            }
        }
        Ok(trusted)
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }
}
