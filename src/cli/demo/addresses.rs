//! The addresses at which a phone may reach this machine: one per network interface, the likely ones first.

use std::net::{IpAddr, SocketAddr};

use crate::origin::is_private_address;

/// Prefixes of the names that containers, virtual machines and VPNs give their interfaces.
const VIRTUAL: &str = "docker br- veth virbr vmnet vboxnet cni flannel cali podman lxc lxd kube tun tap wg utun \
                       tailscale zt bridge awdl llw dummy";

/// An address to listen on, and the addresses at which browsers reach it.
pub struct Reach {
    pub listen: SocketAddr,
    /// This machine's addresses that reach it, best first.
    pub found: Vec<Reachable>,
    /// The address of `--public-url`, instead of these.
    pub public_url: Option<String>,
}

/// An address of this machine that others may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reachable {
    pub interface: String,
    /// Private; not loopback or link-local.
    pub address: IpAddr,
}

impl Reachable {
    /// Whether the interface leads to containers, virtual machines or a VPN only.
    fn is_virtual(&self) -> bool {
        let name = self.interface.to_ascii_lowercase();
        VIRTUAL.split(' ').any(|prefix| name.starts_with(prefix))
    }

    fn note(&self) -> String {
        match self.is_virtual() {
            true => format!("{} (phones usually cannot reach this)", self.interface),
            false => self.interface.clone(),
        }
    }
}

impl Reach {
    /// Reads this machine's interfaces. If the system does not list them, none is found.
    pub fn of(listen: SocketAddr) -> Reach {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        let all = interfaces.into_iter().map(|each| (each.name.clone(), each.ip()));
        Reach { listen, found: order(all, listen.ip()), public_url: None }
    }

    /// The origin that a phone most likely reaches: `http://192.168.1.20:8080`. `None` if all interfaces are virtual.
    pub fn best(&self) -> Option<String> {
        self.best_host().map(|host| format!("http://{host}"))
    }

    /// The host and port of that origin.
    pub fn best_host(&self) -> Option<String> {
        self.found.first().filter(|best| !best.is_virtual()).map(|best| self.host(best))
    }

    /// The hosts of the addresses beside the best one, with their port.
    pub fn hosts(&self) -> Vec<String> {
        let beside_best = self.found.iter().skip(1).map(|each| self.host(each));
        if self.best().is_some() { beside_best.collect() } else { Vec::new() }
    }

    fn host(&self, each: &Reachable) -> String {
        SocketAddr::new(each.address, self.listen.port()).to_string()
    }

    fn origin(&self, each: &Reachable) -> String {
        format!("http://{}", self.host(each))
    }

    /// What `qrgate demo` prints. `code`: the best address as a picture, on a terminal.
    pub fn greeting(&self, code: Option<&str>) -> String {
        let mut text = format!("qrgate {}  demo: Notes, an application with two users\n\n", env!("CARGO_PKG_VERSION"));
        let best = self.public_url.clone().or_else(|| self.best());
        let label = if best.is_some() { "On computer and phone" } else { "On this computer" };
        let rows = self.rows();
        let width = rows.iter().map(|(url, _)| url.chars().count()).max().unwrap_or_default() + 3;
        for (at, (url, note)) in rows.iter().enumerate() {
            let start = if at == 0 { format!("  ➜  {label}") } else { " ".repeat(5 + label.len()) };
            text += format!("{start}   {url:<width$}{note}").trim_end();
            text.push('\n');
        }
        text.push('\n');
        for line in code.unwrap_or_default().lines() {
            text += &format!("  {line}\n");
        }
        if code.is_some() {
            text.push('\n');
        }
        text += &self.advice(best.as_deref());
        text
    }

    /// The addresses, each with a note.
    fn rows(&self) -> Vec<(String, String)> {
        if let Some(url) = &self.public_url {
            return vec![(url.clone(), String::new())];
        }
        let localhost = (format!("http://localhost:{}", self.listen.port()), String::new());
        let found = self.found.iter().map(|each| (self.origin(each), each.note()));
        Some(localhost).filter(|_| self.best().is_none()).into_iter().chain(found).collect()
    }

