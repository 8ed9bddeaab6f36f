//! The language of the pages: whatever a browser asks for, one of ours or none.

use http::HeaderValue;

use crate::locales::BUILT_IN;
use crate::pages::catalogue::negotiate;

/// More ranges than this are not looked at.
const RANGES: usize = 32;

/// - A language is chosen only if the field names it or its relatives, with a weight above nothing.
/// - A range in front of all others that weighs 1 is chosen, whatever follows.
/// - Letter case does not matter; a range at the end that is understood leaves no field without an answer.
pub fn check(data: &[u8]) {
    let Some(chosen) = ask(data) else { return };
    if let Some(tag) = chosen {
        let primary = tag.split('-').next().unwrap_or(tag).as_bytes();
        let named = data.split(|byte| *byte == b',').any(|range| {
            let range = range.trim_ascii();
            range.get(..primary.len()).is_some_and(|start| start.eq_ignore_ascii_case(primary))
        });
        assert!(named, "{tag} was not asked for");
    }
    assert_eq!(ask(&data.to_ascii_uppercase()), Some(chosen), "letter case");
    assert_eq!(ask(&[b"ru-RU,", data].concat()), Some(Some("ru")), "the first of full weight");
    if data.iter().filter(|byte| **byte == b',').count() + 1 < RANGES {
        let with_last = ask(&[data, b", fr;q=0.001"].concat());
        assert_eq!(with_last, Some(Some(chosen.unwrap_or("fr"))), "the last resort");
    }
}

/// The language chosen; none if no field holds such bytes.
fn ask(data: &[u8]) -> Option<Option<&'static str>> {
    let field = HeaderValue::from_bytes(data).ok().filter(|field| field.to_str().is_ok())?;
    let chosen = negotiate(&field, BUILT_IN.iter().map(|(tag, _)| *tag));
    Some(chosen.map(|index| BUILT_IN[index].0))
}
