//! What the admin listener reports from the past: the proxies in front, and the last failure of each part.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Maximum number of proxies of each kind that are remembered.
const MAX_PROXIES: usize = 8;

/// The proxies and failures of the process.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    undeclared: Vec<String>,
    declared: Vec<String>,
    /// The last failure of each part: when it happened, and the cause.
    failures: BTreeMap<&'static str, (Instant, String)>,
}

impl Seen {
    /// Remembers a proxy, up to the maximum.
    pub(super) fn proxy(&self, name: String, is_declared: bool) {
        let mut state = self.0.lock();
        let proxies = if is_declared { &mut state.declared } else { &mut state.undeclared };
        if proxies.len() < MAX_PROXIES && !proxies.contains(&name) {
            proxies.push(name);
        }
    }

    /// The proxies that are in `public.trusted_proxies`, or the others.
    pub(super) fn proxies(&self, are_declared: bool) -> Vec<String> {
        let state = self.0.lock();
        if are_declared { state.declared.clone() } else { state.undeclared.clone() }
    }

    pub(super) fn forget_proxies(&self) {
        let mut state = self.0.lock();
        state.undeclared.clear();
        state.declared.clear();
    }

    /// Remembers the failure in place of the part's last one.
    pub(super) fn failed(&self, part: &'static str, cause: &dyn Display) {
        self.0.lock().failures.insert(part, (Instant::now(), cause.to_string()));
    }

    /// How long ago a part last failed, and the cause.
    pub(super) fn last_failure(&self, part: &str) -> Option<(Duration, String)> {
        self.0.lock().failures.get(part).map(|(at, cause)| (at.elapsed(), cause.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_proxies_of_each_kind_are_remembered() {
        let seen = Seen::default();
        for number in 0..2 * MAX_PROXIES {
            seen.proxy(format!("10.0.0.{number}"), false);
            seen.proxy("unix".to_owned(), true);
        }
        assert_eq!((seen.proxies(false).len(), seen.proxies(true)), (MAX_PROXIES, vec!["unix".to_owned()]));
        seen.forget_proxies();
        assert!(seen.proxies(false).is_empty() && seen.proxies(true).is_empty());
    }

    #[test]
    fn the_last_failure_of_each_part_is_remembered() {
        let seen = Seen::default();
        for cause in ["first", "second"] {
            seen.failed("login", &cause);
        }
        assert!(seen.last_failure("login").is_some_and(|(_, cause)| cause == "second"));
        assert!(seen.last_failure("identify").is_none());
    }
}