    fn advice(&self, best: Option<&str>) -> String {
        let Some(best) = best else {
            let why = match self.listen.ip().is_loopback() {
                true => "Only this computer reaches this address.",
                false => "No private network found, so only this computer can open the demo.",
            };
            return format!(
                "  {why}\n  \
                 A second browser can play the phone: choose \"Sign in with your phone\" there and type the code.\n  \
                 Behind a proxy or a tunnel: qrgate demo --public-url https://demo.example.com. Ctrl-C stops.\n"
            );
        };
        let mut text = format!(
            "  1. On this computer, open {best} and sign in as Ana.\n  \
             2. Press \"Sign in on your phone\", and scan the code that appears.\n\n"
        );
        text +=
            "  Whoever reaches this address can sign in as Ana or Bob without a password, and use up their codes.\n";
        text += match self.public_url {
            Some(_) => "  Ctrl-C stops.\n",
            None => "  Plain http is accepted because these addresses are private. Ctrl-C stops.\n",
        };
        text
    }
}

/// Of `all` interfaces, those that reach `listen`: physical IPv4 first, then IPv6, then virtual ones. Each group keeps
/// the system's order. Public addresses are left out, because plain http is for local networks only; so are link-local
/// ones, which browsers do not accept without a zone.
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

    fn reach(listen: &str, found: &[(&str, &str)]) -> Reach {
        let reachable = |(interface, address): &(&str, &str)| Reachable {
            interface: (*interface).to_owned(),
            address: address.parse().unwrap(),
        };
        Reach { listen: listen.parse().unwrap(), found: found.iter().map(reachable).collect(), public_url: None }
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
    fn the_first_line_is_the_address_for_both_devices() {
        let reach = reach("[::]:8080", &[("wlan0", "192.168.1.20"), ("wlan0", "fd00::20"), ("docker0", "172.17.0.1")]);
        let text = reach.greeting(None);
        let expected = "
  ➜  On computer and phone   http://192.168.1.20:8080   wlan0
                             http://[fd00::20]:8080     wlan0
                             http://172.17.0.1:8080     docker0 (phones usually cannot reach this)

  1. On this computer, open http://192.168.1.20:8080 and sign in as Ana.
  2. Press \"Sign in on your phone\", and scan the code that appears.

  Whoever reaches this address can sign in as Ana or Bob without a password, and use up their codes.
  Plain http is accepted because these addresses are private. Ctrl-C stops.
";
        assert!(text.ends_with(expected), "{text}");
        assert!(!text.contains("localhost"), "a phone cannot open it: {text}");
        assert!(reach.greeting(Some("##\n##")).contains("\n\n  ##\n  ##\n\n  1. "));
        assert_eq!(reach.best().as_deref(), Some("http://192.168.1.20:8080"));
        assert_eq!(reach.hosts(), ["[fd00::20]:8080", "172.17.0.1:8080"]);
    }

    #[test]
    fn an_address_that_was_named_is_the_only_one() {
        let mut reach = reach("0.0.0.0:8080", &[("wlan0", "192.168.1.20")]);
        reach.public_url = Some("https://demo.example.com".to_owned());
        let text = reach.greeting(None);
        assert!(text.contains("  ➜  On computer and phone   https://demo.example.com\n"), "{text}");
        assert!(!text.contains("192.168.1.20") && !text.contains("Plain http"), "{text}");
    }

    #[test]
    fn without_an_address_for_a_phone_the_greeting_says_why() {
        let nowhere = reach("0.0.0.0:8080", &[]).greeting(None);
        assert!(nowhere.contains("  ➜  On this computer   http://localhost:8080\n"), "{nowhere}");
        assert!(nowhere.contains("No private network found") && !nowhere.contains("Whoever"), "{nowhere}");
        let only_virtual = reach("0.0.0.0:8080", &[("docker0", "172.17.0.1")]);
        assert!(only_virtual.greeting(None).contains("localhost:8080\n                        http://172.17.0.1:8080"));
        assert_eq!((only_virtual.best(), only_virtual.hosts()), (None, Vec::new()), "localhost shows codes");
        let loopback = reach("127.0.0.1:8080", &[]).greeting(None);
        assert!(loopback.contains("Only this computer reaches this address."), "{loopback}");
        assert!(!loopback.contains("network found"), "{loopback}");
    }
}
