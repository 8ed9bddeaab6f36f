//! Pages that are laid out once. Most are the same for everybody but for a few values, which the built-in templates say
//! as they are: with marks in their place a page is laid out for each way it can look, and from then on it is filled in.
//! An operator's template may ask anything about any value, and is laid out each time.

use std::sync::Arc;

use arc_swap::ArcSwap;
use minijinja::Error;
use minijinja::value::Value;

use super::catalogue::escape_into;
use super::content::Names;

/// What is filled in, unless it is nothing. Of these the built-in templates ask no more than that.
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
/// So many ways to look are kept in a language. There are some twenty for each address that people use; who makes up
/// addresses gains nothing.
const MOST: usize = 128;
/// Around the number of a mark. No text holds it: it is no character (Unicode, section 23.7).
const MARK: char = '\u{fdd0}';

/// The cache of one language.
#[derive(Default)]
pub(super) struct PageCache(ArcSwap<Vec<Arc<CachedPage>>>);

struct CachedPage {
    template: &'static str,
    /// The variables that it was laid out with; none for those that are filled in.
    shape: Vec<(&'static str, Option<Value>)>,
    /// Markup, and the place in the list of the variable that follows it.
    pieces: Vec<(String, usize)>,
    end: String,
}

impl PageCache {
    /// The page with these variables. `lay_out` is asked where this way to look is new.
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
    /// None where what is laid out does not hold whole marks.
    fn new(
        template: &'static str,
        names: &Names,
        lay_out: impl Fn(Names) -> Result<String, Error>,
    ) -> Result<Option<CachedPage>, Error> {
        let (mut shape, mut marked) = (Vec::with_capacity(names.len()), Names::with_capacity(names.len()));
        for (place, (name, value)) in names.iter().enumerate() {
            let is_filled_in = FILLED_IN.contains(name) && value.is_true();
            marked.push((*name, if is_filled_in { mark(place, value.is_safe()) } else { value.clone() }));
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
        let room =
            self.pieces.iter().map(|(markup, place)| markup.len() + length(place)).sum::<usize>() + self.end.len();
        // Some more, for what is escaped.
        let mut html = String::with_capacity(room + 256);
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

fn mark(place: usize, is_safe: bool) -> Value {
    let text = format!("{MARK}{place}{MARK}");
    if is_safe { Value::from_safe_string(text) } else { Value::from(text) }
}
