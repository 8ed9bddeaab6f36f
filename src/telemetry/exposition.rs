//! The two text formats of `/metrics`: Prometheus 0.0.4, which every scraper reads, and OpenMetrics 1.0 on request.
//!
//! The registry writes OpenMetrics. In the older format the family of a counter has the name of its samples
//! (`…_total`), info and unknown metrics have other types, and there are no units and no end mark.

use http::header::{self, HeaderMap};

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`.
    Prometheus,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
}

impl Format {
    /// The format for an `Accept` field (RFC 9110, section 12.5.1): OpenMetrics if it is named and not ranked below
    /// plain text.
    pub fn accepted(headers: &HeaderMap) -> Format {
        let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<Range<'_>> = ranges.flat_map(|value| value.split(',')).map(Range::parse).collect();
        let weight = |name: &str, versions: &[&str]| {
            let fits = |range: &&Range<'_>| {
                range.name.eq_ignore_ascii_case(name) && range.version.is_none_or(|version| versions.contains(&version))
            };
            ranges.iter().filter(fits).map(|range| range.weight).reduce(f32::max)
        };
        let open = weight("application/openmetrics-text", &["1.0.0", "0.0.1"]).unwrap_or(0.0);
        let plain = weight("text/plain", &["0.0.4"]).or_else(|| weight("text/*", &[])).or_else(|| weight("*/*", &[]));
        if open > 0.0 && open >= plain.unwrap_or(0.0) { Format::OpenMetrics } else { Format::Prometheus }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// One media range of an `Accept` field.
struct Range<'a> {
    name: &'a str,
    version: Option<&'a str>,
    weight: f32,
}

impl<'a> Range<'a> {
    /// An invalid weight counts as zero.
    fn parse(text: &'a str) -> Range<'a> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Range { name: parts.next().unwrap_or_default(), version: None, weight: 1.0 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            if name.eq_ignore_ascii_case("version") {
                range.version = Some(value.trim_matches('"'));
            } else if name.eq_ignore_ascii_case("q") {
                range.weight = value.parse().unwrap_or(0.0);
            }
        }
        range
    }
}

/// Converts OpenMetrics text to the Prometheus format.
pub(super) fn to_prometheus(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut help = None;
    for line in open.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ').map(|(_, words)| words);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|typed| typed.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "stateset" => ("", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some(words) = help.take() {
                text.push_str(&format!("# HELP {name}{suffix} {words}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;
    use std::collections::BTreeMap;

    fn accepted(accept: &str) -> Format {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Format::accepted(&headers)
    }

    #[test]
    fn plain_text_is_the_default_and_openmetrics_is_for_those_who_ask() {
        assert_eq!(Format::accepted(&HeaderMap::new()), Format::Prometheus);
        for accept in [
            "*/*",
            "",
            "text/plain",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=0.2, text/plain;q=0.5",
            "application/openmetrics-text;q=x",
            "application/openmetrics-text; version=2.0.0",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7",
            "text/plain;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            ";;=,;q",
        ] {
            assert_eq!(accepted(accept), Format::Prometheus, "{accept}");
        }
        for accept in [
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8",
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "text/plain;q=0.5, application/openmetrics-text;q=0.5",
        ] {
            assert_eq!(accepted(accept), Format::OpenMetrics, "{accept}");
        }
    }

    /// Every family with its type and help, and how many samples have its name with one of `suffixes`.
    fn families(text: &str) -> BTreeMap<String, (String, bool, usize)> {
        let mut families: BTreeMap<String, (String, bool, usize)> = BTreeMap::new();
        let mut present = String::new();
        for line in text.lines() {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            match words[..] {
                ["#", "HELP", name, _] => families.entry(name.to_owned()).or_default().1 = true,
                ["#", "TYPE", name, kind] => {
                    present = name.to_owned();
                    families.entry(present.clone()).or_default().0 = kind.to_owned();
                }
                ["#", "EOF"] => present = "nothing".to_owned(),
                _ => {
                    let (name, value) = line.rsplit_once(' ').unwrap();
                    assert!(value.parse::<f64>().is_ok(), "{line}");
                    let suffix = name.split('{').next().unwrap().strip_prefix(&present).unwrap();
                    let family = families.get_mut(&present).unwrap();
                    let suffixes: &[&str] = match (family.0.as_str(), present.ends_with("_total")) {
                        ("histogram", _) => &["_bucket", "_sum", "_count"],
                        ("counter", false) => &["_total"],
                        ("info", _) => &["_info"],
                        _ => &[""],
                    };
                    assert!(suffixes.contains(&suffix), "{line} in {present}");
                    family.2 += 1;
                }
            }
        }
        families
    }

    #[test]
    fn both_formats_have_the_same_families_and_samples() {
        let metrics = Metrics::default();
        metrics.store_error("swap");
        metrics.request_counters().count("forward", &http::Method::GET, 200, std::time::Duration::ZERO);
        let (open, plain) = (metrics.render(Format::OpenMetrics), metrics.render(Format::Prometheus));
        assert!(open.ends_with("# EOF\n") && !plain.contains("# EOF"));
        let (open, plain) = (families(&open), families(&plain));
        assert!(plain.len() == 14 && open.len() == plain.len(), "{plain:?}");
        for (name, (kind, helped, samples)) in &open {
            let (suffix, expected) = match kind.as_str() {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                kind => ("", kind),
            };
            let (found, also_helped, found_samples) = &plain[&format!("{name}{suffix}")];
            assert_eq!((found.as_str(), also_helped, found_samples), (expected, helped, samples), "{name}");
            assert!(*helped, "{name}");
        }
    }

    #[test]
    fn units_and_types_of_openmetrics_alone_are_translated() {
        let open = "# HELP a_seconds A.\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1\n\
                    # TYPE b unknown\nb 2\n# TYPE c stateset\nc{c=\"x\"} 1\n# EOF\n";
        let plain = "# HELP a_seconds A.\n# TYPE a_seconds gauge\na_seconds 1\n# TYPE b untyped\nb 2\n\
                     # TYPE c gauge\nc{c=\"x\"} 1\n";
        assert_eq!(to_prometheus(open), plain);
    }
}
