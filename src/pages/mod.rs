//! Renders a [`Page`] as HTML in the reader's language, with its Content-Security-Policy.
//!
//! A page contains its style, script and picture, and loads nothing. Names, hosts and messages are escaped; style and
//! script have a nonce that differs in every response (docs/security.md, row D23).

mod brand;
pub(crate) mod catalogue;
mod colour;
mod content;
mod error_page;
mod page;
mod page_cache;
pub mod picture;
mod samples;
mod symbol;
mod templates;
#[cfg(test)]
mod tests;
mod theme;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use data_encoding::BASE64;
use http::{HeaderValue, StatusCode};
use minijinja::value::{Object, Value};
use minijinja::{Environment, Error};

use crate::config;
use crate::config::{ShowAccount, Warning};
use crate::device::Devices;
use crate::origin::Origin;
use crate::secret::fill_random;

use self::catalogue::Catalogue;
use self::content::{Frame, Names};
use self::page_cache::PageCache;
use self::templates::Files;

pub use self::brand::tile as icon;
pub use self::page::{
    After, Approve, Code, Confirm, Context, Device, Failure, Lang, Outcome, Page, Start, Tried, TypeCode,
};
pub use self::templates::{TemplateError, TemplateErrors, replaceable};

const CODE_SCRIPT: &str = include_str!("../../templates/page.js");
const WAITING_SCRIPT: &str = include_str!("../../templates/waiting.js");
const START_SCRIPT: &str = include_str!("../../templates/start.js");
const RETRY_SCRIPT: &str = include_str!("../../templates/retry.js");

/// All pages, in all languages. Made once from the configuration and shared by all workers.
#[derive(Debug)]
pub struct Pages {
    templates: Environment<'static>,
    built_in: Environment<'static>,
    /// Whether `pages.templates` is not set.
    is_built_in: bool,
    folder: PathBuf,
    languages: Vec<Language>,
    fixed: Option<Lang>,
    site: String,
    /// The style sheet of sandboxed pages.
    code_style: Value,
    /// The style sheet of all other pages.
    style: Value,
    warnings: Vec<Warning>,
}

#[derive(Debug)]
struct Language {
    catalogue: Catalogue,
    /// By pair of devices. Initialized by the first page for a pair.
    variants: [OnceLock<Variant>; 16],
}

/// A language, for sign-ins between two kinds of device.
#[derive(Debug)]
struct Variant {
    catalogue: Arc<Catalogue>,
    /// The variables that are the same on all of its pages.
    common: Arc<Scope>,
    cache: PageCache,
}

/// The variables of a template: its own, and those that it shares with others.
#[derive(Debug)]
struct Scope {
    own: Names,
    below: Option<Arc<Scope>>,
}

impl Scope {
    fn get(&self, name: &str) -> Option<Value> {
        let own = self.own.iter().rev().find(|(known, _)| *known == name);
        own.map(|(_, value)| value.clone()).or_else(|| self.below.as_ref()?.get(name))
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Scope>, name: &Value) -> Option<Value> {
        self.get(name.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Scope>, name: &str) -> Option<Value> {
        self.get(name)
    }
}

/// A page, ready to be sent.
#[derive(Clone, Debug)]
pub struct Rendered {
    pub html: String,
    pub status: StatusCode,
    /// The value of Content-Security-Policy, with the nonce of the document.
    pub policy: String,
    /// Why an operator's template failed and the built-in one was rendered instead.
    pub problem: Option<String>,
}

impl Pages {
    /// Reads all templates and texts, and renders every page with those of an operator as a test.
    ///
    /// # Errors
    ///
    /// [`TemplateErrors`], with file, line and cause of each, if files in `pages.templates` cannot be used.
    pub fn new(settings: &config::Pages) -> Result<Pages, TemplateErrors> {
        let mut files = Files::read(settings.templates.as_deref())?;
        let variables = theme::variables(&settings.accent);
        let tags = files.languages.iter().map(Catalogue::tag);
        let fixed = settings.language.as_deref().map(|tag| catalogue::lookup(tag, tags));
        let mut warnings = Vec::new();
        if let (Some(None), Some(tag)) = (fixed, &settings.language) {
            let sentence = format!("has no texts in `{tag}`; the pages are in English");
            warnings.push(Warning { key: "pages.language".to_owned(), sentence });
        }
        let has_brand = !settings.logo.is_empty() || !settings.links.is_empty();
        let brand = if has_brand { files.style("brand.css") } else { "" };
        let (every, extra) = (files.style("style.css"), files.style("extra.css"));
        let style =
            |name| Value::from_safe_string(format!("{variables}\n{every}{}{brand}\n{extra}", files.style(name)));
        let (code_style, style) = (style("page.css"), style("other.css"));
        for (name, value) in [
            ("site", Value::from(settings.site.as_str())),
            ("logo", Value::from(settings.logo.as_str())),
            ("logo_dark", Value::from(settings.logo_dark.as_str())),
            ("monogram", Value::from(brand::monogram(&settings.site))),
            ("icon", brand::icon(settings)),
            ("links", brand::links(&settings.links)),
            ("accent", Value::from(settings.accent.as_str())),
            ("devices", (!settings.devices_url.is_empty()).into()),
            ("code_source", Value::from_safe_string(templates::compact_script(CODE_SCRIPT))),
            ("waiting_source", Value::from_safe_string(templates::compact_script(WAITING_SCRIPT))),
            ("start_source", Value::from_safe_string(templates::compact_script(START_SCRIPT))),
            ("retry_source", Value::from_safe_string(templates::compact_script(RETRY_SCRIPT))),
        ] {
            files.pages.add_global(name, value.clone());
            files.built_in.add_global(name, value);
        }
        let pages = Pages {
            templates: files.pages,
            built_in: files.built_in,
            is_built_in: settings.templates.is_none(),
            folder: settings.templates.clone().unwrap_or_else(|| PathBuf::from("templates")),
            languages: files.languages.into_iter().map(Language::new).collect(),
            fixed: fixed.map(|found| Lang(found.unwrap_or_default())),
            site: settings.site.clone(),
            code_style,
            style,
            warnings,
        };
        let found = if settings.templates.is_some() { pages.try_all() } else { Vec::new() };
        TemplateErrors::unless_any(found, pages)
    }

