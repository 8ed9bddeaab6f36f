//! Labels and kinds of devices, by their User-Agent, and whether two addresses are of one network.

use std::net::IpAddr;

use http::HeaderValue;

/// Browsers by a part of their User-Agent; the first match counts. All browsers based on Chromium say "Chrome" and
/// "Safari".
const BROWSERS: [(&str, &str); 23] = [
    ("EdgiOS/", "Edge"),
    ("EdgA/", "Edge"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("OPiOS/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("YaBrowser/", "Yandex Browser"),
    ("Vivaldi/", "Vivaldi"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("MicroMessenger/", "WeChat"),
    ("HuaweiBrowser/", "Huawei Browser"),
    ("MiuiBrowser/", "Mi Browser"),
    ("UCBrowser/", "UC Browser"),
    ("Silk/", "Silk"),
    ("CriOS/", "Chrome"),
    ("FxiOS/", "Firefox"),
    ("Focus/", "Firefox Focus"),
    ("Firefox/", "Firefox"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Operating systems in the same way.
const SYSTEMS: [(&str, &str); 11] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("OpenHarmony", "HarmonyOS"),
    ("Tizen", "Tizen"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
    ("X11", "Unix"),
];

/// Bytes of a User-Agent that are searched. Browsers send at most about 400.
const LONGEST: usize = 1024;

/// The label of a system that says "Android" and not "Mobile".
const ANDROID_TABLET: &str = "Android tablet";

/// The label of an unknown device. Pages translate it.
pub const UNKNOWN: &str = "Unknown device";

/// "Safari on iPhone", or the known part of it, or "Unknown device". At most 40 characters of fixed words, because a
/// User-Agent is untrusted text.
pub fn label(user_agent: Option<&HeaderValue>) -> String {
    let bytes = user_agent.map(HeaderValue::as_bytes).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]);
    let find = |list: &[(&str, &'static str)]| list.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name);
    // Phones also say "Mobile", tablets do not.
    let is_tablet = |system: &&str| *system == "Android" && !text.contains("Mobile");
    let system = find(&SYSTEMS).map(|system| if is_tablet(&system) { ANDROID_TABLET } else { system });
    match (find(&BROWSERS), system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => UNKNOWN.to_owned(),
    }
}

/// The kind of a device, as pages name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Phone,
    Tablet,
    Computer,
    /// An unknown device.
    Device,
}

impl Kind {
    /// The kind of the device with this label. An iPad that requests desktop pages is a computer.
    pub fn of(label: &str) -> Kind {
        match label.rsplit_once(" on ").map_or(label, |(_, system)| system) {
            "iPhone" | "Android" => Kind::Phone,
            "iPad" | ANDROID_TABLET => Kind::Tablet,
            "Windows" | "Mac" | "ChromeOS" | "Linux" | "FreeBSD" | "Unix" => Kind::Computer,
            _ => Kind::Device,
        }
    }

    /// The name in texts and in the status object.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Phone => "phone",
            Kind::Tablet => "tablet",
            Kind::Computer => "computer",
            Kind::Device => "device",
        }
    }
}

/// The two devices of a sign-in, as far as a page knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Devices {
    /// The signed-in device, which shows the code.
    pub shown_on: Kind,
    /// The device that scans or types it.
    pub read_on: Kind,
}

impl Default for Devices {
    /// The most common pair.
    fn default() -> Devices {
        Devices { shown_on: Kind::Computer, read_on: Kind::Phone }
    }
}

/// Whether two addresses are equal in their first 24 bits (IPv4) or 56 bits (IPv6). `None` if one of them is unknown
/// or they are of different families.
pub fn same_network(a: Option<IpAddr>, b: Option<IpAddr>) -> Option<bool> {
    match (a?.to_canonical(), b?.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => Some(a.octets()[..3] == b.octets()[..3]),
        (IpAddr::V6(a), IpAddr::V6(b)) => Some(a.octets()[..7] == b.octets()[..7]),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

/// The part of an address that one household or machine gets: all of IPv4, the first 64 bits of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    V4(u32),
    V6Prefix(u64),
}

impl Network {
    /// The network of an address. An IPv4-mapped IPv6 address counts as the IPv4 address.
    pub fn of(address: IpAddr) -> Network {
        match address.to_canonical() {
            IpAddr::V4(v4) => Network::V4(v4.to_bits()),
            IpAddr::V6(v6) => Network::V6Prefix((v6.to_bits() >> 64) as u64),
        }
    }
}

/// Whether two addresses are known and of one [`Network`].
pub fn is_near(a: Option<IpAddr>, b: Option<IpAddr>) -> bool {
    a.zip(b).is_some_and(|(a, b)| Network::of(a) == Network::of(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label_of(user_agent: &'static str) -> String {
        label(Some(&HeaderValue::from_static(user_agent)))
    }

    #[test]
    fn a_user_agent_becomes_two_words_that_people_know() {
        for (user_agent, expected) in [
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) CriOS/137.0 Mobile Safari/604.1",
                "Chrome on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/137.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/137.0.0.0 Safari/537.36 Edg/137.0.0.0",
                "Edge on Windows",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Linux; Android 15; SM-S938B) Chrome/136.0 Mobile Safari/537.36 SamsungBrowser/28.0",
                "Samsung Internet on Android",
            ),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148", "iPhone"),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15",
                "Safari on Mac",
            ),
            ("Mozilla/5.0 (Android 15; Tablet; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox on Android tablet"),
            ("curl/8.5.0", "Unknown device"),
            ("<script>alert(1)</script>", "Unknown device"),
            ("", "Unknown device"),
        ] {
            assert_eq!(label_of(user_agent), expected, "{user_agent}");
            assert!(label_of(user_agent).chars().count() <= 40);
        }
        assert_eq!(label(None), "Unknown device");
    }

    #[test]
    fn neighbours_share_24_or_56_bits_and_families_do_not_mix() {
        let same = |a: &str, b: &str| same_network(a.parse().ok(), b.parse().ok());
        assert_eq!(same("203.0.113.7", "203.0.113.200"), Some(true));
        assert_eq!(same("203.0.113.7", "203.0.112.7"), Some(false));
        assert_eq!(same("::ffff:203.0.113.7", "203.0.113.9"), Some(true));
        assert_eq!(same("2001:db8:0:ff00::1", "2001:db8:0:ffff::2"), Some(true));
        assert_eq!(same("2001:db8:0:fe00::1", "2001:db8:0:ff00::1"), Some(false));
        assert_eq!(same("203.0.113.7", "2001:db8::1"), None);
        assert_eq!(same("", "203.0.113.7"), None);
    }

    #[test]
    fn a_label_names_the_kind_of_device() {
        for (label, kind) in [
            ("Safari on iPhone", Kind::Phone),
            ("Chrome on Android", Kind::Phone),
            ("iPhone", Kind::Phone),
            ("Safari on iPad", Kind::Tablet),
            ("Firefox on Android tablet", Kind::Tablet),
            ("Edge on Windows", Kind::Computer),
            ("Safari on Mac", Kind::Computer),
            ("Linux", Kind::Computer),
            ("Samsung Internet on Tizen", Kind::Device),
            ("Firefox", Kind::Device),
            (UNKNOWN, Kind::Device),
        ] {
            assert_eq!(Kind::of(label), kind, "{label}");
        }
    }

    #[test]
    fn near_is_one_ipv4_address_or_one_ipv6_64_and_never_an_unknown_one() {
        let near = |a: &str, b: &str| is_near(a.parse().ok(), b.parse().ok());
        assert!(near("203.0.113.7", "203.0.113.7"));
        assert!(near("::ffff:203.0.113.7", "203.0.113.7"));
        assert!(near("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"));
        for (a, b) in [
            ("203.0.113.7", "203.0.113.6"),
            ("2001:db8:0:1::1", "2001:db8:0:0::1"),
            ("203.0.113.7", "2001:db8::1"),
            ("203.0.113.7", ""),
            ("", ""),
        ] {
            assert!(!near(a, b) && !near(b, a), "{a} {b}");
        }
    }

    #[test]
    fn every_label_is_made_of_our_words_and_fits() {
        for (browser, _) in BROWSERS {
            for (system, _) in SYSTEMS {
                let shown = label(HeaderValue::from_str(&format!("<b>{browser}1 ({system}; x)")).ok().as_ref());
                assert!(shown.chars().count() <= 40 && shown.contains(" on ") && !shown.contains('<'), "{shown}");
            }
        }
        let raw = HeaderValue::from_bytes(b"\xff Firefox/140.0 (Linux)").unwrap();
        assert_eq!(label(Some(&raw)), "Firefox on Linux");
    }
}
