//! `Accept-Language`: the pages' language is one that exists, or the default.

use http::HeaderValue;

use crate::locales::BUILT_IN;
use crate::pages::catalogue::negotiate;

/// The parser ignores further ranges.
const RANGES: usize = 32;

/// - A language is chosen only if the field names it or a related tag, with a weight above zero.
/// - A supported range with weight 1 before all others is chosen, whatever follows.
/// - Letter case does not matter. If the last range is supported, a language is chosen.
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

/// The chosen language. `None` if the bytes are not a valid field value.
fn ask(data: &[u8]) -> Option<Option<&'static str>> {
    let field = HeaderValue::from_bytes(data).ok().filter(|field| field.to_str().is_ok())?;
    let chosen = negotiate(&field, BUILT_IN.iter().map(|(tag, _)| *tag));
    Some(chosen.map(|index| BUILT_IN[index].0))
}