    /// Problems of the settings that do not prevent a start.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The language for a browser: the fixed one, else the best by Accept-Language, else English.
    pub fn language(&self, accept_language: Option<&HeaderValue>) -> Lang {
        let tags = self.languages.iter().map(|language| language.catalogue.tag());
        let asked = || accept_language.and_then(|field| catalogue::negotiate(field, tags)).map(Lang);
        self.fixed.or_else(asked).unwrap_or_default()
    }

    /// Renders `page`. If an operator's template fails, the built-in one is used.
    pub fn render(&self, page: &Page, context: &Context<'_>) -> Rendered {
        let nonce = nonce();
        let policy = policy(page, context.origin, &nonce);
        let status = page.status();
        let render = |templates| self.render_with(templates, page, context, &nonce, None);
        let (html, problem) = match render(&self.templates) {
            Ok(html) => (html, None),
            Err(error) => {
                let problem = TemplateError::of_template(&self.folder, &error).to_string();
                (render(&self.built_in).unwrap_or_else(|_| bare(status)), Some(problem))
            }
        };
        Rendered { html, status, policy, problem }
    }

    fn render_with(
        &self,
        environment: &Environment<'static>,
        page: &Page,
        context: &Context<'_>,
        nonce: &str,
        without: Option<&'static str>,
    ) -> Result<String, Error> {
        let language = self.languages.get(context.lang.0).unwrap_or(&self.languages[0]).variant(context.devices);
        let frame = Frame { language: &language.catalogue, site: &self.site, context };
        let mut names = content::names(page, &frame)?;
        names.extend(of_response(context, nonce));
        let lay_out = |names| self.lay_out(environment, page, language, names, without);
        match self.is_built_in && page.is_cached() {
            true => language.cache.fill(page.template(), names, lay_out),
            false => lay_out(names),
        }
    }

    fn lay_out(
        &self,
        environment: &Environment<'static>,
        page: &Page,
        language: &Variant,
        names: Names,
        without: Option<&'static str>,
    ) -> Result<String, Error> {
        let names = Arc::new(Scope { own: names, below: Some(language.common.clone()) });
        let style = if page.is_sandboxed() { &self.code_style } else { &self.style };
        let mut made = Names::from([("style", style.clone())]);
        for (name, part) in content::parts(page) {
            let scope = Scope { own: made.clone(), below: Some(names.clone()) };
            let markup = self.built_in.get_template(part)?.render(Value::from_object(scope))?;
            made.push((*name, Value::from_safe_string(markup)));
        }
        made.extend(without.map(|name| (name, Value::from("-"))));
        environment.get_template(page.template())?.render(Value::from_object(Scope { own: made, below: Some(names) }))
    }

    /// Renders one page of each kind in every language. Returns the errors of the operator's templates.
    fn try_all(&self) -> Vec<TemplateError> {
        let mut found = Vec::new();
        let Some(origin) = Origin::parse("https://example.com") else { return found };
        for lang in (0..self.languages.len()).map(Lang) {
            let devices = Devices::default();
            let context = Context { lang, origin: &origin, ticket_path: "/qr/", home: "/", request_id: "-", devices };
            for page in samples::all() {
                let error = self.try_one(&page, &context).err();
                found.extend(error.filter(|error| !found.contains(error)));
            }
        }
        found
    }

