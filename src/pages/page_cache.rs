//! A cache of rendered pages. Built-in templates insert most values verbatim, so each layout is rendered once with
//! placeholders and later only filled in. An operator's template may use values in any way, and is rendered each time.
//! docs/decisions/0009-codes-and-pages-drawn-by-us.md has the figures.

use std::sync::Arc;

use arc_swap::ArcSwap;
use minijinja::Error;
use minijinja::value::Value;

use super::catalogue::escape_into;
use super::content::Names;

/// Variables that are filled in unless they are empty. The built-in templates depend on their values in no other way.
const FILLED_IN: [&str; 17] = [
    "account",
    "again_url",
    "age",
    "current",
    "desk",
    "expires_in",
    "name",
    "next",
    "nonce",
    "number",
    "picture",
    "proof",
    "request_id",
    "seconds",
    "time",
    "typed",
    "view",
];
/// Maximum layouts per language. There are about twenty for each public origin; made-up hosts are not cached beyond
/// this.
const MOST: usize = 128;
/// Encloses a placeholder. No text contains it: it is a noncharacter (Unicode, section 23.7).
const MARK: char = '\u{fdd0}';

/// The cache of one language.
#[derive(Debug, Default)]
pub(super) struct PageCache(ArcSwap<Vec<Arc<CachedPage>>>);

#[derive(Debug)]
struct CachedPage {
    template: &'static str,
    /// The variables of this layout. `None` for those that are filled in.
    shape: Vec<(&'static str, Option<Value>)>,
    /// Markup, each followed by the variable with this index.
    pieces: Vec<(String, usize)>,
    end: String,
}

impl PageCache {
    /// The page with these variables. `lay_out` renders a new layout.
    pub(super) fn fill(
        &self,
        template: &'static str,
        names: Names,
        lay_out: impl Fn(Names) -> Result<String, Error>,
    ) -> Result<String, Error> {
        let known = self.0.load();
        if let Some(page) = known.iter().find(|page| page.template == template && page.fits(&names)) {
            return Ok(page.filled_with(&names));
        }
        if known.len() >= MOST {
            return lay_out(names);
        }
        let Some(page) = CachedPage::new(template, &names, &lay_out)?.map(Arc::new) else {
            return lay_out(names);
        };
        let html = page.filled_with(&names);
        self.0.rcu(|known| known.iter().chain([&page]).cloned().collect::<Vec<_>>());
        Ok(html)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.load().len()
    }
}

impl CachedPage {
    /// `None` if the result contains broken placeholders.
    fn new(
        template: &'static str,
        names: &Names,
        lay_out: impl Fn(Names) -> Result<String, Error>,
    ) -> Result<Option<CachedPage>, Error> {
        let (mut shape, mut marked) = (Vec::with_capacity(names.len()), Names::with_capacity(names.len()));
        for (place, (name, value)) in names.iter().enumerate() {
            let is_filled_in = FILLED_IN.contains(name) && value.is_true();
            marked.push((*name, if is_filled_in { placeholder(place, value.is_safe()) } else { value.clone() }));
            shape.push((*name, (!is_filled_in).then(|| value.clone())));
        }
        let html = lay_out(marked)?;
        let mut pieces = Vec::new();
        let mut rest = html.split(MARK);
        let mut end = rest.next().unwrap_or_default();
        while let Some(number) = rest.next() {
            let (Ok(place), Some(next)) = (number.parse(), rest.next()) else { return Ok(None) };
            pieces.push((end.to_owned(), place));
            end = next;
        }
        Ok(Some(CachedPage { template, shape, pieces, end: end.to_owned() }))
    }

    fn fits(&self, names: &Names) -> bool {
        self.shape.len() == names.len()
            && self.shape.iter().zip(names).all(|((known, shape), (name, value))| {
                known == name && shape.as_ref().map_or(value.is_true(), |shape| shape == value)
            })
    }

    fn filled_with(&self, names: &Names) -> String {
        let values: Vec<_> = names.iter().map(|(_, value)| (value.to_str(), value)).collect();
        let length =
            |place: &usize| values.get(*place).and_then(|(text, _)| text.as_ref()).map_or(8, |text| text.len());
        let capacity =
            self.pieces.iter().map(|(markup, place)| markup.len() + length(place)).sum::<usize>() + self.end.len();
        // Extra capacity for escapes.
        let mut html = String::with_capacity(capacity + 256);
        for (markup, place) in &self.pieces {
            html.push_str(markup);
            match values.get(*place) {
                Some((Some(text), value)) if value.is_safe() => html.push_str(text),
                Some((Some(text), _)) => escape_into(text, &mut html),
                Some((None, value)) => escape_into(&value.to_string(), &mut html),
                None => {}
            }
        }
        html.push_str(&self.end);
        html
    }
}

fn placeholder(place: usize, is_safe: bool) -> Value {
    let text = format!("{MARK}{place}{MARK}");
    if is_safe { Value::from_safe_string(text) } else { Value::from(text) }
}
