//! Under which addresses a phone may reach the demo: one per network interface, the likely ones first.

use std::net::IpAddr;

use crate::origin::is_private_address;

/// Beginnings of the names that containers, virtual machines and VPNs give their interfaces.
const VIRTUAL: [&str; 24] = [
    "docker",
    "br-",
    "veth",
    "virbr",
    "vmnet",
    "vboxnet",
    "vethernet",
    "cni",
    "flannel",
    "cali",
    "podman",
    "lxc",
    "lxd",
    "kube",
    "tun",
    "tap",
    "wg",
    "utun",
    "tailscale",
    "zt",
    "bridge",
    "awdl",
    "llw",
    "dummy",
];

/// An address of this machine that others may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reachable {
    /// The interface's name.
    pub interface: String,
    /// Its address: private, never loopback or link-local.
    pub address: IpAddr,
}

impl Reachable {
    /// Whether the interface leads to containers, virtual machines or a VPN only.
    pub fn is_virtual(&self) -> bool {
        let name = self.interface.to_ascii_lowercase();
        VIRTUAL.iter().any(|start| name.starts_with(start))
    }

    /// The address to open: `http://192.168.1.20:8080/`.
    pub fn url(&self, port: u16) -> String {
        url(self.address, port)
    }

    fn note(&self) -> String {
        match self.is_virtual() {
            true => format!("{} (phones usually cannot reach this)", self.interface),
            false => self.interface.clone(),
        }
    }
}

/// The addresses of this machine that reach a socket bound to `listen`, best first.
pub fn find(listen: IpAddr) -> Vec<Reachable> {
    // Without a list of interfaces the demo still works on this computer, and says so.
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let all = interfaces.into_iter().map(|each| (each.name.clone(), each.ip()));
    order(all, listen)
}

/// Of `all` interfaces, those that reach `listen`: physical IPv4 first, then IPv6, then virtual ones. The system's own
/// order is kept within each. Public addresses are left out, because plain http is for neighbours only; so are
/// link-local ones, which no address bar takes without a zone.
pub fn order(all: impl Iterator<Item = (String, IpAddr)>, listen: IpAddr) -> Vec<Reachable> {
    let reached = |address: IpAddr| match listen {
        IpAddr::V4(any) if any.is_unspecified() => address.is_ipv4(),
        IpAddr::V6(any) if any.is_unspecified() => true,
        one => one == address,
    };
    let mut found: Vec<Reachable> = all
        .map(|(interface, address)| Reachable { interface, address: address.to_canonical() })
        .filter(|each| reached(each.address) && is_private_address(each.address) && is_routed(each.address))
        .collect();
    found.sort_by_key(|each| (each.is_virtual(), each.address.is_ipv6()));
    found.dedup();
    found
}

fn is_routed(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    }
}

fn url(address: IpAddr, port: u16) -> String {
    match address {
        IpAddr::V4(v4) => format!("http://{v4}:{port}/"),
        IpAddr::V6(v6) => format!("http://[{v6}]:{port}/"),
    }
}

/// What `qrgate demo` prints. `code` is the picture of the best phone address, where standard output is a terminal.
pub fn greeting(found: &[Reachable], port: u16, code: Option<&str>) -> String {
    let here = format!("http://localhost:{port}/");
    let urls: Vec<String> = found.iter().map(|each| each.url(port)).collect();
    let width = urls.iter().chain([&here]).map(|url| url.chars().count()).max().unwrap_or_default() + 4;
    let mut text =
        format!("qrgate {}  demo: toy application, in-memory store, users ana and bob\n\n", env!("CARGO_PKG_VERSION"));
    text += &format!("  ➜  On this computer   {here:<width$}sign in as ana, then open /qr/\n");
    for (at, (each, url)) in found.iter().zip(&urls).enumerate() {
        let start = if at == 0 { "  ➜  From your phone    " } else { "                        " };
        text += &format!("{start}{url:<width$}{}\n", each.note());
    }
    text.push('\n');
    match urls.first() {
        None => text += "  No network found: only this computer can reach the demo. Ctrl-C stops.\n",
        Some(best) => {
            for line in code.unwrap_or_default().lines() {
                text += &format!("  {line}\n");
            }
            if code.is_some() {
                text.push('\n');
            }
            text += &format!(
                "  Open {best} on the computer too: a code made at localhost cannot be opened by a phone.\n  \
                 Anyone on these networks can sign in as ana or bob without a password, and use up their codes.\n  \
                 Plain http is accepted here because these addresses are private. Ctrl-C stops.\n"
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(listen: &str) -> Vec<String> {
        let all = [
            ("lo", "127.0.0.1"),
            ("docker0", "172.17.0.1"),
            ("wlan0", "fd00::20"),
            ("wlan0", "fe80::1"),
            ("wlan0", "192.168.1.20"),
            ("eth0", "203.0.113.7"),
            ("eth1", "169.254.1.1"),
            ("eth2", "10.0.0.4"),
            ("lo", "::1"),
        ];
        let all = all.into_iter().map(|(name, address)| (name.to_owned(), address.parse().unwrap()));
        order(all, listen.parse().unwrap()).into_iter().map(|each| each.address.to_string()).collect()
    }

    #[test]
    fn physical_ipv4_comes_first_then_ipv6_then_virtual() {
        assert_eq!(names("::"), ["192.168.1.20", "10.0.0.4", "fd00::20", "172.17.0.1"]);
    }

    #[test]
    fn only_what_reaches_the_listener_is_listed() {
        assert_eq!(names("0.0.0.0"), ["192.168.1.20", "10.0.0.4", "172.17.0.1"]);
        assert_eq!(names("10.0.0.4"), ["10.0.0.4"]);
        assert!(names("127.0.0.1").is_empty());
    }

    #[test]
    fn the_greeting_lists_addresses_in_columns() {
        let reachable = |interface: &str, address: &str| Reachable {
            interface: interface.to_owned(),
            address: address.parse().unwrap(),
        };
        let found = [reachable("wlan0", "192.168.1.20"), reachable("docker0", "172.17.0.1")];
        let text = greeting(&found, 8080, None);
        let expected = "
  ➜  On this computer   http://localhost:8080/       sign in as ana, then open /qr/
  ➜  From your phone    http://192.168.1.20:8080/    wlan0
                        http://172.17.0.1:8080/      docker0 (phones usually cannot reach this)

  Open http://192.168.1.20:8080/ on the computer too: a code made at localhost cannot be opened by a phone.
  Anyone on these networks can sign in as ana or bob without a password, and use up their codes.
  Plain http is accepted here because these addresses are private. Ctrl-C stops.
";
        assert!(text.ends_with(expected), "{text}");
        assert!(greeting(&found, 8080, Some("##\n##")).contains("\n\n  ##\n  ##\n\n  Open "));
    }

    #[test]
    fn without_a_network_the_greeting_says_so() {
        let text = greeting(&[], 8080, None);
        assert!(text.contains("No network found: only this computer can reach the demo."));
        assert!(!text.contains("From your phone"));
        assert!(!text.contains("Anyone on these networks"), "nobody else reaches it");
    }
}