    /// Renders a page, and once more for each required part with a replacement for it. If the result is the same, the
    /// template does not use the part.
    fn try_one(&self, page: &Page, context: &Context<'_>) -> Result<(), TemplateError> {
        let render = |without| {
            let html = self.render_with(&self.templates, page, context, "-", without);
            html.map_err(|error| TemplateError::of_template(&self.folder, &error))
        };
        let whole = render(None)?;
        for name in page.needs() {
            if render(Some(name))? == whole {
                return Err(TemplateError::missing(&self.folder, &self.templates, page.template(), name));
            }
        }
        Ok(())
    }
}

impl Language {
    fn new(catalogue: Catalogue) -> Language {
        let language = Language { catalogue, variants: Default::default() };
        // Most people sign a phone in at a computer.
        language.variant(Devices::default());
        language
    }

    fn variant(&self, devices: Devices) -> &Variant {
        let index = 4 * devices.shown_on as usize + devices.read_on as usize;
        self.variants[index].get_or_init(|| {
            let catalogue = Arc::new(self.catalogue.between(devices));
            let mut own = Names::from(templates::text_functions(&catalogue));
            own.extend([("lang", Value::from(catalogue.lang())), ("dir", Value::from(catalogue.direction()))]);
            Variant { catalogue, common: Arc::new(Scope { own, below: None }), cache: PageCache::default() }
        })
    }
}

/// The variables of a response, whatever its page.
fn of_response(context: &Context<'_>, nonce: &str) -> [(&'static str, Value); 6] {
    [
        ("nonce", Value::from(nonce)),
        ("host", Value::from(context.origin.authority())),
        ("home", Value::from(context.home)),
        ("ticket_path", Value::from(context.ticket_path)),
        ("public_url", Value::from(context.origin.to_string())),
        ("request_id", Value::from(context.request_id)),
    ]
}

/// The built-in style sheet in an accent.
pub fn style(accent: &str) -> String {
    format!("{}\n{}", theme::variables(accent), templates::STYLE)
}

/// The account as the phone's page names it before the sign-in: in full, not at all, or by the application's hint.
/// Without a hint, by the first letter of each word and the domain of an e-mail address.
pub fn shown_account(name: &str, hint: Option<&str>, how: ShowAccount) -> Option<String> {
    match how {
        ShowAccount::Full => Some(name.to_owned()),
        ShowAccount::None => None,
        ShowAccount::Masked => Some(hint.map_or_else(|| masked(name), str::to_owned)),
    }
}

/// `Ana Lindqvist` as `A•• L••`, `ana@example.com` as `a••@example.com`. Words without a letter or digit are left out.
fn masked(name: &str) -> String {
    let at = name.rfind('@').filter(|at| *at > 0 && !name.contains(char::is_whitespace));
    let (name, domain) = name.split_at(at.unwrap_or(name.len()));
    let initials = name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let words: Vec<String> = initials.map(|initial| format!("{initial}••")).collect();
    if words.is_empty() { format!("••{domain}") } else { format!("{}{domain}", words.join(" ")) }
}

/// 128 bits for `nonce-…`. Empty without randomness: neither style nor script applies then.
fn nonce() -> String {
    let mut bytes = [0; 16];
    fill_random(&mut bytes).map(|()| BASE64.encode(&bytes)).unwrap_or_default()
}

/// The Content-Security-Policy of a page.
///
/// The pages that hold `desk` are sandboxed: a script of the application cannot read them (docs/security.md, D7). There
/// `'self'` matches no origin, so the policy names the public one. Their links need no further permission: a sandboxed
/// top-level page may always leave itself. The other pages set no form-action, which Chromium would apply to the
/// redirects that follow a form, too.
fn policy(page: &Page, origin: &Origin, nonce: &str) -> String {
    let inline = match nonce {
        "" => "style-src 'none'; script-src 'none'".to_owned(),
        nonce => format!("style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'"),
    };
    let common =
        format!("default-src 'none'; {inline}; img-src data:; font-src data:; base-uri 'none'; frame-ancestors 'none'");
    match page.is_sandboxed() {
        true => {
            let source = source_of(origin);
            format!("{common}; connect-src {source}; form-action {source}; sandbox allow-scripts allow-forms")
        }
        false => format!("{common}; connect-src 'self'"),
    }
}

/// An origin as a policy can name it. An IPv6 address or an underscore has no spelling there (CSP 3, section 2.3.1):
/// then the scheme alone must do.
fn source_of(origin: &Origin) -> String {
    match origin.name().bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')) {
        true => origin.to_string(),
        false => format!("{}:", origin.scheme()),
    }
}

/// The page if no template can be rendered.
fn bare(status: StatusCode) -> String {
    let status = status.as_u16();
    format!("<!doctype html><meta charset=\"utf-8\"><title>{status}</title><h1>{status}</h1>")
}
